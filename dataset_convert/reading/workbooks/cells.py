"""What a cell of a workbook can hold, and what makes cells and workbooks unfit."""

import math
import re
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Final

INSTALL: Final = 'run pip install -e ".[workbooks]"'
MAX_COLUMNS: Final = 64
MAX_ROWS: Final = 2**20
"""The last row that a sheet can have."""

A_VALUE: Final = "a value typed in: formulas are never computed, and their saved results not used"
A_NUMBER: Final = "a finite number"
NO_ERROR: Final = "a value, no error of the spreadsheet"

_ESCAPED = re.compile("_x([0-9A-Fa-f]{4})_")
_MAX_EXACT = 2**53


@dataclass(frozen=True, slots=True)
class Spoiled:
    """A cell without a usable value: a formula, an error, or a number that is none.

    Attributes:
        found: What stands there.
        wanted: What should.
    """

    found: str
    wanted: str


Cell = str | int | float | datetime | time | timedelta | Spoiled | None
Cells = list[Cell]
Step = tuple[str, int, Cells]
"""A sheet's name, the number of a row from 1, and its cells; row 0 announces the sheet."""


class UntrustedError(Exception):
    """A workbook that cannot be trusted.

    Attributes:
        found, wanted: As in a message.
        sheet: "" where none is to blame.
        row: None where none is to blame.
        column: Its letters; "" where none is to blame.
    """

    def __init__(
        self, found: str, wanted: str, *, sheet: str = "", row: int | None = None, column: str = ""
    ) -> None:
        super().__init__(found)
        self.found, self.wanted = found, wanted
        self.sheet, self.row, self.column = sheet, row, column


def letters(column: int) -> str:
    """Returns the letters of a column, counted from 0."""
    found = ""
    while column >= 0:
        found = chr(ord("A") + column % 26) + found
        column = column // 26 - 1
    return found


COLUMN_OF: Final = {letters(column): column for column in range(MAX_COLUMNS)}
"""Letters -> column, counted from 0."""


def as_number(text: str) -> Cell:
    """Returns the number that a sheet holds as text: whole numbers as int."""
    if text.isdecimal() and len(text) < 16:
        return int(text)
    try:
        return whole(float(text)) if "_" not in text else Spoiled(text, A_NUMBER)
    except ValueError:
        return Spoiled(text, A_NUMBER)


def is_small_number(text: str) -> bool:
    """Returns whether text is a whole number, and not one of thousands of digits."""
    return text.isdecimal() and len(text) < 10


def whole(number: float) -> Cell:
    """Returns a number as int where it is whole, as a sheet shows it."""
    if not math.isfinite(number):
        return Spoiled(str(number), A_NUMBER)
    return int(number) if number.is_integer() and abs(number) < _MAX_EXACT else number


def unescaped(text: str) -> str:
    """Returns text with the characters that XML cannot hold, which stand there as `_x000D_`."""
    if "_x" not in text:
        return text
    return _ESCAPED.sub(lambda match: chr(int(match[1], 16)), text)
