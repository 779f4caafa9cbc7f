"""Rows of one sheet's XML, one at a time."""

from collections.abc import Callable, Iterator
from typing import Final

from dataset_convert.reading.workbooks.cells import (
    A_VALUE,
    COLUMN_OF,
    MAX_COLUMNS,
    MAX_ROWS,
    NO_ERROR,
    Cell,
    Cells,
    Spoiled,
    UntrustedError,
    as_number,
    is_small_number,
    letters,
    unescaped,
)
from dataset_convert.reading.workbooks.xml_stream import Attributes, Chunks, Text, new_parser, parse

NUMBER: Final = "n"


class SheetParser:
    """Turns the XML of a sheet into rows.

    Args:
        shared: Returns a shared text by its number.
        is_date: Returns whether a cell's style shows a number as a date.
        as_date: Returns the date of a number.
    """

    def __init__(
        self,
        shared: Callable[[str], str],
        is_date: Callable[[str], bool],
        as_date: Callable[[float], Cell],
    ) -> None:
        self._shared, self._is_date, self._as_date = shared, is_date, as_date
        self._parser = new_parser(self._start, self._end)
        self._text = Text(self._parser)
        self._done: list[tuple[int, Cells]] = []
        self._row = 0
        self._cells: Cells = []
        self._in_row = self._in_cell = self._is_formula = False
        self._kind, self._style = NUMBER, ""
        self._n_phonetic = 0

    def rows(self, chunks: Chunks) -> Iterator[tuple[int, Cells]]:
        """Yields row numbers from 1 and cells, the empty ones before the last one included.

        Raises:
            UntrustedError: Broken XML, merged cells, rows or cells out of order, or too many
                columns.
        """
        steps = parse(self._parser, chunks)
        while True:
            try:
                more = next(steps, steps) is None
            except UntrustedError as error:
                error.row = error.row or self._row or None
                if self._in_cell and not error.column:
                    error.column = letters(len(self._cells))
                raise
            yield from self._done
            self._done.clear()
            if not more:
                return

    def _start(self, name: str, attributes: Attributes) -> None:
        if name == "c" and self._in_row:
            self._start_cell(attributes)
        elif self._in_cell:
            if name == "v" or (name == "t" and not self._n_phonetic):
                self._text.begin()
            elif name == "f":
                self._is_formula = True
            elif name == "rPh":
                self._n_phonetic += 1
        elif name == "row":
            self._start_row(attributes)
        elif name == "mergeCell":
            where = attributes.get("ref", "")
            row = "".join(filter(str.isdecimal, where.partition(":")[0]))
            raise UntrustedError(
                f"the merged cells {where}",
                "no merged cells, behind which values disappear: unmerge them",
                row=int(row) if is_small_number(row) else None,
            )

    def _end(self, name: str) -> None:
        if not self._in_row:
            return
        if name == "c":
            self._cells.append(self._value(self._text.take()))
            self._in_cell = False
        elif name in ("v", "t"):
            self._text.end()
        elif name == "rPh":
            self._n_phonetic -= 1
        elif name == "row":
            self._in_row = False
            self._done.append((self._row, self._cells))

    def _start_row(self, attributes: Attributes) -> None:
        number = attributes.get("r", str(self._row + 1))
        if not is_small_number(number) or not self._row < int(number) <= MAX_ROWS:
            wanted = f"rows in order, up to {MAX_ROWS:,}"
            raise UntrustedError(f"row {number!r} after row {self._row}", wanted)
        self._row = int(number)
        self._cells = []
        self._in_row = True

    def _start_cell(self, attributes: Attributes) -> None:
        place = attributes.get("r")
        column = len(self._cells)
        if place is not None:
            column = COLUMN_OF.get(place.rstrip("0123456789"), MAX_COLUMNS)
        if not len(self._cells) <= column < MAX_COLUMNS:
            raise UntrustedError(
                f"a cell in {place or letters(column)}",
                f"cells in order, in at most {MAX_COLUMNS} columns",
            )
        self._cells.extend([None] * (column - len(self._cells)))
        self._kind = attributes.get("t", NUMBER)
        self._style = attributes.get("s", "")
        self._in_cell = True
        self._is_formula = False

    def _value(self, text: str) -> Cell:
        if self._is_formula:
            return Spoiled("a formula", A_VALUE)
        if self._kind == "e":
            return Spoiled(text, NO_ERROR)
        if not text:
            return None
        if self._kind == "s":
            return self._shared(text)
        if self._kind == NUMBER:
            found = as_number(text)
            if self._style and isinstance(found, int | float) and self._is_date(self._style):
                return self._as_date(found)
            return found
        if self._kind == "b":
            return "TRUE" if text == "1" else "FALSE"
        return unescaped(text)
