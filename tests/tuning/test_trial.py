"""One trial: what it finds, how it ends, and that the test part is closed to it."""

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from little_data import settings

from recbole_mirec.checkpoint import load_state
from recbole_mirec.data.dataset import EvaluationSplit, MirecDataset
from recbole_mirec.experiment import prepare, run_experiment
from recbole_mirec.trainer import BEST, LAST, MirecTrainer
from recbole_mirec.tuning import trial as trial_room
from recbole_mirec.tuning.trial import (
    DIVERGED,
    FAILED,
    FINISHED,
    STOPPED,
    Outcome,
    TrialStopped,
    TrialTask,
)

EPOCHS = 4
# A rate at which the first epoch is the best of four.
FALLING = {"learning_rate": 0.1}


def task(workplace: Path, folder: Path, model: str = "LightGCN", **changes: Any) -> TrialTask:
    common = {"epochs": EPOCHS, "valid_metric": "MAP", "protocol": "known-brand"}
    return TrialTask(settings(workplace, model, **(common | changes)), folder / "study")


def without_seconds(outcome: Outcome) -> str:
    # as text: metrics that are undefined are NaN
    assert outcome.seconds > 0
    return str(replace(outcome, seconds=0.0))


def test_a_trial_finds_the_validation_figures_of_a_run(
    workplace: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    trials = task(workplace, tmp_path)
    epochs: list[Any] = []
    capfd.readouterr()
    found = trials.run(7, FALLING, lambda *about: epochs.append(about))
    assert capfd.readouterr() == ("", "")
    run = run_experiment(trials.settings | FALLING | {"checkpoint_dir": str(tmp_path / "run")})
    assert run.valid is not None
    assert str(found.metrics) == str(run.valid.summary)
    assert found.score == run.valid.summary["MAP"] == found.metrics["MAP"]
    assert (found.status, found.reason) == (FINISHED, "")
    assert (found.best_epoch, found.n_epochs) == (run.best_epoch, EPOCHS) == (1, EPOCHS)
    # Every epoch was told, counted from 1, with its own figures.
    assert [number for number, _, _ in epochs] == [1, 2, 3, 4]
    assert all(score == metrics["MAP"] for _, score, metrics in epochs)
    assert max(score for _, score, _ in epochs) == found.score
    assert epochs[found.best_epoch - 1][1] == found.score
    folder = tmp_path / "study" / "trials" / "0007"
    assert {path.name for path in folder.iterdir()} == {".lock", BEST, LAST, "log.txt"}
    assert (folder / "log.txt").read_text().count("valid_score: ") == EPOCHS


def test_a_smaller_median_rank_is_the_better_score(workplace: Path, tmp_path: Path) -> None:
    trials = task(workplace, tmp_path, valid_metric="MedR")
    assert not trials.bigger
    assert task(workplace, tmp_path).bigger
    scores: list[float] = []
    found = trials.run(1, FALLING, lambda _epoch, score, _metrics: scores.append(score))
    assert len(set(scores)) > 1
    assert found.score == min(scores) == found.metrics["MedR"]


@pytest.mark.parametrize("model", ["MIRec", "BPR"])
def test_a_trial_that_diverges_says_so(workplace: Path, tmp_path: Path, model: str) -> None:
    trials = task(workplace, tmp_path, model, train_batch_size=8)
    found = trials.run(1, {"learning_rate": 1e30})
    assert (found.status, found.score, found.metrics, found.best_epoch) == (DIVERGED, None, {}, 0)
    assert "NaN. Training diverged: lower learning_rate" in found.reason
    assert "\n" not in found.reason
    assert found.seconds > 0


def test_a_trial_that_diverges_late_has_trained_so_many_epochs(
    workplace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train = MirecTrainer._train_epoch

    def poisoned(self: MirecTrainer, data: Any, epoch_idx: int, *rest: Any, **named: Any) -> Any:
        if epoch_idx == 2:
            self._check_nan(torch.tensor(float("nan")))
        return train(self, data, epoch_idx, *rest, **named)

    monkeypatch.setattr(MirecTrainer, "_train_epoch", poisoned)
    found = task(workplace, tmp_path).run(1, {})
    assert (found.status, found.score, found.n_epochs) == (DIVERGED, None, 2)


def test_wrong_settings_are_a_failure_with_the_line_a_user_would_see(
    workplace: Path, tmp_path: Path
) -> None:
    found = task(workplace, tmp_path, "MIRec").run(1, {"input_dimension": "wide"})
    assert (found.status, found.score, found.n_epochs) == (FAILED, None, 0)
    assert found.reason == (
        "The 'input_dimension' parameter must be a positive integer. Received: 'wide'."
    )


def test_a_defect_is_a_failure_with_its_class_and_a_traceback(
    workplace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> None:
        raise RuntimeError("planned,\n  in two lines")

    monkeypatch.setattr(trial_room, "train", broken)
    found = task(workplace, tmp_path).run(1, {})
    assert (found.status, found.reason) == (FAILED, "RuntimeError: planned, in two lines")
    log = (tmp_path / "study" / "trials" / "0001" / "log.txt").read_text()
    assert "Traceback" in log
    assert "in broken" in log

    def silent(*_: Any) -> None:
        raise RuntimeError

    monkeypatch.setattr(trial_room, "train", silent)
    assert task(workplace, tmp_path).run(2, {}).reason == "RuntimeError"


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
def test_what_the_user_asks_for_passes(
    workplace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: type[BaseException]
) -> None:
    def ended(*_: Any) -> None:
        raise kind

    monkeypatch.setattr(trial_room, "train", ended)
    with pytest.raises(kind):
        task(workplace, tmp_path).run(1, {})


def test_a_stopped_trial_has_the_best_epoch_up_to_there(workplace: Path, tmp_path: Path) -> None:
    scores: list[float] = []

    def stop(epoch: int, score: float, _metrics: Any) -> None:
        scores.append(score)
        if epoch == 3:
            raise TrialStopped("stopped by\nthe scheduler")

    found = task(workplace, tmp_path).run(1, FALLING, stop)
    assert (found.status, found.reason) == (STOPPED, "stopped by the scheduler")
    assert len(scores) == found.n_epochs == 3
    assert found.score == max(scores) == found.metrics["MAP"]
    assert scores[found.best_epoch - 1] == found.score


def test_a_trial_ends_at_its_first_validation_after_the_deadline(
    workplace: Path, tmp_path: Path
) -> None:
    late = replace(task(workplace, tmp_path), deadline=1.0)
    found = late.run(1, {})
    assert (found.status, found.best_epoch, found.n_epochs) == (STOPPED, 1, 1)
    assert found.reason == "the study's time was over after epoch 1"
    assert found.score == found.metrics["MAP"]


@pytest.mark.parametrize("changes", [{"epochs": 1}, {"epochs": 9, "stopping_step": 0}])
def test_a_trial_that_has_trained_to_its_end_is_not_stopped_by_the_deadline(
    workplace: Path, tmp_path: Path, changes: dict[str, Any]
) -> None:
    on_time = task(workplace, tmp_path, **changes).run(1, FALLING)
    ended: list[int] = []

    class Late(float):
        """The deadline: it is over from the last epoch of the trial on."""

        def __lt__(self, _now: float) -> bool:
            return len(ended) >= on_time.n_epochs

    late = replace(task(workplace, tmp_path, **changes), deadline=Late())
    found = late.run(2, FALLING, lambda epoch, *_: ended.append(epoch))
    assert without_seconds(found) == without_seconds(on_time)


def test_the_test_part_is_closed_to_a_trial(
    workplace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train = trial_room.train

    def curious(experiment: Any, after_epoch: Any) -> Any:
        train(experiment, after_epoch)
        return experiment.dataset.evaluation_split("test")

    monkeypatch.setattr(trial_room, "train", curious)
    found = task(workplace, tmp_path).run(1, {})
    assert (found.status, found.score) == (FAILED, None)
    assert found.reason == (
        "PermissionError: The test part is closed: nothing may be measured on it now."
    )


def test_a_trial_neither_opens_nor_measures_the_test_part(
    workplace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = spy_on_parts(monkeypatch)
    found = task(workplace, tmp_path).run(1, {})
    assert found.status == FINISHED
    assert set(parts) == {"open valid", "measure valid"}
    assert parts.count("measure valid") == EPOCHS + 1
    # The same spy sees a run that is no trial read the test part.
    run_experiment(task(workplace, tmp_path).trial_settings({}))
    assert parts.count("measure test") == 1


def spy_on_parts(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Which parts are opened and measured from now on, in order."""
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
    return parts


def interrupt(patch: pytest.MonkeyPatch, place: str, epoch: int) -> None:
    """Interrupt the trial once, in an epoch counted from 0."""
    original: Any = getattr(MirecTrainer, place)

    def interrupted(self: MirecTrainer, *given: Any, **named: Any) -> Any:
        now = given[1] if place == "_train_epoch" else given[0]
        if now == epoch:
            if place == "_train_epoch":
                next(iter(given[0]))  # generators move on before the interruption
                torch.rand(3)
            raise KeyboardInterrupt
        return original(self, *given, **named)

    patch.setattr(MirecTrainer, place, interrupted)


@pytest.mark.parametrize("model", ["MIRec", "LightGCN"])
@pytest.mark.parametrize(
    ("place", "epoch"),
    [("_train_epoch", 0), ("_train_epoch", 3), ("_save_last", 0), ("_save_last", 2)],
)
def test_an_interrupted_trial_goes_on_as_if_nothing_had_happened(
    workplace: Path, tmp_path: Path, model: str, place: str, epoch: int
) -> None:
    trials = task(workplace, tmp_path, model)
    whole = trials.run(1, FALLING)
    with pytest.MonkeyPatch.context() as patch:
        interrupt(patch, place, epoch)
        with pytest.raises(KeyboardInterrupt):
            trials.run(2, FALLING)
    folder = trials.trial_folder(2)
    assert (folder / LAST).exists() == (epoch > 0)
    half_written = folder / ".last.safetensors.1.part"
    half_written.write_bytes(b"of a killed process")
    torch.manual_seed(99)
    assert without_seconds(trials.run(2, FALLING)) == without_seconds(whole)
    assert not half_written.exists()
    states = [load_state(trials.trial_folder(n) / BEST) for n in (1, 2)]
    for name, value in states[0]["state_dict"].items():
        assert torch.equal(value, states[1]["state_dict"][name]), name


def test_a_trial_killed_before_it_could_report_trains_no_further(
    workplace: Path, tmp_path: Path
) -> None:
    trials = task(workplace, tmp_path)
    whole = trials.run(1, FALLING)
    epochs: list[int] = []
    again = trials.run(1, FALLING, lambda epoch, *_: epochs.append(epoch))
    assert without_seconds(again) == without_seconds(whole)
    assert epochs == []


def test_trials_of_one_process_do_not_depend_on_each_other(workplace: Path, tmp_path: Path) -> None:
    trials = task(workplace, tmp_path, "MIRec", protocol="new-brand")
    first = trials.run(1, {"seed": 3})
    trials.run(2, {"seed": 4, "learning_rate": 1e30})
    assert without_seconds(trials.run(3, {"seed": 3})) == without_seconds(first)
    experiment = prepare(trials.trial_settings({"seed": 3}), run_folder=tmp_path / "no run")
    assert experiment.dataset.closed_parts == frozenset()


def test_lines_go_to_the_log_of_their_own_trial(
    workplace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    trials = task(workplace, tmp_path, epochs=1)
    trials.run(1, {})
    length = (trials.trial_folder(1) / "log.txt").stat().st_size
    trials.run(2, {})
    logging.getLogger().info("a line after the trials")
    assert (trials.trial_folder(1) / "log.txt").stat().st_size == length
    assert [path.name for path in tmp_path.iterdir()] == ["study"]


def test_data_without_a_validation_part_cannot_be_tuned_on(
    workplace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(MirecDataset, "evaluation_split", lambda *_: None)
    found = task(workplace, tmp_path).run(1, {})
    assert (found.status, found.score) == (FAILED, None)
    assert found.reason.startswith("The data set has no validation part, so trials cannot be comp")
