"""The error of a data set that is not as the contract wants it, and words for any error."""

import difflib
from collections.abc import Iterable
from pathlib import Path


class AtomicFileError(ValueError):
    """An atomic file is missing or wrong: says where, what was found, what was wanted, what to do.

    The message is one line, fit to be printed alone.

    Attributes:
        path: The file.
        line: The line in the file, counted from 1 (the header), where one line is to blame.
        field: The field's name, where one field is to blame.
    """

    def __init__(
        self,
        path: Path,
        *,
        found: str,
        wanted: str,
        remedy: str,
        line: int | None = None,
        field: str | None = None,
    ) -> None:
        self.path = path
        self.line = line
        self.field = field
        self._said = {"found": found, "wanted": wanted, "remedy": remedy}
        where = str(path)
        if line is not None:
            where += f", line {line}"
        if field is not None:
            where += f", field '{field}'"
        super().__init__(" ".join(f"{where}: found {found}; wanted {wanted}. {remedy}".split()))

    def moved_to(self, path: Path) -> "AtomicFileError":
        """Returns the same error about the same file in another place."""
        return AtomicFileError(path, line=self.line, field=self.field, **self._said)


def shown(text: str, limit: int = 40) -> str:
    """Returns a value quoted for a message, cut where it is long."""
    return repr(text if len(text) <= limit else text[: limit - 3] + "...")


def closest(word: str, known: Iterable[str]) -> str | None:
    """Returns the known word that is most like another one; None where none is like it."""
    # What is longer than any known word costs time and is like none.
    found = difflib.get_close_matches(word[:100], list(known), n=1, cutoff=0.5)
    return found[0] if found else None


def nearest(word: str, known: Iterable[str]) -> str:
    """Returns what is wanted in place of an unknown word: "'x'", or else "one of x, y"."""
    words = list(known)
    found = closest(word, words)
    return f"one of {', '.join(words)}" if found is None else f"'{found}'"
