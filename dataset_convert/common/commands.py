"""What every command shares: its parser, errors, exit codes, progress, and lines that are safe."""

import argparse
import errno
import os
import signal
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, NoReturn, TypeVar

from tqdm import tqdm

from dataset_convert.common.errors import UsageError, no_memory

T = TypeVar("T")

# Exit codes: done; a defect of ours, or a part of the work failed; the user's value, file or
# resource; stopped by the user.
DONE, FAILED, REFUSED, INTERRUPTED = 0, 1, 2, 130

MAX_LINE = 2000
_RESOURCES = (
    *(errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EMFILE, errno.ENFILE),
    *(errno.ENOMEM, errno.EAGAIN, errno.EPIPE),
)


class CommandParser(argparse.ArgumentParser):
    """A parser whose errors are those of every other wrong input: one line."""

    def error(self, message: str) -> NoReturn:
        """Raise what argparse found wrong."""
        raise UsageError(f"{message}; see --help.")


class Once(argparse.Action):
    """An option that may be given once, as any other key."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        """Keep the value, unless there is one."""
        if getattr(namespace, self.dest) is not None:
            parser.error(f"{option_string} is given twice; leave one out")
        setattr(namespace, self.dest, values)


def count(text: str) -> int:
    """The type of an option that takes a whole number above 0."""
    if not (text.isascii() and text.isdecimal() and len(text) <= 9 and int(text) > 0):
        raise argparse.ArgumentTypeError(f"must be a whole number above 0. Received: '{text}'")
    return int(text)


def track(steps: Iterable[T], what: str, *, unit: str, total: int | None = None) -> Iterable[T]:
    """Returns the steps, shown as they pass: how many, how many a second, and the time left.

    Args:
        steps: Anything that is gone through once.
        what: The step's name, e.g. `content_topics: counting`.
        unit: What is counted, in the plural.
        total: How many there will be; None where unknown.
    """
    # None: tqdm keeps silent where standard error is no terminal.
    return tqdm(steps, what, total=total, unit=f" {unit}", leave=False, disable=None)


def printable(text: str) -> str:
    """A text whose control characters are told instead of obeyed by a terminal."""
    return "".join(
        char if char.isprintable() or char == "\n" else char.encode("unicode_escape").decode()
        for char in text.replace("\t", "    ")
    )


def run_command(command: Callable[[], int], *, goes_on: bool = False) -> int:
    """Run a command; returns its exit code.

    What a user's value, file or resource caused is told in one line, or a line each; anything else
    is a defect and keeps its traceback.

    Args:
        command: returns an exit code.
        goes_on: whether the same command, given again, goes on where it was interrupted.
    """
    signal.signal(signal.SIGTERM, _interrupt)
    for stream in (sys.stdout, sys.stderr):
        # A terminal without Unicode shows an escape where a letter would be.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        code = command()
        sys.stdout.flush()
    except KeyboardInterrupt as stop:
        told = ["Go on with the same command."] if goes_on else map(str, stop.args)
        print("\nInterrupted.", *map(printable, told), file=sys.stderr)
        return INTERRUPTED
    except Exception as error:
        line = _told(error)
        if line is None:
            raise
        _say(f"error: {line}")
        return REFUSED
    return code


def _told(error: Exception) -> str | None:
    """What an error is for the user; None: a defect."""
    if isinstance(error, UsageError):
        return str(error)
    if (problem := no_memory(error)) is not None:
        return f"{problem} Ask for smaller batches, models or data."
    if not isinstance(error, OSError):
        return None
    if error.filename is not None:
        return (
            f"'{os.fsdecode(error.filename)}': {error.strerror}. Check the path, its permissions "
            f"and the space left."
        )
    if error.errno in (errno.EPIPE, errno.ENOSPC):
        # Nobody takes more output; nothing can be written when Python ends, either.
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return f"{error.strerror}." if error.errno in _RESOURCES else None


def _say(text: str) -> None:
    for line in printable(text).split("\n"):
        print(line if len(line) <= MAX_LINE else line[: MAX_LINE - 3] + "...", file=sys.stderr)


def _interrupt(_signal: int, _frame: Any) -> None:
    raise KeyboardInterrupt
