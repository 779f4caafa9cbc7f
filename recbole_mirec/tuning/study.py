"""Studies: trials on validation, run or taken up again; the winner, tested once; comparisons."""

import hashlib
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
from recbole_mirec.config import MirecConfig
from recbole_mirec.experiment import open_data, run_experiment
from recbole_mirec.registry import class_name
from recbole_mirec.results import (
    data_title,
    experiment_notes,
    format_table,
    is_synthetic,
    metric_title,
    protocol_title,
    read_metric,
    rule_prefix,
    smaller_is_better,
)
from recbole_mirec.runs import OTHER_FOLDER, Claim, first_difference, write_text
from recbole_mirec.sweep import (
    LOCAL,
    LOG,
    RAY,
    STOPPED,
    End,
    Job,
    clear_checkpoints,
    duration,
    import_ray,
    run_jobs,
)
from recbole_mirec.tuning.page import write_report
from recbole_mirec.tuning.space import SearchSpace, check_space, value_text
from recbole_mirec.tuning.trial import (
    BAYES,
    N_EPOCHS,
    REASON,
    SCORE,
    SECONDS,
    STATUS,
    TRIAL,
    TRIALS_FILE,
    Search,
    Trial,
    read_trials,
    trials_frame,
    write_trials,
)

ROOT = Path("saved", "tuning")
STUDY_FILE, WINNER_FILE, RESULT_FILE = "study.json", "winner.yaml", "result.json"
REPORT_FILE, TRIALS = "tuning.html", "trials"
WINNERS, TABLE_FILE = "winners", "comparison.csv"
N_TOP = 10
# Keys that say how a trial runs and is shown, not what it computes.
_INCIDENTAL = ("show_progress", "state", "checkpoint_dir", "data_path", "gpu_id")


@dataclass(frozen=True)
class StudyPlan:
    """A study as it was asked for.

    Attributes:
        settings: fixed configuration keys; `model`, `dataset`, `protocol`, `valid_metric`, `seed`
            and `torch_threads` among them.
        space: what varies.
        algorithm: exhaustive, random or bayes.
        max_trials: trials at most; None: no limit.
        early_stop: trials in a row without a better score that end the study; None: never.
        minutes: the study's time, interruptions left out; None: no limit.
        jobs: trials at a time.
        engine, ray_address: what runs the trials, as `sweep.run_jobs` takes it.
        keep: how many of the best trials keep their checkpoints.
        command: how the study can be asked for again.
    """

    settings: Mapping[str, Any]
    space: SearchSpace
    algorithm: str
    max_trials: int | None = None
    early_stop: int | None = None
    minutes: float | None = None
    jobs: int = 1
    engine: str = LOCAL
    ray_address: str | None = None
    keep: int = 1
    command: str = ""

    @property
    def metric(self) -> str:
        """What chooses epochs and trials."""
        return read_metric(self.settings["valid_metric"])

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of what varies."""
        return tuple(parameter.name for parameter in self.space.parameters)

    def identity(self, data_fingerprint: str) -> dict[str, Any]:
        """All that the trials of the study depend on, but for how many there are.

        Args:
            data_fingerprint: of the data set's files.
        """
        fixed = {key: value for key, value in self.settings.items() if key not in _INCIDENTAL}
        identity = {
            "settings": dict(sorted(fixed.items())),
            "space": self.space.describe(),
            "algorithm": self.algorithm,
            "early_stop": self.early_stop,
            # what the estimator knows when it proposes a trial depends on how many run at a time
            "jobs": self.jobs if self.algorithm == BAYES else None,
            "data": data_fingerprint,
        }
        plain: dict[str, Any] = json.loads(json.dumps(identity, default=str))
        return plain


def short_digest(identity: Mapping[str, Any]) -> str:
    """Eight digits that tell one identity from another."""
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:8]


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


def study_protocol(settings: Mapping[str, Any]) -> str:
    """The protocol of a study's settings, with its fold where they name one."""
    folds = settings.get("folds", 0), settings.get("fold", 0)
    return protocol_title(str(settings["protocol"]), *folds)


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
    search = Search(
        plan.space,
        plan.algorithm,
        seed=int(plan.settings["seed"]),
        max_trials=plan.max_trials,
        early_stop=plan.early_stop,
        bigger=not smaller_is_better(plan.metric),
        jobs=plan.jobs,
    )
    if plan.engine == RAY:
        import_ray()
    if search.limit == sys.maxsize and plan.early_stop is None and plan.minutes is None:
        raise UsageError("The space is not finite, so this search would never end; set a limit.")
    config = MirecConfig(config_dict=dict(plan.settings))
    dataset, _ = open_data(config, closed_parts=(schema.TEST,))
    if dataset.evaluation_split(schema.VALID) is None:
        raise UsageError(
            f"Data set '{config['dataset']}' has no validation part under protocol "
            f"{config['protocol']}, so trials cannot be compared."
        )
    identity = plan.identity(dataset.fingerprint())
    if folder is None:
        model, *names = (str(plan.settings[key]) for key in ("model", "dataset", "protocol"))
        words = (class_name(model), *names, plan.algorithm, short_digest(identity))
        folder = root / "-".join(words)
    with Claim("study", folder, STUDY_FILE, _difference).held(identity):
        trials, winner = _Study(plan, folder, search).run()
        frame = trials_frame(trials.values(), plan.parameters, plan.metric)
        found = (frame, winner, is_synthetic(dataset), experiment_notes(config))
        result = StudyResult(plan, folder, *found)
        write_report(folder / REPORT_FILE, result)
    return result


def _difference(found: Mapping[str, Any], wanted: Mapping[str, Any], key: str) -> str:
    """Where two identities differ first, in words."""
    old, new = found[key], wanted[key]
    if key == "data":
        return "the data set's files have changed since"
    if key == "settings":
        return first_difference(old, new)
    if key == "space":
        old, new = (
            ", ".join(f"{one['name']} {one['kind']} {value_text(one['values'])}" for one in space)
            for space in (old, new)
        )
        return f"its space is {old}, not {new}"
    return f"its {key} is {old!r}, not {new!r}"


class _Study:
    """A study under way in a folder that it owns."""

    def __init__(self, plan: StudyPlan, folder: Path, search: Search):
        self.plan, self.folder, self.search = plan, folder, search
        self.trials = read_trials(folder / TRIALS_FILE, plan.parameters)
        self.n_stored = max(self.trials, default=0)
        if plan.max_trials is not None and self.n_stored > plan.max_trials:
            raise UsageError(
                f"'{folder}' holds trial {self.n_stored} already, more than "
                f"--max_evals={plan.max_trials}. Raise it, or name another folder with --results."
            )
        before = max((trial.clock for trial in self.trials.values()), default=0.0)
        self.started = time.time() - before
        self.deadline = None if plan.minutes is None else self.started + 60 * plan.minutes

    def run(self) -> tuple[dict[int, Trial], Winner | None]:
        print(f"Study: {self.folder}", file=sys.stderr, flush=True)
        if self.trials:
            n_ended = len(self.trials)
            print(f"Going on after {n_ended} trials that have ended.", file=sys.stderr, flush=True)
        self.search.run(self._evaluate, self._over)
        # without the trials that early stopping came too late for
        self.trials = {n: trial for n, trial in self.trials.items() if n <= self.search.last}
        own = {self._trial_folder(number) for number in self.trials}
        for place in set(self.folder.glob(f"{TRIALS}/*")) - own:
            clear_checkpoints(place)
        self._write()
        self._clear_checkpoints(self.plan.keep)
        return self.trials, self._winner()

    def _over(self, number: int) -> bool:
        # what had begun before an interruption is brought to its end
        late = self.deadline is not None and time.time() > self.deadline
        return late and number > max(self.n_stored, 1)

    def _trial_folder(self, number: int) -> Path:
        return self.folder / TRIALS / f"{number:04d}"

    def _evaluate(self, drawn: dict[int, dict[str, Any]]) -> dict[int, float | None]:
        jobs = []
        for number, parameters in drawn.items():
            if number in self.trials:
                self._take_up(self.trials[number], parameters)
                continue
            # embeddings of the graph are shared by the study's trials
            own = {**self.plan.settings, **parameters, "checkpoint_dir": str(self.folder)}
            jobs.append(Job(self._trial_folder(number), own, test=False))

        def title(job: Job) -> str:
            number = int(job.folder.name)
            of = f"/{self.search.limit}" if self.search.limit < sys.maxsize else ""
            words = (f"{name}={value_text(value)}" for name, value in drawn[number].items())
            return f"trial {number}{of} ({', '.join(words)})"

        def take(folder: Path, end: End) -> None:
            number = int(folder.name)
            clock = time.time() - self.started
            self.trials[number] = Trial(number, drawn[number], end, clock)
            self._write()
            # a trial that turns out to be none of the study's may be among the best for a while
            self._clear_checkpoints(self.plan.keep + self.plan.jobs - 1)

        ends = run_jobs(
            jobs,
            n_jobs=self.plan.jobs,
            engine=self.plan.engine,
            ray_address=self.plan.ray_address,
            title=title,
            metric=self.plan.metric,
            on_end=lambda job, end: take(job.folder, end),
            deadline=self.deadline,
            n_more=self.search.limit - max(drawn) if self.search.limit < sys.maxsize else 0,
        )
        for folder, end in ends.items():
            if int(folder.name) not in self.trials:  # it had ended when the study was interrupted
                take(folder, end)
        return {number: self._score(number) for number in drawn if number in self.trials}

    def _score(self, number: int) -> float | None:
        return self.trials[number].end.metrics.get(self.plan.metric)

    def _take_up(self, stored: Trial, parameters: dict[str, Any]) -> None:
        for name, value in parameters.items():
            if stored.parameters[name] != value_text(value):
                raise UsageError(
                    f"'{self.folder / TRIALS_FILE}', trial {stored.number}: {name} is "
                    f"{stored.parameters[name]}, where this study tries {value_text(value)}. "
                    f"{OTHER_FOLDER}"
                )
        self.trials[stored.number] = Trial(stored.number, parameters, stored.end, stored.clock)

    def _write(self) -> None:
        path = self.folder / TRIALS_FILE
        write_trials(path, self.trials.values(), self.plan.parameters, self.plan.metric)

    def _clear_checkpoints(self, n_kept: int) -> None:
        """Delete the checkpoints of trials that have ended, but for those of the best."""
        sign = 1 if smaller_is_better(self.plan.metric) else -1
        scores = {number: self._score(number) for number in self.trials}
        losses = {
            number: math.inf if score is None or math.isnan(score) else sign * score
            for number, score in scores.items()
        }
        ranking = sorted(losses, key=lambda number: (losses[number], number))
        for number in ranking:
            if number not in ranking[:n_kept] or losses[number] == math.inf:
                clear_checkpoints(self._trial_folder(number))

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
            f"{self._score(trial.number):.6g} in epoch {trial.end.best_epoch} of "
            f"{trial.end.n_epochs}.\n"
            f"# python run_recbole_mirec.py --config_files THIS_FILE\n"
            f"{yaml.safe_dump(plain, sort_keys=False)}"
        )
        write_text(self.folder / WINNER_FILE, text)
        known = _read_result(self.folder / RESULT_FILE)
        if known["trial"] != trial.number:
            place = self._trial_folder(trial.number)
            own = {"checkpoint_dir": str(self.folder), "show_progress": False}
            run = run_experiment(settings | own, resume=place, log_file=place / LOG)
            assert run.valid is not None
            known = {
                "trial": trial.number,
                "valid": run.valid.summary,
                "test": None if run.test is None else run.test.summary,
                "n_tested": known["n_tested"] + 1,
            }
            write_text(self.folder / RESULT_FILE, json.dumps(known, indent=2) + "\n")
        return Winner(trial, text, known["valid"], known["test"], known["n_tested"])


def winner_settings(fixed: Mapping[str, Any], trial: Trial) -> dict[str, Any]:
    """Every key that repeats a trial.

    Args:
        fixed: the study's settings.
        trial: one that was stopped early is repeated with as many epochs as it had.
    """
    kept = {
        key: value for key, value in fixed.items() if key not in ("checkpoint_dir", "show_progress")
    }
    settings = {"model": fixed["model"], "dataset": fixed["dataset"], **kept, **trial.parameters}
    return settings | ({"epochs": trial.end.n_epochs} if trial.end.status == STOPPED else {})


def _read_result(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {"trial": None, "n_tested": 0}
    try:
        known: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return {key: known[key] for key in ("trial", "valid", "test", "n_tested")}
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError(f"'{path}' cannot be read: {error!r}. Delete it.") from None


@dataclass(frozen=True, eq=False)
class Comparison:
    """Studies of several models under one budget.

    Attributes:
        results: one study a model and protocol, in the order asked for.
        folder: holds the studies (`<protocol>/<model>/`), `winners/<model>.<protocol>.yaml`
            and `comparison.csv`.
        budget: in words.
    """

    results: tuple[StudyResult, ...]
    folder: Path
    budget: str

    def frame(self) -> pd.DataFrame:
        """One row a study and part, `valid` or `test`: every metric of the winner."""
        rows: list[dict[str, Any]] = []
        for result in self.results:
            settings, winner = result.plan.settings, result.winner
            row = {
                "protocol": settings["protocol"],
                "model": settings["model"],
                "n_trials": len(result.trials),
                "n_scored": int(result.trials["score"].notna().sum()),
                "minutes": round(result.trials["finished_at"].max() / 60, 1),
                "winner": None if winner is None else winner.trial.number,
            }
            parts: dict[str | None, Mapping[str, float] | None] = {None: {}}
            if winner is not None:
                parts = {"valid": winner.valid, "test": winner.test}
            rows += [
                row | {"part": part} | dict(values)
                for part, values in parts.items()
                if values is not None
            ]
        return pd.DataFrame(rows)


def compare(plans: Sequence[StudyPlan], folder: Path, *, budget: str) -> Comparison:
    """Run a study for every plan, one after the other, and write the winners.

    Args:
        plans: one a model and protocol, under equal limits.
        folder: of the comparison; a study in it that has begun is gone on with.
        budget: the limits in words.

    Raises:
        UsageError: anything the user can mend.
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
    found = Comparison(tuple(results), folder, budget)
    write_text(folder / TABLE_FILE, found.frame().to_csv(index=False))
    return found


def study_text(result: StudyResult) -> str:
    """Title, top trials, failures by reason, the winner on both parts, and where files are."""
    plan, winner, trials = result.plan, result.winner, result.trials
    data = data_title(str(plan.settings["dataset"]), synthetic=result.synthetic)
    lines = [
        f"{plan.settings['model']} on {data}, protocol {study_protocol(plan.settings)}: "
        f"{len(trials)} trials by {plan.algorithm} search in "
        f"{duration(trials['finished_at'].max())}",
        *("", _top_table(result), ""),
    ]
    failed = trials[trials[SCORE].isna()].groupby([STATUS, REASON], sort=False)
    for (status, reason), rows in failed:
        numbers = ", ".join(map(str, rows[TRIAL]))
        lines.append(f"{status}: {'trial' if len(rows) == 1 else 'trials'} {numbers}: {reason}")
    lines += [""] if len(failed) else []
    if winner is None:
        return "\n".join([*lines, f"No trial has a score. Logs: {result.folder / TRIALS}"])
    read = "the test part was read once, for this trial, after the search"
    if winner.n_tested > 1:
        read = f"this study has read the test part {winner.n_tested} times: it was extended"
    if winner.test is None:
        read = "the data set has no test part"
    parts = {"validation": winner.valid, "test": winner.test or {}}
    table = pd.DataFrame(
        {"": part}
        | {metric_title(name): value for name, value in values.items() if not rule_prefix(name)}
        for part, values in parts.items()
        if values
    )
    return "\n".join(
        [
            *lines,
            f"Winner: trial {winner.trial.number}; {read}",
            format_table(table, decimals=4),
            *(f"Note: {note}" for note in result.notes),
            "",
            f"Settings: {result.folder / WINNER_FILE}",
            f"  python run_recbole_mirec.py --config_files {result.folder / WINNER_FILE}",
            f"Report: {result.folder / REPORT_FILE}",
        ]
    )


def _top_table(result: StudyResult) -> str:
    metric = result.plan.metric
    scored = result.trials[result.trials[SCORE].notna()].astype({SCORE: float})
    best = scored.sort_values([SCORE, TRIAL], ascending=[smaller_is_better(metric), True])
    shown = pd.DataFrame({TRIAL: best[TRIAL].astype(str), metric_title(metric): best[SCORE]})
    for name in result.plan.parameters:
        shown[name] = best[name].map(value_text)
    # "epochs" is a key that can be searched itself
    shown["epochs run"] = best[N_EPOCHS]
    shown["s"] = best[SECONDS].map(lambda seconds: f"{seconds:.0f}")
    shown[STATUS] = best[STATUS]
    return format_table(shown.head(N_TOP), decimals=4)


def comparison_text(found: Comparison) -> str:
    """A table a protocol: every model's winner, validation above test."""
    first = found.results[0]
    data = data_title(str(first.plan.settings["dataset"]), synthetic=first.synthetic)
    lines = [f"Tuned on {data} under one budget: {found.budget}, by validation {first.plan.metric}"]
    winners = [result.winner for result in found.results if result.winner is not None]
    names = dict.fromkeys(name for winner in winners for name in winner.valid)
    for protocol, rows in found.frame().groupby("protocol", sort=False):
        shown = pd.DataFrame(
            {
                "model": rows["model"],
                "trials": rows["n_trials"],
                "min": rows["minutes"].map("{:.1f}".format),
                "part": rows["part"].map({"valid": "validation", "test": "test"}),
                **{metric_title(name): rows[name] for name in names if not rule_prefix(name)},
            }
        )
        lines += ["", f"protocol {protocol}", format_table(shown, decimals=4)]
        notes = {
            note
            for result in found.results
            if result.plan.settings["protocol"] == protocol
            for note in result.notes
        }
        lines += [f"Note: {note}" for note in sorted(notes)]
    return "\n".join([*lines, "", f"Files: {found.folder} ({TABLE_FILE}, {WINNERS}/*.yaml)"])
