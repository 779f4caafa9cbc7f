"""A folder that one piece of work owns: whose it is, and that one process at a time works in it."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recbole_mirec.errors import UsageError
from recbole_mirec.locks import LOCK_FILE, alone_in
from recbole_mirec.runs import versions, write_text

OTHER_FOLDER = "Name another folder with --results, or leave --results out."

# The words for where the identity found differs from the one wanted, at a key.
Difference = Callable[[Mapping[str, Any], Mapping[str, Any], str], str]


@dataclass(frozen=True)
class Claim:
    """How a piece of work owns its folder.

    Attributes:
        kind: of the work, as a noun: "study".
        path: the folder.
        identity_file: name of the file in it that says what the work is.
        difference: says in words what differs.
    """

    kind: str
    path: Path
    identity_file: str
    difference: Difference

    @contextmanager
    def held(self, identity: Mapping[str, Any]) -> Iterator[None]:
        """Make the folder, or take up work of this identity in it, alone.

        Args:
            identity: plain values, as JSON gives them back.

        Raises:
            UsageError: the folder is of other work, or something else's, or in use.
        """
        if self._is_something_else():
            raise UsageError(
                f"'{self.path}' is no folder of a {self.kind}: it has other content and no "
                f"{self.identity_file}. {OTHER_FOLDER}"
            )
        busy = (
            f"Another process works on the {self.kind} in '{self.path}'; wait for it, or "
            f"name another folder with --results."
        )
        with alone_in(self.path, busy=busy):
            self._check_identity(identity)
            yield

    def _is_something_else(self) -> bool:
        if not self.path.exists() or (self.path / self.identity_file).exists():
            return False
        ours = (LOCK_FILE, f".{self.identity_file}.")
        return not self.path.is_dir() or not all(
            entry.name.startswith(ours) for entry in self.path.iterdir()
        )

    def _check_identity(self, identity: Mapping[str, Any]) -> None:
        path = self.path / self.identity_file
        if not path.exists():
            content = {"identity": identity, "versions": versions()}
            write_text(path, json.dumps(content, indent=2) + "\n")
            return
        try:
            found = json.loads(path.read_text(encoding="utf-8"))["identity"]
            differing = [key for key in identity if found[key] != identity[key]]
            words = self.difference(found, identity, differing[0]) if differing else ""
        except (KeyError, TypeError, ValueError) as error:
            raise UsageError(f"'{path}' cannot be read: {error!r}. {OTHER_FOLDER}") from None
        if words:
            raise UsageError(f"'{self.path}' holds another {self.kind}: {words}. {OTHER_FOLDER}")


def first_difference(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    """Where two mappings differ first, in words."""
    name = next(
        name for name in {**old, **new} if (name in old) != (name in new) or old[name] != new[name]
    )
    before, now = (repr(one[name]) if name in one else "unset" for one in (old, new))
    return f"its {name} is {before}, not {now}"
