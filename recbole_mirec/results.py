"""Metrics of a model on one part of a split: per brand, per category, and in short."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dataset_convert import schema
from recbole_mirec.data.evaluation_split import EvaluationSplit
from recbole_mirec.evaluation import (
    paper_per_brand,
    paper_summarise,
    per_brand_metrics,
    summarise,
    tie_ranks,
)
from recbole_mirec.evaluation.metrics import FIRST_RANK, MEDIAN_RANK
from recbole_mirec.evaluation.paper_rules import COMPARED, PAPER_FIRST_RANK, PAPER_MEDIAN_RANK, WON
from recbole_mirec.metric_names import PAPER, UNSEEN, rule_prefix


class Figures(dict[str, float]):
    """Metrics by name, found in any case of letters: RecBole writes `recall@10`."""

    def __missing__(self, name: str) -> float:
        for own, value in self.items():
            if own.lower() == str(name).lower():
                return value
        raise KeyError(name)


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Results of one part.

    Attributes:
        part: `valid` or `test`.
        per_brand: one row a brand, one column a metric.
        summary: metric -> value over the brands; names starting `paper_` follow the published
            rules, names starting `unseen_` count only influencers without a training
            collaboration.
        n_candidates: size of the candidate pool, which R@k and MAP depend on.
        scores: (brand, candidate) of the part's split.
    """

    part: str
    per_brand: pd.DataFrame
    summary: dict[str, float]
    n_candidates: int
    scores: NDArray[Any]


def evaluate_scores(
    scores: NDArray[Any],
    split: EvaluationSplit,
    *,
    metrics: Sequence[str],
    unseen_only: bool = False,
) -> Evaluation:
    """Metrics of a score matrix.

    Args:
        scores: (brand, candidate) of the split; higher is better.
        split: brands, candidates and truth.
        metrics: names as `read_metric` gives them; cAUC is left out where the data set has no
            categories for it.
        unseen_only: add the standard ones over influencers without a training collaboration.
    """
    standard = [
        FIRST_RANK if name == MEDIAN_RANK else name for name in metrics if not rule_prefix(name)
    ]
    categories = {}
    if split.brand_category is not None and split.candidate_category is not None:
        categories = {
            "brand_category": split.brand_category,
            "candidate_category": split.candidate_category,
        }
    columns = per_brand_metrics(
        scores, split.positives, split.mask, columns=standard, **categories
    ) | _paper_columns(scores, split, [name for name in metrics if name.startswith(PAPER)])
    if unseen_only:
        unseen = per_brand_metrics(
            scores, split.positives & split.unseen, split.mask & split.unseen, columns=standard
        )
        columns |= {f"{UNSEEN}{name}": values for name, values in unseen.items()}
    per_brand = pd.DataFrame(columns)
    summary = summary_of(per_brand)
    return Evaluation(split.part, per_brand, summary, len(split.candidates), scores)


def _paper_columns(
    scores: NDArray[Any], split: EvaluationSplit, metrics: Sequence[str]
) -> dict[str, NDArray[Any]]:
    """The columns of `paper_per_brand` that some metrics of the paper's rules need."""
    if not metrics:
        return {}
    ks = [int(depth) for _, at, depth in (name.partition("@") for name in metrics) if at]
    columns = paper_per_brand(
        scores, split.positives, split.mask, ks=ks, brand_category=split.brand_category
    )
    needed = {PAPER_FIRST_RANK if name == PAPER_MEDIAN_RANK else name for name in metrics}
    return {
        name: values
        for name, values in columns.items()
        if name.removesuffix(WON).removesuffix(COMPARED) in needed
    }


def positive_ranks(scores: NDArray[Any], split: EvaluationSplit) -> pd.DataFrame:
    """Where each collaboration of a part stands among its brand's candidates.

    Args:
        scores: (brand, candidate) of the split; higher is better.
        split: brands, candidates and truth.

    Returns:
        `brand` and `influencer` (internal ids), `rank` (from 1; its mean over a random order of
        the tied candidates), `n_candidates` of the brand, and `unseen`: whether the influencer has
        no training collaboration. By brand, from the best rank to the worst.
    """
    ranks = tie_ranks(scores, split.positives, split.mask)
    return pd.DataFrame(
        {
            "brand": split.brands[ranks.brand],
            "influencer": split.candidates[ranks.candidate],
            "rank": ranks.n_above + (ranks.n_tied + 1) / 2,
            "n_candidates": ranks.n_candidates[ranks.brand],
            "unseen": split.unseen[ranks.candidate],
        }
    )


def summary_of(per_brand: pd.DataFrame) -> dict[str, float]:
    """Metrics over some brands, by the rules that each group of columns follows.

    Args:
        per_brand: rows of `Evaluation.per_brand`: all of them, or those of a category.

    Returns:
        Standard metrics, then those named `paper_`, then those named `unseen_`.
    """
    groups: dict[str, dict[str, NDArray[np.float64]]] = {"": {}, PAPER: {}, UNSEEN: {}}
    for name in map(str, per_brand.columns):
        groups[rule_prefix(name)][name] = per_brand[name].to_numpy(dtype=np.float64)
    unseen = {name.removeprefix(UNSEEN): values for name, values in groups[UNSEEN].items()}
    summary = summarise(groups[""]) | paper_summarise(groups[PAPER])
    return summary | {f"{UNSEEN}{name}": value for name, value in summarise(unseen).items()}


def per_category(per_brand: pd.DataFrame, categories: Sequence[str | None]) -> pd.DataFrame:
    """Metrics of the brands of each category.

    Args:
        per_brand: `Evaluation.per_brand`.
        categories: the brands' categories, in its order; a brand without one is left out.

    Returns:
        `brand_category`, `n_brands` and one column a metric of the summary, sorted by category.
        Candidates, and the negatives of the pooled `paper_auc`, are those of all brands.
    """
    rows = [
        {schema.BRAND_CATEGORY: category, "n_brands": len(brands), **summary_of(brands)}
        for category, brands in per_brand.groupby(np.asarray(categories, dtype=object))
    ]
    return pd.DataFrame(rows)
