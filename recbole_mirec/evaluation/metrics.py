"""Metrics of each brand from exact ranks, and their means."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from jaxtyping import Bool, Float, Int, Num

from recbole_mirec.evaluation.ranks import TieRanks, check_categories, check_cutoff, tie_ranks


def sum_over_positives(
    ranks: TieRanks, values: Num[np.ndarray, " positive"]
) -> Float[np.ndarray, " brand"]:
    """Sum of a value of the positives over each brand; 0 for a brand without positives."""
    total = np.bincount(ranks.brand, values, minlength=len(ranks.n_positives))
    return total.astype(np.float64)  # bincount of nothing gives integers whatever the weights


def mean_over_positives(
    ranks: TieRanks, values: Num[np.ndarray, " positive"]
) -> Float[np.ndarray, " brand"]:
    """Mean of a value of the positives over each brand; NaN for a brand without positives."""
    return divide_or_nan(sum_over_positives(ranks, values), ranks.n_positives)


def value_of_brands(
    ranks: TieRanks, brand: Int[np.ndarray, " known"], values: Num[np.ndarray, " known"]
) -> Float[np.ndarray, " brand"]:
    """The given values at the given brands; NaN at the other ones."""
    result = np.full(len(ranks.n_positives), np.nan)
    result[brand] = values
    return result


def divide_or_nan(
    numerator: Float[np.ndarray, " brand"], denominator: Num[np.ndarray, " brand"]
) -> Float[np.ndarray, " brand"]:
    """Quotient, NaN where the denominator is 0."""
    result = np.full(len(numerator), np.nan)
    np.divide(numerator, denominator, out=result, where=denominator > 0)
    return result


FIRST_RANK = "FirstRank"
MEDIAN_RANK = "MedR"
CATEGORY_AUC = "cAUC"


def usual_columns(ks: Sequence[int] = (10, 50)) -> list[str]:
    """The metrics that are computed where nobody chooses, with these cut-offs of Recall."""
    recalls = [f"Recall@{k}" for k in ks]
    return ["AUC", CATEGORY_AUC, *recalls, "NDCG@10", "MRR", "MAP", FIRST_RANK]


def per_brand_metrics(
    scores: Float[np.ndarray, "brand candidate"],
    positives: Bool[np.ndarray, "brand candidate"],
    candidates: Bool[np.ndarray, "brand candidate"],
    *,
    brand_category: Int[np.ndarray, " brand"] | None = None,
    candidate_category: Int[np.ndarray, " candidate"] | None = None,
    columns: Sequence[str] | None = None,
) -> dict[str, Float[np.ndarray, " brand"]]:
    """Standard metrics of every brand.

    Metrics over a subset of the candidates come from the same call with both masks restricted, for
    example `per_brand_metrics(scores, positives & unseen, candidates & unseen)` for the influencers
    never seen in training (`unseen` broadcasts along the brands).

    Args:
        scores: any unit, higher is better.
        positives: True where the pair is a positive; each must be a candidate.
        candidates: True where the candidate takes part in the brand's ranking.
        brand_category: category index of each brand, -1 where unknown.
        candidate_category: category index of each candidate, -1 where unknown.
        columns: names of `OVERALL`, `cAUC`, and names of `AT_CUTOFF` with a depth of at least 1,
            such as `Recall@10`. None: the usual ones.

    Returns:
        One value a brand, in the order of the rows, under the columns' names, `cAUC` only where
        both categories are given. All in [0, 1] but `FirstRank`, from 1 to the number of
        candidates. NaN where the brand has no such value.

    Raises:
        ValueError: as `tie_ranks` says; one category without the other; a wrong category or k; no
            metric of that name.
    """
    if (brand_category is None) != (candidate_category is None):
        raise ValueError(
            "The 'brand_category' and 'candidate_category' parameters of per_brand_metrics must be "
            "given together. Received: only one of them"
        )
    ranks = tie_ranks(scores, positives, candidates)
    values = {}
    for name in usual_columns() if columns is None else columns:
        if name != CATEGORY_AUC:
            values[name] = _value(ranks, name)
        elif brand_category is not None and candidate_category is not None:
            check_categories("brand_category", brand_category, scores.shape[0])
            check_categories("candidate_category", candidate_category, scores.shape[1])
            rivals = brand_category[:, None] == candidate_category[None, :]
            rivals &= brand_category[:, None] >= 0
            values[name] = auc(tie_ranks(scores, positives, candidates & (rivals | positives)))
    return values


def _value(ranks: TieRanks, name: str) -> Float[np.ndarray, " brand"]:
    kind, at, k = name.partition("@")
    if kind not in (AT_CUTOFF if at else OVERALL):
        raise ValueError(f"No metric has the name of a column. Received: '{name}'")
    return AT_CUTOFF[kind](ranks, int(k)) if at else OVERALL[kind](ranks)


def summarise(per_brand: Mapping[str, Float[np.ndarray, " brand"]]) -> dict[str, float]:
    """Means over the brands that have the value; `MedR`, the median of `FirstRank`, in its place.

    The median of an even number of brands is the mean of the middle two. NaN where no brand has the
    value. Pass rows of `per_brand` to summarise a category.
    """
    summary = {}
    for name, values in per_brand.items():
        known = values[~np.isnan(values)]
        if name == FIRST_RANK:
            summary[MEDIAN_RANK] = float(np.median(known)) if len(known) else float("nan")
        else:
            summary[name] = float(known.mean()) if len(known) else float("nan")
    return summary


def auc(ranks: TieRanks) -> Float[np.ndarray, " brand"]:
    """Share of a brand's (positive, negative) pairs in the right order; a tie counts one half.

    Negatives are the candidates that are no positives. In [0, 1]; NaN without either class. The
    `cAUC` of a brand is this value with the negatives limited to the brand's own category.
    """
    n_negatives = ranks.n_candidates - ranks.n_positives
    above = ranks.n_above - ranks.n_positives_above
    tied = ranks.n_tied - ranks.n_positives_tied
    lost = sum_over_positives(ranks, above + tied / 2)
    return 1 - divide_or_nan(lost, n_negatives * ranks.n_positives)


def recall_at(ranks: TieRanks, k: int) -> Float[np.ndarray, " brand"]:
    """Expected share of a brand's positives among its first k candidates; NaN without positives.

    In [0, 1]. The denominator is the number of positives, also where it exceeds k.

    Raises:
        ValueError: 'k' below 1.
    """
    check_cutoff(k)
    return mean_over_positives(ranks, np.clip((k - ranks.n_above) / ranks.n_tied, 0, 1))


def precision_at(ranks: TieRanks, k: int) -> Float[np.ndarray, " brand"]:
    """Expected share of positives among a brand's first k candidates; NaN without positives.

    In [0, 1]. The denominator is k, also where the brand has fewer candidates or positives, as in
    RecBole (W. X. Zhao et al., "RecBole: Towards a Unified, Comprehensive and Efficient Framework
    for Recommendation Algorithms", CIKM 2021).

    Raises:
        ValueError: 'k' below 1.
    """
    precision: Float[np.ndarray, " brand"] = recall_at(ranks, k) * ranks.n_positives / k
    return precision


def hit_at(ranks: TieRanks, k: int) -> Float[np.ndarray, " brand"]:
    """Probability that a brand's first k candidates hold a positive; NaN without positives.

    In [0, 1]; without ties 0 or 1, RecBole's Hit. Under ties, what the law of the first positive's
    place (see `reciprocal_rank`) gives to the places up to k.

    Raises:
        ValueError: 'k' below 1.
    """
    check_cutoff(k)
    brand, place, chance = _first_place(ranks)
    return value_of_brands(ranks, brand, np.minimum((chance * (place <= k)).sum(axis=1), 1))


def ndcg_at(ranks: TieRanks, k: int) -> Float[np.ndarray, " brand"]:
    """Normalised discounted cumulative gain of the first k, binary gains, discount 1 / log2(1 + r).

    In [0, 1]; the ideal ranking holds min(n_positives, k) hits; NaN without positives. Ties are
    averaged over their order as in McSherry and Najork, "Computing Information Retrieval
    Performance Measures Efficiently in the Presence of Tied Scores" (ECIR 2008).

    Raises:
        ValueError: 'k' below 1.
    """
    check_cutoff(k)
    discounts = np.concatenate([[0.0], np.cumsum(1 / np.log2(np.arange(2, k + 2)))])
    below = np.minimum(ranks.n_above + ranks.n_tied, k)
    gains = (discounts[below] - discounts[np.minimum(ranks.n_above, k)]) / ranks.n_tied
    ideal = discounts[np.minimum(ranks.n_positives, k)]
    return divide_or_nan(sum_over_positives(ranks, gains), ideal)


def reciprocal_rank(ranks: TieRanks, k: int | None = None) -> Float[np.ndarray, " brand"]:
    """Expected 1 / rank of a brand's first positive; NaN without positives.

    Over the full list in (0, 1]. With k, a first positive below place k counts 0, RecBole's MRR@k,
    in [0, 1].

    Raises:
        ValueError: 'k' below 1.
    """
    brand, place, chance = _first_place(ranks)
    value = chance / place
    if k is not None:
        check_cutoff(k)
        value = value * (place <= k)
    return value_of_brands(ranks, brand, value.sum(axis=1))


def _first_place(
    ranks: TieRanks,
) -> tuple[
    Int[np.ndarray, " known"],
    Int[np.ndarray, "known place"],
    Float[np.ndarray, "known place"],
]:
    """Brands with positives, the places of their first positive, and each place's probability.

    With p positives among the t tied candidates that hold the first positive, it stands at place x
    of the block with probability C(t - x, p - 1) / C(t, p) (negative hypergeometric), here a
    product of ratios of at most 1, which neither overflows nor cancels.
    """
    brand, entry = np.unique(ranks.brand, return_index=True)
    tied, hits = ranks.n_tied[entry, None], ranks.n_positives_tied[entry, None]
    passed = np.arange(tied.max(initial=0))
    left = np.maximum(tied - passed, 1)
    miss = np.maximum(tied - hits - passed, 0) / left
    none_before = np.cumprod(np.hstack([np.ones_like(left[:, :1]), miss[:, :-1]]), axis=1)
    return brand, ranks.n_above[entry, None] + passed + 1, none_before * hits / left


def average_precision(ranks: TieRanks, k: int | None = None) -> Float[np.ndarray, " brand"]:
    """Expected mean of the precision at each positive; NaN without positives.

    Over the full list in (0, 1]. With k, positives below place k add nothing and the sum is divided
    by min(n_positives, k), RecBole's MAP@k, in [0, 1].

    A positive in a block of t tied candidates, p of them positives, below a candidates of which P
    are positives, stands at place j of the block with probability 1 / t and then expects c (j - 1)
    positives of the block before it, c = (p - 1) / (t - 1). Its precision is the mean of
    (P + 1 + c (j - 1)) / (a + j) over j, of which the places up to m, min(t, k - a) where there is
    a cut-off, add c m / t + (P + 1 - c (a + 1)) (H(a + m) - H(a)) / t with the harmonic numbers H.

    Raises:
        ValueError: 'k' below 1.
    """
    above, tied = ranks.n_above, ranks.n_tied
    counted, divisor = tied, ranks.n_positives
    if k is not None:
        check_cutoff(k)
        counted, divisor = np.clip(k - above, 0, tied), np.minimum(divisor, k)
    n_most = int(ranks.n_candidates.max(initial=0))
    harmonic = np.concatenate([[0.0], np.cumsum(1 / np.arange(1, n_most + 1))])
    share = (ranks.n_positives_tied - 1) / np.maximum(tied - 1, 1)
    inverse_rank = (harmonic[above + counted] - harmonic[above]) / tied
    precision = share * (counted / tied)
    precision += (ranks.n_positives_above + 1 - share * (above + 1)) * inverse_rank
    return divide_or_nan(sum_over_positives(ranks, precision), divisor)


def first_rank(ranks: TieRanks) -> Float[np.ndarray, " brand"]:
    """Expected rank of a brand's first positive, from 1; NaN without positives.

    With p positives among t tied candidates below a others it is a + (t + 1) / (p + 1): the average
    rank of the block where p = 1, and better where several positives share the block, since one of
    them comes first in any order. A constant scorer so gets the mean that a random order gets.
    """
    brand, entry = np.unique(ranks.brand, return_index=True)
    place = (ranks.n_tied[entry] + 1) / (ranks.n_positives_tied[entry] + 1)
    return value_of_brands(ranks, brand, ranks.n_above[entry] + place)


Metric = Callable[[TieRanks], Float[np.ndarray, " brand"]]
MetricAt = Callable[[TieRanks, int], Float[np.ndarray, " brand"]]

# Metrics of the whole ranking, and metrics of its first k places, by the names of their columns.
OVERALL: dict[str, Metric] = {
    "AUC": auc,
    "MRR": reciprocal_rank,
    "MAP": average_precision,
    FIRST_RANK: first_rank,
}
AT_CUTOFF: dict[str, MetricAt] = {
    "Recall": recall_at,
    "NDCG": ndcg_at,
    "MRR": reciprocal_rank,
    "MAP": average_precision,
    "Hit": hit_at,
    "Precision": precision_at,
}
