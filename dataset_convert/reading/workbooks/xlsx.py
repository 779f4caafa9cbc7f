"""The package around the sheets of an .xlsx file: which there are, and which numbers are dates."""

import posixpath
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from dataset_convert.problems import ConversionError
from dataset_convert.reading.workbooks.cells import (
    INSTALL,
    Cell,
    Cells,
    Spoiled,
    Step,
    UntrustedError,
)
from dataset_convert.reading.workbooks.sheet import SheetParser
from dataset_convert.reading.workbooks.strings import SharedStrings
from dataset_convert.reading.workbooks.xml_stream import (
    Attributes,
    Chunks,
    OnStart,
    new_parser,
    parse,
)

MAX_BYTES: Final = 2**31
"""Unpacked: about five times a sheet with as many captions as rows fit into it."""
MAX_RATIO: Final = 200
"""Unpacked to packed bytes; sheets reach 5 to 50, made-up files 1,000."""
FREE_BYTES: Final = 2**26
"""Unpacked bytes that are read whatever the ratio is."""
MAX_MEMBERS: Final = 2000

_CHUNK: Final = 2**16
_BROKEN: Final = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    NotImplementedError,
    UnicodeDecodeError,
)
_SHEET: Final = "worksheet"
_ROOT: Final = "xl/workbook.xml"
_EAST_ASIAN_DATES: Final = frozenset(map(str, (*range(27, 37), *range(50, 59))))
"""Numbers of date formats that spreadsheets in Chinese, Japanese and Korean use."""


def read_xlsx(path: Path) -> Iterator[Step]:
    """Yields the rows of one sheet after the other, each sheet announced by a row 0.

    Raises:
        UntrustedError: A file that is broken, encrypted or unpacks to too much.
        ConversionError: openpyxl is not installed.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            _check_size(archive, path)
            for sheet, rows in _Package(archive).sheets():
                yield sheet, 0, []
                for number, cells in rows:
                    yield sheet, number, cells
    except _BROKEN as error:
        found = f"a broken package: {' '.join(str(error).split())}"
        raise UntrustedError(found, "a workbook (.xlsx or .xls) that is whole") from None


def _check_size(archive: zipfile.ZipFile, path: Path) -> None:
    members = archive.infolist()
    if len(members) > MAX_MEMBERS:
        raise UntrustedError(f"{len(members)} parts", f"a workbook of at most {MAX_MEMBERS} parts")
    if any(member.flag_bits & 1 for member in members):
        raise UntrustedError("an encrypted workbook", "one without password")
    # The directory's word is enough: no more of a member is unpacked than it says, and a member
    # that is longer fails its checksum.
    n_bytes = sum(member.file_size for member in members)
    ratio = n_bytes / path.stat().st_size
    if n_bytes > MAX_BYTES or (n_bytes > FREE_BYTES and ratio > MAX_RATIO):
        raise UntrustedError(
            f"{n_bytes:,} bytes when unpacked, {ratio:.0f} times the file",
            f"at most {MAX_BYTES:,} bytes and {MAX_RATIO} times the file, as of a real workbook",
        )


class _Package:
    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self._members = {info.filename: info for info in archive.infolist()}

    def sheets(self) -> Iterator[tuple[str, Iterator[tuple[int, Cells]]]]:
        if _ROOT not in self._members:
            raise UntrustedError("another kind of package", "a workbook (.xlsx or .xls)")
        relations = self._relations()
        of_kind = dict(relations.values())
        names, is_1904 = self._names()
        shared_file = of_kind.get("sharedStrings", "")
        shared = SharedStrings(self._chunks(shared_file)) if shared_file in self._members else None
        dates = self._date_styles(of_kind.get("styles", ""))
        for name, relation in names:
            kind, file = relations.get(relation, (_SHEET, ""))
            if kind != _SHEET:  # a chart
                continue
            if file not in self._members:
                raise UntrustedError("no such sheet", "a workbook that is whole", sheet=name)
            parser = SheetParser(
                shared.get if shared else _no_text, dates.__contains__, _to_date(is_1904)
            )
            yield name, parser.rows(self._chunks(file))

    def _chunks(self, member: str) -> Chunks:
        with self._archive.open(self._members[member]) as stream:
            while chunk := stream.read(_CHUNK):
                yield chunk

    def _scan(self, member: str, start: OnStart) -> None:
        if member in self._members:
            for _ in parse(new_parser(start), self._chunks(member)):
                pass

    def _relations(self) -> dict[str, tuple[str, str]]:
        """Returns the id of a part -> its kind and its member."""
        found: dict[str, tuple[str, str]] = {}

        def start(name: str, attributes: Attributes) -> None:
            if name == "Relationship":
                kind = attributes.get("Type", "").rpartition("/")[2]
                target = posixpath.join("/xl", attributes.get("Target", ""))
                found[attributes.get("Id", "")] = kind, posixpath.normpath(target).lstrip("/")

        self._scan("xl/_rels/workbook.xml.rels", start)
        return found

    def _names(self) -> tuple[list[tuple[str, str]], bool]:
        """Returns the sheets' names with their relations, and whether days count from 1904."""
        names: list[tuple[str, str]] = []
        is_1904 = False

        def start(name: str, attributes: Attributes) -> None:
            nonlocal is_1904
            if name == "sheet":
                ids = [value for key, value in attributes.items() if key.endswith(":id")]
                names.append((attributes.get("name", ""), ids[0] if ids else ""))
            elif name == "workbookPr":
                is_1904 = attributes.get("date1904", "0") in ("1", "true")

        self._scan(_ROOT, start)
        return names, is_1904

    def _date_styles(self, member: str) -> frozenset[str]:
        """Returns the numbers of the cell styles that show a date."""
        try:
            from openpyxl.styles.numbers import BUILTIN_FORMATS, is_date_format
        except ImportError:
            raise ConversionError(f"Workbooks need openpyxl: {INSTALL}.") from None
        formats = {str(number): code for number, code in BUILTIN_FORMATS.items()}
        styles: list[str] = []
        inside = ""

        def start(name: str, attributes: Attributes) -> None:
            nonlocal inside
            if name == "xf" and inside == "cellXfs":
                styles.append(attributes.get("numFmtId", "0"))
            elif name == "numFmt" and inside == "numFmts":
                formats[attributes.get("numFmtId", "")] = attributes.get("formatCode", "")
            elif name in ("numFmts", "cellXfs", "cellStyleXfs", "dxfs"):
                inside = name

        self._scan(member, start)
        return frozenset(
            str(style)
            for style, number in enumerate(styles)
            if number in _EAST_ASIAN_DATES or is_date_format(formats.get(number))
        )


def _no_text(number: str) -> str:
    raise UntrustedError(f"text number {number!r}", "a workbook with its shared texts")


def _to_date(is_1904: bool) -> Callable[[float], Cell]:
    from openpyxl.utils.datetime import MAC_EPOCH, WINDOWS_EPOCH, from_excel

    epoch = MAC_EPOCH if is_1904 else WINDOWS_EPOCH

    def to_date(number: float) -> Cell:
        try:
            found: Cell = from_excel(number, epoch)
        except (ValueError, OverflowError):
            return Spoiled(f"day {number}", "a date of the calendar")
        return found

    return to_date
