"""A study that is killed at random moments ends as one that nothing disturbed."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from little_data import settings
from study_cases import processes_of, rows_without_times, run_in_this_process, wait_for

from recbole_mirec import cli

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs /proc"),
]

N_KILLS, N_TRIALS = 10, 8
PARENT_ONLY = 1
SPACE = "learning_rate loguniform -7,-1\nembedding_size choice [8,16,32]\n"


def arguments(workplace: Path, model: str, algorithm: str) -> list[str]:
    # Epochs enough for all kills to come in time, however few of them each start gets done.
    given = settings(workplace, model, protocol="known-brand", epochs=40, stopping_step=40)
    for key in ("model", "dataset", "checkpoint_dir", "show_progress"):
        given.pop(key, None)
    return [
        *("--model", model, "--dataset", "mirec-tiny", "--params_file", "space.hyper"),
        *("--algo", algorithm, "--max_evals", str(N_TRIALS), "--jobs", "2", "--keep", "2"),
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


def saved(study: Path) -> int:
    """When a trial last saved an epoch; 0: never."""
    times = [0]
    for path in study.glob("trials/*/last.safetensors"):
        try:
            times.append(path.stat().st_mtime_ns)
        except FileNotFoundError:
            continue
    return max(times)


def ended(study: Path) -> int:
    """How many trials have ended."""
    return len(rows_without_times(study)) if (study / "trials.csv").exists() else 0


@pytest.mark.parametrize(("model", "algorithm"), [("LightGCN", "bayes")])
def test_kills_change_nothing(workplace: Path, tmp_path: Path, model: str, algorithm: str) -> None:
    (tmp_path / "space.hyper").write_text(SPACE)
    words = arguments(workplace, model, algorithm)
    marker, study = f"MIREC_TEST_STUDY={tmp_path}", tmp_path / "study"
    chance = random.Random(f"{model} {algorithm}")
    for kill in range(N_KILLS):
        before = saved(study)
        process = start(tmp_path, words)
        try:
            if kill == 0:
                time.sleep(chance.uniform(0, 6))  # perhaps before there is anything to be seen
            elif kill < N_KILLS - 1:
                wait_for(lambda before=before: saved(study) > before, seconds=300)
                time.sleep(chance.uniform(0, 1))
            else:  # before the winner is tested
                wait_for(lambda: ended(study) == N_TRIALS, seconds=300)
            assert process.poll() is None, "the study ended before it could be killed"
        finally:
            if kill == PARENT_ONLY:
                process.kill()
            else:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        wait_for(lambda: processes_of(marker) == [], seconds=10)
    assert start(tmp_path, words).wait(timeout=300) == 0

    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        run_in_this_process(patch)
        assert cli.tuning_main([*words, "--results", "whole"]) == 0
    rows = rows_without_times(tmp_path / "whole")
    assert len(rows) == N_TRIALS
    assert rows_without_times(study) == rows
    results, checkpoints = [], []
    for folder in (study, tmp_path / "whole"):
        # as text, in which NaN equals NaN
        results.append(json.dumps(json.loads((folder / "result.json").read_text())))
        found = folder.glob("trials/*/*.safetensors")
        checkpoints.append(sorted(path.relative_to(folder) for path in found))
    assert results[0] == results[1]
    assert checkpoints[0] == checkpoints[1]
    assert list(study.glob("trials/*/.*.part")) == []
