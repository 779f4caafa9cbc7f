"""Small benchmarks on the synthetic mirec-tiny, and what is compared of them."""

from pathlib import Path
from typing import Any

import pytest

from recbole_mirec import sweep
from recbole_mirec.benchmark import summary
from recbole_mirec.benchmark.plan import BenchmarkPlan, make_plan

MODELS: dict[str, Any] = {
    "Cosine": {"model": "Cosine"},
    "Random": {"model": "Random"},
    "BPR (short)": {"model": "BPR", "epochs": 3, "train_batch_size": 64},
}


def content(**changes: Any) -> dict[str, Any]:
    """A plan's keys."""
    keys = {
        "name": "little",
        "dataset": "mirec-tiny",
        "protocols": ["new-brand"],
        "seeds": [1, 2],
        "main": "Cosine",
        "models": MODELS,
    }
    return keys | changes


def plan(data_path: Path | None = None, **changes: Any) -> BenchmarkPlan:
    """A plan whose runs take a fifth of a second."""
    settings = {"gpu_id": ""} | ({} if data_path is None else {"data_path": str(data_path)})
    return make_plan(content(**changes), settings)


def run_in_this_process(patch: pytest.MonkeyPatch) -> list[str]:
    """Let benchmarks do their runs here, one after the other; returns the folders as they run."""
    done: list[str] = []

    def one_after_the_other(tasks: Any, *_: Any) -> Any:
        for task in tasks:
            done.append(str(task[0].folder))
            yield task[0], sweep.run_task(*task)

    patch.setitem(sweep.ENGINES, "local", one_after_the_other)
    # as many as the tests have time for
    patch.setattr(summary, "N_DRAWS", 20)
    patch.setattr(summary, "N_FLIPS", 20)
    return done


def figures(folder: Path) -> dict[str, bytes]:
    """The files that hold a benchmark's figures, by name."""
    paths = [folder / "results.csv", folder / "per_brand.csv", *folder.glob("tables/*")]
    return {path.name: path.read_bytes() for path in sorted(paths)}
