"""Exact ranks, metrics, their paper rules, and statistics of comparisons; no RecBole here."""

from recbole_mirec.evaluation.metrics import (
    auc,
    average_precision,
    first_rank,
    ndcg_at,
    per_brand_metrics,
    recall_at,
    reciprocal_rank,
    summarise,
)
from recbole_mirec.evaluation.paper_rules import paper_per_brand, paper_summarise
from recbole_mirec.evaluation.ranks import TieRanks, tie_ranks
from recbole_mirec.evaluation.statistics import (
    Comparison,
    Components,
    Estimate,
    bootstrap_interval,
    cohens_d,
    compare,
    holm,
    pooled_share,
    rank_biserial,
    sign_flip_test,
    superiority,
    variance_components,
    wilcoxon_test,
)

__all__ = [
    "Comparison",
    "Components",
    "Estimate",
    "TieRanks",
    "auc",
    "average_precision",
    "bootstrap_interval",
    "cohens_d",
    "compare",
    "first_rank",
    "holm",
    "ndcg_at",
    "paper_per_brand",
    "paper_summarise",
    "per_brand_metrics",
    "pooled_share",
    "rank_biserial",
    "recall_at",
    "reciprocal_rank",
    "sign_flip_test",
    "summarise",
    "superiority",
    "tie_ranks",
    "variance_components",
    "wilcoxon_test",
]
