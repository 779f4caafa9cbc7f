"""The table of metrics: each metric from exact ranks of every brand, and figures over brands."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from recbole_mirec.evaluation.paper_rules import (
    Pooled,
    paper_auc,
    paper_category_auc,
    pooled_share,
    ties_lost,
)
from recbole_mirec.evaluation.ranks import TieRanks, divide_or_nan

# What a name's beginning says of the rules: the published ones; influencers without a training
# collaboration alone.
PAPER, UNSEEN = "paper_", "unseen_"
RANK_TITLE = "MedR"
# Behind the name of a pooled share: its numerator and denominator.
_WON, _COMPARED = "_won", "_compared"


def auc(ranks: TieRanks) -> Float[np.ndarray, " brand"]:
    """Share of a brand's (positive, negative) pairs in the right order; a tie counts one half.

    Negatives are the candidates that are no positives. In [0, 1]; NaN without either class.
    """
    n_negatives = ranks.n_candidates - ranks.n_positives
    above = ranks.n_above - ranks.n_positives_above
    tied = ranks.n_tied - ranks.n_positives_tied
    lost = ranks.sums(above + tied / 2)
    return 1 - divide_or_nan(lost, n_negatives * ranks.n_positives)


def category_auc(ranks: TieRanks) -> Float[np.ndarray, " brand"]:
    """`auc` of each brand with the negatives limited to the brand's own, known category."""
    brand, candidate = ranks.brand_category, ranks.candidate_category
    assert brand is not None and candidate is not None
    rivals = (brand[:, None] == candidate[None, :]) & (brand[:, None] >= 0)
    return auc(ranks.among(rivals | ranks.positives))


def recall_at(ranks: TieRanks, k: int) -> Float[np.ndarray, " brand"]:
    """Expected share of a brand's positives among its first k candidates; NaN without positives.

    In [0, 1]. The denominator is the number of positives, also where it exceeds k.
    """
    return ranks.means(np.clip((k - ranks.n_above) / ranks.n_tied, 0, 1))


def precision_at(ranks: TieRanks, k: int) -> Float[np.ndarray, " brand"]:
    """Expected share of positives among a brand's first k candidates; NaN without positives.

    In [0, 1]. The denominator is k, also where the brand has fewer candidates or positives, as in
    RecBole (W. X. Zhao et al., "RecBole: Towards a Unified, Comprehensive and Efficient Framework
    for Recommendation Algorithms", CIKM 2021).
    """
    precision: Float[np.ndarray, " brand"] = recall_at(ranks, k) * ranks.n_positives / k
    return precision


def hit_at(ranks: TieRanks, k: int) -> Float[np.ndarray, " brand"]:
    """Probability that a brand's first k candidates hold a positive; NaN without positives.

    In [0, 1]; without ties 0 or 1, RecBole's Hit. Under ties, what the law of the first positive's
    place (see `reciprocal_rank`) gives to the places up to k.
    """
    place, chance = _first_place(ranks)
    return ranks.placed(np.minimum((chance * (place <= k)).sum(axis=1), 1))


def ndcg_at(ranks: TieRanks, k: int) -> Float[np.ndarray, " brand"]:
    """Normalised discounted cumulative gain of the first k, binary gains, discount 1 / log2(1 + r).

    In [0, 1]; the ideal ranking holds min(n_positives, k) hits; NaN without positives. Ties are
    averaged over their order as in McSherry and Najork, "Computing Information Retrieval
    Performance Measures Efficiently in the Presence of Tied Scores" (ECIR 2008).
    """
    discounts = np.concatenate([[0.0], np.cumsum(1 / np.log2(np.arange(2, k + 2)))])
    below = np.minimum(ranks.n_above + ranks.n_tied, k)
    gains = (discounts[below] - discounts[np.minimum(ranks.n_above, k)]) / ranks.n_tied
    ideal = discounts[np.minimum(ranks.n_positives, k)]
    return divide_or_nan(ranks.sums(gains), ideal)


def reciprocal_rank(ranks: TieRanks, k: int | None = None) -> Float[np.ndarray, " brand"]:
    """Expected 1 / rank of a brand's first positive; NaN without positives.

    Over the full list in (0, 1]. With k, a first positive below place k counts 0, RecBole's MRR@k,
    in [0, 1].
    """
    place, chance = _first_place(ranks)
    value = chance / place if k is None else chance / place * (place <= k)
    return ranks.placed(value.sum(axis=1))


def _first_place(
    ranks: TieRanks,
) -> tuple[Int[np.ndarray, "known place"], Float[np.ndarray, "known place"]]:
    """Of brands with positives, the places of the first one, and each place's probability.

    With p positives among the t tied candidates that hold the first positive, it stands at place x
    of the block with probability C(t - x, p - 1) / C(t, p) (negative hypergeometric), here a
    product of ratios of at most 1, which neither overflows nor cancels.
    """
    entry = ranks.first()
    tied, hits = ranks.n_tied[entry, None], ranks.n_positives_tied[entry, None]
    passed = np.arange(tied.max(initial=0))
    left = np.maximum(tied - passed, 1)
    miss = np.maximum(tied - hits - passed, 0) / left
    none_before = np.cumprod(np.hstack([np.ones_like(left[:, :1]), miss[:, :-1]]), axis=1)
    return ranks.n_above[entry, None] + passed + 1, none_before * hits / left


def average_precision(ranks: TieRanks, k: int | None = None) -> Float[np.ndarray, " brand"]:
    """Expected mean of the precision at each positive; NaN without positives.

    Over the full list in (0, 1]. With k, positives below place k add nothing and the sum is divided
    by min(n_positives, k), RecBole's MAP@k, in [0, 1].

    A positive in a block of t tied candidates, p of them positives, below a candidates of which P
    are positives, stands at place j of the block with probability 1 / t and then expects c (j - 1)
    positives of the block before it, c = (p - 1) / (t - 1). Its precision is the mean of
    (P + 1 + c (j - 1)) / (a + j) over j, of which the places up to m, min(t, k - a) where there is
    a cut-off, add c m / t + (P + 1 - c (a + 1)) (H(a + m) - H(a)) / t with the harmonic numbers H.
    """
    above, tied = ranks.n_above, ranks.n_tied
    counted, divisor = tied, ranks.n_positives
    if k is not None:
        counted, divisor = np.clip(k - above, 0, tied), np.minimum(divisor, k)
    n_most = int(ranks.n_candidates.max(initial=0))
    harmonic = np.concatenate([[0.0], np.cumsum(1 / np.arange(1, n_most + 1))])
    share = (ranks.n_positives_tied - 1) / np.maximum(tied - 1, 1)
    inverse_rank = (harmonic[above + counted] - harmonic[above]) / tied
    precision = share * (counted / tied)
    precision += (ranks.n_positives_above + 1 - share * (above + 1)) * inverse_rank
    return divide_or_nan(ranks.sums(precision), divisor)


def first_rank(ranks: TieRanks) -> Float[np.ndarray, " brand"]:
    """Expected rank of a brand's first positive, from 1; NaN without positives.

    With p positives among t tied candidates below a others it is a + (t + 1) / (p + 1): the average
    rank of the block where p = 1, and better where several positives share the block, since one of
    them comes first in any order. A constant scorer so gets the mean that a random order gets.
    """
    entry = ranks.first()
    place = (ranks.n_tied[entry] + 1) / (ranks.n_positives_tied[entry] + 1)
    return ranks.placed(ranks.n_above[entry] + place)


@dataclass(frozen=True)
class Metric:
    """How one metric is computed, summarised, named and ordered.

    Attributes:
        name: as results hold it, without a depth.
        title: heads its column in printed tables, where the name's prefix stands elsewhere.
        per_brand: (ranks), or (ranks, depth) -> one value a brand, NaN where it has none, or the
            parts of a share that is pooled over brands.
        depth: of the ranking's first places: `needed`, `allowed` (without one, or by `@all`, the
            whole ranking counts), or `none`.
        summary: from brands' values to the figure, called with `axis=-1`.
        column: of the brands' values, where it has another name than the metric.
        smaller_is_better: as ranks are.
        categories: the sides of accounts whose categories it cannot do without.
    """

    name: str
    title: str
    per_brand: Callable[..., Float[np.ndarray, " brand"] | Pooled]
    depth: Literal["none", "allowed", "needed"] = "none"
    summary: Callable[..., Any] = np.mean
    column: str = ""
    smaller_is_better: bool = False
    categories: tuple[str, ...] = ()

    @property
    def is_mean(self) -> bool:
        """Whether it is the mean over the brands, so that differences can be tested by brand."""
        return self.summary is np.mean

    def columns(self, ranks: TieRanks, depth: str = "") -> dict[str, Float[np.ndarray, " brand"]]:
        """The brands' values by the names of their columns; none where categories are missing."""
        if any(getattr(ranks, f"{side}_category") is None for side in self.categories):
            return {}
        found = self.per_brand(ranks, int(depth)) if depth else self.per_brand(ranks)
        name = f"{self.name}@{depth}" if depth else self.column or self.name
        if isinstance(found, Pooled):
            own = divide_or_nan(*found)
            return {name: own, name + _WON: found.won, name + _COMPARED: found.compared}
        return {name: found}


def _ties_lost(per_brand: Callable[..., Any]) -> Callable[..., Any]:
    return lambda ranks, *depth: per_brand(ties_lost(ranks), *depth)


_RANK: dict[str, Any] = {"title": RANK_TITLE, "smaller_is_better": True}
_STANDARD = (
    Metric("AUC", "AUC", auc),
    Metric("cAUC", "cAUC", category_auc, categories=("brand", "candidate")),
    Metric("Recall", "R", recall_at, "needed"),
    Metric("NDCG", "NDCG", ndcg_at, "needed"),
    Metric("MRR", "MRR", reciprocal_rank, "allowed"),
    Metric("MAP", "MAP", average_precision, "allowed"),
    Metric("MedR", per_brand=first_rank, summary=np.median, column="FirstRank", **_RANK),
    Metric("Hit", "Hit", hit_at, "needed"),
    Metric("Precision", "Precision", precision_at, "needed"),
)
_PAPER = (
    Metric("paper_auc", "AUC", paper_auc, summary=pooled_share),
    Metric("paper_cauc", "cAUC", paper_category_auc, summary=pooled_share, categories=("brand",)),
    Metric("paper_recall", "R", _ties_lost(recall_at), "needed"),
    Metric("paper_map", "MAP", _ties_lost(average_precision)),
    Metric("paper_mrr", "MRR", _ties_lost(reciprocal_rank)),
    Metric(
        "paper_medr",
        per_brand=_ties_lost(first_rank),
        # of an even number the lower middle one
        summary=partial(np.quantile, q=0.5, method="lower"),
        column="paper_first_rank",
        **_RANK,
    ),
)
_UNSEEN = tuple(
    replace(metric, name=UNSEEN + metric.name, column=metric.column and UNSEEN + metric.column)
    for metric in _STANDARD
    if not metric.categories
)
# Name, without a depth -> metric: the standard ones, the paper's, those of unseen influencers.
METRICS: dict[str, Metric] = {metric.name: metric for metric in (*_STANDARD, *_PAPER, *_UNSEEN)}
_BY_COLUMN = {metric.column or metric.name: metric for metric in METRICS.values()}


class Measure(NamedTuple):
    """A metric of a name, its depth included, and the columns of brands' values that it takes."""

    name: str
    columns: tuple[str, ...]
    metric: Metric


def per_brand_metrics(
    ranks: TieRanks, metrics: Sequence[str], unseen: TieRanks | None = None
) -> dict[str, Float[np.ndarray, " brand"]]:
    """Values of every brand, column by column.

    Args:
        ranks: of all candidates.
        metrics: names such as `MAP`, `Recall@10`, `paper_auc`; one that needs categories which the
            ranks lack is left out.
        unseen: ranks of the influencers alone that have no training collaboration; adds what
            `unseen_` counts of the standard metrics.

    Returns:
        One value a brand in the order of the rows, NaN where the brand has none. A pooled share
        `x` has its numerator and denominator beside it, `x_won` and `x_compared`; the columns of
        median ranks are `FirstRank` and `paper_first_rank`.
    """
    found: dict[str, Float[np.ndarray, " brand"]] = {}
    for name in metrics:
        kind, _, depth = name.partition("@")
        found |= METRICS[kind].columns(ranks, depth)
    for name in metrics:
        kind, _, depth = name.partition("@")
        if unseen is not None and UNSEEN + kind in METRICS:
            found |= METRICS[UNSEEN + kind].columns(unseen, depth)
    return found


def measures_of(columns: Iterable[str]) -> list[Measure]:
    """The metrics that columns of `per_brand_metrics` give, in their order."""
    found = []
    for column in columns:
        if column.endswith((_WON, _COMPARED)):
            continue
        kind, at, depth = column.partition("@")
        metric = _BY_COLUMN[kind]
        pooled = metric.summary is pooled_share
        taken = (column + _WON, column + _COMPARED) if pooled else (column,)
        found.append(Measure(metric.name + at + depth, taken, metric))
    return found


def summarise(per_brand: pd.DataFrame) -> dict[str, float]:
    """Figures over brands, rows of `per_brand_metrics`, that have the value; NaN where none has."""
    summary = {}
    for name, columns, metric in measures_of(map(str, per_brand)):
        values = np.stack([per_brand[column].to_numpy(np.float64) for column in columns])
        known = values[:, ~np.isnan(values).any(axis=0)]
        summary[name] = float(metric.summary(*known, axis=-1)) if known.shape[1] else float("nan")
    return summary
