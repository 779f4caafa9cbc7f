"""A study's folder: whose it is, what it holds, and what is cleared away."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dataset_convert.common.errors import UsageError
from recbole_mirec.runs import OTHER_FOLDER, Claim, first_difference
from recbole_mirec.trainer import BEST, LAST
from recbole_mirec.tuning.records import TRIALS_FILE, Trial, read_trials, value_text, write_trials

STUDY_FILE, WINNER_FILE, RESULT_FILE = "study.json", "winner.yaml", "result.json"
REPORT_FILE = "tuning.html"


@dataclass(frozen=True)
class StudyFolder:
    """The files of a study.

    Attributes:
        path: holds `study.json` (what the study is), `trials.csv`, `trials/<n>/` (checkpoints of
            the best, logs of all), `winner.yaml`, `result.json` and `tuning.html`.
        parameters: names of what varies.
    """

    path: Path
    parameters: tuple[str, ...]

    @contextmanager
    def claimed(self, identity: Mapping[str, Any]) -> Iterator[None]:
        """Make the folder, or take up a study of this identity in it, alone.

        Raises:
            UsageError: the folder is another study's, or something else's, or in use.
        """
        with Claim("study", self.path, STUDY_FILE, _difference).held(identity):
            yield

    def read_trials(self) -> dict[int, Trial]:
        """The trials that have ended, by number."""
        return read_trials(self.path / TRIALS_FILE, self.parameters)

    def write_trials(self, trials: Iterable[Trial]) -> None:
        """Write `trials.csv`."""
        write_trials(self.path / TRIALS_FILE, trials, self.parameters)

    def check_stored(self, stored: Trial, parameters: Mapping[str, Any]) -> None:
        """Check that a trial read from the file is the one that the search proposes.

        Raises:
            UsageError: it is not: the file was changed.
        """
        for name in self.parameters:
            text = value_text(parameters[name])
            if stored.parameters[name] != text:
                raise UsageError(
                    f"'{self.path / TRIALS_FILE}', trial {stored.number}: {name} is "
                    f"{stored.parameters[name]}, where this study tries {text}. {OTHER_FOLDER}"
                )


def clear_checkpoints(trial_folders: Iterable[Path]) -> None:
    """Delete the checkpoints of trials."""
    for folder in trial_folders:
        for name in (BEST, LAST):
            (folder / name).unlink(missing_ok=True)


def _difference(found: Mapping[str, Any], wanted: Mapping[str, Any], key: str) -> str:
    """Where two identities differ first, in words."""
    old, new = found[key], wanted[key]
    if key == "data":
        return "the data set's files have changed since"
    if key == "space":
        return f"its space is {_space_words(old)}, not {_space_words(new)}"
    if key == "settings":
        return first_difference(old, new)
    return f"its {key} is {old!r}, not {new!r}"


def _space_words(space: list[dict[str, Any]]) -> str:
    return ", ".join(f"{one['name']} {one['kind']} {value_text(one['values'])}" for one in space)
