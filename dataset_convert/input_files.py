"""Files of any packing and encoding as rows of cells or as JSON texts, within bounds."""

import bz2
import codecs
import contextlib
import csv
import gzip
import io
import json
import lzma
import re
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, count, islice
from pathlib import Path
from typing import IO, Any, Final, Literal, TextIO

from dataset_convert.problems import OWN, Problems
from dataset_convert.workbooks import FREE_BYTES, MAX_RATIO, read_sheets

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

A_SMALL_OBJECT: Final = f"at most {MAX_OBJECT:,} characters a JSON object"

_BLOCK: Final = 2**20
_NUMBERS: Final = count()
"""Of copies: a file may be read while it is read already."""
_BOMS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_BETWEEN: Final = re.compile(r"[\s,]*")
_BROKEN: Final = (
    EOFError,
    zipfile.BadZipFile,
    lzma.LZMAError,
    zlib.error,
    NotImplementedError,
    RuntimeError,
)


@dataclass
class Text:
    """A file, a member of an archive or a sheet.

    Attributes:
        path: The file itself where it is not packed, otherwise a copy.
        file: Its name as a person finds it.
        kind: How it is read.
        codec: Of its letters.
        sheet: Of a workbook, whose rows are `cells`, to be read once.
    """

    path: Path
    file: str
    kind: Kind
    codec: str = "utf-8"
    sheet: str = ""
    cells: Iterable[list[str]] = ()

    def head(self, delimiter: str, n_rows: int = 60) -> list[list[str]]:
        """Returns the first rows of a CSV file or a sheet; `rows` still has them."""
        if self.sheet:
            cells = iter(self.cells)
            found = list(islice(cells, n_rows))
            self.cells = chain(found, cells)
            return found
        with self._opened() as stream:
            rows = csv.reader(io.StringIO(stream.read(_BLOCK), newline=""), delimiter=delimiter)
            found = []
            with contextlib.suppress(csv.Error):
                found.extend(islice(rows, n_rows))
            return found

    def rows(self, delimiter: str) -> Iterator[list[str]]:
        """Yields all rows, blank ones included, so that they can be counted as a person does.

        Raises:
            csv.Error: Quotes are not as in CSV.
        """
        if self.sheet:
            yield from self.cells
            return
        csv.field_size_limit(MAX_LINE)
        with self._opened() as stream:
            spaced = f'{delimiter} "' in stream.read(_BLOCK)
            stream.seek(0)
            yield from csv.reader(stream, delimiter=delimiter, strict=True, skipinitialspace=spaced)

    def objects(self, problems: Problems, *, in_list: bool = False) -> Iterator[tuple[int, Any]]:
        """Yields number and value of JSON: of lines, of a list, or one behind the other.

        Of a line that is no JSON its text; blank lines count, and are left out.

        Args:
            problems: Of the conversion.
            in_list: Whether a list is a value itself.

        Raises:
            ConversionError: A JSON file that is not whole, or a value that is beyond a bound.
        """
        with self._opened() as stream:
            row = 0
            try:
                is_lines = self.kind == "lines" or _is_object(stream.readline(MAX_OBJECT))
                stream.seek(0)
                if not is_lines:
                    for row, value in enumerate(self._values(stream, in_list, problems), start=1):
                        yield row, value
                    return
                while line := stream.readline(MAX_OBJECT + 1):
                    row += 1
                    if len(line) > MAX_OBJECT:
                        value = "a line that is longer"
                        problems.refuse(self.file, row=row, value=value, wanted=A_SMALL_OBJECT)
                    if line.strip():
                        yield row, _parsed(line)
            except RecursionError:
                value, wanted = "objects and lists in each other", f"at most {MAX_DEPTH} levels"
                problems.refuse(self.file, row=row + 1, value=value, wanted=wanted)

    def _opened(self) -> TextIO:
        return self.path.open(encoding=self.codec)

    def _values(self, stream: TextIO, in_list: bool, problems: Problems) -> Iterator[Any]:
        """The values of a list, or those that stand one behind the other."""
        text = stream.read(_BLOCK)
        end = "]" if text.lstrip().startswith("[") and not in_list else ""
        place, n_values = text.index("[") + 1 if end else 0, 0
        while True:
            place = _BETWEEN.match(text, place).end()  # type: ignore[union-attr]
            try:
                value, after = _DECODER.raw_decode(text, place)
            except ValueError as error:
                if len(text) - place > MAX_OBJECT:
                    value = f"a larger one, or none: {error}"
                    problems.refuse(self.file, row=n_values + 1, value=value, wanted=A_SMALL_OBJECT)
                # Blocks become larger, so that a large object is not tried too often.
                block = stream.read(max(_BLOCK, len(text) - place))
                if not block:
                    if text[place:].strip() != end:
                        problems.refuse(self.file, value=error, wanted="JSON that is whole")
                    return
                text, place = text[place:] + block, 0
                continue
            n_values += 1
            if after - place > MAX_OBJECT:
                problems.refuse(
                    self.file, row=n_values, value="a larger one", wanted=A_SMALL_OBJECT
                )
            yield _shallow(value, text[place:after])
            place = after


# NaN, which programs write although it is no JSON, stays a word.
_DECODER: Final = json.JSONDecoder(parse_constant=str)


def _parsed(line: str) -> Any:
    """A line's value, or the line itself where it is no JSON."""
    try:
        return _shallow(_DECODER.decode(line), line)
    except ValueError:
        return line.strip()


def _is_object(line: str) -> bool:
    """Whether a line is a JSON object of its own, as the first of many."""
    return line.lstrip().startswith("{") and isinstance(_parsed(line), dict)


def _shallow(value: Any, text: str) -> Any:
    """A value that is no deeper than the bound; raises RecursionError otherwise."""
    if text.count("[") + text.count("{") > MAX_DEPTH:
        level = [value]
        for _ in range(MAX_DEPTH + 1):
            level = [
                x
                for one in level
                if isinstance(one, dict | list)
                for x in (one.values() if isinstance(one, dict) else one)
            ]
        if level:
            raise RecursionError
    return value


class InputFiles:
    """Makes files readable; copies stand in a folder of its own."""

    def __init__(self, scratch: Path, problems: Problems) -> None:
        """Takes where copies go, and whom to tell."""
        self._scratch = scratch
        self._problems = problems

    def open(
        self, path: Path, file: str, *, encoding: str | None = None, sheet: str | None = None
    ) -> Iterator[Text]:
        """Yields what a file holds: one text, or one a member of an archive or a sheet.

        Args:
            path: The file.
            file: Its name for messages.
            encoding: Of text; None finds it.
            sheet: The only one that is wanted of a workbook, or the only file of an archive.

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
            if packed:
                path.unlink()
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
            chosen = [one for one in names if one.filename == sheet]
            sheet = None if chosen else sheet
            # Of files of all kinds a text is no table but tells of them.
            tables = [one for one in names if not one.filename.lower().endswith(".txt")]
            for one in chosen or tables or names:
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
                yield Text(path, file, "csv", sheet=one.name, cells=one.as_text())
        elif suffix not in KINDS:
            wanted = f"a file ending in {', '.join(SUFFIXES)}, or such a file packed"
            self._problems.refuse(file, value=suffix, wanted=wanted)
        elif KINDS[suffix] == "parquet":
            yield Text(path, file, "parquet")
        else:
            yield Text(path, file, KINDS[suffix], self._codec(path, file, encoding))

    def _unpacked(self, stream: IO[bytes], size: int, file: str, suffix: str) -> Path:
        bound = min(MAX_UNPACKED, FREE_BYTES + MAX_RATIO * size)
        path, n_bytes = self._scratch / f"{next(_NUMBERS)}{suffix}", 0
        with path.open("wb") as copy:
            while block := stream.read(_BLOCK):
                n_bytes += len(block)
                if n_bytes > bound:
                    value = f"more than {bound:,} bytes unpacked"
                    self._problems.refuse(file, value=value, wanted="less")
                copy.write(block)
        return path

    def _codec(self, path: Path, file: str, encoding: str | None) -> str:
        """The encoding of a text file, all of whose bytes it has letters for."""
        codec = _codec_of(path, encoding)
        error = self._misread(path, file, codec)
        if error and codec == "utf-8" and encoding is None:
            codec = "cp1252"
            wanted = f"UTF-8: read as {codec}; option 'encoding' names another one"
            self._problems.note(
                file, row=None, column="", value="other bytes", wanted=wanted, kind=OWN
            )
            error = self._misread(path, file, codec)
        if error:
            wanted = f"{codec} text; option 'encoding' names another one"
            self._problems.refuse(file, value=error, wanted=wanted)
        return codec

    def _misread(self, path: Path, file: str, codec: str) -> UnicodeError | None:
        """Why a file cannot be text of an encoding; refuses one without ends of lines."""
        decoder = codecs.getincrementaldecoder(codec)()
        length = 0
        try:
            with path.open("rb") as stream:
                while block := stream.read(_BLOCK):
                    decoder.decode(block)
                    end = max(block.rfind(b"\n"), block.rfind(b"\r"))
                    length = len(block) - 1 - end if end >= 0 else length + len(block)
                    if length > MAX_LINE and path.suffix != ".json":
                        value = f"a line of more than {MAX_LINE:,} bytes"
                        self._problems.refuse(file, value=value, wanted="text with ends of lines")
            decoder.decode(b"", True)
        except UnicodeError as error:
            return error
        return None


def _codec_of(path: Path, encoding: str | None) -> str:
    """The encoding of a file as its beginning tells."""
    with path.open("rb") as stream:
        start = stream.read(4096)
    for mark, codec in _BOMS:
        if start.startswith(mark):
            return codec
    if encoding is not None:
        return codecs.lookup(encoding).name
    # Latin letters in UTF-16 have a zero in every other byte.
    for first, codec in ((1, "utf-16-le"), (0, "utf-16-be")):
        if len(start) >= 4 and start[first::2].count(0) > 0.7 * len(start[first::2]):
            return codec
    return "utf-8"
