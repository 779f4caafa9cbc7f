"""What is wrong with rows and files of the input, told so that a person finds the place."""

import csv
import io
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import astuple, dataclass, fields, replace
from pathlib import Path
from typing import NoReturn

from dataset_convert.errors import shown
from dataset_convert.files import write_whole


class ConversionError(ValueError):
    """The input cannot be converted; the message is one line that says where and why."""


class TooLittleError(ConversionError):
    """The training accounts have too little of a modality to learn it from."""


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong.

    Attributes:
        file: As the user named it.
        sheet: Of a workbook; "" elsewhere.
        row: As a person counts it, the header being row 1; None where no row is to blame.
        column: "" where no column is to blame.
        found: The value, shortened and quoted.
        wanted: What it should have been; problems are counted by it.
    """

    file: str
    sheet: str
    row: int | None
    column: str
    found: str
    wanted: str

    def __str__(self) -> str:
        """Returns the problem in one line."""
        places = [self.file]
        places += [f"sheet '{self.sheet}'"] if self.sheet else []
        places += [] if self.row is None else [f"row {self.row}"]
        places += [f"column '{self.column}'"] if self.column else []
        return " ".join(f"{', '.join(places)}: found {self.found}; wanted {self.wanted}".split())


class Problems:
    """The problems of a conversion, in the order in which they were found."""

    def __init__(self) -> None:
        self._skipped: list[Problem] = []
        self._noted: list[Problem] = []

    def skip(
        self,
        file: str,
        *,
        row: int | None,
        column: str,
        value: object,
        wanted: str,
        sheet: str = "",
    ) -> None:
        """Notes a row that is left out.

        Args:
            file: Where it stands.
            row: As a person counts it.
            column: Which value is wrong.
            value: What was found; quoted and shortened here.
            wanted: What it should have been.
            sheet: Of a workbook.
        """
        self.take(Problem(file, sheet, row, column, shown(str(value)), wanted))

    def take(self, problem: Problem) -> None:
        """Notes a problem of a row that is left out."""
        self._skipped.append(problem)

    def note(
        self,
        file: str,
        *,
        row: int | None,
        column: str,
        value: object,
        wanted: str,
        sheet: str = "",
    ) -> None:
        """Notes what is odd about a row that stays; arguments as of `skip`."""
        self._noted.append(Problem(file, sheet, row, column, shown(str(value)), wanted))

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
        problem = Problem(file, sheet, row, column, shown(str(value)), wanted)
        raise ConversionError(f"{problem}.")

    @property
    def n_skipped(self) -> int:
        """How many rows were left out."""
        return len(self._skipped)

    def __len__(self) -> int:
        """How many there are, of rows left out and of rows that stay."""
        return len(self._skipped) + len(self._noted)

    def counts(self) -> dict[str, int]:
        """Returns how many rows were left out for each reason, the most frequent first."""
        return _by_reason(self._skipped)

    def noted_counts(self) -> dict[str, int]:
        """Returns how many rows stay although something about them is odd, by reason."""
        return _by_reason(self._noted)

    def lines(self, limit: int = 20) -> list[str]:
        """Returns the first problems, rows left out before the others, and how many follow."""
        told = [str(problem) for problem in [*self._skipped, *self._noted][:limit]]
        more = len(self) - len(told)
        return [*told, f"... and {more} more; all stand in problems.csv"] if more else told

    def write(self, path: Path, *, conceal: Callable[[str], str] = str) -> None:
        """Writes all problems as CSV, under a temporary name first.

        Args:
            path: `problems.csv`.
            conceal: Applied to every value that was found, e.g. to hide names.
        """
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["row_was", *(field.name for field in fields(Problem))])
        for fate, problems in (("left out", self._skipped), ("kept", self._noted)):
            for problem in problems:
                shown_problem = replace(problem, found=conceal(problem.found))
                writer.writerow([fate, *astuple(shown_problem)])
        write_whole(path, text.getvalue().encode())


def _by_reason(problems: Iterable[Problem]) -> dict[str, int]:
    return dict(Counter(f"{one.file}: wanted {one.wanted}" for one in problems).most_common())
