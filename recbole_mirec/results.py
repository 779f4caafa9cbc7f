"""Metrics of a model on one part of a split: per brand, in one frame, and in short."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recbole_mirec.data.evaluation_split import EvaluationSplit
from recbole_mirec.evaluation import (
    paper_per_brand,
    paper_summarise,
    per_brand_metrics,
    summarise,
)

SMALLER_IS_BETTER = ("MedR", "paper_medr")


def smaller_is_better(metric: str) -> bool:
    """Whether a metric is better when smaller: the ranks are."""
    return metric.removeprefix("unseen_") in SMALLER_IS_BETTER


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
    """

    part: str
    per_brand: pd.DataFrame
    summary: dict[str, float]
    n_candidates: int


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
    summary = summarise(columns) | paper_summarise(paper)
    columns |= paper
    if unseen_only:
        unseen = per_brand_metrics(
            scores, split.positives & split.unseen, split.mask & split.unseen, ks=topk
        )
        summary |= {f"unseen_{name}": value for name, value in summarise(unseen).items()}
        columns |= {f"unseen_{name}": values for name, values in unseen.items()}
    return Evaluation(split.part, pd.DataFrame(columns), summary, len(split.candidates))
