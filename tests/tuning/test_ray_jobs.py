"""The Ray driver: outcomes and failures arrive, ASHA stops bad trials, nothing is left behind."""

import json
import os
import signal
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psutil
import pytest

# without importing it: what it reads at its import is set by the module that is tested
if find_spec("ray") is None:
    pytest.skip('Ray is not installed: pip install -e ".[ray]"', allow_module_level=True)

from recbole_mirec.tuning.ray_jobs import RayTune
from study_cases import rows_without_times

from dataset_convert.common.errors import UsageError
from recbole_mirec.tuning.trial import TrialTask

SCENARIOS = Path(__file__).with_name("ray_scenarios.py")
TASK = TrialTask({"model": "MIRec", "valid_metric": "MAP"}, Path("study"))


def environment(folder: Path) -> dict[str, str]:
    """With a home of its own, in which nothing may be left."""
    (folder / "home").mkdir(exist_ok=True)
    # RecBole's configuration leaves CUDA_VISIBLE_DEVICES behind in a process, this one included.
    inherited = {key: value for key, value in os.environ.items() if key != "CUDA_VISIBLE_DEVICES"}
    return {**inherited, "HOME": str(folder / "home"), "OMP_NUM_THREADS": "1"}


def start(scenario: str, folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(SCENARIOS), scenario, str(folder)],
        cwd=folder,
        env=environment(folder),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def run(scenario: str, folder: Path) -> dict[str, Any]:
    process = start(scenario, folder)
    printed, _ = process.communicate(timeout=300)
    assert process.returncode == 0, printed
    assert printed == ""
    assert list((folder / "home").iterdir()) == []
    result: dict[str, Any] = json.loads((folder / "result.json").read_text())
    return result


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return run("own", tmp_path_factory.mktemp("own"))


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return run("shared", tmp_path_factory.mktemp("shared"))


def test_every_trial_is_reported_with_its_outcome(own: dict[str, Any]) -> None:
    assert {n: (o["status"], o["score"]) for n, o in own["outcomes"].items()} == {
        "1": ("finished", 0.5),
        "2": ("finished", 0.25),
        "3": ("failed", None),
        "4": ("failed", None),
        "5": ("finished", 0.5),
    }


def test_a_trial_gets_its_parameters_unchanged(own: dict[str, Any]) -> None:
    seen = own["outcomes"]["1"]["metrics"]["seen"]
    assert seen == "{'score': 0.5, 'sizes': [64, {'a': None}], 'grid_search': [1], 'sleep': 0.2}"


def test_failures_carry_their_reason(own: dict[str, Any]) -> None:
    assert [own["outcomes"][number]["reason"] for number in "34"] == [
        "its process died; memory may have run out",
        "RuntimeError: as planned",
    ]


def test_nothing_of_it_listens_beyond_this_machine(own: dict[str, Any]) -> None:
    assert own["heard"] == ["127.0.0.1"]


def test_workers_have_one_thread_and_no_gpu_where_none_is_wanted(own: dict[str, Any]) -> None:
    metrics = own["outcomes"]["1"]["metrics"]
    assert metrics["threads"] == 1
    assert metrics["gpu"] == ""


def test_two_jobs_run_in_two_processes(own: dict[str, Any]) -> None:
    first, second = (own["outcomes"][number]["metrics"]["pid"] for number in "12")
    assert first != second


def test_own_ray_ends_and_leaves_nothing_in_the_study(own: dict[str, Any]) -> None:
    assert not own["running"]
    assert own["left"] == ["1.last", "2.last", "5.last"]


@pytest.mark.slow
def test_asha_stops_what_is_below_the_best_third_at_a_rung(shared: dict[str, Any]) -> None:
    # Rungs at 3 epochs only: 9 // 3, and 9 would be the last. The cut-off is the 2/3 quantile of
    # what reached the rung before: 5; of 5 1: 3.67; of 5 1 2: 3; of 5 1 2 9: 5; of 5 1 2 9 4: 4.67.
    assert _epochs(shared["max"]) == [9, 3, 3, 9, 3, 9]
    # For smaller is better: 5; 2.33; 1.67; of 1 2 5 9: 2; of 1 2 4 5 9: 2.67.
    assert _epochs(shared["min"]) == [9, 9, 9, 3, 3, 3]


@pytest.mark.slow
def test_a_stopped_trial_reports_itself(shared: dict[str, Any]) -> None:
    stopped = shared["max"]["2"]
    assert (stopped["status"], stopped["score"], stopped["best_epoch"]) == ("stopped", 1, 1)
    assert stopped["reason"] == "stopped by ASHA after epoch 3"
    assert {shared["max"][number]["status"] for number in "146"} == {"finished"}


@pytest.mark.slow
def test_a_single_epoch_is_never_stopped(shared: dict[str, Any]) -> None:
    assert [o["status"] for o in shared["one epoch"].values()] == ["finished", "finished"]


@pytest.mark.slow
def test_a_search_that_is_over_runs_nothing(shared: dict[str, Any]) -> None:
    assert shared["over"] == {}


@pytest.mark.slow
def test_trials_share_the_gpu_that_ray_has(shared: dict[str, Any]) -> None:
    jobs = [*shared["max"].values(), *shared["one epoch"].values()]
    assert {outcome["metrics"]["gpu"] for outcome in jobs} == {"0"}


@pytest.mark.slow
def test_an_error_of_the_report_passes(shared: dict[str, Any]) -> None:
    assert shared["refused"] == "no space left"


@pytest.mark.slow
def test_a_running_ray_is_left_running(shared: dict[str, Any]) -> None:
    assert shared["running"]
    assert not shared["left"]


def _epochs(outcomes: dict[str, Any]) -> list[int]:
    return [outcomes[str(number)]["n_epochs"] for number in range(1, len(outcomes) + 1)]


@pytest.mark.slow
def test_a_killed_study_goes_on_and_finds_what_one_process_finds(
    workplace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("rates.hyper").write_text("learning_rate choice [0.002,0.1,0.01,0.05]\n")
    command = [sys.executable, "-m", "recbole_mirec.tuning", "--model", "LightGCN"]
    command += ["--dataset", "mirec-tiny", "--params_file", "rates.hyper"]
    command += [f"--data_path={workplace}", "--protocol=known-brand", "--epochs=20", "--gpu_id="]
    by_ray = [*command, "--tool", "ray", "--scheduler", "none", "--jobs", "2", "--results", "ray"]
    with subprocess.Popen(by_ray, env=environment(tmp_path), stderr=subprocess.PIPE) as process:
        while not Path("ray/trials.csv").exists():
            assert process.poll() is None, process.communicate()
            time.sleep(0.01)
        process.kill()
    assert len(rows_without_times(Path("ray"))) < 4
    for rest in (by_ray, [*command, "--results", "local"]):
        subprocess.run(rest, env=environment(tmp_path), check=True)
    rows = rows_without_times(Path("local"))
    assert [row["status"] for row in rows] == ["finished"] * 4
    assert rows_without_times(Path("ray")) == rows


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_no_process_outlives_an_interrupted_study(number: signal.Signals, tmp_path: Path) -> None:
    process = start("endless", tmp_path)
    while not (tmp_path / "heartbeat").exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.1)
    started = psutil.Process(process.pid).children(recursive=True)
    assert len(started) > 3
    process.send_signal(number)
    process.communicate(timeout=60)
    _, alive = psutil.wait_procs(started, timeout=10)
    assert alive == []
    if number == signal.SIGINT:
        result = json.loads((tmp_path / "result.json").read_text())
        assert result == {"running": False, "left": False}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"jobs": 0}, r"The 'jobs' parameter of RayTune must be >= 1\. Received: 0\."),
        ({"jobs": 1, "scheduler": "pbt"}, r"must be 'asha' or None\. Received: 'pbt'\."),
        ({"jobs": 1, "scheduler": "asha"}, r"'max_epochs' .* must be >= 1 .* Received: None\."),
        ({"jobs": 1, "scheduler": "asha", "max_epochs": 0}, r"'max_epochs' .* Received: 0\."),
    ],
)
def test_arguments_out_of_range_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RayTune(TASK, **arguments)


class One:
    """A search that has not proposed its trial yet."""

    over = False

    def propose(self) -> None:
        return None


def test_a_ray_that_cannot_start_is_a_usage_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def refuse(**_: Any) -> None:
        raise OSError("AF_UNIX path length cannot exceed 107 bytes")

    monkeypatch.setattr("recbole_mirec.tuning.ray_jobs.ray.init", refuse)
    driver = RayTune(TrialTask(TASK.settings, tmp_path), jobs=1)
    with pytest.raises(UsageError, match=r"107 bytes\. Set RAY_TMPDIR to a folder with a short"):
        driver(One(), lambda *_: None)
    assert list(tmp_path.iterdir()) == []


def test_a_ray_that_would_listen_beyond_this_machine_is_a_usage_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    address = "recbole_mirec.tuning.ray_jobs.ray.util.get_node_ip_address"
    monkeypatch.setattr(address, lambda: "192.0.2.7")
    driver = RayTune(TrialTask(TASK.settings, tmp_path), jobs=1)
    with pytest.raises(UsageError, match=r"Received: 192\.0\.2\.7\. Unset RAY_ENABLE_WIN"):
        driver(One(), lambda *_: None)
