"""The error of a data set that is not as the contract wants it."""

from pathlib import Path

from dataset_convert.common.errors import UsageError


class AtomicFileError(UsageError):
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
