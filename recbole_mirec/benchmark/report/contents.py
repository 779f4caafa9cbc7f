"""The files of a benchmark's folder, read and checked for the page."""

import json
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pandas as pd

from dataset_convert import schema
from recbole_mirec.benchmark.portrait_file import Portrait, read_portrait_file
from recbole_mirec.runs import RUN_FILE

RESULTS, RUNS, PER_BRAND, RANKS = "results.csv", "runs.csv", "per_brand.csv", "ranks.test.csv"
FINISHED: Final = "finished"
COLUMNS: Final = {
    RESULTS: (
        *("label", "protocol", "part", "metric", "mean", "low", "high", "n_brands", "n_runs"),
        *("difference", "difference_low", "difference_high", "p_holm", "significant"),
        *("against", "leads"),
    ),
    RUNS: (
        *("label", "model", "protocol", "seed", "fold", "status", "reason"),
        *("best_epoch", "n_epochs", "seconds", "folder"),
    ),
    PER_BRAND: ("label", "protocol", "seed", "fold", "part", "brand_id"),
    RANKS: ("brand_id", "influencer_id", "rank", "n_candidates", "unseen"),
}
_TEXTS = (
    "label",
    "model",
    "protocol",
    "part",
    "metric",
    "status",
    "reason",
    "folder",
    "brand_id",
    "against",
)


@dataclass(frozen=True, eq=False)
class Contents:
    """What the page is drawn from.

    Attributes:
        results: the rows of results.csv.
        runs: those of runs.csv, with `record`: the content of run.json, or None.
        per_brand: those of per_brand.csv.
        ranks: those of every finished run's ranks.test.csv, with `label`, `protocol`, `seed`.
        portrait: of the main model's accounts; None where there is none.
    """

    results: pd.DataFrame
    runs: pd.DataFrame
    per_brand: pd.DataFrame
    ranks: pd.DataFrame
    portrait: Portrait | None

    @property
    def labels(self) -> list[str]:
        """Labels of the models, in the order of the runs."""
        return list(dict.fromkeys(self.runs["label"]))

    @property
    def protocols(self) -> list[str]:
        """Protocols, in the order of the runs."""
        return list(dict.fromkeys(self.runs["protocol"]))

    @property
    def records(self) -> list[dict[str, Any]]:
        """Records of the finished runs."""
        return [record for record in self.runs["record"] if record is not None]


def read_contents(folder: Path) -> Contents:
    """Read the files that a benchmark has written.

    Args:
        folder: of the benchmark.

    Raises:
        ValueError: a file lacks a column, or no run has finished.
        OSError: a file cannot be read.
    """
    table = read_table(folder / RUNS)
    if not (table["status"] == FINISHED).any():
        raise ValueError(f"'{folder}' must hold a finished run to make a page of.")
    records = [
        _record(folder / str(row["folder"])) if row["status"] == FINISHED else None
        for _, row in table.iterrows()
    ]
    table["record"] = pd.Series(records, index=table.index, dtype=object)
    return Contents(
        results=read_table(folder / RESULTS),
        runs=table,
        per_brand=read_table(folder / PER_BRAND),
        ranks=_ranks(folder, table),
        portrait=read_portrait_file(folder),
    )


def read_table(path: Path) -> pd.DataFrame:
    """A file of the benchmark; words stay words, and an empty word is "".

    Raises:
        ValueError: a column is missing.
    """
    words: dict[Hashable, type[str]] = dict.fromkeys((*_TEXTS, schema.BRAND_CATEGORY), str)
    # An empty cell is missing; a brand or a category may be called NA.
    frame = pd.read_csv(path, dtype=words, keep_default_na=False, na_values=[""])
    missing = [name for name in COLUMNS[path.name] if name not in frame]
    if missing:
        raise ValueError(
            f"'{path}' must have the columns {', '.join(missing)}. "
            f"Received: {', '.join(map(str, frame.columns))}."
        )
    texts = [name for name in _TEXTS if name in frame]
    frame[texts] = frame[texts].fillna("")
    return frame


def _record(folder: Path) -> dict[str, Any]:
    record: dict[str, Any] = json.loads((folder / RUN_FILE).read_text(encoding="utf-8"))
    return record


def _ranks(folder: Path, table: pd.DataFrame) -> pd.DataFrame:
    frames: list[pd.DataFrame] = []
    for _, run in table[table["status"] == FINISHED].iterrows():
        path = folder / str(run["folder"]) / RANKS
        if path.is_file():
            frame = read_table(path)
            frames.append(frame.assign(**{name: run[name] for name in _RUN_KEYS}))
    if not frames:
        return pd.DataFrame(columns=[*_RUN_KEYS, *COLUMNS[RANKS]])
    return pd.concat(frames, ignore_index=True)


_RUN_KEYS: Sequence[str] = ("label", "protocol", "seed")
