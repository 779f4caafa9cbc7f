"""Many runs, each once, by local processes or a Ray cluster; an interrupted sweep is gone on with.

Studies and benchmarks stand on it: a job is a folder and settings, and what became of it is read
from its folder where it has ended before.
"""

import contextlib
import json
import math
import os
import sys
import time
import traceback
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from dataset_convert import schema
from dataset_convert.common.errors import DivergedError, UsageError
from dataset_convert.common.files import is_full, naming
from dataset_convert.common.ray_session import import_ray, ray_session
from dataset_convert.common.words import duration
from dataset_convert.common.workers import Workers
from dataset_convert.holders import RUN_FILE
from recbole_mirec.experiment import prepare, run_experiment, train, validate_best
from recbole_mirec.runs import PATIENCE, alone_in, write_text
from recbole_mirec.trainer import BEST, LAST

FINISHED, FAILED, DIVERGED, STOPPED = "finished", "failed", "diverged", "stopped"
LOG, FAILURE_FILE, TRIAL_FILE = "log.txt", "failure.json", "trial.json"
LOCAL, RAY = "local", "ray"
_COUNTS = ("n_brands", "n_candidates")


@dataclass(frozen=True)
class Job:
    """A run that is to be.

    Attributes:
        folder: of the run, which is gone on with where it was interrupted.
        settings: configuration keys.
        test: False: the test part stays closed, as in a trial of a study.
    """

    folder: Path
    settings: Mapping[str, Any]
    test: bool = True


@dataclass(frozen=True)
class End:
    """What became of a job.

    Attributes:
        status: `finished`; `stopped` by the time limit, with its best epoch so far; `diverged`:
            loss or scores became NaN; `failed`.
        seconds: that it took since it was last begun or gone on with.
        reason: why it did not finish, in one line.
        metrics: of validation, best epoch.
        best_epoch: from 1; 0: none.
        n_epochs: epochs trained.
    """

    status: str
    seconds: float
    reason: str = ""
    metrics: Mapping[str, float] = field(default_factory=dict)
    best_epoch: int = 0
    n_epochs: int = 0


class _TimeOverError(Exception):
    """Ends a trial after an epoch; the message is the reason."""


def run_job(job: Job, deadline: float | None = None) -> End:
    """Run a job, going on where it was interrupted; what its settings or data cause is its end.

    Log lines, what is printed and tracebacks go to `log.txt` in its folder. After the deadline, in
    seconds since the Unix epoch, a trial stops at its next validation.

    Raises:
        OSError: the disk is full.
    """
    try:
        with alone_in(job.folder, patience=PATIENCE):
            return _run_alone(job, deadline)
    except UsageError as error:  # another process works there: its end is not ours to write
        return End(FAILED, 0.0, str(error))


def _run_alone(job: Job, deadline: float | None) -> End:
    started = time.perf_counter()
    try:
        with _logged(job.folder / LOG):
            end = _run(job, deadline)
    except Exception as error:
        if is_full(error):
            raise
        text = " ".join(str(error).split())
        known = isinstance(error, UsageError)
        reason = text if known else f"{type(error).__name__}: {text}".rstrip(": ")
        status = DIVERGED if isinstance(error, DivergedError) else FAILED
        end = End(status, 0.0, reason)
    end = replace(end, seconds=round(time.perf_counter() - started, 2))
    failed = end.status in (DIVERGED, FAILED)
    if failed or not job.test:
        text = json.dumps(asdict(end), indent=2) + "\n"
        write_text(job.folder / (FAILURE_FILE if failed else TRIAL_FILE), text)
    return end


@contextlib.contextmanager
def _logged(path: Path) -> Iterator[None]:
    with (
        naming(path),
        path.open("a", encoding="utf-8") as log,
        contextlib.redirect_stdout(log),
        contextlib.redirect_stderr(log),
    ):
        try:
            yield
        except Exception:
            traceback.print_exc()
            raise


def _run(job: Job, deadline: float | None) -> End:
    run = partial(_run_trial, deadline=deadline) if not job.test else _run_whole
    try:
        return run(job)
    except UsageError as error:
        if isinstance(error, DivergedError) or not (job.folder / LAST).is_file():
            raise
        # a checkpoint that cannot be gone on with: from the beginning
        clear_checkpoints(job.folder)
        return run(job)


def _run_whole(job: Job) -> End:
    run_experiment(job.settings, resume=job.folder, log_file=job.folder / LOG)
    end = read_end(job.folder)
    assert end is not None
    return end


def _run_trial(job: Job, deadline: float | None) -> End:
    log, closed = job.folder / LOG, (schema.TEST,)
    experiment = prepare(job.settings, run_folder=job.folder, closed_parts=closed, log_file=log)
    trainer = experiment.trainer
    trainer.resume()

    def after_epoch(epoch: int, _score: float) -> None:
        if deadline is not None and time.time() > deadline and not trainer.finished:
            raise _TimeOverError(f"the study's time was over after epoch {epoch + 1}")

    try:
        found, status, reason = train(experiment, after_epoch), FINISHED, ""
    except _TimeOverError as over:
        found, status, reason = validate_best(experiment), STOPPED, str(over)
    except DivergedError as error:
        return End(DIVERGED, 0.0, " ".join(str(error).split()), n_epochs=trainer.n_epochs())
    assert found is not None  # a study asks for validation before its first trial
    best_epoch, n_epochs = trainer.best_epoch + 1, trainer.n_epochs()
    return End(status, 0.0, reason, dict(found.summary), best_epoch, n_epochs)


def read_end(folder: Path) -> End | None:
    """What became of the job in a folder; None where it has not ended.

    Raises:
        UsageError: a file cannot be read.
    """
    for name in (FAILURE_FILE, TRIAL_FILE, RUN_FILE):
        path = folder / name
        if not path.is_file():
            continue
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
            if name != RUN_FILE:
                return End(**found)
            if found["status"] == FINISHED:
                metrics = {k: v for k, v in found.get("valid", {}).items() if k not in _COUNTS}
                epochs = (found["best_epoch"], found["n_epochs"])
                return End(FINISHED, found["seconds"], "", metrics, *epochs)
        except (KeyError, TypeError, ValueError) as error:
            raise UsageError(f"'{path}' cannot be read: {error!r}. Delete it.") from None
    return None


def forget_failure(folder: Path) -> None:
    """Let a failed job be tried again, from the beginning."""
    if (folder / FAILURE_FILE).is_file():
        clear_checkpoints(folder)
        (folder / FAILURE_FILE).unlink()


def clear_checkpoints(folder: Path) -> None:
    """Delete the checkpoints of a run."""
    for name in (LAST, BEST):
        (folder / name).unlink(missing_ok=True)


def run_jobs(
    jobs: Sequence[Job],
    *,
    n_jobs: int = 1,
    engine: str = LOCAL,
    ray_address: str | None = None,
    title: Callable[[Job], str],
    metric: str,
    on_end: Callable[[Job, End], None] | None = None,
    deadline: float | None = None,
    n_more: int = 0,
) -> dict[Path, End]:
    """Run the jobs that have not ended; a line for each that ends, on standard error.

    Args:
        jobs: begun in this order.
        n_jobs: jobs at a time, each with one thread in a process of its own.
        engine: `local`: processes on this machine; `ray`.
        ray_address: of a Ray cluster; None: what RAY_ADDRESS says, else a Ray on this machine.
        title: what the line of a job calls it.
        metric: of validation, shown in the lines.
        on_end: called here with each job as it ends.
        deadline: seconds since the Unix epoch: no job begins after it but the first and those that
            were begun before; trials under way stop at their next validation.
        n_more: jobs that will follow in other calls, for the time left.

    Returns:
        How jobs ended, by folder, in the order of `jobs`; those that did not begin are not in it.

    Raises:
        UsageError: a worker died, or Ray is missing or cannot be started.
        OSError: the disk is full.
    """
    ends = {job.folder: end for job in jobs if (end := read_end(job.folder)) is not None}
    left = [job for job in jobs if job.folder not in ends]
    if left:
        # at once, so that what the first leaves behind does not open the way for others
        tasks = [(job, deadline, job is left[0] or job.folder.exists()) for job in left]
        n = len(jobs) + n_more
        with (
            tqdm(total=n, initial=len(ends), disable=None, leave=False, unit="run") as bar,
            contextlib.closing(ENGINES[engine](tasks, n_jobs, ray_address)) as found,
        ):
            for job, end in found:
                ends[job.folder] = end
                if on_end is not None:
                    on_end(job, end)
                to_go = _to_go(ends.values(), n - len(ends), n_jobs, deadline)
                tqdm.write(_line(title(job), end, metric) + to_go, file=sys.stderr)
                sys.stderr.flush()
                bar.update()
    return {job.folder: ends[job.folder] for job in jobs if job.folder in ends}


Task = tuple[Job, float | None, bool]


def run_task(job: Job, deadline: float | None, anyway: bool) -> End | None:
    """What a worker does: a job, unless its time is over (None) and it shall not run anyway."""
    if deadline is not None and time.time() > deadline and not anyway:
        return None
    torch.set_num_threads(1)
    return run_job(job, deadline)


def _line(title: str, end: End, metric: str) -> str:
    found = f"{end.status}: {end.reason}".rstrip(": ")
    if metric in end.metrics:
        ending = "" if end.status == FINISHED else f" ({end.status})"
        found = f"{metric} {end.metrics[metric]:.4f}{ending}"
    return f"{title}: {found} in {duration(end.seconds)}"


def _to_go(ends: Collection[End], n_left: int, n_jobs: int, deadline: float | None) -> str:
    seconds = sum(end.seconds for end in ends) / len(ends) * n_left / n_jobs
    if deadline is not None:
        seconds = min(seconds, deadline - time.time())
        return f"; {duration(seconds)} left" if seconds > 0 else ""
    return f"; {n_left} to go, {duration(seconds)} left" if n_left else ""


_DEAD = (
    "A worker process died; memory may have run out. The same command goes on where it was "
    "interrupted; with fewer jobs at a time (--jobs) it needs less memory."
)


def _locally(tasks: Sequence[Task], n_jobs: int, _address: str | None) -> Iterator[tuple[Job, End]]:
    workers = Workers(min(n_jobs, len(tasks)))
    try:
        futures = {workers.submit(run_task, *task): task[0] for task in tasks}
        for future in as_completed(futures):
            end = future.result()
            if end is not None:
                yield futures[future], end
    except BrokenProcessPool:
        raise UsageError(_DEAD) from None
    finally:
        workers.kill()


def _on_ray(tasks: Sequence[Task], n_jobs: int, address: str | None) -> Iterator[tuple[Job, End]]:
    """One task of Ray a job; GPUs are shared out evenly where there are any."""
    ray = import_ray()
    gpu = tasks[0][0].settings.get("gpu_id") != ""
    with ray_session(ray, address, n_jobs, n_gpus=torch.cuda.device_count() if gpu else 0):
        n_gpus = int(ray.cluster_resources().get("GPU", 0)) if gpu else 0
        # Ray counts in ten-thousandths; rounded up, the shares of one GPU would not fit on it.
        share = 10_000 // math.ceil(n_jobs / n_gpus) / 10_000 if n_gpus else 0
        run = ray.remote(num_cpus=1, num_gpus=share, max_retries=0)(_run_on_ray)
        waiting, running = list(tasks), dict[Any, Job]()
        while waiting or running:
            while waiting and len(running) < n_jobs:
                task = waiting.pop(0)
                running[run.remote(Path.cwd(), *task)] = task[0]
            for done in ray.wait(list(running))[0]:
                try:
                    end = ray.get(done)
                except (ray.exceptions.WorkerCrashedError, ray.exceptions.OutOfMemoryError):
                    raise UsageError(_DEAD) from None
                job = running.pop(done)
                if end is not None:
                    yield job, end


def _run_on_ray(folder: Path, job: Job, deadline: float | None, anyway: bool) -> End | None:
    os.chdir(folder)  # paths in the settings are relative to the user's working folder
    if gpu := os.environ.get("CUDA_VISIBLE_DEVICES"):  # RecBole would take the first
        job = replace(job, settings={**job.settings, "gpu_id": gpu})
    return run_task(job, deadline, anyway)


ENGINES: dict[str, Any] = {LOCAL: _locally, RAY: _on_ray}
