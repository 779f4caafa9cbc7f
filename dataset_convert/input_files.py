"""Files of any packing and encoding as plain UTF-8 within bounds, before the database reads."""

import bz2
import codecs
import contextlib
import csv
import gzip
import io
import lzma
import re
import zipfile
import zlib
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path
from typing import IO, Any, Final, Literal

from dataset_convert.problems import OWN, Problems
from dataset_convert.workbooks import FREE_BYTES, MAX_RATIO, Sheet, cell_text, read_sheets

Kind = Literal["csv", "lines", "json", "parquet"]

KINDS: Final[dict[str, Kind]] = {
    ".csv": "csv",
    ".tsv": "csv",
    ".txt": "csv",
    ".jsonl": "lines",
    ".ndjson": "lines",
    ".json": "json",
    ".parquet": "parquet",
}
WORKBOOKS: Final = (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods")
PACKED: Final[dict[str, Callable[[Path], Any]]] = {
    ".gz": gzip.GzipFile,
    ".bz2": bz2.BZ2File,
    ".xz": lzma.LZMAFile,
}
SUFFIXES: Final = (*KINDS, *WORKBOOKS)

MAX_LINE: Final = 100 * 2**20
"""Bytes of a line, or of a row whose cells go over several lines; a longer one is no text."""
MAX_OBJECT: Final = 16 * 2**20
"""Bytes of a JSON object."""
MAX_DEPTH: Final = 128
"""Levels of JSON within JSON."""
MAX_UNPACKED: Final = 2**33
"""Bytes of what an archive unpacks to."""

_BLOCK: Final = 2**20
_BOMS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_STRING: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+"', re.DOTALL)
_WHOLE: Final = re.compile(rb'(?:[^"]++|"(?:[^"\\]++|\\.)*+")*+', re.DOTALL)
_NO_BRACKETS: Final = bytes(set(range(256)) - set(b"[]{}"))
_HALF: Final = re.compile(
    r"(\\\\)|\\u[dD][89abAB]\w\w(?!\\u[dD][c-fC-F])|(?<!\\u[dD][89abAB]..)\\u[dD][c-fC-F]\w\w"
)
_BROKEN: Final = (
    EOFError,
    zipfile.BadZipFile,
    lzma.LZMAError,
    zlib.error,
    NotImplementedError,
    RuntimeError,
)
_OPENS: Final = re.compile(rb'(?:^|[^\w\s.()"\x80-\xff]) *"|\t"')


@dataclass
class Text:
    """A file, a member of an archive or a sheet, as the database can read it.

    Attributes:
        path: The file itself where it is plain, otherwise a copy.
        file: Its name as a person finds it.
        kind: How it is read.
        sheet: Of a workbook.
        blank: Which rows of a CSV file, counted from 1, are blank lines, which the database drops.
        longest: Bytes of the longest row.
        open_row: The row whose quotes seem not to be closed; 0 where there is none.
    """

    path: Path
    file: str
    kind: Kind
    sheet: str = ""
    blank: "array[int]" = field(default_factory=lambda: array("q"))
    longest: int = 0
    open_row: int = 0

    def head(self, delimiter: str, n_rows: int = 60) -> list[list[str]]:
        """Returns the first rows of a CSV file."""
        with self.path.open(encoding="utf-8", newline="") as stream:
            rows = csv.reader(io.StringIO(stream.read(_BLOCK), newline=""), delimiter=delimiter)
            found: list[list[str]] = []
            with contextlib.suppress(csv.Error):
                for row in rows:
                    found.append(row)
                    if len(found) == n_rows:
                        break
            return found


class InputFiles:
    """Makes files readable; copies stand in a folder of its own."""

    def __init__(self, scratch: Path, problems: Problems) -> None:
        """Takes where copies go, and whom to tell."""
        self._scratch = scratch
        self._problems = problems
        self._n_copies = 0

    def open(
        self, path: Path, file: str, *, encoding: str | None = None, sheet: str | None = None
    ) -> Iterator[Text]:
        """Yields what a file holds: one text, or one a member of an archive or a sheet.

        Args:
            path: The file.
            file: Its name for messages.
            encoding: Of text; None finds it.
            sheet: The only one that is wanted of a workbook.

        Raises:
            ConversionError: It cannot be read, is of no known kind, or goes beyond a bound.
        """
        try:
            if path.suffix.lower() == ".zip":
                yield from self._members(path, file, encoding, sheet)
                return
            suffix = path.suffix.lower()
            packed = PACKED.get(suffix)
            kind = Path(path.stem).suffix.lower() if packed else suffix
            if packed:
                with packed(path) as stream:
                    path = self._unpacked(stream, path.stat().st_size, file, kind)
            yield from self._texts(path, file, kind, encoding, sheet)
        except _BROKEN as error:
            self._problems.refuse(file, value=error, wanted="an archive that is whole")
        except OSError as error:
            wanted = f"a readable file, and room for a copy of it in {self._scratch.parent}"
            self._problems.refuse(file, value=error.strerror or error, wanted=wanted)

    def _members(
        self, path: Path, file: str, encoding: str | None, sheet: str | None
    ) -> Iterator[Text]:
        with zipfile.ZipFile(path) as archive:
            names = [
                one
                for one in sorted(archive.infolist(), key=lambda one: one.filename)
                if Path(one.filename).suffix.lower() in SUFFIXES and "__MACOSX" not in one.filename
            ]
            if not names:
                found = ", ".join(archive.namelist()) or "nothing"
                wanted = f"a file in it that ends in {', '.join(SUFFIXES)}"
                self._problems.refuse(file, value=found, wanted=wanted)
            for one in names:
                if one.flag_bits & 1:
                    self._problems.refuse(file, value="a password", wanted="an open archive")
                inside, kind = f"{file}/{one.filename}", Path(one.filename).suffix.lower()
                with archive.open(one) as stream:
                    copy = self._unpacked(stream, max(1, one.compress_size), inside, kind)
                yield from self._texts(copy, inside, kind, encoding, sheet)
                copy.unlink(missing_ok=True)

    def _texts(
        self, path: Path, file: str, suffix: str, encoding: str | None, sheet: str | None
    ) -> Iterator[Text]:
        if suffix in WORKBOOKS:
            for one in read_sheets(path, file, self._problems, sheet):
                yield self._sheet_as_text(one, file)
        elif suffix not in KINDS:
            wanted = f"a file ending in {', '.join(SUFFIXES)}, or such a file packed"
            self._problems.refuse(file, value=suffix, wanted=wanted)
        elif KINDS[suffix] == "parquet":
            yield Text(path, file, "parquet")
        else:
            text = self._plain(path, file, KINDS[suffix], encoding)
            yield text
            if text.path != path:
                text.path.unlink(missing_ok=True)

    def _copy(self, suffix: str) -> Path:
        self._n_copies += 1
        return self._scratch / f"{self._n_copies}{suffix}"

    def _unpacked(self, stream: IO[bytes], size: int, file: str, suffix: str) -> Path:
        bound = min(MAX_UNPACKED, FREE_BYTES + MAX_RATIO * size)
        path, n_bytes = self._copy(suffix), 0
        with path.open("wb") as copy:
            while block := stream.read(_BLOCK):
                n_bytes += len(block)
                if n_bytes > bound:
                    self._problems.refuse(
                        file, value=f"more than {bound:,} bytes unpacked", wanted="less"
                    )
                copy.write(block)
        return path

    # --- text

    def _plain(self, path: Path, file: str, kind: Kind, encoding: str | None) -> Text:
        """Returns text in UTF-8 whose lines end as in Unix; a copy where it is not yet that."""
        codec, is_plain = _codec_of(path, encoding)
        text = Text(path, file, kind)
        try:
            text = self._scanned(path, file, kind, codec, is_plain)
        except UnicodeDecodeError as error:
            if encoding is not None or codec != "utf-8":
                wanted = f"{codec} text; option 'encoding' names another one"
                self._problems.refuse(file, value=error, wanted=wanted)
            wanted = "UTF-8: read as cp1252; option 'encoding' names another one"
            self._problems.note(
                file, row=None, column="", value="other bytes", wanted=wanted, kind=OWN
            )
            try:
                text = self._scanned(path, file, kind, "cp1252", False)
            except UnicodeDecodeError as error:
                wanted = "UTF-8 or cp1252 text; option 'encoding' names another one"
                self._problems.refuse(file, value=error, wanted=wanted)
        except UnicodeError as error:
            self._problems.refuse(file, value=error, wanted=f"{codec} text")
        return text

    def _scanned(self, path: Path, file: str, kind: Kind, codec: str, is_plain: bool) -> Text:
        text = Text(path if is_plain else self._copy(".txt"), file, kind)
        scan = _Scan(text, self._problems)
        decoder = io.IncrementalNewlineDecoder(codecs.getincrementaldecoder(codec)(), True)
        with (
            path.open("rb") as stream,
            contextlib.nullcontext() if is_plain else text.path.open("wb") as copy,
        ):
            while True:
                block = stream.read(_BLOCK)
                if is_plain and (b"\r" in block or (kind != "csv" and b"\\u" in block)):
                    return self._scanned(path, file, kind, codec, False)
                part = decoder.decode(block, not block)
                if kind != "csv" and "\\u" in part:
                    # A line never breaks within an escape, so that a block is made to end with one.
                    rest = b"" if not block else stream.readline(MAX_LINE)
                    part += decoder.decode(rest, not block)
                    part = _HALF.sub(lambda half: half[1] or "?", part)
                content = part.encode("utf-8", "replace")
                if copy is not None:
                    copy.write(content)
                scan.feed(content)
                if not block:
                    scan.end()
                    return text

    # --- workbooks

    def _sheet_as_text(self, sheet: Sheet, file: str) -> Text:
        text = Text(self._copy(".csv"), file, "csv", sheet=sheet.name)
        merged = _merged_below(sheet)
        above: dict[int, str] = {}
        with text.path.open("w", encoding="utf-8", errors="replace", newline="") as stream:
            writer = csv.writer(stream, quoting=csv.QUOTE_ALL, lineterminator="\n")
            for number, row in enumerate(sheet.rows):
                cells = [cell_text(cell).replace("\r\n", "\n") for cell in row]
                for column, cell in enumerate(cells):
                    if (number, column) in merged:
                        cells[column] = above.get(column, "")
                    else:
                        above[column] = cell
                text.longest = max(text.longest, 4 + sum(3 + 4 * len(cell) for cell in cells))
                writer.writerow(cells)
        return text


def _merged_below(sheet: Sheet) -> set[tuple[int, int]]:
    """Cells that are merged with the one above."""
    found: set[tuple[int, int]] = set()
    for top, left, bottom, _ in sheet.merged:
        if bottom - top <= 2**20:
            found.update((row, left) for row in range(top + 1, bottom + 1))
    return found


def _codec_of(path: Path, encoding: str | None) -> tuple[str, bool]:
    """The encoding of a file, and whether it needs no copy as far as its beginning tells."""
    with path.open("rb") as stream:
        start = stream.read(4096)
    for mark, codec in _BOMS:
        if start.startswith(mark):
            return codec, False
    if encoding is not None:
        name = codecs.lookup(encoding).name
        return name, name in ("utf-8", "ascii")
    # Latin letters in UTF-16 have a zero in every other byte.
    for first, codec in ((1, "utf-16-le"), (0, "utf-16-be")):
        if len(start) >= 4 and start[first::2].count(0) > 0.7 * len(start[first::2]):
            return codec, False
    return "utf-8", True


class _Scan:
    """Measures text as it passes: rows, blank ones, the longest, the depth of JSON."""

    def __init__(self, text: Text, problems: Problems) -> None:
        self._text, self._problems = text, problems
        self._rest = b""
        self._n_rows, self._length, self._in_quotes = 0, 0, False
        self._depth = 0

    def feed(self, block: bytes) -> None:
        """Takes the next bytes."""
        block = self._rest + block
        if self._text.kind == "json":
            end = _WHOLE.match(block).end()  # type: ignore[union-attr]
            self._measure(block[:end])
        else:
            end = block.rfind(b"\n") + 1
            for line in block[:end].split(b"\n")[:-1]:
                self._line(line)
        self._rest = block[end:]
        if len(self._rest) > MAX_LINE or self._length > MAX_LINE:
            self._refuse(f"a row of more than {MAX_LINE:,} bytes", "text, every quote closed")

    def end(self) -> None:
        """Takes that nothing follows."""
        if self._rest and self._text.kind != "json":
            self._line(self._rest)
        self._text.open_row = self._n_rows if self._in_quotes else 0
        self._text.longest = max(self._text.longest, self._length)

    def _line(self, line: bytes) -> None:
        if self._text.kind == "lines":
            self._n_rows += 1
            self._text.longest = max(self._text.longest, len(line))
            if len(line) > MAX_OBJECT:
                self._refuse(f"{len(line):,} bytes in a line", f"at most {MAX_OBJECT:,} an object")
            if line.count(b"[") + line.count(b"{") > MAX_DEPTH:
                self._depth = 0
                self._measure(line)
            return
        n_quotes = line.count(b'"')
        if not self._in_quotes:
            self._n_rows += 1
            self._length = 0
            if not line:
                self._text.blank.append(self._n_rows)
        if n_quotes % 2 and (self._in_quotes or _OPENS.search(line)):
            self._in_quotes = not self._in_quotes
        self._length += len(line) + 1
        if not self._in_quotes:
            self._text.longest = max(self._text.longest, self._length)

    def _measure(self, json: bytes) -> None:
        brackets = _STRING.sub(b"", json).translate(None, _NO_BRACKETS)
        if brackets:
            levels = list(
                accumulate((1 if x in b"[{" else -1 for x in brackets), initial=self._depth)
            )
            if max(levels) > MAX_DEPTH:
                self._refuse("objects and lists in each other", f"at most {MAX_DEPTH} levels")
            self._depth = levels[-1]

    def _refuse(self, value: str, wanted: str) -> None:
        row = self._n_rows if self._text.kind == "lines" else None
        self._problems.refuse(self._text.file, row=row, value=value, wanted=wanted)
