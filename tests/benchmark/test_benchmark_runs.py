"""Benchmarks: run once, gone on with, failures recorded, folds that leak nothing."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from benchmark_cases import MODELS, figures, plan, run_in_this_process

from dataset_convert.common.errors import UsageError
from recbole_mirec import experiment
from recbole_mirec.benchmark import benchmark, summary
from recbole_mirec.benchmark import plan as plan_room
from recbole_mirec.benchmark.benchmark import checked_plan, run_benchmark
from recbole_mirec.benchmark.plan import planned_runs
from recbole_mirec.benchmark.summary import KEY_COLUMNS, BenchmarkResult
from recbole_mirec.evaluation.metrics import summarise
from recbole_mirec.runs import versions
from recbole_mirec.sweep import End, read_end
from recbole_mirec.trainer import LAST, MirecTrainer

BPR = {"model": "BPR", "epochs": 9}
FILES = {"run.json", "config.yaml", "best.safetensors", "ranks.test.csv", "per_brand.test.csv"}


@pytest.fixture(autouse=True)
def done(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Folders of the runs that benchmarks do, all of them without their pages."""
    return run_in_this_process(monkeypatch)


@pytest.fixture(scope="module")
def whole(data_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BenchmarkResult]:
    """A benchmark that nothing disturbed, its page left out."""
    with pytest.MonkeyPatch.context() as patch:
        run_in_this_process(patch)
        yield run_benchmark(plan(data_path), folder=tmp_path_factory.mktemp("whole") / "it")


@pytest.fixture
def copy(whole: BenchmarkResult, tmp_path: Path) -> Path:
    """A copy of that one's folder."""
    return shutil.copytree(whole.folder, tmp_path / "copy")


def test_every_run_has_a_row_a_folder_and_its_brands_values(whole: BenchmarkResult) -> None:
    runs = pd.read_csv(whole.folder / "runs.csv", keep_default_na=False)
    assert runs["folder"].tolist() == [run.folder.as_posix() for run in planned_runs(whole.plan)]
    assert set(runs["status"]) == {"finished"}
    assert runs["reason"].eq("").all()
    bpr = runs[runs["label"] == "BPR (short)"]
    assert (bpr["model"] == "BPR").all()
    assert (bpr["n_epochs"] == 3).all()
    assert bpr["best_epoch"].between(1, 3).all()
    table = pd.read_csv(whole.folder / "per_brand.csv")
    assert tuple(table.columns[: len(KEY_COLUMNS)]) == KEY_COLUMNS
    assert {"AUC", "paper_auc_won", "unseen_MAP"} <= set(table.columns)
    for run in planned_runs(whole.plan):
        folder = whole.folder / run.folder
        assert {path.name for path in folder.iterdir()} >= FILES
        record = json.loads((folder / "run.json").read_text())
        rows = table[(table["label"] == run.entry.label) & (table["seed"] == run.seed)]
        rows = rows[rows["part"] == "test"]
        assert len(rows) == rows["brand_id"].nunique() == record["test"]["n_brands"]
        found = summarise(rows[[name for name in rows if name not in KEY_COLUMNS]])
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
    whole: BenchmarkResult, data_path: Path, done: list[str]
) -> None:
    before = figures(whole.folder)
    again = run_benchmark(plan(data_path), folder=whole.folder)
    assert done == []
    assert figures(whole.folder) == before
    assert len(before) > 10
    pd.testing.assert_frame_equal(again.runs, whole.runs)


class _Killed(BaseException):
    """Stands for the end of the process."""


@pytest.mark.parametrize("when", ["in training", "before the test part", "while writing"])
def test_what_was_interrupted_ends_with_the_same_files(
    whole: BenchmarkResult,
    data_path: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    done: list[str],
    when: str,
) -> None:
    n_done = 3
    places = {
        "in training": (MirecTrainer, "_save_last"),
        "before the test part": (experiment, "_evaluate"),
        "while writing": (experiment, "_write_tables"),
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
    whole: BenchmarkResult, data_path: Path, copy: Path
) -> None:
    run = copy / "runs" / "BPR-short" / "new-brand" / "seed-1"
    (run / "run.json").unlink()
    (run / LAST).write_bytes(b"half")
    run_benchmark(plan(data_path), folder=copy)
    assert figures(copy) == figures(whole.folder)


def test_failures_are_recorded_and_the_rest_goes_on(
    data_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, done: list[str]
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("planned")

    monkeypatch.setattr("recbole.model.general_recommender.neumf.NeuMF.calculate_loss", broken)
    models = {
        "Diverging": {"model": "BPR", "epochs": 4, "learning_rate": 1e30},
        "Broken": {"model": "NeuMF", "epochs": 2},
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
    assert runs.loc[("Broken", 2), "reason"].startswith("RuntimeError: planned")
    log = (tmp_path / "it" / runs.loc[("Broken", 2), "folder"] / "log.txt").read_text()
    assert "Traceback (most recent call last)" in log
    table = (tmp_path / "it" / "tables" / "new-brand.models.md").read_text()
    assert "| Broken | \u2013 | \u2013 | \u2013 | \u2013 | \u2013 | \u2013 | \u2013 |" in table
    assert "- Broken: 2 of 2 runs without figures (failed: RuntimeError: planned)" in table
    assert set(result.results["label"]) == {"Cosine"}
    # asked again, a failure stands; with retry_failed it is run once more
    n_done = len(done)
    run_benchmark(given, folder=tmp_path / "it")
    assert len(done) == n_done
    run_benchmark(given, folder=tmp_path / "it", retry_failed=True)
    assert len(done) == n_done + 4


def test_a_seed_that_failed_is_left_out_of_the_figures(
    whole: BenchmarkResult, data_path: Path, copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = copy / "runs" / "Random" / "new-brand" / "seed-2"
    end = End("failed", 1.0, "no memory")
    monkeypatch.setattr(
        summary, "read_end", lambda folder: end if folder == failed else read_end(folder)
    )
    result = run_benchmark(plan(data_path), folder=copy, report_only=True)
    n_runs = result.results.groupby("label")["n_runs"].unique()
    assert {label: n.tolist() for label, n in n_runs.items()} == {
        **{"Cosine": [1], "Random": [1], "BPR (short)": [2]},
    }
    # one run of a model that depends on its seed says nothing of the model
    assert whole.results[whole.results["label"] == "Random"]["significant"].any()
    assert not result.results[result.results["label"] == "Random"]["significant"].any()
    table = (copy / "tables" / "new-brand.models.md").read_text()
    assert "- Random: 1 of 2 runs without figures (failed: no memory)." in table


def test_where_all_runs_failed_there_are_no_figures(
    data_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(benchmark, "run_jobs", lambda *_, **__: {})
    monkeypatch.setattr(summary, "read_end", lambda _: End("failed", 0.0, "ended by SIGKILL"))
    result = run_benchmark(plan(data_path), folder=tmp_path / "it")
    assert set(result.runs["status"]) == {"failed"}
    assert set(pd.read_csv(tmp_path / "it" / "runs.csv")["reason"]) == {"ended by SIGKILL"}
    assert result.results.empty


def test_the_sweep_is_told_what_the_plan_and_the_caller_say(
    data_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: dict[str, Any] = {}
    monkeypatch.setattr(benchmark, "run_jobs", lambda jobs, **named: told.update(named, jobs=jobs))
    given = plan(data_path, jobs=3)
    run_benchmark(given, folder=tmp_path, engine="ray", ray_address="auto")
    jobs, title = told.pop("jobs"), told.pop("title")
    assert told == {"n_jobs": 3, "engine": "ray", "ray_address": "auto", "metric": "MAP"}
    assert [title(job) for job in jobs] == [run.title for run in planned_runs(given)]
    for job, run in zip(jobs, planned_runs(given), strict=True):
        assert job.folder == tmp_path / run.folder
        assert job.settings == {**run.settings, "checkpoint_dir": str(tmp_path)}


def test_the_winners_settings_are_those_of_the_runs(data_path: Path, tmp_path: Path) -> None:
    models = {"Cosine": {"model": "Cosine"}, "BPR": {"model": "BPR", "epochs": 2}}
    made = plan(data_path, models=models, seeds=[4, 5], jobs=1, tuning={"max_evals": 2})
    result = run_benchmark(made, folder=tmp_path / "it")
    assert set(result.runs["status"]) == {"finished"}
    folder = tmp_path / "it"
    winner = yaml.safe_load((folder / "tuning/BPR/new-brand/winner.yaml").read_text())
    (study,) = checked_plan(made)[1].values()
    names = {parameter.name for parameter in study.space.parameters}
    assert names
    for seed in (4, 5):
        path = folder / f"runs/BPR/new-brand/seed-{seed}/config.yaml"
        used = yaml.safe_load(path.read_text())
        assert {name: used[name] for name in names} == {name: winner[name] for name in names}
        assert (used["seed"], used["epochs"]) == (seed, 2)
    assert result.remarks == (
        "Tuned, with 2 trials of random search on validation each: BPR.",
        "Without a search space, so with their defaults: Cosine.",
    )
    assert "Tuned, with 2 trials" in (folder / "tables" / "new-brand.models.md").read_text()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"seeds": [1]}, "its seeds is [1, 2], not [1]"),
        ({"settings": {"epochs": 1}}, "its settings: epochs is unset, not 1"),
        (
            {"models": {"Cosine": {"model": "Cosine"}}},
            "its models: Random: model is 'Random', not unset",
        ),
        (
            {"models": MODELS | {"BPR (short)": BPR}},
            "its models: BPR (short): epochs is 3, not 9",
        ),
        (
            {"versions": {**versions(), "numpy": "0.1"}},
            f"its versions: numpy is '{np.__version__}',",
        ),
        ({"all_defaults": {"a": 1}}, "its defaults: Cosine is '"),
    ],
)
def test_another_plan_and_other_packages_are_refused_the_folder(
    whole: BenchmarkResult,
    data_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    changes: dict[str, Any],
    words: str,
) -> None:
    for name in {"versions", "all_defaults"} & set(changes):
        monkeypatch.setattr(plan_room, name, lambda *_: next(iter(changes.values())))
    asked = {key: value for key, value in changes.items() if not hasattr(plan_room, key)}
    with pytest.raises(UsageError) as caught:
        run_benchmark(plan(data_path, **asked), folder=whole.folder)
    message = str(caught.value)
    assert message.startswith(f"'{whole.folder}' holds another benchmark: {words}")
    assert message.endswith(". Name another folder with --results, or leave --results out.")


def test_what_no_run_could_take_is_said_before_the_first(data_path: Path, tmp_path: Path) -> None:
    models = MODELS | {"Late": {"model": "BPR", "embeding_size": 8}}
    with pytest.raises(UsageError) as caught:
        run_benchmark(plan(data_path, models=models), folder=tmp_path / "it")
    assert str(caught.value).startswith("Late, new-brand, seed 1: Unknown key 'embeding_size'")
    assert not (tmp_path / "it").exists()


def test_every_brand_is_measured_once_a_seed_and_never_chosen_on(
    data_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Folds: what is measured is not trained on, and the data set's test brands are untouched."""
    seen: list[tuple[set[str], set[str], set[str]]] = []
    original = experiment._run

    def noted(one: Any, started: float) -> Any:
        data = one.dataset
        seen.append(
            tuple(set(data.id2token(data.uid_field, data.pairs[p][:, 0])) for p in PARTS)  # type: ignore[arg-type]
        )
        return original(one, started)

    monkeypatch.setattr(experiment, "_run", noted)
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
