"""Standard metrics: by hand, against scikit-learn, and against every order of the ties."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from ranking_cases import assert_same, rankings
from sklearn.metrics import average_precision_score, ndcg_score, roc_auc_score

from recbole_mirec.evaluation import (
    auc,
    average_precision,
    first_rank,
    hit_at,
    ndcg_at,
    per_brand_metrics,
    precision_at,
    recall_at,
    reciprocal_rank,
    summarise,
    tie_ranks,
    usual_columns,
)

KS = (2, 5)
AT_CUTOFF = ("NDCG", "MRR", "MAP", "Hit", "Precision")
COLUMNS = [name for name in usual_columns(KS) if name != "cAUC"]
COLUMNS += [f"{kind}@{k}" for k in KS for kind in AT_CUTOFF]


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


def test_values_worked_by_hand():
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
    per_brand = per_brand_metrics(scores, positives, candidates, columns=COLUMNS)
    assert_same(per_brand, expected, 1e-15)
    summary = summarise(per_brand)
    assert summary["AUC"] == 0.75
    assert summary["MedR"] == pytest.approx((7 / 3 + 1) / 2)
    assert "FirstRank" not in summary


def test_cauc_worked_by_hand():
    scores = np.array([[3.0, 5.0, 3.0, 1.0, 9.0]] * 4)
    positives = np.array([[1, 0, 0, 0, 0]] * 4, dtype=bool)
    candidate_category = np.array([1, 0, 0, 0, -1])
    brand_category = np.array([0, 1, -1, 0])
    candidates = np.ones((4, 5), dtype=bool)
    candidates[3, 1] = False
    per_brand = per_brand_metrics(
        scores,
        positives,
        candidates,
        brand_category=brand_category,
        candidate_category=candidate_category,
    )
    # brand 0: loses to 1, ties with 2, beats 3; brand 1: its category holds only its own
    # positive; brand 2: unknown, and so not matched with the unknown candidate 4
    np.testing.assert_allclose(per_brand["cAUC"], [0.5, math.nan, math.nan, 0.75])
    assert summarise(per_brand)["cAUC"] == 0.625


@settings(max_examples=200)
@given(rankings(max_brands=3, max_candidates=6))
def test_expectation_over_every_order_of_the_ties(case):
    per_brand = per_brand_metrics(case.scores, *case.masks, columns=COLUMNS)
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
    ranks = tie_ranks(case.scores, *case.masks)
    for brand, keep in enumerate(case.candidates):
        hits, values = case.positives[brand, keep], scores[brand, keep]
        if not hits.any() or hits.all():
            continue
        assert auc(ranks)[brand] == pytest.approx(roc_auc_score(hits, values), abs=1e-9)
        for k in (1, 3, 10):
            oracle = ndcg_score(hits[None], values[None], k=k)
            assert ndcg_at(ranks, k)[brand] == pytest.approx(oracle, abs=1e-9)


def test_without_ties_the_metrics_of_recbole(recbole_metrics):
    generator = np.random.default_rng(7)
    scores = generator.normal(size=(53, 31))
    positives = generator.random(scores.shape) < 0.15
    positives[:, 0] = True
    ranks = tie_ranks(scores, positives, np.ones_like(positives))
    hits = np.take_along_axis(positives, ranks.order, axis=1)
    n_positives = positives.sum(axis=1)
    for k in (1, 3, 10, 31):
        # Its metrics read an integer 0 or 1 for each of the first k places.
        for name, theirs in recbole_metrics(hits[:, :k].astype(np.int64), n_positives).items():
            ours = per_brand_metrics(
                scores, positives, np.ones_like(positives), columns=[f"{name}@{k}"]
            )
            np.testing.assert_allclose(
                ours[f"{name}@{k}"], theirs[:, -1], rtol=0, atol=1e-12, err_msg=f"{name}@{k}"
            )


@pytest.fixture
def recbole_metrics():
    """RecBole's own classes, called without its evaluator; name -> value at each depth."""
    from recbole.evaluator import metrics

    from recbole_mirec.config import MirecConfig

    config = MirecConfig(
        config_dict={"model": "BPR", "dataset": "mirec-tiny"}
    )  # gives NumPy its old names

    def calculate(hits, n_positives):
        found = {}
        for name in ("Recall", "NDCG", "MAP", "MRR", "Hit", "Precision"):
            takes_length = name in ("Recall", "NDCG", "MAP")
            arguments = (hits, n_positives) if takes_length else (hits,)
            found[name] = getattr(metrics, name)(config).metric_info(*arguments)
        return found

    return calculate


def test_against_scikit_learn_at_the_size_of_the_published_test_set():
    generator = np.random.default_rng(3)
    scores = generator.normal(size=(74, 797))
    positives = generator.random(scores.shape) < 11 / 797
    positives[:, 0] = True
    everything = np.ones_like(positives)
    strict, tied = (tie_ranks(s, positives, everything) for s in (scores, scores.round(1)))
    for brand, hits in enumerate(positives):
        oracle = average_precision_score(hits, scores[brand])
        assert average_precision(strict)[brand] == pytest.approx(oracle, abs=1e-9)
        rounded = scores[brand].round(1)
        assert auc(tied)[brand] == pytest.approx(roc_auc_score(hits, rounded), abs=1e-9)
        oracle = ndcg_score(hits[None], rounded[None], k=10)
        assert ndcg_at(tied, 10)[brand] == pytest.approx(oracle, abs=1e-9)


@pytest.mark.parametrize(("n_candidates", "n_positives"), [(797, 11), (3748, 11), (3748, 3000)])
def test_a_constant_scorer_gets_the_closed_form_of_a_random_order(n_candidates, n_positives):
    t, p = n_candidates, n_positives
    positives = (np.arange(t) < p)[None]
    ranks = tie_ranks(np.zeros((1, t)), positives, np.ones_like(positives))
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
    everything = np.ones_like(positives)
    categories = {
        "brand_category": np.zeros(n_draws, dtype=np.int64),
        "candidate_category": np.arange(n_candidates) % 3,
    }
    columns = [*COLUMNS, "cAUC"]
    drawn = per_brand_metrics(scores, positives, everything, columns=columns, **categories)
    constant = per_brand_metrics(0 * scores, positives, everything, columns=columns, **categories)
    for name, values in drawn.items():
        error = values.std() / math.sqrt(n_draws)
        assert abs(values.mean() - constant[name][0]) < 4 * error + 1e-12, name


def test_shuffled_labels_fall_to_chance():
    generator = np.random.default_rng(11)
    positives = generator.random((211, 307)) < 0.03
    positives[:, 0] = True
    scores = generator.normal(size=positives.shape) + 3 * positives
    everything = np.ones_like(positives)
    shuffled = generator.permuted(positives, axis=1)
    chance = per_brand_metrics(0 * scores, positives, everything)
    informed = per_brand_metrics(scores, positives, everything)
    lost = per_brand_metrics(scores, shuffled, everything)
    for name, values in lost.items():
        error = values.std() / math.sqrt(len(values))
        assert abs(values.mean() - chance[name].mean()) < 4 * error, name
        assert abs(informed[name].mean() - chance[name].mean()) > 10 * error, name


@given(rankings())
def test_permuting_candidates_changes_nothing_and_permuting_brands_permutes(case):
    generator = np.random.default_rng(case.scores.size)
    columns = generator.permutation(case.scores.shape[1])
    rows = generator.permutation(case.scores.shape[0])
    cells = np.ix_(rows, columns)
    permuted = per_brand_metrics(
        case.scores[cells],
        case.positives[cells],
        case.candidates[cells],
        brand_category=case.brand_category[rows],
        candidate_category=case.candidate_category[columns],
    )
    original = per_brand_metrics(case.scores, *case.masks, **case.categories)
    assert_same(permuted, {name: values[rows] for name, values in original.items()}, 1e-13)


@given(rankings())
def test_masked_candidates_count_as_absent(case):
    masked = per_brand_metrics(case.scores, *case.masks, **case.categories)
    for brand, keep in enumerate(case.candidates):
        alone = per_brand_metrics(
            case.scores[[brand]][:, keep],
            case.positives[[brand]][:, keep],
            np.ones((1, keep.sum()), dtype=bool),
            brand_category=case.brand_category[[brand]],
            candidate_category=case.candidate_category[keep],
        )
        assert_same({name: values[[brand]] for name, values in masked.items()}, alone, 1e-13)


@given(rankings())
def test_a_subset_of_the_candidates_is_ranked_on_its_own(case):
    unseen = case.candidate_category >= 0
    assume(unseen.any())
    restricted = per_brand_metrics(case.scores, case.positives & unseen, case.candidates & unseen)
    deleted = per_brand_metrics(
        case.scores[:, unseen], case.positives[:, unseen], case.candidates[:, unseen]
    )
    assert_same(restricted, deleted, 1e-13)


@given(rankings())
def test_values_stay_in_their_ranges(case):
    columns = [*COLUMNS, "cAUC"]
    per_brand = per_brand_metrics(case.scores, *case.masks, columns=columns, **case.categories)
    first = per_brand.pop("FirstRank")
    has_positives = case.positives.any(axis=1)
    assert (np.isfinite(first) == has_positives).all()
    assert (first[has_positives] >= 1).all()
    assert (first[has_positives] <= case.candidates.sum(axis=1)[has_positives]).all()
    for name, values in per_brand.items():
        known = values[~np.isnan(values)]
        assert ((known >= 0) & (known <= 1 + 1e-12)).all(), name


def test_one_class_brands_have_no_auc_but_ranks():
    per_brand = per_brand_metrics(
        np.array([[1.0, 2.0, 3.0]]), np.ones((1, 3), bool), np.ones((1, 3), bool)
    )
    assert math.isnan(per_brand["AUC"][0])
    assert [per_brand[name][0] for name in ("MRR", "MAP", "NDCG@10", "FirstRank")] == [1, 1, 1, 1]


def test_summary_leaves_out_brands_without_the_value():
    per_brand = {
        "AUC": np.array([0.25, np.nan, 0.75]),
        "cAUC": np.array([np.nan, np.nan, np.nan]),
        "FirstRank": np.array([1.0, 4.0, np.nan]),
    }
    summary = summarise(per_brand)
    assert summary["AUC"] == 0.5
    assert summary["MedR"] == 2.5
    assert math.isnan(summary["cAUC"])
    assert math.isnan(summarise({"FirstRank": np.array([np.nan])})["MedR"])


def test_no_brand_at_all_has_no_value():
    none = np.zeros((0, 3), dtype=bool)
    per_brand = per_brand_metrics(np.zeros((0, 3)), none, none)
    assert all(values.shape == (0,) for values in per_brand.values())
    assert all(math.isnan(value) for value in summarise(per_brand).values())


def test_wrong_parameters_are_named():
    scores, mask = np.zeros((2, 3)), np.ones((2, 3), dtype=bool)
    with pytest.raises(ValueError, match="must be given together"):
        per_brand_metrics(scores, mask, mask, brand_category=np.zeros(2, dtype=np.int64))
    with pytest.raises(ValueError, match=r"'brand_category'.*-3 at 0"):
        per_brand_metrics(
            scores,
            mask,
            mask,
            brand_category=np.array([-3, 0]),
            candidate_category=np.zeros(3, dtype=np.int64),
        )
    with pytest.raises(ValueError, match=r"'candidate_category'.*-2 at 2"):
        per_brand_metrics(
            scores,
            mask,
            mask,
            brand_category=np.array([0, 0]),
            candidate_category=np.array([0, 0, -2]),
        )
    with pytest.raises(ValueError, match=r"at least 1\. Received: 0"):
        per_brand_metrics(scores, mask, mask, columns=["Recall@0"])
    for measure in (ndcg_at, hit_at, precision_at, reciprocal_rank, average_precision):
        with pytest.raises(ValueError, match=r"at least 1\. Received: 0"):
            measure(tie_ranks(scores, mask, mask), 0)
    for name in ("recall@10", "Recall", "MedR", "AUC@3"):
        with pytest.raises(ValueError, match=f"No metric has the name .* Received: '{name}'"):
            per_brand_metrics(scores, mask, mask, columns=[name])
    with pytest.raises(ValueError, match=r"at least 1\. Received: -1"):
        ndcg_at(tie_ranks(scores, mask, mask), -1)
