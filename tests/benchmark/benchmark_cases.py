"""Small benchmarks on the synthetic mirec-tiny, and what is compared of them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from recbole_mirec.benchmark import benchmark, summary
from recbole_mirec.benchmark.plan import BenchmarkPlan, make_plan
from recbole_mirec.sweep import End, Job, read_end, run_job

BOTH = ["new-brand", "known-brand"]
MODELS: dict[str, Any] = {
    "Cosine": {"model": "Cosine"},
    "Random": {"model": "Random"},
    "BPR (short)": {"model": "BPR", "epochs": 3, "train_batch_size": 64},
}


def content(**changes: Any) -> dict[str, Any]:
    """A plan's keys."""
    keys = {"name": "little", "dataset": "mirec-tiny", "protocols": ["new-brand"]}
    return {**keys, "seeds": [1, 2], "main": "Cosine", "models": MODELS, **changes}


def plan(data_path: Path | None = None, **changes: Any) -> BenchmarkPlan:
    """A plan whose runs take a fifth of a second."""
    settings = {"gpu_id": ""} | ({} if data_path is None else {"data_path": str(data_path)})
    return make_plan(content(**changes), settings)


def run_in_this_process(patch: pytest.MonkeyPatch, *, page: bool = False) -> list[str]:
    """Let benchmarks do their runs here, one after the other; returns the folders as they run."""
    done: list[str] = []

    def one_after_the_other(jobs: Sequence[Job], **_: Any) -> dict[Path, End]:
        ends = {}
        for job in jobs:
            end = read_end(job.folder)
            if end is None:
                done.append(str(job.folder))
                end = run_job(job)
            ends[job.folder] = end
        return ends

    patch.setattr(benchmark, "run_jobs", one_after_the_other)
    if not page:
        patch.setattr(benchmark, "portrait_run", lambda *_: None)
        patch.setattr(benchmark, "write_page", lambda *_: None)
    # as many as the tests have time for
    patch.setattr(summary, "N_DRAWS", 20)
    patch.setattr(summary, "N_FLIPS", 20)
    return done


def figures(folder: Path) -> dict[str, bytes]:
    """The files that hold a benchmark's figures, by name."""
    paths = [folder / "results.csv", folder / "per_brand.csv", *folder.glob("tables/*")]
    return {path.name: path.read_bytes() for path in sorted(paths)}
