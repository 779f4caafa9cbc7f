"""Jobs in worker processes: each worker does one after the other, and dies with its parent."""

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing import get_context, parent_process, resource_tracker
from multiprocessing.connection import Connection, wait
from typing import Generic, TypeVar

from tqdm import tqdm

PATIENCE = 5.0

Job = TypeVar("Job")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Death:
    """What became of a job whose worker died.

    Attributes:
        reason: how the process ended, in words.
    """

    reason: str


@dataclass(frozen=True)
class _Failure:
    """What a worker sends instead of a result where the system refused something."""

    error: OSError


def run_in_workers(
    work: Callable[[Job], Result],
    propose: Callable[[], Job | None],
    report: Callable[[Job, Result | Death], None],
    *,
    n_workers: int,
    n_threads: int,
) -> None:
    """Do jobs in worker processes, each of which imports its packages once.

    A worker that dies takes its job with it, which is reported as a `Death`. All workers end with
    this process, even if it is killed. An interrupt from the keyboard reaches this process alone.

    Args:
        work: does a job; can be pickled, and so can jobs and results. An OSError that it raises
            is raised here; whatever else ends its worker.
        propose: the next job; None where there is none, or none until another is reported.
        report: called here with each job as it ends.
        n_workers: jobs at a time.
        n_threads: OMP_NUM_THREADS of each worker.
    """
    idle: list[_Worker[Job, Result]] = []
    busy: dict[Connection, _Worker[Job, Result]] = {}
    try:
        while True:
            while len(busy) < n_workers and (job := propose()) is not None:
                idle = [worker for worker in idle if worker.alive]
                worker = idle.pop() if idle else _Worker(work, n_threads)
                worker.start_job(job)
                busy[worker.connection] = worker
            if not busy:
                return
            ready = wait(list(busy))
            for connection in [one for one in busy if one in ready]:
                worker = busy.pop(connection)
                idle.append(worker)
                report(worker.job, worker.result())
    finally:
        for worker in (*idle, *busy.values()):
            worker.end()


class _Worker(Generic[Job, Result]):
    """A process that does one job after the other."""

    def __init__(self, work: Callable[[Job], Result], n_threads: int):
        # spawn: a forked copy of a process in which torch has threads can hang
        context = get_context("spawn")
        self.connection, theirs = context.Pipe()
        self._process = context.Process(target=_work, args=(work, theirs), daemon=True)
        with _environment(OMP_NUM_THREADS=str(n_threads)), _interrupts_blocked():
            self._process.start()
        theirs.close()
        self.idle = True

    @property
    def alive(self) -> bool:
        return self._process.is_alive()

    def start_job(self, job: Job) -> None:
        self.job = job
        self.idle = False
        # a worker that has just died says so where its result is read
        with contextlib.suppress(BrokenPipeError):
            self.connection.send(job)

    def result(self) -> Result | Death:
        """What the job gave; of a dead worker, how it died."""
        try:
            found: Result | _Failure = self.connection.recv()
        except (EOFError, OSError):
            # its own end first, whose exit code is the reason
            self._process.join(PATIENCE)
            self.end()
            return Death(_words(self._process.exitcode))
        self.idle = True
        if isinstance(found, _Failure):
            raise found.error
        return found

    def end(self) -> None:
        """End the process: at once where it does a job, otherwise as it would itself."""
        # An idle worker reads the end of the connection and returns.
        self.connection.close()
        if self.idle:
            self._process.join(PATIENCE)
        self._process.terminate()
        self._process.join()


def _words(exitcode: int | None) -> str:
    if exitcode is not None and exitcode < 0:
        name = signal.Signals(-exitcode).name
        hint = "; memory may have run out" if name == "SIGKILL" else ""
        return f"its process was ended by {name}{hint}"
    return f"its process ended with exit code {exitcode}"


def _work(work: Callable[[Job], Result], connection: Connection) -> None:
    # Its own lock is a semaphore of the system, which a process that is terminated leaves behind.
    tqdm.set_lock(threading.RLock())
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with contextlib.suppress(EOFError):
        while True:
            job = connection.recv()
            found: Result | _Failure
            try:
                found = work(job)
            except OSError as error:
                found = _Failure(error)
            connection.send(found)


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
