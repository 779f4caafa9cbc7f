"""Many runs: each once, in processes of one thread, gone on with after an interruption."""

import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tqdm import tqdm

from dataset_convert import schema
from dataset_convert.common.errors import DivergedError, UsageError
from dataset_convert.common.files import is_full
from recbole_mirec.experiment import run_experiment
from recbole_mirec.runs import RUN_FILE, write_text
from recbole_mirec.trainer import BEST, LAST
from recbole_mirec.tuning.progress import duration
from recbole_mirec.tuning.trial import LOG, logged_in, one_line
from recbole_mirec.workers import Death, run_in_workers

FINISHED, FAILED, DIVERGED = "finished", "failed", "diverged"
FAILURE_FILE = "failure.json"


@dataclass(frozen=True)
class Job:
    """A run to be made: its folder, all its configuration keys, whether its test part is read."""

    folder: Path
    settings: Mapping[str, Any]
    test: bool = True


@dataclass(frozen=True)
class End:
    """How a run ended: status, seconds, why not; validation metrics and epoch if it finished."""

    status: str
    seconds: float
    reason: str = ""
    metrics: Mapping[str, float] = field(default_factory=dict)
    best_epoch: int = 0


def run_job(job: Job) -> End:
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
        return _record_failure(job.folder, status, reason, time.perf_counter() - started)
    found = read_end(job.folder)
    assert found is not None
    return found


def _run(job: Job) -> None:
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


def _record_failure(folder: Path, status: str, reason: str, seconds: float) -> End:
    content = {"status": status, "reason": reason, "seconds": round(seconds, 2)}
    write_text(folder / FAILURE_FILE, json.dumps(content, indent=2) + "\n")
    return End(status, seconds, reason)


def read_end(folder: Path) -> End | None:
    """How a run in a folder ended; None where it has not.

    Raises:
        UsageError: a file cannot be read.
    """
    failure = _read_json(folder / FAILURE_FILE)
    if failure is not None:
        return End(failure["status"], failure["seconds"], failure["reason"])
    record = _read_json(folder / RUN_FILE)
    if record is None or record["status"] != FINISHED:
        return None
    metrics = record.get(schema.VALID, {})
    return End(FINISHED, record["seconds"], "", metrics, record["best_epoch"])


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


def forget_failure(folder: Path) -> None:
    """Let a failed run be tried again, from the beginning."""
    if (folder / FAILURE_FILE).is_file():
        for name in (LAST, BEST, FAILURE_FILE):
            (folder / name).unlink(missing_ok=True)


def run_jobs(
    jobs: Sequence[Job],
    *,
    n_jobs: int = 1,
    engine: str = "local",
    ray_address: str | None = None,
    title: Callable[[Job], str],
    metric: str,
    on_end: Callable[[Job, End], None] | None = None,
    deadline: float | None = None,
) -> dict[Path, End]:
    """Do the jobs that have not ended, several at a time; a line for each that ends.

    Returns:
        How every job ended, by its folder.
    """
    assert engine == "local"
    assert ray_address is None
    assert deadline is None
    ends = {job.folder: end for job in jobs if (end := read_end(job.folder)) is not None}
    left = iter([job for job in jobs if job.folder not in ends])

    def job_ended(job: Job, found: End | Death) -> None:
        if isinstance(found, Death):
            found = _record_failure(job.folder, FAILED, found.reason, 0.0)
        ends[job.folder] = found
        words = f"{found.status}: {found.reason}"
        if found.status == FINISHED:
            words = f"validation {metric} {found.metrics.get(metric, float('nan')):.4f}"
        seconds = sum(end.seconds for end in ends.values()) / len(ends) * (len(jobs) - len(ends))
        remaining = f"; {duration(seconds / n_jobs)} left" if seconds else ""
        tqdm.write(
            f"run {len(ends)}/{len(jobs)}: {title(job)}: {words} in {duration(found.seconds)}"
            f"{remaining}",
            file=sys.stderr,
        )
        if on_end is not None:
            on_end(job, found)

    run_in_workers(run_job, lambda: next(left, None), job_ended, n_workers=n_jobs, n_threads=1)
    return ends
