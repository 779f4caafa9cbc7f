"""Benchmarks: run once, gone on with, failures recorded, folds that leak nothing."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from benchmark_cases import MODELS, figures, plan, run_in_this_process

from dataset_convert.common.errors import UsageError
from recbole_mirec import experiment as quick_start
from recbole_mirec.benchmark import benchmark
from recbole_mirec.benchmark import plan as plan_room
from recbole_mirec.benchmark.benchmark import BenchmarkResult, run_benchmark
from recbole_mirec.benchmark.frames import KEY_COLUMNS
from recbole_mirec.benchmark.planned import planned_runs
from recbole_mirec.results import summary_of
from recbole_mirec.runs import versions
from recbole_mirec.trainer import LAST, MirecTrainer


@pytest.fixture
def patch(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    run_in_this_process(monkeypatch)
    return monkeypatch


@pytest.fixture(scope="module")
def whole(data_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BenchmarkResult]:
    """A benchmark that nothing disturbed, its page left out."""
    with pytest.MonkeyPatch.context() as patch:
        run_in_this_process(patch)
        patch.setattr(benchmark, "_write_page", lambda *_: None)
        yield run_benchmark(plan(data_path), folder=tmp_path_factory.mktemp("whole") / "it")


@pytest.fixture(autouse=True)
def no_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(benchmark, "_write_page", lambda *_: None)


def test_every_run_has_a_row_and_a_folder(whole: BenchmarkResult) -> None:
    runs = pd.read_csv(whole.folder / "runs.csv", keep_default_na=False)
    assert runs["folder"].tolist() == [run.folder.as_posix() for run in planned_runs(whole.plan)]
    assert set(runs["status"]) == {"finished"}
    assert runs["reason"].eq("").all()
    bpr = runs[runs["label"] == "BPR (short)"]
    assert (bpr["model"] == "BPR").all()
    assert (bpr["n_epochs"] == 3).all()
    assert bpr["best_epoch"].between(1, 3).all()
    for folder in runs["folder"]:
        held = {path.name for path in (whole.folder / folder).iterdir()}
        assert held >= {
            "run.json",
            "config.yaml",
            "best.safetensors",
            "ranks.test.csv",
            "per_brand.test.csv",
        }


def test_the_brands_values_are_those_of_the_runs(whole: BenchmarkResult) -> None:
    table = pd.read_csv(whole.folder / "per_brand.csv")
    assert tuple(table.columns[: len(KEY_COLUMNS)]) == KEY_COLUMNS
    assert {"AUC", "paper_auc_won", "unseen_MAP"} <= set(table.columns)
    for run in planned_runs(whole.plan):
        record = json.loads((whole.folder / run.folder / "run.json").read_text())
        rows = table[
            (table["label"] == run.entry.label)
            & (table["protocol"] == run.protocol)
            & (table["seed"] == run.seed)
            & (table["part"] == "test")
        ]
        assert len(rows) == rows["brand_id"].nunique() == record["test"]["n_brands"]
        found = summary_of(rows[[name for name in rows if name not in KEY_COLUMNS]])
        for metric in ("MAP", "MedR", "paper_auc", "paper_medr", "unseen_Recall@10"):
            assert found[metric] == pytest.approx(record["test"][metric])


def test_figures_are_means_over_the_seeds(whole: BenchmarkResult) -> None:
    results = pd.read_csv(whole.folder / "results.csv")
    results = results[results["part"] == "test"].set_index(["label", "protocol"]).sort_index()
    for run in planned_runs(whole.plan):
        of_seeds = [
            json.loads((whole.folder / other.folder / "run.json").read_text())["test"]
            for other in planned_runs(whole.plan)
            if (other.entry, other.protocol) == (run.entry, run.protocol)
        ]
        rows = results.loc[(run.entry.label, run.protocol)].set_index("metric")
        assert set(rows.index) == set(of_seeds[0]) - {"n_brands", "n_candidates"}
        for metric, row in rows.iterrows():
            mean = sum(one[metric] for one in of_seeds) / len(of_seeds)
            assert row["mean"] == pytest.approx(mean), metric
            assert row["n_runs"] == len(of_seeds)


def test_the_same_plan_runs_nothing_again(
    whole: BenchmarkResult, data_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = figures(whole.folder)
    done = run_in_this_process(monkeypatch)
    again = run_benchmark(plan(data_path), folder=whole.folder)
    assert done == []
    assert figures(whole.folder) == before
    assert len(before) > 10
    pd.testing.assert_frame_equal(again.runs, whole.runs)


class _Killed(BaseException):
    """Stands for the end of the process."""


@pytest.mark.parametrize("when", ["in training", "before evaluation", "while writing"])
def test_what_was_interrupted_ends_with_the_same_files(
    whole: BenchmarkResult,
    data_path: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    when: str,
) -> None:
    done = run_in_this_process(monkeypatch)
    n_done = 3
    places = {
        "in training": (MirecTrainer, "_save_last"),
        "before evaluation": (quick_start, "_result"),
        "while writing": (quick_start, "_write_ranks"),
    }
    owner, name = places[when]
    original = getattr(owner, name)
    calls: list[int] = []

    def until_killed(*arguments: Any) -> Any:
        found = original(*arguments)
        calls.append(len(done))
        # the second epoch, or the first writing, of the run after those that had ended
        if calls.count(n_done + 1) == (2 if when == "in training" else 1):
            raise _Killed
        return found

    folder = tmp_path / "killed"
    with monkeypatch.context() as patch:
        patch.setattr(owner, name, until_killed)
        with pytest.raises(_Killed):
            run_benchmark(plan(data_path), folder=folder)
    assert len(done) == n_done + 1
    assert (folder / planned_runs(whole.plan)[n_done].folder / LAST).is_file()
    resumed = run_benchmark(plan(data_path), folder=folder)
    # the interrupted one is taken up, and none that had ended
    assert done[n_done] == done[n_done + 1]
    assert len(done) == len(resumed.runs) + 1
    assert figures(folder) == figures(whole.folder)


def test_a_checkpoint_that_cannot_be_read_means_from_the_beginning(
    whole: BenchmarkResult, data_path: Path, tmp_path: Path, patch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(whole.folder, folder)
    run = folder / "runs" / "BPR-short" / "new-brand" / "seed-1"
    (run / "run.json").unlink()
    (run / LAST).write_bytes(b"half")
    run_benchmark(plan(data_path), folder=folder)
    assert figures(folder) == figures(whole.folder)


def test_failures_are_recorded_and_the_rest_goes_on(
    data_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = run_in_this_process(monkeypatch)
    models = {
        "Diverging": {"model": "BPR", "epochs": 4, "learning_rate": 1e30},
        "Broken": {"model": "BPR", "epochs": 2, "learning_rate": 1e38},
        "Cosine": {"model": "Cosine"},
    }
    given = plan(data_path, models=models)
    result = run_benchmark(given, folder=tmp_path / "it")
    runs = result.runs.set_index(["label", "seed"])
    assert runs["status"].to_dict() == {
        **{("Diverging", seed): "diverged" for seed in (1, 2)},
        **{("Broken", seed): "failed" for seed in (1, 2)},
        ("Cosine", 1): "finished",
    }
    assert "NaN. Training diverged: lower learning_rate" in runs.loc[("Diverging", 1), "reason"]
    # what no user can mend keeps its class, and its traceback in the log
    assert runs.loc[("Broken", 2), "reason"].startswith("RuntimeError: value cannot be converted")
    log = (tmp_path / "it" / runs.loc[("Broken", 2), "folder"] / "log.txt").read_text()
    assert "Traceback (most recent call last)" in log
    table = (tmp_path / "it" / "tables" / "new-brand.models.md").read_text()
    assert "| Broken | - | - | - | - | - | - | - |" in table
    assert "- Broken: 2 of 2 runs without figures (failed: RuntimeError: value cannot" in table
    assert set(result.results["label"]) == {"Cosine"}
    # asked again, a failure stands; with retry_failed it is run once more
    n_done = len(done)
    run_benchmark(given, folder=tmp_path / "it")
    assert len(done) == n_done
    run_benchmark(given, folder=tmp_path / "it", retry_failed=True)
    assert len(done) == n_done + 4


def test_a_seed_that_failed_is_left_out_of_the_figures(
    whole: BenchmarkResult, data_path: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(whole.folder, folder)
    failure = folder / "runs" / "Random" / "new-brand" / "seed-2" / "failure.json"
    failure.write_text('{"status": "failed", "reason": "no memory", "seconds": 1.0}')
    result = run_benchmark(plan(data_path), folder=folder, report_only=True)
    n_runs = result.results.groupby("label")["n_runs"].unique()
    assert {label: n.tolist() for label, n in n_runs.items()} == {
        **{"Cosine": [1], "Random": [1], "BPR (short)": [2]},
    }
    # one run of a model that depends on its seed says nothing of the model
    assert whole.results[whole.results["label"] == "Random"]["significant"].any()
    assert not result.results[result.results["label"] == "Random"]["significant"].any()
    table = (folder / "tables" / "new-brand.models.md").read_text()
    assert "- Random: 1 of 2 runs without figures (failed: no memory)." in table


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"seeds": [1]}, "its seeds is [1, 2], not [1]"),
        ({"settings": {"epochs": 1}}, "its epochs is unset, not 1"),
        ({"models": {"Cosine": {"model": "Cosine"}}}, "its models hold 'Random'"),
        (
            {"models": MODELS | {"BPR (short)": {"model": "BPR", "epochs": 9}}},
            "of 'BPR (short)', its epochs is 3, not 9",
        ),
        ({"models": MODELS | {"EASE": {"model": "EASE"}}}, "its models lack 'EASE'"),
    ],
)
def test_another_plan_is_refused_the_folder(
    whole: BenchmarkResult, data_path: Path, changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(UsageError) as caught:
        run_benchmark(plan(data_path, **changes), folder=whole.folder)
    assert str(caught.value) == (
        f"'{whole.folder}' holds another benchmark: {words}. Name another folder with --results, "
        f"or leave --results out."
    )


@pytest.mark.parametrize(
    ("name", "changed", "words"),
    [
        (
            "versions",
            lambda: {**versions(), "numpy": "0.1"},
            f"its numpy is '{np.__version__}', not",
        ),
        (
            "all_defaults",
            lambda model: {"model": model},
            "the defaults of Cosine, Random, BPR have",
        ),
    ],
)
def test_other_packages_and_defaults_are_refused_the_folder(
    whole: BenchmarkResult,
    data_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    changed: Any,
    words: str,
) -> None:
    monkeypatch.setattr(plan_room, name, changed)
    with pytest.raises(UsageError, match=f"holds another benchmark: {words}"):
        run_benchmark(plan(data_path), folder=whole.folder)


def test_what_no_run_could_take_is_said_before_the_first(data_path: Path, tmp_path: Path) -> None:
    models = MODELS | {"Late": {"model": "BPR", "embeding_size": 8}}
    with pytest.raises(UsageError) as caught:
        run_benchmark(plan(data_path, models=models), folder=tmp_path / "it")
    assert str(caught.value).startswith("Late, new-brand, seed 1: Unknown key 'embeding_size'")
    assert not (tmp_path / "it").exists()


def test_every_brand_is_measured_once_a_seed_and_never_chosen_on(
    data_path: Path, tmp_path: Path, patch: pytest.MonkeyPatch
) -> None:
    """Folds: what is measured is not trained on, and the data set's test brands are untouched."""
    seen: list[tuple[set[str], set[str], set[str]]] = []
    original = quick_start._train_and_evaluate

    def noted(experiment: Any, started: float) -> Any:
        data = experiment.dataset
        seen.append(
            tuple(set(data.id2token(data.uid_field, data.pairs[p][:, 0])) for p in PARTS)  # type: ignore[arg-type]
        )
        return original(experiment, started)

    patch.setattr(quick_start, "_train_and_evaluate", noted)
    given = plan(data_path, folds=3)
    result = run_benchmark(given, folder=tmp_path / "it")
    own = pd.read_csv(data_path / "mirec-tiny" / "mirec-tiny.new-brand.test.inter", sep="\t")
    own_test = set(own.iloc[:, 0])
    assert len(own_test) == 8
    for train, valid, test in seen:
        assert not train & valid
        assert not test & (train | valid)
        assert not own_test & (train | valid | test)
    table = pd.read_csv(tmp_path / "it" / "per_brand.csv")
    tested = table[table["part"] == "test"]
    for _, rows in tested.groupby(["label", "seed"]):
        assert sorted(rows["brand_id"]) == sorted(set.union(*seen[0]))
        assert rows["fold"].nunique() == 3
    assert set(result.results["part"]) == {"test"}
    assert set(result.results["n_brands"]) <= set(range(2, len(set.union(*seen[0])) + 1))
    caption = (tmp_path / "it" / "tables" / "new-brand.models.md").read_text().split("\n")[0]
    assert "cross-validation by brand, 3 folds: in each fold" in caption
    written = (tmp_path / "it" / "tables" / "new-brand.models.md").read_text()
    assert written.count("Folds share the data set's features") == 1


PARTS = ("train", "valid", "test")
