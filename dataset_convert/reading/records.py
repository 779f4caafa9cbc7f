"""A table of one or several files, row by row, in our own column names."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from dataset_convert.common.errors import closest
from dataset_convert.problems import NAME, NUMBER, TEXT, WORD, Kind, Problem, Problems
from dataset_convert.reading.delimited import read_delimited
from dataset_convert.reading.files import name_in
from dataset_convert.reading.json_lines import read_json_lines
from dataset_convert.reading.parquet import read_parquet
from dataset_convert.reading.values import BadValue, Values

DELIMITED = (".csv", ".tsv")
JSON_LINES = (".jsonl", ".ndjson")
PARQUET = (".parquet",)
SUFFIXES = (*DELIMITED, *JSON_LINES, *PARQUET)

KINDS: dict[str, Kind] = {
    **dict.fromkeys(("id", "name", "account", "brand", "influencer"), NAME),
    **dict.fromkeys(("role", "category", "part"), WORD),
    **dict.fromkeys(("followers", "likes", "comments", "competence", "timestamp"), NUMBER),
}
"""Our column -> the kind of its values; all others hold text."""

MAX_KEYS = 1000
"""How many keys of JSON lines are remembered, to name the one that a mapping may have meant."""

Parsed = TypeVar("Parsed")
Rows = Iterator[tuple[int, dict[str, Any]]]


class Silence(Problems):
    """Problems of which a first reading has told already."""

    def take(self, problem: Problem, *_: object, **__: object) -> None:
        """Tells nothing."""


@dataclass(frozen=True, slots=True)
class Record:
    """One row.

    Attributes:
        file: As a person finds it in the folder.
        row: As a person counts it: a CSV header is row 1; without header, the first row is.
        values: Our column -> value as the format holds it; None where there is none.
    """

    file: str
    row: int
    values: Values


@dataclass(frozen=True)
class Table:
    """Files of one kind of rows.

    Attributes:
        root: The folder, resolved.
        files: In reading order.
        columns: Our column -> theirs; a dotted path leads into nested objects.
        needed: Our columns that every CSV and Parquet file must have.
        encoding: Of CSV files.
        delimiter: Of CSV files; None finds it.
    """

    root: Path
    files: tuple[Path, ...]
    columns: Mapping[str, str]
    needed: frozenset[str]
    encoding: str
    delimiter: str | None

    def records(self, problems: Problems) -> Iterator[Record]:
        """Yields all rows, one at a time.

        Args:
            problems: Told of rows that cannot be read.

        Raises:
            ConversionError: A file that cannot be trusted, one without rows, or a needed column
                that is in no row.
        """
        unseen = {ours: self.columns[ours] for ours in sorted(self.needed)}
        columns = list(self.columns.items())
        nested = [(ours, theirs) for ours, theirs in columns if "." in theirs]
        keys: dict[str, None] = {}
        for path in self.files:
            file = name_in(self.root, path)
            row = None
            for row, values in self._rows(path, file, problems):
                if unseen:
                    keys.update(dict.fromkeys(list(values)[: MAX_KEYS - len(keys)]))
                    for ours in [o for o, theirs in unseen.items() if _leads(values, theirs)]:
                        del unseen[ours]
                get = values.get
                found = {ours: get(theirs) for ours, theirs in columns}
                for ours, theirs in nested:
                    found[ours] = _look_up(values, theirs)
                yield Record(file, row, found)
            if row is None:
                problems.refuse(file, value="no rows", wanted="at least one row that can be read")
        for ours, theirs in unseen.items():
            self._refuse_missing(file, ours, theirs, list(keys), problems)

    def parsed(
        self, parse: Callable[[Values], Parsed], problems: Problems
    ) -> Iterator[tuple[Record, Parsed]]:
        """Yields all rows with what a function makes of them; rows that it refuses are skipped.

        Args:
            parse: Raises BadValue for a row that cannot be used.
            problems: Told of rows that are left out.

        Raises:
            ConversionError: As `records`; or no row can be used.
        """
        n_rows, n_used, n_skipped = 0, 0, problems.n_skipped
        for record in self.records(problems):
            n_rows += 1
            try:
                found = parse(record.values)
            except BadValue as bad:
                self.skip(record, bad, problems)
                continue
            n_used += 1
            yield record, found
        if n_rows and not n_used and problems.n_skipped > n_skipped:
            first = problems.skipped_at(n_skipped)
            problems.refuse(
                ", ".join(dict.fromkeys(name_in(self.root, path) for path in self.files)),
                value=f"{n_rows} rows",
                wanted=f"a row that can be used; the first problem is: {first}",
            )

    def skip(self, record: Record, bad: BadValue, problems: Problems) -> None:
        """Notes that a row is left out, by the column name that the file has."""
        self._tell(problems.skip, record, bad, kind=None)

    def note(
        self, record: Record, bad: BadValue, problems: Problems, *, kind: Kind | None = None
    ) -> None:
        """Notes what is odd about a row that stays.

        Args:
            record: The row.
            bad: What is odd.
            problems: Told of it.
            kind: Of what was found, where it is not the column's own value, e.g. its length.
        """
        self._tell(problems.note, record, bad, kind=kind)

    def _tell(
        self, tell: Callable[..., None], record: Record, bad: BadValue, *, kind: Kind | None
    ) -> None:
        tell(
            record.file,
            row=record.row,
            column=self.columns.get(bad.column, bad.column),
            value=bad.value,
            wanted=bad.wanted,
            kind=kind or KINDS.get(bad.column, TEXT),
        )

    def _rows(self, path: Path, file: str, problems: Problems) -> Rows:
        def check_header(names: Sequence[str]) -> None:
            for ours in sorted(self.needed):
                theirs = self.columns[ours]
                if theirs not in names and theirs.partition(".")[0] not in names:
                    self._refuse_missing(file, ours, theirs, names, problems)

        kind = path.suffix.lower()
        if kind not in SUFFIXES:
            problems.refuse(file, value=kind, wanted=f"a file ending in {', '.join(SUFFIXES)}")
        if kind in PARQUET:
            return read_parquet(
                path,
                file,
                columns=list(self.columns.values()),
                check_header=check_header,
                problems=problems,
            )
        if kind in JSON_LINES:
            return read_json_lines(path, file, problems)
        return read_delimited(
            path,
            file,
            encoding=self.encoding,
            delimiter=self.delimiter,
            check_header=check_header,
            problems=problems,
        )

    def _refuse_missing(
        self, file: str, ours: str, theirs: str, names: Sequence[str], problems: Problems
    ) -> NoReturn:
        near = ours if ours in names else closest(theirs, names)
        hint = f", such as '{near}'" if near else ""
        problems.refuse(
            file,
            column=theirs,
            value=", ".join(names),
            wanted=f"this column, or the one that holds '{ours}' in option 'columns'{hint}",
        )


def _look_up(values: Mapping[str, Any], path: str) -> Any:
    """Returns a value by name, or else by dotted path; None where there is none."""
    if path in values or "." not in path:
        return values.get(path)
    found: Any = values
    for key in path.split("."):
        found = found.get(key) if isinstance(found, dict) else None
    return found


def _leads(values: Mapping[str, Any], path: str) -> bool:
    """Returns whether a row knows a column, even without value."""
    if path in values:
        return True
    *parents, last = path.split(".")
    parent = _look_up(values, ".".join(parents)) if parents else None
    return isinstance(parent, dict) and last in parent
