"""Stand-ins for what a study runs, which worker processes import from here.

`python scripted_tasks.py JOBS`: JOBS trials that beat until somebody ends them.
"""

import errno
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from recbole_mirec.tuning.local_jobs import LocalProcesses
from recbole_mirec.tuning.search import Proposal

from recbole_mirec.tuning.trial import FINISHED, OnEpoch, Outcome


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
            self._beat(number)
        if parameters.get("meet"):
            self._meet(number)
        seen = {
            "pid": os.getpid(),
            "threads": int(os.environ["OMP_NUM_THREADS"]),
            "no interrupts": signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, ()),
            "main thread": threading.current_thread() is threading.main_thread(),
        }
        return Outcome(FINISHED, float(parameters["score"]), {k: float(v) for k, v in seen.items()})

    def _beat(self, number: int) -> None:
        for beat in count():
            (self.folder / f"{number}.beat").write_text(str(beat))
            time.sleep(0.05)

    def _meet(self, number: int) -> None:
        """Wait until another trial has come to the same place."""
        (self.folder / f"{number}.here").touch()
        while len(list(self.folder.glob("*.here"))) < 2:
            time.sleep(0.01)


def _full_disk() -> None:
    raise OSError(errno.ENOSPC, "No space left on device", "trials/0002/best.safetensors")


_ENDS: dict[str, Callable[[], Any]] = {
    "killed": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "ends": lambda: os._exit(3),
    "exits": lambda: sys.exit(5),
    "full": lambda: _full_disk(),
}


class Listed:
    """A search that proposes what it is given; a trial waits for the one `lag` before it."""

    def __init__(self, *parameters: dict[str, Any], lag: int):
        self._parameters = parameters
        self._lag = lag
        self._n_proposed = 0
        self.found: dict[int, Outcome] = {}

    @property
    def over(self) -> bool:
        return self._n_proposed == len(self._parameters)

    def propose(self) -> Proposal | None:
        needed = range(1, self._n_proposed + 2 - self._lag)
        if self.over or not self.found.keys() >= set(needed):
            return None
        self._n_proposed += 1
        return Proposal(self._n_proposed, self._parameters[self._n_proposed - 1])

    def report(self, number: int, parameters: dict[str, Any], outcome: Outcome) -> None:
        assert parameters == self._parameters[number - 1]
        assert number not in self.found, "reported twice"
        self.found[number] = outcome


def processes_of(marker: str) -> list[int]:
    """Processes that were started with this text in their environment; zombies are none."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            marked = marker.encode() in (folder / "environ").read_bytes()
        except OSError:
            continue
        if marked:
            found.append(int(folder.name))
    return found


if __name__ == "__main__":
    jobs = int(sys.argv[1])
    search = Listed(*[{"beat": True}] * jobs, lag=jobs)
    LocalProcesses(Scripted(Path.cwd()), jobs)(search, search.report)  # type: ignore[arg-type]
