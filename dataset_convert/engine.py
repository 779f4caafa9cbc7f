"""One DuckDB database a conversion: files become tables of text, whatever their format."""

import contextlib
import os
import re
import shutil
import tempfile
import weakref
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, Final

import duckdb
import pandas as pd
import psutil
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator

from dataset_convert.common.files import is_running
from dataset_convert.folders import name_in
from dataset_convert.input_files import InputFiles
from dataset_convert.problems import ConversionError, Problems
from dataset_convert.values import BadValue

_FULL: Final = re.compile("No space|max_temp_directory_size|[Dd]isk|Could not write|too large")
_OF_STORAGE: Final = (duckdb.IOException, duckdb.TransactionException, duckdb.FatalException)
_PREFIX: Final = "recbole-mirec-"
BATCH: Final = 8192
"""Rows that Python holds at once."""


def _encoding(value: str) -> str:
    try:
        "a".encode(value)
    except (LookupError, ValueError):
        raise ValueError("be the name of an encoding, e.g. 'utf-8' or 'cp1252'") from None
    return value


Encoding = Annotated[str, AfterValidator(_encoding)]
"""An option: the name of an encoding."""


def _delimiter(value: str) -> str:
    if len(value) != 1 or value in '"\r\n':
        raise ValueError("be one character, such as ';' or '\\t'")
    return value


Delimiter = Annotated[str, AfterValidator(_delimiter)]
"""An option: what separates the cells of CSV files."""


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
    delimiter: Delimiter | None = None
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

    @field_validator("columns")
    @classmethod
    def _named(cls, value: dict[str, str]) -> dict[str, str]:
        if not all(value.values()):
            raise ValueError("have a name in quotes for every column")
        return value


class Engine:
    """Tables of text in a database on disk, in bounded memory.

    The signature that sources need is

        engine = Engine(folder, memory="2GB", threads=2)
        n_rows = engine.load("posts", files, how, problems, needed={"account"}, nested={"labels"})
        engine.query("SELECT file, row, account FROM posts WHERE ...")   # a list of tuples
        for row in engine.rows("SELECT ...", "file, row"): ...           # any number of them
        engine.translate("posts", "likes", count, "DOUBLE", "TRUE")      # text -> value, wanted

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
            if _FULL.search(str(error)):
                raise _no_space(error) from None
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
        except (duckdb.OutOfMemoryException, *_OF_STORAGE) as error:
            if isinstance(error, _OF_STORAGE) and not _FULL.search(str(error)):
                raise
            raise _no_space(error) from None

    def batches(self, table: str, columns: str) -> Iterator[list[tuple[Any, ...]]]:
        """Yields the rows of a table in the order in which they were put in.

        Every call reads anew, and calls may take turns.
        """
        n_rows = self.query(f"SELECT count(*) FROM {table}")[0][0]
        for begin in range(0, n_rows, BATCH):
            yield self.query(
                f"SELECT {columns} FROM {table} WHERE rowid >= {begin} "
                f"AND rowid < {begin + BATCH} ORDER BY rowid"
            )

    def rows(self, select: str, order: str) -> Iterator[tuple[Any, ...]]:
        """Yields the rows of any query, however many there are.

        Args:
            select: The query, whose columns have names.
            order: Those that its rows are ordered by.
        """
        ordered = f"SELECT * FROM ({select}) ORDER BY {order}"
        found = self.query(f"{ordered} LIMIT {BATCH}")
        if len(found) < BATCH:
            yield from found
            return
        self._n_spools += 1
        spool = f"spool_{self._n_spools}"
        self.query(f"CREATE TEMP TABLE {spool} AS {ordered}")
        for batch in self.batches(spool, "*"):
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
        from dataset_convert.loading import Loading

        columns = ", ".join(f"{ours} VARCHAR" for ours in how.columns)
        self.query(f"CREATE OR REPLACE TABLE {table} (file VARCHAR, row BIGINT, {columns})")
        self.query("CREATE OR REPLACE TEMP TABLE json_rows (file VARCHAR, row BIGINT, j JSON)")
        loading = Loading(self, table, how, problems, needed, nested)
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
        self, table: str, column: str, read: Callable[[str], Any], kind: str, where: str
    ) -> str:
        """Reads every different text of a column once; returns the name of a table of them.

        Args:
            table: A loaded one, and what `where` calls it.
            column: Of it.
            read: What a text means; raises `values.BadValue` where it means nothing.
            kind: SQL type of what it means.
            where: Of which rows, in SQL.

        Returns:
            A temporary table of `text`, `value`, and `wanted` where the text cannot be read.
        """
        name = f"{table.partition(' ')[0]}_{column}"
        texts = self.rows(
            f"SELECT DISTINCT {column} AS text FROM {table} WHERE {column} IS NOT NULL AND {where}",
            "text",
        )
        columns = {"text": "VARCHAR", "value": kind, "wanted": "VARCHAR"}
        self.store(name, columns, (_read(text, read) for (text,) in texts))
        return name


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
    # A missing number is NaN.
    return text, None if value != value else value, None


def _close(connection: duckdb.DuckDBPyConnection, scratch: Path) -> None:
    with contextlib.suppress(duckdb.Error):
        connection.close()
    shutil.rmtree(scratch, ignore_errors=True)


def _sweep() -> None:
    """Clears away what killed processes left."""
    for left in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        if not is_running(left.name.removeprefix(_PREFIX).partition("-")[0]):
            shutil.rmtree(left, ignore_errors=True)
