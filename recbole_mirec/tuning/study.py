"""One study: its trials, run or taken up again, and its winner, tested once."""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any

import pandas as pd

from dataset_convert import schema
from dataset_convert.common.errors import UsageError
from recbole_mirec.config import MirecConfig
from recbole_mirec.experiment import open_data
from recbole_mirec.results import experiment_notes, is_synthetic, protocol_title
from recbole_mirec.tuning.hyper_tuning import Driver, MirecHyperTuning
from recbole_mirec.tuning.local_jobs import LocalProcesses
from recbole_mirec.tuning.plan import ASHA, RAY, StudyPlan, default_folder
from recbole_mirec.tuning.progress import Progress
from recbole_mirec.tuning.records import Trial, trials_frame
from recbole_mirec.tuning.report.page import StudyReport, write_report
from recbole_mirec.tuning.search import Proposal, Search
from recbole_mirec.tuning.space_checks import check_space, samples
from recbole_mirec.tuning.study_folder import REPORT_FILE, StudyFolder, clear_checkpoints
from recbole_mirec.tuning.trial import TRIALS, Outcome, TrialTask
from recbole_mirec.tuning.winner import Winner, test_winner

ROOT = Path("saved", "tuning")


@dataclass(frozen=True, eq=False)
class StudyResult:
    """What a study found.

    Attributes:
        plan: what was asked for.
        folder: where everything stands.
        trials: as `records.trials_frame` gives them.
        winner: the best trial, and its figures on both parts; None where no trial has a score.
        synthetic: whether the data set says that it is synthetic.
        notes: what a reader of the figures has to know.
    """

    plan: StudyPlan
    folder: Path
    trials: pd.DataFrame
    winner: Winner | None
    synthetic: bool
    notes: tuple[str, ...]


def study_protocol(settings: Mapping[str, Any]) -> str:
    """The protocol of a study's settings, with its fold where they name one."""
    return protocol_title(
        str(settings["protocol"]), settings.get("folds", 0), settings.get("fold", 0)
    )


@dataclass(frozen=True)
class _Data:
    fingerprint: str
    synthetic: bool
    notes: tuple[str, ...]
    max_epochs: int


def run_study(
    plan: StudyPlan,
    *,
    folder: Path | None = None,
    root: Path = ROOT,
    engine: str = "local",
    ray_address: str | None = None,
) -> StudyResult:
    """Run a study, or what is left of it, and test its winner once.

    Args:
        plan: what to do.
        folder: where; None: a folder under `root` that the same plan finds again.
        root: of the studies' folders.
        engine: `local` or `ray`.
        ray_address: of a running Ray cluster.

    Raises:
        UsageError: anything the user can mend; before the first trial.
    """
    del ray_address
    if engine == RAY:
        plan = replace(plan, tool=RAY)
    check_space(plan.space, plan.settings)
    # What cannot be searched, and that Ray is missing, is said before anything is written.
    Search(plan.space, plan.algorithm, seed=0, max_trials=plan.max_trials)
    if plan.tool == RAY:
        import_module("recbole_mirec.tuning.ray_jobs")
    data = _look_at_data(plan)
    identity = plan.identity(data.fingerprint)
    place = StudyFolder(folder or default_folder(plan, identity, root), plan.parameters)
    with place.claimed(identity):
        return _Study(plan, place, data).run()


def _look_at_data(plan: StudyPlan) -> _Data:
    """Read the data once before any trial, so that what is wrong with them is said at once."""
    config = MirecConfig(config_dict=dict(plan.settings))
    dataset, _ = open_data(config, closed_parts=(schema.TEST,))
    if dataset.evaluation_split(schema.VALID) is None:
        raise UsageError(
            f"Data set '{config['dataset']}' has no validation part under protocol "
            f"{config['protocol']}, so trials cannot be compared."
        )
    epochs = [
        value
        for parameter in plan.space.parameters
        if parameter.name == "epochs"
        for value in samples(parameter)
    ]
    return _Data(
        dataset.fingerprint(),
        is_synthetic(dataset),
        experiment_notes(config),
        max(epochs, default=config["epochs"]),
    )


class _Study:
    def __init__(self, plan: StudyPlan, place: StudyFolder, data: _Data):
        self.plan = plan
        self.place = place
        self.data = data
        self.stored = place.read_trials()
        if plan.max_trials is not None and max(self.stored, default=0) > plan.max_trials:
            raise UsageError(
                f"'{place.path}' holds trial {max(self.stored)} already, more than "
                f"--max_evals={plan.max_trials}. Raise it, or name another folder with --results."
            )
        before = max((trial.clock for trial in self.stored.values()), default=0.0)
        self.started = time.time() - before
        deadline = None if plan.minutes is None else self.started + 60 * plan.minutes
        self.task = TrialTask(dict(plan.settings), place.path, deadline)
        self.progress = Progress(plan, deadline)
        self.trials: dict[int, Trial] = {}
        self.tuning = MirecHyperTuning(
            space=plan.space,
            algo=plan.algorithm,
            max_evals=plan.max_trials,
            early_stop=plan.early_stop,
            seed=int(plan.settings["seed"]),
            bigger=self.task.bigger,
            jobs=plan.jobs,
            driver=self._driver(),
            stored={number: trial.outcome for number, trial in self.stored.items()},
            deadline=deadline,
            on_trial=self._take,
        )

    def run(self) -> StudyResult:
        self.progress.begin(self.place.path, len(self.stored))
        self.tuning.run()
        # Without the trials that early stopping came too late for.
        self.trials = {number: self.trials[number] for number in self.tuning.outcomes}
        self.place.write_trials(self.trials.values())
        self._keep_best(self.plan.keep, self.place.path.glob(f"{TRIALS}/*"))
        winner = self._winner()
        frame = trials_frame(self.trials.values(), self.plan.parameters)
        write_report(self.place.path / REPORT_FILE, self._report(frame, winner))
        return StudyResult(
            self.plan, self.place.path, frame, winner, self.data.synthetic, self.data.notes
        )

    def _driver(self) -> Driver:
        if self.plan.tool != RAY:
            return LocalProcesses(self.task, self.plan.jobs)
        from recbole_mirec.tuning.ray_jobs import RayTune

        return RayTune(
            self.task,
            jobs=self.plan.jobs,
            scheduler="asha" if self.plan.scheduler == ASHA else None,
            max_epochs=self.data.max_epochs,
        )

    def _take(self, proposal: Proposal, outcome: Outcome, stored: bool) -> None:
        if stored:
            earlier = self.stored[proposal.number]
            self.place.check_stored(earlier, proposal.parameters)
            clock = earlier.clock
        else:
            clock = time.time() - self.started
        self.trials[proposal.number] = Trial(proposal.number, proposal.parameters, outcome, clock)
        if not stored:
            self._save()
        if not stored and proposal.number <= self.tuning.search.last:
            self.progress.trial_ended(self.tuning, proposal, outcome)

    def _save(self) -> None:
        # Trials that ended before an interruption stay in the file until they are due again.
        self.place.write_trials({**self.stored, **self.trials}.values())
        # A trial that turns out to be none of the study's may be among the best for a while.
        n = self.plan.keep + self.plan.jobs - 1
        self._keep_best(n, map(self.task.trial_folder, self.trials))

    def _keep_best(self, n: int, ended: Iterable[Path]) -> None:
        best = map(self.task.trial_folder, self.tuning.ranking()[:n])
        clear_checkpoints(set(ended) - set(best))

    def _winner(self) -> Winner | None:
        number = self.tuning.best_number
        if number is None:
            return None
        return test_winner(self.task, self.place, self.trials[number], n_trials=len(self.trials))

    def _report(self, frame: pd.DataFrame, winner: Winner | None) -> StudyReport:
        settings = self.plan.settings
        return StudyReport(
            model=settings["model"],
            dataset=settings["dataset"],
            synthetic=self.data.synthetic,
            protocol=study_protocol(settings),
            metric=self.plan.metric,
            bigger=self.task.bigger,
            algo=self.plan.algorithm,
            seed=settings["seed"],
            command=self.plan.command,
            trials=frame,
            parameters=self.plan.space.parameters,
            winner=None if winner is None else winner.trial.number,
            winner_yaml="" if winner is None else winner.yaml,
            winner_metrics=pd.DataFrame() if winner is None else winner.metrics,
            notes=self.data.notes,
            status="finished",
            n_tested=1 if winner is None else winner.n_tested,
        )
