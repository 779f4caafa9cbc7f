"""Work on a stream by several processes, with results in the stream's order."""

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context, parent_process
from multiprocessing.connection import wait
from typing import TypeVar

from dataset_convert.problems import ConversionError

Item = TypeVar("Item")
Result = TypeVar("Result")


def map_in_order(
    work: Callable[[Item], Result], items: Iterable[Item], *, n_jobs: int
) -> Iterator[Result]:
    """Yields `work(item)` of every item, in the order of the items whatever `n_jobs` is.

    At most `2 * n_jobs + 1` items are held at a time: the stream is not read ahead of the work.

    Args:
        work: Without side effects; picklable where `n_jobs` is above 1.
        items: May be a stream without end.
        n_jobs: Processes; 1 works in this one.

    Raises:
        ConversionError: A process was ended from outside.
    """
    if n_jobs == 1:
        yield from map(work, items)
        return
    with new_pool(n_jobs) as pool:
        pending: deque[Future[Result]] = deque()
        try:
            for item in items:
                pending.append(pool.submit(work, item))
                if len(pending) > 2 * n_jobs:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        except BrokenProcessPool:
            raise ConversionError(
                "A worker process was ended from outside, often for want of memory; set n_jobs "
                "to 1 or free some memory, and convert again."
            ) from None
        finally:
            for future in pending:
                future.cancel()


def new_pool(n_jobs: int) -> ProcessPoolExecutor:
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
