"""One process at a time in a folder, for as long as it lives."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from recbole_mirec.errors import UsageError

LOCK_FILE = ".lock"
# Seconds to wait for a worker that is about to end because its parent was killed.
PATIENCE = 60.0


@contextmanager
def alone_in(folder: Path, *, busy: str, patience: float = 0.0) -> Iterator[None]:
    """Make a folder and work in it alone; the system ends the lock with the process.

    The thread that works there may enter again. What a process that was killed left half written
    is cleared away. The file `.lock` stays.

    Args:
        folder: the folder.
        busy: what to say where another process works there.
        patience: seconds to wait for that one to leave.

    Raises:
        UsageError: another process works there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder.resolve() / LOCK_FILE, is_singleton=True)
    again = lock.is_locked
    try:
        lock.acquire(timeout=patience)
    except Timeout:
        raise UsageError(busy) from None
    try:
        if not again:
            for partial in folder.glob(".*.part"):
                partial.unlink()
        yield
    finally:
        lock.release()


def training_in(folder: Path, *, patience: float = 0.0) -> AbstractContextManager[None]:
    """Work in a run's folder alone.

    Raises:
        UsageError: another process trains there.
    """
    busy = f"Another process trains in '{folder}'. Wait for it to end, then try again."
    return alone_in(folder, busy=busy, patience=patience)
