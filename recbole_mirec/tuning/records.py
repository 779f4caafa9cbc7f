"""`trials.csv`: every finished trial of a study, one line each."""

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from dataset_convert.common.errors import UsageError
from recbole_mirec.runs import write_text
from recbole_mirec.tuning.trial import STATUSES, Outcome

TRIALS_FILE = "trials.csv"
TRIAL, STATUS, SCORE, REASON = "trial", "status", "score", "reason"
BEST_EPOCH, N_EPOCHS, SECONDS, CLOCK = "best_epoch", "n_epochs", "seconds", "finished_at"
VALID = "valid_"
TIMES = (SECONDS, CLOCK)


@dataclass(frozen=True)
class Trial:
    """A finished trial.

    Attributes:
        number: from 1.
        parameters: key -> value; as text where they were read from a file.
        outcome: what it found.
        clock: seconds that the study had run when it ended, interruptions left out.
    """

    number: int
    parameters: Mapping[str, Any]
    outcome: Outcome
    clock: float


def value_text(value: Any) -> str:
    """How a parameter's value stands in the file: words as they are, all else as JSON."""
    return value if isinstance(value, str) else json.dumps(value)


def trials_frame(trials: Iterable[Trial], parameters: Sequence[str]) -> pd.DataFrame:
    """Trials as a table, sorted by number.

    Args:
        trials: in any order.
        parameters: names, in the order of the columns.

    Returns:
        `trial`, `status`, `score`, one column a parameter with values as they are, one column
        `valid_<metric>` a metric, `best_epoch`, `n_epochs`, `seconds`, `finished_at`, `reason`.
        What a trial lacks is None.
    """
    ordered = sorted(trials, key=lambda trial: trial.number)
    metrics = list(dict.fromkeys(name for trial in ordered for name in trial.outcome.metrics))
    columns: dict[str, list[Any]] = {
        TRIAL: [trial.number for trial in ordered],
        STATUS: [trial.outcome.status for trial in ordered],
        SCORE: [trial.outcome.score for trial in ordered],
        **{name: [trial.parameters[name] for trial in ordered] for name in parameters},
        **{
            f"{VALID}{name}": [trial.outcome.metrics.get(name) for trial in ordered]
            for name in metrics
        },
        BEST_EPOCH: [trial.outcome.best_epoch for trial in ordered],
        N_EPOCHS: [trial.outcome.n_epochs for trial in ordered],
        SECONDS: [round(trial.outcome.seconds, 2) for trial in ordered],
        CLOCK: [round(trial.clock, 2) for trial in ordered],
        REASON: [trial.outcome.reason for trial in ordered],
    }
    return pd.DataFrame({name: pd.Series(values, dtype=object) for name, values in columns.items()})


def write_trials(path: Path, trials: Iterable[Trial], parameters: Sequence[str]) -> None:
    """Write the whole file under a temporary name and rename it."""
    frame = trials_frame(trials, parameters)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(frame.columns)
    for row in frame.itertuples(index=False):
        writer.writerow(
            "" if value is None and name not in parameters else value_text(value)
            for name, value in zip(frame.columns, row, strict=True)
        )
    write_text(path, text.getvalue())


def read_trials(path: Path, parameters: Sequence[str]) -> dict[int, Trial]:
    """Read the trials of a study that was interrupted; none where there is no file.

    Raises:
        UsageError: the file is not what `write_trials` wrote; names the line.
    """
    if not path.exists():
        return {}
    try:
        # as bytes, because text mode would change line ends inside of values
        text = path.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise UsageError(f"'{path}' cannot be read: {error}. {_REMEDY}") from None
    reader = csv.DictReader(io.StringIO(text), strict=True)
    trials: dict[int, Trial] = {}
    try:
        for name in (TRIAL, STATUS, SCORE, *parameters, BEST_EPOCH, N_EPOCHS, *TIMES, REASON):
            if name not in (reader.fieldnames or ()):
                raise ValueError(f"column '{name}' is missing")
        for row in reader:
            trial = _trial(row, parameters)
            if trial.number < 1 or trial.number in trials:
                raise ValueError(f"its number {trial.number} stands twice or is below 1")
            trials[trial.number] = trial
    except (csv.Error, ValueError) as error:
        line = max(reader.reader.line_num, 1)
        raise UsageError(f"'{path}', line {line}: {error}. {_REMEDY}") from None
    return trials


_REMEDY = "The file was changed by hand; put it back, or start in another folder with --results."


def _trial(row: Mapping[str, str], parameters: Sequence[str]) -> Trial:
    # where csv puts what is too much, and what it fills in for what is too little
    if None in row or None in row.values():
        raise ValueError("it has more or fewer values than the header has columns")
    if row[STATUS] not in STATUSES:
        raise ValueError(f"unknown status '{row[STATUS]}'")
    metrics = {
        name.removeprefix(VALID): float(text)
        for name, text in row.items()
        if name.startswith(VALID) and text
    }
    outcome = Outcome(
        row[STATUS],
        float(row[SCORE]) if row[SCORE] else None,
        metrics,
        best_epoch=int(row[BEST_EPOCH]),
        n_epochs=int(row[N_EPOCHS]),
        seconds=float(row[SECONDS]),
        reason=row[REASON],
    )
    named = {name: row[name] for name in parameters}
    return Trial(int(row[TRIAL]), named, outcome, float(row[CLOCK]))
