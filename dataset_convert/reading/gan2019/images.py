"""Where the images of posts are, in folders whose names differ in letter case from the sheets'."""

import hashlib
import re
import stat
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Final

from dataset_convert.reading.files import WITHIN, inside
from dataset_convert.reading.values import BadValue, Values, text

_N_CACHED: Final = 256
_ESCAPE: Final = re.compile(r"^[/\\]|^[A-Za-z]:|(^|[/\\])\.\.([/\\]|$)|://|\0")
"""An absolute path, a drive, a step up with slashes of either kind, or an address."""


def check_names(values: Values, columns: Sequence[str]) -> list[str]:
    """Returns the names of folders and of an image, as a row says them.

    Args:
        values: The row.
        columns: Which of its columns make the path.

    Raises:
        BadValue: A name that leads out of the folder above it.
    """
    names = [text(values, column).strip() for column in columns]
    for column, name in zip(columns, names, strict=True):
        if _ESCAPE.search(name):
            raise BadValue(column, name, WITHIN)
    return names


class Images:
    """The images under one folder of a release.

    Args:
        root: The release, resolved.
        folder: Within the release.
    """

    def __init__(self, root: Path, folder: str) -> None:
        self._root, self._folder = root, folder
        self._digest = hashlib.sha256()
        # Rows of an account stand together.
        self._names = lru_cache(_N_CACHED)(_folders)
        self._place = lru_cache(_N_CACHED)(self._resolved)

    def find(self, accounts: Sequence[str], name: str) -> str | None:
        """Returns where an image is, within the release.

        None where it is missing, or where a link leads out of the release.

        Args:
            accounts: Names of the folders above it, whose letter case may differ.
            name: Of the image in the last of them.
        """
        place = self._place(tuple(accounts))
        if place is None or inside(self._root, f"{place}/{name}") is None:
            return None
        try:
            found = Path(f"{self._root}/{place}/{name}").stat()
        except (OSError, ValueError):
            return None
        if not stat.S_ISREG(found.st_mode):
            return None
        self._digest.update(f"{place}/{name}\0{found.st_size}\0".encode(errors="surrogateescape"))
        return f"{place}/{name}"

    def fingerprint(self) -> str:
        """Returns the SHA-256 of the names and sizes of all images that were found."""
        return self._digest.hexdigest()

    def _resolved(self, accounts: tuple[str, ...]) -> str | None:
        place = self._folder
        for account in accounts:
            names = self._names(self._root, place)
            there = names.get(account) or names.get(account.casefold())
            if there is None:
                return None
            place = f"{place}/{there}"
        return place


def _folders(root: Path, place: str) -> dict[str, str]:
    """Returns names and names in small letters -> the folder's own name."""
    if inside(root, place) is None:
        return {}
    try:
        names = sorted(path.name for path in Path(f"{root}/{place}").iterdir())
    except OSError:
        return {}
    by_name: dict[str, str] = {}
    for name in names:
        by_name.setdefault(name.casefold(), name)
    return by_name | {name: name for name in names}
