"""Metrics by the rules of the published evaluation files, each named `paper_*`.

S. Wang et al., "Micro-Influencer Recommendation by Multi-Perspective Account Representation
Learning", IEEE Transactions on Multimedia 25 (2023), Table III. They differ from the standard ones
of `metrics`: AUC is pooled over the brands, its negatives are the positives of other brands (each
counted once for each such brand, also where it is a positive of the brand itself), and a tie loses:
it wins no comparison, and every tied candidate takes the worst rank of its block.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Bool, Float, Int

from recbole_mirec.evaluation.metrics import (
    divide_or_nan,
    mean_over_positives,
    sum_over_positives,
    value_of_brands,
)
from recbole_mirec.evaluation.ranks import (
    TieRanks,
    check_categories,
    check_cutoff,
    cumulative,
    tie_ranks,
)

PAPER_FIRST_RANK = "paper_first_rank"
PAPER_MEDIAN_RANK = "paper_medr"
# numerator and denominator of a pooled share, beside the brand's own share
WON, COMPARED = "_won", "_compared"


def paper_per_brand(
    scores: Float[np.ndarray, "brand candidate"],
    positives: Bool[np.ndarray, "brand candidate"],
    candidates: Bool[np.ndarray, "brand candidate"],
    *,
    brand_category: Int[np.ndarray, " brand"] | None = None,
    ks: Sequence[int] = (10, 50),
) -> dict[str, Float[np.ndarray, " brand"]]:
    """What each brand contributes to the metrics by the published rules.

    Args:
        scores: any unit, higher is better.
        positives: True where the pair is a positive; each must be a candidate.
        candidates: True where the candidate takes part in the brand's ranking. The published files
            have one pool for all brands; here a pair is compared only with candidates of its brand.
        brand_category: category index of each brand, -1 where unknown; the published cAUC takes its
            negatives by the category of their brands, so the candidates need none.
        ks: cut-offs of Recall, each at least 1.

    Returns:
        One value a brand, NaN where it has none. `paper_auc_compared`: how many quadruples
        (b, i, b2, i2) the brand b has; `paper_auc_won`: how many of them it wins; `paper_auc`: the
        quotient; the same for `paper_cauc` where the categories are given. With the worst rank
        under ties: `paper_recall@k`, `paper_map` (the mean of n / rank of the brand's n-th
        positive), `paper_mrr` (1 / rank of the first) and `paper_first_rank`.

    Raises:
        ValueError: as `tie_ranks` says; a wrong category or k.
    """
    ranks = tie_ranks(scores, positives, candidates)
    others = ~np.eye(scores.shape[0], dtype=np.bool_)
    values = _pooled_auc("paper_auc", ranks, positives, candidates, others)
    if brand_category is not None:
        check_categories("brand_category", brand_category, scores.shape[0])
        same = (brand_category[:, None] == brand_category[None, :]) & (brand_category >= 0)
        values |= _pooled_auc("paper_cauc", ranks, positives, candidates, others & same)
    worst = ranks.n_above + ranks.n_tied
    for k in ks:
        check_cutoff(k)
        values[f"paper_recall@{k}"] = mean_over_positives(ranks, (worst <= k).astype(np.int64))
    brand, entry = np.unique(ranks.brand, return_index=True)
    nth = np.arange(len(worst)) - np.repeat(entry, ranks.n_positives[brand]) + 1
    values["paper_map"] = mean_over_positives(ranks, nth / worst)
    first = value_of_brands(ranks, brand, worst[entry])
    values["paper_mrr"] = 1 / first
    values[PAPER_FIRST_RANK] = first
    return values


def paper_summarise(per_brand: Mapping[str, Float[np.ndarray, " brand"]]) -> dict[str, float]:
    """The published figures from the brands' parts.

    `paper_auc` and `paper_cauc` are pooled: all quadruples won over all compared. `paper_medr` is
    the median of `paper_first_rank`, the lower middle one of an even number of brands. The rest are
    means over the brands that have the value. NaN where no brand has it. Pass rows of `per_brand`
    to summarise a category.
    """
    summary = {}
    for name, values in per_brand.items():
        if name.endswith((WON, COMPARED)):
            continue
        if name == PAPER_FIRST_RANK:
            summary[PAPER_MEDIAN_RANK] = _lower_median(values)
        elif name + COMPARED in per_brand:
            n_compared = per_brand[name + COMPARED].sum()
            summary[name] = (
                float(per_brand[name + WON].sum() / n_compared) if n_compared else np.nan
            )
        else:
            known = values[~np.isnan(values)]
            summary[name] = float(known.mean()) if len(known) else np.nan
    return summary


def _pooled_auc(
    name: str,
    ranks: TieRanks,
    positives: Bool[np.ndarray, "brand candidate"],
    candidates: Bool[np.ndarray, "brand candidate"],
    rivals: Bool[np.ndarray, "brand brand"],
) -> dict[str, Float[np.ndarray, " brand"]]:
    """Quadruples (b, i, b2, i2), b2 a rival of b: how many each brand b wins and compares.

    A candidate stands for as many quadruples as rivals of b have it as a positive, so one weight a
    cell and one cumulative sum down each ranking replace the four loops.
    """
    weights = rivals.astype(np.float64) @ positives.astype(np.float64)
    weights = np.where(candidates, weights, 0).astype(np.int64)
    through = cumulative(np.take_along_axis(weights, ranks.order, axis=1))
    n_all = through[ranks.brand, -1]
    won = n_all - through[ranks.brand, ranks.n_above + ranks.n_tied]
    compared = n_all - weights[ranks.brand, ranks.candidate]
    won_by_brand = sum_over_positives(ranks, won)
    compared_by_brand = sum_over_positives(ranks, compared)
    return {
        name: divide_or_nan(won_by_brand, compared_by_brand),
        name + WON: won_by_brand,
        name + COMPARED: compared_by_brand,
    }


def _lower_median(values: Float[np.ndarray, " brand"]) -> float:
    known = np.sort(values[~np.isnan(values)])
    return float(known[(len(known) - 1) // 2]) if len(known) else np.nan
