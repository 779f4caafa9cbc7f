"""Small studies on the synthetic mirec-tiny, and what is compared of them."""

import csv
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from little_data import settings

from recbole_mirec import sweep
from recbole_mirec.sweep import End, Job
from recbole_mirec.tuning.space import Parameter, SearchSpace
from recbole_mirec.tuning.trial import TIMES, StudyPlan


def space_of(content: Mapping[str, Mapping[str, Sequence[Any]]]) -> SearchSpace:
    """A space as kind -> name -> options or bounds."""
    return SearchSpace(
        tuple(
            Parameter(name, kind, tuple(values), "here")
            for kind, entries in content.items()
            for name, values in entries.items()
        )
    )


# The best epoch of the higher rates is not the last one.
LIGHTGCN = space_of({"choice": {"learning_rate": [0.002, 0.1], "embedding_size": [8, 16]}})
MIREC = space_of(
    {"choice": {"learning_rate": [0.002, 0.1]}, "quniform": {"input_dimension": [4, 8, 4]}}
)
SPACES = {"LightGCN": LIGHTGCN, "MIRec": MIREC}


def make_plan(
    workplace: Path, model: str = "LightGCN", space: SearchSpace | None = None, **changes: Any
) -> StudyPlan:
    """A plan whose trials take a fifth of a second; fields of the plan, else keys of the trials."""
    of_plan = {field.name for field in fields(StudyPlan)} & changes.keys()
    given = {"algorithm": "exhaustive"} | {name: changes.pop(name) for name in of_plan}
    common = {"seed": 2020, "valid_metric": "MAP", "protocol": "known-brand", "epochs": 2}
    fixed = settings(workplace, model, **(common | changes))
    space = space or SPACES[model]
    for parameter in space.parameters:
        fixed.pop(parameter.name, None)
    return StudyPlan(settings=fixed, space=space, **given)


def in_this_process(tasks: Sequence[sweep.Task], *_: Any) -> Iterator[tuple[Job, End]]:
    """An engine of the sweep for tests: one job after the other, here."""
    for task in tasks:
        end = sweep.run_task(*task)
        if end is not None:
            yield task[0], end


def run_in_this_process(patch: pytest.MonkeyPatch) -> None:
    """Let sweeps run their jobs here instead of in worker processes."""
    patch.setitem(sweep.ENGINES, "local", in_this_process)


def on_job(patch: pytest.MonkeyPatch, act: Callable[[Job], Any]) -> None:
    """Let something happen at the start of every job; what it gives is the job's end."""
    original = sweep.run_job

    def run(job: Job, deadline: float | None = None) -> End:
        found = act(job)
        return found if isinstance(found, End) else original(job, deadline)

    patch.setattr(sweep, "run_job", run)


def rows_without_times(folder: Path) -> list[dict[str, str]]:
    """The rows of a study's trials.csv, times aside."""
    with (folder / "trials.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert all(row.keys() >= set(TIMES) for row in rows)
    return [{key: text for key, text in row.items() if key not in TIMES} for row in rows]


def processes_of(marker: str) -> list[int]:
    """Processes that were started with this text in their environment; zombies are none."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            marked = marker.encode() in (folder / "environ").read_bytes()
        except OSError:
            continue
        if marked:
            found.append(int(folder.name))
    return found


def wait_for(condition: Callable[[], Any], seconds: float = 300) -> None:
    """Wait until something is true."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)
