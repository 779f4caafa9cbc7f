"""A run's folder: what stands in it, how it is named and found again."""

import json
import platform
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import yaml

from recbole_mirec.errors import UsageError
from recbole_mirec.files import write_whole

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
