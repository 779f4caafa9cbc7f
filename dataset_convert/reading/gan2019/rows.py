"""Rows of the release's workbooks, with or without header, in our own column names."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

from dataset_convert.problems import Problems
from dataset_convert.progress import track
from dataset_convert.reading.files import name_in
from dataset_convert.reading.values import BadValue, Values
from dataset_convert.reading.workbooks.reader import SheetRow, read_workbook

BRAND, INFLUENCER, ACCOUNT, MEMBER = "brand", "influencer", "account", "member"
BIOGRAPHY, FOLLOWERS, CATEGORY = "biography", "followers", "category"
PATH1, PATH2, TEXT, TIMESTAMP = "path1", "path2", "text", "timestamp"
COMMENTS, LIKES, COMPETENCE, LABEL = "comments", "likes", "competence", "label"

HEADERS: Final[dict[str, str]] = {
    **{
        name: name
        for name in (
            *(BRAND, INFLUENCER, ACCOUNT, MEMBER, BIOGRAPHY, FOLLOWERS, CATEGORY),
            *(PATH1, PATH2, TEXT, TIMESTAMP, COMMENTS, LIKES, COMPETENCE, LABEL),
        )
    },
    "micro-influencer": INFLUENCER,
    "microinfluencer": INFLUENCER,
    "micro influencer": INFLUENCER,
    "#comments": COMMENTS,
    "#likes": LIKES,
    "competence score": COMPETENCE,
}
"""What headers say, in small letters -> our column."""

Parsed = TypeVar("Parsed")


@dataclass(frozen=True, slots=True)
class Row:
    """A row below the header.

    Attributes:
        file: As a person finds it in the release.
        sheet: Of the file.
        row: As the spreadsheet counts.
        values: Our column -> value; None where there is none.
    """

    file: str
    sheet: str
    row: int
    values: Values


@dataclass(frozen=True)
class Layout:
    """The columns of one kind of workbook.

    Attributes:
        columns: In the order of a workbook without header.
        needed: Those that a header must name.
    """

    columns: tuple[str, ...]
    needed: frozenset[str]


@dataclass(frozen=True)
class Workbooks:
    """The workbooks of one kind.

    Attributes:
        root: The release, resolved.
        paths: In reading order.
        layout: Of their columns.
        problems: Told of rows that are left out.
    """

    root: Path
    paths: Sequence[Path]
    layout: Layout
    problems: Problems

    def parsed(self, parse: Callable[[Values], Parsed]) -> Iterator[tuple[Row, Parsed]]:
        """Yields all rows with what a function makes of them; rows that it refuses are skipped.

        Args:
            parse: Raises BadValue for a row that cannot be used.

        Raises:
            ConversionError: A workbook that cannot be trusted, a header without a needed column,
                or no row of any workbook can be used.
        """
        n_used, n_skipped = 0, self.problems.n_skipped
        for row in self.rows():
            try:
                found = parse(row.values)
            except BadValue as bad:
                self.skip(row, bad)
                continue
            n_used += 1
            yield row, found
        if not n_used:
            hint = ""
            if self.problems.n_skipped > n_skipped:
                first = self.problems.skipped_at(n_skipped)
                hint = f"; the first problem is: {first}"
            self.problems.refuse(
                ", ".join(name_in(self.root, path) for path in self.paths),
                value="none",
                wanted=f"rows that can be used{hint}",
            )

    def rows(self) -> Iterator[Row]:
        """Yields all rows below the headers.

        Raises:
            ConversionError: As `parsed`.
        """
        for path in self.paths:
            file = name_in(self.root, path)
            sheet = None
            for found in track(read_workbook(path, file, self.problems), file, unit="rows"):
                if found.sheet != sheet:
                    sheet = found.sheet
                    header = self._header(found, file)
                    places = header or {name: i for i, name in enumerate(self.layout.columns)}
                    if header:
                        continue
                cells = found.cells
                values = {
                    name: cells[place] if place is not None and place < len(cells) else None
                    for name, place in places.items()
                }
                yield Row(file, sheet, found.row, values)

    def skip(self, row: Row, bad: BadValue) -> None:
        """Notes that a row is left out."""
        self.problems.skip(
            row.file,
            sheet=row.sheet,
            row=row.row,
            column=bad.column,
            value=bad.value,
            wanted=bad.wanted,
        )

    def note(self, row: Row, column: str, value: object, wanted: str) -> None:
        """Notes what is odd about a row that stays."""
        self.problems.note(
            row.file, sheet=row.sheet, row=row.row, column=column, value=value, wanted=wanted
        )

    def _header(self, first: SheetRow, file: str) -> dict[str, int | None] | None:
        """Returns our column -> its place, or None where the first row of a sheet is no header."""
        names = [_our_name(cell) for cell in first.cells]
        known = [name for name in names if name in self.layout.columns]
        if len(known) < 2:
            return None
        wrong = {name: "every column once" for name in known if known.count(name) > 1}
        wrong |= dict.fromkeys(self.layout.needed.difference(known), "this column")
        for column in sorted(wrong):
            self.problems.refuse(
                file,
                sheet=first.sheet,
                row=first.row,
                column=column,
                value=", ".join(str(cell) for cell in first.cells),
                wanted=wrong[column],
            )
        return {name: names.index(name) if name in names else None for name in self.layout.columns}


def _our_name(cell: Any) -> str:
    return HEADERS.get(cell.strip().casefold(), "") if isinstance(cell, str) else ""
