"""Atomic files: the contract between the conversion and the recommender."""

import hashlib
import json
import os
import platform
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from dataset_convert import checks, schema
from dataset_convert.checks import AtomicFileError, Table
from dataset_convert.common.errors import UsageError, shown, wanted_word
from dataset_convert.common.files import folder_in_the_making

__all__ = ["AtomicData", "AtomicFileError", "fingerprint", "read_atomic", "write_atomic"]

INTERACTION_ROWS, CATEGORY_ROWS = "interactions", "influencer_category"
EXTRAS = ("causes.csv", "features", "problems.csv", "report.html")
"""What may stand beside the atomic files: why pairs of a synthetic data set are there, fitted
extractors, rows left out, the data report."""
_EXTRAS_KEY = "extras_fingerprint"
_PAIR = (schema.BRAND_ID, schema.INFLUENCER_ID)
Step = Callable[[Path], None]
Types = Mapping[str, schema.FieldType]
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")


@dataclass(frozen=True, eq=False)
class AtomicData:
    """A checked data set, as it stands in its atomic files.

    Sequence columns hold one Python object per row and `None` where the modality is missing: a
    1-D float64 array for `float_seq`, a list of strings for `token_seq`. Ids and categories are
    strings; a missing follower count is NaN.

    Attributes:
        name: The data set's name, the stem of its files.
        brands: One row per brand; columns from `schema.account_types("brand")`.
        influencers: One row per influencer; columns from `schema.account_types("influencer")`.
        interactions: Positive pairs; columns from `schema.INTERACTION_TYPES`.
        influencer_category: Category by influencer id, or None. A label in disguise: for
            stratification, cAUC and plots, never an input of a model.
        splits: Protocol -> part -> the pairs of that part. `test` may be absent.
        manifest: Source format, row counts, seed, versions, dimension names.
        facts: Side -> what people and filters read and no model sees; columns from
            `schema.facts_types`.
    """

    name: str
    brands: pd.DataFrame
    influencers: pd.DataFrame
    interactions: pd.DataFrame
    influencer_category: "pd.Series[str] | None"
    splits: Mapping[str, Mapping[str, pd.DataFrame]]
    manifest: Mapping[str, Any]
    facts: Mapping[schema.Side, pd.DataFrame] = field(default_factory=dict)

    def accounts(self, side: schema.Side) -> pd.DataFrame:
        """Returns the rows of one side."""
        return self.brands if side == schema.BRAND else self.influencers


def write_atomic(
    data: AtomicData,
    folder: Path | str,
    *,
    extra: Step | None = None,
    check: Step | None = None,
) -> AtomicData:
    """Writes a data set as atomic files, all or nothing.

    The files are written to a hidden sibling folder and read back; only a data set that is
    complete and that `read_atomic` accepts takes the place of `folder`, where an old data set of
    the same name is replaced. The same input gives the same bytes on the same platform. Row
    counts, versions and the fingerprint of the files are added to the manifest.

    Args:
        data: What to write.
        folder: The data set's own folder, e.g. `dataset/mirec-demo`.
        extra: Called with the folder in the making, where it may write `EXTRAS`.
        check: Called with the folder when all is written; may refuse it.

    Returns:
        The data as it was read back.

    Raises:
        AtomicFileError: The data is not as the contract wants it.
        ValueError: A bad name, a `folder` that holds files of something else, or a value that
            cannot be written.
    """
    folder = Path(folder)
    check_target(folder, data.name)
    return replace_atomic(data, folder, extra=extra, check=check)


def replace_atomic(
    data: AtomicData, folder: Path, *, extra: Step | None = None, check: Step | None = None
) -> AtomicData:
    """Writes a data set as `write_atomic` does, whatever the old folder holds beside it.

    Files of the old folder that `extra` does not copy are gone.
    """
    try:
        with folder_in_the_making(folder) as building:
            rows = _write_tables(data, building)
            if extra is not None:
                extra(building)
            _write_manifest(data, building, rows)
            if check is not None:
                check(building)
            return read_atomic(building, data.name)
    except AtomicFileError as error:
        raise error.moved_to(folder / error.path.name) from None


def read_atomic(folder: Path | str, name: str) -> AtomicData:
    """Reads a data set's atomic files and checks everything about them.

    Args:
        folder: The folder that holds the files.
        name: The data set's name, the stem of the files.

    Returns:
        The data, rows in the order of the files.

    Raises:
        AtomicFileError: The first thing that is wrong: file, line, field, what was found, what
            was wanted, and the remedy.
    """
    folder = Path(folder)
    manifest = checks.read_manifest(folder)
    declared = manifest.get("rows", {})
    read: dict[str, Table] = {}

    def table(key: str, file: str, types: Types, *needed: str) -> Table:
        read[key] = parse_table(folder / file, types, needed)
        return read[key]

    def is_there(file: str, key: str) -> bool:
        return key in declared or (folder / file).exists()

    accounts: dict[schema.Side, Table] = {}
    for side in schema.SIDES:
        file, types = schema.account_file(name, side), schema.account_types(side)
        accounts[side] = table(f"{side}s", file, types, schema.ACCOUNT_ID[side])
        checks.check_accounts(accounts[side], side)
    brands, influencers = accounts[schema.BRAND], accounts[schema.INFLUENCER]
    checks.check_sides(brands, influencers)
    pairs = schema.INTERACTION_TYPES
    interactions = table(INTERACTION_ROWS, schema.interaction_file(name), pairs, *_PAIR)
    checks.check_interactions(interactions, brands, influencers)
    categories = None
    if is_there(file := schema.influencer_category_file(name), CATEGORY_ROWS):
        types = schema.INFLUENCER_CATEGORY_TYPES
        rows = table(CATEGORY_ROWS, file, types, *types)
        checks.check_influencer_categories(rows, brands, influencers)
        categories = rows.frame.set_index(schema.INFLUENCER_ID)[schema.CATEGORY]
    splits: dict[str, dict[str, pd.DataFrame]] = {}
    for protocol, names in checks.find_splits(folder, name, manifest).items():
        parts = {
            part: table(
                f"{protocol}.{part}", schema.split_file(name, protocol, part), pairs, *_PAIR
            )
            for part in names
        }
        checks.check_split(protocol, parts, interactions)
        splits[protocol] = {part: rows.frame for part, rows in parts.items()}
    facts: dict[schema.Side, pd.DataFrame] = {}
    for side in schema.SIDES:
        if is_there(file := schema.facts_file(name, side), f"{side}_facts"):
            rows = table(f"{side}_facts", file, schema.facts_types(side), schema.ACCOUNT_ID[side])
            checks.check_facts(rows, side, accounts[side])
            facts[side] = rows.frame
    for key, rows in read.items():
        checks.check_rows(manifest, key, rows)
    return AtomicData(
        name=name,
        brands=brands.frame,
        influencers=influencers.frame,
        interactions=interactions.frame,
        influencer_category=categories,
        splits=splits,
        manifest=manifest,
        facts=facts,
    )


def check_target(folder: Path, name: str) -> None:
    """Checks that a data set can be written to a folder.

    Raises:
        UsageError: A bad name, or a `folder` that holds files of something else.
    """
    if not NAME.fullmatch(name):
        raise UsageError(
            "The 'name' of a data set must be letters, digits, '-' and '_' only. "
            f"Received: {name!r}"
        )
    parent = next(place for place in folder.absolute().parents if place.exists())
    if not parent.is_dir() or not os.access(parent, os.W_OK):
        what = "a read-only one" if parent.is_dir() else "which is a file"
        raise UsageError(f"Data sets are written to a folder. Received: {parent}, {what}")
    if not folder.exists():
        return
    if not folder.is_dir():
        raise UsageError(f"A data set must be a folder. Received: the file {folder}")
    for path in sorted(folder.iterdir()):
        known = path.name in (schema.MANIFEST_FILE, *EXTRAS)
        if not known and not path.name.startswith(f"{name}."):
            raise UsageError(
                f"The folder of a data set must be new or hold only files of '{name}', since it "
                f"is replaced. Received: {folder}, which holds {path.name}"
            )


def _write_tables(data: AtomicData, folder: Path) -> dict[str, int]:
    """Writes all but the manifest and returns key of the manifest -> number of rows."""
    tables = tables_of(data)
    for file, (frame, types, _) in tables.items():
        with (folder / file).open("w", encoding="utf-8", newline="\n") as stream:
            stream.writelines(_format_table(frame, types, file))
    return {key: len(frame) for frame, _, key in tables.values()}


def _write_manifest(data: AtomicData, folder: Path, rows: dict[str, int]) -> None:
    manifest = {
        **data.manifest,
        "name": data.name,
        "rows": rows,
        "fingerprint": fingerprint(folder),
        _EXTRAS_KEY: extras_fingerprint(folder),
        "versions": {
            "python": platform.python_version(),
            "numpy": np.__version__,
            "pandas": pd.__version__,
        },
    }
    text = json.dumps(manifest, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
    (folder / schema.MANIFEST_FILE).write_text(text + "\n", encoding="utf-8")


def tables_of(
    data: AtomicData,
) -> dict[str, tuple[pd.DataFrame, Types, str]]:
    """Returns file name -> (rows, column types, key of the row count in the manifest)."""
    pair_types = schema.INTERACTION_TYPES
    tables: dict[str, tuple[pd.DataFrame, Types, str]] = {
        schema.account_file(data.name, side): (
            data.accounts(side),
            schema.account_types(side),
            f"{side}s",
        )
        for side in schema.SIDES
    }
    tables[schema.interaction_file(data.name)] = (data.interactions, pair_types, INTERACTION_ROWS)
    if data.influencer_category is not None:
        frame = data.influencer_category.rename(schema.CATEGORY).rename_axis(schema.INFLUENCER_ID)
        tables[schema.influencer_category_file(data.name)] = (
            frame.reset_index(),
            schema.INFLUENCER_CATEGORY_TYPES,
            CATEGORY_ROWS,
        )
    for side, facts in data.facts.items():
        file = schema.facts_file(data.name, side)
        tables[file] = (facts, schema.facts_types(side), f"{side}_facts")
    for protocol, parts in data.splits.items():
        for part, pairs in parts.items():
            file = schema.split_file(data.name, protocol, part)
            tables[file] = (pairs, pair_types, f"{protocol}.{part}")
    return tables


def _format_table(frame: pd.DataFrame, types: Types, file: str) -> Iterator[str]:
    """Yields the lines: the text of the largest table is many times the table."""
    unknown = [name for name in frame.columns if name not in types]
    if unknown:
        raise ValueError(f"{file} must carry columns of the schema only. Received: {unknown[0]}")
    written = {name: kind for name, kind in types.items() if name in frame.columns}
    yield schema.FIELD_SEPARATOR.join(schema.headers(written)) + "\n"
    for row in zip(*(frame[name] for name in written), strict=True):
        cells = zip(row, written.values(), strict=True)
        yield schema.FIELD_SEPARATOR.join(_format_value(*cell, file) for cell in cells) + "\n"


def _format_value(value: Any, kind: schema.FieldType, file: str) -> str:
    if value is None:
        return ""
    if kind == "float":
        return "" if np.isnan(value) else f"{value:.15g}"
    if kind == "float_seq":
        if not np.isfinite(value).all():
            raise ValueError(f"A vector written to {file} must be finite. Received: {value}")
        return schema.SEQUENCE_SEPARATOR.join(f"{number:.6g}" for number in value)
    tokens = [value] if kind == "token" else list(value)
    for token in tokens:
        if any(character in token for character in "\t\r\n") or (
            kind == "token_seq" and (token == "" or schema.SEQUENCE_SEPARATOR in token)
        ):
            raise ValueError(
                f"A name written to {file} must not be empty or hold a separator. "
                f"Received: {token!r}"
            )
    return schema.SEQUENCE_SEPARATOR.join(tokens)


def fingerprint(folder: Path | str) -> str:
    """Returns the SHA-256 of a data set's atomic files, names included.

    The manifest is left out because it holds the versions of the libraries that wrote the files;
    so are `EXTRAS`, which say nothing of the data.
    """
    there = sorted(path for path in Path(folder).iterdir() if path.is_file())
    return _digest(folder, [p for p in there if p.name not in (schema.MANIFEST_FILE, *EXTRAS)])


def extras_fingerprint(folder: Path | str) -> str:
    """Returns the SHA-256 of the `EXTRAS` of a data set's folder, names included."""
    there = [Path(folder, extra) for extra in EXTRAS]
    files = [path for one in there for path in sorted([one, *one.rglob("*")]) if path.is_file()]
    return _digest(folder, files)


def _digest(folder: Path | str, files: Sequence[Path]) -> str:
    digest = hashlib.sha256()
    for path in files:
        name = str(path.relative_to(folder)).encode()
        digest.update(name + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def is_untouched(folder: Path, manifest: Mapping[str, Any]) -> bool:
    """Returns whether all files of a data set are as they were written with its manifest."""
    now = (fingerprint(folder), extras_fingerprint(folder))
    return (manifest.get("fingerprint"), manifest.get(_EXTRAS_KEY)) == now


def parse_table(path: Path, types: Types, required: Sequence[str]) -> Table:
    """Reads one tab-separated file with `name:type` headers.

    Args:
        path: The file.
        types: Every column that the file may carry, with its type.
        required: The columns that it must carry.

    Returns:
        The rows in file order. `token` columns are strings, `float` columns float64 with NaN where
        the cell is empty, sequences are arrays or lists with None where the cell is empty.

    Raises:
        AtomicFileError: The file, its header or a value is not as wanted.
    """
    table = Table(path, pd.DataFrame())
    lines = _lines(path)
    header = next(lines, None)
    if header is None:
        raise _empty(path, "an empty file")
    names = _parse_header(path, header, types, required)
    columns: dict[str, list[Any]] = {name: [] for name in names}
    # Line by line: the text of the largest file is many times what it says.
    for row, line in enumerate(lines):
        cells = line.split(schema.FIELD_SEPARATOR)
        if len(cells) != len(names):
            found = "an empty line" if cells == [""] else f"{len(cells)} fields"
            wanted = (
                f"{len(names)} fields, as in the header. Remedy: separate fields by one tab; leave "
                "a missing value empty."
            )
            raise table.error(found, wanted, row=row)
        for name, cell in zip(names, cells, strict=True):
            columns[name].append(_parse_cell(table, name, row, cell, types[name]))
    if not columns[names[0]]:
        raise _empty(path, "a header without rows")
    for name in required:
        if types[name] == "token":
            empty = [cell == "" for cell in columns[name]]
            wanted = "an id. Remedy: fill it in or remove the row."
            table.refuse(empty, name, "an empty cell", wanted)
    return Table(path, pd.DataFrame({n: _column(v, types[n]) for n, v in columns.items()}))


def _column(values: list[Any], kind: schema.FieldType) -> Any:
    if kind == "float":
        return np.array(values, np.float64)
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return pd.Series(array, dtype=object)


def _lines(path: Path) -> Iterator[str]:
    if not path.is_file():
        wanted = (
            "a tab-separated atomic file. Remedy: check the folder and the data set's name, or "
            "convert it again."
        )
        raise AtomicFileError(path, "no such file", wanted)
    with path.open("rb") as stream:
        for number, line in enumerate(stream, start=1):
            try:
                yield line.decode("utf-8").rstrip("\r\n")
            except UnicodeDecodeError:
                found, wanted = "bytes that are not UTF-8", "UTF-8 text. Remedy: save it as UTF-8."
                raise AtomicFileError(path, found, wanted, line=number) from None


def _empty(path: Path, found: str) -> AtomicFileError:
    return AtomicFileError(path, found, f"a header and at least one row. {checks.CONVERT_AGAIN}")


def _parse_header(path: Path, line: str, types: Types, required: Sequence[str]) -> list[str]:
    known = schema.headers(dict(types))
    headers = line.split(schema.FIELD_SEPARATOR)
    names = [header.partition(":")[0] for header in headers]
    faults: list[tuple[str, str, str]] = []
    for header in headers:
        if header not in known:
            remedy = "rename or remove the column; headers read 'name:type'"
            if header.startswith(f"{schema.INFLUENCER}_{schema.CATEGORY}"):
                remedy = (
                    "move it to the side file '<name>.influencer_category': a category known from "
                    "collaborations is a label, never an input"
                )
            wanted = f"{wanted_word(header, known)}. Remedy: {remedy}"
            faults.append((header, "an unknown header", wanted))
    for name in required:
        if name not in names:
            wanted = f"'{name}:{types[name]}'. Remedy: add the column; one tab separates fields"
            faults.append((name, "no such header", wanted))
    wanted = "every header once. Remedy: remove one of the two columns"
    faults += [(name, "the header twice", wanted) for name in names if names.count(name) > 1]
    for header, found, wanted in faults:
        raise AtomicFileError(path, found, f"{wanted}.", line=1, field=header)
    return names


def _parse_cell(table: Table, name: str, row: int, cell: str, kind: schema.FieldType) -> Any:
    if kind == "token":
        return cell
    if cell == "":
        return np.nan if kind == "float" else None
    if kind == "token_seq":
        return _parse_tokens(table, name, row, cell)
    if kind == "float":
        return _parse_numbers(table, name, row, [cell])[0]
    values = _parse_numbers(table, name, row, cell.split(schema.SEQUENCE_SEPARATOR))
    if not values.any():
        wanted = (
            "values, or an empty cell where the modality is missing. Remedy: leave the cell empty; "
            "zeros would look like data."
        )
        raise table.error("a vector of zeros", wanted, row=row, field=name)
    return values


def _parse_numbers(table: Table, name: str, row: int, parts: list[str]) -> npt.NDArray[np.float64]:
    try:
        values = np.array(parts, dtype=np.float64)
    except ValueError:
        values = np.asarray(pd.to_numeric(pd.Series(parts), errors="coerce"))
    if not np.isfinite(values).all():
        found = shown(parts[int(np.argmin(np.isfinite(values)))])
        wanted = "finite numbers. Remedy: leave the whole cell empty where the value is missing."
        raise table.error(found, wanted, row=row, field=name)
    return values


def _parse_tokens(table: Table, name: str, row: int, cell: str) -> list[str]:
    # Interned: the same few words come again in thousands of lists.
    tokens = [sys.intern(token) for token in cell.split(schema.SEQUENCE_SEPARATOR)]
    for token in tokens:
        bad = next((c for c in schema.FORBIDDEN_IN_TOKENS if c in token), None)
        if bad is not None or token == "":
            found = "two spaces together" if bad is None else f"{bad!r} in {shown(token)}"
            wanted = (
                "a list separated by single spaces. Remedy: separate the names by one space, join "
                "the words of a name by '-'."
            )
            raise table.error(found, wanted, row=row, field=name)
    if len(set(tokens)) < len(tokens):
        twice = shown(next(token for i, token in enumerate(tokens) if token in tokens[:i]))
        wanted = "every name once in a list. Remedy: remove the repetition."
        raise table.error(f"{twice} twice", wanted, row=row, field=name)
    return tokens
