"""One DuckDB database a conversion: files become tables of text, whatever their format."""

import contextlib
import csv
import os
import re
import shutil
import tempfile
import weakref
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, Final, NoReturn

import duckdb
import numpy as np
import pandas as pd
import psutil
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator

from dataset_convert.common.errors import closest
from dataset_convert.common.files import is_running
from dataset_convert.input_files import (
    FREE_BYTES,
    MAX_OBJECT,
    MAX_RATIO,
    MAX_UNPACKED,
    InputFiles,
    Text,
    numbered,
)
from dataset_convert.problems import OWN, ConversionError, Problems
from dataset_convert.reading.files import name_in
from dataset_convert.values import BadValue

DELIMITERS: Final = (",", ";", "\t", "|")
ONE_DELIMITER: Final = "one delimiter throughout, or the right one in option 'delimiter'"
AN_OBJECT: Final = "one JSON object a line"

_PREFIX: Final = "recbole-mirec-"
BATCH: Final = 8192
"""Rows that Python holds at once."""
_ELEMENT: Final = re.compile(r"(?<=[/.])(?:\d+|\*)(?=[/.])")
_SEP: Final = re.compile(r"sep=(.)$")


def _encoding(value: str) -> str:
    try:
        "a".encode(value)
    except (LookupError, ValueError):
        raise ValueError("be the name of an encoding, e.g. 'utf-8' or 'cp1252'") from None
    return value


Encoding = Annotated[str, AfterValidator(_encoding)]
"""An option: the name of an encoding."""


class How(BaseModel):
    """How the files of one table are read; keys of the configuration.

    Attributes:
        columns: Our column -> theirs. A path leads into objects (`owner.username`); through a list
            (`latestPosts.caption`) every element is a row.
        encoding: Of text files; found where it is not given.
        delimiter: Of CSV files; found where it is not given.
        sheet: Of a workbook; where it is not given, the one that has the columns.
        header_row: As a person counts; found where it is not given. 0: there is none, and the
            columns are called 1, 2, 3.
        path: The list whose elements are the rows, e.g. `business_discovery.media.data[]`; columns
            are then those of an element or, where it has none, paths from the root.
        fill_down: Their columns in which an empty cell means the one above.
        where: Their column -> the values of which one must stand there.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    columns: dict[str, str] = {}
    encoding: Encoding | None = None
    delimiter: str | None = Field(default=None, min_length=1, max_length=1)
    sheet: str | None = None
    header_row: int | None = Field(default=None, ge=0)
    path: str | None = None
    fill_down: list[str] = []
    where: dict[str, list[str]] = {}

    @field_validator("where", mode="before")
    @classmethod
    def _one_or_several(cls, value: Any) -> Any:
        if isinstance(value, dict):
            return {
                k: [str(x) for x in (v if isinstance(v, list) else [v])] for k, v in value.items()
            }
        return value


class Engine:
    """Tables of text in a database on disk, in bounded memory.

    The signature that sources need is

        engine = Engine(folder, memory="2GB", threads=2)
        n_rows = engine.load("posts", files, how, problems, needed={"account"}, nested={"labels"})
        engine.query("SELECT file, row, account FROM posts WHERE ...")   # a list of tuples
        for row in engine.rows("SELECT ...", "file, row"): ...           # any number of them
        engine.translate("posts", "likes", values.count, "DOUBLE")       # text -> value, wanted

    A loaded table has the columns `file` (as a person finds it in the folder), `row` (as a person
    counts: a CSV header is row 1), and VARCHAR columns by our names, all that `how.columns` names;
    where nothing stands there, NULL. Rows without any value are left out silently, rows that cannot
    be read are told to `problems`. The order of a loaded table is not defined.
    """

    def __init__(
        self, folder: Path, *, memory: str | None = None, threads: int | None = None
    ) -> None:
        """Opens a database in a scratch folder that goes with the process.

        Args:
            folder: Where the files are, resolved; names in messages are relative to it.
            memory: E.g. `2GB`; None takes half of what is free.
            threads: Of the database; None: as many as there are cores.

        Raises:
            ConversionError: No such amount of memory, or no space.
        """
        self.folder = folder
        self._n_spools = 0
        _sweep()
        self.scratch = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-"))
        limit = memory or f"{max(256, psutil.virtual_memory().available // 2**21)}MiB"
        given = {} if threads is None else {"threads": threads}
        try:
            self._con = duckdb.connect(
                str(self.scratch / "tables.duckdb"),
                config={
                    **given,
                    "memory_limit": limit,
                    "temp_directory": str(self.scratch / "spilled"),
                    "preserve_insertion_order": True,
                    "autoinstall_known_extensions": False,
                    "autoload_known_extensions": False,
                    "allow_community_extensions": False,
                },
            )
        except duckdb.Error as error:
            shutil.rmtree(self.scratch, ignore_errors=True)
            raise ConversionError(
                f"Option 'memory': found {memory!r}; wanted an amount such as '2GB' ({error})."
            ) from None
        weakref.finalize(self, _close, self._con, self.scratch)
        self.query("SET TimeZone = 'UTC'")

    # --- asking

    def query(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Runs a statement and returns its rows, which must be few.

        Raises:
            ConversionError: There is no space left, in memory or on disk.
        """
        try:
            return self._con.execute(sql, list(values)).fetchall()
        except (duckdb.OutOfMemoryException, duckdb.IOException) as error:
            raise _no_space(error) from None

    def batches(self, table: str, columns: str = "*") -> Iterator[list[tuple[Any, ...]]]:
        """Yields the rows of a table that has a column `n` from 1 on, in that order.

        Every call reads anew, and calls may take turns.
        """
        last = self.query(f"SELECT max(n) FROM {table}")[0][0] or 0
        for begin in range(1, last + 1, BATCH):
            yield self.query(
                f"SELECT {columns} FROM {table} WHERE n >= {begin} AND n < {begin + BATCH} ORDER BY n"
            )

    def rows(self, select: str, order: str) -> Iterator[tuple[Any, ...]]:
        """Yields the rows of any query, however many there are.

        Args:
            select: The query, whose columns have names.
            order: Those that its rows are ordered by.
        """
        found = self.query(f"{select} ORDER BY {order} LIMIT {BATCH}")
        if len(found) < BATCH:
            yield from found
            return
        self._n_spools += 1
        spool = f"spool_{self._n_spools}"
        self.query(
            f"CREATE TEMP TABLE {spool} AS SELECT row_number() OVER (ORDER BY {order}) AS n, * "
            f"FROM ({select}) ORDER BY n"
        )
        for batch in self.batches(spool, "* EXCLUDE n"):
            yield from batch
        self.query(f"DROP TABLE {spool}")

    def store(self, table: str, columns: Mapping[str, str], rows: Iterable[Sequence[Any]]) -> None:
        """Makes a temporary table of rows, which come in batches.

        Args:
            table: Its name, which replaces an earlier one.
            columns: Name -> SQL type.
            rows: Any number of them.
        """
        kinds = ", ".join(f"{name} {kind}" for name, kind in columns.items())
        self.query(f"CREATE OR REPLACE TEMP TABLE {table} ({kinds})")
        stream = iter(rows)
        while batch := list(islice(stream, BATCH)):
            given = pd.DataFrame(batch, columns=list(columns), dtype=object)
            self._con.register("given", given)
            self.query(f"INSERT INTO {table} SELECT * FROM given")
            self._con.unregister("given")

    # --- loading

    def load(
        self,
        table: str,
        files: Sequence[Path],
        how: How,
        problems: Problems,
        *,
        needed: Collection[str] = (),
        nested: Collection[str] = (),
    ) -> int:
        """Makes a table of files.

        Args:
            table: Its name, which replaces an earlier one.
            files: In reading order, all within the folder; of any kind of `input_files.SUFFIXES`,
                packed or not.
            how: How they are read; `how.columns` names all columns that the table gets.
            problems: Told of rows that cannot be read.
            needed: Our columns that must be there; others may be missing in all files.
            nested: Our columns that may hold objects or lists, which they get as JSON.

        Returns:
            How many rows it has.

        Raises:
            ConversionError: A file that cannot be trusted or has no row, or a column that is
                nowhere.
        """
        columns = ", ".join(f'"{ours}" VARCHAR' for ours in how.columns)
        self.query(f"CREATE OR REPLACE TABLE {table} (file VARCHAR, row BIGINT, {columns})")
        self.query("CREATE OR REPLACE TEMP TABLE json_rows (file VARCHAR, row BIGINT, j JSON)")
        loading = _Loading(self, table, how, problems, frozenset(needed), frozenset(nested))
        opened = InputFiles(self.scratch, problems)
        for path in files:
            file = name_in(self.folder, path)
            loading.file(file, opened.open(path, file, encoding=how.encoding, sheet=how.sheet))
        loading.spread()
        n_rows = int(self.query(f"SELECT count(*) FROM {table}")[0][0])
        if not n_rows:
            found = ", ".join(dict.fromkeys(name_in(self.folder, path) for path in files))
            problems.refuse(found, value="no rows", wanted="at least one row that can be read")
        return n_rows

    def translate(
        self, table: str, column: str, read: Callable[[str], Any], kind: str, where: str = "TRUE"
    ) -> str:
        """Reads every different text of a column once; returns the name of a table of them.

        Args:
            table: A loaded one.
            column: Of it.
            read: What a text means; raises `values.BadValue` where it means nothing.
            kind: SQL type of what it means.
            where: Which rows matter.

        Returns:
            A temporary table of `text`, `value`, and `wanted` where the text cannot be read.
        """
        name = f"{table}_{column}"
        texts = self.rows(
            f"SELECT DISTINCT {column} AS text FROM {table} WHERE {column} IS NOT NULL AND {where}",
            "text",
        )
        columns = {"text": "VARCHAR", "value": kind, "wanted": "VARCHAR"}
        self.store(name, columns, (_read(text, read) for (text,) in texts))
        return name


class _Loading:
    """The files of one table on their way into the database."""

    def __init__(
        self,
        engine: Engine,
        table: str,
        how: How,
        problems: Problems,
        needed: frozenset[str],
        nested: frozenset[str],
    ) -> None:
        self.engine, self.table, self.how, self.problems = engine, table, how, problems
        self.needed, self.nested = needed, nested
        self.json_file = ""

    def file(self, file: str, texts: Iterator[Text]) -> None:
        """Loads what a file holds.

        Raises:
            ConversionError: As `Engine.load`.
        """
        n_read, others = 0, []
        for text in texts:
            if text.kind == "csv":
                other = self._csv(text)
                others += [other] if other else []
                n_read += not other
            else:
                load = {"lines": self._lines, "json": self._json, "parquet": self._parquet}
                load[text.kind](text)
                self.json_file = text.file
                n_read += 1
        if not n_read:
            names = ", ".join(repr(self.how.columns[ours]) for ours in sorted(self.needed))
            wanted = f"one that has {names}; options 'sheet', 'header_row' and 'columns' name them"
            self.problems.refuse(file, value="; ".join(others) or "nothing", wanted=wanted)

    # --- CSV and sheets

    def _csv(self, text: Text) -> str:
        """Loads a CSV file; of a sheet without the columns, returns what it has instead."""
        delimiter = "," if text.sheet else self._delimiter(text)
        number, names = self._header(text, delimiter)
        columns = {
            ours: _places(theirs, names, self.how.path) for ours, theirs in self.how.columns.items()
        }
        for ours in sorted(self.needed):
            if not columns[ours] and text.sheet and self.how.sheet is None:
                return f"sheet {text.sheet!r} with {', '.join(filter(None, names))}"
            if not columns[ours]:
                self._refuse_missing(text.file, ours, self.how.columns[ours], names)
        self._note_twice(text, number, names, columns)
        extra = {}
        for theirs in (*self.how.where, *self.how.fill_down):
            if theirs not in names:
                self._refuse_missing(text.file, theirs, theirs, names)
            extra[theirs] = names.index(theirs)
        used = sorted(
            {i for found in columns.values() for i in found.values()} | set(extra.values())
        )
        self._stage(text, delimiter, len(names), used, number)
        filled = {extra[theirs] for theirs in self.how.fill_down}
        cells = [
            f"last_value(c{i} IGNORE NULLS) OVER (ORDER BY row ROWS UNBOUNDED PRECEDING) AS c{i}"
            if i in filled
            else f"c{i}"
            for i in used
        ]
        rows = f"SELECT {', '.join(['row', *cells])} FROM lines WHERE row > {number}"
        if not self.engine.query(f"{rows} LIMIT 1"):
            self.problems.refuse(
                text.file,
                sheet=text.sheet,
                value="no rows",
                wanted="at least one row that can be read",
            )
        kept = "".join(f" AND {_is_one_of(f'c{extra[k]}', v)}" for k, v in self.how.where.items())
        elements = sorted({e for found in columns.values() for e in found if e is not None})
        structs = [
            "{"
            + ", ".join(
                f"{_text(ours)}: {_cell_of(found, e)}"
                for ours, found in columns.items()
                if None not in found
            )
            + "}"
            for e in elements
        ]
        source = f"SELECT * FROM ({rows}) WHERE TRUE{kept}"
        values = [_cell_of(found, None) for found in columns.values()]
        some = "TRUE"
        if elements:
            source = f"SELECT *, unnest([{', '.join(structs)}]) AS u FROM ({source})"
            gathered = [
                f'u."{ours}"' for ours, found in columns.items() if found and None not in found
            ]
            values = [
                f'u."{ours}"' if found and None not in found else cell
                for (ours, found), cell in zip(columns.items(), values, strict=True)
            ]
            some = f"coalesce({', '.join(gathered)}) IS NOT NULL"
        self.engine.query(
            f"INSERT INTO {self.table} SELECT ?, row, {', '.join(values)} "
            f"FROM ({source}) WHERE {some}",
            [text.file],
        )
        return ""

    def _delimiter(self, text: Text) -> str:
        if self.how.delimiter:
            return self.how.delimiter
        with text.path.open(encoding="utf-8") as stream:
            told = _SEP.match(stream.readline(10).rstrip("\n"))
        if told:
            return told[1]
        wanted = [*self.how.columns.values(), *self.how.where, *self.how.fill_down]

        def fit(delimiter: str) -> tuple[int, int]:
            rows = [numbered(row) for row in text.head(delimiter)]
            return max(
                (
                    (sum(bool(_places(x, row, self.how.path)) for x in wanted), len(row))
                    for row in rows
                ),
                default=(0, 0),
            )

        fits = {delimiter: fit(delimiter) for delimiter in DELIMITERS}
        best = max(fits, key=lambda delimiter: fits[delimiter])
        number, names = self._header(text, best)
        pieces = numbered([x for name in names for x in re.split(r"[,;\t|]", name)])
        if sum(x in pieces for x in wanted) > sum(x in names for x in wanted):
            value = best.join(names)
            self.problems.refuse(text.file, row=number, value=value, wanted=ONE_DELIMITER)
        return best

    def _header(self, text: Text, delimiter: str) -> tuple[int, list[str]]:
        """Number and names of the header: the first row of those with the most wanted names."""
        given = self.how.header_row
        rows = text.head(delimiter, max(60, given or 0))
        if not any(any(cell.strip() for cell in row) for row in rows):
            self.problems.refuse(text.file, sheet=text.sheet, value="", wanted="a header in row 1")
        if given == 0:
            return 0, [str(i + 1) for i in range(max(map(len, rows)))]
        if given is not None:
            place = given - 1
            if not 0 <= place < len(rows):
                value = f"{len(rows)} rows"
                wanted = f"a header in row {given}, as option 'header_row' says"
                self.problems.refuse(text.file, sheet=text.sheet, value=value, wanted=wanted)
            return place + 1, numbered(rows[place])
        named = [numbered(row) for row in rows]
        wanted_names = [*self.how.columns.values(), *self.how.where, *self.how.fill_down]
        found = [sum(bool(_places(x, row, self.how.path)) for x in wanted_names) for row in named]
        place = (
            found.index(max(found)) if max(found) else next(i for i, row in enumerate(rows) if row)
        )
        return place + 1, named[place]

    def _note_twice(
        self, text: Text, number: int, names: list[str], columns: Mapping[str, Mapping[Any, int]]
    ) -> None:
        for i in sorted({i for found in columns.values() for i in found.values()}):
            n_same = sum(re.sub(r"\[\d+\]$", "", name) == names[i] for name in names)
            if n_same > 1 and names[i]:
                self.problems.note(
                    text.file,
                    sheet=text.sheet,
                    row=number,
                    column=names[i],
                    value=f"{n_same} columns of this name",
                    wanted=f"every column once: the first is read; '{names[i]}[2]' names the next",
                    kind=OWN,
                )

    def _stage(
        self, text: Text, delimiter: str, n_columns: int, used: Sequence[int], header: int
    ) -> None:
        """Makes the table `lines` of the rows as they stand, numbered from 1."""
        engine, longest = self.engine, max(text.longest + 64, 2**21)
        names = [f"c{i}" for i in range(n_columns)]
        for rejects in ("rejected", "rejected_scans"):
            engine.query(f"DROP TABLE IF EXISTS {rejects}")
        types = ", ".join(f"'{name}': 'VARCHAR'" for name in names)
        kept = "".join(f", c{i}" for i in used)
        try:
            # One thread: others would number the rows of cells over several lines wrongly.
            engine.query(
                "CREATE OR REPLACE TEMP TABLE lines AS SELECT row" + kept + " FROM ("
                "SELECT row_number() OVER () AS row, * FROM read_csv(?, auto_detect=false, "
                f"header=false, delim={_text(delimiter)}, quote='\"', escape='\"', new_line='\\n', "
                f"columns={{{types}}}, parallel=false, max_line_size={longest}, "
                f"buffer_size={4 * longest}, store_rejects=true, rejects_table='rejected', "
                f"rejects_scan='rejected_scans', rejects_limit=0)) WHERE coalesce({', '.join(names)}) IS NOT NULL",
                [str(text.path)],
            )
        except duckdb.InvalidInputException as error:
            self.problems.refuse(text.file, value=str(error).splitlines()[0], wanted="a CSV file")
        rejected = engine.query(
            "SELECT line, min(error_type::VARCHAR), any_value(left(csv_line, 10000)) FROM rejected GROUP BY line ORDER BY line"
        )
        # The database drops blank lines, unless there is but one column.
        blank = text.blank if n_columns > 1 else ()
        gaps = np.array(sorted({*blank, *(line for line, *_ in rejected)}), dtype=np.int64)
        if len(gaps):
            # Row numbers without the rows that are not there become those that a person counts.
            before, shift = gaps - np.arange(len(gaps)), np.arange(1, len(gaps) + 1)
            last = np.append(np.diff(before) > 0, True)
            found = zip(before[last].tolist(), shift[last].tolist(), strict=True)
            engine.store("gaps", {"before": "BIGINT", "shift": "BIGINT"}, found)
            engine.query(
                "CREATE OR REPLACE TEMP TABLE lines AS SELECT row + coalesce(shift, 0) AS row"
                + kept
                + " FROM lines ASOF LEFT JOIN gaps ON row >= before"
            )
        last_row = engine.query("SELECT coalesce(max(row), 0) FROM lines")[0][0]
        if text.open_row > last_row and not any("QUOTE" in reason for _, reason, _ in rejected):
            rejected.append((text.open_row, "QUOTE", "the rest of the file"))
        for row, reason, cells in rejected:
            if "QUOTE" in reason:
                wanted = "cells quoted as in CSV, every quote closed"
                self.problems.refuse(text.file, row=row, value=cells, wanted=wanted)
            if row <= header or not cells.strip():
                continue
            n_cells = _n_cells(cells, delimiter)
            others = [other for other in DELIMITERS if other != delimiter]
            if n_cells < n_columns and any(_n_cells(cells, x) == n_columns for x in others):
                self.problems.refuse(text.file, row=row, value=cells, wanted=ONE_DELIMITER)
            self.problems.skip(
                text.file,
                row=row,
                column="",
                value=f"{n_cells} cells",
                wanted=f"as many cells as the header has, {n_columns}",
                kind=OWN,
            )

    # --- JSON and Parquet, one JSON object a row until the paths are known

    def _lines(self, text: Text) -> None:
        self.engine.query(
            "CREATE OR REPLACE TEMP TABLE lines AS SELECT row_number() OVER () AS row, line FROM "
            "read_csv(?, auto_detect=false, header=false, delim=chr(1), quote='', escape='', "
            "new_line='\\n', columns={'line': 'VARCHAR'}, parallel=false, strict_mode=false, "
            f"max_line_size={max(text.longest + 64, 2**21)}, "
            f"buffer_size={4 * max(text.longest + 64, 2**21)})",
            [str(text.path)],
        )
        self._take("lines", "line", text.file)

    def _json(self, text: Text) -> None:
        with text.path.open("rb") as stream:
            start = stream.read(2**16).lstrip(b"\xef\xbb\xbf \t\n")
        format_ = (
            "array"
            if start[:1] == b"[" and not (self.how.path or "").startswith("[]")
            else "unstructured"
        )
        try:
            self.engine.query(
                "CREATE OR REPLACE TEMP TABLE lines AS SELECT row_number() OVER () AS row, "
                "json::VARCHAR AS line FROM read_json_objects(?, format=?, "
                f"compression='none', maximum_object_size={MAX_OBJECT})",
                [str(text.path), format_],
            )
        except duckdb.Error as error:
            reason = str(error).splitlines()[0]
            if "maximum_object_size" in reason:
                self.problems.refuse(
                    text.file,
                    value="a larger one",
                    wanted=f"at most {MAX_OBJECT:,} bytes a JSON object",
                )
            first = start.splitlines()[0] if start else b""
            if self.engine.query("SELECT json_valid(?)", [first.decode(errors="replace")])[0][0]:
                self._lines(text)
                return
            reason = re.sub(r"^.*Malformed JSON in file \S+ ", "", reason)
            self.problems.refuse(text.file, value=reason, wanted="JSON that is whole, in UTF-8")
        self._take("lines", "line", text.file)

    def _take(self, table: str, column: str, file: str) -> None:
        """Moves JSON to where the paths are looked for; tells of what is none."""
        kinds = "'OBJECT', 'ARRAY'" if (self.how.path or "").startswith("[]") else "'OBJECT'"
        is_good = (
            f"CASE WHEN json_valid({column}) THEN json_type({column}) IN ({kinds}) ELSE false END"
        )
        self.engine.query(
            f"CREATE OR REPLACE TEMP TABLE judged AS SELECT row, {column} AS line, {is_good} AS good "
            f"FROM {table} WHERE trim({column}) <> ''"
        )
        bad = self.engine.query(
            "SELECT row, left(line, 200) FROM judged WHERE NOT good ORDER BY row"
        )
        if bad and not self.engine.query("SELECT 1 FROM judged WHERE good LIMIT 1"):
            self.problems.refuse(file, value=bad[0][1], wanted=AN_OBJECT)
        for row, line in bad:
            self.problems.skip(file, row=row, column="", value=line, wanted=AN_OBJECT)
        self.engine.query(
            "INSERT INTO json_rows SELECT ?, row, line::JSON FROM judged WHERE good", [file]
        )

    def _parquet(self, text: Text) -> None:
        try:
            self._bound_parquet(text)
            kinds = self.engine.query(
                "SELECT column_name, column_type FROM (DESCRIBE SELECT * FROM read_parquet(?))",
                [str(text.path)],
            )
            wanted = [*self.how.columns.values(), *self.how.where, self.how.path or ""]
            fields = [
                f"{_text(name)}: {_name(name)}"
                + (
                    ""
                    if re.search(r"[(\[]", kind) and not kind.startswith("DECIMAL")
                    else "::VARCHAR"
                )
                for name, kind in kinds
                if any(x == name or re.match(re.escape(name) + r"[.\[]", x) for x in wanted)
            ]
            names = {name.casefold() for name, _ in kinds}
            if len(names) < len(kinds):
                self.problems.refuse(
                    text.file, value=", ".join(n for n, _ in kinds), wanted="every column once"
                )
            fields = fields or [f"{_text(name)}: NULL" for name, _ in kinds]
            self.engine.query(
                f"INSERT INTO json_rows SELECT ?, file_row_number + 1, to_json({{{', '.join(fields)}}}) "
                "FROM read_parquet(?, file_row_number=true)",
                [text.file, str(text.path)],
            )
        except (duckdb.InvalidInputException, duckdb.ConversionException) as error:
            self.problems.refuse(
                text.file, value=str(error).splitlines()[0], wanted="a Parquet file"
            )

    def _bound_parquet(self, text: Text) -> None:
        rows = self.engine.query(
            "SELECT any_value(path_in_schema), sum(total_uncompressed_size), "
            "sum(total_compressed_size), sum(num_values) FROM parquet_metadata(?) GROUP BY column_id",
            [str(text.path)],
        )
        for column, size, packed, _ in rows:
            if size > FREE_BYTES + MAX_RATIO * packed or size > MAX_UNPACKED:
                self.problems.refuse(
                    text.file,
                    column=column,
                    value=f"{size:,} bytes",
                    wanted=f"packed up to {MAX_RATIO}-fold",
                )

    def spread(self) -> None:
        """Makes rows of the JSON objects that were read, once it is known which paths there are.

        Raises:
            ConversionError: A needed column is nowhere.
        """
        if not self.json_file:
            return
        ask = self.engine.query
        path = self.how.path or self._path_of_lists()
        lists = path.split("[]")[:-1]
        sql = "SELECT file, row, j AS e0 FROM json_rows"
        for level, place in enumerate(lists):
            e, at = (
                f"e{level}",
                _text(_pointer(place.strip(".").split(".")) if place.strip(".") else ""),
            )
            sql = (
                f"SELECT *, unnest(CASE WHEN json_type({e}, {at}) = 'ARRAY' "
                f"THEN json_extract({e}, {at})::JSON[] END) AS e{level + 1} FROM ({sql})"
            )
        places = self._json_places(sql, lists)
        found = {
            level: sorted({at for x in places.values() if x and x[0] == level for at in [x[1]]})
            for level in range(len(lists) + 1)
        }
        texts = "".join(
            f", json_extract_string(e{level}, [{', '.join(map(_text, ats))}]) AS x{level}"
            for level, ats in found.items()
            if ats
        )

        def value(theirs: str) -> str:
            place = places[theirs]
            return (
                "NULL" if place is None else f"x{place[0]}[{found[place[0]].index(place[1]) + 1}]"
            )

        kept = "".join(f" AND {_is_one_of(value(k), v)}" for k, v in self.how.where.items())
        rows = f"SELECT *{texts} FROM ({sql})"
        self._note_nested(rows, kept, places, value)
        cells = []
        for ours, theirs in self.how.columns.items():
            cell = value(theirs)
            place = places[theirs]
            if place and ours not in self.nested:
                cell = f"CASE WHEN {_is_nested(cell, place)} THEN NULL ELSE {cell} END"
            cells.append(f"nullif(replace({cell}, chr(13) || chr(10), chr(10)), '')")
        ask(
            f"INSERT INTO {self.table} SELECT file, row, {', '.join(cells)} FROM ({rows}) WHERE TRUE{kept}"
        )

    def _note_nested(
        self, rows: str, kept: str, places: Mapping[str, Any], value: Callable[[str], str]
    ) -> None:
        for ours, theirs in self.how.columns.items():
            if ours in self.nested or places[theirs] is None:
                continue
            for file, row in self.engine.query(
                f"SELECT file, row FROM ({rows}) WHERE {_is_nested(value(theirs), places[theirs])}{kept} ORDER BY ALL"
            ):
                self.problems.note(
                    file,
                    row=row,
                    column=theirs,
                    value="an object or a list",
                    wanted="text or a number: the row stays without it",
                    kind=OWN,
                )

    def _path_of_lists(self) -> str:
        """The list through which the columns' paths lead, where one does."""
        starts = sorted(
            {
                tuple(theirs.split(".")[:n])
                for theirs in self.how.columns.values()
                for n in range(1, theirs.count(".") + 1)
            },
            key=len,
        )
        tests = [f"bool_or(json_type(j, {_text(_pointer(x))}) = 'ARRAY')" for x in starts]
        if not tests:
            return ""
        lists = [
            x
            for x, is_list in zip(
                starts,
                self.engine.query(f"SELECT {', '.join(tests)} FROM json_rows")[0],
                strict=True,
            )
            if is_list
        ]
        outer = [".".join(x) for x in lists]
        if len(outer) > 1:
            self.problems.refuse(
                self.json_file,
                value=" and ".join(outer),
                wanted="columns of one list, which option 'path' names, e.g. 'path: "
                + outer[0]
                + "[]'",
            )
        return f"{outer[0]}[]" if outer else ""

    def _json_places(self, sql: str, lists: Sequence[str]) -> dict[str, tuple[int, str] | None]:
        """Their column -> level and pointer; None where no object has it."""
        wanted = [*self.how.columns.values(), *self.how.where]
        candidates: list[tuple[str, int, str]] = []
        prefix = ""
        prefixes = [""]
        for place in lists:
            prefix = ".".join(filter(None, (prefix, place.strip("."))))
            prefixes.append(prefix)
        for theirs in dict.fromkeys(wanted):
            plain = theirs.replace("[]", "")
            for level in range(len(lists), -1, -1):
                own = plain.removeprefix(f"{prefixes[level]}.") if prefixes[level] else plain
                names = dict.fromkeys((own, plain)) if level else [plain]
                for name in names:
                    for keys in ([name], name.split(".")):
                        candidates.append((theirs, level, _pointer(keys)))
        tests = [f"bool_or(json_exists(e{level}, {_text(at)}))" for _, level, at in candidates]
        places: dict[str, tuple[int, str] | None] = dict.fromkeys(wanted)
        for rows in (f"SELECT * FROM ({sql}) LIMIT 10000", sql):
            there = self.engine.query(f"SELECT {', '.join(tests)} FROM ({rows})")[0]
            for (theirs, level, at), is_there in zip(candidates, there, strict=True):
                if is_there and places[theirs] is None:
                    places[theirs] = (level, at)
            if None not in places.values():
                break
        for ours in (*sorted(self.needed), *self.how.where):
            theirs = self.how.columns.get(ours, ours)
            if places[theirs] is None:
                keys = self.engine.query(
                    f"SELECT DISTINCT unnest(json_keys(e{len(lists)})) AS k FROM ({sql}) "
                    "ORDER BY k LIMIT 1000"
                )
                self._refuse_missing(self.json_file, ours, theirs, [k for (k,) in keys])
        return places

    def _refuse_missing(self, file: str, ours: str, theirs: str, names: Sequence[str]) -> NoReturn:
        near = ours if ours in names else closest(theirs, names)
        hint = f", such as '{near}'" if near else ""
        self.problems.refuse(
            file,
            column=theirs,
            value=", ".join(filter(None, names)),
            wanted=f"this column, or the one that holds '{ours}' in option 'columns'{hint}",
        )


def _places(theirs: str, names: Sequence[str], path: str | None) -> dict[int | None, int]:
    """Element -> place of a column among names; the element is None where it is no list's.

    `latestPosts/0/caption` stands for the captions of all elements, where there are several.
    """
    if path:
        prefix = re.escape(path.removesuffix("[]").replace("[]", "")).replace(r"\.", "[/.]")
        pattern = re.compile(rf"{prefix}[/.](\d+)[/.]{re.escape(theirs)}")
    elif _ELEMENT.search(theirs):
        before, _, after = (re.escape(x) for x in _split_element(theirs))
        pattern = re.compile(rf"{before}(\d+){after}")
    else:
        return {None: names.index(theirs)} if theirs in names else {}
    found: dict[int | None, int] = {
        int(match[1]): i for i, name in enumerate(names) if (match := pattern.fullmatch(name))
    }
    return found or ({None: names.index(theirs)} if theirs in names else {})


def _split_element(theirs: str) -> tuple[str, str, str]:
    match = _ELEMENT.search(theirs)
    assert match is not None
    return theirs[: match.start()], match[0], theirs[match.end() :]


def _cell_of(found: Mapping[int | None, int], element: int | None) -> str:
    return f"c{found[element]}" if element in found else "NULL::VARCHAR"


def _is_one_of(value: str, wanted: Iterable[str]) -> str:
    return f"lower(trim({value})) IN ({', '.join(_text(x.strip().lower()) for x in wanted)})"


def _is_nested(value: str, place: tuple[int, str]) -> str:
    level, at = place
    return (
        f"{value}[1:1] IN ('{{', '[') AND json_type(e{level}, {_text(at)}) IN ('OBJECT', 'ARRAY')"
    )


def _pointer(keys: Iterable[str]) -> str:
    return "".join("/" + key.replace("~", "~0").replace("/", "~1") for key in keys)


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _name(value: str) -> str:
    return '"' + value.replace('"', '""') + '"'


def _n_cells(line: str, delimiter: str) -> int:
    return len(next(csv.reader([line.lstrip("\n")], delimiter=delimiter), []))


def _no_space(error: Exception) -> ConversionError:
    reason = str(error).splitlines()[0]
    return ConversionError(
        f"The tables do not fit: {reason} Free some space in {tempfile.gettempdir()}, name another "
        "folder in TMPDIR, or give more in option 'memory'."
    )


def _read(text: str, read: Callable[[str], Any]) -> tuple[str, Any, str | None]:
    try:
        value = read(text)
    except BadValue as bad:
        return text, None, bad.wanted
    return text, None if value != value else value, None


def _close(connection: duckdb.DuckDBPyConnection, scratch: Path) -> None:
    with contextlib.suppress(duckdb.Error):
        connection.close()
    shutil.rmtree(scratch, ignore_errors=True)


def _sweep() -> None:
    """Clears away what killed processes of this user left."""
    for left in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        if not is_running(left.name.removeprefix(_PREFIX).partition("-")[0]):
            shutil.rmtree(left, ignore_errors=True)
