"""One atomic file read into a checked table: its header, its fields and the type of each value."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from dataset_convert import schema
from dataset_convert.common.errors import shown, wanted_word
from dataset_convert.errors import AtomicFileError

CONVERT_AGAIN = "Remedy: convert the data set again."


@dataclass(frozen=True, eq=False)
class Table:
    """One file's rows with what an error message needs to point at them."""

    path: Path
    frame: pd.DataFrame

    def error(
        self,
        *,
        found: str,
        wanted: str,
        remedy: str,
        row: int | None = None,
        field: str | None = None,
    ) -> AtomicFileError:
        """Returns an error about this file; `row` counts from 0 below the header."""
        line = None if row is None else row + 2
        return AtomicFileError(
            self.path, line=line, field=field, found=found, wanted=wanted, remedy=remedy
        )


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
            raise _ragged(table, row, cells, len(names))
        for name, cell in zip(names, cells, strict=True):
            columns[name].append(_parse_cell(table, name, row, cell, types[name]))
    if not columns[names[0]]:
        raise _empty(path, "a header without rows")
    parsed = {
        name: _column(table, name, values, types[name], name in required)
        for name, values in columns.items()
    }
    return Table(path, pd.DataFrame(parsed))


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
    return AtomicFileError(path, found=found, wanted=wanted, remedy=CONVERT_AGAIN)


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


def _ragged(table: Table, row: int, cells: list[str], n_fields: int) -> AtomicFileError:
    return table.error(
        row=row,
        found="an empty line" if cells == [""] else f"{len(cells)} fields",
        wanted=f"{n_fields} fields, as in the header",
        remedy="Remedy: separate fields by one tab; leave a missing value empty.",
    )


def _parse_cell(table: Table, name: str, row: int, cell: str, kind: schema.FieldType) -> Any:
    if kind == "token":
        return cell
    if kind == "float":
        return np.nan if cell == "" else _parse_numbers(table, name, row, [cell])[0]
    parse = _parse_tokens if kind == "token_seq" else _parse_vector
    return parse(table, name, row, cell)


def _column(
    table: Table, name: str, values: list[Any], kind: schema.FieldType, is_required: bool
) -> Any:
    if kind == "float":
        return np.array(values, np.float64)
    if kind == "token" and is_required:
        _refuse_empty(table, name, values)
    return _object_series(values)


def _object_series(values: Sequence[object]) -> Any:
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return pd.Series(array, dtype=object)


def _refuse_empty(table: Table, name: str, cells: list[str]) -> None:
    if "" in cells:
        raise table.error(
            row=cells.index(""),
            field=name,
            found="an empty cell",
            wanted="an id",
            remedy="Remedy: fill it in or remove the row.",
        )


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
