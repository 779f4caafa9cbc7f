"""Files and folders that stand whole or not at all; errors of writing name the file."""

import csv
import ctypes
import errno
import hashlib
import os
import re
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final

if TYPE_CHECKING:
    import pandas as pd

_AT_FDCWD: Final = -100
_RENAME_EXCHANGE: Final = 2
_MAKING, _ASIDE = "making", "aside"
# Texts that a spreadsheet would compute instead of show; the second, as they are written.
_FORMULA, _GUARDED = re.compile(r"'*[=+\-@\t\r]"), re.compile(r"'+[=+\-@\t\r]")
_TEXTS = ("object", "str", "string")
# Names that are devices to Windows, whatever stands behind a dot.
_DEVICE = re.compile(r"con|prn|aux|nul|(com|lpt)\d")
_UNWRITTEN = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


def sha256_of(path: Path) -> str:
    """Returns the SHA-256 of a file, which may be larger than memory.

    Raises:
        OSError: It cannot be read.
    """
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Give a file to write to that takes a path's place when all is written.

    A process that is killed leaves the old file or the new one, never half of one.

    Args:
        path: the file; its folder is made.

    Raises:
        OSError: it cannot be written, the disk being full for one; `filename` says which.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    with naming(path):
        try:
            with partial.open("wb") as file:
                yield file
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)


def write_whole(path: Path, *parts: bytes | memoryview) -> None:
    """Write a file as `replacing` does.

    Args:
        path: the file; its folder is made.
        parts: what it holds, one behind the other.

    Raises:
        OSError: as `replacing`.
    """
    with replacing(path) as file:
        file.writelines(parts)


def write_csv(path: Path, frame: "pd.DataFrame", **options: Any) -> None:
    """Write a table for people: whole, and without texts that a spreadsheet takes for formulas.

    A text that begins with = + - @ tab or carriage return gets an apostrophe before it, as
    `read_csv` takes off again; numbers stay as they are.

    Args:
        path: the file; its folder is made.
        frame: the table, whose index is left out.
        options: of `DataFrame.to_csv`.
    """
    safe = guarded(frame)
    text = safe.to_csv(index=False, **options)
    if "\r" in text:  # which ends a line unless it stands in quotation marks
        text = safe.to_csv(index=False, quoting=csv.QUOTE_NONNUMERIC, **options)
    write_whole(path, text.encode())


def guarded(frame: "pd.DataFrame") -> "pd.DataFrame":
    """Returns a table without texts that a spreadsheet takes for formulas; see `write_csv`."""
    safe = frame.rename(columns=_guarded)
    for place, kind in enumerate(safe.dtypes):
        if str(kind) in (*_TEXTS, "category"):
            safe.isetitem(place, [_guarded(cell) for cell in safe.iloc[:, place]])
    return safe


def read_csv(path: Path, **options: Any) -> "pd.DataFrame":
    """Read a table that `write_csv` wrote; what is empty is missing, and no other text is.

    Args:
        path: the file.
        options: of `pandas.read_csv`, such as `dtype={"brand_id": str}`.
    """
    import pandas as pd

    given: dict[str, Any] = {"keep_default_na": False, "na_values": [""], **options}
    frame: pd.DataFrame = pd.read_csv(path, **given)
    for place, kind in enumerate(frame.dtypes):
        if str(kind) in _TEXTS:
            cells = [_unguarded(cell) for cell in frame.iloc[:, place]]
            frame.isetitem(place, pd.Series(cells, dtype=kind).array)  # its type even if all miss
    return frame.rename(columns=_unguarded)


def _guarded(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and _FORMULA.match(value) else value


def _unguarded(value: Any) -> Any:
    return value[1:] if isinstance(value, str) and _GUARDED.match(value) else value


def file_name(name: str) -> str:
    """A name that no two accounts share, for systems that fold case or Unicode, and for Windows.

    One of few small letters, digits, '-' and '_' is its own; others end in a digest.
    """
    if re.fullmatch(r"[a-z0-9_-]{1,100}", name) and not _DEVICE.fullmatch(name):
        return name
    digest = hashlib.sha256(name.encode(errors="surrogatepass")).hexdigest()
    return "~".join([re.sub(r"\W", "_", name)[:40], digest[:16]])


def is_full(error: BaseException) -> bool:
    """Whether an error says that a disk, or what a user may have of it, is full or broken."""
    return isinstance(error, OSError) and error.errno in _UNWRITTEN


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Give errors of writing the name of the file, which they lack where a disk is full."""
    try:
        yield
    except OSError as error:
        if error.filename is not None or not is_full(error):
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error


@contextmanager
def folder_in_the_making(folder: Path) -> Iterator[Path]:
    """Yields a new hidden folder beside `folder` that takes its place when the block ends well.

    An old `folder` is exchanged for the new one in one step where the system can do that (Linux),
    so that a process that is killed leaves the old or the new one. Elsewhere the old one steps
    aside for a moment; if the process dies just then, the next call puts it back. What killed
    processes left is cleared away.

    Args:
        folder: New, or to be replaced as a whole; of a link, what it points to.
    """
    folder = folder.resolve()
    folder.parent.mkdir(parents=True, exist_ok=True)
    recover(folder)
    making = folder.with_name(f".{folder.name}.{_MAKING}-{os.getpid()}")
    shutil.rmtree(making, ignore_errors=True)
    making.mkdir()
    try:
        yield making
        _put_in_place(making, folder)
    finally:
        # After an exchange this is the old one.
        shutil.rmtree(making, ignore_errors=True)


def recover(folder: Path) -> None:
    """Clears away what killed processes left of a folder, and puts it back if it stood aside."""
    for kind in (_ASIDE, _MAKING):
        for left in folder.parent.glob(f".{folder.name}.{kind}-*"):
            if is_running(left.name.rpartition("-")[2]):
                continue
            if kind == _ASIDE and not folder.exists():
                left.rename(folder)
            else:
                shutil.rmtree(left, ignore_errors=True)


def is_running(process: str) -> bool:
    """Whether a process of this number runs that is not this one; True where it is no number."""
    if not process.isdecimal():
        return True
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return int(process) != os.getpid()


def _put_in_place(making: Path, folder: Path) -> None:
    if not folder.exists():
        making.rename(folder)
    elif not _exchange(making, folder):
        aside = folder.with_name(f".{folder.name}.{_ASIDE}-{os.getpid()}")
        folder.rename(aside)
        try:
            making.rename(folder)
        except OSError:
            aside.rename(folder)
            raise
        shutil.rmtree(aside, ignore_errors=True)


def _exchange(one: Path, other: Path) -> bool:
    """Swaps two folders in one step; False where the system or the file system cannot."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        rename = ctypes.CDLL(None, use_errno=True).renameat2
    except AttributeError:  # a C library from before 2018
        return False
    names = (os.fsencode(one), os.fsencode(other))
    return bool(rename(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _RENAME_EXCHANGE) == 0)
