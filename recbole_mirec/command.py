"""What every command shares: its parser, its settings, its errors and exit codes."""

import argparse
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from recbole_mirec import INSTALL_RECBOLE
from recbole_mirec.errors import UsageError

USAGE_ERROR, INTERRUPTED = 2, 130


class CommandParser(argparse.ArgumentParser):
    """A parser whose errors are those of every other wrong input: one line."""

    def error(self, message: str) -> NoReturn:
        """Raise what argparse found wrong."""
        raise UsageError(f"{message}; see --help.")


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
    except ModuleNotFoundError as error:
        if error.name != "recbole":
            raise
        print(f"error: {INSTALL_RECBOLE}", file=sys.stderr)
        return USAGE_ERROR
    except OSError as error:
        if error.filename is None:
            raise
        print(
            f"error: '{error.filename}': {error.strerror}. Check the path, its permissions and "
            "the space left.",
            file=sys.stderr,
        )
        return USAGE_ERROR
    except ValueError as error:
        # What a user can mend is a UsageError or an AtomicFileError.
        if not type(error).__module__.startswith(("recbole_mirec", "dataset_convert")):
            raise
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


def given_settings(config_files: str, arguments: Sequence[str]) -> dict[str, Any]:
    """Keys and values of files and command line, the latter winning.

    Args:
        config_files: paths of YAML files, separated by spaces.
        arguments: `--key=value` words.

    Raises:
        UsageError: an argument that is no --key=value, or the same key twice.
    """
    from recbole_mirec.config import load_yaml, parse_value

    settings: dict[str, Any] = {}
    for name in config_files.split():
        settings |= load_yaml(Path(name))
    given: dict[str, Any] = {}
    for argument in arguments:
        key, equals, value = argument.removeprefix("--").partition("=")
        if not argument.startswith("--") or not equals or not key:
            raise UsageError(f"'{argument}' is not understood: write keys as --key=value.")
        if key in given:
            raise UsageError(f"Key '{key}' is set twice on the command line; leave one out.")
        given[key] = parse_value(value)
    return settings | given
