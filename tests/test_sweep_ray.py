"""A sweep on Ray: the local figures, of this machine alone, and nothing left behind."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from little_data import settings

pytest.importorskip("ray")

pytestmark = pytest.mark.slow

PROGRAM = """
import contextlib, json, sys
from pathlib import Path
import psutil
from recbole_mirec.sweep import Job, run_jobs

def heard():
    "The addresses on which this process and all it has started take connections."
    found = []
    for process in (psutil.Process(), *psutil.Process().children(recursive=True)):
        with contextlib.suppress(psutil.Error, OSError):
            found += process.net_connections("inet")
    listening = [one.laddr.ip for one in found if one.status == psutil.CONN_LISTEN]
    return [ip.removeprefix("::ffff:") for ip in listening]

engine, given = sys.argv[1], json.loads(sys.argv[2])
jobs = [
    Job(Path("jobs", str(n)), {**given, "learning_rate": rate}, test=False)
    for n, rate in enumerate([0.1, 0.01, -1, 1e30])
]
addresses, order = [], []
def on_end(job, end):
    addresses.extend(heard())
    order.append(job.folder.name)
ends = run_jobs(
    jobs, n_jobs=2, engine=engine, title=lambda job: job.folder.name, metric="MAP", on_end=on_end
)
found = [[end.status, end.reason, end.metrics, end.best_epoch] for end in ends.values()]
Path("result.json").write_text(json.dumps([found, sorted(set(addresses))]))
"""


def start(folder: Path, engine: str, given: dict[str, Any]) -> subprocess.Popen[str]:
    folder.mkdir()
    (folder / "home").mkdir()
    inherited = {key: value for key, value in os.environ.items() if key != "CUDA_VISIBLE_DEVICES"}
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, engine, json.dumps(given)],
        cwd=folder,
        env={**inherited, "HOME": str(folder / "home"), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_two_ray_workers_give_the_local_figures_and_listen_to_nobody(
    workplace: Path, tmp_path: Path
) -> None:
    given = settings(workplace, "BPR", train_batch_size=8, valid_metric="MAP")
    found = {}
    for engine in ("local", "ray"):
        process = start(tmp_path / engine, engine, given)
        printed, _ = process.communicate(timeout=300)
        assert process.returncode == 0, printed
        assert len(printed.splitlines()) == 4, printed
        assert list((tmp_path / engine / "home").iterdir()) == []
        found[engine], heard = json.loads((tmp_path / engine / "result.json").read_text())
        assert heard == (["127.0.0.1"] if engine == "ray" else [])
    assert json.dumps(found["ray"]) == json.dumps(found["local"])
    assert [end[0] for end in found["ray"]] == ["finished", "finished", "failed", "diverged"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_no_process_of_ray_outlives_an_interrupted_sweep(
    workplace: Path, tmp_path: Path, number: signal.Signals
) -> None:
    given = settings(workplace, "BPR", epochs=100_000, stopping_step=100_000, valid_metric="MAP")
    process = start(tmp_path / "ray", "ray", given)
    while not list(tmp_path.glob("ray/jobs/*/last.safetensors")):
        assert process.poll() is None, process.communicate()
        time.sleep(0.1)
    started = psutil.Process(process.pid).children(recursive=True)
    assert len(started) > 3
    process.send_signal(number)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.communicate(timeout=30)
    _, alive = psutil.wait_procs(started, timeout=10)
    assert alive == []
