"""Plans: every key is checked, and every run follows from them."""

import re
from pathlib import Path
from typing import Any

import pytest
from benchmark_cases import MODELS, content, plan
from recbole_mirec.benchmark.planned import deterministic, planned_runs

from dataset_convert.common.errors import UsageError
from recbole_mirec.benchmark.plan import find_plan, folder_name, make_plan, read_plan
from recbole_mirec.config import properties_folder

BOTH = ["new-brand", "known-brand"]
SHIPPED = sorted(path.stem for path in (properties_folder() / "benchmark").glob("*.yaml"))


def test_runs_of_a_plan() -> None:
    runs = planned_runs(plan(folds=2))
    assert [run.folder.as_posix() for run in runs] == [
        *(f"runs/Cosine/new-brand/seed-1-fold-{fold}" for fold in (1, 2)),
        *(f"runs/Random/new-brand/seed-{s}-fold-{fold}" for s in (1, 2) for fold in (1, 2)),
        *(f"runs/BPR-short/new-brand/seed-{s}-fold-{fold}" for s in (1, 2) for fold in (1, 2)),
    ]
    last = runs[-1]
    assert last.title == "BPR (short), new-brand, seed 2, fold 2"
    assert last.settings == {
        **{"model": "BPR", "epochs": 3, "train_batch_size": 64, "gpu_id": ""},
        **{"dataset": "mirec-tiny", "protocol": "new-brand", "seed": 2, "folds": 2, "fold": 2},
        **{"torch_threads": 1, "show_progress": False, "eval_unseen_only": True},
    }


def test_a_model_without_seeds_runs_once() -> None:
    runs = planned_runs(plan(protocols=BOTH))
    seeds = {label: [run.seed for run in runs if run.entry.label == label] for label in MODELS}
    # two protocols each
    assert seeds["Cosine"] == [1, 1]
    assert seeds["Random"] == seeds["BPR (short)"] == [1, 2, 1, 2]
    names = ("Cosine", "Random", "Pop", "EASE", "SLIMElastic", "BPR", "MIRec")
    entries = plan(models={name: {"model": name} for name in names}).models
    assert [entry.label for entry in entries if deterministic(entry)] == ["Cosine", "Pop", "EASE"]


def test_a_model_may_have_protocols_of_its_own() -> None:
    models = MODELS | {"BPR (short)": {"model": "BPR", "protocols": ["known-brand"]}}
    runs = planned_runs(plan(models=models, protocols=BOTH))
    assert {run.protocol for run in runs if run.entry.label == "BPR (short)"} == {"known-brand"}
    assert "protocols" not in runs[-1].settings


def test_ablations_are_their_full_model_with_fewer_perspectives() -> None:
    models = {"Full": {"model": "MIRec", "epochs": 2}, "Cosine": {"model": "Cosine"}}
    rows = [["content"], ["content", "attribute"]]
    made = plan(models=models, ablations={"model": "Full", "perspectives": rows}, protocols=BOTH)
    assert [entry.label for entry in made.ablations] == [
        "Full [content]",
        "Full [content + attribute]",
    ]
    assert made.ablations[1].settings == {
        "model": "MIRec",
        "epochs": 2,
        "perspectives": ["content", "attribute"],
    }
    assert made.ablations[0].tuned_as == made.ablated == "Full"
    assert len(planned_runs(made)) == 2 + 3 * 2 * 2
    assert [run.folder.parts[1] for run in planned_runs(made)][-1] == "Full-content-+-attribute"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"modles": {}}, "Unknown key 'modles'. Did you mean 'models'?"),
        ({"name": "a/b"}, "Key 'name' must hold letters, digits, '.', '_' and '-' only. Received"),
        ({"dataset": 3}, "Key 'dataset' must be a name. Received: 3."),
        ({"protocols": ["new_brand"]}, "Unknown protocol 'new_brand' in 'protocols'. Did you mean"),
        ({"protocols": "new-brand"}, "Key 'protocols' must list different protocols. Received"),
        ({"protocols": []}, "Key 'protocols' must list different protocols. Received: []."),
        ({"seeds": [1, 1]}, "Key 'seeds' must list different whole numbers. Received: [1, 1]."),
        ({"seeds": [1, -2]}, "Key 'seeds' must hold whole numbers of at least 0. Received: -2."),
        ({"seeds": [True]}, "Key 'seeds' must hold whole numbers of at least 0. Received: True."),
        (
            {"folds": 5, "protocols": BOTH},
            "must be 0, or at least 2 with protocols: [new-brand]. Received: 5 with",
        ),
        ({"folds": 1}, "Received: 1 with new-brand."),
        ({"folds": "five"}, "Key 'folds' must hold whole numbers of at least 0. Received: 'five'."),
        ({"jobs": 0}, "Key 'jobs' must hold whole numbers of at least 1. Received: 0."),
        ({"settings": ["epochs"]}, "Key 'settings' must map keys to values. Received: ['epochs']."),
        ({"settings": {"seed": 1}}, "Key 'seed' cannot be set in 'settings': the plan's 'seeds'"),
        ({"settings": {"torch_threads": 2}}, "'torch_threads' cannot be set in 'settings': runs"),
        ({"main": "Cosin"}, "Key 'main' must be a label of 'models'. Received: 'Cosin'. Did you"),
        ({"models": []}, "Key 'models' must map labels to settings. Received: []."),
        ({"models": {"A": {}}}, "Key 'models: A' must hold 'model: NAME'. Received: {}."),
        ({"models": {"A": {"model": 1}}}, "Key 'models: A: model' must be a name. Received: 1."),
        (
            {"models": {"A": {"model": "BPR", "fold": 1}}},
            "Key 'fold' cannot be set in 'models: A': every fold of the plan's 'folds' is run.",
        ),
        (
            {"models": {"A": {"model": "X", "protocols": ["known-brand"]}}},
            "Unknown protocol 'known-brand' in 'models: A: protocols'. Did you mean 'new-brand'?",
        ),
        (
            {"models": MODELS | {"bpr short": {"model": "BPR"}}},
            "Labels 'BPR (short)' and 'bpr short' would share the folder 'bpr-short'; change one.",
        ),
        (
            {
                "models": {"Cosine": {"model": "Cosine", "protocols": ["new-brand"]}},
                "protocols": BOTH,
            },
            "Model 'Cosine' is the main one, so it must be run under all protocols.",
        ),
        ({"ablations": ["content"]}, "Key 'ablations' must hold model and perspectives."),
        (
            {"ablations": {"model": "Cosine", "perspectives": []}},
            "Key 'ablations: perspectives' must list lists of perspectives, such as",
        ),
        (
            {"ablations": {"model": "Cosin", "perspectives": [["content"]]}},
            "Key 'ablations: model' must be a label of 'models'. Received: 'Cosin'.",
        ),
        (
            {"ablations": {"model": "Cosine", "perspectives": [["content"]], "rows": 1}},
            "Unknown key of ablations 'rows'. Valid: model, perspectives.",
        ),
        ({"tuning": {"algo": "random"}}, "Key 'tuning' must hold max_evals, at least. Received"),
        (
            {"tuning": {"max_evals": 5, "algo": "grid"}},
            "Key 'tuning: algo' must be one of exhaustive, random, bayes. Received: 'grid'.",
        ),
        ({"tuning": {"max_evals": 0}}, "Key 'tuning: max_evals' must hold whole numbers of at"),
        (
            {"tuning": {"max_evals": 5, "budget": 1}},
            "Unknown key of tuning 'budget'. Valid: algo, early_stop, max_evals.",
        ),
    ],
)
def test_what_is_wrong_with_a_plan_is_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        make_plan(content(**changes), {})
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("key", ["name", "dataset", "protocols", "seeds", "main", "models"])
def test_a_missing_key_is_named_with_the_file(tmp_path: Path, key: str) -> None:
    keys = content()
    del keys[key]
    path = tmp_path / "plan.yaml"
    path.write_text(str(keys))
    with pytest.raises(UsageError) as caught:
        read_plan(path)
    assert str(caught.value) == f"Plan '{path}': Key '{key}' is missing."


def test_settings_of_the_command_win_over_the_plans() -> None:
    made = make_plan(content(settings={"epochs": 9, "topk": [5]}), {"epochs": 1})
    assert made.settings == {"epochs": 1, "topk": [5]}
    with pytest.raises(UsageError, match="Key 'protocol' cannot be set in 'settings'"):
        make_plan(content(), {"protocol": "new-brand"})


def test_the_folder_follows_from_what_is_measured() -> None:
    def name(data: str = "abc", **changes: Any) -> str:
        return folder_name(plan(**changes).identity(data))

    assert name().startswith("little-")
    assert name() == name(jobs=7) == name(settings={"data_path": "elsewhere"})
    others = [
        name(data="xyz"),
        name(seeds=[1]),
        name(main="Random"),
        name(settings={"epochs": 1}),
        name(models=MODELS | {"Random": {"model": "Random", "epochs": 2}}),
        name(tuning={"max_evals": 3}),
    ]
    assert len({name(), *others}) == 7


def test_plans_that_come_with_us_are_found_by_name(tmp_path: Path) -> None:
    assert find_plan("quick") == properties_folder() / "benchmark" / "quick.yaml"
    own = tmp_path / "own.yaml"
    own.write_text("")
    assert find_plan(str(own)) == own
    names = re.escape(", ".join(SHIPPED))
    with pytest.raises(UsageError, match=rf"Plan 'quik' is no file .*: {names}\.$"):
        find_plan("quik")


@pytest.mark.parametrize("name", SHIPPED)
def test_plans_that_come_with_us_can_be_read(name: str) -> None:
    made = read_plan(find_plan(name))
    assert made.name == name
    assert len(planned_runs(made)) > 4
    documents = Path(__file__).parents[2] / "docs" / "benchmark.md"
    assert f"| `{name}` |" in documents.read_text(encoding="utf-8")
