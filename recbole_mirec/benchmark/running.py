"""The runs of a benchmark, each once."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from recbole_mirec.benchmark.planned import PlannedRun
from recbole_mirec.sweep import Job, run_jobs


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
    by_folder = {folder / run.folder: run for run in runs}
    run_jobs(
        [_job(run, folder, tuned) for run in runs],
        n_jobs=jobs,
        title=lambda job: by_folder[job.folder].title,
        metric=metric,
    )


def _job(
    run: PlannedRun, folder: Path, tuned: Mapping[tuple[str, str, int], Mapping[str, Any]]
) -> Job:
    own = tuned.get((run.entry.tuned_as, run.protocol, run.fold), {})
    settings = {**run.settings, **own, "checkpoint_dir": str(folder)}
    return Job(folder / run.folder, settings)
