"""Work on a stream by several processes, with results in the stream's order."""

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from multiprocessing import get_context, parent_process
from multiprocessing.connection import wait
from typing import Final, TypeVar

from dataset_convert.problems import ConversionError

Item = TypeVar("Item")
Result = TypeVar("Result")
_ENDED: Final = (
    "A worker process was ended from outside, often for want of memory; set n_jobs to 1 or free "
    "some memory, and convert again."
)


def map_in_order(
    work: Callable[[Item], Result], items: Iterable[Item], *, n_jobs: int, n_alone: int = 0
) -> Iterator[Result]:
    """Yields `work(item)` of every item, in the order of the items whatever `n_jobs` is.

    At most `2 * n_jobs + 1` items are held at a time: the stream is not read ahead of the work.

    Args:
        work: Without side effects; picklable where `n_jobs` is above 1.
        items: May be a stream without end.
        n_jobs: Processes; 1 works in this one.
        n_alone: Items that this process works on before others are started, which takes them as
            long as some items; a short stream needs none.

    Raises:
        ConversionError: A process was ended from outside.
    """
    if n_jobs == 1:
        yield from map(work, items)
        return
    items = iter(items)
    yield from map(work, islice(items, n_alone))
    with _pool(n_jobs) as pool:
        pending: deque[Future[Result]] = deque()
        try:
            for item in items:
                pending.append(pool.submit(work, item))
                if len(pending) > 2 * n_jobs:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        except BrokenProcessPool:
            raise ConversionError(_ENDED) from None
        finally:
            for future in pending:
                future.cancel()


def started(work: Callable[[], Result], *, n_jobs: int) -> Callable[[], Result]:
    """Starts work in a process of its own, where `n_jobs` allows one, and returns how to get it.

    Raises:
        ConversionError: When the result is asked for: the process was ended from outside.
    """
    if n_jobs == 1:
        done = work()
        return lambda: done
    pool = _pool(1)
    future = pool.submit(work)
    pool.shutdown(wait=False)

    def result() -> Result:
        try:
            return future.result()
        except BrokenProcessPool:
            raise ConversionError(_ENDED) from None

    return result


def _pool(n_jobs: int) -> ProcessPoolExecutor:
    """Returns processes, started when they are needed, that end with this one however it ends."""
    # A fork would copy locks that other threads of this process may hold.
    return ProcessPoolExecutor(n_jobs, get_context("spawn"), initializer=_end_with_parent)


def _end_with_parent() -> None:
    """Watches the parent: of one that is killed a worker gets no word."""
    parent = parent_process()

    def watch() -> None:
        if parent is not None:
            wait([parent.sentinel])
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
