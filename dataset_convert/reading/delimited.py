"""Rows of a CSV or TSV file."""

import csv
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from dataset_convert.problems import OWN, Problems
from dataset_convert.reading.lines import MAX_LINE, read_lines

DELIMITERS = (",", ";", "\t", "|")
ONE_DELIMITER = "one delimiter throughout, or the right one in option 'delimiter'"

# The module's own limit, of 131,072 characters, would refuse a file for one long caption.
csv.field_size_limit(MAX_LINE)


def read_delimited(
    path: Path,
    file: str,
    *,
    encoding: str,
    delimiter: str | None,
    check_header: Callable[[Sequence[str]], None],
    problems: Problems,
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yields row number and column -> text of every row below the header, which is row 1.

    A cell over several lines counts as one row, as in a spreadsheet. Rows without any value are
    left out silently; rows with too few or too many cells are skipped.

    Args:
        path: The file.
        file: Its name for messages.
        encoding: Of the text.
        delimiter: None looks for it in the header.
        check_header: Called with the column names; raises where some are missing.
        problems: Of the conversion.

    Raises:
        ConversionError: No header, a column twice, mixed delimiters or broken quotes.
    """
    lines = read_lines(path, file, encoding, problems)
    first = next(lines, "")
    if not first.strip():
        problems.refuse(file, value=first, wanted="a header in row 1")
    delimiter = delimiter or _find_delimiter(first, file, problems)
    rows = csv.reader(chain([first], lines), delimiter=delimiter, strict=True)
    number = 0
    try:
        header = [name.strip() for name in next(rows)]
        number = 1
        _refuse_repeated(header, file, problems)
        check_header(header)
        for number, cells in enumerate(rows, start=2):
            if not any(cells):
                continue
            if len(cells) != len(header):
                _refuse_mixed(cells, len(header), delimiter, file, number, problems)
                wanted = "as many cells as the header has"
                found = f"{len(cells)} cells"
                problems.skip(file, row=number, column="", value=found, wanted=wanted, kind=OWN)
                continue
            yield number, dict(zip(header, cells, strict=True))
    except csv.Error as error:
        problems.refuse(
            file, row=number + 1, value=error, wanted="cells quoted as in CSV, every quote closed"
        )


def _find_delimiter(header: str, file: str, problems: Problems) -> str:
    found = [delimiter for delimiter in DELIMITERS if _n_cells(header, delimiter) > 1]
    if len(found) > 1:
        problems.refuse(file, row=1, value=header, wanted=ONE_DELIMITER)
    return found[0] if found else ","


def _n_cells(line: str, delimiter: str) -> int:
    try:
        return len(next(csv.reader([line], delimiter=delimiter, strict=True), []))
    except csv.Error:
        return 0


def _refuse_repeated(header: Sequence[str], file: str, problems: Problems) -> None:
    for i, name in enumerate(header):
        if name and name in header[:i]:
            problems.refuse(file, row=1, column=name, value=name, wanted="every column once")


def _refuse_mixed(
    cells: Sequence[str], n_columns: int, delimiter: str, file: str, row: int, problems: Problems
) -> None:
    # A row cut short that is whole with another delimiter was written with that one.
    line = delimiter.join(cells)
    others = [other for other in DELIMITERS if other != delimiter]
    if len(cells) < n_columns and any(_n_cells(line, other) == n_columns for other in others):
        problems.refuse(file, row=row, value=line, wanted=ONE_DELIMITER)
