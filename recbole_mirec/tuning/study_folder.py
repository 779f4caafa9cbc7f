"""A study's folder: whose it is, what it holds, and what is cleared away."""

import fcntl
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recbole_mirec.errors import UsageError
from recbole_mirec.runs import versions, write_text
from recbole_mirec.trainer import BEST, LAST
from recbole_mirec.tuning.records import TRIALS_FILE, Trial, read_trials, value_text, write_trials

STUDY_FILE, WINNER_FILE, RESULT_FILE = "study.json", "winner.yaml", "result.json"
REPORT_FILE, LOCK_FILE = "tuning.html", ".lock"
OTHER_FOLDER = "Name another folder with --results, or leave --results out."


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
        if self._is_something_else():
            raise UsageError(
                f"'{self.path}' is no folder of a study: it has other content and no "
                f"{STUDY_FILE}. {OTHER_FOLDER}"
            )
        self.path.mkdir(parents=True, exist_ok=True)
        with (self.path / LOCK_FILE).open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise UsageError(
                    f"Another process works on the study in '{self.path}'; wait for it, or name "
                    f"another folder with --results."
                ) from None
            self._check_identity(identity)
            # what a process that was killed left half written
            for partial in self.path.glob(".*.part"):
                partial.unlink()
            yield

    def _is_something_else(self) -> bool:
        if not self.path.exists() or (self.path / STUDY_FILE).exists():
            return False
        ours = (LOCK_FILE, f".{STUDY_FILE}.")
        return not self.path.is_dir() or not all(
            entry.name.startswith(ours) for entry in self.path.iterdir()
        )

    def _check_identity(self, identity: Mapping[str, Any]) -> None:
        path = self.path / STUDY_FILE
        if not path.exists():
            content = {"identity": identity, "versions": versions()}
            write_text(path, json.dumps(content, indent=2) + "\n")
            return
        try:
            found = json.loads(path.read_text(encoding="utf-8"))["identity"]
            differing = [key for key in identity if found[key] != identity[key]]
            difference = _difference(found, identity, differing[0]) if differing else ""
        except (KeyError, TypeError, ValueError) as error:
            raise UsageError(f"'{path}' cannot be read: {error!r}. {OTHER_FOLDER}") from None
        if difference:
            raise UsageError(f"'{self.path}' holds another study: {difference}. {OTHER_FOLDER}")

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
        name = next(
            name
            for name in {**old, **new}
            if (name in old) != (name in new) or old[name] != new[name]
        )
        before, now = (repr(one[name]) if name in one else "unset" for one in (old, new))
        return f"its {name} is {before}, not {now}"
    return f"its {key} is {old!r}, not {new!r}"


def _space_words(space: list[dict[str, Any]]) -> str:
    return ", ".join(f"{one['name']} {one['kind']} {value_text(one['values'])}" for one in space)
