"""A folder in which one process works: who is refused, for how long, and what is cleared."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from little_data import settings

from dataset_convert.common.errors import UsageError
from recbole_mirec import cli, experiment
from recbole_mirec.runs import LOCK_FILE, alone_in

# The lock alone: what our own code imports takes seconds.
HOLDER = """
import sys
from filelock import FileLock
with FileLock(sys.argv[1]).acquire(timeout=0):
    print("mine", flush=True)
    sys.stdin.read()
"""


@contextmanager
def held(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that works in the folder."""
    folder.mkdir(exist_ok=True)
    command = [sys.executable, "-c", HOLDER, str(folder / LOCK_FILE)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "mine\n"
        yield other
        other.kill()


def test_another_process_is_refused_until_the_first_is_killed(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with held(folder) as other:
        (folder / ".x.part").touch()
        with pytest.raises(
            UsageError, match=r"Another process works on the run in '.*/run'\. Wait for it"
        ):
            alone_in(folder).__enter__()
        assert (folder / ".x.part").exists()
        other.kill()
        other.wait()
        with alone_in(folder):
            assert [path.name for path in folder.iterdir()] == [LOCK_FILE]
    with alone_in(folder):
        pass


def test_the_patient_wait_for_the_other_to_end(tmp_path: Path) -> None:
    with held(tmp_path) as other:
        threading.Timer(0.3, other.kill).start()
        with alone_in(tmp_path, patience=30):
            assert other.wait() != 0


def test_a_thread_may_enter_again_and_no_other_may(tmp_path: Path) -> None:
    refused = []

    def enter() -> None:
        try:
            with alone_in(tmp_path):
                pass
        except UsageError as error:
            refused.append(str(error))

    with alone_in(tmp_path):
        (tmp_path / ".x.part").touch()
        with alone_in(tmp_path / "." / ""):
            assert (tmp_path / ".x.part").exists()
        thread = threading.Thread(target=enter)
        thread.start()
        thread.join()
        assert len(refused) == 1
    enter()
    assert len(refused) == 1


def test_a_run_is_locked_while_it_trains_but_ranks(
    workplace: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    refusals = []
    train = experiment.train

    def look(made: experiment.Experiment) -> Any:
        command = [sys.executable, "-c", HOLDER, str(made.run_folder / LOCK_FILE)]
        done = subprocess.run(command, capture_output=True, text=True, input="", check=False)
        refusals.append(done.stderr.splitlines()[-1])
        return train(made)

    monkeypatch.setattr(experiment, "train", look)
    run = experiment.run_experiment(settings(workplace, "BPR")).run_folder
    assert len(refusals) == 1
    assert "Timeout: The file lock" in refusals[0]
    files = {path: path.read_bytes() for path in run.iterdir()}
    capsys.readouterr()
    with held(run):
        monkeypatch.setattr(experiment, "prepare", None)  # refused before anything is made
        assert cli.main(["--resume", str(run)]) == 2
        out, err = capsys.readouterr()
        assert out == ""
        assert err.startswith(f"error: Another process works on the run in '{run}'. Wait for it")
        assert err.count("\n") == 1
        assert {path: path.read_bytes() for path in run.iterdir()} == files
        monkeypatch.undo()
        brand = (run / "per_brand.test.csv").read_text().splitlines()[1].split(",")[0]
        assert cli.main(["--predict", brand, "--run", str(run)]) == 0
    assert cli.main(["--resume", str(run)]) == 0
