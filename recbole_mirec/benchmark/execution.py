"""One run of a benchmark, in whatever process: begun, gone on with, or found to have ended."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dataset_convert.common.errors import DivergedError, UsageError
from dataset_convert.common.files import is_full
from recbole_mirec.experiment import run_experiment
from recbole_mirec.runs import RUN_FILE, write_text
from recbole_mirec.trainer import BEST, LAST
from recbole_mirec.tuning.trial import DIVERGED, FAILED, FINISHED, LOG, logged_in, one_line

FAILURE_FILE = "failure.json"


@dataclass(frozen=True)
class RunJob:
    """What a worker needs to know of a run.

    Attributes:
        folder: of the run.
        settings: all its configuration keys.
    """

    folder: Path
    settings: Mapping[str, Any]


@dataclass(frozen=True)
class RunEnd:
    """How a run ended.

    Attributes:
        status: `finished`, `diverged` (loss or scores became NaN) or `failed`.
        reason: why it did not finish, in one line.
        seconds: that it took, since it was last begun or gone on with.
        record: content of its `run.json`; empty where it did not finish.
    """

    status: str
    reason: str
    seconds: float
    record: Mapping[str, Any]


def execute(job: RunJob) -> RunEnd:
    """Run an experiment, going on where an interrupted one stopped; failures are recorded.

    A full disk, and what the user or the system asks for by KeyboardInterrupt or SystemExit,
    passes.
    """
    started = time.perf_counter()
    try:
        with logged_in(job.folder):
            _run(job)
    except Exception as error:
        if is_full(error):
            raise
        status = DIVERGED if isinstance(error, DivergedError) else FAILED
        reason = one_line(error, named=not isinstance(error, UsageError))
        return record_failure(job.folder, status, reason, time.perf_counter() - started)
    found = read_end(job.folder)
    assert found is not None
    return found


def _run(job: RunJob) -> None:
    try:
        run_experiment(job.settings, resume=job.folder, log_file=job.folder / LOG)
    except DivergedError:
        raise
    except UsageError:
        if not (job.folder / LAST).is_file():
            raise
        # A checkpoint that cannot be gone on with: from the beginning.
        for name in (LAST, BEST):
            (job.folder / name).unlink(missing_ok=True)
        run_experiment(job.settings, resume=job.folder, log_file=job.folder / LOG)


def record_failure(folder: Path, status: str, reason: str, seconds: float) -> RunEnd:
    """Write down that a run failed, so that it is not tried again unasked."""
    content = {"status": status, "reason": reason, "seconds": round(seconds, 2)}
    write_text(folder / FAILURE_FILE, json.dumps(content, indent=2) + "\n")
    return RunEnd(status, reason, seconds, {})


def read_end(folder: Path) -> RunEnd | None:
    """How a run in a folder ended; None where it has not.

    Raises:
        UsageError: a file cannot be read.
    """
    failure = _read_json(folder / FAILURE_FILE)
    if failure is not None:
        return RunEnd(failure["status"], failure["reason"], failure["seconds"], {})
    record = _read_json(folder / RUN_FILE)
    if record is None or record["status"] != FINISHED:
        return None
    return RunEnd(FINISHED, "", record["seconds"], record)


def forget_failure(folder: Path) -> None:
    """Let a failed run be tried again, from the beginning."""
    if (folder / FAILURE_FILE).is_file():
        for name in (LAST, BEST, FAILURE_FILE):
            (folder / name).unlink(missing_ok=True)


def _read_json(path: Path) -> dict[str, Any] | None:
    if not path.is_file():
        return None
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        missing = {"status"} - set(content)
    except (UnicodeDecodeError, TypeError, ValueError) as error:
        raise UsageError(f"'{path}' cannot be read: {error!r}. Delete it.") from None
    if missing:
        raise UsageError(f"'{path}' lacks 'status'. Delete it.")
    return content
