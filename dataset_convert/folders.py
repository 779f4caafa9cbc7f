"""Which files of a folder are meant, and that none of them lies outside of it."""

import hashlib
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from dataset_convert.common.files import sha256_of
from dataset_convert.problems import Problems

_ESCAPE = re.compile(r"^[/\\]|^[A-Za-z]:|(^|[/\\])\.\.([/\\]|$)")
"""An absolute path, a drive or a step up, with slashes of either kind."""

WITHIN = "a path within the folder: no '..', no absolute path, no link that leads out of it"


def inside(root: Path, name: str) -> Path | None:
    """Returns where a file of the folder is, or None where the name leads out of the folder.

    Nothing is opened, and the file need not exist. Both kinds of slashes count as separators, so
    that a path made on another system cannot escape either. A link to itself leads nowhere, and so
    stays.

    Args:
        root: The folder, resolved.
        name: A relative path.
    """
    if "\0" in name or _ESCAPE.search(name):
        return None
    try:
        # Of text and not of Path: it is called for every post.
        resolved = os.path.realpath(f"{root}/{name}")
    except ValueError:  # halves of characters
        return None
    return root / name if f"{resolved}/".startswith(f"{root}/") else None


def find_files(root: Path, patterns: Sequence[str], option: str, problems: Problems) -> list[Path]:
    """Returns the files that names and glob patterns mean, every file once.

    Args:
        root: The folder, resolved.
        patterns: In the wanted order; the files of one pattern are sorted.
        option: Which option named them, for messages.
        problems: Of the conversion.

    Raises:
        ConversionError: A pattern means no file, or one outside the folder.
    """
    found: dict[Path, None] = {}
    for pattern in patterns:
        if inside(root, pattern) is None:
            problems.refuse(f"option '{option}'", value=pattern, wanted=WITHIN)
        paths = [path for path in _expand(root, pattern) if path.is_file()]
        if not paths:
            problems.refuse(
                f"option '{option}'", value=pattern, wanted="the name of a file in the folder"
            )
        for path in paths:
            if inside(root, name_in(root, path)) is None:
                problems.refuse(name_in(root, path), value="a link out of it", wanted=WITHIN)
        found.update(dict.fromkeys(paths))
    return list(found)


def _expand(root: Path, pattern: str) -> list[Path]:
    if (root / pattern).exists():
        return [root / pattern]
    try:
        return sorted(root.glob(pattern))
    except (ValueError, NotImplementedError):  # no pattern after all, such as '' or 'a**'
        return []


def find_default(root: Path, stem: str, suffixes: Iterable[str], problems: Problems) -> list[Path]:
    """Returns the one file `<stem>.<suffix>` of the folder in a list, or an empty list.

    Raises:
        ConversionError: There are several, or it is a link out of the folder.
    """
    paths = [path for suffix in suffixes if (path := root / f"{stem}{suffix}").is_file()]
    if len(paths) > 1:
        names = ", ".join(path.name for path in paths)
        problems.refuse(
            root.name, value=names, wanted=f"one file, or the files of '{stem}' in option 'files'"
        )
    return find_files(root, [path.name for path in paths], f"files.{stem}", problems)


def name_in(root: Path, path: Path) -> str:
    """Returns a file's name as a person finds it in the folder."""
    return path.relative_to(root).as_posix()


def fingerprint(root: Path, paths: Iterable[Path], how: str, problems: Problems) -> str:
    """Returns the SHA-256 of how files are read, of their names and of their bytes.

    Raises:
        ConversionError: A file cannot be read.
    """
    digest = hashlib.sha256(how.encode())
    for path in paths:
        try:
            content = sha256_of(path)
        except OSError as error:
            problems.refuse(name_in(root, path), value=error.strerror, wanted="a readable file")
        digest.update(f"\0{name_in(root, path)}\0{content}".encode(errors="surrogateescape"))
    return digest.hexdigest()
