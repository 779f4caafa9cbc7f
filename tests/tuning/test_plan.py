"""A study's plan: what its trials depend on, and where it stands."""

from pathlib import Path
from typing import Any

import pytest
from recbole_mirec.tuning.plan import StudyPlan, default_folder, short_digest

from recbole_mirec.tuning.space import read_space, space_from_dict

SETTINGS = {
    "model": "BPR",
    "dataset": "mirec-tiny",
    "protocol": "known-brand",
    "valid_metric": "MedR",
    "seed": 2020,
    "torch_threads": 1,
}
SPACE = space_from_dict({"choice": {"size": [8, 16]}, "uniform": {"rate": [0, 0.5]}})


def plan(**changes: Any) -> StudyPlan:
    return StudyPlan(**{"settings": SETTINGS, "space": SPACE, "algorithm": "random"} | changes)


def test_what_varies_and_what_chooses() -> None:
    assert plan().parameters == ("size", "rate")
    assert plan().metric == "MedR"


def test_the_identity_in_full() -> None:
    settings = SETTINGS | {"topk": (5, 10), "data_path": Path("x"), "show_progress": True}
    assert plan(settings=settings, algorithm="bayes", jobs=2, early_stop=4).identity("f0") == {
        "settings": {
            "dataset": "mirec-tiny",
            "model": "BPR",
            "protocol": "known-brand",
            "seed": 2020,
            "topk": [5, 10],
            "torch_threads": 1,
            "valid_metric": "MedR",
        },
        "space": [
            {"name": "size", "kind": "choice", "values": [8, 16]},
            {"name": "rate", "kind": "uniform", "values": [0, 0.5]},
        ],
        "algorithm": "bayes",
        "early_stop": 4,
        "scheduler": "none",
        "jobs": 2,
        "data": "f0",
    }


def test_jobs_matter_to_the_estimator_only() -> None:
    for algorithm in ("random", "exhaustive"):
        one, two = (plan(algorithm=algorithm, jobs=jobs).identity("") for jobs in (1, 2))
        assert one == two
    assert plan(algorithm="bayes", jobs=1).identity("") != plan(algorithm="bayes", jobs=2).identity(
        ""
    )


def test_equal_spaces_are_the_same_study_wherever_they_stood(tmp_path: Path) -> None:
    digests = set()
    for name, text in (("a", "size choice [8,16]\nrate uniform 0,0.5\n"), ("b", None)):
        path = tmp_path / f"{name}.hyper"
        path.write_text(text or "# mine\n\nsize  choice  [8, 16]\nrate uniform 0, 0.5\n")
        digests.add(short_digest(plan(space=read_space(path)).identity("")))
    assert digests == {short_digest(plan().identity(""))}


@pytest.mark.parametrize(
    "changes",
    [
        {"settings": SETTINGS | {"seed": 1}},
        {"settings": SETTINGS | {"epochs": 3}},
        {"space": space_from_dict({"choice": {"size": [16, 8]}, "uniform": {"rate": [0, 0.5]}})},
        {"space": space_from_dict({"uniform": {"rate": [0, 0.5]}, "choice": {"size": [8, 16]}})},
        {"algorithm": "bayes"},
        {"early_stop": 3},
        {"scheduler": "asha"},
    ],
)
def test_what_trials_depend_on_makes_another_folder(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    def folder(one: StudyPlan) -> Path:
        return default_folder(one, one.identity("f0"), tmp_path)

    first = folder(plan())
    assert folder(plan(**changes)) != first
    extended = plan(max_trials=99, minutes=5.0, keep=3, tool="ray", command="again")
    assert folder(extended) == first
    assert first != default_folder(plan(), plan().identity("f1"), tmp_path)


def test_the_folders_name(tmp_path: Path) -> None:
    identity = plan().identity("f0")
    digest = short_digest(identity)
    assert len(digest) == 8
    assert int(digest, 16) >= 0
    assert digest == short_digest(dict(reversed(identity.items())))
    folder = default_folder(plan(), identity, tmp_path)
    assert folder == tmp_path / f"BPR-mirec-tiny-known-brand-random-{digest}"
