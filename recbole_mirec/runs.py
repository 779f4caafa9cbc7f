"""A run's folder: what stands in it, who works in it, its log."""

import contextlib
import json
import logging
import platform
import secrets
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from filelock import FileLock, Timeout
from pydantic import BaseModel, ValidationError
from recbole.utils.logger import RemoveColorFilter

from dataset_convert.common.errors import UsageError
from dataset_convert.common.files import naming, write_whole
from dataset_convert.common.settings import problems_of
from dataset_convert.holders import RUN_FILE
from recbole_mirec.compat import LOG_HANDLER

LOCK_FILE, CONFIG_FILE = ".lock", "config.yaml"
# Work that takes many runs; the file `<kind>.json` in its folder says what it is.
STUDY, BENCHMARK = "study", "benchmark"
# Seconds to wait for a worker that is about to end because its parent was killed.
PATIENCE = 60.0
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
OTHER_FOLDER = "Name another folder with --results, or leave --results out."


@contextmanager
def alone_in(folder: Path, *, kind: str = "run", patience: float = 0.0) -> Iterator[None]:
    """Make a folder and work in it alone; the system ends the lock with the process.

    The thread that works there may enter again. What a process that was killed left half written
    is cleared away. The file `.lock` stays. Another process gets `patience` seconds to leave.

    Raises:
        UsageError: another process works there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder.resolve() / LOCK_FILE, is_singleton=True)
    again = lock.is_locked
    try:
        lock.acquire(timeout=patience)
    except Timeout:
        busy = f"Another process works on the {kind} in '{folder}'."
        raise UsageError(f"{busy} Wait for it to end, then try again.") from None
    try:
        if not again:
            for partial in folder.glob(".*.part"):
                partial.unlink()
        yield
    finally:
        lock.release()


@contextmanager
def owned(folder: Path, kind: str, identity: Mapping[str, Any]) -> Iterator[None]:
    """Make the folder of a `STUDY` or `BENCHMARK`, or take up the same one in it, alone.

    What is done is its identity, in plain values, as JSON gives them back.

    Raises:
        UsageError: the folder is of other work, or something else's, or in use.
    """
    path = folder / f"{kind}.json"
    if folder.exists() and not path.exists():
        content = folder.iterdir() if folder.is_dir() else [folder]
        if not all(entry.name.startswith((LOCK_FILE, f".{path.name}.")) for entry in content):
            raise UsageError(
                f"'{folder}' is no folder of a {kind}: it has other content and no {path.name}. "
                f"{OTHER_FOLDER}"
            )
    with alone_in(folder, kind=kind):
        if not path.exists():
            what = {"identity": identity, "versions": versions()}
            write_text(path, json.dumps(what, indent=2) + "\n")
        try:
            found = json.loads(path.read_text(encoding="utf-8"))["identity"]
        except (KeyError, TypeError, ValueError) as error:
            raise UsageError(f"'{path}' cannot be read: {error!r}. {OTHER_FOLDER}") from None
        if found != identity:
            words = _first_difference(_flat(found), _flat(identity))
            raise UsageError(f"'{folder}' holds another {kind}: {words}. {OTHER_FOLDER}")
        yield


def _first_difference(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    """Where two mappings differ first, in words."""
    names = {**old, **new}
    name = next(one for one in names if old.get(one, names) != new.get(one, names))
    if name == "data":
        return "the data set's files have changed since"
    before, now = (repr(one[name]) if name in one else "unset" for one in (old, new))
    return f"its {name} is {before}, not {now}"


def _flat(content: Any, name: str = "") -> dict[str, Any]:
    """Nested values by the way to them, such as `models: BPR: epochs`."""
    if not isinstance(content, dict):
        return {name: content}
    parts = [_flat(value, f"{name}: {key}".removeprefix(": ")) for key, value in content.items()]
    return {key: value for part in parts for key, value in part.items()}


class Run(NamedTuple):
    """A run on disk: its folder, and what `run.json` says of settings, versions and results."""

    folder: Path
    record: dict[str, Any]


class _Asked(BaseModel):
    model: str
    dataset: str


class _Record(_Asked):
    protocol: str
    status: str
    settings: _Asked


def new_run_folder(checkpoint_dir: Path, model: str, dataset: str, protocol: str) -> Path:
    """Make a folder that no other run can have: time to the second and six random digits."""
    stamp = time.strftime("%Y%m%d-%H%M%S")
    folder = checkpoint_dir / f"{model}-{dataset}-{protocol}-{stamp}-{secrets.token_hex(3)}"
    folder.mkdir(parents=True)
    return folder


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that figures depend on."""
    found = {"python": platform.python_version()} | dict.fromkeys(PACKAGES, "not installed")
    for package in PACKAGES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[package] = metadata.version(package)
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
        _Record.model_validate(record)
    except PermissionError as error:
        raise UsageError(f"'{path}' cannot be read: {error.strerror}.") from None
    except OSError:
        raise UsageError(f"'{folder}' is no folder of a run: {_what_it_is(folder)}") from None
    except ValidationError as error:
        problem = problems_of(error)[0]
        raise UsageError(f"'{path}' is no record of a run: {problem} Train again.") from None
    except (RecursionError, ValueError) as error:
        raise UsageError(f"'{path}' is no JSON in UTF-8: {error}. Train again.") from None
    return Run(folder, record)


def _what_it_is(folder: Path) -> str:
    if not folder.exists():
        return "it does not exist."
    for work in (STUDY, BENCHMARK):
        if (folder / f"{work}.json").exists():
            return f"it is a {work}'s, which goes on when its own command is given again."
    return f"it holds no {RUN_FILE}."


def newest_run(checkpoint_dir: Path, model: str, dataset: str, protocol: str | None) -> Run:
    """The latest finished run of a model on a data set; folders that cannot be read are passed by.

    Raises:
        UsageError: there is none; says how to make one.
    """
    wanted = {"model": model, "dataset": dataset, "status": "finished"}
    wanted |= {} if protocol is None else {"protocol": protocol}
    records = checkpoint_dir.glob(f"*/{RUN_FILE}")
    for path in sorted(records, reverse=True, key=lambda path: path.stat().st_mtime_ns):
        with contextlib.suppress(UsageError):
            run = read_run(path.parent)
            if wanted.items() <= {key: run.record[key] for key in wanted}.items():
                return run
    raise UsageError(
        f"No finished run of {model} on {dataset} in '{checkpoint_dir}'. Train one first: "
        f"python run_recbole_mirec.py --model={model} --dataset={dataset}"
    )


FOLDER = Path("log")
_HERE = str(Path(__file__).parent)


def start_logging(model: str, dataset: str, level: str, *, only_file: Path | None = None) -> None:
    """Send log lines to `log/<model>/`, as RecBole does, and what a person needs to the screen.

    The screen, which is standard error, gets warnings and this project's own lines; with `level`,
    RecBole's `state`, at debug everything. A second experiment in one process gets its own file,
    and a file appears with its first line, so that refused input leaves none. With `only_file` the
    lines go there and nowhere else.
    """
    threshold = logging.getLevelNamesMapping().get(level.upper(), logging.INFO)
    stamp = time.strftime("%Y%m%d-%H%M%S")
    own_file = FOLDER / model / f"{model}-{dataset}-{stamp}-{secrets.token_hex(3)}.log"
    file = _LateFileHandler(only_file or own_file, encoding="utf-8", delay=True)
    screen: logging.Handler = logging.StreamHandler()
    file.setFormatter(logging.Formatter("%(asctime)-15s %(levelname)s  %(message)s"))
    screen.setFormatter(logging.Formatter("%(asctime)s %(levelname)s  %(message)s", "%d %b %H:%M"))
    if threshold > logging.DEBUG:
        screen.addFilter(_is_for_people)
    root = logging.getLogger()
    for handler in [one for one in root.handlers if (one.name or "").startswith("recbole_mirec.")]:
        root.removeHandler(handler)
        # what a full disk had no room for is lost
        with contextlib.suppress(OSError):
            handler.close()
    file.name, screen.name = LOG_HANDLER, "recbole_mirec.screen"
    for handler in (file, screen) if only_file is None else (file,):
        handler.setLevel(threshold)
        handler.addFilter(RemoveColorFilter())
        root.addHandler(handler)
    root.setLevel(threshold)


def _is_for_people(record: logging.LogRecord) -> bool:
    return record.levelno >= logging.WARNING or record.pathname.startswith(_HERE)


class _LateFileHandler(logging.FileHandler):
    """A file handler that makes its file, and the folder, when there is a line to write."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """A line that the disk has no room for ends the work, as any other file does."""
        with naming(Path(self.baseFilename)):
            if isinstance(sys.exception(), OSError):
                raise
        super().handleError(record)

    def _open(self):  # type: ignore[no-untyped-def]
        Path(self.baseFilename).parent.mkdir(parents=True, exist_ok=True)
        return super()._open()
