"""One DuckDB database a conversion: tables of any size in bounded memory; rows of any file."""

import contextlib
import os
import re
import shutil
import tempfile
import weakref
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final

import duckdb
import pandas as pd
import psutil
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator

from dataset_convert.common.files import is_running
from dataset_convert.folders import name_in
from dataset_convert.loading import Loading, Row
from dataset_convert.problems import ConversionError, Problems

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
    """Tables in a database on disk, in bounded memory, and the files of a folder.

    The signature that sources need is

        engine = Engine(folder, memory="2GB", threads=2)
        found = engine.read(files, how, problems, needed={"account"})    # file, row, cells
        engine.store("posts", {"account": "VARCHAR"}, rows)              # any number of rows
        engine.query("SELECT account FROM posts WHERE ...")              # a list of tuples
        for row in engine.rows("SELECT ...", "file, row"): ...           # any number of them

    Attributes:
        n_threads: Of every database that does not say its own, `n_jobs` of the command; None: as
            many as there are cores.
    """

    n_threads: ClassVar[int | None] = None

    def __init__(
        self, folder: Path, *, memory: str | None = None, threads: int | None = None
    ) -> None:
        """Opens a database in a scratch folder that goes with the process.

        Args:
            folder: Where the files are, resolved; names in messages are relative to it.
            memory: E.g. `2GB`; None takes half of what is free.
            threads: Of the database; None: `n_threads`.

        Raises:
            ConversionError: No such amount of memory, or no space.
        """
        self.folder = folder
        self._n_spools = 0
        _sweep()
        self.scratch = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-"))
        limit = memory or f"{max(256, psutil.virtual_memory().available // 2**21)}MiB"
        n_threads = threads or self.n_threads
        given = {"threads": n_threads} if n_threads else {}
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
        """Makes a table of rows, which come in batches.

        Args:
            table: Its name, which replaces an earlier one.
            columns: Name -> SQL type.
            rows: Any number of them.
        """
        kinds = ", ".join(f"{name} {kind}" for name, kind in columns.items())
        self.query(f"CREATE OR REPLACE TABLE {table} ({kinds})")
        stream = iter(rows)
        while batch := list(islice(stream, BATCH)):
            given = pd.DataFrame(batch, columns=list(columns), dtype=object)
            self._con.register("given", given)
            self.query(f"INSERT INTO {table} SELECT * FROM given")
            self._con.unregister("given")

    # --- files

    def read(
        self,
        files: Sequence[Path],
        how: How,
        problems: Problems,
        *,
        needed: Collection[str] = (),
        nested: Collection[str] = (),
        table: str = "",
    ) -> Iterator[Row]:
        """Yields the rows of files, those without any value left out, one at a time in memory.

        Args:
            files: In reading order, all within the folder; of any kind of `input_files.SUFFIXES`,
                packed or not.
            how: How they are read; `how.columns` names the columns of all rows.
            problems: Told of rows that cannot be read.
            needed: Our columns that must be there; others may be missing in all files.
            nested: Our columns that may hold objects or lists, which they get as JSON.
            table: What they are, for the problems.

        Raises:
            ConversionError: A file that cannot be trusted or has no row, or a column that is
                nowhere.
        """
        row = None
        for row in Loading(self, files, how, problems, needed, nested, table).rows():
            yield row
        if row is None:
            found = ", ".join(dict.fromkeys(name_in(self.folder, path) for path in files))
            problems.refuse(found, value="no rows", wanted="at least one row that can be read")


def _no_space(error: Exception) -> ConversionError:
    reason = str(error).splitlines()[0]
    return ConversionError(
        f"The tables do not fit: {reason} Free some space in {tempfile.gettempdir()}, name another "
        "folder in TMPDIR, or give more in option 'memory'."
    )


def _close(connection: duckdb.DuckDBPyConnection, scratch: Path) -> None:
    with contextlib.suppress(duckdb.Error):
        connection.close()
    shutil.rmtree(scratch, ignore_errors=True)


def _sweep() -> None:
    """Clears away what killed processes left."""
    for left in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        if not is_running(left.name.removeprefix(_PREFIX).partition("-")[0]):
            shutil.rmtree(left, ignore_errors=True)
