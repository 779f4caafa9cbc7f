"""Standard metrics of a ranking, per brand; under ties, their expectation.

Every value is the mean over all orders of the tied candidates, each equally likely, in closed form.
A constant scorer therefore gets what a random order gets on average: ties neither win nor lose.
A brand without the value (no positive; for AUC no negative) has NaN and is left out of the means.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray

from recbole_mirec.evaluation.aggregate import (
    divide_or_nan,
    mean_over_positives,
    sum_over_positives,
    value_of_brands,
)
from recbole_mirec.evaluation.inputs import check_categories, check_cutoff
from recbole_mirec.evaluation.ranks import TieRanks, tie_ranks

NDCG_CUTOFF = 10
FIRST_RANK = "FirstRank"
MEDIAN_RANK = "MedR"


def per_brand_metrics(
    scores: Float[NDArray[Any], "brand candidate"],
    positives: Bool[NDArray[Any], "brand candidate"],
    candidates: Bool[NDArray[Any], "brand candidate"],
    *,
    brand_category: Int[NDArray[Any], " brand"] | None = None,
    candidate_category: Int[NDArray[Any], " candidate"] | None = None,
    ks: Sequence[int] = (10, 50),
) -> dict[str, Float[NDArray[Any], " brand"]]:
    """All standard metrics of every brand.

    Metrics over a subset of the candidates come from the same call with both masks restricted, for
    example `per_brand_metrics(scores, positives & unseen, candidates & unseen)` for the influencers
    never seen in training (`unseen` broadcasts along the brands).

    Args:
        scores: any unit, higher is better.
        positives: True where the pair is a positive; each must be a candidate.
        candidates: True where the candidate takes part in the brand's ranking.
        brand_category: category index of each brand, -1 where unknown.
        candidate_category: category index of each candidate, -1 where unknown.
        ks: cut-offs of Recall, each at least 1.

    Returns:
        One value a brand, in the order of the rows, under the names `AUC`, `cAUC` (only where both
        categories are given), `Recall@k` for each of `ks`, `NDCG@10`, `MRR` (the brand's reciprocal
        rank) and `MAP` (its average precision), all in [0, 1], and `FirstRank`, from 1 to the
        number of candidates. NaN where the brand has no such value.

    Raises:
        ValueError: as `tie_ranks` says; one category without the other; a wrong category or k.
    """
    if (brand_category is None) != (candidate_category is None):
        raise ValueError(
            "The 'brand_category' and 'candidate_category' parameters of per_brand_metrics must be "
            "given together. Received: only one of them"
        )
    ranks = tie_ranks(scores, positives, candidates)
    values = {"AUC": auc(ranks)}
    if brand_category is not None and candidate_category is not None:
        check_categories("brand_category", brand_category, scores.shape[0])
        check_categories("candidate_category", candidate_category, scores.shape[1])
        rivals = brand_category[:, None] == candidate_category[None, :]
        rivals &= brand_category[:, None] >= 0
        values["cAUC"] = auc(tie_ranks(scores, positives, candidates & (rivals | positives)))
    values |= {f"Recall@{k}": recall_at(ranks, k) for k in ks}
    values[f"NDCG@{NDCG_CUTOFF}"] = ndcg_at(ranks, NDCG_CUTOFF)
    values["MRR"] = reciprocal_rank(ranks)
    values["MAP"] = average_precision(ranks)
    values[FIRST_RANK] = first_rank(ranks)
    return values


def summarise(per_brand: Mapping[str, Float[NDArray[Any], " brand"]]) -> dict[str, float]:
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


def auc(ranks: TieRanks) -> Float[NDArray[Any], " brand"]:
    """Share of a brand's (positive, negative) pairs in the right order; a tie counts one half.

    Negatives are the candidates that are no positives. In [0, 1]; NaN without either class. The
    `cAUC` of a brand is this value with the negatives limited to the brand's own category.
    """
    n_negatives = ranks.n_candidates - ranks.n_positives
    above = ranks.n_above - ranks.n_positives_above
    tied = ranks.n_tied - ranks.n_positives_tied
    lost = sum_over_positives(ranks, above + tied / 2)
    return 1 - divide_or_nan(lost, n_negatives * ranks.n_positives)


def recall_at(ranks: TieRanks, k: int) -> Float[NDArray[Any], " brand"]:
    """Expected share of a brand's positives among its first k candidates; NaN without positives.

    In [0, 1]. The denominator is the number of positives, also where it exceeds k.

    Raises:
        ValueError: 'k' below 1.
    """
    check_cutoff(k)
    return mean_over_positives(ranks, np.clip((k - ranks.n_above) / ranks.n_tied, 0, 1))


def ndcg_at(ranks: TieRanks, k: int) -> Float[NDArray[Any], " brand"]:
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


def reciprocal_rank(ranks: TieRanks) -> Float[NDArray[Any], " brand"]:
    """Expected 1 / rank of a brand's first positive over the full list; NaN without positives.

    In (0, 1]. With p positives among the t tied candidates that hold the first positive, it stands
    at place x of the block with probability C(t - x, p - 1) / C(t, p) (negative hypergeometric),
    here a product of ratios of at most 1, which neither overflows nor cancels.
    """
    brand, entry = np.unique(ranks.brand, return_index=True)
    above = ranks.n_above[entry, None]
    tied, hits = ranks.n_tied[entry, None], ranks.n_positives_tied[entry, None]
    passed = np.arange(tied.max(initial=0))
    left = np.maximum(tied - passed, 1)
    miss = np.maximum(tied - hits - passed, 0) / left
    none_before = np.cumprod(np.hstack([np.ones_like(left[:, :1]), miss[:, :-1]]), axis=1)
    value = (none_before * hits / left / (above + passed + 1)).sum(axis=1)
    return value_of_brands(ranks, brand, value)


def average_precision(ranks: TieRanks) -> Float[NDArray[Any], " brand"]:
    """Expected mean of the precision at each positive over the full list; NaN without positives.

    In (0, 1]. A positive in a block of t tied candidates, p of them positives, below a candidates
    of which P are positives, stands at place j of the block with probability 1 / t and then expects
    c (j - 1) positives of the block before it, c = (p - 1) / (t - 1). Its precision is the mean of
    (P + 1 + c (j - 1)) / (a + j) over j, c + (P + 1 - c (a + 1)) (H(a + t) - H(a)) / t with the
    harmonic numbers H.
    """
    above, tied = ranks.n_above, ranks.n_tied
    n_most = int(ranks.n_candidates.max(initial=0))
    harmonic = np.concatenate([[0.0], np.cumsum(1 / np.arange(1, n_most + 1))])
    share = (ranks.n_positives_tied - 1) / np.maximum(tied - 1, 1)
    inverse_rank = (harmonic[above + tied] - harmonic[above]) / tied
    precision = share + (ranks.n_positives_above + 1 - share * (above + 1)) * inverse_rank
    return mean_over_positives(ranks, precision)


def first_rank(ranks: TieRanks) -> Float[NDArray[Any], " brand"]:
    """Expected rank of a brand's first positive, from 1; NaN without positives.

    With p positives among t tied candidates below a others it is a + (t + 1) / (p + 1): the average
    rank of the block where p = 1, and better where several positives share the block, since one of
    them comes first in any order. A constant scorer so gets the mean that a random order gets.
    """
    brand, entry = np.unique(ranks.brand, return_index=True)
    place = (ranks.n_tied[entry] + 1) / (ranks.n_positives_tied[entry] + 1)
    return value_of_brands(ranks, brand, ranks.n_above[entry] + place)
