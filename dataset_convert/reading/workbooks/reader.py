"""Rows of workbooks, .xlsx and .xls, one at a time, without anything that is no typed-in value."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dataset_convert.problems import Problems
from dataset_convert.reading.workbooks.cells import Cells, Spoiled, Step, UntrustedError, letters
from dataset_convert.reading.workbooks.xls import read_xls
from dataset_convert.reading.workbooks.xlsx import read_xlsx

_ZIP, _OLE = b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_A_WORKBOOK: Final = "a workbook (.xlsx or .xls)"


@dataclass(frozen=True, slots=True)
class SheetRow:
    """A row of a sheet.

    Attributes:
        sheet: Its name.
        row: From 1, as the spreadsheet counts.
        cells: Text, numbers (int where whole), dates without zone; None for empty cells. The last
            one is not empty.
    """

    sheet: str
    row: int
    cells: Cells


def read_workbook(path: Path, file: str, problems: Problems) -> Iterator[SheetRow]:
    """Yields the rows of all sheets; memory does not grow with their number for .xlsx files.

    What kind of file it is, its content tells, whatever its name is. Rows without any value are
    left out silently; rows with a formula, an error of the spreadsheet or a number that is none
    are skipped and told of; a sheet without rows is told of.

    Args:
        path: The file.
        file: Its name for messages.
        problems: Of the conversion.

    Raises:
        ConversionError: No workbook, an empty one, or one that cannot be trusted: broken,
            encrypted, with a document type, with merged cells, with more than
            `cells.MAX_COLUMNS` columns, or unpacking to more than
            `xlsx.MAX_BYTES` bytes. Or the library for it is not installed.
    """
    sheet = ""
    empty: list[str] = []
    has_rows = False
    try:
        for sheet, number, cells in _steps(path):
            if number == 0:
                empty.append(sheet)
            elif any(cell is not None for cell in cells):
                has_rows = True
                if sheet in empty[-1:]:
                    empty.pop()
                found = _usable(cells, sheet, number, file, problems)
                if found:
                    yield SheetRow(sheet, number, found)
    except UntrustedError as error:
        problems.refuse(
            file,
            sheet=error.sheet or sheet,
            row=error.row,
            column=error.column,
            value=error.found,
            wanted=error.wanted,
        )
    except OSError as error:
        problems.refuse(file, value=error.strerror, wanted="a readable file")
    if not has_rows:
        problems.refuse(file, value="no rows", wanted="a workbook with at least one row")
    for sheet in empty:
        problems.note(
            file, sheet=sheet, row=None, column="", value="no rows", wanted="no empty sheets"
        )


def _steps(path: Path) -> Iterator[Step]:
    with path.open("rb") as stream:
        start = stream.read(512)
    if start.startswith(_ZIP):
        return read_xlsx(path)
    if start.startswith(_OLE):
        return read_xls(path)
    found = "an empty file"
    if start:
        text = start.decode("utf-8", "replace").lstrip("\ufeff \r\n\t").lower()
        is_html = text.startswith(("<html", "<!doctype html", "<table", "<meta"))
        found = "a web page" if is_html else f"a file that begins with {text[:12]!r}"
    raise UntrustedError(found, f"{_A_WORKBOOK}: open it in a spreadsheet, and save it as one")


def _usable(cells: Cells, sheet: str, row: int, file: str, problems: Problems) -> Cells:
    """Returns the cells up to the last one with a value; none where one of them is spoiled."""
    for column, cell in enumerate(cells):
        if isinstance(cell, Spoiled):
            problems.skip(
                file,
                sheet=sheet,
                row=row,
                column=letters(column),
                value=cell.found,
                wanted=cell.wanted,
            )
            return []
    while cells and cells[-1] is None:
        cells.pop()
    return cells
