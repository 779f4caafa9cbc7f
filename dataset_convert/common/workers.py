"""Worker processes, which import the packages once and end with this process, however it ends."""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import active_children, get_context, parent_process, resource_tracker
from typing import Any, ParamSpec, TypeVar

from tqdm import tqdm

_P = ParamSpec("_P")
_T = TypeVar("_T")
_FORKS = sys.platform == "linux"
_PACKAGES = ("dataset_convert", "recbole_mirec")


class Workers(ProcessPoolExecutor):
    """Processes of one thread each, which hear no interrupt from the keyboard: `kill` ends them.

    A fork of this process would copy locks that its other threads may hold. On Linux workers are
    forks of a process beside it, which has imported what of ours this one has and does nothing
    else, so that a worker starts at once and shares its memory; elsewhere each imports for itself.
    """

    def __init__(self, n_workers: int) -> None:
        """Workers start as they are needed.

        Args:
            n_workers: at most.
        """
        self._others = set(active_children())
        context: Any = get_context("forkserver" if _FORKS else "spawn")
        if _FORKS:
            ours = [name for name in sys.modules if name.partition(".")[0] in _PACKAGES]
            context.set_forkserver_preload([name for name in ours if "__main__" not in name])
        super().__init__(n_workers, context, initializer=_begin, initargs=({**os.environ},))

    def submit(self, fn: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> Future[_T]:
        """Gives a worker something to do; everything must be picklable."""
        with _of_workers():
            return super().submit(fn, *args, **kwargs)

    def kill(self) -> None:
        """Ends the workers, whatever they are at."""
        for process in set(active_children()) - self._others:
            process.kill()
        self.shutdown(cancel_futures=True)


def _begin(environment: Mapping[str, str]) -> None:
    # Of the process that workers are forks of it is as old as that process.
    os.environ.clear()
    os.environ.update(environment, OMP_NUM_THREADS="1")
    # Its own lock is a semaphore of the system, which a process that is killed leaves behind.
    tqdm.set_lock(threading.RLock())
    parent: Any = parent_process()
    threading.Thread(target=lambda: (parent.join(), os._exit(1)), daemon=True).start()


@contextmanager
def _of_workers() -> Iterator[None]:
    """One thread for processes that are started here, and no interrupt from the keyboard.

    It reaches this process as well, which ends them.
    """
    resource_tracker.ensure_running()  # its start lifts the block
    threads = {key: os.environ[key] for key in ("OMP_NUM_THREADS",) if key in os.environ}
    os.environ["OMP_NUM_THREADS"] = "1"
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        del os.environ["OMP_NUM_THREADS"]
        os.environ.update(threads)
