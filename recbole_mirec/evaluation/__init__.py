"""Exact ranks, metrics and their paper rules; no RecBole here."""

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

__all__ = [
    "TieRanks",
    "auc",
    "average_precision",
    "first_rank",
    "ndcg_at",
    "paper_per_brand",
    "paper_summarise",
    "per_brand_metrics",
    "recall_at",
    "reciprocal_rank",
    "summarise",
    "tie_ranks",
]
