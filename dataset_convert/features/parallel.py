"""Work by several processes or threads, with results in the order of what is worked on."""

import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from itertools import islice
from typing import Final, TypeVar

from dataset_convert.common.workers import Workers
from dataset_convert.problems import ConversionError

Item = TypeVar("Item")
Result = TypeVar("Result")
HERE, PROCESSES, THREADS = "here", "processes", "threads"
N_ALONE: Final = 24
"""Batches that take about as long as it takes to start processes."""


def in_order(
    work: Callable[[Item], Result],
    items: Iterable[Item],
    n_jobs: int,
    runs_in: str,
    *,
    n_alone: int = N_ALONE,
) -> Iterator[Result]:
    """Yields `work(item)` of every item, in the order of the items whatever `n_jobs` is.

    At most `2 * n_jobs + 1` items are held at a time: the stream is not read ahead of the work.

    Args:
        work: Without side effects; picklable for processes.
        items: May be a stream without end.
        n_jobs: Processes or threads; 1 works in this one.
        runs_in: `here`, `processes` or `threads`. Warnings of what threads run are not shown.
        n_alone: Items that this process works on before others are started: a short stream needs
            none.

    Raises:
        ConversionError: A process was ended from outside.
    """
    items = iter(items)
    if runs_in == PROCESSES and n_jobs > 1:
        yield from map(work, islice(items, n_alone))
        with _told_in_one_line():
            yield from _ahead(work, items, n_jobs, _processes)
    elif runs_in == THREADS:
        # The filter is not of one thread, so it is set around them all.
        with warnings.catch_warnings(), ThreadPoolExecutor(n_jobs) as pool:
            warnings.simplefilter("ignore")
            yield from _ahead(work, items, n_jobs, lambda _: pool)
    else:
        yield from map(work, items)


def started(work: Callable[[], Result], *, n_jobs: int) -> Callable[[], Result]:
    """Starts work in a process, where `n_jobs` allows one, and returns how to get its result.

    Raises:
        ConversionError: When the result is asked for: the process was ended from outside.
    """
    if n_jobs == 1:
        done = work()
        return lambda: done
    with _told_in_one_line():
        future = _processes(n_jobs).submit(work)

    def result() -> Result:
        with _told_in_one_line():
            return future.result()

    return result


def end_processes() -> None:
    """Ends the processes that were started; others are started where they are needed again."""
    while _POOLS:
        _POOLS.popitem()[1].kill()


def _ahead(
    work: Callable[[Item], Result],
    items: Iterator[Item],
    n_jobs: int,
    pool: Callable[[int], Executor],
) -> Iterator[Result]:
    pending: deque[Future[Result]] = deque()
    try:
        for item in items:
            pending.append(pool(n_jobs).submit(work, item))
            if len(pending) > 2 * n_jobs:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        for future in pending:
            future.cancel()


_POOLS: Final[dict[int, Workers]] = {}


def _processes(n_jobs: int) -> Workers:
    if n_jobs not in _POOLS:
        _POOLS[n_jobs] = Workers(n_jobs)
    return _POOLS[n_jobs]


@contextmanager
def _told_in_one_line() -> Iterator[None]:
    try:
        yield
    except BrokenProcessPool:
        end_processes()
        raise ConversionError(
            "A worker process was ended from outside, often for want of memory; set n_jobs to 1 "
            "or free some memory, and convert again."
        ) from None
