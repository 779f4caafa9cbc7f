"""The local drivers: outcomes and deaths arrive, trials run side by side, no process is left."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import scripted_tasks
from recbole_mirec.tuning.local_jobs import InProcess, LocalProcesses
from scripted_tasks import Listed, Scripted, processes_of

from recbole_mirec.tuning.trial import FAILED, FINISHED, Outcome


def test_in_process_runs_one_trial_after_the_other() -> None:
    search = Listed({"score": 0.5}, {"score": 0.25}, {"score": 0.75}, lag=1)
    order: list[Any] = []

    def run(number: int, parameters: Any) -> Outcome:
        order.append(number)
        return Outcome(FINISHED, parameters["score"])

    def report(number: int, parameters: dict[str, Any], outcome: Outcome) -> None:
        order.append(f"{number} ended")
        search.report(number, parameters, outcome)

    InProcess(run)(search, report)
    assert order == [1, "1 ended", 2, "2 ended", 3, "3 ended"]
    assert [outcome.score for outcome in search.found.values()] == [0.5, 0.25, 0.75]


@pytest.fixture(scope="module")
def deaths(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Outcome]:
    """Good trials between all ways for a worker to die."""
    ends = ("killed", "ends", "exits")
    good = [{"score": 0.5, "meet": True}, {"score": 0.25, "meet": True}]
    search = Listed(*good, *[{"end": end} for end in ends], {"score": 0.125}, lag=2)
    task = Scripted(tmp_path_factory.mktemp("deaths"), {"torch_threads": 3})
    LocalProcesses(task, 2)(search, search.report)  # type: ignore[arg-type]
    assert multiprocessing.active_children() == []
    return search.found


def test_a_dead_worker_is_a_failed_trial_with_its_reason(deaths: dict[int, Outcome]) -> None:
    assert {number: outcome.reason for number, outcome in deaths.items() if outcome.reason} == {
        3: "its process was ended by SIGKILL; memory may have run out",
        4: "its process ended with exit code 3",
        5: "its process ended with exit code 5",
    }
    assert {deaths[number].status for number in range(3, 6)} == {FAILED}
    assert {deaths[number].score for number in range(3, 6)} == {None}


def test_a_full_disk_ends_the_study(tmp_path: Path) -> None:
    search = Listed({"score": 0.5}, {"end": "full"}, {"score": 0.25}, lag=1)
    with pytest.raises(OSError, match="No space left") as caught:
        LocalProcesses(Scripted(tmp_path), 1)(search, search.report)  # type: ignore[arg-type]
    assert caught.value.filename == "trials/0002/best.safetensors"
    assert list(search.found) == [1]
    assert multiprocessing.active_children() == []


def test_the_study_goes_on_after_deaths(deaths: dict[int, Outcome]) -> None:
    assert [(deaths[n].status, deaths[n].score) for n in (1, 2, 6)] == [
        (FINISHED, 0.5),
        (FINISHED, 0.25),
        (FINISHED, 0.125),
    ]


def test_jobs_run_side_by_side_with_the_threads_of_the_settings(
    deaths: dict[int, Outcome],
) -> None:
    # They met, so they ran at the same time.
    one, two = deaths[1].metrics, deaths[2].metrics
    assert one["pid"] != two["pid"]
    for seen in (one, two):
        assert (seen["threads"], seen["no interrupts"], seen["main thread"]) == (3, 1, 1)
    assert os.environ.get("OMP_NUM_THREADS") != "3"
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())


def test_an_idle_worker_that_dies_is_replaced_and_costs_no_trial(tmp_path: Path) -> None:
    search = Listed({"score": 0.5}, {"score": 0.25}, {"score": 0.75}, lag=1)

    def report(number: int, parameters: dict[str, Any], outcome: Outcome) -> None:
        if number == 1:
            os.kill(int(outcome.metrics["pid"]), signal.SIGKILL)
            _wait_for(lambda: not multiprocessing.active_children())
        search.report(number, parameters, outcome)

    LocalProcesses(Scripted(tmp_path), 1)(search, report)  # type: ignore[arg-type]
    assert [outcome.score for outcome in search.found.values()] == [0.5, 0.25, 0.75]
    pids = [outcome.metrics["pid"] for outcome in search.found.values()]
    # A worker that lives runs the next trial.
    assert pids[0] != pids[1] == pids[2]


def test_an_error_of_the_report_ends_the_workers(tmp_path: Path) -> None:
    search = Listed({"score": 0.5}, {"beat": True}, lag=2)

    def refuse(*_: Any) -> None:
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space left"):
        LocalProcesses(Scripted(tmp_path), 2)(search, refuse)  # type: ignore[arg-type]
    assert multiprocessing.active_children() == []


def test_a_search_that_is_over_starts_no_process(tmp_path: Path) -> None:
    search = Listed(lag=1)
    LocalProcesses(Scripted(tmp_path), 2)(search, search.report)  # type: ignore[arg-type]
    assert search.found == {}
    assert multiprocessing.active_children() == []


def _wait_for(condition: Any, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs /proc")
@pytest.mark.parametrize("begun", [pytest.param(False, marks=pytest.mark.slow), True])
def test_workers_end_with_a_killed_parent(tmp_path: Path, begun: bool) -> None:
    marker = f"MIREC_TEST_STUDY={tmp_path}"
    parent = subprocess.Popen(
        [sys.executable, scripted_tasks.__file__, "2"],
        cwd=tmp_path,
        env={**os.environ, **dict([marker.split("=")])},
        stderr=subprocess.DEVNULL,
    )
    # the parent, its resource tracker and two workers
    _wait_for(lambda: len(processes_of(marker)) == 4)
    if begun:
        _wait_for(lambda: len(list(tmp_path.glob("*.beat"))) == 2)
    parent.kill()
    parent.wait()
    _wait_for(lambda: processes_of(marker) == [], seconds=20)
    assert processes_of(marker) == []
