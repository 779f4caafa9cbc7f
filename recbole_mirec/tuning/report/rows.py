"""The rows of trials.csv as checked objects."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from recbole_mirec.sweep import FINISHED, STOPPED
from recbole_mirec.tuning.report.axis import plain
from recbole_mirec.tuning.space import Parameter
from recbole_mirec.tuning.trial import (
    BEST_EPOCH,
    N_EPOCHS,
    REASON,
    SCORE,
    SECONDS,
    STATUS,
    TRIAL,
)

SCORED = (FINISHED, STOPPED)
_COLUMNS = (TRIAL, STATUS, SCORE, BEST_EPOCH, N_EPOCHS, SECONDS, REASON)


@dataclass(frozen=True)
class TrialRow:
    """One trial of a study.

    Attributes:
        number: from 1.
        status: finished | stopped | diverged | failed.
        score: best validation score of a finished or stopped trial; None where there is none.
        values: parameter -> value.
        best_epoch: from 1; 0 where there is none.
        n_epochs: epochs trained.
        seconds: time taken.
        reason: one line; "" for a trial that ran to its end.
    """

    number: int
    status: str
    score: float | None
    values: dict[str, Any]
    best_epoch: int
    n_epochs: int
    seconds: float
    reason: str


def read_rows(trials: pd.DataFrame, parameters: Sequence[Parameter]) -> list[TrialRow]:
    """The trials in the order of their numbers.

    Args:
        trials: columns `trial`, `status`, `score`, one a parameter, `best_epoch`, `n_epochs`,
            `seconds`, `reason`; others are left out. Values may be Python's or, as read from a
            CSV file, texts of them.
        parameters: those of the search space.

    Raises:
        ValueError: a column is missing.
    """
    names = [parameter.name for parameter in parameters]
    missing = [name for name in (*_COLUMNS, *names) if name not in trials.columns]
    if missing:
        raise ValueError(
            f"The 'trials' parameter of read_rows must have the columns {', '.join(missing)}. "
            f"Received: {', '.join(map(str, trials.columns))}."
        )
    rows = [_row(record, names) for record in trials.to_dict(orient="records")]
    return sorted(rows, key=lambda row: row.number)


def _row(record: dict[Any, Any], names: Sequence[str]) -> TrialRow:
    status = str(record[STATUS])
    score = _number(record[SCORE])
    return TrialRow(
        number=int(record[TRIAL]),
        status=status,
        score=score if status in SCORED else None,
        values={name: plain(record[name]) for name in names},
        best_epoch=int(_number(record[BEST_EPOCH]) or 0),
        n_epochs=int(_number(record[N_EPOCHS]) or 0),
        seconds=_number(record[SECONDS]) or 0.0,
        reason=_text(record[REASON]),
    )


def _number(cell: Any) -> float | None:
    number = math.nan if plain(cell) is None else float(cell)
    return number if math.isfinite(number) else None


def _text(cell: Any) -> str:
    # An empty cell of a CSV file is read as NaN.
    return cell if isinstance(cell, str) else ""
