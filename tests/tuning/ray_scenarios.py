"""Runs of the Ray driver in a process of their own, which Ray's processes and warnings stay in.

Ray's workers import the stand-ins from here: `python ray_scenarios.py SCENARIO FOLDER`.
"""

import contextlib
import json
import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import psutil
from recbole_mirec.tuning.hyper_tuning import Driver
from recbole_mirec.tuning.local_jobs import Proposals, Report
from recbole_mirec.tuning.ray_jobs import RayTune, ray
from recbole_mirec.tuning.search import Proposal

from recbole_mirec.tuning.trial import (
    FINISHED,
    STOPPED,
    OnEpoch,
    Outcome,
    TrialStopped,
)

N_EPOCHS = 9
HEARTBEAT = "heartbeat"


@dataclass(frozen=True)
class Scripted:
    """A task whose trials follow a script instead of learning."""

    folder: Path
    settings: Mapping[str, Any] = field(default_factory=dict)
    bigger: bool = True

    def run(
        self, number: int, parameters: Mapping[str, Any], on_epoch: OnEpoch | None = None
    ) -> Outcome:
        _ENDS.get(parameters.get("end", ""), lambda: None)()
        if parameters.get("beat"):
            self._beat()
        scores = [float(parameters["score"])] * N_EPOCHS
        # Worse later: what counts is the best score so far.
        scores[1:] = [score - 100 if self.bigger else score + 100 for score in scores[1:]]
        epoch, status, reason = 0, FINISHED, ""
        try:
            for epoch, score in enumerate(scores, start=1):
                time.sleep(parameters.get("sleep", 0))
                if on_epoch is not None:
                    on_epoch(epoch, score, {"MAP": score})
        except TrialStopped as stop:
            status, reason = STOPPED, str(stop)
        (self.folder / f"{number}.last").write_text("the trial's last words")
        about = {"threads": int(os.environ["OMP_NUM_THREADS"]), "pid": os.getpid()}
        metrics = {**about, "gpu": self.settings.get("gpu_id"), "seen": repr(parameters)}
        return Outcome(status, scores[0], metrics, 1, epoch, 0.0, reason)

    def _beat(self) -> None:
        for beat in count():
            (self.folder / HEARTBEAT).write_text(str(beat))
            time.sleep(0.05)


def _raise() -> None:
    raise RuntimeError("as planned")


_ENDS: dict[str, Callable[[], Any]] = {
    "killed": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "raises": _raise,
}


class Listed:
    """A search that proposes what it is given; a trial waits for the one `lag` before it."""

    def __init__(self, *parameters: dict[str, Any], lag: int):
        self._parameters = parameters
        self._lag = lag
        self._proposed = 0
        self.told: set[int] = set()

    @property
    def over(self) -> bool:
        return self._proposed == len(self._parameters)

    def propose(self) -> Proposal | None:
        needed = range(1, self._proposed + 2 - self._lag)
        if self.over or not self.told.issuperset(needed):
            return None
        self._proposed += 1
        return Proposal(self._proposed, self._parameters[self._proposed - 1])


def outcomes(driver: Driver, *parameters: dict[str, Any], lag: int = 2) -> dict[int, Any]:
    search = Listed(*parameters, lag=lag)
    found = {}

    def report(number: int, proposed: dict[str, Any], outcome: Outcome) -> None:
        assert proposed == parameters[number - 1]
        assert number not in found, "reported twice"
        search.told.add(number)
        found[number] = asdict(outcome)

    driver(search, report)
    return found


def listening() -> set[str]:
    """The addresses on which this process and all it has started take connections."""
    this = psutil.Process()
    connections = []
    for process in (this, *this.children(recursive=True)):
        # a process may end while it is looked at
        with contextlib.suppress(psutil.Error, OSError):
            connections += process.net_connections("inet")
    heard = [found.laddr.ip for found in connections if found.status == psutil.CONN_LISTEN]
    return {address.removeprefix("::ffff:") for address in heard}


def own(_folder: Path) -> dict[str, Any]:
    """With a Ray of its own, from a relative folder: good trials, an error and a dead worker."""
    task = Scripted(Path("study"), {"gpu_id": ""})
    task.folder.mkdir()
    heard = set()

    def driver(search: Proposals, report: Report) -> None:
        def listen_and_report(number: int, parameters: dict[str, Any], outcome: Outcome) -> None:
            heard.update(listening())
            report(number, parameters, outcome)

        RayTune(task, jobs=2)(search, listen_and_report)

    nested = {"score": 0.5, "sizes": [64, {"a": None}], "grid_search": [1], "sleep": 0.2}
    fails = [{"end": "killed"}, {"end": "raises"}]
    found = outcomes(driver, nested, {"score": 0.25, "sleep": 0.2}, *fails, nested)
    left = sorted(path.name for path in task.folder.rglob("*"))
    running = ray.is_initialized()
    return {"outcomes": found, "left": left, "running": running, "heard": sorted(heard)}


def shared(folder: Path) -> dict[str, Any]:
    """With a Ray that runs already and believes that there is a GPU: ASHA, and a failing report."""
    os.environ["RAY_AUTH_TOKEN"] = "0" * 64
    ray.init(
        address="local",
        num_cpus=2,
        num_gpus=1,
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.ERROR,
    )
    # One at a time, so that what ASHA compares with does not depend on timing.
    bad_later = [{"score": score} for score in (5, 1, 2, 9, 4, 5)]
    most = RayTune(Scripted(folder), jobs=1, scheduler="asha", max_epochs=N_EPOCHS)
    least = RayTune(Scripted(folder, bigger=False), jobs=1, scheduler="asha", max_epochs=N_EPOCHS)
    once = RayTune(Scripted(folder), jobs=2, scheduler="asha", max_epochs=1)
    found = {
        "max": outcomes(most, *bad_later, lag=1),
        "min": outcomes(least, *bad_later, lag=1),
        "one epoch": outcomes(once, {"score": 1}, {"score": 0}),
        "over": outcomes(once),
    }

    def refuse(*_: Any) -> None:
        raise OSError("no space left")

    try:
        RayTune(Scripted(folder), jobs=2)(Listed({"score": 1}, {"score": 1}, lag=2), refuse)
    except OSError as error:
        found["refused"] = str(error)
    return {**found, "running": ray.is_initialized(), "left": (folder / "ray").exists()}


def endless(folder: Path) -> dict[str, Any]:
    """A trial that beats until somebody ends it."""
    with contextlib.suppress(KeyboardInterrupt):
        outcomes(RayTune(Scripted(folder), jobs=1), {"beat": True})
    return {"running": ray.is_initialized(), "left": (folder / "ray").exists()}


SCENARIOS = {"own": own, "shared": shared, "endless": endless}

if __name__ == "__main__":
    scenario, where = sys.argv[1:]
    result = SCENARIOS[scenario](Path(where))
    Path(where, "result.json").write_text(json.dumps(result))
