"""Studies: the test part read once and last, the same trials whatever interrupts, comparisons."""

import json
import re
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from threading import Thread
from typing import Any

import pandas as pd
import pytest
import yaml
from little_data import NAME, little, settings, write_little
from study_cases import (
    LIGHTGCN,
    in_this_process,
    make_plan,
    on_job,
    rows_without_times,
    run_in_this_process,
    space_of,
)

from dataset_convert.common.errors import UsageError
from recbole_mirec import cli, runs, sweep
from recbole_mirec.data.dataset import EvaluationSplit, MirecDataset
from recbole_mirec.sweep import FAILED, FINISHED, STOPPED, End, Job
from recbole_mirec.trainer import BEST, LAST, MirecTrainer
from recbole_mirec.tuning.study import (
    StudyPlan,
    StudyResult,
    compare,
    comparison_text,
    run_study,
    study_text,
)
from recbole_mirec.tuning.trial import read_trials, short_digest

SEED_OF_THE_WORSE_FIRST = 3
# A space without a grid; the fixed number of epochs keeps its trials short.
RATES = space_of({"loguniform": {"learning_rate": [-7, -1]}})


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trials run in this process."""
    run_in_this_process(monkeypatch)


@pytest.fixture(scope="module")
def finished(workplace: Path) -> StudyResult:
    """An exhaustive study of LightGCN that nothing disturbed."""
    with pytest.MonkeyPatch.context() as patch:
        run_in_this_process(patch)
        return run_study(make_plan(workplace), folder=workplace / "finished")


def number_of(job: Job) -> int:
    return int(job.folder.name)


def interrupted_at(number: int) -> Callable[[Job], None]:
    def act(job: Job) -> None:
        if number_of(job) == number:
            raise KeyboardInterrupt

    return act


def as_json(values: Any) -> Any:
    """Figures in a form that compares: NaN equals NaN."""
    return json.dumps(values)


def recorded(folder: Path) -> Any:
    return json.loads((folder / "result.json").read_text())


def test_the_test_part_is_read_once_after_the_last_trial_for_the_winner(
    workplace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, here: None
) -> None:
    events: list[Any] = []
    opened, measured = MirecDataset.evaluation_split, MirecTrainer.evaluate_split
    ran = sweep.run_job

    def open_part(self: MirecDataset, part: str) -> Any:
        events.append(f"open {part}")
        return opened(self, part)

    def measure(self: MirecTrainer, split: EvaluationSplit, **named: Any) -> Any:
        events.append(f"measure {split.part}")
        if split.part == "test":
            events.append(self.run_folder)
        return measured(self, split, **named)

    def run(job: Job, deadline: float | None) -> End:
        end = ran(job, deadline)
        events.append(f"trial {number_of(job)} ended")
        return end

    monkeypatch.setattr(MirecDataset, "evaluation_split", open_part)
    monkeypatch.setattr(MirecTrainer, "evaluate_split", measure)
    monkeypatch.setattr(sweep, "run_job", run)
    result = run_study(make_plan(workplace), folder=tmp_path / "study")
    assert result.winner is not None
    last = events.index("trial 4 ended")
    assert set(events[:last]) == {
        *("open valid", "measure valid"),
        *(f"trial {number} ended" for number in range(1, 4)),
    }
    assert events.count("measure test") == 1
    assert events[events.index("measure test") + 1] == (
        tmp_path / "study" / "trials" / f"{result.winner.trial.number:04d}"
    )
    assert result.winner.n_tested == 1
    assert "the test part was read once, for this trial, after the search" in study_text(result)
    # The same command again finds everything and measures nothing.
    events.clear()
    before = {path: path.read_bytes() for path in result.folder.glob("*.*")}
    again = run_study(make_plan(workplace), folder=tmp_path / "study")
    assert set(events) == {"open valid"}
    assert again.winner is not None
    assert again.winner.n_tested == 1
    assert as_json(again.winner.test) == as_json(result.winner.test)
    assert {path: path.read_bytes() for path in result.folder.glob("*.*")} == before


def test_exhaustive_search_visits_the_product_and_writes_every_figure(
    finished: StudyResult,
) -> None:
    rows = rows_without_times(finished.folder)
    assert [(row["learning_rate"], row["embedding_size"]) for row in rows] == [
        *(("0.002", "8"), ("0.002", "16")),
        *(("0.1", "8"), ("0.1", "16")),
    ]
    assert {row["status"] for row in rows} == {FINISHED}
    assert list(rows[0]) == [
        *("trial", "status", "score", "learning_rate", "embedding_size"),
        *(name for name in rows[0] if name.startswith("valid_")),
        *("best_epoch", "n_epochs", "reason"),
    ]
    assert {"valid_AUC", "valid_MAP", "valid_MedR", "valid_Recall@50"} < rows[0].keys()
    for row in rows:
        assert row["score"] == row["valid_MAP"]
        assert row["n_epochs"] == "2"
    assert finished.winner is not None
    scores = [float(row["score"]) for row in rows]
    assert finished.winner.trial.number == 1 + scores.index(max(scores))
    assert {path.name for path in finished.folder.iterdir()} == {
        *("study.json", "trials.csv", "trials", "winner.yaml", "result.json", "tuning.html"),
        ".lock",
    }


@pytest.mark.parametrize(
    ("model", "algorithm", "max_trials"),
    [
        ("MIRec", "exhaustive", None),
        pytest.param("LightGCN", "random", 3, marks=pytest.mark.slow),
    ],
)
def test_jobs_do_not_change_the_trials(
    workplace: Path, tmp_path: Path, model: str, algorithm: str, max_trials: int | None
) -> None:
    plan = make_plan(workplace, model, algorithm=algorithm, max_trials=max_trials)
    run_study(replace(plan, jobs=2), folder=tmp_path / "two")
    with pytest.MonkeyPatch.context() as patch:
        run_in_this_process(patch)
        run_study(plan, folder=tmp_path / "one")
    assert rows_without_times(tmp_path / "two") == rows_without_times(tmp_path / "one")
    assert len(rows_without_times(tmp_path / "one")) == (max_trials or 4)
    one, two = (recorded(tmp_path / name) for name in ("one", "two"))
    assert as_json(one) == as_json(two)


@pytest.mark.parametrize("algorithm", ["exhaustive", "random", "bayes"])
def test_an_interrupted_study_goes_on_to_the_same_end(
    workplace: Path,
    tmp_path: Path,
    here: None,
    capsys: pytest.CaptureFixture[str],
    algorithm: str,
) -> None:
    plan = make_plan(workplace, algorithm=algorithm)
    run_study(plan, folder=tmp_path / "whole")
    folder = tmp_path / "study"
    for number in (1, 3, 4):
        with pytest.MonkeyPatch.context() as patch:
            on_job(patch, interrupted_at(number))
            with pytest.raises(KeyboardInterrupt):
                run_study(plan, folder=folder)
        assert not (folder / "result.json").exists()
        n_ended = len(read_trials(folder / "trials.csv"))
        assert n_ended == number - 1
    capsys.readouterr()
    run_study(plan, folder=folder)
    assert "Going on after 3 trials that have ended." in capsys.readouterr().err
    assert rows_without_times(folder) == rows_without_times(tmp_path / "whole")
    assert as_json(recorded(folder)) == as_json(recorded(tmp_path / "whole"))


def test_trials_that_early_stopping_came_too_late_for_are_no_part_of_the_study(
    workplace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Trials 2 to 4 are no better than the first, so the study ends with trial 4; with three jobs
    # trials 5 and 6 have begun, and 5, the best of all, ends before 4 does.
    scores = {1: 0.5, 2: 0.4, 3: 0.3, 4: 0.2, 5: 0.9, 6: 0.8}

    def scored(job: Job) -> End:
        if scores[number_of(job)] == least:
            raise KeyboardInterrupt
        if number_of(job) > 1:
            job.folder.mkdir(parents=True, exist_ok=True)
            (job.folder / BEST).write_bytes(b"a model")
            return End(FINISHED, 1.0, "", {"MAP": scores[number_of(job)]}, 1, 1)
        end = replace(run_job(job), metrics={"MAP": 0.5})
        (job.folder / "trial.json").write_text(json.dumps(asdict(end)))
        return end

    run_job = sweep.run_job
    on_job(monkeypatch, scored)
    # the latest of those that run at a time ends first
    last_first = lambda tasks, *_: in_this_process(tasks[::-1])  # noqa: E731
    monkeypatch.setitem(sweep.ENGINES, "local", last_first)
    plan = make_plan(workplace, space=RATES, algorithm="random", early_stop=3, jobs=3, max_trials=9)
    folder = tmp_path / "study"
    least = 0.2
    with pytest.raises(KeyboardInterrupt):
        run_study(plan, folder=folder)
    assert [row["trial"] for row in rows_without_times(folder)] == ["1", "2", "3", "5", "6"]
    least = -1
    for _ in range(2):
        result = run_study(plan, folder=folder)
        assert list(result.trials["trial"]) == [1, 2, 3, 4]
        assert [row["trial"] for row in rows_without_times(folder)] == ["1", "2", "3", "4"]
        # The winner kept its checkpoint while the fifth seemed to be better.
        assert [path.parent.name for path in folder.glob(f"trials/*/{BEST}")] == ["0001"]


def run_winner(folder: Path) -> dict[str, Any]:
    """The record of the run that winner.yaml makes on the command line."""
    saved = Path("saved")
    before = set(saved.glob("*/run.json"))
    assert cli.main(["--config_files", str(folder / "winner.yaml")]) == 0
    (made,) = set(saved.glob("*/run.json")) - before
    return runs.read_run(made.parent).record


def assert_repeats(record: dict[str, Any], folder: Path) -> None:
    """The figures of a run are those of the study's winner: its trial's, and its result's."""
    known = recorded(folder)
    (row,) = [row for row in rows_without_times(folder) if row["trial"] == str(known["trial"])]
    for part in ("valid", "test"):
        counts = ("n_brands", "n_candidates")
        figures = {name: value for name, value in record[part].items() if name not in counts}
        assert as_json(figures) == as_json(known[part])
    for name, value in known["valid"].items():
        assert row[f"valid_{name}"] == ("" if value is None else repr(value).replace("nan", "NaN"))
    assert row["score"] == repr(known["valid"]["MAP"])
    assert row["best_epoch"] == str(record["best_epoch"])
    assert row["n_epochs"] == str(record["n_epochs"])


@pytest.mark.parametrize("model", ["LightGCN", "MIRec"])
def test_the_winner_repeats_from_its_yaml(
    workplace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, here: None, model: str
) -> None:
    monkeypatch.chdir(tmp_path)
    plan = make_plan(workplace, model, epochs=3)
    result = run_study(plan, folder=tmp_path / "study")
    assert result.winner is not None
    text = (tmp_path / "study" / "winner.yaml").read_text()
    assert text == result.winner.yaml
    assert text.startswith(f"# Trial {result.winner.trial.number} of 4: validation MAP 0.")
    content = yaml.safe_load(text)
    assert list(content)[:2] == ["model", "dataset"]
    assert {name: content[name] for name in plan.parameters} == result.winner.trial.parameters
    assert content["valid_metric"] == "MAP"
    assert "checkpoint_dir" not in content
    assert_repeats(run_winner(tmp_path / "study"), tmp_path / "study")


def test_a_winner_that_the_deadline_stopped_repeats_too(
    workplace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, here: None
) -> None:
    monkeypatch.chdir(tmp_path)
    # Its first epoch is its best, so that stopping after the second leaves a worse model.
    space = space_of({"choice": {"learning_rate": [0.1]}})
    plan = make_plan(workplace, space=space, epochs=50, minutes=1.0)
    original, now = sweep.train, time.time

    def slow(experiment: Any, after_epoch: Any) -> Any:
        def late(epoch: int, score: float) -> None:
            if epoch == 1:
                monkeypatch.setattr(time, "time", lambda: now() + 61)
            after_epoch(epoch, score)

        return original(experiment, late)

    monkeypatch.setattr(sweep, "train", slow)
    result = run_study(plan, folder=tmp_path / "study")
    assert result.winner is not None
    assert result.winner.trial.end.status == STOPPED
    assert result.winner.trial.end.reason == "the study's time was over after epoch 2"
    assert result.winner.trial.end.n_epochs == 2
    assert yaml.safe_load(result.winner.yaml)["epochs"] == 2
    assert_repeats(run_winner(tmp_path / "study"), tmp_path / "study")


def test_the_winners_folder_is_a_run(
    finished: StudyResult, workplace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert finished.winner is not None
    folder = finished.folder / "trials" / f"{finished.winner.trial.number:04d}"
    assert {path.name for path in folder.iterdir()} == {
        *("run.json", "config.yaml", BEST, LAST, "log.txt", ".lock"),
        *("per_brand.valid.csv", "per_brand.test.csv"),
        *("per_category.valid.csv", "per_category.test.csv"),
        *("ranks.valid.csv", "ranks.test.csv", "trial.json", "tensorboard"),
    }
    record = runs.read_run(folder).record
    assert record["status"] == "finished"
    assert_repeats(record, finished.folder)
    brand = pd.read_csv(folder / "per_brand.test.csv")["brand_id"][0]
    capsys.readouterr()
    assert cli.main(["--predict", brand, "--run", str(folder), "--top", "3"]) == 0
    assert f"{brand}: the best 3 of " in capsys.readouterr().out


def test_a_study_that_was_extended_says_how_often_it_read_the_test_part(
    workplace: Path, tmp_path: Path, here: None
) -> None:
    # The worse rate first, the better one after it.
    space = space_of({"choice": {"learning_rate": [0.002, 0.1]}})
    plan = make_plan(workplace, space=space, algorithm="random", seed=SEED_OF_THE_WORSE_FIRST)
    first = run_study(replace(plan, max_trials=1), folder=tmp_path / "study")
    assert first.winner is not None
    second = run_study(plan, folder=tmp_path / "study")
    assert second.winner is not None
    assert first.winner.trial.parameters == {"learning_rate": 0.002}, "choose another seed"
    assert second.winner.trial.number == 2
    assert (first.winner.n_tested, second.winner.n_tested) == (1, 2)
    assert "; the test part was read once, for this trial" in study_text(first)
    text = study_text(second)
    assert "this study has read the test part 2 times: it was extended" in text
    assert "read once" not in text
    assert recorded(tmp_path / "study")["n_tested"] == 2
    # The first winner is no longer among the best.
    assert not (tmp_path / "study" / "trials" / "0001" / BEST).exists()


@pytest.mark.parametrize("keep", [1, 3])
def test_only_the_best_keep_their_checkpoints(
    workplace: Path, tmp_path: Path, here: None, keep: int
) -> None:
    result = run_study(make_plan(workplace, keep=keep), folder=tmp_path / "study")
    best = result.trials.astype({"score": float}).nlargest(keep, "score")["trial"]
    for name in (BEST, LAST):
        kept = {int(path.parent.name) for path in result.folder.glob(f"trials/*/{name}")}
        assert kept == set(best)
    assert len(list(result.folder.glob("trials/*/log.txt"))) == 4


def test_data_without_a_test_part_are_told_so(
    workplace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, here: None
) -> None:
    opened = MirecDataset.evaluation_split
    monkeypatch.setattr(
        MirecDataset,
        "evaluation_split",
        lambda self, part: None if part == "test" and not self.closed_parts else opened(self, part),
    )
    result = run_study(make_plan(workplace), folder=tmp_path / "study")
    assert result.winner is not None
    assert result.winner.test is None
    text = study_text(result)
    assert f"Winner: trial {result.winner.trial.number}; the data set has no test part" in text
    assert "the test part was read" not in text
    assert "\ntest " not in text


def test_a_study_without_a_score_has_no_winner(
    workplace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, here: None
) -> None:
    on_job(monkeypatch, lambda _: End(FAILED, 0.0, "RuntimeError: planned"))
    result = run_study(make_plan(workplace), folder=tmp_path / "study")
    assert result.winner is None
    text = study_text(result)
    assert "failed: trials 1, 2, 3, 4: RuntimeError: planned" in text
    assert text.endswith(f"No trial has a score. Logs: {tmp_path / 'study' / 'trials'}")
    assert not (tmp_path / "study" / "winner.yaml").exists()
    assert not (tmp_path / "study" / "result.json").exists()
    assert (tmp_path / "study" / "tuning.html").is_file()


def test_a_study_in_use_is_left_alone(
    workplace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, here: None
) -> None:
    plan = make_plan(workplace)
    lines: list[str] = []

    def another() -> None:
        with pytest.raises(UsageError) as caught:
            run_study(plan, folder=tmp_path / "study")
        lines.append(str(caught.value))

    def start_another(job: Job) -> None:
        if number_of(job) == 2:
            # another thread holds no lock of this one's, as another process would not
            thread = Thread(target=another)
            thread.start()
            thread.join()

    on_job(monkeypatch, start_another)
    run_study(plan, folder=tmp_path / "study")
    (line,) = lines
    assert line.startswith("Another process works on the study in '")


def test_the_same_plan_finds_its_folder_again(workplace: Path, tmp_path: Path, here: None) -> None:
    plan = make_plan(workplace, space=RATES, algorithm="random", max_trials=1)
    first = run_study(plan, root=tmp_path)
    again = run_study(replace(plan, max_trials=2, jobs=2), root=tmp_path)
    assert again.folder == first.folder
    assert re.fullmatch(r"LightGCN-mirec-tiny-known-brand-random-[0-9a-f]{8}", first.folder.name)
    other = run_study(replace(plan, settings={**plan.settings, "n_layers": 1}), root=tmp_path)
    assert other.folder != first.folder


def test_a_budget_of_time_runs_one_trial_at_least_and_is_not_spent_twice(
    workplace: Path, tmp_path: Path, here: None
) -> None:
    plan = make_plan(workplace, space=RATES, algorithm="random", minutes=1e-4)
    first = run_study(plan, folder=tmp_path / "study")
    assert list(first.trials["status"]) == [STOPPED]
    assert first.winner is not None
    again = run_study(plan, folder=tmp_path / "study")
    pd.testing.assert_frame_equal(
        again.trials.drop(columns="learning_rate"), first.trials.drop(columns="learning_rate")
    )


def test_an_interruption_does_not_count_as_time_of_the_study(
    workplace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, here: None
) -> None:
    plan = make_plan(workplace, space=RATES, algorithm="random", minutes=1.0, max_trials=3)
    with pytest.MonkeyPatch.context() as patch:
        on_job(patch, interrupted_at(2))
        with pytest.raises(KeyboardInterrupt):
            run_study(plan, folder=tmp_path / "study")
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() + 3600)
    result = run_study(plan, folder=tmp_path / "study")
    assert list(result.trials["status"]) == [FINISHED] * 3
    clocks = list(result.trials["finished_at"])
    assert clocks == sorted(clocks)
    assert clocks[-1] < 60


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"algorithm": "random"}, "its algorithm is 'exhaustive', not 'random'"),
        ({"settings": {"n_layers": 1}}, "its settings: n_layers is unset, not 1"),
        ({"settings": {"seed": 7}}, "its settings: seed is 2020, not 7"),
        (
            {"space": replace(LIGHTGCN, parameters=LIGHTGCN.parameters[:1])},
            "its space is 'learning_rate choice [0.002, 0.1], embedding_size choice [8, 16]', not "
            "'learning_rate choice [0.002, 0.1]'",
        ),
    ],
)
def test_a_folder_of_another_study_is_refused(
    finished: StudyResult, change: dict[str, Any], line: str
) -> None:
    before = {path: path.read_bytes() for path in finished.folder.glob("*.*")}
    changed_settings = {**finished.plan.settings, **change.get("settings", {})}
    plan = replace(finished.plan, **{**change, "settings": changed_settings})
    with pytest.raises(UsageError) as caught:
        run_study(plan, folder=finished.folder)
    assert str(caught.value) == (
        f"'{finished.folder}' holds another study: {line}. Name another folder with --results, "
        "or leave --results out."
    )
    assert {path: path.read_bytes() for path in finished.folder.glob("*.*")} == before


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        ("trials.csv", "0.002,16", "0.003,16", "trial 2: learning_rate is 0.003, where this study"),
        ("trials.csv", "2,finished", "two,finished", "trials.csv' cannot be read: ValueError"),
        ("study.json", '"identity"', '"identities"', "study.json' cannot be read: KeyError"),
        ("result.json", '"n_tested"', '"tested"', r"result.json' cannot be read: .* Delete it\."),
    ],
)
def test_files_that_were_changed_by_hand_are_named(
    finished: StudyResult, tmp_path: Path, here: None, name: str, old: str, new: str, message: str
) -> None:
    folder = tmp_path / "study"
    shutil.copytree(finished.folder, folder)
    text = (folder / name).read_text()
    assert text.count(old) == 1
    (folder / name).write_text(text.replace(old, new))
    with pytest.raises(UsageError, match=message):
        run_study(finished.plan, folder=folder)


def test_an_identity_is_what_the_trials_depend_on(workplace: Path) -> None:
    plan = make_plan(workplace)
    same = [
        replace(plan, settings={**plan.settings, "data_path": "elsewhere", "gpu_id": "0"}),
        replace(plan, jobs=2, max_trials=9, minutes=1, keep=2, command="another"),
        replace(plan, settings=dict(reversed(plan.settings.items()))),
    ]
    assert all(one.identity("data") == plan.identity("data") for one in same)
    bayes = replace(plan, algorithm="bayes")
    others = [
        (plan.identity("data"), plan.identity("other data")),
        (plan.identity("data"), replace(plan, early_stop=3).identity("data")),
        # what the estimator knows depends on how many trials run at a time
        (bayes.identity("data"), replace(bayes, jobs=2).identity("data")),
    ]
    assert all(one != other for one, other in others)
    assert all(short_digest(one) != short_digest(other) for one, other in others)


def test_changed_data_are_another_study(tmp_path: Path, here: None) -> None:
    write_little(tmp_path)
    space = space_of({"choice": {"learning_rate": [0.01]}})
    plan = make_plan(tmp_path, "BPR", space)
    fixed = settings(tmp_path, "BPR", NAME, valid_metric="MAP", protocol="new-brand", seed=1)
    plan = replace(plan, settings=fixed)
    run_study(plan, folder=tmp_path / "study")
    attributes = little().influencers["influencer_attributes"].map(lambda _: ["other"])
    write_little(
        tmp_path, influencers=little().influencers.assign(influencer_attributes=attributes)
    )
    with pytest.raises(UsageError, match="holds another study: the data set's files have changed"):
        run_study(plan, folder=tmp_path / "study")


# Comparisons

MODELS, PROTOCOLS = ("BPR", "LightGCN"), ("known-brand", "new-brand")


def plans(workplace: Path, **changes: Any) -> list[StudyPlan]:
    given = {"algorithm": "random", "max_trials": 2} | changes
    return [
        make_plan(workplace, model, LIGHTGCN, protocol=protocol, **given)
        for protocol in PROTOCOLS
        for model in MODELS
    ]


Compared = tuple[list[StudyResult], Path]


@pytest.fixture(scope="module")
def found(workplace: Path) -> Iterator[Compared]:
    with pytest.MonkeyPatch.context() as patch:
        run_in_this_process(patch)
        folder = workplace / "compared"
        yield compare(plans(workplace), folder), folder


def read_table(folder: Path) -> pd.DataFrame:
    return pd.read_csv(folder / "comparison.csv")


def test_every_study_has_the_budget_and_two_rows_of_figures(found: Compared) -> None:
    frame = read_table(found[1])
    assert list(frame.columns[:7]) == [
        *("protocol", "model", "n_trials", "n_scored", "minutes", "winner", "part"),
    ]
    assert [tuple(row) for row in frame[["protocol", "model", "part"]].to_numpy()] == [
        (protocol, model, part)
        for protocol in PROTOCOLS
        for model in MODELS
        for part in ("valid", "test")
    ]
    assert set(frame["n_trials"]) == set(frame["n_scored"]) == {2}
    for (protocol, model, part), rows in frame.groupby(["protocol", "model", "part"]):
        study = found[1] / protocol / model
        result = json.loads((study / "result.json").read_text())
        assert rows["winner"].tolist() == [result["trial"]]
        for name, value in result[part].items():
            assert rows[name].tolist() == pytest.approx([value], nan_ok=True, abs=0)
        best = max(rows_without_times(study), key=lambda row: float(row["score"]))
        assert best["trial"] == str(result["trial"])
        assert float(best["score"]) == result["valid"]["MAP"]


def test_the_table_of_a_comparison(found: Compared) -> None:
    lines = comparison_text(*found, "trials 2").splitlines()
    assert lines[0].startswith("Tuned on mirec-tiny")
    assert "synthetic" in lines[0]
    assert lines[0].endswith("under one budget: trials 2 a study, by validation MAP")
    starts = [lines.index(f"protocol {protocol}") for protocol in PROTOCOLS]
    frame = read_table(found[1])
    for start, protocol in zip(starts, PROTOCOLS, strict=True):
        assert lines[start + 1].split()[:4] == ["model", "trials", "min", "part"]
        shown = [line.split() for line in lines[start + 2 : start + 6]]
        rows = frame[frame["protocol"] == protocol]
        assert [(line[0], line[1], line[3]) for line in shown] == [
            (row.model, "2", {"valid": "validation", "test": "test"}[row.part])
            for row in rows.itertuples()
        ]
        assert [line[4] for line in shown] == [f"{value:.4f}" for value in rows["AUC"]]
    # What only new brands meet stands below their table.
    notes = [number for number, line in enumerate(lines) if line.startswith("Note: ")]
    assert notes
    assert min(notes) > starts[1]
    assert lines[-1] == f"Files: {found[1]} (comparison.csv, winners/*.yaml)"


def test_an_interrupted_comparison_goes_on(
    found: Compared,
    workplace: Path,
    tmp_path: Path,
    here: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ran: list[tuple[Any, ...]] = []

    def interrupted(job: Job) -> None:
        ran.append((job.settings["protocol"], job.settings["model"], number_of(job)))
        if ran.count(ran[-1]) == 1 and ran[-1] == ("known-brand", "LightGCN", 2):
            raise KeyboardInterrupt

    on_job(monkeypatch, interrupted)
    folder = tmp_path / "compared"
    with pytest.raises(KeyboardInterrupt):
        compare(plans(workplace), folder)
    assert [path.name for path in (folder / "winners").iterdir()] == ["BPR.known-brand.yaml"]
    assert not (folder / "comparison.csv").exists()
    compare(plans(workplace), folder)
    assert ran == [
        *(("known-brand", "BPR", 1), ("known-brand", "BPR", 2)),
        *(("known-brand", "LightGCN", 1), ("known-brand", "LightGCN", 2)),
        ("known-brand", "LightGCN", 2),
        *(("new-brand", model, number) for model in MODELS for number in (1, 2)),
    ]
    pd.testing.assert_frame_equal(
        read_table(folder).drop(columns="minutes"),
        read_table(found[1]).drop(columns="minutes"),
        check_exact=True,
    )
    for path in (found[1] / "winners").iterdir():
        assert (folder / "winners" / path.name).read_text() == path.read_text()


def test_a_model_without_a_score_stands_in_the_table_and_ends_with_1(
    workplace: Path, tmp_path: Path, here: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = End(FAILED, 0.0, "RuntimeError: planned")
    on_job(monkeypatch, lambda job: failed if job.settings["model"] == "BPR" else None)
    result = compare(plans(workplace)[:2], tmp_path / "compared")
    frame = read_table(tmp_path / "compared")
    assert frame["model"].tolist() == ["BPR", "LightGCN", "LightGCN"]
    assert frame["n_scored"].tolist() == [0, 2, 2]
    assert frame["part"].isna().tolist() == [True, False, False]
    assert not (tmp_path / "compared" / "winners" / "BPR.known-brand.yaml").exists()
    (line,) = [
        line
        for line in comparison_text(result, tmp_path, "trials 2").splitlines()
        if line.startswith("BPR")
    ]
    assert "nan" not in line.lower()
    on_job(monkeypatch, lambda _: failed)
    result = compare(plans(workplace)[:2], tmp_path / "none")
    text = comparison_text(result, tmp_path, "trials 2")
    assert "LightGCN" in text
