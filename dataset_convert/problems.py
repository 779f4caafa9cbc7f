"""What is wrong with rows and files of the input, told so that a person finds the place."""

import csv
import io
import json
import os
import re
import tempfile
import weakref
from collections import Counter
from collections.abc import Container, Iterator
from dataclasses import dataclass, fields, replace
from itertools import islice
from pathlib import Path
from typing import Any, Final, Literal, NoReturn

from dataset_convert.common.errors import UsageError, shown
from dataset_convert.common.files import replacing
from dataset_convert.common.words import percent, plural

Kind = Literal["text", "name", "word", "number", "own"]
"""What kind of value a column holds; `Concealment` says what of it is written down."""
TEXT: Final = "text"
NAME: Final = "name"
WORD: Final = "word"
NUMBER: Final = "number"
OWN: Final = "own"
"""No value of the input but our own words about it, such as how many there are."""

HIDDEN: Final = "(hidden)"
LEFT_OUT, KEPT = "left out", "kept"
MAX_LOSS: Final = 1 / 3
"""Share of a table's rows that may be lost without anybody agreeing to it."""

_IN_MEMORY: Final = 2**20
_MAX_NAME_WORDS: Final = 12
_WORD: Final = re.compile(r"[^\W_]+")
_LETTERS: Final = re.compile(r"[^\W\d_]{4,}")
_SPACE: Final = re.compile(r"[\s\\]")


class ConversionError(UsageError):
    """The input cannot be converted; the message is one line that says where and why."""


class TooLittleError(ConversionError):
    """The training accounts have too little of a modality to learn it from."""


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong; problems are counted by what was wanted."""

    row_was: str  # left out or kept
    file: str  # as the user named it
    sheet: str  # of a workbook; "" elsewhere
    row: int | None  # as a person counts it, the header being row 1; None where none is to blame
    column: str  # "" where no column is to blame
    found: str  # shortened and quoted
    wanted: str
    kind: Kind = TEXT  # of the column, for `Concealment`; not written down

    def __str__(self) -> str:
        """Returns the problem in one line."""
        places = [self.file]
        places += [f"sheet '{self.sheet}'"] if self.sheet else []
        places += [] if self.row is None else [f"row {self.row}"]
        places += [f"column '{self.column}'"] if self.column else []
        return " ".join(f"{', '.join(places)}: found {self.found}; wanted {self.wanted}".split())


@dataclass
class Group:
    """Problems that differ in nothing but their rows."""

    table: str  # where they stand: a table, or a file where the source has no tables
    example: Problem  # the first of them
    is_loss: bool  # whether something is lost, which is not where they repeat other rows
    n: int = 0
    of: int = 0  # how many rows the table has; 0 where nobody counted
    remedy: str = ""  # what would mend them; "" where nobody knows

    def __str__(self) -> str:
        """Returns the group in one line, the example as it stands in the input."""
        of = f" of {self.of:,} rows ({_share(self.n, self.of)})" if self.of else ""
        rows = of or f" {plural('row', self.n)}"
        first = "e.g. " if self.n > 1 else ""
        remedy = f". {self.remedy}" if self.remedy else ""
        fate = "odd, but kept" if self.example.row_was == KEPT else LEFT_OUT
        return f"{self.table}: {self.n:,}{rows} {fate}, {first}{self.example}{remedy}"

    def as_json(self) -> dict[str, Any]:
        """Returns what the manifest says of it."""
        return {
            "file": self.table,
            "what": self.example.wanted,
            "n_rows": self.n,
            "kept": self.example.row_was == KEPT,
            "of": self.of or None,
            "example": str(self.example),
            "remedy": self.remedy,
        }


class Concealment:
    """What of problems must not be written into a data set.

    Texts (captions, biographies, labels, audience members, whole lines) are always hidden. So is
    what stands in a column of numbers and dates with a word of more than three letters, and what
    stands in a column of single words with a space: a row may be shifted. Under pseudonyms ids and
    names are hidden as well, and everything that holds the name of an account, files and sheets
    included: they become `(hidden file 3)`, numbered as they come, the same number everywhere.
    An empty value hides nothing.

    Args:
        names: Of accounts, under pseudonyms, e.g. `AccountNames`; None without pseudonyms.
    """

    def __init__(self, names: Container[str] | None = None) -> None:
        self._names = names
        self._places: dict[tuple[str, str], str] = {}

    def __call__(self, problem: Problem) -> Problem:
        """Returns a problem as it may be written down."""
        return replace(
            problem,
            file=self.place("file", problem.file),
            sheet=self.place("sheet", problem.sheet),
            found=HIDDEN if self._hides(problem) else problem.found,
        )

    def place(self, what: Literal["file", "sheet"], name: str) -> str:
        """Returns the name of a file or sheet, or a number in its place."""
        if (what, name) not in self._places:
            told = [one for (of, known), one in self._places.items() if of == what and one != known]
            hides = self._holds_name(name)
            self._places[what, name] = f"(hidden {what} {len(told) + 1})" if hides else name
        return self._places[what, name]

    def _hides(self, problem: Problem) -> bool:
        kind, found = problem.kind, problem.found
        if found == shown(""):
            return False
        shifted = (kind == NUMBER and _LETTERS.search(found)) or (
            kind == WORD and _SPACE.search(found)
        )
        named = self._names is not None and (kind == NAME or self._holds_name(found))
        return kind == TEXT or bool(shifted) or named

    def _holds_name(self, text: str) -> bool:
        if self._names is None:
            return False
        words = _WORD.findall(text)
        return any(
            " ".join(words[i:j]) in self._names
            for i in range(len(words))
            for j in range(i + 1, min(i + _MAX_NAME_WORDS, len(words)) + 1)
        )


class Problems:
    """The problems of a conversion, in the order in which they were found.

    Memory does not grow with their number: they wait on disk, in a file without a name. Those who
    read them keep their own places, so that several may read in turns.
    """

    def __init__(self) -> None:
        self._file = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115
        weakref.finalize(self, self._file.close)
        self._groups: dict[tuple[str, ...], Group] = {}
        self._n_rows: dict[str, int] = {}
        self.said: list[tuple[str, str]] = []

    def skip(
        self,
        file: str,
        *,
        row: int | None,
        column: str,
        value: object,
        wanted: str,
        sheet: str = "",
        kind: Kind = TEXT,
        table: str = "",
        is_loss: bool = True,
        row_was: str = LEFT_OUT,
    ) -> None:
        """Notes a row that is left out.

        Args:
            file: Where it stands.
            row: As a person counts it.
            column: Which value is wrong.
            value: What was found; quoted and shortened here.
            wanted: What it should have been.
            sheet: Of a workbook.
            kind: What the column holds; `Concealment` decides by it what is written down.
            table: Which table the row is of, where the source has tables.
            is_loss: Whether anything is lost with it; not where another row says the same.
            row_was: What became of the row.

        Raises:
            ConversionError: There is no space left on disk.
        """
        problem = Problem(row_was, file, sheet, row, column, shown(str(value)), wanted, kind)
        try:
            self._file.seek(0, os.SEEK_END)
            self._file.write(json.dumps(_cells(problem)).encode() + b"\n")
        except OSError as error:
            raise ConversionError(
                f"The temporary folder {tempfile.gettempdir()} cannot be written to: "
                f"{error.strerror}; free some space, or name another one in TMPDIR."
            ) from None
        table = table or file
        key = (row_was, table, column, wanted)
        self._groups.setdefault(key, Group(table, problem, is_loss)).n += 1

    def note(self, file: str, **about: Any) -> None:
        """Notes what is odd about a row that stays; arguments as of `skip`."""
        self.skip(file, **about, is_loss=False, row_was=KEPT)

    def say(self, text: str, example: str = "") -> None:
        """Keeps what a person should know although nothing is wrong.

        Args:
            text: A sentence without names.
            example: With names; only for the terminal.
        """
        self.said.append((text, example))

    def count_rows(self, table: str, n_rows: int) -> None:
        """Notes how many rows a table has, for shares."""
        self._n_rows[table] = n_rows

    def mend(self, table: str, column: str, wanted: str, remedy: str) -> None:
        """Notes what would mend the rows that were left out for one reason."""
        if group := self._groups.get((LEFT_OUT, table, column, wanted)):
            group.remedy = remedy

    def refuse(
        self,
        file: str,
        *,
        value: object,
        wanted: str,
        row: int | None = None,
        column: str = "",
        sheet: str = "",
    ) -> NoReturn:
        """Raises: the file cannot be trusted.

        Raises:
            ConversionError: Always.
        """
        problem = Problem(LEFT_OUT, file, sheet, row, column, shown(str(value)), wanted)
        raise ConversionError(f"{problem}.")

    @property
    def n_skipped(self) -> int:
        """How many rows were left out."""
        return sum(one.n for (fate, *_), one in self._groups.items() if fate == LEFT_OUT)

    def __len__(self) -> int:
        """How many there are, of rows left out and of rows that stay."""
        return sum(one.n for one in self._groups.values())

    def __iter__(self) -> Iterator[Problem]:
        """Yields all, those of rows left out first."""
        for fate in (LEFT_OUT, KEPT):
            place = 0
            while True:
                self._file.seek(place)
                line = self._file.readline()
                if not line:
                    break
                place += len(line)
                problem = Problem(*json.loads(line))
                if problem.row_was == fate:
                    yield problem

    def skipped_at(self, index: int) -> Problem:
        """Returns the problem of a row left out, counted from 0 in the order of finding.

        Raises:
            IndexError: There are not so many.
        """
        if index < self.n_skipped:
            return next(islice(self, index, None))
        raise IndexError(f"The 'index' parameter must be below {self.n_skipped}. Received: {index}")

    def groups(self, conceal: Concealment | None = None) -> list[Group]:
        """Returns the problems by kind: losses first, the most rows first.

        Args:
            conceal: For what is written down.
        """
        found = []
        for group in self._groups.values():
            of = self._n_rows.get(group.table, 0)
            one = replace(group, of=max(of, group.n) if of else 0)
            if conceal is not None:
                table = conceal.place("file", one.table)
                one = replace(one, table=table, example=conceal(one.example))
            found.append(one)
        return sorted(found, key=lambda one: (not one.is_loss, one.example.row_was == KEPT, -one.n))

    def check_losses(self) -> None:
        """Refuses to go on where more than a third of a table is lost.

        Raises:
            ConversionError: It is; names the tables.
        """
        lost: Counter[str] = Counter()
        for group in self._groups.values():
            lost[group.table] += group.n * group.is_loss
        told = [
            f"{n:,} of {of:,} rows of {table} ({_share(n, of)})"
            for table, n in lost.most_common()
            if n > MAX_LOSS * (of := max(n, self._n_rows.get(table, n * 4)))
        ]
        if told:
            raise ConversionError(
                f"Lost: {' and '.join(told)}, which is more than a third. Mend what is told above, "
                "or accept it by --accept-losses."
            )

    def summary(self, *, written: bool = False, limit: int = 20) -> list[str]:
        """Returns a line a kind of problem, with counts, shares and an example, for a terminal.

        Args:
            written: Whether `problems.csv` was written, so that it can be named.
            limit: How many kinds are told.
        """
        groups = self.groups()
        lines = [" ".join(filter(None, said)) for said in self.said]
        lines += map(str, groups[:limit])
        if len(groups) > limit:
            lines.append(f"... and {len(groups) - limit} more kinds")
        if len(self) > len(groups):
            where = "all stand in problems.csv" if written else "problems.csv was not written"
            lines.append(f"{len(self):,} rows in all; {where}")
        return lines

    def lines(self, limit: int = 20) -> list[str]:
        """Returns the first problems, a line each."""
        return [str(problem) for problem in islice(self, limit)]

    def told(self, conceal: Concealment | None = None) -> dict[str, Any]:
        """Returns what the manifest says: `problems` by kind, and what was `said`."""
        return {
            "problems": [group.as_json() for group in self.groups(conceal)],
            "said": [text for text, _ in self.said],
        }

    def write(self, path: Path, *, conceal: Concealment | None = None) -> None:
        """Writes all problems as CSV, whole or not at all.

        Args:
            path: `problems.csv`.
            conceal: What is hidden; by default what is hidden without pseudonyms.
        """
        conceal = conceal or Concealment()
        with (
            replacing(path) as binary,
            # Names of files need not be text.
            io.TextIOWrapper(binary, "utf-8", "backslashreplace", newline="") as file,
        ):
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow([field.name for field in fields(Problem)][:-1])
            writer.writerows(_cells(conceal(one))[:-1] for one in self)


def _cells(problem: Problem) -> list[str | int | None]:
    # `astuple` copies deeply, which takes as long as all the rest for every row.
    return list(vars(problem).values())


def _share(n: int, of: int) -> str:
    # Terminals are shown no spaces but the plain one.
    return percent(n, of).replace("\u00a0", " ")
