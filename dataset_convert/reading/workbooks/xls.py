"""Rows of the sheets of an .xls file, the binary format of older spreadsheets."""

import io
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from dataset_convert.problems import ConversionError
from dataset_convert.reading.workbooks.cells import (
    A_VALUE,
    INSTALL,
    MAX_COLUMNS,
    NO_ERROR,
    Cell,
    Cells,
    Spoiled,
    Step,
    UntrustedError,
    letters,
    whole,
)

MAX_BYTES: Final = 2**28
"""The format holds 65,536 rows a sheet; it is read into memory."""

_STREAMS: Final = ("Workbook", "Book")
_SHEET, _FORMULA, _MERGED, _PASSWORD, _END = 0x85, 0x06, 0xE5, 0x2F, 0x0A
_HEAD: Final = struct.Struct("<HH")


def read_xls(path: Path) -> Iterator[Step]:
    """Yields the rows of one sheet after the other, each sheet announced by a row 0.

    Raises:
        UntrustedError: A file that is broken, encrypted or too large, or merged cells.
        ConversionError: xlrd is not installed.
    """
    try:
        import xlrd
    except ImportError:
        raise ConversionError(f"Workbooks need xlrd: {INSTALL}.") from None
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise UntrustedError(f"{size:,} bytes", f"an .xls file of at most {MAX_BYTES:,} bytes")
    content = path.read_bytes()
    try:
        formulas = list(_formulas(content))
        # It would print what it wonders about.
        book = xlrd.open_workbook(file_contents=content, logfile=io.StringIO())
    except UntrustedError:
        raise
    except Exception as error:  # xlrd fails in any way there is on a file that is broken
        found = f"a broken workbook: {' '.join(str(error).split())}"
        raise UntrustedError(found, "an .xls file that is whole") from None
    for number, sheet in enumerate(book.sheets()):
        merged, computed = formulas[number] if number < len(formulas) else ("", frozenset())
        if merged:
            wanted = "no merged cells, behind which values disappear: unmerge them"
            raise UntrustedError(f"the merged cells {merged}", wanted, sheet=sheet.name)
        yield sheet.name, 0, []
        for row, cells in _rows(sheet, computed, book.datemode):
            yield sheet.name, row, cells


def _rows(
    sheet: Any, computed: "frozenset[tuple[int, int]]", datemode: int
) -> Iterator[tuple[int, Cells]]:
    if sheet.ncols > MAX_COLUMNS:
        wanted = f"cells in at most {MAX_COLUMNS} columns"
        raise UntrustedError(f"a cell in column {letters(sheet.ncols - 1)}", wanted)
    for row in range(sheet.nrows):
        kinds, values = sheet.row_types(row), sheet.row_values(row)
        yield (
            row + 1,
            [
                Spoiled("a formula", A_VALUE)
                if (row, column) in computed
                else _cell(kind, value, datemode)
                for column, (kind, value) in enumerate(zip(kinds, values, strict=True))
            ],
        )


def _cell(kind: int, value: Any, datemode: int) -> Cell:
    import xlrd

    if kind == xlrd.XL_CELL_NUMBER:
        return whole(value)
    if kind == xlrd.XL_CELL_ERROR:
        names: Mapping[int, str] = xlrd.error_text_from_code
        return Spoiled(names.get(value, "an error"), NO_ERROR)
    if kind == xlrd.XL_CELL_BOOLEAN:
        return "TRUE" if value else "FALSE"
    if kind == xlrd.XL_CELL_DATE:
        try:
            found: Cell = xlrd.xldate.xldate_as_datetime(value, datemode)
        except (ValueError, OverflowError):
            return Spoiled(f"day {value}", "a date of the calendar")
        return found
    return value or None


def _formulas(content: bytes) -> Iterator[tuple[str, frozenset[tuple[int, int]]]]:
    """Yields, sheet by sheet, the first merged range and the cells with formulas.

    xlrd tells of neither: it hands out the saved results, and merged ranges only with all formats.
    """
    from xlrd.compdoc import CompDoc

    document = CompDoc(content, logfile=io.StringIO())
    found = [document.locate_named_stream(name) for name in _STREAMS]
    streams = [(memory, base, size) for memory, base, size in found if memory]
    if not streams:
        is_encrypted = document.get_named_stream("EncryptedPackage") is not None
        raise UntrustedError(
            "an encrypted workbook" if is_encrypted else "another kind of document",
            "a workbook (.xlsx or .xls) without password",
        )
    memory, base, size = streams[0]
    stream = bytes(memory[base : base + size])
    for kind, data in _records(stream, 0):
        if kind == _PASSWORD:
            raise UntrustedError("an encrypted workbook", "one without password")
        # Charts and macros have their place among the sheets, but no rows.
        if kind == _SHEET and data[5] == 0:
            yield _look_into(stream, struct.unpack_from("<I", data)[0])


def _look_into(stream: bytes, begin: int) -> tuple[str, frozenset[tuple[int, int]]]:
    merged = ""
    computed = set()
    for kind, data in _records(stream, begin):
        if kind & 0xFF == _FORMULA and kind in (0x06, 0x206, 0x406):
            computed.add(_HEAD.unpack_from(data))
        elif kind == _MERGED and not merged:
            top, bottom, left, right = struct.unpack_from("<HHHH", data, 2)
            merged = f"{letters(left)}{top + 1}:{letters(right)}{bottom + 1}"
    return merged, frozenset(computed)


def _records(stream: bytes, begin: int) -> Iterator[tuple[int, bytes]]:
    """Yields the records of a sheet, or of the part before the sheets."""
    depth = 0
    while begin + _HEAD.size <= len(stream):
        kind, length = _HEAD.unpack_from(stream, begin)
        begin += _HEAD.size
        yield kind, stream[begin : begin + length]
        begin += length
        # A chart within a sheet is a stream of its own, with an end of its own.
        depth += (kind == 0x809) - (kind == _END)
        if kind == _END and depth <= 0:
            return
