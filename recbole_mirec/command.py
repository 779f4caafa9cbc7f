"""What every command shares: its parser, its settings, its errors and exit codes."""

import argparse
import shlex
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from recbole_mirec import INSTALL_RECBOLE
from recbole_mirec.errors import UsageError
from recbole_mirec.values import load_yaml, parse_value

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


def add_settings(add: Callable[..., Any], *, model: str, config_files: str) -> None:
    """Add the options that choose model, data set and files of keys, with RecBole's short names.

    Args:
        add: `add_argument` of a parser or of a group.
        model: what --model is, for --help.
        config_files: what the files are, for --help.
    """
    add("--model", "-m", action=Once, help=model)
    add(
        "--dataset",
        "-d",
        action=Once,
        help="folder name under data_path (default: mirec-demo)",
    )
    add(
        "--config_files",
        nargs="+",
        action="extend",
        default=[],
        metavar="FILE",
        help=f"{config_files}; later files win, the command line wins over all",
    )


def config_paths(words: Sequence[str]) -> list[Path]:
    """Files that `--config_files` names: each word one, or as in RecBole several with spaces.

    A word that is a file as it stands is one, spaces and all; otherwise it is split at its spaces,
    quotation marks keeping together what has spaces of its own.
    """
    paths: list[Path] = []
    for word in words:
        if Path(word).exists():
            paths.append(Path(word))
            continue
        try:
            parts = shlex.split(word)
        except ValueError:
            parts = word.split()
        paths += map(Path, parts)
    return paths


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
        if (error.name or "").partition(".")[0] != "recbole":
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


def given_settings(config_files: Sequence[str], arguments: Sequence[str]) -> dict[str, Any]:
    """Keys and values of files and command line, the latter winning.

    Args:
        config_files: as `config_paths` takes them.
        arguments: `--key=value` words.

    Raises:
        UsageError: an argument that is no --key=value, or the same key twice.
    """
    settings: dict[str, Any] = {}
    for path in config_paths(config_files):
        settings |= load_yaml(path)
    given: dict[str, Any] = {}
    for argument in arguments:
        key, equals, value = argument.removeprefix("--").partition("=")
        if not argument.startswith("--") or not equals or not key:
            raise UsageError(f"'{argument}' is not understood: write keys as --key=value.")
        if key in given:
            raise UsageError(f"Key '{key}' is set twice on the command line; leave one out.")
        given[key] = parse_value(value)
    return settings | given
