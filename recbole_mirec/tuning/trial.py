"""The trials of a study: drawn by RecBole's HyperTuning, and shown in `trials.csv`."""

import contextlib
import csv
import hashlib
import io
import itertools
import json
import math
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from recbole.trainer import HyperTuning

from dataset_convert.common.errors import UsageError, nearest
from recbole_mirec import compat as compat
from recbole_mirec.results import protocol_title, read_metric, smaller_is_better
from recbole_mirec.runs import write_text
from recbole_mirec.sweep import LOCAL, End
from recbole_mirec.tuning.space import SearchSpace, value_text

TRIALS_FILE = "trials.csv"
# Columns of trials.csv that differ between any two runs of a study.
TIMES = ("seconds", "finished_at")

EXHAUSTIVE, RANDOM, BAYES = "exhaustive", "random", "bayes"
ALGORITHMS = (EXHAUSTIVE, RANDOM, BAYES)
# hyperopt's default, 20 random trials before the first informed one, is most of a small study
N_RANDOM_FIRST = 10
N_DRAWS = 20
# trials that are drawn ahead where results are not needed for it
N_AHEAD = 200
# Keys that say how a trial runs and is shown, not what it computes.
INCIDENTAL = ("show_progress", "state", "checkpoint_dir", "data_path", "gpu_id")


def short_digest(content: Mapping[str, Any]) -> str:
    """Eight digits that tell one identity from another."""
    text = json.dumps(content, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


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
            Without effect on `exhaustive`.
        minutes: the study's time, interruptions left out; None: no limit.
        jobs, engine, ray_address: trials at a time and what runs them, as of `sweep.run_jobs`.
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
    def protocol(self) -> str:
        """Name of the protocol, with its fold where the settings name one."""
        folds = self.settings.get("folds", 0), self.settings.get("fold", 0)
        return protocol_title(str(self.settings["protocol"]), *folds)

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of what varies."""
        return tuple(parameter.name for parameter in self.space.parameters)

    def identity(self, data_fingerprint: str) -> dict[str, Any]:
        """All that the trials of the study depend on, but for how many there are."""
        fixed = {key: value for key, value in self.settings.items() if key not in INCIDENTAL}
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


@dataclass(frozen=True)
class Trial:
    """A trial that has ended.

    Attributes:
        number: from 1.
        parameters: key -> value.
        end: what became of it.
        clock: seconds that the study had run when it ended, interruptions left out.
    """

    number: int
    parameters: Mapping[str, Any]
    end: End
    clock: float


def trials_frame(trials: Iterable[Trial], parameters: Sequence[str], metric: str) -> pd.DataFrame:
    """Trials as a table, sorted by number.

    Returns:
        `trial`, `status`, `score` (of `metric`), one column a parameter with values as they are,
        one column `valid_<metric>` a metric, `best_epoch`, `n_epochs`, `seconds`, `finished_at`,
        `reason`. What a trial lacks is None.
    """
    ordered = sorted(trials, key=lambda trial: trial.number)
    metrics = list(dict.fromkeys(name for trial in ordered for name in trial.end.metrics))
    columns = ["trial", "status", "score", *parameters, *(f"valid_{name}" for name in metrics)]
    columns += ["best_epoch", "n_epochs", *TIMES, "reason"]
    rows = [
        [
            *(trial.number, end.status, end.metrics.get(metric)),
            *(trial.parameters[name] for name in parameters),
            *(end.metrics.get(name) for name in metrics),
            *(end.best_epoch, end.n_epochs, round(end.seconds, 2), round(trial.clock, 2)),
            end.reason,
        ]
        for trial in ordered
        for end in [trial.end]
    ]
    return pd.DataFrame(rows, columns=columns, dtype=object)


def best_first(plan: StudyPlan, trials: pd.DataFrame) -> pd.DataFrame:
    """Those rows of `trials_frame` that have a score, the earlier one of equals first."""
    scored = trials.astype({"score": float}).dropna(subset="score")
    return scored.sort_values(["score", "trial"], ascending=[smaller_is_better(plan.metric), True])


def write_trials(path: Path, frame: pd.DataFrame, parameters: Sequence[str]) -> None:
    """Write `trials.csv`, whole or not at all: what is missing empty, values as `value_text`."""
    text = {
        name: [
            "" if value is None and name not in parameters else value_text(value)
            for value in frame[name]
        ]
        for name in frame
    }
    write_text(path, pd.DataFrame(text).to_csv(index=False, lineterminator="\n"))


def read_trials(path: Path) -> dict[int, dict[str, str]]:
    """The rows of `trials.csv` as text, by number; none where there is no file.

    Raises:
        UsageError: the file is not what `write_trials` wrote.
    """
    if not path.exists():
        return {}
    try:
        # as bytes, because text mode would change line ends inside of values
        rows = list(csv.DictReader(io.StringIO(path.read_bytes().decode())))
        return {int(row["trial"]): row for row in rows if float(row["finished_at"]) >= 0}
    except (csv.Error, KeyError, TypeError, ValueError) as error:
        raise UsageError(
            f"'{path}' cannot be read: {error!r}. The file was changed by hand; put it back, or "
            "start in another folder with --results."
        ) from None


# Of trials by number: whatever has ended of them is given back, as losses, infinite for no score.
Evaluate = Callable[[dict[int, dict[str, Any]]], dict[int, float]]


class Search:
    """RecBole's HyperTuning with trials that are numbered, seeded, distinct and run ahead.

    `exhaustive` visits every combination in the file's order. `random` draws each trial from its
    own seed. `bayes` is hyperopt's tree-structured Parzen estimator; it draws as many trials at a
    time as run at a time, from the results of those before. So the trials depend on the plan
    and the losses alone. No combination of a finite space comes twice.

    Attributes:
        limit: trials at most; `sys.maxsize` where there is no limit.
        best: number of the best trial, the earlier one of equals; None where none has a loss.
        last: number of the last trial.

    Raises:
        UsageError: an unknown algorithm; `exhaustive` on a parameter without a grid, or with fewer
            trials than there are combinations.
    """

    def __init__(self, plan: StudyPlan):
        algorithm, max_trials = plan.algorithm, plan.max_trials
        if algorithm not in ALGORITHMS:
            raise UsageError(f"Unknown algorithm '{algorithm}'.{nearest(algorithm, ALGORITHMS)}")
        self._space, self._algorithm, self._seed = plan.space, algorithm, int(plan.settings["seed"])
        self._early_stop = None if algorithm == EXHAUSTIVE else plan.early_stop
        self._size = plan.space.n_combinations()
        if algorithm == EXHAUSTIVE:
            self._grid = plan.space.combinations()
            if max_trials is not None and self._size is not None and max_trials < self._size:
                raise UsageError(
                    f"The space has {self._size} combinations, and exhaustive search visits them "
                    f"all; leave --max_evals={max_trials} out, or use --algo random."
                )
        self.limit = min(self._size or sys.maxsize, max_trials or sys.maxsize)
        waits = algorithm == BAYES or self._early_stop is not None
        self._n_ahead = plan.jobs if waits else N_AHEAD
        self._drawn: dict[int, dict[str, Any]] = {}
        self._seen: set[str] = set()
        self._losses = {0: math.inf}
        self.best: int | None = None
        self.last, self._n_asked, self._ended = 0, 0, False

    def run(self, evaluate: Evaluate, over: Callable[[int], bool] = lambda _: False) -> None:
        """Search to the end.

        Args:
            evaluate: gets drawn trials, by number, and gives the losses of those that ended.
            over: whether a trial of this number shall not be drawn any more.
        """

        def suggest(new_ids: list[int], domain: Any, trials: Any, _seed: int) -> list[Any]:
            kept = itertools.takewhile(lambda n: not (self._ended or over(n + 1)), new_ids)
            return [self._draw(new_id, domain, trials) for new_id in kept]

        tuning = HyperTuning(
            lambda _point, _files: self._result(evaluate),
            space=self._space.hyperopt_space(),
            algo=suggest,
            max_evals=self.limit,
        )
        # ours ends at the same trial however many run at a time
        tuning.early_stop_fn = None
        tuning.fmin_settings = {
            "rstate": np.random.default_rng(self._seed),
            "max_queue_len": self._n_ahead,
            "show_progressbar": False,
        }
        # RecBole prints every trial
        with contextlib.redirect_stdout(io.StringIO()):
            tuning.run()
        if self.best is not None:
            assert self._space.decode(tuning.best_params) == self._drawn[self.best]

    def _draw(self, new_id: int, domain: Any, trials: Any) -> Any:
        """What hyperopt calls a trial."""
        from hyperopt import rand, space_eval, tpe
        from hyperopt.base import miscs_update_idxs_vals

        if self._algorithm == EXHAUSTIVE:
            parameters = self._drawn[new_id + 1] = next(self._grid)
            drawn = {name: [value] for name, value in self._space.encode(parameters).items()}
            misc = {"tid": new_id, "cmd": domain.cmd, "workdir": domain.workdir}
            miscs_update_idxs_vals([misc], {name: [new_id] for name in drawn}, drawn)
            return trials.new_trial_docs([new_id], [None], [domain.new_result()], [misc])[0]
        informed = partial(tpe.suggest, n_startup_jobs=N_RANDOM_FIRST)
        for attempt in itertools.count():
            # the estimator may insist on what it has seen: random draws reach every combination
            by_chance = self._algorithm == RANDOM or attempt >= N_DRAWS
            sequence = np.random.SeedSequence([self._seed, new_id + 1, attempt])
            seed = int(sequence.generate_state(1)[0] >> 1)
            (document,) = (rand.suggest if by_chance else informed)([new_id], domain, trials, seed)
            point = {name: value[0] for name, value in document["misc"]["vals"].items()}
            parameters = self._space.decode(space_eval(domain.expr, point))
            text = json.dumps(parameters, sort_keys=True)
            if self._size is None or text not in self._seen:
                break
        self._seen.add(text)
        self._drawn[new_id + 1] = parameters
        return document

    def _result(self, evaluate: Evaluate) -> dict[str, Any]:
        """What RecBole's objective function gives of the next trial."""
        number, loss = self.last + 1, math.inf
        if number > self._n_asked and not self._ended:
            queue = {n: self._drawn[n] for n in self._drawn if n > self._n_asked}
            self._n_asked = len(self._drawn)
            self._losses |= evaluate(queue)
        if self._ended or number not in self._losses:
            self._ended = True  # it was drawn, but is no trial of the search
        else:
            self.last, loss = number, self._losses[number]
            self.best = number if loss < self._losses[self.best or 0] else self.best
            n_since = number - (self.best or 0)
            self._ended = self._early_stop is not None and n_since >= self._early_stop
        # results are read once, after the search, for the winner
        empty: dict[str, Any] = {"model": "", "best_valid_result": {}, "test_result": {}}
        return {**empty, "best_valid_score": loss, "valid_score_bigger": False}
