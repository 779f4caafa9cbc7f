"""The runs of a benchmark as tables: one row a run, one row a run and brand."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from packaging.version import Version

from dataset_convert import schema
from recbole_mirec.benchmark.execution import RunEnd, read_end
from recbole_mirec.benchmark.planned import PlannedRun
from recbole_mirec.runs import write_text
from recbole_mirec.sweep import FINISHED

RUNS_FILE, PER_BRAND_FILE = "runs.csv", "per_brand.csv"
PARTS = (schema.VALID, schema.TEST)
RUN_COLUMNS = (
    *("label", "model", "protocol", "seed", "fold", "status", "reason"),
    *("best_epoch", "n_epochs", "seconds", "folder"),
)
# What tells the rows of per_brand.csv apart; all other columns are metrics.
KEY_COLUMNS = (
    *("label", "protocol", "seed", "fold", "part"),
    *(schema.BRAND_ID, schema.BRAND_CATEGORY),
)
NOT_RUN = "not run"


def run_ends(runs: Iterable[PlannedRun], folder: Path) -> dict[PlannedRun, RunEnd | None]:
    """How each run ended; None where it has not."""
    return {run: read_end(folder / run.folder) for run in runs}


def runs_frame(ends: Mapping[PlannedRun, RunEnd | None]) -> pd.DataFrame:
    """One row a run, in the order of the plan, with the columns `RUN_COLUMNS`.

    `fold` is 0 where there are no folds, `status` one of finished, diverged, failed and not run;
    `seconds` counts from when the run was last begun or gone on with.
    """
    return pd.DataFrame([_run_row(run, end) for run, end in ends.items()], columns=RUN_COLUMNS)


def _run_row(run: PlannedRun, end: RunEnd | None) -> tuple[Any, ...]:
    what = (run.entry.label, run.entry.model, run.protocol, run.seed, run.fold)
    if end is None:
        return (*what, NOT_RUN, "", 0, 0, 0.0, run.folder.as_posix())
    epochs = (end.record.get("best_epoch", 0), end.record.get("n_epochs", 0))
    return (*what, end.status, end.reason, *epochs, end.seconds, run.folder.as_posix())


def per_brand_frame(ends: Mapping[PlannedRun, RunEnd | None], folder: Path) -> pd.DataFrame:
    """One row a finished run, part and brand: `KEY_COLUMNS`, then one column a metric.

    A cell is empty where a brand has no such value, or where brands have no categories.
    """
    frames = [
        _brands(run, part, folder / run.folder / f"per_brand.{part}.csv")
        for run, end in ends.items()
        if end is not None and end.status == FINISHED
        for part in PARTS
        if part in end.record
    ]
    return _joined(frames)


# pandas reads numbers to the last digit by itself since 3.1, and deprecates being told to.
_EXACT: dict[str, Any] = (
    {} if Version(pd.__version__) >= Version("3.1") else {"float_precision": "round_trip"}
)


def _joined(frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    if not frames:
        return pd.DataFrame(columns=[*KEY_COLUMNS])
    joined = pd.concat(frames, ignore_index=True)
    metrics = [name for name in joined if name not in KEY_COLUMNS]
    return joined.reindex(columns=[*KEY_COLUMNS, *metrics])


def _brands(run: PlannedRun, part: str, path: Path) -> pd.DataFrame:
    # an empty cell is missing; a brand or a category may be called NA
    frame: pd.DataFrame = pd.read_csv(
        path,
        dtype={schema.BRAND_ID: str, schema.BRAND_CATEGORY: str},
        keep_default_na=False,
        na_values=[""],
        **_EXACT,
    )
    keys: tuple[Any, ...] = (run.entry.label, run.protocol, run.seed, run.fold, part)
    for name, value in zip(KEY_COLUMNS, keys, strict=False):
        frame[name] = value
    return frame


def write_frame(path: Path, frame: pd.DataFrame) -> None:
    """Write a table as CSV; numbers keep 12 digits."""
    write_text(path, frame.to_csv(index=False, float_format="%.12g"))
