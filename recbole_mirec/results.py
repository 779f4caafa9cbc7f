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

SMALLER_IS_BETTER = ("MedR", "paper_medr")
PAPER, UNSEEN = "paper_", "unseen_"


class Figures(dict[str, float]):
    """Metrics by name, found in any case of letters: RecBole writes `recall@10`."""

    def __missing__(self, name: str) -> float:
        for own, value in self.items():
            if own.lower() == str(name).lower():
                return value
        raise KeyError(name)


def rule_prefix(metric: str) -> str:
    """The group of a metric's name: `paper_`, `unseen_`, or "" for the standard metrics."""
    return next((prefix for prefix in (PAPER, UNSEEN) if metric.startswith(prefix)), "")


def smaller_is_better(metric: str) -> bool:
    """Whether a metric is better when smaller: the ranks are."""
    return metric.removeprefix(UNSEEN) in SMALLER_IS_BETTER


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


def metric_names(topk: Sequence[int]) -> list[str]:
    """Names that `valid_metric` can take."""
    scores, yes = np.zeros((2, 3)), np.eye(2, 3, dtype=bool)
    category = {"brand_category": np.zeros(2, dtype=np.int64)}
    standard = per_brand_metrics(
        scores,
        yes,
        np.ones_like(yes),
        ks=topk,
        candidate_category=np.zeros(3, dtype=np.int64),
        **category,
    )
    paper = paper_per_brand(scores, yes, np.ones_like(yes), ks=topk, **category)
    return [*summarise(standard), *paper_summarise(paper)]


def evaluate_scores(
    scores: NDArray[Any], split: EvaluationSplit, *, topk: Sequence[int], unseen_only: bool = False
) -> Evaluation:
    """All metrics of a score matrix.

    Args:
        scores: (brand, candidate) of the split; higher is better.
        split: brands, candidates and truth.
        topk: cut-offs of Recall.
        unseen_only: add the standard metrics over influencers without a training collaboration.
    """
    categories = {}
    if split.brand_category is not None and split.candidate_category is not None:
        categories = {
            "brand_category": split.brand_category,
            "candidate_category": split.candidate_category,
        }
    columns = per_brand_metrics(scores, split.positives, split.mask, ks=topk, **categories)
    paper = paper_per_brand(
        scores, split.positives, split.mask, ks=topk, brand_category=split.brand_category
    )
    columns |= paper
    if unseen_only:
        unseen = per_brand_metrics(
            scores, split.positives & split.unseen, split.mask & split.unseen, ks=topk
        )
        columns |= {f"{UNSEEN}{name}": values for name, values in unseen.items()}
    per_brand = pd.DataFrame(columns)
    summary = summary_of(per_brand)
    return Evaluation(split.part, per_brand, summary, len(split.candidates), scores)


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
