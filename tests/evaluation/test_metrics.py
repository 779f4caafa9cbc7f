"""Metrics: by hand, against scikit-learn, RecBole and literal loops, over every order of ties."""

import itertools
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from ranking_cases import Ranking, assert_same, everyone, rankings
from sklearn.metrics import ndcg_score, roc_auc_score

from recbole_mirec.evaluation.metrics import (
    METRICS,
    auc,
    average_precision,
    first_rank,
    hit_at,
    measures_of,
    ndcg_at,
    per_brand_metrics,
    precision_at,
    recall_at,
    reciprocal_rank,
    summarise,
)

STANDARD = ["AUC", "Recall@2", "Recall@5", "NDCG@10", "MRR", "MAP", "MedR"]
STANDARD += [f"{kind}@{k}" for k in (2, 5) for kind in ("NDCG", "MRR", "MAP", "Hit", "Precision")]
PAPER = ["paper_auc", "paper_cauc", "paper_recall@2", "paper_recall@5", "paper_map", "paper_mrr"]
PAPER += ["paper_medr"]
ALL = [*STANDARD, "cAUC", *PAPER]


def figures(per_brand):
    return summarise(pd.DataFrame(per_brand))


# --- standard metrics ---


def values_of_order(hits):
    """Textbook metrics of one brand whose candidates stand in a strict order."""
    ranks = [rank for rank, hit in enumerate(hits, start=1) if hit]
    n_negatives = len(hits) - len(ranks)
    wins = [n_negatives - (rank - nth) for nth, rank in enumerate(ranks, start=1)]
    return {
        "AUC": sum(wins) / (len(ranks) * n_negatives) if n_negatives else math.nan,
        "Recall@2": sum(rank <= 2 for rank in ranks) / len(ranks),
        "Recall@5": sum(rank <= 5 for rank in ranks) / len(ranks),
        "NDCG@10": values_at(ranks, 10)["NDCG@10"],
        "MRR": 1 / ranks[0],
        "MAP": sum(nth / rank for nth, rank in enumerate(ranks, start=1)) / len(ranks),
        "FirstRank": ranks[0],
        **values_at(ranks, 2),
        **values_at(ranks, 5),
    }


def values_at(ranks, k):
    """Textbook metrics of the first k places, from the ranks of all positives."""
    found = [rank for rank in ranks if rank <= k]
    n_ideal = min(len(ranks), k)
    ideal = sum(1 / math.log2(1 + rank) for rank in range(1, n_ideal + 1))
    return {
        f"NDCG@{k}": sum(1 / math.log2(1 + rank) for rank in found) / ideal,
        f"MRR@{k}": 1 / found[0] if found else 0,
        f"MAP@{k}": sum(nth / rank for nth, rank in enumerate(found, start=1)) / n_ideal,
        f"Hit@{k}": float(bool(found)),
        f"Precision@{k}": len(found) / k,
    }


def mean_over_tie_orders(scores, hits):
    """Mean of the textbook metrics, each order of the ties once for each way to break them."""
    totals = []
    for breaker in itertools.permutations(range(len(scores))):
        order = sorted(range(len(scores)), key=lambda c: (-scores[c], breaker[c]))
        totals.append(values_of_order([hits[c] for c in order]))
    return {name: np.mean([values[name] for values in totals]) for name in totals[0]}


def test_standard_values_worked_by_hand():
    # the first brand has the order n, {p, n, p}, n; the second p, n; the third no positive
    scores = np.array([[5.0, 4.0, 4.0, 4.0, 1.0], [2.0, 1.0, 9.0, 9.0, 9.0], [1.0] * 5])
    positives = np.array([[0, 1, 0, 1, 0], [1, 0, 0, 0, 0], [0] * 5], dtype=bool)
    candidates = np.array([[1] * 5, [1, 1, 0, 0, 0], [1] * 5], dtype=bool)
    log3, log5 = math.log2(3), math.log2(5)
    block_discount = (1 / log3 + 1 / 2 + 1 / log5) / 3
    expected = {
        "AUC": [0.5, 1, math.nan],  # per positive: 1 above, 1/2 of the tie, 1 below
        "Recall@2": [1 / 3, 1, math.nan],
        "Recall@5": [1, 1, math.nan],
        "NDCG@10": [2 * block_discount / (1 + 1 / log3), 1, math.nan],
        # first positive at rank 2 in two of three orders, else at 3
        "MRR": [(2 / 2 + 1 / 3) / 3, 1, math.nan],
        # positives at {2, 3}, {2, 4} or {3, 4}
        "MAP": [((1 / 2 + 2 / 3) + (1 / 2 + 2 / 4) + (1 / 3 + 2 / 4)) / 6, 1, math.nan],
        "FirstRank": [1 + 4 / 3, 1, math.nan],
        # within two places: the first of the block, which is a positive in two of three orders
        "NDCG@2": [2 / 3 / log3 / (1 + 1 / log3), 1, math.nan],
        "MRR@2": [2 / 3 / 2, 1, math.nan],
        "MAP@2": [2 / 3 / 2 / 2, 1, math.nan],
        "Hit@2": [2 / 3, 1, math.nan],
        "Precision@2": [2 / 3 / 2, 1 / 2, math.nan],
        "NDCG@5": [2 * block_discount / (1 + 1 / log3), 1, math.nan],
        "MRR@5": [(2 / 2 + 1 / 3) / 3, 1, math.nan],
        "MAP@5": [((1 / 2 + 2 / 3) + (1 / 2 + 2 / 4) + (1 / 3 + 2 / 4)) / 6, 1, math.nan],
        "Hit@5": [1, 1, math.nan],
        "Precision@5": [2 / 5, 1 / 5, math.nan],
    }
    per_brand = Ranking(scores, positives, candidates).values(STANDARD)
    assert_same(per_brand, expected, 1e-15)
    summary = figures(per_brand)
    assert summary["AUC"] == 0.75
    assert summary["MedR"] == pytest.approx((7 / 3 + 1) / 2)
    assert "FirstRank" not in summary


def test_cauc_worked_by_hand():
    scores = np.array([[3.0, 5.0, 3.0, 1.0, 9.0]] * 4)
    positives = np.array([[1, 0, 0, 0, 0]] * 4, dtype=bool)
    candidates = np.ones((4, 5), dtype=bool)
    candidates[3, 1] = False
    categories = np.array([0, 1, -1, 0]), np.array([1, 0, 0, 0, -1])
    per_brand = Ranking(scores, positives, candidates, *categories).values(["cAUC"])
    # brand 0: loses to 1, ties with 2, beats 3; brand 1: its category holds only its own
    # positive; brand 2: unknown, and so not matched with the unknown candidate 4
    np.testing.assert_allclose(per_brand["cAUC"], [0.5, math.nan, math.nan, 0.75])
    assert figures(per_brand) == {"cAUC": 0.625}


@settings(max_examples=200)
@given(rankings(max_brands=3, max_candidates=6))
def test_expectation_over_every_order_of_the_ties(case):
    per_brand = case.values(STANDARD)
    for brand, keep in enumerate(case.candidates):
        actual = {name: values[brand] for name, values in per_brand.items()}
        hits = case.positives[brand, keep]
        if hits.any():
            assert_same(actual, mean_over_tie_orders(case.scores[brand, keep], hits))
        else:
            assert all(math.isnan(value) for value in actual.values())


@given(rankings())
def test_auc_and_ndcg_with_ties_against_scikit_learn(case):
    scores = np.nan_to_num(case.scores, posinf=7.0, neginf=-7.0)  # it refuses infinities
    ranks = case.ranks()
    for brand, keep in enumerate(case.candidates):
        hits, values = case.positives[brand, keep], scores[brand, keep]
        if not hits.any() or hits.all():
            continue
        assert auc(ranks)[brand] == pytest.approx(roc_auc_score(hits, values), abs=1e-9)
        for k in (1, 3, 10):
            oracle = ndcg_score(hits[None], values[None], k=k)
            assert ndcg_at(ranks, k)[brand] == pytest.approx(oracle, abs=1e-9)


def test_without_ties_the_metrics_of_recbole():
    from recbole.evaluator import metrics

    from recbole_mirec.config import MirecConfig

    # gives NumPy its old names
    config = MirecConfig(config_dict={"model": "BPR", "dataset": "mirec-tiny"})
    generator = np.random.default_rng(7)
    scores = generator.normal(size=(53, 31))
    positives = generator.random(scores.shape) < 0.15
    positives[:, 0] = True
    case = everyone(scores, positives)
    hits = np.take_along_axis(positives, np.argsort(-scores, axis=1), axis=1)
    for name, k in itertools.product(
        ("Recall", "NDCG", "MAP", "MRR", "Hit", "Precision"), (1, 3, 10, 31)
    ):
        # Its metrics read an integer 0 or 1 for each of the first k places.
        lengths = [positives.sum(axis=1)] if name in ("Recall", "NDCG", "MAP") else []
        theirs = getattr(metrics, name)(config).metric_info(hits[:, :k].astype(np.int64), *lengths)
        ours = case.values([f"{name}@{k}"])[f"{name}@{k}"]
        np.testing.assert_allclose(ours, theirs[:, -1], rtol=0, atol=1e-12, err_msg=f"{name}@{k}")


@pytest.mark.parametrize(("n_candidates", "n_positives"), [(797, 11), (3748, 11), (3748, 3000)])
def test_a_constant_scorer_gets_the_closed_form_of_a_random_order(n_candidates, n_positives):
    t, p = n_candidates, n_positives
    ranks = everyone(np.zeros((1, t)), (np.arange(t) < p)[None]).ranks()
    # integers of any length keep this oracle exact
    starts = [math.comb(t - x, p - 1) for x in range(1, t - p + 2)]
    assert sum(starts) == math.comb(t, p)
    shares = [ways / math.comb(t, p) for ways in starts]
    discounts = [1 / math.log2(1 + rank) for rank in range(1, 11)]
    precisions = [(1 + (j - 1) * (p - 1) / (t - 1)) / j for j in range(1, t + 1)]
    assert auc(ranks)[0] == 0.5
    assert recall_at(ranks, 10)[0] == pytest.approx(10 / t, abs=1e-12)
    assert recall_at(ranks, 50)[0] == pytest.approx(50 / t, abs=1e-12)
    assert ndcg_at(ranks, 10)[0] == pytest.approx(p / t * sum(discounts) / sum(discounts[:p]))
    mrr = math.fsum(share / x for x, share in enumerate(shares, start=1))
    assert reciprocal_rank(ranks)[0] == pytest.approx(mrr, abs=1e-12)
    assert average_precision(ranks)[0] == pytest.approx(math.fsum(precisions) / t, abs=1e-12)
    # the first ten places: drawn without replacement, each as good as any other
    assert precision_at(ranks, 10)[0] == pytest.approx(p / t, abs=1e-12)
    assert hit_at(ranks, 10)[0] == pytest.approx(math.fsum(shares[:10]), abs=1e-12)
    assert hit_at(ranks, 10)[0] == pytest.approx(1 - math.comb(t - p, 10) / math.comb(t, 10))
    mrr_10 = math.fsum(share / x for x, share in enumerate(shares[:10], start=1))
    assert reciprocal_rank(ranks, 10)[0] == pytest.approx(mrr_10, abs=1e-12)
    map_10 = math.fsum(precisions[:10]) * p / t / min(p, 10)
    assert average_precision(ranks, 10)[0] == pytest.approx(map_10, abs=1e-12)
    assert average_precision(ranks, t)[0] == average_precision(ranks)[0]
    assert reciprocal_rank(ranks, t)[0] == reciprocal_rank(ranks)[0]
    mean_rank = math.fsum(x * share for x, share in enumerate(shares, start=1))
    assert first_rank(ranks)[0] == pytest.approx(mean_rank, rel=1e-12)


def test_a_constant_scorer_gets_what_random_scorers_get_on_average():
    n_draws, n_candidates = 20_000, 37
    scores = np.random.default_rng(5).random((n_draws, n_candidates))
    positives = np.tile(np.arange(n_candidates) < 4, (n_draws, 1))
    categories = np.zeros(n_draws, dtype=np.int64), np.arange(n_candidates) % 3
    metrics = [*STANDARD, "cAUC"]
    drawn = everyone(scores, positives, *categories).values(metrics)
    constant = everyone(0 * scores[:1], positives[:1], categories[0][:1], categories[1]).values(
        metrics
    )
    for name, values in drawn.items():
        error = values.std() / math.sqrt(n_draws)
        assert abs(values.mean() - constant[name][0]) < 4 * error + 1e-12, name


# --- the paper's rules ---


def quadruples(case, same_category):
    """All (b, i, b2, i2) of the definition, one after the other."""
    pairs = [(int(b), int(i)) for b, i in zip(*np.nonzero(case.positives), strict=True)]
    for b, i in pairs:
        for b2, i2 in pairs:
            if b2 == b or i2 == i or not case.candidates[b, i2]:
                continue
            if same_category and (
                case.brand_category[b] == -1 or case.brand_category[b] != case.brand_category[b2]
            ):
                continue
            yield b, i, i2


def literal_auc(case, same_category=False, only_brand=None):
    outcomes = [
        case.scores[b, i] > case.scores[b, i2]
        for b, i, i2 in quadruples(case, same_category)
        if only_brand in (None, b)
    ]
    return sum(outcomes) / len(outcomes) if outcomes else math.nan


def literal_ranks(case, brand):
    """Worst rank of each positive of a brand: the candidates that score at least as high."""
    row, keep = case.scores[brand], case.candidates[brand]
    return sorted(int((row[keep] >= row[i]).sum()) for i in np.flatnonzero(case.positives[brand]))


def literal_summary(case):
    ranked = [literal_ranks(case, brand) for brand in range(len(case.scores))]
    ranked = [ranks for ranks in ranked if ranks]
    summary = {"paper_auc": literal_auc(case), "paper_cauc": literal_auc(case, True)}
    if not ranked:
        return summary | dict.fromkeys(PAPER[2:], math.nan)
    for k in (2, 5):
        summary[f"paper_recall@{k}"] = np.mean([np.mean(np.array(r) <= k) for r in ranked])
    summary["paper_map"] = np.mean(
        [np.mean([n / rank for n, rank in enumerate(ranks, start=1)]) for ranks in ranked]
    )
    summary["paper_mrr"] = np.mean([1 / ranks[0] for ranks in ranked])
    summary["paper_medr"] = sorted(ranks[0] for ranks in ranked)[(len(ranked) - 1) // 2]
    return summary


def test_paper_values_worked_by_hand():
    # positives: brand 0 {0, 1}, brand 1 {1, 2}, brand 2 {2}; candidate 3 is nobody's
    scores = np.array([[4.0, 2.0, 2.0, 9.0], [5.0, 1.0, 3.0, 9.0], [3.0, 3.0, 3.0, 1.0]])
    positives = np.array([[1, 1, 0, 0], [0, 1, 1, 0], [0, 0, 1, 0]], dtype=bool)
    per_brand = everyone(scores, positives, np.array([0, 0, 1])).values(PAPER)
    expected = {
        # brand 0: weights of 0..2 are 0, 1, 2. Its positive 0 beats 1 once and 2 twice; 1 meets 2
        # twice, and the tie loses. Brand 1: weights 1, 1, 1. Its 1 loses to 0 and 2; 2 loses to 0
        # and beats 1. Brand 2: weights 1, 2, 1. Its 2 ties with 0 once and with 1 twice.
        "paper_auc": [3 / 5, 1 / 4, 0],
        "paper_auc_won": [3, 1, 0],
        "paper_auc_compared": [5, 4, 3],
        # against each other only: brand 0 has 1 and 2 once each, brand 1 has 0 and 1
        "paper_cauc": [2 / 3, 1 / 3, math.nan],
        "paper_cauc_won": [2, 1, 0],
        "paper_cauc_compared": [3, 3, 0],
        # worst ranks: brand 0 {2, 4}, brand 1 {3, 4}, brand 2 {3}
        "paper_recall@2": [1 / 2, 0, 0],
        "paper_recall@5": [1, 1, 1],
        "paper_map": [(1 / 2 + 2 / 4) / 2, (1 / 3 + 2 / 4) / 2, 1 / 3],
        "paper_mrr": [1 / 2, 1 / 3, 1 / 3],
        "paper_first_rank": [2, 3, 3],
    }
    assert_same(per_brand, expected, 1e-15)
    summary = figures(per_brand)
    assert summary["paper_auc"] == pytest.approx(4 / 12)
    assert summary["paper_cauc"] == pytest.approx(3 / 6)
    assert summary["paper_medr"] == 3
    assert "paper_cauc" not in everyone(scores, positives).values(PAPER)  # no categories


@settings(max_examples=200)
@given(rankings())
def test_the_papers_rules_against_a_literal_loop_over_the_definition(case):
    per_brand = case.values(PAPER)
    assert_same(figures(per_brand), literal_summary(case))
    for brand in range(len(case.scores)):
        assert per_brand["paper_auc"][brand] == pytest.approx(
            literal_auc(case, only_brand=brand), abs=1e-9, nan_ok=True
        )
        compared = sum(b == brand for b, _, _ in quadruples(case, True))
        assert per_brand["paper_cauc_compared"][brand] == compared


# --- both ---


def test_shuffled_labels_fall_to_chance():
    generator = np.random.default_rng(11)
    positives = generator.random((211, 307)) < 0.03
    positives[:, 0] = True
    scores = generator.normal(size=positives.shape) + 3 * positives
    metrics = ["AUC", "Recall@10", "Recall@50", "NDCG@10", "MRR", "MAP", "MedR"]
    shuffled = generator.permuted(positives, axis=1)
    chance = everyone(0 * scores, positives).values(metrics)
    informed = everyone(scores, positives).values([*metrics, "paper_auc"])
    lost = everyone(scores, shuffled).values([*metrics, "paper_auc"])
    for name in chance:
        error = lost[name].std() / math.sqrt(len(positives))
        assert abs(lost[name].mean() - chance[name].mean()) < 4 * error, name
        assert abs(informed[name].mean() - chance[name].mean()) > 10 * error, name
    assert figures(informed)["paper_auc"] > 0.9
    assert figures(lost)["paper_auc"] == pytest.approx(0.5, abs=0.04)


@given(rankings())
def test_permuting_candidates_changes_nothing_and_permuting_brands_permutes(case):
    generator = np.random.default_rng(case.scores.size)
    rows, columns = map(generator.permutation, case.scores.shape)
    expected = {name: values[rows] for name, values in case.values(ALL).items()}
    assert_same(case.at(rows, columns).values(ALL), expected, 1e-13)


@given(rankings())
def test_masked_candidates_count_as_absent(case):
    metrics = [*STANDARD, "cAUC"]  # a brand's figure by the paper's rules hangs on other brands
    masked = case.values(metrics)
    for brand, keep in enumerate(case.candidates):
        alone = case.at(np.array([brand]), np.flatnonzero(keep)).values(metrics)
        assert_same({name: values[[brand]] for name, values in masked.items()}, alone, 1e-13)


@given(rankings())
def test_a_subset_of_the_candidates_is_ranked_on_its_own(case):
    unseen = case.candidate_category >= 0
    deleted = case.at(np.arange(len(case.scores)), np.flatnonzero(unseen))
    restricted = case._replace(
        positives=case.positives & unseen, candidates=case.candidates & unseen
    )
    assert_same(restricted.values(ALL), deleted.values(ALL), 1e-13)
    ranks = case.ranks()
    found = per_brand_metrics(
        ranks, ["MAP", "MedR", "cAUC", "paper_map"], ranks.among(unseen[None])
    )
    names = [*("MAP", "FirstRank", "cAUC", "paper_map"), "unseen_MAP", "unseen_FirstRank"]
    assert list(found) == names
    for name in ("MAP", "FirstRank"):
        np.testing.assert_allclose(found[f"unseen_{name}"], deleted.values(["MAP", "MedR"])[name])


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (2, 3)])
def test_without_positives_nothing_has_a_value(shape):
    none = np.zeros(shape, dtype=bool)
    categories = (np.zeros(n, dtype=np.int64) for n in shape)
    per_brand = Ranking(np.zeros(shape), none, none, *categories).values(ALL)
    assert all(values.shape == shape[:1] for values in per_brand.values())
    assert all(math.isnan(value) for value in figures(per_brand).values())


# --- the table ---


def test_summaries_over_brands():
    ranks = np.array([9.0, 2.0, np.nan, 7.0, 4.0])
    per_brand = {
        "AUC": np.array([0.25, np.nan, 0.75, np.nan, np.nan]),
        "cAUC": np.full(5, np.nan),
        "FirstRank": ranks,
        "paper_auc": np.array([0.5, 1, np.nan, 0.25, np.nan]),
        "paper_auc_won": np.array([1.0, 3, 0, 1, 0]),
        "paper_auc_compared": np.array([2.0, 3, 0, 4, 0]),
        "paper_first_rank": ranks,
        "unseen_FirstRank": ranks,
    }
    summary = figures(per_brand)
    assert math.isnan(summary.pop("cAUC"))
    # the median of an even number of brands is the mean of the middle two, or the paper's lower
    medians = {"MedR": 5.5, "paper_medr": 4.0, "unseen_MedR": 5.5}
    assert summary == {"AUC": 0.5, "paper_auc": 5 / 9} | medians
    some = {name: values[:2] for name, values in per_brand.items()}
    assert figures(some)["paper_auc"] == 4 / 5


def test_measures_of_columns_name_what_they_take():
    columns = ["Recall@10", "unseen_FirstRank", "paper_auc", "paper_auc_won", "paper_auc_compared"]
    found = measures_of(columns)
    assert [one.name for one in found] == ["Recall@10", "unseen_MedR", "paper_auc"]
    assert [one.columns for one in found] == [
        ("Recall@10",),
        ("unseen_FirstRank",),
        tuple(columns[3:]),
    ]
    assert [one.metric.is_mean for one in found] == [True, False, False]
    layouts = np.array([[4.0, 1.0, 3.0, 2.0], [8.0, 8.0, 5.0, 9.0]])
    by_name = {name: metric.summary for name, metric in METRICS.items()}
    assert by_name["MedR"](layouts, axis=-1).tolist() == [2.5, 8]
    assert by_name["paper_medr"](layouts, axis=-1).tolist() == [2, 8]
    assert by_name["paper_medr"](layouts[:, :3], axis=-1).tolist() == [3, 8]
    assert by_name["paper_auc"](layouts, 10 + 0 * layouts, axis=-1).tolist() == [0.25, 0.75]
    nothing = by_name["paper_auc"](np.array([[3, 0], [0, 0]]), np.array([[4, 8], [0, 0]]))
    np.testing.assert_array_equal(nothing, [0.25, np.nan])
    with pytest.raises(KeyError, match="brand_id"):
        measures_of(["brand_id"])
