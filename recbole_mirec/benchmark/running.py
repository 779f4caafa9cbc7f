"""The runs of a benchmark in worker processes, each once."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from recbole_mirec.benchmark.execution import RunEnd, RunJob, execute, record_failure
from recbole_mirec.benchmark.frames import run_ends
from recbole_mirec.benchmark.planned import PlannedRun
from recbole_mirec.benchmark.progress import Progress
from recbole_mirec.tuning.trial import FAILED
from recbole_mirec.workers import Death, run_in_workers


def run_all(
    runs: Sequence[PlannedRun],
    folder: Path,
    *,
    jobs: int,
    metric: str,
    tuned: Mapping[tuple[str, str, int], Mapping[str, Any]],
) -> None:
    """Run what has not ended yet.

    Args:
        runs: of the plan.
        folder: of the benchmark.
        jobs: runs at a time.
        metric: validation metric of the lines that are printed.
        tuned: what the winners of the studies set, by label, protocol and fold.
    """
    ends = run_ends(runs, folder)
    ended = {run: end for run, end in ends.items() if end is not None}
    left = [run for run in runs if run not in ended]
    waiting = iter(list(left))
    progress = Progress(len(runs), ended, jobs, metric)
    by_folder = {folder / run.folder: run for run in left}

    def propose() -> RunJob | None:
        run = next(waiting, None)
        return None if run is None else _job(run, folder, tuned)

    def run_ended(job: RunJob, found: RunEnd | Death) -> None:
        run = by_folder[job.folder]
        left.remove(run)
        if isinstance(found, Death):
            found = record_failure(job.folder, FAILED, found.reason, 0.0)
        progress.run_ended(run, found, left)

    try:
        run_in_workers(execute, propose, run_ended, n_workers=jobs, n_threads=1)
    finally:
        progress.close()


def _job(
    run: PlannedRun, folder: Path, tuned: Mapping[tuple[str, str, int], Mapping[str, Any]]
) -> RunJob:
    own = tuned.get((run.entry.tuned_as, run.protocol, run.fold), {})
    settings = {**run.settings, **own, "checkpoint_dir": str(folder)}
    return RunJob(folder / run.folder, settings)
