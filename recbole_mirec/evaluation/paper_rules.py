"""Metrics by the rules of the published evaluation files, each named `paper_*`.

S. Wang et al., "Micro-Influencer Recommendation by Multi-Perspective Account Representation
Learning", IEEE Transactions on Multimedia 25 (2023), Table III. They differ from the standard ones
of `metrics`: AUC is pooled over the brands, its negatives are the positives of other brands (each
counted once for each such brand, also where it is a positive of the brand itself), and a tie loses:
it wins no comparison, and every tied candidate takes the worst rank of its block. The published
files have one pool for all brands; here a pair is compared only with candidates of its brand.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Shaped

from recbole_mirec.evaluation.ranks import TieRanks, cumulative, divide_or_nan


class Pooled(NamedTuple):
    """What each brand adds to a share that is pooled over brands: numerator and denominator."""

    won: Float[np.ndarray, " brand"]
    compared: Float[np.ndarray, " brand"]


def paper_auc(ranks: TieRanks) -> Pooled:
    """How many quadruples (b, i, b2, i2), b2 another brand than b, each brand b wins of all."""
    return _quadruples(ranks, ~np.eye(len(ranks.scores), dtype=np.bool_))


def paper_category_auc(ranks: TieRanks) -> Pooled:
    """`paper_auc` against brands of the same known category, which the ranks must hold."""
    category = ranks.brand_category
    assert category is not None
    same = (category[:, None] == category[None, :]) & (category >= 0)
    return _quadruples(ranks, ~np.eye(len(category), dtype=np.bool_) & same)


def _quadruples(ranks: TieRanks, rivals: Bool[np.ndarray, "brand brand"]) -> Pooled:
    """Quadruples (b, i, b2, i2), b2 a rival of b: how many each brand b wins and compares.

    A candidate stands for as many quadruples as rivals of b have it as a positive, so one weight a
    cell and one cumulative sum down each ranking replace the four loops.
    """
    weights = rivals.astype(np.float64) @ ranks.positives.astype(np.float64)
    weights = np.where(ranks.candidates, weights, 0).astype(np.int64)
    through = cumulative(np.take_along_axis(weights, ranks.order, axis=1))
    n_all = through[ranks.brand, -1]
    won = n_all - through[ranks.brand, ranks.n_above + ranks.n_tied]
    compared = n_all - weights[ranks.brand, ranks.candidate]
    return Pooled(ranks.sums(won), ranks.sums(compared))


def paper_recall_at(ranks: TieRanks, k: int) -> Float[np.ndarray, " brand"]:
    """Share of a brand's positives whose worst rank is at most k; NaN without positives."""
    return ranks.means((ranks.n_above + ranks.n_tied <= k).astype(np.int64))


def paper_average_precision(ranks: TieRanks) -> Float[np.ndarray, " brand"]:
    """Mean of n / worst rank of the brand's n-th positive; NaN without positives."""
    n_before = np.repeat(ranks.first(), ranks.n_positives[ranks.n_positives > 0])
    nth = np.arange(len(ranks.brand)) - n_before + 1
    return ranks.means(nth / (ranks.n_above + ranks.n_tied))


def paper_first_rank(ranks: TieRanks) -> Float[np.ndarray, " brand"]:
    """Worst rank of a brand's first positive, from 1; NaN without positives."""
    return ranks.placed((ranks.n_above + ranks.n_tied)[ranks.first()])


def paper_reciprocal_rank(ranks: TieRanks) -> Float[np.ndarray, " brand"]:
    """1 / `paper_first_rank`."""
    return np.asarray(1 / paper_first_rank(ranks))


def pooled_share(
    won: Shaped[np.ndarray, "*any brand"],
    compared: Shaped[np.ndarray, "*any brand"],
    *,
    axis: int = -1,
) -> Shaped[np.ndarray, "..."]:
    """All that was won over all that was compared: the published AUC. In [0, 1]; NaN of nothing."""
    total = np.asarray(compared.sum(axis=axis), dtype=np.float64)
    return divide_or_nan(np.asarray(won.sum(axis=axis), dtype=np.float64), total)


def lower_median(
    values: Shaped[np.ndarray, "*any brand"], *, axis: int = -1
) -> Shaped[np.ndarray, "..."]:
    """The median, of an even number the lower middle one: the published median rank."""
    middle = (values.shape[axis] - 1) // 2
    return np.asarray(np.take(np.sort(values, axis=axis), middle, axis=axis))
