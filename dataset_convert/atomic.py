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
from dataset_convert.common.errors import shown, wanted_word
from dataset_convert.common.files import folder_in_the_making

__all__ = ["AtomicData", "AtomicFileError", "fingerprint", "read_atomic", "write_atomic"]

INTERACTION_ROWS, CATEGORY_ROWS = "interactions", "influencer_category"
EXTRAS = ("features", "problems.csv", "report.html")
"""What may stand beside the atomic files: fitted extractors, rows left out, the data report."""
_EXTRAS_KEY = "extras_fingerprint"
Step = Callable[[Path], None]
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
    brands = _read_accounts(folder, name, schema.BRAND)
    influencers = _read_accounts(folder, name, schema.INFLUENCER)
    checks.check_sides(brands, influencers)
    interactions = _read_pairs(folder / schema.interaction_file(name))
    checks.check_interactions(interactions, brands, influencers)
    for key, table in (
        (f"{schema.BRAND}s", brands),
        (f"{schema.INFLUENCER}s", influencers),
        (INTERACTION_ROWS, interactions),
    ):
        checks.check_rows(manifest, key, table)
    return AtomicData(
        name=name,
        brands=brands.frame,
        influencers=influencers.frame,
        interactions=interactions.frame,
        influencer_category=_read_categories(folder, name, manifest, brands, influencers),
        splits=_read_splits(folder, name, manifest, interactions),
        manifest=manifest,
        facts={
            side: facts.frame
            for side, accounts in ((schema.BRAND, brands), (schema.INFLUENCER, influencers))
            if (facts := _read_facts(folder, name, manifest, side, accounts))
        },
    )


def _read_accounts(folder: Path, name: str, side: schema.Side) -> Table:
    table = parse_table(
        folder / schema.account_file(name, side),
        schema.account_types(side),
        required=[schema.ACCOUNT_ID[side]],
    )
    checks.check_accounts(table, side)
    return table


def _read_pairs(path: Path) -> Table:
    required = [schema.BRAND_ID, schema.INFLUENCER_ID]
    return parse_table(path, schema.INTERACTION_TYPES, required=required)


def _read_categories(
    folder: Path, name: str, manifest: Mapping[str, Any], brands: Table, influencers: Table
) -> "pd.Series[str] | None":
    path = folder / schema.influencer_category_file(name)
    if not path.exists() and CATEGORY_ROWS not in manifest.get("rows", {}):
        return None
    types = schema.INFLUENCER_CATEGORY_TYPES
    table = parse_table(path, types, required=list(types))
    checks.check_influencer_categories(table, brands, influencers)
    checks.check_rows(manifest, CATEGORY_ROWS, table)
    return table.frame.set_index(schema.INFLUENCER_ID)[schema.CATEGORY]


def _read_facts(
    folder: Path, name: str, manifest: Mapping[str, Any], side: schema.Side, accounts: Table
) -> Table | None:
    path, key = folder / schema.facts_file(name, side), f"{side}_facts"
    if not path.exists() and key not in manifest.get("rows", {}):
        return None
    table = parse_table(path, schema.facts_types(side), required=[schema.ACCOUNT_ID[side]])
    checks.check_facts(table, side, accounts)
    checks.check_rows(manifest, key, table)
    return table


def _read_splits(
    folder: Path, name: str, manifest: Mapping[str, Any], interactions: Table
) -> dict[str, dict[str, pd.DataFrame]]:
    splits = {}
    for protocol, parts in checks.find_splits(folder, name, manifest).items():
        tables = {
            part: _read_pairs(folder / schema.split_file(name, protocol, part)) for part in parts
        }
        checks.check_split(protocol, tables, interactions)
        for part, table in tables.items():
            checks.check_rows(manifest, f"{protocol}.{part}", table)
        splits[protocol] = {part: table.frame for part, table in tables.items()}
    return splits


def check_target(folder: Path, name: str) -> None:
    """Checks that a data set can be written to a folder.

    Raises:
        ValueError: A bad name, or a `folder` that holds files of something else.
    """
    if not NAME.fullmatch(name):
        raise ValueError(
            "The 'name' of a data set must be letters, digits, '-' and '_' only. "
            f"Received: {name!r}"
        )
    parent = next(place for place in folder.absolute().parents if place.exists())
    if not parent.is_dir():
        raise ValueError(f"Data sets are written to a folder. Received: {parent}, which is a file")
    if not os.access(parent, os.W_OK):
        raise ValueError(f"Data sets are written to a folder. Received: {parent}, a read-only one")
    if not folder.exists():
        return
    if not folder.is_dir():
        raise ValueError(f"A data set must be a folder. Received: the file {folder}")
    for path in sorted(folder.iterdir()):
        known = path.name in (schema.MANIFEST_FILE, *EXTRAS)
        if not known and not path.name.startswith(f"{name}."):
            raise ValueError(
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
) -> dict[str, tuple[pd.DataFrame, dict[str, schema.FieldType], str]]:
    """Returns file name -> (rows, column types, key of the row count in the manifest)."""
    pair_types = schema.INTERACTION_TYPES
    tables = {
        schema.account_file(data.name, side): (frame, schema.account_types(side), f"{side}s")
        for side, frame in ((schema.BRAND, data.brands), (schema.INFLUENCER, data.influencers))
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


def _format_table(
    frame: pd.DataFrame, types: dict[str, schema.FieldType], file: str
) -> Iterator[str]:
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


def parse_table(
    path: Path, types: Mapping[str, schema.FieldType], required: Sequence[str]
) -> Table:
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
    names = _parse_header(path, next(lines), types, required)
    columns: dict[str, list[Any]] = {name: [] for name in names}
    # Line by line: the text of the largest file is many times what it says.
    for row, line in enumerate(lines):
        cells = line.split(schema.FIELD_SEPARATOR)
        if len(cells) != len(names):
            raise table.error(
                row=row,
                found="an empty line" if cells == [""] else f"{len(cells)} fields",
                wanted=f"{len(names)} fields, as in the header",
                remedy="Remedy: separate fields by one tab; leave a missing value empty.",
            )
        for name, cell in zip(names, cells, strict=True):
            columns[name].append(_parse_cell(table, name, row, cell, types[name]))
    if not columns[names[0]]:
        raise _empty(path, "a header without rows")
    for name in required:
        if types[name] == "token":
            table.refuse(
                [cell == "" for cell in columns[name]],
                name,
                found="an empty cell",
                wanted="an id",
                remedy="Remedy: fill it in or remove the row.",
            )
    return Table(path, pd.DataFrame({n: _column(v, types[n]) for n, v in columns.items()}))


def _column(values: list[Any], kind: schema.FieldType) -> Any:
    if kind == "float":
        return np.array(values, np.float64)
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return pd.Series(array, dtype=object)


def _lines(path: Path) -> Iterator[str]:
    if not path.is_file():
        raise AtomicFileError(
            path,
            found="no such file",
            wanted="a tab-separated atomic file",
            remedy="Remedy: check the folder and the data set's name, or convert it again.",
        )
    is_empty = True
    try:
        with path.open(encoding="utf-8") as stream:
            for line in stream:
                is_empty = False
                yield line.removesuffix("\n")
    except UnicodeDecodeError:
        raise AtomicFileError(
            path,
            found=f"byte {_first_bad_byte(path)} that is not UTF-8",
            wanted="UTF-8 text",
            remedy="Remedy: save the file as UTF-8.",
        ) from None
    if is_empty:
        raise _empty(path, "an empty file")


def _first_bad_byte(path: Path) -> int:
    try:
        path.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        return error.start
    return 0


def _empty(path: Path, found: str) -> AtomicFileError:
    wanted = "a header and at least one row"
    return AtomicFileError(path, found=found, wanted=wanted, remedy=checks.CONVERT_AGAIN)


def _parse_header(
    path: Path, line: str, types: Mapping[str, schema.FieldType], required: Sequence[str]
) -> list[str]:
    wanted = schema.headers(dict(types))
    headers = line.split(schema.FIELD_SEPARATOR)
    for header in headers:
        if header in wanted:
            continue
        raise AtomicFileError(
            path,
            line=1,
            field=header,
            found="an unknown header",
            wanted=wanted_word(header, wanted),
            remedy=_header_remedy(header),
        )
    names = [header.partition(":")[0] for header in headers]
    for name in required:
        if name not in names:
            raise AtomicFileError(
                path,
                line=1,
                field=name,
                found="no such header",
                wanted=f"'{name}:{types[name]}'",
                remedy="Remedy: add the column; fields are separated by one tab.",
            )
    for i, name in enumerate(names):
        if name in names[:i]:
            raise AtomicFileError(
                path,
                line=1,
                field=name,
                found="the header twice",
                wanted="every header once",
                remedy="Remedy: remove one of the two columns.",
            )
    return names


def _header_remedy(header: str) -> str:
    if header.startswith(f"{schema.INFLUENCER}_{schema.CATEGORY}"):
        return (
            "Remedy: move it to the side file '<name>.influencer_category': a category known from "
            "collaborations is a label, never an input."
        )
    return "Remedy: rename or remove the column; headers read 'name:type'."


def _parse_cell(table: Table, name: str, row: int, cell: str, kind: schema.FieldType) -> Any:
    if kind == "token":
        return cell
    if kind == "float":
        return np.nan if cell == "" else _parse_numbers(table, name, row, [cell])[0]
    parse = _parse_tokens if kind == "token_seq" else _parse_vector
    return parse(table, name, row, cell)


def _parse_numbers(table: Table, name: str, row: int, parts: list[str]) -> npt.NDArray[np.float64]:
    try:
        values = np.array(parts, dtype=np.float64)
    except ValueError:
        values = np.array([_number_or_nan(part) for part in parts])
    if not np.isfinite(values).all():
        raise table.error(
            row=row,
            field=name,
            found=shown(parts[int(np.argmin(np.isfinite(values)))]),
            wanted="finite numbers",
            remedy="Remedy: leave the whole cell empty where the value is missing.",
        )
    return values


def _number_or_nan(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")


def _parse_vector(table: Table, name: str, row: int, cell: str) -> npt.NDArray[np.float64] | None:
    if cell == "":
        return None
    values = _parse_numbers(table, name, row, cell.split(schema.SEQUENCE_SEPARATOR))
    if not values.any():
        raise table.error(
            row=row,
            field=name,
            found="a vector of zeros",
            wanted="values, or an empty cell where the modality is missing",
            remedy="Remedy: leave the cell empty; zeros would look like data.",
        )
    return values


def _parse_tokens(table: Table, name: str, row: int, cell: str) -> list[str] | None:
    if cell == "":
        return None
    # Interned: the same few words come again in thousands of lists.
    tokens = [sys.intern(token) for token in cell.split(schema.SEQUENCE_SEPARATOR)]
    for token in tokens:
        bad = next((c for c in schema.FORBIDDEN_IN_TOKENS if c in token), None)
        if bad is None and token != "":
            continue
        raise table.error(
            row=row,
            field=name,
            found="two spaces together" if bad is None else f"{bad!r} in {shown(token)}",
            wanted="a list separated by single spaces",
            remedy="Remedy: separate the names by one space and join the words of a name by '-'.",
        )
    if len(set(tokens)) < len(tokens):
        twice = next(token for i, token in enumerate(tokens) if token in tokens[:i])
        raise table.error(
            row=row,
            field=name,
            found=f"{shown(twice)} twice",
            wanted="every name once in a list",
            remedy="Remedy: remove the repetition.",
        )
    return tokens
