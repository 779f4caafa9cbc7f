"""Equal tuning budgets: a study on validation for every model that has a search space."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recbole_mirec.benchmark.plan import BenchmarkPlan, ModelEntry
from recbole_mirec.benchmark.planned import run_settings
from recbole_mirec.config import MirecConfig
from recbole_mirec.tuning.space import check_space, shipped_space
from recbole_mirec.tuning.study import StudyPlan, run_study, winner_settings

FOLDER = "tuning"


@dataclass(frozen=True, eq=False)
class PlannedStudy:
    """A study of one model under one protocol; in a cross-validation, within one fold.

    A fold's study sees the validation brands of that fold, so that no model is tuned on the brands
    that it is measured on.

    Attributes:
        entry: the model under its label.
        protocol: of the study.
        fold: of the cross-validation, from 1; 0: none.
        plan: of the study.
    """

    entry: ModelEntry
    protocol: str
    fold: int
    plan: StudyPlan

    @property
    def folder(self) -> Path:
        """Where the study stands in the benchmark's folder."""
        name = f"{self.protocol}-fold-{self.fold}" if self.fold else self.protocol
        return Path(FOLDER, self.entry.slug, name)

    @property
    def key(self) -> tuple[str, str, int]:
        """Label, protocol and fold: what the winner's settings are for."""
        return self.entry.label, self.protocol, self.fold


def planned_studies(plan: BenchmarkPlan) -> list[PlannedStudy]:
    """The studies of a plan; models without a search space have none.

    Ablations take the settings that their full model is given.

    Raises:
        UsageError: a space that cannot be searched under the plan's settings.
    """
    return list(_studies(plan))


def _studies(plan: BenchmarkPlan) -> Iterator[PlannedStudy]:
    if plan.tuning is None:
        return
    for entry in plan.models:
        variant = {**plan.settings, **entry.settings}.get("variant")
        space = shipped_space(entry.model, variant)
        if space is None:
            continue
        for protocol in entry.protocols:
            for fold in range(1, plan.folds + 1) if plan.folds else (0,):
                settings = run_settings(plan, entry, protocol, plan.seeds[0], fold)
                settings["valid_metric"] = MirecConfig(config_dict=settings)["valid_metric"]
                check_space(space, settings)
                study = StudyPlan(
                    settings=settings,
                    space=space,
                    algorithm=plan.tuning.algo,
                    max_trials=plan.tuning.max_evals,
                    early_stop=plan.tuning.early_stop,
                    jobs=plan.jobs,
                )
                yield PlannedStudy(entry, protocol, fold, study)


def run_studies(
    studies: list[PlannedStudy], folder: Path
) -> dict[tuple[str, str, int], dict[str, Any]]:
    """Run studies, or what is left of them.

    Args:
        studies: of the plan.
        folder: of the benchmark.

    Returns:
        What the winners set, by label, protocol and fold; a study in which no trial has a score
        has no entry.
    """
    found = {}
    for study in studies:
        result = run_study(study.plan, folder=folder / study.folder)
        if result.winner is not None:
            whole = winner_settings(study.plan.settings, result.winner.trial)
            fixed = study.plan.settings
            found[study.key] = {
                key: value for key, value in whole.items() if fixed.get(key) != value
            }
    return found


def tuning_remarks(plan: BenchmarkPlan) -> tuple[str, ...]:
    """What a reader of the figures has to know of the models' settings."""
    if plan.tuning is None:
        return ("No model was tuned for this benchmark: each has the settings of its plan.",)
    tuned = {study.entry.label for study in planned_studies(plan)}
    rest = [entry.label for entry in plan.models if entry.label not in tuned]
    budget = f"{plan.tuning.max_evals} trials of {plan.tuning.algo} search on validation"
    remarks = [f"Tuned, with {budget} each: {', '.join(sorted(tuned)) or 'none'}."]
    if rest:
        remarks.append(f"Without a search space, so with their defaults: {', '.join(rest)}.")
    return tuple(remarks)
