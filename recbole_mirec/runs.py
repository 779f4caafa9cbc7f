"""A run's folder: what stands in it, who works in it, its log."""

import contextlib
import json
import logging
import platform
import re
import secrets
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import yaml
from filelock import FileLock, Timeout
from recbole.utils.logger import RemoveColorFilter

from dataset_convert.common.errors import UsageError
from dataset_convert.common.files import naming, write_whole

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


RUN_FILE, CONFIG_FILE = "run.json", "config.yaml"
RECORD_TYPES = {"model": str, "dataset": str, "protocol": str, "status": str, "settings": dict}
PACKAGES = (
    "recbole-mirec",
    "recbole",
    "torch",
    "numpy",
    "scipy",
    "pandas",
    "gensim",
    "scikit-learn",
)


@dataclass(frozen=True)
class Run:
    """A run on disk.

    Attributes:
        folder: holds `run.json`, `config.yaml`, the checkpoints and the results.
        record: content of `run.json`: settings, seed, versions, data fingerprint, status, results.
    """

    folder: Path
    record: dict[str, Any]


def new_run_folder(checkpoint_dir: Path, model: str, dataset: str, protocol: str) -> Path:
    """Make a folder that no other run can have: time to the second and six random digits."""
    stamp = time.strftime("%Y%m%d-%H%M%S")
    folder = checkpoint_dir / f"{model}-{dataset}-{protocol}-{stamp}-{secrets.token_hex(3)}"
    folder.mkdir(parents=True)
    return folder


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that figures depend on."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found


def write_text(path: Path, text: str) -> None:
    """Write a text file, whole or not at all."""
    write_whole(path, text.encode())


def write_record(folder: Path, record: Mapping[str, Any]) -> None:
    """Write `run.json`."""
    write_text(folder / RUN_FILE, json.dumps(record, indent=2, default=str) + "\n")


def write_resolved_config(folder: Path, resolved: Mapping[str, Any]) -> None:
    """Write `config.yaml`: every key that was in force; objects as their names."""
    plain = json.loads(json.dumps(dict(resolved), default=str))
    write_text(folder / CONFIG_FILE, yaml.safe_dump(plain, sort_keys=True))


def read_run(folder: Path) -> Run:
    """Open a run's folder.

    Raises:
        UsageError: no such folder, or no readable `run.json` in it that says what was run.
    """
    path = folder / RUN_FILE
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except OSError:
        raise UsageError(f"'{folder}' is no folder of a run: it holds no {RUN_FILE}.") from None
    except json.JSONDecodeError as error:
        raise UsageError(f"'{path}', line {error.lineno}: {error.msg}. Train again.") from None
    except UnicodeDecodeError:
        raise UsageError(f"'{path}' is no UTF-8 text. Train again.") from None
    for key, kind in RECORD_TYPES.items():
        if not isinstance(record, dict) or key not in record:
            raise UsageError(f"'{path}' is no record of a run: it lacks '{key}'. Train again.")
        if not isinstance(record[key], kind):
            wanted = "a mapping" if kind is dict else "a word"
            raise UsageError(
                f"'{path}' is no record of a run: '{key}' must be {wanted}. "
                f"Received: {record[key]!r}. Train again."
            )
    return Run(folder, record)


def newest_run(checkpoint_dir: Path, model: str, dataset: str, protocol: str | None) -> Run:
    """The latest finished run of a model on a data set; folders that cannot be read are passed by.

    Raises:
        UsageError: there is none; says how to make one.
    """
    for path in sorted(
        checkpoint_dir.glob(f"{model}-{dataset}-*/{RUN_FILE}"),
        reverse=True,
        key=lambda path: path.stat().st_mtime_ns,
    ):
        try:
            run = read_run(path.parent)
        except UsageError:
            continue
        fits = run.record["model"] == model and run.record["dataset"] == dataset
        fits &= protocol in (None, run.record["protocol"])
        if fits and run.record["status"] == "finished":
            return run
    raise UsageError(
        f"No finished run of {model} on {dataset} in '{checkpoint_dir}'. Train one first: "
        f"python run_recbole_mirec.py --model={model} --dataset={dataset}"
    )


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


FOLDER = Path("log")
_NAME = "recbole_mirec."
_OF_AN_EPOCH = re.compile(r"(?:\x1b\[[\d;]*m)*(?:epoch (\d+) (\w+)|valid result|Saved the best)")


def start_logging(model: str, dataset: str, level: str, *, only_file: Path | None = None) -> None:
    """Send log lines to standard error and to `log/<model>/`, as RecBole does.

    Departures from `recbole.utils.init_logger`: a second experiment in the same process gets its
    own file, and a file appears with its first line, so that refused input leaves none.

    Args:
        model: the model's name.
        dataset: the data set's name.
        level: RecBole's `state`: debug, info, warning, error or critical.
        only_file: send them to this file and nowhere else.
    """
    threshold = logging.getLevelNamesMapping().get(level.upper(), logging.INFO)
    stamp = time.strftime("%Y%m%d-%H%M%S")
    own_file = FOLDER / model / f"{model}-{dataset}-{stamp}-{secrets.token_hex(3)}.log"
    file = _LateFileHandler(only_file or own_file)
    file.addFilter(RemoveColorFilter())
    file.setFormatter(logging.Formatter("%(asctime)-15s %(levelname)s  %(message)s"))
    screen = logging.StreamHandler()
    if threshold > logging.DEBUG:
        screen.addFilter(_few_epochs)
    screen.setFormatter(logging.Formatter("%(asctime)s %(levelname)s  %(message)s", "%d %b %H:%M"))
    if not sys.stderr.isatty():
        screen.addFilter(RemoveColorFilter())
    root = logging.getLogger()
    for handler in list(root.handlers):
        if (handler.name or "").startswith(_NAME):
            root.removeHandler(handler)
            # what a full disk had no room for is lost
            with contextlib.suppress(OSError):
                handler.close()
    chosen: dict[str, logging.Handler] = {"file": file}
    if only_file is None:
        chosen["screen"] = screen
    for name, handler in chosen.items():
        handler.set_name(_NAME + name)
        handler.setLevel(threshold)
        root.addHandler(handler)
    root.setLevel(threshold)


def _few_epochs(record: logging.LogRecord) -> bool:
    """Whether the screen shows a line: of epochs, the 1st, 2nd, 4th, 8th and so on."""
    found = _OF_AN_EPOCH.match(str(record.msg))
    if found is None or record.levelno > logging.INFO:
        return True
    number = int(found[1] or 0) + 1
    return found[2] == "evaluating" and number & (number - 1) == 0


class _LateFileHandler(logging.FileHandler):
    """A file handler that makes its file, and the folder, when there is a line to write."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, encoding="utf-8", delay=True)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """A line that the disk has no room for ends the work, as any other file does."""
        with naming(Path(self.baseFilename)):
            if isinstance(sys.exception(), OSError):
                raise
        super().handleError(record)

    def _open(self):  # type: ignore[no-untyped-def]
        Path(self.baseFilename).parent.mkdir(parents=True, exist_ok=True)
        return super()._open()
