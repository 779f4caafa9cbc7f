"""A study's best trial: its settings as YAML, and its one evaluation on the test part."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
import yaml

from dataset_convert.common.errors import UsageError
from recbole_mirec.experiment import run_experiment
from recbole_mirec.runs import write_text
from recbole_mirec.tuning.records import Trial
from recbole_mirec.tuning.study_folder import RESULT_FILE, WINNER_FILE, StudyFolder
from recbole_mirec.tuning.trial import LOG, STOPPED, TrialTask


@dataclass(frozen=True, eq=False)
class Winner:
    """The best trial of a study.

    Attributes:
        trial: as it was run.
        yaml: settings that `run_recbole_mirec.py --config_files` takes as they are.
        valid, test: metric -> value of its best epoch; None where there is no test part.
        n_tested: how often this study has evaluated a winner on the test part; more than once
            only where it was extended and another trial won.
    """

    trial: Trial
    yaml: str
    valid: Mapping[str, float]
    test: Mapping[str, float] | None
    n_tested: int

    @property
    def metrics(self) -> pd.DataFrame:
        """`metric`, `validation` and, where there is such a part, `test`."""
        frame = pd.DataFrame(self.valid.items(), columns=["metric", "validation"])
        return frame if self.test is None else frame.assign(test=frame["metric"].map(self.test))


def test_winner(task: TrialTask, place: StudyFolder, trial: Trial, *, n_trials: int) -> Winner:
    """Evaluate a study's winner on both parts, unless that was done already, and write its YAML.

    The trial's folder becomes a run like any other, which `--predict` can use.

    Args:
        task: of the study.
        place: the study's folder.
        trial: the winner.
        n_trials: trials of the study.
    """
    settings = winner_settings(task.settings, trial)
    text = _yaml(settings, trial, str(task.settings["valid_metric"]), n_trials)
    write_text(place.path / WINNER_FILE, text)
    known = _known_result(place)
    if known.get("trial") != trial.number:
        folder = task.trial_folder(trial.number)
        run = run_experiment(
            settings | {"checkpoint_dir": str(task.folder), "show_progress": False},
            resume=folder,
            log_file=folder / LOG,
        )
        assert run.valid is not None
        known = {
            "trial": trial.number,
            "valid": run.valid.summary,
            "test": None if run.test is None else run.test.summary,
            "n_tested": known.get("n_tested", 0) + 1,
        }
        write_text(place.path / RESULT_FILE, json.dumps(known, indent=2) + "\n")
    return Winner(trial, text, known["valid"], known["test"], known["n_tested"])


def winner_settings(fixed: Mapping[str, Any], trial: Trial) -> dict[str, Any]:
    """Every key that repeats a trial.

    Args:
        fixed: the study's settings.
        trial: one that was stopped early is repeated with as many epochs as it had.
    """
    settings = {"model": fixed["model"], "dataset": fixed["dataset"]} | {
        key: value for key, value in fixed.items() if key not in ("checkpoint_dir", "show_progress")
    }
    settings |= trial.parameters
    if trial.outcome.status == STOPPED:
        settings["epochs"] = trial.outcome.n_epochs
    return settings


def _yaml(settings: Mapping[str, Any], trial: Trial, metric: str, n_trials: int) -> str:
    # as plain words, numbers and lists, whatever they came from
    plain = json.loads(json.dumps(dict(settings), default=str))
    return (
        f"# Trial {trial.number} of {n_trials}: validation {metric} {trial.outcome.score:.6g} in "
        f"epoch {trial.outcome.best_epoch} of {trial.outcome.n_epochs}.\n"
        f"# python run_recbole_mirec.py --config_files THIS_FILE\n"
        f"{yaml.safe_dump(plain, sort_keys=False)}"
    )


def _known_result(place: StudyFolder) -> dict[str, Any]:
    path = place.path / RESULT_FILE
    if not path.exists():
        return {}
    try:
        known: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        missing = {"trial", "valid", "test", "n_tested"} - set(known)
    except (UnicodeDecodeError, TypeError, ValueError) as error:
        raise UsageError(f"'{path}' cannot be read: {error!r}. Delete it.") from None
    if missing:
        raise UsageError(f"'{path}' lacks '{sorted(missing)[0]}'. Delete it.")
    return known
