"""Sheets of .xlsx and .xls files, written row by row."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

Value = str | float | int | None

MAX_TEXT: Final = 32_767
"""Characters that a cell can hold."""
SHEET_ROWS: Final = 500_000
"""Where a new sheet begins: about half of what one can hold."""

_ESCAPED = re.compile("_(?=x[0-9A-Fa-f]{4}_)")
_NOT_XML = re.compile(r"[\x00-\x08\x0b-\x1f]")


class Workbook:
    """An .xlsx file that grows by rows; memory does not.

    Args:
        path: Written by `close`.
        header: First row of every sheet; None for none.
    """

    def __init__(self, path: Path, header: Sequence[str] | None = None) -> None:
        from openpyxl import Workbook as OpenpyxlWorkbook

        self._path, self._header = path, header
        self._book = OpenpyxlWorkbook(write_only=True)
        self._sheet: Any = None
        self._n_rows = 0

    def append(self, row: Iterable[Value]) -> None:
        """Adds a row.

        Raises:
            ValueError: A text is longer than `MAX_TEXT`.
        """
        if self._n_rows % SHEET_ROWS == 0:
            self._sheet = self._book.create_sheet()
            if self._header is not None:
                self._sheet.append(list(self._header))
        self._sheet.append([self._cell(value) for value in row])
        self._n_rows += 1

    def close(self) -> None:
        """Writes the file."""
        self._book.save(self._path)

    def _cell(self, value: Value) -> Any:
        if not isinstance(value, str):
            return value
        text = _ESCAPED.sub("_x005F_", value)
        text = _NOT_XML.sub(lambda match: f"_x{ord(match[0]):04X}_", text)
        if len(text) > MAX_TEXT:
            raise ValueError(
                f"A text of a workbook must have at most {MAX_TEXT:,} characters. "
                f"Received: {len(text):,}"
            )
        if not text.startswith("="):
            return text
        from openpyxl.cell import WriteOnlyCell

        cell = WriteOnlyCell(self._sheet, text)
        # It would become a formula.
        cell.data_type = "s"
        return cell


def write_workbook(
    path: Path, rows: Iterable[Iterable[Value]], header: Sequence[str] | None = None
) -> None:
    """Writes an .xlsx file.

    Args:
        path: Of the file.
        rows: At least one.
        header: First row; None for none.
    """
    book = Workbook(path, header)
    for row in rows:
        book.append(row)
    book.close()


def write_xls(path: Path, rows: Iterable[Iterable[Value]]) -> None:
    """Writes an .xls file of one sheet.

    Args:
        path: Of the file.
        rows: At most 65,536.

    Raises:
        ValueError: There are more.
    """
    import xlwt

    book = xlwt.Workbook(encoding="utf-8")
    sheet = book.add_sheet("Sheet1")
    for number, row in enumerate(rows):
        for column, value in enumerate(row):
            if value is not None:
                sheet.write(number, column, value)
    book.save(str(path))
