"""Sheets of workbooks as rows of cells; bounds are checked before anything is unpacked."""

import re
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any, Final

import python_calamine

from dataset_convert.problems import OWN, Problems

Cell = str | bool | int | float | date | time | timedelta

MAX_BYTES: Final = 2**30
"""What a workbook may unpack to: several times a sheet with as many captions as fit into it."""
MAX_RATIO: Final = 200
"""Unpacked to packed bytes; sheets reach 5 to 50, made-up files 1,000."""
FREE_BYTES: Final = 2**26
"""Unpacked bytes that are read whatever the ratio is."""
MAX_CELLS: Final = 2**25
"""Of a sheet, the empty ones within its corners included: all of them take memory."""

_MAX_ROWS, _MAX_COLUMNS = 2**20, 2**14
_BLOCK: Final = 2**20
# No tag of a cell or row before its place is longer; what two blocks share is looked at twice.
_OVERLAP: Final = 512
_ZIP, _OLE = b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_PASSWORD: Final = "EncryptedPackage".encode("utf-16-le")
_FORMULA: Final = re.compile(rb"<(?:\w+:)?f[\s/>]")
# What any far place looks like: most sheets have none, and need no closer look.
_PERHAPS_FAR: Final = re.compile(rb"=\s*[\"'](?:[A-Za-z]{2,}\d|[A-Za-z]?\d{7})")
_PLACE: Final = re.compile(
    rb"<(?:\w+:)?(?:c|row)\s(?:[^>]{0,400}?\s)?r\s*=\s*[\"']([A-Za-z]{0,6})[A-Za-z]*(\d{1,12})"
)
_BROKEN: Final = (
    python_calamine.CalamineError,
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    NotImplementedError,  # a way of packing that Python does not know
)
_A_WORKBOOK: Final = "a workbook that is whole and has no password"


@dataclass(frozen=True)
class Sheet:
    """A sheet of a workbook.

    Attributes:
        name: Its name.
        rows: From row 1 and column A on, "" for an empty cell.
        merged: Ranges of merged cells: top, left, bottom and right, from 0.
    """

    name: str
    rows: Iterator[list[Cell]]
    merged: list[tuple[int, int, int, int]]

    def as_text(self) -> Iterator[list[str]]:
        """Yields its rows as text; merged cells have what stands in the uppermost one."""
        merged = {
            (row, left)
            for top, left, bottom, _ in self.merged
            for row in range(top + 1, min(bottom, top + _MAX_ROWS) + 1)
        }
        above: dict[int, str] = {}
        for number, row in enumerate(self.rows):
            cells = [cell_text(cell).replace("\r\n", "\n") for cell in row]
            for column, cell in enumerate(cells) if merged else ():
                if (number, column) in merged:
                    cells[column] = above.get(column, "")
                else:
                    above[column] = cell
            yield cells


def read_sheets(
    path: Path, file: str, problems: Problems, only: str | None = None
) -> Iterator[Sheet]:
    """Yields the sheets of a workbook, one in memory at a time.

    What kind of workbook it is, its content tells. Of a formula the result counts that was saved,
    which is told once a workbook (.xlsx).

    Args:
        path: The file.
        file: Its name for messages.
        problems: Of the conversion.
        only: The only sheet that is wanted.

    Raises:
        ConversionError: No workbook, a broken or encrypted one, or one beyond a bound.
    """
    try:
        _check(path, file, problems)
        book = _open(path)
        names = [
            one.name
            for one in book.sheets_metadata
            if one.typ == python_calamine.SheetTypeEnum.WorkSheet
        ]
        if only is not None and only not in names:
            value = f"the sheets {', '.join(map(repr, names))}"
            wanted = f"a sheet {only!r}, as option 'sheet' says"
            problems.refuse(file, value=value, wanted=wanted)
        for name in names if only is None else [only]:
            yield _sheet(book, name)
    except _BROKEN as error:
        problems.refuse(file, value=error, wanted=_A_WORKBOOK)
    except OSError as error:
        problems.refuse(file, value=error.strerror or error, wanted="a readable file")


def _open(path: Path) -> python_calamine.CalamineWorkbook:
    try:
        return python_calamine.CalamineWorkbook.from_path(path)
    except python_calamine.CalamineError:
        # Its name may say something else than its content, which is read into memory then.
        with path.open("rb") as stream:
            return python_calamine.CalamineWorkbook.from_filelike(stream)


def _sheet(book: python_calamine.CalamineWorkbook, name: str) -> Sheet:
    """A sheet, which its rows alone keep in memory: it goes before the next one comes."""
    sheet = book.get_sheet_by_name(name)
    merged = [(*begin, *end) for begin, end in sheet.merged_cell_ranges or ()]
    return Sheet(name, _rows(sheet), merged)


def _rows(sheet: python_calamine.CalamineSheet) -> Iterator[list[Cell]]:
    left = (sheet.start or (0, 0))[1]
    for row in sheet.iter_rows():
        yield [*[""] * left, *map(_whole, row)]


def _whole(cell: Any) -> Cell:
    """A number as a sheet shows it: 3 and not 3.0."""
    is_whole = type(cell) is float and cell.is_integer() and abs(cell) < 2**53
    return int(cell) if is_whole else cell


def cell_text(cell: Cell) -> str:
    """Returns a cell as text: numbers in full, dates as ISO."""
    if isinstance(cell, str):
        return cell
    if isinstance(cell, bool):
        return str(cell).upper()
    if isinstance(cell, datetime) and cell.time() == time():
        return cell.date().isoformat()
    return cell.isoformat() if isinstance(cell, date | time) else str(cell)


def _check(path: Path, file: str, problems: Problems) -> None:
    with path.open("rb") as stream:
        start = stream.read(512)
        if start.startswith(_OLE):
            # With a password, the newer format is put into a container of the older one.
            before = start
            while block := stream.read(_BLOCK):
                if _PASSWORD in before[-64:] + block:
                    problems.refuse(file, value="a password", wanted=_A_WORKBOOK)
                before = block
    if start.startswith(_ZIP):
        _check_package(path, file, problems)
    elif not start.startswith(_OLE):
        text = start.decode("utf-8", "replace").lstrip("\ufeff \r\n\t").lower()
        is_page = text.startswith(("<html", "<!doctype html", "<table", "<meta"))
        value = "a web page" if is_page else f"a file that begins with {text[:12]!r}"
        wanted = "a workbook: open it in a spreadsheet, and save it as one"
        problems.refuse(file, value=value if start else "an empty file", wanted=wanted)


def _check_package(path: Path, file: str, problems: Problems) -> None:
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        if any(member.flag_bits & 1 for member in members):
            problems.refuse(file, value="a password", wanted=_A_WORKBOOK)
        n_bytes = sum(member.file_size for member in members)
        bound = min(MAX_BYTES, FREE_BYTES + MAX_RATIO * path.stat().st_size)
        if n_bytes > bound:
            value = f"{n_bytes:,} bytes unpacked"
            problems.refuse(file, value=value, wanted=f"at most {bound:,} bytes")
        has_formulas = False
        for member in members:
            # No more is read than the directory says, and what is longer fails its checksum.
            is_sheet = member.filename.startswith("xl/worksheets/")
            if is_sheet and member.filename.endswith(".xml"):
                has_formulas |= _check_sheet(archive, member, file, problems)
            elif member.filename.endswith((".xml", ".bin")):
                for block in _blocks(archive, member):
                    has_formulas = has_formulas or b"table:formula=" in block
    if has_formulas:
        wanted = "values: of formulas the results that the file holds are read"
        problems.note(file, row=None, column="", value="formulas", wanted=wanted, kind=OWN)


def _check_sheet(
    archive: zipfile.ZipFile, member: zipfile.ZipInfo, file: str, problems: Problems
) -> bool:
    """Refuses a sheet whose corners span too many cells; returns whether it has formulas."""
    has_formulas, is_far, n_columns, n_rows = False, False, 0, 0
    for block in _blocks(archive, member):
        if not has_formulas and (b"<f" in block or b":f" in block):
            has_formulas = _FORMULA.search(block) is not None
        is_far = is_far or _PERHAPS_FAR.search(block) is not None
    for block in _blocks(archive, member) if is_far else ():
        for letters, digits in _PLACE.findall(block):
            n_columns, n_rows = max(n_columns, _column(letters)), max(n_rows, int(digits))
    if n_rows > _MAX_ROWS or n_columns > _MAX_COLUMNS or n_rows * n_columns > MAX_CELLS:
        value = f"cells to row {n_rows:,}, column {n_columns:,}"
        problems.refuse(file, value=value, wanted=f"a sheet of at most {MAX_CELLS:,} cells")
    return has_formulas


def _blocks(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Iterator[bytes]:
    with archive.open(member) as stream:
        before = b""
        while block := stream.read(_BLOCK):
            yield before + block
            before = block[-_OVERLAP:]


def _column(letters: bytes) -> int:
    number = 0
    for letter in letters.upper():
        number = 26 * number + letter - ord("A") + 1
    return number
