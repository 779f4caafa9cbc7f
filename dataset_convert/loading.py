"""The files of one table on their way into the database: CSV and sheets, JSON, Parquet."""

import csv
import glob
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, NoReturn

import duckdb
import numpy as np

from dataset_convert.common.errors import closest
from dataset_convert.input_files import MAX_OBJECT, MAX_UNPACKED, Text
from dataset_convert.problems import OWN, Problems
from dataset_convert.workbooks import FREE_BYTES, MAX_RATIO

if TYPE_CHECKING:
    from dataset_convert.engine import Engine, How

DELIMITERS: Final = (",", ";", "\t", "|")
ONE_DELIMITER: Final = "one delimiter throughout, or the right one in option 'delimiter'"
AN_OBJECT: Final = "one JSON object a line"
QUOTES: Final = "cells quoted as in CSV, every quote closed"
A_SMALL_OBJECT: Final = f"at most {MAX_OBJECT:,} bytes a JSON object"
A_ROW: Final = "at least one row that can be read"

WHOLE: Final = {
    "csv": "CSV file",
    "lines": "file of JSON lines",
    "json": "JSON file",
    "parquet": "Parquet file",
}

_HEAD: Final = 60
"""Rows among which the header is looked for."""
_ELEMENT: Final = re.compile(r"(?<=[/.])(?:\d+|\*)(?=[/.])")
_TOLD: Final = re.compile(r"sep=(.)$")

Columns = Mapping[str, Mapping[int | None, int]]
"""Their column -> element of a list, None outside of lists -> place in the row."""
Place = tuple[int, str]
"""How many lists deep a JSON value stands, and the pointer to it from there."""


class Loading:
    """The files of one table; `Engine.load` tells what becomes of them."""

    def __init__(
        self,
        engine: "Engine",
        table: str,
        how: "How",
        problems: Problems,
        needed: Collection[str],
        nested: Collection[str],
    ) -> None:
        self.engine, self.table, self.how, self.problems = engine, table, how, problems
        self.needed, self.nested = sorted(needed), nested
        self.theirs = list(dict.fromkeys([*how.columns.values(), *how.where, *how.fill_down]))
        self.required = [
            *((ours, how.columns[ours]) for ours in self.needed),
            *((theirs, theirs) for theirs in (*how.where, *how.fill_down)),
        ]
        self.json_file = ""

    def file(self, file: str, texts: Iterator[Text]) -> None:
        """Loads what a file holds: a text, or one a sheet or a member of an archive.

        Raises:
            ConversionError: As `Engine.load`.
        """
        n_read, others = 0, []
        for text in texts:
            if text.kind == "csv":
                with self._refusing(text):
                    other = self._csv(text)
                others += [other] * bool(other)
                n_read += not other
            else:
                load = {"lines": self._lines, "json": self._json, "parquet": self._parquet}
                with self._refusing(text):
                    load[text.kind](text)
                self.json_file = text.file
                n_read += 1
        if not n_read:
            names = ", ".join(repr(self.how.columns[ours]) for ours in self.needed)
            wanted = f"one that has {names}; options 'sheet', 'header_row' and 'columns' name them"
            self.problems.refuse(file, value="; ".join(others) or "nothing", wanted=wanted)

    @contextmanager
    def _refusing(self, text: Text) -> Iterator[None]:
        """Refuses a file that makes the database fail."""
        try:
            yield
        except duckdb.Error as error:
            reason = str(error).splitlines()[0]
            self.problems.refuse(text.file, value=reason, wanted=f"a {WHOLE[text.kind]}")

    # --- CSV and sheets

    def _csv(self, text: Text) -> str:
        """Loads a CSV file; of a sheet without the columns, returns what it has instead."""
        delimiter, number, names = self._header(text)
        places: Columns = {x: _places(x, names, self.how.path) for x in self.theirs}
        for ours, theirs in self.required:
            if not places[theirs] and text.sheet and self.how.sheet is None:
                return f"sheet {text.sheet!r} with {', '.join(filter(None, names))}"
            if not places[theirs]:
                self._refuse_missing(text.file, ours, theirs, names)
        self._note_twice(text, number, names, places)
        used = sorted({place for found in places.values() for place in found.values()})
        self._stage(text, delimiter, len(names), used, number)
        filled = {places[theirs][None] for theirs in self.how.fill_down}
        cells = (
            f"last_value(c{i} IGNORE NULLS) OVER (ORDER BY row ROWS UNBOUNDED PRECEDING) AS c{i}"
            if i in filled
            else f"c{i}"
            for i in used
        )
        source = f"SELECT {', '.join(['row', *cells])} FROM lines WHERE row > {number}"
        if not self.engine.query(f"{source} LIMIT 1"):
            self.problems.refuse(text.file, sheet=text.sheet, value="no rows", wanted=A_ROW)
        kept = self._kept(lambda theirs: f"c{places[theirs][None]}")
        of_lists = {x: found for x, found in places.items() if found and None not in found}
        elements = sorted({e for found in of_lists.values() for e in found if e is not None})
        if elements:
            names_of = {theirs: f"u{i}" for i, theirs in enumerate(of_lists)}
            structs = (
                ", ".join(
                    f"{names_of[x]}: " + (f"c{found[e]}" if e in found else "NULL::VARCHAR")
                    for x, found in of_lists.items()
                )
                for e in elements
            )
            rows = ", ".join(f"{{{one}}}" for one in structs)
            source = f"SELECT *, unnest([{rows}]) AS u FROM ({source})"
            some = ", ".join(f"u.{name}" for name in names_of.values())
            kept += f" AND coalesce({some}) IS NOT NULL"
        values = [
            f"u.{names_of[x]}" if x in of_lists else f"c{places[x][None]}" if places[x] else "NULL"
            for x in self.how.columns.values()
        ]
        self.engine.query(
            f"INSERT INTO {self.table} SELECT ?, row, {', '.join(values)} "
            f"FROM ({source}) WHERE TRUE{kept}",
            [text.file],
        )
        return ""

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
        with text.path.open(encoding="utf-8") as stream:
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

    def _stage(
        self, text: Text, delimiter: str, n_columns: int, used: Sequence[int], header: int
    ) -> None:
        """Makes the table `lines` of the rows as they stand, numbered as a person counts."""
        query = self.engine.query
        query("DROP TABLE IF EXISTS rejected")
        query("DROP TABLE IF EXISTS rejected_scans")
        cells = [f"c{i}" for i in range(n_columns)]
        kept = "".join(f", c{i}" for i in used)
        scan = _scan(
            text,
            cells,
            delimiter,
            '"',
            "store_rejects=true, rejects_table='rejected', rejects_scan='rejected_scans', "
            "rejects_limit=0",
        )
        query(
            f"CREATE OR REPLACE TEMP TABLE lines AS SELECT row{kept} FROM (SELECT row_number() "
            f"OVER () AS row, * FROM {scan}) WHERE coalesce({', '.join(cells)}) IS NOT NULL",
            [_path(text)],
        )
        rejected = query(
            "SELECT line, min(error_type::VARCHAR), any_value(left(csv_line, 10000)) "
            "FROM rejected GROUP BY line ORDER BY line"
        )
        # The database drops blank lines, unless there is but one column.
        blank = text.blank if n_columns > 1 else ()
        gaps = np.array(sorted({*blank, *(line for line, *_ in rejected)}), dtype=np.int64)
        if len(gaps):
            before, shift = gaps - np.arange(len(gaps)), np.arange(1, len(gaps) + 1)
            last = np.append(np.diff(before) > 0, True)
            found = zip(before[last].tolist(), shift[last].tolist(), strict=True)
            columns = {"before": "BIGINT", "shift": "BIGINT"}
            self.engine.store("gaps", columns, found)
            query(
                "CREATE OR REPLACE TEMP TABLE lines AS SELECT row + coalesce(shift, 0) AS row"
                f"{kept} FROM lines ASOF LEFT JOIN gaps ON row >= before"
            )
        last_row = query("SELECT coalesce(max(row), 0) FROM lines")[0][0]
        if text.open_row > max(last_row, *(line for line, *_ in rejected), 0):
            rejected.append((text.open_row, "QUOTE", "the rest of the file"))
        self._tell_rejected(
            text, delimiter, n_columns, [x for x in rejected if x[0] > header or "QUOTE" in x[1]]
        )

    def _tell_rejected(
        self, text: Text, delimiter: str, n_columns: int, rejected: Iterable[tuple[Any, ...]]
    ) -> None:
        others = [other for other in DELIMITERS if other != delimiter]
        for row, reason, cells in rejected:
            if "QUOTE" in reason:
                self.problems.refuse(text.file, row=row, value=cells, wanted=QUOTES)
            n_cells = _n_cells(cells, delimiter)
            # A row cut short that is whole with another delimiter was written with that one.
            if n_cells < n_columns and any(_n_cells(cells, x) == n_columns for x in others):
                self.problems.refuse(text.file, row=row, value=cells, wanted=ONE_DELIMITER)
            if cells.strip():
                value, wanted = f"{n_cells} cells", "as many cells as the header has"
                self.problems.skip(
                    text.file,
                    row=row,
                    column="",
                    value=value,
                    wanted=wanted,
                    kind=OWN,
                    table=self.table,
                )

    # --- JSON and Parquet: one JSON object a row, until it is known which paths there are

    def _lines(self, text: Text) -> None:
        scan = _scan(text, ["line"], "\1", "", "strict_mode=false")
        self.engine.query(
            "CREATE OR REPLACE TEMP TABLE lines AS SELECT row_number() OVER () AS row, line "
            f"FROM {scan}",
            [_path(text)],
        )
        self._take(text.file)

    def _json(self, text: Text) -> None:
        with text.path.open("rb") as stream:
            start = stream.read(2**16).lstrip(b"\xef\xbb\xbf \t\n")
        is_array = start[:1] == b"[" and not self._in_array
        try:
            self.engine.query(
                "CREATE OR REPLACE TEMP TABLE lines AS SELECT row_number() OVER () AS row, "
                "json::VARCHAR AS line FROM read_json_objects(?, format=?, compression='none', "
                f"maximum_object_size={MAX_OBJECT})",
                [_path(text), "array" if is_array else "unstructured"],
            )
        except duckdb.InvalidInputException as error:
            reason = str(error).splitlines()[0]
            if "maximum_object_size" in reason:
                self.problems.refuse(text.file, value="a larger one", wanted=A_SMALL_OBJECT)
            first = start.partition(b"\n")[0].decode(errors="replace")
            if self.engine.query("SELECT json_valid(?)", [first])[0][0]:
                return self._lines(text)
            reason = re.sub(r".*?Malformed JSON in file \".*?\", ", "", reason)
            self.problems.refuse(text.file, value=reason, wanted="JSON that is whole")
        # The database's own bound is twice as large where it reads ahead.
        large = f"SELECT row FROM lines WHERE strlen(line) > {MAX_OBJECT} LIMIT 1"
        for (row,) in self.engine.query(large):
            self.problems.refuse(text.file, row=row, value="a larger one", wanted=A_SMALL_OBJECT)
        return self._take(text.file)

    @property
    def _in_array(self) -> bool:
        return (self.how.path or "").startswith("[]")

    def _take(self, file: str) -> None:
        """Moves JSON of `lines` to where its paths are looked for; tells of what is none."""
        query = self.engine.query
        kind = "ARRAY" if self._in_array else "OBJECT"
        query(
            "CREATE OR REPLACE TEMP TABLE judged AS SELECT *, CASE WHEN json_valid(line) "
            f"THEN json_type(line) = '{kind}' ELSE false END AS good FROM lines "
            "WHERE trim(line) <> ''"
        )
        bad = "SELECT row, left(line, 200) AS line FROM judged WHERE NOT good"
        if not query("SELECT 1 FROM judged WHERE good LIMIT 1"):
            for _, line in self.engine.rows(bad, "row"):
                self.problems.refuse(file, value=line, wanted=AN_OBJECT)
        for row, line in self.engine.rows(bad, "row"):
            self.problems.skip(
                file, row=row, column="", value=line, wanted=AN_OBJECT, table=self.table
            )
        query("INSERT INTO json_rows SELECT ?, row, line::JSON FROM judged WHERE good", [file])

    def _parquet(self, text: Text) -> None:
        path = _path(text)
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
            f"{_text(name)}: {_name(name)}"
            # Numbers and times as text; what is nested stays so.
            + ("" if re.match(r"STRUCT|MAP|.*\]$", kind) else "::VARCHAR")
            for name, kind in used
        )
        self.engine.query(
            f"INSERT INTO json_rows SELECT ?, file_row_number + 1, "
            f"to_json({{{', '.join(fields)}}}) FROM read_parquet(?, "
            "file_row_number=true, hive_partitioning=false)",
            [text.file, path],
        )

    def spread(self) -> None:
        """Makes rows of the JSON objects that were read.

        Raises:
            ConversionError: A needed column is nowhere.
        """
        if not self.json_file:
            return
        lists = [x.strip(".") for x in (self.how.path or self._list_of_columns()).split("[]")[:-1]]
        sql = "SELECT file, row, j AS e0 FROM json_rows"
        for level, place in enumerate(lists):
            at = _text(_pointer(place.split(".")) if place else "")
            sql = (
                f"SELECT *, unnest(CASE WHEN json_type(e{level}, {at}) = 'ARRAY' THEN "
                f"json_extract(e{level}, {at})::JSON[] END) AS e{level + 1} FROM ({sql})"
            )
        places = self._json_places(sql, lists)
        pointers = {
            level: sorted({at for found, at in places.values() if found == level})
            for level in range(len(lists) + 1)
        }
        # One call for all values of an object: every call reads its text anew.
        extracts = "".join(
            f", json_extract_string(e{level}, [{', '.join(map(_text, found))}]) AS x{level}"
            for level, found in pointers.items()
            if found
        )
        source = f"SELECT *{extracts} FROM ({sql})"

        def value(theirs: str) -> str:
            level, at = places[theirs]
            return f"x{level}[{pointers[level].index(at) + 1}]"

        kept = self._kept(value)
        cells = []
        for ours, theirs in self.how.columns.items():
            if theirs not in places:
                cells.append("NULL")
                continue
            cell, (level, at) = value(theirs), places[theirs]
            if ours not in self.nested:
                nested = (
                    f"({cell}[1:1] IN ('{{', '[') AND "
                    f"json_type(e{level}, {_text(at)}) IN ('OBJECT', 'ARRAY'))"
                )
                self._note_nested(f"FROM ({source}) WHERE {nested}{kept}", theirs)
                cell = f"CASE WHEN NOT {nested} THEN {cell} END"
            cells.append(f"nullif(replace({cell}, chr(13) || chr(10), chr(10)), '')")
        self.engine.query(
            f"INSERT INTO {self.table} SELECT file, row, {', '.join(cells)} FROM ({source}) "
            f"WHERE TRUE{kept}"
        )

    def _note_nested(self, rows: str, theirs: str) -> None:
        wanted = "text or a number: the row stays without it"
        for file, row in self.engine.rows(f"SELECT file, row {rows}", "file, row"):
            value = "an object or a list"
            self.problems.note(file, row=row, column=theirs, value=value, wanted=wanted, kind=OWN)

    def _list_of_columns(self) -> str:
        """The list through which the columns' paths lead, where one does."""
        parts = [theirs.split(".") for theirs in self.how.columns.values()]
        starts = sorted({tuple(x[:n]) for x in parts for n in range(1, len(x))})
        if not starts:
            return ""
        tests = (f"bool_or(json_type(j, {_text(_pointer(x))}) = 'ARRAY')" for x in starts)
        there = self.engine.query(f"SELECT {', '.join(tests)} FROM json_rows")[0]
        lists = [".".join(x) for x, is_list in zip(starts, there, strict=True) if is_list]
        if len(lists) > 1:
            wanted = f"columns of one list, which option 'path' names, e.g. '{lists[0]}[]'"
            self.problems.refuse(self.json_file, value=" and ".join(lists), wanted=wanted)
        return "".join(f"{one}[]" for one in lists)

    def _json_places(self, sql: str, lists: Sequence[str]) -> dict[str, Place]:
        """Their column -> where it stands: within an element or, if none has it, further out."""
        tests = {
            (theirs, level, at): f"bool_or(json_exists(e{level}, {_text(at)}))"
            for theirs in self.theirs
            for level, at in _candidates(theirs.replace("[]", ""), lists)
        }
        places: dict[str, Place] = {}
        for rows in (f"SELECT * FROM ({sql}) LIMIT 10000", sql):
            there = self.engine.query(f"SELECT {', '.join(tests.values())} FROM ({rows})")[0]
            for (theirs, level, at), is_there in zip(tests, there, strict=True):
                if is_there:
                    places.setdefault(theirs, (level, at))
            if len(places) == len(self.theirs):
                break
        for ours, theirs in self.required:
            if theirs not in places:
                keys = self.engine.query(
                    f"SELECT DISTINCT unnest(json_keys(e{len(lists)})) AS k FROM ({sql}) "
                    "ORDER BY k LIMIT 1000"
                )
                self._refuse_missing(self.json_file, ours, theirs, [key for (key,) in keys])
        return places

    # --- all formats

    def _kept(self, value: Callable[[str], str]) -> str:
        """The condition of option `where`."""
        return "".join(
            f" AND lower(trim({value(theirs)})) IN "
            f"({', '.join(_text(x.strip().lower()) for x in wanted)})"
            for theirs, wanted in self.how.where.items()
        )

    def _refuse_missing(self, file: str, ours: str, theirs: str, names: Sequence[str]) -> NoReturn:
        near = ours if ours in names else closest(theirs, names)
        hint = f", such as '{near}'" if near else ""
        self.problems.refuse(
            file,
            column=theirs,
            value=", ".join(filter(None, names)),
            wanted=f"this column, or the one that holds '{ours}' in option 'columns'{hint}",
        )


def _scan(text: Text, cells: Iterable[str], delimiter: str, quote: str, more: str) -> str:
    """SQL that reads a text file, whose path is the parameter, in its own order."""
    longest = max(text.longest + 64, 2**21)
    columns = ", ".join(f"'{cell}': 'VARCHAR'" for cell in cells)
    # One thread: others would not know how many rows stand before theirs.
    return (
        f"read_csv(?, auto_detect=false, header=false, delim={_text(delimiter)}, "
        f"quote={_text(quote)}, escape={_text(quote)}, new_line='\\n', columns={{{columns}}}, "
        f"parallel=false, max_line_size={longest}, buffer_size={4 * longest}, "
        f"hive_partitioning=false, {more})"
    )


def _path(text: Text) -> str:
    """A file's name for the database, to which some letters mean any other."""
    return glob.escape(str(text.path))


def _places(theirs: str, names: Sequence[str], path: str | None) -> dict[int | None, int]:
    """Element -> place of a column among names; the element is None where it is no list's.

    `latestPosts/0/caption` stands for the captions of all elements, where there are several.
    """
    pattern, element = None, _ELEMENT.search(theirs)
    if path:
        outer = re.escape(path.replace("[]", "")).replace(r"\.", "[/.]")
        pattern = rf"{outer}[/.](\d+)[/.]{re.escape(theirs)}"
    elif element:
        before, after = theirs[: element.start()], theirs[element.end() :]
        pattern = rf"{re.escape(before)}(\d+){re.escape(after)}"
    if pattern:
        matches = ((i, re.fullmatch(pattern, name)) for i, name in enumerate(names))
        found: dict[int | None, int] = {int(match[1]): i for i, match in matches if match}
        if found:
            return found
    return {None: names.index(theirs)} if theirs in names else {}


def numbered(names: Iterable[str]) -> list[str]:
    """Column names without space around them, the second of a name as `name[2]`."""
    seen: dict[str, int] = {}
    found = []
    for name in (name.strip().strip("\ufeff") for name in names):
        seen[name] = seen.get(name, 0) + 1
        found.append(name if seen[name] == 1 or not name else f"{name}[{seen[name]}]")
    return found


def _candidates(path: str, lists: Sequence[str]) -> Iterator[Place]:
    """Where a path may lead: from an element of the innermost list first, from the root last."""
    for level in range(len(lists), -1, -1):
        outer = ".".join(filter(None, lists[:level]))
        own = path.removeprefix(f"{outer}.") if outer else path
        for name in dict.fromkeys((own, path)):
            for keys in ([name], name.split(".")):
                yield level, _pointer(keys)


def _pointer(keys: Iterable[str]) -> str:
    return "".join("/" + key.replace("~", "~0").replace("/", "~1") for key in keys)


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _name(value: str) -> str:
    return '"' + value.replace('"', '""') + '"'


def _n_cells(line: str, delimiter: str) -> int:
    try:
        return len(next(csv.reader([line.strip("\r\n")], delimiter=delimiter), []))
    except csv.Error:
        return 0
