"""Plans: every key is checked, and every run follows from them."""

from pathlib import Path
from typing import Any

import pytest
from benchmark_cases import BOTH, MODELS, content, plan

from dataset_convert.common.errors import UsageError
from recbole_mirec.benchmark.benchmark import checked_plan, plan_text
from recbole_mirec.benchmark.plan import folder_name, make_plan, planned_runs, read_plan
from recbole_mirec.config import properties_folder

SHIPPED = sorted(path.stem for path in (properties_folder() / "benchmark").glob("*.yaml"))
COSINE = {"Cosine": {"model": "Cosine"}}


def test_runs_of_a_plan() -> None:
    runs = planned_runs(plan(folds=2))
    assert [run.folder.as_posix() for run in runs] == [
        *(f"runs/Cosine/new-brand/seed-1-fold-{fold}" for fold in (1, 2)),
        *(f"runs/Random/new-brand/seed-{s}-fold-{fold}" for s in (1, 2) for fold in (1, 2)),
        *(f"runs/BPR-short/new-brand/seed-{s}-fold-{fold}" for s in (1, 2) for fold in (1, 2)),
    ]
    assert runs[-1].title == "BPR (short), new-brand, seed 2, fold 2"
    assert runs[-1].settings == {
        **{"model": "BPR", "epochs": 3, "train_batch_size": 64, "gpu_id": ""},
        **{"dataset": "mirec-tiny", "protocol": "new-brand", "seed": 2, "folds": 2, "fold": 2},
        **{"torch_threads": 1, "show_progress": False, "eval_unseen_only": True},
    }


def test_a_model_without_seeds_runs_once() -> None:
    runs = planned_runs(plan(protocols=BOTH))
    seeds = {label: [run.seed for run in runs if run.entry.label == label] for label in MODELS}
    # two protocols each
    assert seeds == {"Cosine": [1, 1], "Random": [1, 2, 1, 2], "BPR (short)": [1, 2, 1, 2]}
    names = ("Cosine", "Random", "Pop", "EASE", "SLIMElastic", "BPR", "MIRec")
    entries = plan(models={name: {"model": name} for name in names}).entries
    assert [entry.label for entry in entries if entry.deterministic] == ["Cosine", "Pop", "EASE"]


def test_a_model_may_have_protocols_of_its_own() -> None:
    models = MODELS | {"BPR (short)": {"model": "BPR", "protocols": ["known-brand"]}}
    runs = planned_runs(plan(models=models, protocols=["known-brand", "new-brand"]))
    assert {run.protocol for run in runs if run.entry.label == "BPR (short)"} == {"known-brand"}
    assert [run.protocol for run in runs if run.entry.label == "Cosine"] == BOTH
    assert "protocols" not in runs[-1].settings


def test_ablations_are_their_full_model_with_fewer_perspectives() -> None:
    models = {"Full": {"model": "MIRec", "epochs": 2}, **COSINE}
    rows = [["content"], ["content", "attribute"]]
    made = plan(models=models, ablations={"model": "Full", "perspectives": rows}, protocols=BOTH)
    (own, main), (ablated, full) = made.families
    assert [entry.label for entry in own] == ["Full", "Cosine"]
    labels = ["Full", "Full [content]", "Full [content + attribute]"]
    assert [entry.label for entry in ablated] == labels
    assert (main, full) == ("Cosine", "Full")
    kept = {"perspectives": ["content", "attribute"]}
    assert ablated[2].settings == {"model": "MIRec", "epochs": 2, **kept}
    runs = planned_runs(made)
    assert len(runs) == 2 + 3 * 2 * 2
    assert runs[-1].folder.parts[1] == "Full-content-+-attribute"
    assert runs[-1].study == Path("tuning/Full/known-brand")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"modles": {}}, "Unknown key 'modles'. Did you mean 'models'?"),
        ({"name": "a/b"}, "Key 'name' must look like ^[A-Za-z0-9][A-Za-z0-9._-]*$. Received: 'a/b"),
        ({"dataset": 3}, "Key 'dataset' must be a text. Received: 3."),
        ({"protocols": ["new_brand"]}, "Received: 'new_brand'. Did you mean 'new-brand'?"),
        ({"protocols": []}, "Key 'protocols' must have at least 1 entries. Received: []."),
        ({"seeds": [1, 1]}, "Key 'seeds' must list different values. Received: [1, 1]."),
        ({"seeds": [1, -2]}, "Key 'seeds[1]' must be at least 0. Received: -2."),
        ({"seeds": [True]}, "must be a whole number. Received: True."),
        ({"folds": 5, "protocols": BOTH}, "at least 2 with protocols: [new-brand]. Received: 5"),
        ({"folds": 1}, "Received: 1 with new-brand."),
        ({"settings": ["epochs"]}, "Key 'settings' must be a mapping. Received: ['epochs']"),
        ({"settings": {"seed": 1}}, "Key 'settings' must not set 'seed': the plan's 'seeds' say"),
        ({"main": "Cosin"}, "Key 'main' must be a label of 'models'. Received: 'Cosin'. Did you"),
        ({"models": {"A": {}}}, "Key 'models: A: model' is missing."),
        ({"models": {"A\n": {"model": "BPR"}}, "main": "A\n"}, "characters. Received: 'A\\n'."),
        ({"models": {"A": {"model": "BPR", "fold": 1}}}, "'models: A' must not set 'fold': every"),
        (
            {"models": {**COSINE, "A": {"model": "BPR", "protocols": ["known-brand"]}}},
            "Key 'models: A: protocols' must be among the plan's, and all of them for the main",
        ),
        (
            {"models": {"Cosine": {"model": "X", "protocols": ["new-brand"]}}, "protocols": BOTH},
            "of them for the main model: new-brand, known-brand. Received: new-brand.",
        ),
        (
            {"models": MODELS | {"bpr short": {"model": "BPR"}}},
            "Labels 'BPR (short)' and 'bpr short' would share the folder 'bpr-short'; change one.",
        ),
        (
            {
                "models": COSINE | {"Cosine [a]": {"model": "X"}},
                "ablations": {"model": "Cosine", "perspectives": [["a"]]},
            },
            "Labels 'Cosine [a]' and 'Cosine [a]' would share the folder 'Cosine-a'",
        ),
        (
            {"ablations": {"model": "Cosine", "perspectives": [["a", "b"], ["b", "a"]]}},
            "Key 'ablations: perspectives' must list different values.",
        ),
        (
            {"ablations": {"model": "Cosin", "perspectives": [["content"]]}},
            "Key 'ablations: model' must be a label of 'models'. Received: 'Cosin'.",
        ),
        ({"tuning": {"algo": "grid", "max_evals": 5}}, "must be one of exhaustive, random, bayes."),
        ({"tuning": {"max_eval": 5}}, "Unknown key 'tuning: max_eval'. Did you mean 'max_evals'?"),
    ],
)
def test_what_is_wrong_with_a_plan_is_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        make_plan(content(**changes), {})
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("written", "message"),
    [
        (str({k: v for k, v in content().items() if k != "main"}), "Key 'main' is missing."),
        (str(content(name="é")).encode("latin-1"), "UTF-8"),
        ("name: " + "[" * 5000, "more than 40 levels deep"),
        (f"{content()}"[:-1] + ", 'settings': &a {'a': *a}}", "holds more than 100,000 values"),
        (f"{content()}"[:-1] + f", '{'x' * 90}': {list(range(9000))}}}", "Unknown key 'xxx"),
        (f"{content(name='x' * 5000)}", "Key 'name' must "),
    ],
)
def test_a_file_that_is_no_plan_is_told_in_one_short_line(
    tmp_path: Path, written: str | bytes, message: str
) -> None:
    path = tmp_path / "plan.yaml"
    path.write_bytes(written if isinstance(written, bytes) else written.encode())
    with pytest.raises(UsageError) as caught:
        read_plan(str(path))
    assert str(caught.value).startswith(f"Plan '{path}': ")
    assert message in str(caught.value)
    assert len(str(caught.value)) < 2000
    assert "\n" not in str(caught.value)


def test_settings_of_the_command_win_over_the_plans() -> None:
    made = make_plan(content(settings={"epochs": 9, "topk": [5]}), {"epochs": 1})
    assert made.settings == {"epochs": 1, "topk": [5]}
    with pytest.raises(UsageError, match="Key 'settings' must not set 'protocol'"):
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


@pytest.mark.parametrize("name", SHIPPED)
def test_plans_that_come_with_us_are_found_by_name(name: str) -> None:
    made = read_plan(name)
    assert made.name == name
    assert len(planned_runs(made)) > 4
    documents = Path(__file__).parents[2] / "docs" / "benchmark.md"
    assert f"| `{name}` |" in documents.read_text(encoding="utf-8")
    with pytest.raises(UsageError, match=rf"Plan '{name}x' is no file .*: {', '.join(SHIPPED)}\.$"):
        read_plan(f"{name}x")


def test_studies_of_a_plan_see_a_fold_each(data_path: Path) -> None:
    models = COSINE | {"BPR": {"model": "BPR"}}
    made = plan(data_path, models=models, tuning={"max_evals": 3}, folds=2)
    _, studies = checked_plan(made)
    # Cosine has no space
    names = [f"tuning/BPR/new-brand-fold-{fold}" for fold in (1, 2)]
    assert [folder.as_posix() for folder in studies] == names
    for fold, study in enumerate(studies.values(), start=1):
        assert study.max_trials == 3
        named = {name: study.settings[name] for name in ("fold", "seed", "valid_metric")}
        assert named == {"fold": fold, "seed": 1, "valid_metric": "MAP"}
    text = plan_text(made)
    assert "before them 2 studies, 3 trials of random search each" in text
    assert "  study: tuning/BPR/new-brand-fold-2" in text


def test_a_variant_that_all_models_share_has_its_own_space(data_path: Path) -> None:
    models = {"Ours": {"model": "MIRec"}, "Other": {"model": "MIRec", "variant": "mirec"}}
    shared = {"variant": "paper"}
    made = plan(data_path, models=models, main="Ours", tuning={"max_evals": 2}, settings=shared)
    _, studies = checked_plan(made)
    ours, other = ({one.name for one in study.space.parameters} for study in studies.values())
    assert "l1_weight" in ours and "precedent_weight" not in ours
    assert "precedent_weight" in other and "l1_weight" not in other
