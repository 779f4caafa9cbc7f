"""Work in processes: in order, no further ahead than needed, and nothing left behind."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from dataset_convert.features.parallel import PROCESSES, THREADS, end_processes, in_order, started
from dataset_convert.problems import ConversionError


def test_a_stream_is_not_read_ahead_of_the_work() -> None:
    n_read = 0

    def stream() -> Iterator[int]:
        nonlocal n_read
        for number in range(1_000):
            n_read += 1
            yield -number

    results = in_order(abs, stream(), 2, PROCESSES, n_alone=0)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    assert n_read <= 3 + 4
    results.close()
    assert list(in_order(abs, range(-5, 0), 2, PROCESSES, n_alone=2)) == [5, 4, 3, 2, 1]


def test_a_process_that_was_ended_is_told_in_one_line() -> None:
    with pytest.raises(ConversionError, match="worker process was ended from outside"):
        list(in_order(os._exit, [1, 1], 2, PROCESSES, n_alone=0))


def test_workers_end_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    code = """
import sys, time
from dataset_convert.features.parallel import PROCESSES, in_order
if __name__ == "__main__":
    for _ in in_order(time.sleep, [0, 0, 0, 0, 0, 60, 60], 2, PROCESSES, n_alone=0):
        print("at work", flush=True)
"""
    (tmp_path / "parent.py").write_text(code)
    parent = subprocess.Popen([sys.executable, tmp_path / "parent.py"], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    parent.stdout.readline()
    workers = psutil.Process(parent.pid).children(recursive=True)
    assert len(workers) >= 2
    parent.kill()
    parent.communicate()
    _, alive = psutil.wait_procs(workers, timeout=20)
    assert alive == []


def test_processes_are_ended_and_started_again() -> None:
    for _ in range(2):
        worker = psutil.Process(started(os.getpid, n_jobs=2)())
        assert worker.pid != os.getpid()
        end_processes()
        assert psutil.wait_procs([worker], timeout=20)[1] == []
    assert started(os.getpid, n_jobs=1)() == os.getpid()


def test_threads_keep_the_order() -> None:
    assert list(in_order(abs, range(-9, 0), 3, THREADS)) == list(range(9, 0, -1))
