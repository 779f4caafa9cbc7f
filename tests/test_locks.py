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
from recbole_mirec import cli, sweep
from recbole_mirec import experiment as quick_start
from recbole_mirec.experiment import run_experiment
from recbole_mirec.runs import LOCK_FILE, alone_in, training_in

HOLDER = """
import sys
from pathlib import Path
from recbole_mirec.runs import training_in
with training_in(Path(sys.argv[1])):
    print("mine", flush=True)
    sys.stdin.read()
"""


@contextmanager
def held(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that works in the folder."""
    command = [sys.executable, "-c", HOLDER, str(folder)]
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
        with pytest.raises(UsageError, match=r"Another process trains in '.*/run'\. Wait for it"):
            training_in(folder).__enter__()
        assert (folder / ".x.part").exists()
        other.kill()
        other.wait()
        with training_in(folder):
            assert [path.name for path in folder.iterdir()] == [LOCK_FILE]
    with training_in(folder):
        pass


def test_the_patient_wait_for_the_other_to_end(tmp_path: Path) -> None:
    with held(tmp_path) as other:
        threading.Timer(0.3, other.kill).start()
        with alone_in(tmp_path, busy="busy", patience=30):
            assert other.wait() != 0


def test_a_thread_may_enter_again_and_no_other_may(tmp_path: Path) -> None:
    refused = []

    def enter() -> None:
        try:
            with alone_in(tmp_path, busy="busy"):
                pass
        except UsageError as error:
            refused.append(str(error))

    with alone_in(tmp_path, busy="busy"):
        (tmp_path / ".x.part").touch()
        with alone_in(tmp_path / "." / "", busy="busy"):
            assert (tmp_path / ".x.part").exists()
        thread = threading.Thread(target=enter)
        thread.start()
        thread.join()
        assert refused == ["busy"]
    enter()
    assert refused == ["busy"]


def test_a_run_that_goes_on_elsewhere_is_not_resumed_but_ranks(
    workplace: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = run_experiment(settings(workplace, "BPR")).run_folder
    files = {path: path.read_bytes() for path in run.iterdir()}
    capsys.readouterr()
    with held(run):
        monkeypatch.setattr(quick_start, "prepare", None)  # refused before anything is made
        assert cli.main(["--resume", str(run)]) == 2
        out, err = capsys.readouterr()
        assert out == ""
        assert (
            err == f"error: Another process trains in '{run}'. Wait for it to end, then try ag"
            "ain.\n"
        )
        assert {path: path.read_bytes() for path in run.iterdir()} == files
        monkeypatch.undo()
        brand = (run / "per_brand.test.csv").read_text().splitlines()[1].split(",")[0]
        assert cli.main(["--predict", brand, "--run", str(run)]) == 0
    assert cli.main(["--resume", str(run)]) == 0


def test_a_run_is_locked_while_it_trains(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refusals = []
    train = quick_start.train

    def look(experiment: Any) -> Any:
        command = [sys.executable, "-c", HOLDER, str(experiment.run_folder)]
        done = subprocess.run(command, capture_output=True, text=True, input="", check=False)
        refusals.append(done.stderr.splitlines()[-1])
        return train(experiment)

    monkeypatch.setattr(quick_start, "train", look)
    run = run_experiment(settings(workplace, "BPR")).run_folder
    run_experiment(settings(workplace, "BPR"), resume=run)
    assert len(refusals) == 2
    for refusal in refusals:
        assert f"UsageError: Another process trains in '{run}'." in refusal


@pytest.mark.parametrize("test", [True, False])
def test_a_job_of_a_sweep_does_not_join_another(
    workplace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, test: bool
) -> None:
    monkeypatch.setattr(sweep, "PATIENCE", 0.1)
    job = sweep.Job(tmp_path / "1", settings(workplace, "BPR", valid_metric="MAP"), test=test)
    with held(job.folder):
        end = sweep.run_job(job)
        assert (end.status, end.n_epochs) == ("failed", 0)
        assert end.reason.startswith("Another process trains in ")
        assert [path.name for path in job.folder.iterdir()] == [LOCK_FILE]
    assert sweep.run_job(job).status == "finished"
    files = {path.name for path in job.folder.iterdir()}
    with held(job.folder):
        assert sweep.run_job(job).reason.startswith("Another process trains in ")
    # its checkpoints above all, which are otherwise deleted where they cannot be gone on with
    assert {path.name for path in job.folder.iterdir()} == files
