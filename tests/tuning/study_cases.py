"""Small studies on the synthetic mirec-tiny, and what is compared of them."""

import csv
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from little_data import settings
from recbole_mirec.tuning.local_jobs import InProcess
from recbole_mirec.tuning.plan import StudyPlan
from recbole_mirec.tuning.records import TIMES

from recbole_mirec.tuning import study as study_room
from recbole_mirec.tuning.space import SearchSpace, space_from_dict

# The best epoch of the higher rates is not the last one.
LIGHTGCN = space_from_dict({"choice": {"learning_rate": [0.002, 0.1], "embedding_size": [8, 16]}})
MIREC = space_from_dict(
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


def run_in_this_process(patch: pytest.MonkeyPatch) -> None:
    """Let studies run their trials here instead of in worker processes."""
    patch.setattr(study_room, "LocalProcesses", lambda task, jobs: InProcess(task.run))


def rows_without_times(folder: Path) -> list[dict[str, str]]:
    """The rows of a study's trials.csv, times aside."""
    with (folder / "trials.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert all(row.keys() >= set(TIMES) for row in rows)
    return [{key: text for key, text in row.items() if key not in TIMES} for row in rows]
