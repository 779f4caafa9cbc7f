"""What every command shares: its parser, its errors and exit codes."""

import argparse
import signal
import sys
from collections.abc import Callable
from typing import Any, NoReturn

from dataset_convert.common.errors import UsageError

USAGE_ERROR, INTERRUPTED = 2, 130


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


def run_command(command: Callable[[], int]) -> int:
    """Run a command; returns its exit code, 2 for wrong input or 130 when interrupted.

    Wrong input is told in one line; anything else is a defect and keeps its traceback.
    """
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        return command()
    except KeyboardInterrupt as stop:
        print("\nInterrupted.", *stop.args, file=sys.stderr)
        return INTERRUPTED
    except OSError as error:
        if error.filename is None:
            raise
        print(
            f"error: '{error.filename}': {error.strerror}. Check the path, its permissions and "
            "the space left.",
            file=sys.stderr,
        )
        return USAGE_ERROR
    except UsageError as error:
        print(f"error: {error}", file=sys.stderr)
        return USAGE_ERROR


def run_again(command: Callable[[], int]) -> int:
    """As `run_command`, for a command that goes on where it was interrupted when given again."""

    def interruptible() -> int:
        try:
            return command()
        except KeyboardInterrupt:
            raise KeyboardInterrupt("Go on with the same command.") from None

    return run_command(interruptible)


def _interrupt(_signal: int, _frame: Any) -> None:
    raise KeyboardInterrupt
