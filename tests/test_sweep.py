"""A sweep: how one job ends, and many of them in worker processes, killed and gone on with."""

import errno
import json
import logging
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from little_data import settings

sys.path.append(str(Path(__file__).parent / "tuning"))
from study_cases import on_job, processes_of, run_in_this_process, wait_for

from dataset_convert.common.errors import UsageError
from recbole_mirec import sweep
from recbole_mirec.checkpoint import load_state
from recbole_mirec.data.dataset import EvaluationSplit, MirecDataset
from recbole_mirec.experiment import run_experiment
from recbole_mirec.sweep import (
    DIVERGED,
    FAILED,
    FINISHED,
    STOPPED,
    End,
    Job,
    forget_failure,
    read_end,
    run_job,
    run_jobs,
)
from recbole_mirec.trainer import BEST, LAST, MirecTrainer

EPOCHS = 4


def trial(workplace: Path, folder: Path, model: str = "LightGCN", **changes: Any) -> Job:
    """A trial of four epochs, the last of which is not the best, each validated."""
    common = {"epochs": EPOCHS, "valid_metric": "MAP", "protocol": "known-brand", "eval_step": 1}
    given = {**common, "learning_rate": 0.1, "checkpoint_dir": str(folder.parent), **changes}
    return Job(folder, settings(workplace, model, **given), test=False)


def text_of(end: End | None) -> str:
    # as text: metrics that are undefined are NaN
    assert end is not None
    return str(replace(end, seconds=0.0))


def test_a_trial_finds_the_validation_figures_of_a_run_and_opens_no_test_part(
    workplace: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    parts: list[str] = []
    opened, measured = MirecDataset.evaluation_split, MirecTrainer.evaluate_split

    def open_part(self: MirecDataset, part: str) -> Any:
        parts.append(f"open {part}")
        return opened(self, part)

    def measure_part(self: MirecTrainer, split: EvaluationSplit, **named: Any) -> Any:
        parts.append(f"measure {split.part}")
        return measured(self, split, **named)

    monkeypatch.setattr(MirecDataset, "evaluation_split", open_part)
    monkeypatch.setattr(MirecTrainer, "evaluate_split", measure_part)
    job = trial(workplace, tmp_path / "study" / "7")
    capfd.readouterr()
    end = run_job(job)
    assert capfd.readouterr() == ("", "")
    assert set(parts) == {"open valid", "measure valid"}
    assert parts.count("measure valid") == EPOCHS + 1
    run = run_experiment({**job.settings, "checkpoint_dir": str(tmp_path / "run")})
    # the same spy sees a run that is no trial read the test part
    assert parts.count("measure test") == 1
    assert run.valid is not None
    assert str(end.metrics) == str(run.valid.summary)
    assert (end.status, end.reason) == (FINISHED, "")
    assert (end.best_epoch, end.n_epochs) == (run.best_epoch, EPOCHS)
    assert end.best_epoch < EPOCHS
    names = {".lock", BEST, LAST, "log.txt", "tensorboard", "trial.json"}
    assert {path.name for path in job.folder.iterdir()} == names
    assert (job.folder / "log.txt").read_text().count("valid_score: ") == EPOCHS
    assert text_of(read_end(job.folder)) == text_of(end)
    # lines after it go elsewhere
    length = (job.folder / "log.txt").stat().st_size
    logging.getLogger().info("a line after the trial")
    assert (job.folder / "log.txt").stat().st_size == length


def test_the_test_part_is_closed_to_a_trial(
    workplace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        sweep, "train", lambda experiment, _: experiment.dataset.evaluation_split("test")
    )
    assert run_job(trial(workplace, tmp_path / "1")).reason == (
        "PermissionError: The test part is closed: nothing may be measured on it now."
    )


def test_a_run_that_has_ended_is_read_from_its_record(workplace: Path, tmp_path: Path) -> None:
    job = replace(trial(workplace, tmp_path / "run"), test=True)
    assert read_end(job.folder) is None
    end = run_job(job)
    assert not (job.folder / "trial.json").exists()
    record = json.loads((job.folder / "run.json").read_text())
    assert text_of(read_end(job.folder)) == text_of(end)
    assert end.metrics["MAP"] == record["valid"]["MAP"]
    assert "n_brands" not in end.metrics
    assert (end.best_epoch, end.n_epochs) == (record["best_epoch"], record["n_epochs"])
    assert "test" in record
    for text in ("{", "[]", '{"status": "finished"}'):
        (job.folder / "run.json").write_text(text)
        with pytest.raises(UsageError, match=r"run.json' cannot be read: .* Delete it\."):
            read_end(job.folder)


@pytest.mark.parametrize("test", [True, False])
def test_failures_are_one_line_kept_and_forgotten(
    workplace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, test: bool
) -> None:
    wild = trial(workplace, tmp_path / "1", "BPR", train_batch_size=8, learning_rate=1e30)
    wild = replace(wild, test=test)
    end = run_job(wild)
    assert (end.status, end.metrics, end.best_epoch) == (DIVERGED, {}, 0)
    assert "NaN. Training diverged: lower learning_rate" in end.reason
    assert "\n" not in end.reason
    assert text_of(read_end(wild.folder)) == text_of(end)
    forget_failure(wild.folder)
    assert read_end(wild.folder) is None
    wrong = replace(trial(workplace, tmp_path / "2", "MIRec", input_dimension="wide"), test=test)
    reason = "Key 'input_dimension' must be a whole number. Received: 'wide'."
    assert run_job(wrong).reason == reason

    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("planned,\n  in two lines")

    monkeypatch.setattr(MirecTrainer, "fit", broken)
    end = run_job(replace(trial(workplace, tmp_path / "3"), test=test))
    assert (end.status, end.reason) == (FAILED, "RuntimeError: planned, in two lines")
    assert "in broken" in (tmp_path / "3" / "log.txt").read_text()
    full = OSError(errno.ENOSPC, "No space left on device")
    for error in (KeyboardInterrupt(), SystemExit(), full):
        patched = lambda *_, error=error, **__: (_ for _ in ()).throw(error)  # noqa: E731
        monkeypatch.setattr(MirecTrainer, "fit", patched)
        with pytest.raises(type(error)):
            run_job(replace(trial(workplace, tmp_path / "4"), test=test))
        assert read_end(tmp_path / "4") is None


def test_a_trial_that_diverges_late_has_trained_so_many_epochs(
    workplace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train = MirecTrainer._train_epoch

    def poisoned(self: MirecTrainer, data: Any, epoch_idx: int, *rest: Any, **named: Any) -> Any:
        if epoch_idx == 2:
            self._check_nan(torch.tensor(float("nan")))
        return train(self, data, epoch_idx, *rest, **named)

    monkeypatch.setattr(MirecTrainer, "_train_epoch", poisoned)
    end = run_job(trial(workplace, tmp_path / "1"))
    assert (end.status, end.n_epochs) == (DIVERGED, 2)


def test_a_trial_ends_at_its_first_validation_after_the_deadline(
    workplace: Path, tmp_path: Path
) -> None:
    end = run_job(trial(workplace, tmp_path / "1"), deadline=1.0)
    assert (end.status, end.best_epoch, end.n_epochs) == (STOPPED, 1, 1)
    assert end.reason == "the study's time was over after epoch 1"
    # one that has trained to its end is not stopped
    whole = run_job(trial(workplace, tmp_path / "2", epochs=1))
    assert text_of(run_job(trial(workplace, tmp_path / "3", epochs=1), 1.0)) == text_of(whole)


@pytest.mark.parametrize("model", ["MIRec", "LightGCN"])
@pytest.mark.parametrize(("place", "epoch"), [("_train_epoch", 3), ("_save_last", 0)])
def test_an_interrupted_trial_goes_on_as_if_nothing_had_happened(
    workplace: Path, tmp_path: Path, model: str, place: str, epoch: int
) -> None:
    whole = run_job(trial(workplace, tmp_path / "1", model))
    job = trial(workplace, tmp_path / "2", model)
    original: Any = getattr(MirecTrainer, place)

    def interrupted(self: MirecTrainer, *given: Any, **named: Any) -> Any:
        if (given[1] if place == "_train_epoch" else given[0]) == epoch:
            if place == "_train_epoch":
                next(iter(given[0]))  # generators move on before the interruption
                torch.rand(3)
            raise KeyboardInterrupt
        return original(self, *given, **named)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(MirecTrainer, place, interrupted)
        with pytest.raises(KeyboardInterrupt):
            run_job(job)
    half_written = job.folder / ".last.safetensors.1.part"
    half_written.write_bytes(b"of a killed process")
    torch.manual_seed(99)
    assert text_of(run_job(job)) == text_of(whole)
    assert not half_written.exists()
    states = [load_state(tmp_path / name / BEST) for name in "12"]
    for name, value in states[0]["state_dict"].items():
        assert torch.equal(value, states[1]["state_dict"][name]), name


def test_a_checkpoint_that_cannot_be_gone_on_with_is_begun_anew(
    workplace: Path, tmp_path: Path
) -> None:
    whole = run_job(trial(workplace, tmp_path / "1"))
    (tmp_path / "2").mkdir()
    (tmp_path / "2" / LAST).write_bytes(b"damaged")
    assert text_of(run_job(trial(workplace, tmp_path / "2"))) == text_of(whole)


def test_trials_of_one_process_do_not_depend_on_each_other(workplace: Path, tmp_path: Path) -> None:
    ends = [
        run_job(trial(workplace, tmp_path / str(n), "MIRec", seed=seed, learning_rate=rate))
        for n, (seed, rate) in enumerate([(3, 0.1), (4, 1e30), (3, 0.1)])
    ]
    assert text_of(ends[2]) == text_of(ends[0])


def title(job: Job) -> str:
    return f"job {job.folder.name}"


def test_jobs_that_have_ended_are_read_and_the_others_run(
    workplace: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run_in_this_process(monkeypatch)
    jobs = [trial(workplace, tmp_path / str(number), epochs=1) for number in range(4)]
    jobs[2] = trial(workplace, tmp_path / "2", "MIRec", input_dimension="wide")
    run_job(jobs[1])
    begun: list[Any] = []
    on_job(monkeypatch, lambda job: begun.append(job.folder.name))
    told: list[str] = []
    ends = run_jobs(
        jobs, title=title, metric="MAP", on_end=lambda job, _: told.append(job.folder.name)
    )
    assert begun == told == ["0", "2", "3"]
    assert list(ends) == [job.folder for job in jobs]
    assert [end.status for end in ends.values()] == [FINISHED, FINISHED, FAILED, FINISHED]
    lines = capsys.readouterr().err.splitlines()
    score = f"{ends[jobs[0].folder].metrics['MAP']:.4f}"
    assert lines[0].startswith(f"job 0: MAP {score} in ")
    assert lines[0].endswith(" left")
    assert lines[1].startswith("job 2: failed: Key 'input_dimension' must be a whole")
    assert lines[2].startswith("job 3: MAP 0.")
    assert "left" not in lines[2]
    again = run_jobs(jobs, title=title, metric="MAP")
    assert str(again) == str(ends)
    assert begun == ["0", "2", "3"]
    assert capsys.readouterr().err == ""


def test_no_job_begins_after_the_deadline_but_the_first_and_those_begun_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_in_this_process(monkeypatch)
    on_job(monkeypatch, lambda _: End(FINISHED, 1.0))
    jobs = [Job(tmp_path / str(number), {}, test=False) for number in range(4)]
    jobs[2].folder.mkdir()
    ends = run_jobs(jobs, title=title, metric="MAP", deadline=1.0)
    assert list(ends) == [jobs[0].folder, jobs[2].folder]


def test_two_workers_find_what_one_process_finds(
    workplace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def jobs(name: str) -> list[Job]:
        rates = (0.1, 0.01, 1e30)
        return [
            trial(workplace, tmp_path / name / str(n), "BPR", learning_rate=rate, epochs=2)
            for n, rate in enumerate(rates)
        ]

    found = run_jobs(jobs("two"), n_jobs=2, title=title, metric="MAP")
    assert multiprocessing.active_children() == []
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())
    run_in_this_process(monkeypatch)
    alone = run_jobs(jobs("one"), title=title, metric="MAP")
    assert list(map(text_of, found.values())) == list(map(text_of, alone.values()))


# What a worker does in these tests instead of training: pickled by its name.
def scripted(job: Job, _deadline: float | None, _anyway: bool) -> End:
    end = job.settings.get("end")
    if end == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if end == "full":
        raise OSError(errno.ENOSPC, "No space left on device", "best.safetensors")
    while end == "endless":
        (Path(job.folder.parent) / f"{os.getpid()}.beat").touch()
        time.sleep(0.05)
    blocked = signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, ())
    seen = {"threads": int(os.environ["OMP_NUM_THREADS"]), "blocked": blocked}
    return End(FINISHED, 1.0, "", {**seen, "pid": os.getpid()})


def run_scripted(folder: Path, *ends: str, n_jobs: int = 1) -> dict[str, End]:
    jobs = [Job(folder / f"{n}", {"end": end}) for n, end in enumerate(ends)]
    found = run_jobs(jobs, n_jobs=n_jobs, title=title, metric="MAP")
    assert multiprocessing.active_children() == []
    return {path.name: end for path, end in found.items()}


def test_workers_have_one_thread_hear_no_interrupt_and_do_many_jobs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweep, "run_task", scripted)
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    ends = run_scripted(tmp_path, "", "", "")
    (metrics,) = {tuple(end.metrics.items()) for end in ends.values()}
    assert dict(metrics)["threads"] == dict(metrics)["blocked"] == 1
    assert os.environ["OMP_NUM_THREADS"] == "2"


def test_a_dead_worker_is_one_line_and_a_full_disk_is_handed_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweep, "run_task", scripted)
    with pytest.raises(UsageError, match=r"^A worker process died; memory may have run out\. The"):
        run_scripted(tmp_path, "", "killed", "")
    with pytest.raises(OSError, match="No space left") as caught:
        run_scripted(tmp_path, "full", "endless", n_jobs=2)
    assert caught.value.filename == "best.safetensors"
    assert multiprocessing.active_children() == []

    def refuse(*_: Any) -> None:
        raise OSError("refused")

    jobs = [Job(tmp_path / end, {"end": end}) for end in ("x", "endless")]
    with pytest.raises(OSError, match="refused"):
        run_jobs(jobs, n_jobs=2, title=title, metric="MAP", on_end=refuse)
    assert multiprocessing.active_children() == []


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs /proc")
def test_workers_end_with_a_killed_parent(tmp_path: Path) -> None:
    marker = f"MIREC_TEST_SWEEP={tmp_path}"
    parent = subprocess.Popen(
        [sys.executable, __file__, str(tmp_path)],
        env={**os.environ, "MIREC_TEST_SWEEP": str(tmp_path)},
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(lambda: len(list(tmp_path.glob("*.beat"))) == 2)
        # the parent, its resource tracker, what workers are forks of, and two workers
        assert len(processes_of(marker)) == 5
    finally:
        parent.kill()
        parent.wait()
    wait_for(lambda: processes_of(marker) == [], seconds=10)


if __name__ == "__main__":
    sweep.run_task = scripted  # type: ignore[assignment]
    run_scripted(Path(sys.argv[1]), "endless", "endless", n_jobs=2)
