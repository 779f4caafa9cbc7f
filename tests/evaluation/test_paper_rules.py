"""The published rules: by hand, and against a literal loop over their definition."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from ranking_cases import assert_same, rankings

from recbole_mirec.evaluation import (
    paper_per_brand,
    paper_summarise,
    per_brand_metrics,
    summarise,
)

KS = (2, 5)


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
        names = ("paper_recall@2", "paper_recall@5", "paper_map", "paper_mrr", "paper_medr")
        return summary | dict.fromkeys(names, math.nan)
    for k in KS:
        summary[f"paper_recall@{k}"] = np.mean([np.mean(np.array(r) <= k) for r in ranked])
    summary["paper_map"] = np.mean(
        [np.mean([n / rank for n, rank in enumerate(ranks, start=1)]) for ranks in ranked]
    )
    summary["paper_mrr"] = np.mean([1 / ranks[0] for ranks in ranked])
    summary["paper_medr"] = sorted(ranks[0] for ranks in ranked)[(len(ranked) - 1) // 2]
    return summary


def paper_metrics(case):
    return paper_per_brand(case.scores, *case.masks, brand_category=case.brand_category, ks=KS)


def test_values_worked_by_hand():
    # positives: brand 0 {0, 1}, brand 1 {1, 2}, brand 2 {2}; candidate 3 is nobody's
    scores = np.array([[4.0, 2.0, 2.0, 9.0], [5.0, 1.0, 3.0, 9.0], [3.0, 3.0, 3.0, 1.0]])
    positives = np.array([[1, 1, 0, 0], [0, 1, 1, 0], [0, 0, 1, 0]], dtype=bool)
    per_brand = paper_per_brand(
        scores,
        positives,
        np.ones_like(positives),
        brand_category=np.array([0, 0, 1]),
        ks=KS,
    )
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
    summary = paper_summarise(per_brand)
    assert summary["paper_auc"] == pytest.approx(4 / 12)
    assert summary["paper_cauc"] == pytest.approx(3 / 6)
    assert summary["paper_medr"] == 3


@settings(max_examples=200)
@given(rankings())
def test_against_a_literal_loop_over_the_definition(case):
    per_brand = paper_metrics(case)
    assert_same(paper_summarise(per_brand), literal_summary(case))
    for brand in range(len(case.scores)):
        assert per_brand["paper_auc"][brand] == pytest.approx(
            literal_auc(case, only_brand=brand), abs=1e-9, nan_ok=True
        )
        compared = sum(b == brand for b, _, _ in quadruples(case, True))
        assert per_brand["paper_cauc_compared"][brand] == compared


@given(rankings())
def test_breaking_a_tie_never_lowers_a_figure(case):
    breaker = np.random.default_rng(case.scores.size).random(case.scores.shape)
    levels = np.searchsorted(np.unique(case.scores), case.scores)
    tied = paper_metrics(case)
    strict = paper_metrics(case._replace(scores=levels + breaker / 2))
    assert (strict["paper_first_rank"] <= tied["paper_first_rank"])[
        case.positives.any(axis=1)
    ].all()
    for name in ("paper_auc", "paper_cauc", "paper_recall@2", "paper_map", "paper_mrr"):
        known = ~np.isnan(tied[name])
        assert (strict[name] >= tied[name] - 1e-12)[known].all(), name


def test_without_ties_only_auc_and_the_median_differ_from_the_standard_rules():
    generator = np.random.default_rng(7)
    scores = generator.normal(size=(12, 83))
    positives = generator.random(scores.shape) < 0.1
    everything = np.ones_like(positives)
    published = paper_per_brand(scores, positives, everything)
    standard = per_brand_metrics(scores, positives, everything)
    for name in ("Recall@10", "Recall@50", "MAP", "MRR"):
        np.testing.assert_allclose(published["paper_" + name.lower()], standard[name], atol=1e-13)
    np.testing.assert_array_equal(published["paper_first_rank"], standard["FirstRank"])
    assert "paper_cauc" not in published
    assert (published["paper_auc"] != standard["AUC"]).all()


def test_the_median_of_an_even_number_of_brands_is_the_lower_middle_one():
    per_brand = {"paper_first_rank": np.array([9.0, 2.0, np.nan, 7.0, 4.0])}
    assert paper_summarise(per_brand) == {"paper_medr": 4.0}
    assert summarise({"FirstRank": per_brand["paper_first_rank"]}) == {"MedR": 5.5}


def test_a_constant_scorer_wins_nothing():
    positives = np.array([[1, 0, 0, 1, 0, 0, 0], [0, 1, 0, 0, 0, 0, 0]], dtype=bool)
    per_brand = paper_per_brand(np.zeros((2, 7)), positives, np.ones_like(positives), ks=KS)
    summary = paper_summarise(per_brand)
    assert summary["paper_auc"] == summary["paper_recall@2"] == summary["paper_recall@5"] == 0
    assert summary["paper_mrr"] == pytest.approx(1 / 7)
    assert summary["paper_map"] == pytest.approx(((1 / 7 + 2 / 7) / 2 + 1 / 7) / 2)
    assert summary["paper_medr"] == 7


def test_shuffled_labels_fall_to_chance():
    generator = np.random.default_rng(13)
    positives = generator.random((74, 307)) < 0.03
    scores = generator.normal(size=positives.shape) + 3 * positives
    everything = np.ones_like(positives)
    informed = paper_summarise(paper_per_brand(scores, positives, everything))
    shuffled = generator.permuted(positives, axis=1)
    lost = paper_summarise(paper_per_brand(scores, shuffled, everything))
    assert informed["paper_auc"] > 0.9
    assert lost["paper_auc"] == pytest.approx(0.5, abs=0.04)
    random_order = summarise(per_brand_metrics(0 * scores, shuffled, everything))
    assert lost["paper_map"] == pytest.approx(random_order["MAP"], abs=0.02)
    assert informed["paper_map"] > random_order["MAP"] + 0.3


@given(rankings())
def test_permuting_candidates_changes_nothing_and_permuting_brands_permutes(case):
    generator = np.random.default_rng(case.scores.size)
    columns = generator.permutation(case.scores.shape[1])
    rows = generator.permutation(case.scores.shape[0])
    cells = np.ix_(rows, columns)
    permuted = paper_per_brand(
        case.scores[cells],
        case.positives[cells],
        case.candidates[cells],
        brand_category=case.brand_category[rows],
        ks=KS,
    )
    original = paper_metrics(case)
    assert_same(permuted, {name: values[rows] for name, values in original.items()}, 1e-13)


@given(rankings())
def test_a_subset_of_the_candidates_is_ranked_on_its_own(case):
    unseen = case.candidate_category >= 0
    restricted = paper_metrics(
        case._replace(positives=case.positives & unseen, candidates=case.candidates & unseen)
    )
    deleted = paper_metrics(
        case._replace(
            scores=case.scores[:, unseen],
            positives=case.positives[:, unseen],
            candidates=case.candidates[:, unseen],
        )
    )
    assert_same(restricted, deleted, 1e-13)


def test_rows_of_a_category_summarise_to_its_own_pool():
    generator = np.random.default_rng(17)
    scores = generator.normal(size=(11, 29))
    positives = generator.random(scores.shape) < 0.2
    per_brand = paper_per_brand(scores, positives, np.ones_like(positives))
    part = {name: values[:5] for name, values in per_brand.items()}
    pooled = part["paper_auc_won"].sum() / part["paper_auc_compared"].sum()
    assert paper_summarise(part)["paper_auc"] == pooled
    assert pooled != pytest.approx(part["paper_auc"].mean())


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (2, 3)])
def test_without_positives_nothing_has_a_value(shape):
    none = np.zeros(shape, dtype=bool)
    per_brand = paper_per_brand(
        np.zeros(shape), none, none, brand_category=np.zeros(shape[0], dtype=np.int64)
    )
    assert all(math.isnan(value) for value in paper_summarise(per_brand).values())


def test_wrong_parameters_are_named():
    scores, mask = np.zeros((2, 3)), np.ones((2, 3), dtype=bool)
    with pytest.raises(ValueError, match=r"'brand_category'.*-2 at 1"):
        paper_per_brand(scores, mask, mask, brand_category=np.array([0, -2]))
    with pytest.raises(ValueError, match=r"at least 1\. Received: 0"):
        paper_per_brand(scores, mask, mask, ks=(10, 0))
    with pytest.raises(ValueError, match="must be a candidate"):
        paper_per_brand(scores, mask, ~mask)
