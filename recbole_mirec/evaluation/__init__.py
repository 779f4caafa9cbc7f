"""Exact ranks, metrics, their paper rules, and statistics of comparisons; no RecBole here."""

from recbole_mirec.evaluation.metrics import METRICS, average_precision, measures_of
from recbole_mirec.evaluation.paper_rules import pooled_share
from recbole_mirec.evaluation.ranks import tie_ranks
from recbole_mirec.evaluation.statistics import (
    Comparison,
    bootstrap_interval,
    compare,
    holm,
    variance_components,
)

__all__ = [
    "METRICS",
    "Comparison",
    "average_precision",
    "bootstrap_interval",
    "compare",
    "holm",
    "measures_of",
    "pooled_share",
    "tie_ranks",
    "variance_components",
]
