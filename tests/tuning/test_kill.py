"""A study that is killed ten times at random moments ends as one that nothing disturbed."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from little_data import settings
from scripted_tasks import processes_of
from study_cases import rows_without_times, run_in_this_process

from recbole_mirec.tuning import cli

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs /proc"),
]

N_KILLS = 10
PARENT_ONLY = 4
SPACES = {
    "MIRec": "learning_rate loguniform -7,-1\ninput_dimension quniform 4,16,4\n",
    "LightGCN": "learning_rate loguniform -7,-1\nembedding_size choice [8,16,32]\n",
}


def arguments(workplace: Path, model: str, algorithm: str, n_trials: int) -> list[str]:
    # Epochs enough for all kills to come in time, however few of them each start gets done.
    given = settings(workplace, model, protocol="known-brand", epochs=40, stopping_step=40)
    for key in ("model", "dataset", "checkpoint_dir", "show_progress"):
        given.pop(key, None)
    return [
        *("--model", model, "--dataset", "mirec-tiny", "--params_file", "space.hyper"),
        *("--algo", algorithm, "--max_evals", str(n_trials), "--jobs", "2", "--keep", "2"),
        *(f"--{key}={value}".replace(" ", "") for key, value in given.items()),
    ]


def start(folder: Path, words: list[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "recbole_mirec.tuning", *words, "--results", "study"],
        cwd=folder,
        env={**os.environ, "MIREC_TEST_STUDY": str(folder), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def wait_for_epochs(process: subprocess.Popen[bytes], study: Path, n_epochs: int) -> None:
    """Wait until the study's trials have saved so many epochs more, or longer ones ended."""
    seen: dict[Path, int] = _epochs_saved(study)
    n_seen = 0
    while n_seen < n_epochs:
        assert process.poll() is None, "the study ended before it could be killed"
        now = _epochs_saved(study)
        n_seen += sum(seen.get(path) != when for path, when in now.items())
        seen = now
        time.sleep(0.002)


def _epochs_saved(study: Path) -> dict[Path, int]:
    found = {}
    for path in study.glob("trials/*/last.safetensors"):
        try:
            found[path] = path.stat().st_mtime_ns
        except FileNotFoundError:
            continue
    return found


def wait_for_last_trial(process: subprocess.Popen[bytes], study: Path, n_trials: int) -> None:
    while len(rows_without_times(study)) < n_trials:
        assert process.poll() is None, "the study ended before it could be killed"
        time.sleep(0.002)


@pytest.mark.parametrize(
    ("model", "algorithm", "n_trials"), [("MIRec", "random", 10), ("LightGCN", "bayes", 14)]
)
def test_ten_kills_change_nothing(
    workplace: Path, tmp_path: Path, model: str, algorithm: str, n_trials: int
) -> None:
    (tmp_path / "space.hyper").write_text(SPACES[model])
    words = arguments(workplace, model, algorithm, n_trials)
    marker = f"MIREC_TEST_STUDY={tmp_path}"
    study = tmp_path / "study"
    chance = random.Random(f"{model} {algorithm}")
    for kill in range(N_KILLS):
        process = start(tmp_path, words)
        if kill == 0:
            time.sleep(chance.uniform(0, 6))  # perhaps before there is anything to be seen
        elif kill < N_KILLS - 1:
            wait_for_epochs(process, study, chance.randint(1, 40))
        else:
            wait_for_last_trial(process, study, n_trials)
        time.sleep(chance.uniform(0, 0.05))
        if kill == PARENT_ONLY:
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    process = start(tmp_path, words)
    assert process.wait(timeout=300) == 0
    assert processes_of(marker) == []

    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        run_in_this_process(patch)
        assert cli.main([*words, "--results", "whole"]) == 0
    rows = rows_without_times(tmp_path / "whole")
    assert len(rows) == n_trials
    assert rows_without_times(study) == rows
    assert _result(study) == _result(tmp_path / "whole")
    assert _checkpoints(study) == _checkpoints(tmp_path / "whole")
    assert list(study.glob("trials/*/.*.part")) == []


def _result(study: Path) -> str:
    # as text, in which NaN equals NaN
    return json.dumps(json.loads((study / "result.json").read_text()))


def _checkpoints(study: Path) -> list[Any]:
    return sorted(path.relative_to(study) for path in study.glob("trials/*/*.safetensors"))
