"""Metrics by the rules of the published evaluation files, each named `paper_*`.

S. Wang et al., "Micro-Influencer Recommendation by Multi-Perspective Account Representation
Learning", IEEE Transactions on Multimedia 25 (2023), Table III. They differ from the standard ones
of `metrics`: AUC is pooled over the brands, its negatives are the positives of other brands (each
counted once for each such brand, also where it is a positive of the brand itself), and a tie loses:
it wins no comparison, and every tied candidate takes the worst rank of its block. The published
files have one pool for all brands; here a pair is compared only with candidates of its brand.
"""

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Shaped

from recbole_mirec.evaluation.ranks import TieRanks, divide_or_nan


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
    # what is no candidate stands last
    order = np.argsort(np.where(ranks.candidates, -ranks.scores, np.nan), axis=1)
    through = np.cumsum(np.take_along_axis(weights, order, axis=1), axis=1)
    n_all = weights.sum(axis=1)[ranks.brand]
    won = n_all - through[ranks.brand, ranks.n_above + ranks.n_tied - 1]
    compared = n_all - weights[ranks.brand, ranks.candidate]
    return Pooled(ranks.sums(won), ranks.sums(compared))


def ties_lost(ranks: TieRanks) -> TieRanks:
    """The ranks in which every tied candidate takes the worst one of its block."""
    rank = ranks.n_above + ranks.n_tied
    alone = np.ones_like(rank)
    first = np.repeat(ranks.first(), ranks.n_positives[ranks.n_positives > 0])
    return replace(
        ranks,
        n_above=rank - 1,
        n_tied=alone,
        n_positives_above=np.arange(len(rank)) - first,
        n_positives_tied=alone,
    )


def pooled_share(
    won: Shaped[np.ndarray, "*any brand"],
    compared: Shaped[np.ndarray, "*any brand"],
    *,
    axis: int = -1,
) -> Shaped[np.ndarray, "..."]:
    """All that was won over all that was compared: the published AUC. In [0, 1]; NaN of nothing."""
    total = np.asarray(compared.sum(axis=axis), dtype=np.float64)
    return divide_or_nan(np.asarray(won.sum(axis=axis), dtype=np.float64), total)
