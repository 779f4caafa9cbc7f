"""Runs and bundles that still hold an account after a data set has forgotten it."""

import json
from collections.abc import Iterator
from pathlib import Path

RUN_FILE, REFIT, BUNDLE = "run.json", "refit", "bundle.json"
"""What says that a folder is a run, the model that a run trained again, or a bundle."""
TABLES = ("accounts.parquet", "partners.parquet")
"""Of a bundle."""


def find_holders(folder: Path, name: str, account: str) -> Iterator[Path]:
    """Yields runs on a data set, the folders where they trained again, and bundles with an account.

    Args:
        folder: Where runs and bundles are, at any depth.
        name: Of the data set: a run on it has learnt from all its accounts.
        account: Its id as it stands in the files.
    """
    for path in sorted(folder.rglob("*.json")):
        if path.name == RUN_FILE and _dataset(path) == name:
            yield path.parent
            if (path.parent / REFIT).is_dir():
                yield path.parent / REFIT
        elif path.name == BUNDLE and any(_has(path.parent / x, account) for x in TABLES):
            yield path.parent


def _dataset(path: Path) -> object:
    try:
        return json.loads(path.read_text(encoding="utf-8"))["dataset"]
    except (KeyError, OSError, TypeError, ValueError):
        return None


def _has(table: Path, account: str) -> bool:
    """Whether a table names an account; True of one that nobody can read."""
    # Imported here: who only wants the names above, such as every run, need not wait for it.
    import duckdb

    try:
        rows = duckdb.execute("from read_parquet($path)", {"path": str(table)}).df()
    except duckdb.Error:
        return table.exists()
    return bool((rows == account).any(axis=None))
