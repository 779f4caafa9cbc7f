"""The runs of a benchmark: one a model, protocol, seed and fold."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from recbole_mirec.benchmark.plan import BenchmarkPlan, ModelEntry
from recbole_mirec.registry import find_model, is_deterministic

RUNS = "runs"

# What every run of a benchmark has in common.
COMMON = {"torch_threads": 1, "show_progress": False, "eval_unseen_only": True}


@dataclass(frozen=True, eq=False)
class PlannedRun:
    """One run.

    Attributes:
        entry: the model under its label.
        protocol: that it is run under.
        seed: of the run.
        fold: of a cross-validation, from 1; 0: none.
        settings: configuration keys; without `checkpoint_dir`.
    """

    entry: ModelEntry
    protocol: str
    seed: int
    fold: int
    settings: Mapping[str, Any]

    @property
    def folder(self) -> Path:
        """Where the run stands in the benchmark's folder."""
        name = f"seed-{self.seed}" + (f"-fold-{self.fold}" if self.fold else "")
        return Path(RUNS, self.entry.slug, self.protocol, name)

    @property
    def title(self) -> str:
        """The run in a few words."""
        fold = f", fold {self.fold}" if self.fold else ""
        return f"{self.entry.label}, {self.protocol}, seed {self.seed}{fold}"


def planned_runs(plan: BenchmarkPlan) -> list[PlannedRun]:
    """All runs of a plan, in the order of its tables.

    A model that does not depend on a seed is run under the first one alone.
    """
    return [
        PlannedRun(entry, protocol, seed, fold, run_settings(plan, entry, protocol, seed, fold))
        for entry in plan.entries
        for protocol in entry.protocols
        for seed in (plan.seeds[:1] if deterministic(entry) else plan.seeds)
        for fold in (range(1, plan.folds + 1) if plan.folds else (0,))
    ]


def deterministic(entry: ModelEntry) -> bool:
    """Whether a model's figures do not depend on a seed."""
    return is_deterministic(_class_of(entry.model))


def leaks(entry: ModelEntry) -> bool:
    """Whether a model says of itself that it reads what no model may."""
    return bool(getattr(_class_of(entry.model), "leaks", False))


def run_settings(
    plan: BenchmarkPlan, entry: ModelEntry, protocol: str, seed: int, fold: int
) -> dict[str, Any]:
    """Configuration keys of a run."""
    folds = {"folds": plan.folds, "fold": fold} if fold else {}
    own = {"dataset": plan.dataset, "protocol": protocol, "seed": seed, **folds}
    return {**plan.settings, **entry.settings, **own, **COMMON}


@cache
def _class_of(model: str) -> type:
    return find_model(model)
