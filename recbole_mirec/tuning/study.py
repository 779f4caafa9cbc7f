"""Studies: trials on validation, run or taken up again; the winner, tested once; comparisons."""

import json
import math
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from dataset_convert import schema
from dataset_convert.common.errors import UsageError
from dataset_convert.common.ray_session import import_ray
from dataset_convert.common.words import duration
from recbole_mirec.config import MirecConfig
from recbole_mirec.experiment import open_data, run_experiment
from recbole_mirec.registry import class_name
from recbole_mirec.results import (
    PARTS,
    data_title,
    experiment_notes,
    format_table,
    is_synthetic,
    metric_title,
    rule_prefix,
    smaller_is_better,
)
from recbole_mirec.runs import OTHER_FOLDER, STUDY, owned, write_text
from recbole_mirec.sweep import (
    LOG,
    RAY,
    STOPPED,
    End,
    Job,
    clear_checkpoints,
    read_end,
    run_jobs,
)
from recbole_mirec.tuning.page import top_trials, write_report
from recbole_mirec.tuning.space import check_space, value_text
from recbole_mirec.tuning.trial import (
    TRIALS_FILE,
    Search,
    StudyPlan,
    Trial,
    read_trials,
    short_digest,
    trials_frame,
    write_trials,
)

ROOT = Path("saved", "tuning")
WINNER_FILE, RESULT_FILE = "winner.yaml", "result.json"
REPORT_FILE, TRIALS = "tuning.html", "trials"
WINNERS, TABLE_FILE = "winners", "comparison.csv"


@dataclass(frozen=True, eq=False)
class Winner:
    """The best trial of a study.

    Attributes:
        trial: as it was run.
        yaml: settings that `run_recbole_mirec.py --config_files` takes as they are.
        valid, test: metric -> value of its best epoch; None where there is no test part.
        n_tested: how often this study has evaluated a winner on the test part; more than once
            only where it was extended and another trial won.
    """

    trial: Trial
    yaml: str
    valid: Mapping[str, float]
    test: Mapping[str, float] | None
    n_tested: int


@dataclass(frozen=True, eq=False)
class StudyResult:
    """What a study found.

    Attributes:
        plan: what was asked for.
        folder: where everything stands.
        trials: as `trials_frame` gives them.
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


def run_study(plan: StudyPlan, *, folder: Path | None = None, root: Path = ROOT) -> StudyResult:
    """Run a study, or what is left of it, and test its winner once.

    Args:
        plan: what to do.
        folder: where; None: a folder under `root` that the same plan finds again. It holds
            `study.json` (what the study is), `trials.csv`, `trials/<n>/` (checkpoints of the best,
            logs of all), `winner.yaml`, `result.json` and `tuning.html`.
        root: of the studies' folders.

    Raises:
        UsageError: anything the user can mend; before the first trial.
    """
    check_space(plan.space, plan.settings)
    search = Search(plan)
    if plan.engine == RAY:
        import_ray()
    if search.limit == sys.maxsize and plan.early_stop is None and plan.minutes is None:
        raise UsageError("The space is not finite, so this search would never end; set a limit.")
    config = MirecConfig(config_dict=dict(plan.settings))
    dataset, _ = open_data(config, closed_parts=(schema.TEST,), needed=(schema.VALID,))
    identity = plan.identity(dataset.fingerprint())
    if folder is None:
        model, *names = (str(plan.settings[key]) for key in ("model", "dataset", "protocol"))
        words = (class_name(model), *names, plan.algorithm, short_digest(identity))
        folder = root / "-".join(words)
    with owned(folder, STUDY, identity):
        found = _Study(plan, folder, search).run()
        result = StudyResult(plan, folder, *found, is_synthetic(dataset), experiment_notes(config))
        write_report(folder / REPORT_FILE, result)
    return result


class _Study:
    """A study under way in a folder that it owns."""

    def __init__(self, plan: StudyPlan, folder: Path, search: Search):
        self.plan, self.folder, self.search = plan, folder, search
        self.trials: dict[int, Trial] = {}
        self.stored = read_trials(folder / TRIALS_FILE)
        self.n_stored = max(self.stored, default=0)
        if plan.max_trials is not None and self.n_stored > plan.max_trials:
            raise UsageError(
                f"'{folder}' holds trial {self.n_stored} already, more than "
                f"--max_evals={plan.max_trials}. Raise it, or name another folder with --results."
            )
        before = max((float(row["finished_at"]) for row in self.stored.values()), default=0.0)
        self.started = time.time() - before
        self.deadline = None if plan.minutes is None else self.started + 60 * plan.minutes

    def run(self) -> tuple[pd.DataFrame, Winner | None]:
        lines = [f"Study: {self.folder}"]
        if self.stored:
            lines += [f"Going on after {len(self.stored)} trials that have ended."]
        print(*lines, sep="\n", file=sys.stderr, flush=True)
        self.search.run(self._evaluate, self._over)
        # without the trials that early stopping came too late for
        self.trials = {n: trial for n, trial in self.trials.items() if n <= self.search.last}
        for place in self.folder.glob(f"{TRIALS}/*"):
            if int(place.name) not in self.trials:
                clear_checkpoints(place)
        return self._write(self.plan.keep), self._winner()

    def _over(self, number: int) -> bool:
        # what had begun before an interruption is brought to its end
        late = self.deadline is not None and time.time() > self.deadline
        return late and number > max(self.n_stored, 1)

    def _folder(self, number: int) -> Path:
        return self.folder / TRIALS / f"{number:04d}"

    def _evaluate(self, drawn: dict[int, dict[str, Any]]) -> dict[int, float]:
        plan, jobs, limit = self.plan, [], self.search.limit
        for number, parameters in drawn.items():
            # embeddings of the graph are shared by the study's trials
            own = {**plan.settings, **parameters, "checkpoint_dir": str(self.folder)}
            jobs.append(Job(self._folder(number), own, test=False))
            if (end := read_end(jobs[-1].folder)) is not None:
                self._take_up(number, parameters, end)

        def title(job: Job) -> str:
            number = int(job.folder.name)
            of = f"/{limit}" if limit < sys.maxsize else ""
            words = (f"{name}={value_text(value)}" for name, value in drawn[number].items())
            return f"trial {number}{of} ({', '.join(words)})"

        def on_end(job: Job, end: End) -> None:
            number = int(job.folder.name)
            self.trials[number] = Trial(number, drawn[number], end, time.time() - self.started)
            # a trial that turns out to be none of the study's may be among the best for a while
            self._write(plan.keep + plan.jobs - 1)

        run_jobs(
            jobs,
            n_jobs=plan.jobs,
            engine=plan.engine,
            ray_address=plan.ray_address,
            title=title,
            metric=plan.metric,
            on_end=on_end,
            deadline=self.deadline,
            n_more=limit - max(drawn) if limit < sys.maxsize else 0,
        )
        return {number: self._loss(number) for number in drawn if number in self.trials}

    def _take_up(self, number: int, parameters: dict[str, Any], end: End) -> None:
        """A trial that had ended when the study was interrupted."""
        row = self.stored.get(number, {})
        for name, value in parameters.items():
            if row and row.get(name) != value_text(value):
                raise UsageError(
                    f"'{self.folder / TRIALS_FILE}', trial {number}: {name} is {row.get(name)}, "
                    f"where this study tries {value_text(value)}. {OTHER_FOLDER}"
                )
        clock = float(row["finished_at"]) if row else time.time() - self.started
        self.trials[number] = Trial(number, parameters, end, clock)

    def _loss(self, number: int) -> float:
        """The score, smaller ones better; infinite where there is none."""
        score = self.trials[number].end.metrics.get(self.plan.metric, math.nan)
        sign = 1 if smaller_is_better(self.plan.metric) else -1
        return math.inf if math.isnan(score) else sign * score

    def _write(self, n_kept: int) -> pd.DataFrame:
        """Write `trials.csv`; delete the checkpoints of all that have ended but those of the best.

        Returns:
            The trials, as `trials_frame` gives them.
        """
        ranking = sorted(self.trials, key=lambda number: (self._loss(number), number))
        for number in ranking:
            if number not in ranking[:n_kept] or self._loss(number) == math.inf:
                clear_checkpoints(self._folder(number))
        parameters = self.plan.parameters
        frame = trials_frame(self.trials.values(), parameters, self.plan.metric)
        write_trials(self.folder / TRIALS_FILE, frame, parameters)
        return frame

    def _winner(self) -> Winner | None:
        """The best trial, evaluated on both parts unless that was done already.

        Its folder becomes a run like any other, which `--predict` can use.
        """
        if self.search.best is None:
            return None
        trial, fixed = self.trials[self.search.best], self.plan.settings
        settings = winner_settings(fixed, trial)
        # as plain words, numbers and lists, whatever they came from
        plain = json.loads(json.dumps(settings, default=str))
        text = (
            f"# Trial {trial.number} of {len(self.trials)}: validation {fixed['valid_metric']} "
            f"{trial.end.metrics[self.plan.metric]:.6g} in epoch {trial.end.best_epoch} of "
            f"{trial.end.n_epochs}.\n"
            f"# python run_recbole_mirec.py --config_files THIS_FILE\n"
            f"{yaml.safe_dump(plain, sort_keys=False)}"
        )
        write_text(self.folder / WINNER_FILE, text)
        path = self.folder / RESULT_FILE
        known: dict[str, Any] = {"trial": None, "n_tested": 0}
        try:
            if path.exists():
                found = json.loads(path.read_text(encoding="utf-8"))
                known = {key: found[key] for key in ("trial", "valid", "test", "n_tested")}
        except (KeyError, TypeError, ValueError) as error:
            raise UsageError(f"'{path}' cannot be read: {error!r}. Delete it.") from None
        if known["trial"] != trial.number:
            place = self._folder(trial.number)
            own = {"checkpoint_dir": str(self.folder), "show_progress": False}
            run = run_experiment(settings | own, resume=place, log_file=place / LOG)
            assert run.valid is not None
            known = {
                "trial": trial.number,
                "valid": run.valid.summary,
                "test": None if run.test is None else run.test.summary,
                "n_tested": known["n_tested"] + 1,
            }
            write_text(path, json.dumps(known, indent=2) + "\n")
        return Winner(trial, text, known["valid"], known["test"], known["n_tested"])


def winner_settings(fixed: Mapping[str, Any], trial: Trial) -> dict[str, Any]:
    """Every key that repeats a trial; one that was stopped early with as many epochs as it had."""
    kept = {
        key: value for key, value in fixed.items() if key not in ("checkpoint_dir", "show_progress")
    }
    settings = {"model": fixed["model"], "dataset": fixed["dataset"], **kept, **trial.parameters}
    return settings | ({"epochs": trial.end.n_epochs} if trial.end.status == STOPPED else {})


def _winners(results: Sequence[StudyResult]) -> pd.DataFrame:
    """One row a study and part, `valid` or `test`: every metric of the winner."""
    rows: list[dict[str, Any]] = []
    for result in results:
        settings, winner = result.plan.settings, result.winner
        row = {
            "protocol": settings["protocol"],
            "model": settings["model"],
            "n_trials": len(result.trials),
            "n_scored": int(result.trials["score"].notna().sum()),
            "minutes": round(result.trials["finished_at"].max() / 60, 1),
            "winner": None if winner is None else winner.trial.number,
            "part": None,
        }
        if winner is None:
            rows.append(row)
        else:
            parts = {"valid": winner.valid, "test": winner.test}
            rows += [{**row, "part": part, **values} for part, values in parts.items() if values]
    return pd.DataFrame(rows)


def _figures(winners: pd.DataFrame, titles: Mapping[str, str]) -> str:
    """A table of winners: the columns that have titles, then the metrics of the usual rules."""
    columns = list(map(str, winners))
    names = columns[columns.index("part") + 1 :]
    titled = dict(titles) | {name: metric_title(name) for name in names if not rule_prefix(name)}
    minutes = winners["minutes"].map("{:.1f}".format)
    shown = winners.assign(minutes=minutes, part=winners["part"].map(PARTS))
    return format_table(shown[list(titled)].rename(columns=titled), decimals=4)


def compare(plans: Sequence[StudyPlan], folder: Path) -> list[StudyResult]:
    """Run a study for every plan, one after the other, and write the winners.

    Args:
        plans: one a model and protocol, under equal limits.
        folder: holds the studies (`<protocol>/<model>/`), each gone on with where it has begun,
            `winners/<model>.<protocol>.yaml` and `comparison.csv`.
    """
    # what is wrong with the last study is said before the first one runs
    for plan in plans:
        check_space(plan.space, plan.settings)
    results = []
    for plan in plans:
        name, protocol = str(plan.settings["model"]), str(plan.settings["protocol"])
        result = run_study(plan, folder=folder / protocol / name)
        results.append(result)
        if result.winner is not None:
            write_text(folder / WINNERS / f"{name}.{protocol}.yaml", result.winner.yaml)
    write_text(folder / TABLE_FILE, _winners(results).to_csv(index=False))
    return results


def study_text(result: StudyResult) -> str:
    """Title, top trials, failures by reason, the winner on both parts, and where files are."""
    plan, winner, trials = result.plan, result.winner, result.trials
    data = data_title(str(plan.settings["dataset"]), synthetic=result.synthetic)
    top = top_trials(plan, trials)
    lines = [
        f"{plan.settings['model']} on {data}, protocol {plan.protocol}: "
        f"{len(trials)} trials by {plan.algorithm} search in "
        f"{duration(trials['finished_at'].max())}",
        *("", format_table(top.drop(columns="best epoch").reset_index(), decimals=4), ""),
    ]
    failed = trials[trials["score"].isna()].groupby(["status", "reason"], sort=False)
    for (status, reason), rows in failed:
        numbers = ", ".join(map(str, rows["trial"]))
        lines.append(f"{status}: {'trial' if len(rows) == 1 else 'trials'} {numbers}: {reason}")
    lines += [""] if len(failed) else []
    if winner is None:
        return "\n".join([*lines, f"No trial has a score. Logs: {result.folder / TRIALS}"])
    read = "the test part was read once, for this trial, after the search"
    if winner.n_tested > 1:
        read = f"this study has read the test part {winner.n_tested} times: it was extended"
    if winner.test is None:
        read = "the data set has no test part"
    return "\n".join(
        [
            *lines,
            f"Winner: trial {winner.trial.number}; {read}",
            _figures(_winners([result]), {"part": ""}),
            *(f"Note: {note}" for note in result.notes),
            "",
            f"Settings: {result.folder / WINNER_FILE}",
            f"  python run_recbole_mirec.py --config_files {result.folder / WINNER_FILE}",
            f"Report: {result.folder / REPORT_FILE}",
        ]
    )


def comparison_text(results: Sequence[StudyResult], folder: Path, budget: str) -> str:
    """A table a protocol: every model's winner, validation above test; `budget` is in words."""
    plan = results[0].plan
    data = data_title(str(plan.settings["dataset"]), synthetic=results[0].synthetic)
    lines = [f"Tuned on {data} under one budget: {budget} a study, by validation {plan.metric}"]
    titles = {"model": "model", "n_trials": "trials", "minutes": "min", "part": "part"}
    for protocol, rows in _winners(results).groupby("protocol", sort=False):
        of_protocol = [one for one in results if one.plan.settings["protocol"] == protocol]
        notes = sorted({note for result in of_protocol for note in result.notes})
        lines += ["", f"protocol {protocol}", _figures(rows, titles)]
        lines += [f"Note: {note}" for note in notes]
    return "\n".join([*lines, "", f"Files: {folder} ({TABLE_FILE}, {WINNERS}/*.yaml)"])
