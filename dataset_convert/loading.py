"""The rows of one table's files: cells of CSV files and sheets, JSON and Parquet as objects."""

import csv
import glob
import json
import re
from collections.abc import Collection, Generator, Iterable, Iterator, Mapping, Sequence
from itertools import product, takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

import duckdb

from dataset_convert.common.errors import closest
from dataset_convert.folders import name_in
from dataset_convert.input_files import MAX_UNPACKED, PACKED, SUFFIXES, InputFiles, Text
from dataset_convert.problems import OWN, Problems
from dataset_convert.values import missing
from dataset_convert.workbooks import FREE_BYTES, MAX_RATIO

if TYPE_CHECKING:
    from dataset_convert.engine import Engine, How

DELIMITERS: Final = (",", ";", "\t", "|")
ONE_DELIMITER: Final = "one delimiter throughout, or the right one in option 'delimiter'"
QUOTES: Final = "cells quoted as in CSV, every quote closed"
AN_OBJECT: Final = "one JSON object a line"
A_ROW: Final = "at least one row that can be read"
A_SCALAR: Final = "text or a number: the row stays without it"

_HEAD: Final = 60
"""Rows among which the header is looked for."""
_ELEMENT: Final = re.compile(r"(?<=[/.])(?:\d+|\*)(?=[/.])")
_NUMBER: Final = r"[/._ \[-]+(\d+)[\]/._ -]+"
WIDE: Final = re.compile(f"(.+?){_NUMBER}(.+)")
"""List, element and field: `latestPosts/0/caption`, `posts[0].likes`, `media_1_date`."""
_TOLD: Final = re.compile(r"sep=(.)$")
_OBJECTS: Final = re.compile(r"\.(json|jsonl|ndjson|parquet)(\.|$)|\.zip$")
"""Names of files that may hold objects."""
KEY: Final = "{}"
"""In a path: the values of an object, whose keys are the column of this name."""
_NOWHERE: Final = object()
HEADER, CELL, SHEET, FILE = APART = ("{header}", "{cell}", "{sheet}", "{file}")
"""Columns that stand in no row: the name and the cell of every column that is not mapped, each a
row of its own; the sheet; the file's name, see `file_words`."""
_NO: Final = set(re.findall(r"\w+", "0 n no nein non nao não nee false falsch faux falso"))
_TOTAL: Final = re.compile(
    r"(?:grand |sub)?totale?s?:?|totaal|(?:zwischen)?summe:?|gesamt:?|s[ou]ma"
)
_NUMERIC: Final = re.compile(r"[^\W\d_]{0,3}[\W\d]*\d[\W\d]*[^\W\d_]{0,3}")

Row = tuple[str, int, list[str | None]]
"""File, number as a person counts, and the cells of our columns, None where nothing stands."""
Columns = Mapping[str, Mapping[int | None, int]]
"""Their column -> element of a list, None outside of lists -> place in the row."""
Place = tuple[int, tuple[str, ...]]
"""How many lists deep a JSON value stands, and the keys that lead to it from there."""


class Loading:
    """The files of one table; arguments as of `Engine.read`."""

    def __init__(
        self,
        engine: "Engine",
        files: Sequence[Path],
        how: "How",
        problems: Problems,
        needed: Collection[str],
        nested: Collection[str],
        table: str,
    ) -> None:
        self.engine, self.files, self.how, self.problems = engine, files, how, problems
        self.needed, self.nested, self.table = sorted(needed), nested, table
        self.theirs = list(dict.fromkeys([*how.columns.values(), *how.where, *how.fill_down]))
        self.required = [
            *((ours, how.columns[ours]) for ours in self.needed),
            *((theirs, theirs) for theirs in (*how.where, *how.fill_down)),
        ]
        self.wanted = {x: {_plain(word) for word in words} for x, words in how.where.items()}
        path = self.how.path or ""
        self.in_list = path.startswith("[]")
        self.lists = [_keys(x) for x in re.split(r"\[\]|\{\}", path)[:-1]]
        self.of_keys = [x == KEY for x in re.findall(r"\[\]|\{\}", path)]
        self.places: dict[str, Place] = {}
        self.apart = set(APART) & set(self.theirs)
        self.file_word = ""  # of the file that is read

    def rows(self) -> Iterator[Row]:
        """Yields the rows of all files.

        Raises:
            ConversionError: As `Engine.read`.
        """
        self._find_places()
        words = file_words([path.name for path in self.files])
        for path, word in zip(self.files, words, strict=True):
            n_read, others, self.file_word = 0, [], word
            for text in self._texts(path, self.problems):
                if text.kind == "csv":
                    other = yield from self._of_cells(text)
                    others += [other] * bool(other)
                    n_read += not other
                else:
                    yield from self._of_objects(text)
                    n_read += 1
            if not n_read:
                names = ", ".join(repr(self.how.columns[ours]) for ours in self.needed)
                value = "; ".join(others) or "nothing"
                wanted = (
                    f"one that has {names}; options 'sheet', 'header_row' and 'columns' name them"
                )
                self.problems.refuse(name_in(self.engine.folder, path), value=value, wanted=wanted)

    def _texts(self, path: Path, problems: Problems) -> Iterator[Text]:
        files = InputFiles(self.engine.scratch, problems)
        file = name_in(self.engine.folder, path)
        return files.open(path, file, encoding=self.how.encoding, sheet=self.how.sheet)

    # --- CSV and sheets

    def _of_cells(self, text: Text) -> Generator[Row, None, str]:
        """Yields the rows of a CSV file; of a sheet without the columns, returns what it has."""
        if text.sheet and self.how.sheet is None and not any(map(any, text.head(","))):
            return f"sheet {text.sheet!r} with nothing in it"
        delimiter, header, names = self._header(text)
        n_columns = len(names)
        names += APART if self.apart else ()
        places: Columns = {x: _places(x, names, self.how.path) for x in self.theirs}
        for ours, theirs in self.required:
            if not places[theirs] and text.sheet and self.how.sheet is None:
                return f"sheet {text.sheet!r} with {', '.join(filter(None, names))}"
            if not places[theirs]:
                self._refuse_missing(text.file, ours, theirs, names)
        self._note_twice(text, header, names, places)
        above = {places[theirs][None]: "" for theirs in self.how.fill_down}
        wanted = [(places[theirs][None], words) for theirs, words in self.wanted.items()]
        chosen = self._chosen(places)
        for number, row in self._numbered(text, delimiter, header, n_columns):
            for i in above:
                above[i] = row[i] = row[i] or above[i]
            if all(_says(row[i], words) for i, words in wanted):
                for whole, (of_list, cells) in product(self._with_apart(row, names, text), chosen):
                    if of_list is None or any(whole[i] for i in of_list):
                        yield text.file, number, [whole[i] or None for i in cells]
        return ""

    def _with_apart(self, row: list[str], names: list[str], text: Text) -> Iterator[list[str]]:
        """Yields a row with what stands apart from it, once a cell if asked for; and a ""."""
        of_all = text.sheet, self.file_word
        if not self.apart & {HEADER, CELL}:
            yield [*row, *(("", "", *of_all) if self.apart else ()), ""]
            return
        for name, cell in zip(names, row, strict=False):
            if name and name not in self.theirs and not missing(cell) and _plain(cell) not in _NO:
                yield [*row, name, cell, *of_all, ""]

    def _numbered(
        self, text: Text, delimiter: str, header: int, n_columns: int
    ) -> Iterator[tuple[int, list[str]]]:
        """Yields the rows below the header; tells of those that have not as many cells."""
        number = n_rows = 0
        try:
            for row in text.rows(delimiter):
                number += 1
                if number <= header or not any(row):
                    continue
                n_rows += 1
                if _is_total(row):
                    wanted = "rows that are no sums"
                    self._leave_out(text, number, " ".join(row), wanted, is_loss=False)
                elif len(row) == n_columns or text.sheet or not any(row[n_columns:] or ["x"]):
                    yield number, row[:n_columns]
                else:
                    self._tell_width(text, delimiter, number, row, n_columns)
        except csv.Error as error:
            self.problems.refuse(text.file, row=number + 1, value=error, wanted=QUOTES)
        if not n_rows:
            self.problems.refuse(text.file, sheet=text.sheet, value="no rows", wanted=A_ROW)

    def _chosen(self, places: Columns) -> list[tuple[list[int] | None, list[int]]]:
        """The places of our columns' cells, -1 for none, once an element of a list.

        Beside them those of a list's own cells, of which one must say something; None without list.
        """
        ours = [places[theirs] for theirs in self.how.columns.values()]
        of_lists = [found for found in places.values() if found and None not in found]
        elements = sorted({e for found in of_lists for e in found if e is not None})
        if not elements:
            return [(None, [found.get(None, -1) for found in ours])]
        return [
            (
                [found[element] for found in of_lists if element in found],
                [found.get(None, found.get(element, -1)) for found in ours],
            )
            for element in elements
        ]

    def _tell_width(
        self, text: Text, delimiter: str, number: int, row: list[str], n_columns: int
    ) -> None:
        line = delimiter.join(row)
        others = (line.count(x) + 1 for x in DELIMITERS if x != delimiter)
        # A row cut short that is whole with another delimiter was written with that one.
        if len(row) < n_columns and n_columns in others:
            self.problems.refuse(text.file, row=number, value=line, wanted=ONE_DELIMITER)
        if line.strip():
            wanted = "as many cells as the header has"
            self._leave_out(text, number, f"{len(row)} cells", wanted, kind=OWN)

    def _leave_out(self, text: Text, row: int, value: str, wanted: str, **of: Any) -> None:
        of |= {"sheet": text.sheet, "table": self.table}
        self.problems.skip(text.file, row=row, column="", value=value, wanted=wanted, **of)

    def _header(self, text: Text) -> tuple[str, int, list[str]]:
        """Delimiter, number and names: of the row with the most wanted names, the first."""
        given = self.how.header_row
        found: dict[str, tuple[int, int, int, list[str]]] = {}
        for delimiter in self._delimiters(text):
            rows = [numbered(row) for row in text.head(delimiter, max(_HEAD, given or 0))]
            if not any(map(any, rows)):
                wanted = "a header in row 1"
                self.problems.refuse(text.file, sheet=text.sheet, value="", wanted=wanted)
            if given == 0:
                width = max(map(len, rows))
                found[delimiter] = (0, width, 0, [str(i + 1) for i in range(width)])
                continue
            if given is not None and not 0 <= given - 1 < len(rows):
                value = f"{len(rows)} rows"
                wanted = f"a header in row {given}, as option 'header_row' says"
                self.problems.refuse(text.file, sheet=text.sheet, value=value, wanted=wanted)
            fits = [sum(bool(_places(x, row, self.how.path)) for x in self.theirs) for row in rows]
            place = fits.index(max(fits)) if given is None else given - 1
            if not max(fits) and given is None:
                place = next(i for i, row in enumerate(rows) if any(row))
            found[delimiter] = (fits[place], len(rows[place]), place + 1, rows[place])
        best = max(found, key=lambda delimiter: found[delimiter][:2])
        _, _, number, names = found[best]
        pieces = numbered([piece for name in names for piece in re.split(r"[,;\t|]", name)])
        if sum(x in pieces for x in self.theirs) > sum(x in names for x in self.theirs):
            value = best.join(names)
            self.problems.refuse(text.file, row=number, value=value, wanted=ONE_DELIMITER)
        return best, number, names

    def _delimiters(self, text: Text) -> Sequence[str]:
        if text.sheet:
            return ","
        if self.how.delimiter:
            return self.how.delimiter
        with text.path.open(encoding=text.codec) as stream:
            told = _TOLD.match(stream.readline(10).rstrip("\n"))
        return told[1] if told else DELIMITERS

    def _note_twice(self, text: Text, number: int, names: Sequence[str], places: Columns) -> None:
        for i in sorted({place for found in places.values() for place in found.values()}):
            if names[i] and f"{names[i]}[2]" in names:
                self.problems.note(
                    text.file,
                    sheet=text.sheet,
                    row=number,
                    column=names[i],
                    value="several columns of this name",
                    wanted=f"every column once: the first is read; '{names[i]}[2]' names the next",
                    kind=OWN,
                )

    # --- JSON and Parquet

    def _of_objects(self, text: Text) -> Iterator[Row]:
        places = [(ours, x, self.places.get(x)) for ours, x in self.how.columns.items()]
        wanted = [(self.places[theirs], words) for theirs, words in self.wanted.items()]
        for row, one in self._objects(text, self.problems):
            for levels in self._elements([one]):
                if not all(_says(_as_text(_at(levels[i], at)) or "", x) for (i, at), x in wanted):
                    continue
                cells = []
                for ours, theirs, place in places:
                    value = _at(levels[place[0]], place[1]) if place else None
                    value = self.file_word if theirs == FILE else value
                    # A list of one word is this word.
                    if isinstance(value, list) and len(value) == 1 and ours not in self.nested:
                        value = value[0]
                    if isinstance(value, dict | list) and ours not in self.nested:
                        found, value = "an object or a list", None
                        self.problems.note(
                            text.file,
                            row=row,
                            column=theirs,
                            value=found,
                            wanted=A_SCALAR,
                            kind=OWN,
                        )
                    cells.append(_as_text(value))
                yield text.file, row, cells

    def _objects(self, text: Text, problems: Problems) -> Iterator[tuple[int, Any]]:
        """Yields number and object; tells of what is none, and refuses a file without any."""
        found = (
            self._of_parquet(text)
            if text.kind == "parquet"
            else text.objects(problems, in_list=self.in_list)
        )
        kind, n_good, first = list if self.in_list else dict, 0, ""
        for row, one in found:
            if isinstance(one, kind):
                n_good += 1
                yield row, one
                continue
            line = one if isinstance(one, str) else json.dumps(one)
            first = first or line
            problems.skip(
                text.file, row=row, column="", value=line, wanted=AN_OBJECT, table=self.table
            )
        if first and not n_good:
            problems.refuse(text.file, value=first, wanted=AN_OBJECT)

    def _of_parquet(self, text: Text) -> Iterator[tuple[int, Any]]:
        try:
            for rows in self._parquet_batches(text):
                yield from ((row, json.loads(one)) for row, one in rows)
        except duckdb.Error as error:
            reason = str(error).splitlines()[0]
            self.problems.refuse(text.file, value=reason, wanted="a Parquet file")

    def _parquet_batches(self, text: Text) -> Iterator[list[tuple[Any, ...]]]:
        path = glob.escape(str(text.path))  # some letters mean any other to the database
        for column, size, packed in self.engine.query(
            "SELECT any_value(path_in_schema), sum(total_uncompressed_size), "
            "sum(total_compressed_size) FROM parquet_metadata(?) GROUP BY column_id",
            [path],
        ):
            if size > min(MAX_UNPACKED, FREE_BYTES + MAX_RATIO * packed):
                value, wanted = f"{size:,} bytes", f"packed up to {MAX_RATIO}-fold"
                self.problems.refuse(text.file, column=column, value=value, wanted=wanted)
        kinds = self.engine.query(
            "SELECT column_name, column_type FROM "
            "(DESCRIBE SELECT * FROM read_parquet(?, hive_partitioning=false))",
            [path],
        )
        roots = {re.split(r"[.\[]", x)[0] for x in (*self.theirs, self.how.path or "")}
        used = [x for x in kinds if x[0] in roots or x[0] in self.theirs] or kinds[:1]
        fields = (
            f"{_quoted(name, chr(39))}: {_quoted(name, chr(34))}"
            # Numbers and times as text; what is nested stays so.
            + ("" if re.match(r"STRUCT|MAP|.*\]$", kind) else "::VARCHAR")
            for name, kind in used
        )
        self.engine.query(
            "CREATE OR REPLACE TEMP TABLE parquet_rows AS SELECT file_row_number + 1 AS row, "
            f"to_json({{{', '.join(fields)}}})::VARCHAR AS line FROM read_parquet(?, "
            "file_row_number=true, hive_partitioning=false)",
            [path],
        )
        yield from self.engine.batches("parquet_rows", "row, line")

    def _elements(self, levels: list[Any]) -> Iterator[list[Any]]:
        """Yields an object and, of every list on the path, the element that a row is of."""
        depth = len(levels) - 1
        if depth == len(self.lists):
            yield levels
            return
        inner = _at(levels[-1], self.lists[depth])
        if self.of_keys[depth] and isinstance(inner, dict):
            inner = [{KEY: key} | (x if isinstance(x, dict) else {}) for key, x in inner.items()]
        for element in inner if isinstance(inner, list) else ():
            yield from self._elements([*levels, element])

    def _all_objects(self) -> Iterator[tuple[str, Any]]:
        """Yields file and object of all files that have any."""
        problems = Problems()  # they are told when the rows are read
        for path in filter(lambda path: _OBJECTS.search(path.name.lower()), self.files):
            for text in self._texts(path, problems):
                if text.kind != "csv":
                    yield from ((text.file, one) for _, one in self._objects(text, problems))

    def _find_places(self) -> None:
        """Finds where in JSON the columns stand: within an element or, if none has it, further out.

        Raises:
            ConversionError: A needed column is nowhere.
        """
        if not self.how.path and any("." in x for x in self.theirs):
            self._find_list()
        candidates = {x: list(_candidates(x.replace("[]", ""), self.lists)) for x in self.theirs}
        best: dict[str, int] = {}
        missing = {theirs for _, theirs in self.required}
        unclear = {x for x, places in candidates.items() if len(places) > 1} | missing
        file, names = "", dict[str, None]()
        for of_file, one in self._all_objects():
            file = of_file
            for levels in self._elements([one]):
                names |= dict.fromkeys(levels[-1] if isinstance(levels[-1], dict) else ())
                for theirs in unclear:
                    for n, (level, keys) in enumerate(candidates[theirs]):
                        if n < best.get(theirs, 99) and _at(levels[level], keys) is not _NOWHERE:
                            best[theirs] = n
                unclear = {x for x in unclear if best.get(x) != 0}
            if not unclear:
                break
        for ours, theirs in self.required if file else ():
            if theirs not in best and theirs != FILE:
                self._refuse_missing(file, ours, theirs, sorted(names)[:1000])
        self.places = {x: places[best.get(x, 0)] for x, places in candidates.items()}

    def _find_list(self) -> None:
        """Finds the list through which the columns' paths lead, where one does."""
        parts = [theirs.split(".") for theirs in self.how.columns.values()]
        starts = {tuple(x[:n]) for x in parts for n in range(1, len(x))}
        lists: set[tuple[str, ...]] = set()
        for file, one in self._all_objects():
            lists |= {keys for keys in starts - lists if isinstance(_at(one, keys), list)}
            if len(lists) > 1:
                names = sorted(".".join(keys) for keys in lists)
                wanted = f"columns of one list, which option 'path' names, e.g. '{names[0]}[]'"
                self.problems.refuse(file, value=" and ".join(names), wanted=wanted)
        self.lists, self.of_keys = list(lists), [False] * len(lists)

    def _refuse_missing(self, file: str, ours: str, theirs: str, names: Sequence[str]) -> NoReturn:
        near = ours if ours in names else closest(theirs, names)
        hint = f", such as '{near}'" if near else ""
        self.problems.refuse(
            file,
            column=theirs,
            value=", ".join(filter(None, names)),
            wanted=f"this column, or the one that holds '{ours}' in option 'columns'{hint}",
        )


def file_words(names: Sequence[str]) -> list[str]:
    """Names of files without endings, and without words that all have: `anna` of anna_posts.csv."""
    endings = "|".join(re.escape(x) for x in (*SUFFIXES, *PACKED))
    stems = [re.sub(rf"(?:{endings})+$", "", Path(x).name, flags=re.IGNORECASE) for x in names]
    parts = [re.findall(r"[^_ -]+|[_ -]", stem) for stem in stems]
    if len(parts) < 2:
        return stems
    before, behind = _n_shared(parts), _n_shared([x[::-1] for x in parts])
    return ["".join(x[before : len(x) - behind]) or y for x, y in zip(parts, stems, strict=True)]


def _n_shared(parts: Sequence[Sequence[str]]) -> int:
    """How many words all have at their beginning."""
    return sum(1 for _ in takewhile(lambda words: len({*words}) == 1, zip(*parts, strict=False)))


def _places(theirs: str, names: Sequence[str], path: str | None) -> dict[int | None, int]:
    """Element -> place of a column among names; the element is None where it is no list's.

    `latestPosts/0/caption` stands for the captions of all elements, where there are several.
    """
    pattern, element = None, _ELEMENT.search(theirs)
    if path:
        outer = re.escape(path.replace("[]", "")).replace(r"\.", "[/.]")
        pattern = rf"{outer}{_NUMBER}{re.escape(theirs)}"
    elif element:
        before, after = theirs[: element.start()], theirs[element.end() :]
        pattern = rf"{re.escape(before)}(\d+){re.escape(after)}"
    if pattern:
        matches = ((i, re.fullmatch(pattern, name)) for i, name in enumerate(names))
        found: dict[int | None, int] = {int(match[1]): i for i, match in matches if match}
        if found:
            return found
    if theirs.isdecimal() and int(theirs) in range(1, len(names)) and not names[int(theirs) - 1]:
        return {None: int(theirs) - 1}
    return {None: names.index(theirs)} if theirs in names else {}


def numbered(names: Iterable[str]) -> list[str]:
    """Column names without space around them, the second of a name as `name[2]`."""
    seen: dict[str, int] = {}
    found = []
    for name in (name.strip().strip("\ufeff") for name in names):
        seen[name] = seen.get(name, 0) + 1
        found.append(name if seen[name] == 1 or not name else f"{name}[{seen[name]}]")
    return found


def _candidates(path: str, lists: Sequence[tuple[str, ...]]) -> Iterator[Place]:
    """Where a path may lead: from an element of the innermost list first, from the root last."""
    seen: set[Place] = set()
    for level in range(len(lists), -1, -1):
        outer = "".join(f"{key}." for keys in lists[:level] for key in keys)
        for name in (path.removeprefix(outer), path):
            for place in ((level, (name,)), (level, tuple(name.split(".")))):
                if place not in seen:
                    seen.add(place)
                    yield place


def _keys(path: str) -> tuple[str, ...]:
    return tuple(path.strip(".").split(".")) if path.strip(".") else ()


def _at(value: Any, keys: Sequence[str]) -> Any:
    """What stands in a JSON value where keys lead to; `_NOWHERE` where they lead nowhere."""
    for key in keys:
        if isinstance(value, dict):
            value = value.get(key, _NOWHERE)
        elif isinstance(value, list) and key.isdecimal() and int(key) < len(value):
            value = value[int(key)]
        else:
            return _NOWHERE
    return value


def _as_text(value: Any) -> str | None:
    """A JSON value as a cell; halves of characters, which no file can hold, become '?'."""
    if value is None or value is _NOWHERE or value == []:
        return None
    if not isinstance(value, str):
        is_nested = isinstance(value, dict | list | bool)
        value = json.dumps(value, separators=(",", ":")) if is_nested else str(value)
    elif not value.isascii():
        value = value.encode("utf-8", "replace").decode("utf-8")
    return value.replace("\r\n", "\n") or None


def _plain(word: str) -> str:
    return word.strip().lower()


def _is_total(row: Sequence[str]) -> bool:
    """Whether a row sums others up: a word for it, and numbers alone behind it."""
    first, *others = filter(None, row)
    is_named = others and _TOTAL.fullmatch(_plain(first))
    return bool(is_named) and all(map(_NUMERIC.fullmatch, others))


def _says(cell: str, words: Collection[str]) -> bool:
    """Whether a cell is one of some words, of which * is any value."""
    return _plain(cell) in words or ("*" in words and not missing(cell))


def _quoted(name: str, sign: str) -> str:
    return sign + name.replace(sign, 2 * sign) + sign
