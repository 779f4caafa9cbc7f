"""Files that stand whole or not at all, and errors of writing that name their file."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_UNWRITTEN = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


def write_whole(path: Path, *parts: bytes | memoryview) -> None:
    """Write a file under a temporary name and rename it.

    A process that is killed leaves the old file or the new one, never half of one.

    Args:
        path: the file; its folder is made.
        parts: what it holds, one behind the other.

    Raises:
        OSError: it cannot be written, the disk being full for one; `filename` says which.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    with naming(path):
        try:
            with partial.open("wb") as file:
                file.writelines(parts)
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)


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
