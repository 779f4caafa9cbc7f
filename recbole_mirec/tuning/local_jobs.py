"""Trials on this machine: in this process, or in several."""

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from multiprocessing import get_context, parent_process, resource_tracker
from multiprocessing.connection import Connection, wait
from typing import Any, Protocol

from tqdm import tqdm

from recbole_mirec.tuning.search import Proposal
from recbole_mirec.tuning.trial import FAILED, Outcome, TrialTask

PATIENCE = 5.0

RunTrial = Callable[[int, Mapping[str, Any]], Outcome]
Report = Callable[[int, dict[str, Any], Outcome], None]


class Proposals(Protocol):
    """Where trials come from; a `Search`, or one that knows some results already."""

    @property
    def over(self) -> bool:
        """Whether no further trial will be proposed."""

    def propose(self) -> Proposal | None:
        """The next trial; None where the study is over, or where results are needed first."""


@dataclass(frozen=True)
class InProcess:
    """Runs trials one after the other in this process.

    Attributes:
        run: a trial, from its number and its parameters.
    """

    run: RunTrial

    def __call__(self, search: Proposals, report: Report) -> None:
        """Run the proposed trials; each is reported as it ends."""
        while (proposal := search.propose()) is not None:
            outcome = self.run(proposal.number, proposal.parameters)
            report(proposal.number, proposal.parameters, outcome)


@dataclass(frozen=True)
class LocalProcesses:
    """Runs trials in worker processes, each of which imports the packages once.

    A worker that dies takes its trial with it, which is recorded as failed. All workers end with
    this process, even if it is killed.

    Attributes:
        task: what to run; its settings should fix `torch_threads`, so that jobs do not compete.
        jobs: how many trials at a time.
    """

    task: TrialTask
    jobs: int

    def __call__(self, search: Proposals, report: Report) -> None:
        """Run the proposed trials; each is reported as it ends."""
        idle: list[_Worker] = []
        busy: dict[Connection, _Worker] = {}
        try:
            while True:
                while len(busy) < self.jobs and (proposal := search.propose()) is not None:
                    idle = [worker for worker in idle if worker.alive]
                    worker = idle.pop() if idle else _Worker(self.task)
                    worker.start_trial(proposal)
                    busy[worker.connection] = worker
                if not busy:
                    return
                ready = wait(list(busy))
                for connection in [one for one in busy if one in ready]:
                    worker = busy.pop(connection)
                    proposal, outcome = worker.trial, worker.outcome()
                    if worker.alive:
                        idle.append(worker)
                    report(proposal.number, proposal.parameters, outcome)
        finally:
            for worker in (*idle, *busy.values()):
                worker.end()


class _Worker:
    """A process that runs one trial after the other."""

    def __init__(self, task: TrialTask):
        # spawn: a forked copy of a process in which torch has threads can hang
        context = get_context("spawn")
        self.connection, theirs = context.Pipe()
        self._process = context.Process(target=_work, args=(task, theirs), daemon=True)
        threads = str(task.settings.get("torch_threads") or 1)
        with _environment(OMP_NUM_THREADS=threads), _interrupts_blocked():
            self._process.start()
        theirs.close()
        self.idle = True

    @property
    def alive(self) -> bool:
        return self._process.is_alive()

    def start_trial(self, proposal: Proposal) -> None:
        self.trial = proposal
        self.idle = False
        # a worker that has just died says so where its outcome is read
        with contextlib.suppress(BrokenPipeError):
            self.connection.send(proposal)

    def outcome(self) -> Outcome:
        """The trial's outcome; a dead worker's is that it failed."""
        try:
            outcome: Outcome = self.connection.recv()
        except (EOFError, OSError):
            # its own end first, whose exit code is the reason
            self._process.join(PATIENCE)
            self.end()
            return Outcome(FAILED, reason=_death(self._process.exitcode))
        self.idle = True
        return outcome

    def end(self) -> None:
        """End the process: at once where it runs a trial, otherwise as it would itself."""
        # An idle worker reads the end of the connection and returns.
        self.connection.close()
        if self.idle:
            self._process.join(PATIENCE)
        self._process.terminate()
        self._process.join()


def _death(exitcode: int | None) -> str:
    if exitcode is not None and exitcode < 0:
        name = signal.Signals(-exitcode).name
        hint = "; memory may have run out" if name == "SIGKILL" else ""
        return f"its process was ended by {name}{hint}"
    return f"its process ended with exit code {exitcode}"


def _work(task: TrialTask, connection: Connection) -> None:
    # Its own lock is a semaphore of the system, which a process that is terminated leaves behind.
    tqdm.set_lock(threading.RLock())
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with contextlib.suppress(EOFError):
        while True:
            proposal: Proposal = connection.recv()
            connection.send(task.run(proposal.number, proposal.parameters))


@contextlib.contextmanager
def _interrupts_blocked() -> Iterator[None]:
    """Let processes that are started here never see an interrupt from the keyboard.

    It reaches the parent as well, which ends its workers.
    """
    # its start lifts the block
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextlib.contextmanager
def _environment(**variables: str) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _end_with_parent() -> None:
    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
