"""A run that is killed fifty times at random moments ends as one that nothing disturbed."""

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

from recbole_mirec.trainer import BEST, LAST

pytestmark = pytest.mark.slow

SCRIPT = Path(__file__).parent.parent / "run_recbole_mirec.py"
N_KILLS = 25  # of each model
# Enough that none ends before it is killed.
EPOCHS = {"BPR": 2500, "MIRec": 600}


def start(folder: Path, *words: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, str(SCRIPT), *words],
        cwd=folder,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def arguments(workplace: Path, model: str) -> list[str]:
    n_epochs = EPOCHS[model]
    given = settings(
        workplace, model, epochs=n_epochs, stopping_step=n_epochs, checkpoint_dir="saved"
    )
    return [f"--{key}={value}".replace(" ", "") for key, value in given.items()]


def wait_for_epochs(process: subprocess.Popen[bytes], folder: Path, n_epochs: int) -> None:
    """Wait until the run has saved so many epochs more."""
    seen, n_seen = _when_saved(folder), 0
    while n_seen < n_epochs:
        assert process.poll() is None, "the run ended before it could be killed"
        now = _when_saved(folder)
        n_seen += now != seen
        seen = now
        time.sleep(0.001)


def _when_saved(folder: Path) -> list[int]:
    return [path.stat().st_mtime_ns for path in folder.glob(f"*/{LAST}")]


def figures(run: Path) -> dict[str, Any]:
    """Everything that the run found, as it stands in its files."""
    record = json.loads((run / "run.json").read_text())
    del record["seconds"]
    files = sorted(path.name for path in run.glob("*.csv"))
    whole = {name: (run / name).read_bytes() for name in (*files, BEST, LAST)}
    # as text, in which NaN equals NaN
    return {"record": json.dumps(record), **whole}


@pytest.mark.parametrize("model", ["BPR", "MIRec"])
def test_fifty_kills_change_nothing(workplace: Path, tmp_path: Path, model: str) -> None:
    chance = random.Random(f"2020 {model}")
    homes = tmp_path / "killed", tmp_path / "whole"
    for home in homes:
        home.mkdir()
    killed, whole = (home / "saved" for home in homes)
    words = arguments(workplace, model)
    n_resumed = 0
    for _ in range(N_KILLS):
        begun = next(killed.glob("*/run.json"), None)
        process = start(homes[0], *(["--resume", str(begun.parent)] if begun else words))
        if chance.random() < 0.2:
            time.sleep(chance.uniform(0, 6))  # perhaps before there is anything to go on with
        else:
            wait_for_epochs(process, killed, chance.randint(1, 4))
            time.sleep(chance.uniform(0, 0.1))
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL, "the run ended before it could be killed"
        n_resumed += begun is not None
    assert n_resumed > N_KILLS / 2
    (run,) = killed.glob("*/run.json")  # what was killed before it had one is no run yet
    assert start(homes[0], "--resume", str(run.parent)).wait(timeout=300) == 0
    assert list(killed.rglob("*.part")) == []

    assert start(homes[1], *words).wait(timeout=300) == 0
    (other,) = whole.glob("*/run.json")
    assert figures(run.parent) == figures(other.parent)
