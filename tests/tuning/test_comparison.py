"""Several models under one budget: every study's trials, its winner's files, the table."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from little_data import settings
from recbole_mirec.tuning.comparison import Comparison, compare
from recbole_mirec.tuning.display import comparison_text
from recbole_mirec.tuning.plan import StudyPlan
from study_cases import LIGHTGCN, make_plan, rows_without_times, run_in_this_process

from recbole_mirec import cli as run_cli
from recbole_mirec import runs
from recbole_mirec.tuning import cli
from recbole_mirec.tuning.trial import FAILED, Outcome, TrialTask

MODELS, PROTOCOLS = ("BPR", "LightGCN"), ("known-brand", "new-brand")


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Trials run in this process, in a working folder of the test."""
    run_in_this_process(monkeypatch)
    monkeypatch.chdir(tmp_path)


def plans(workplace: Path, **changes: Any) -> list[StudyPlan]:
    given = {"algorithm": "random", "max_trials": 2} | changes
    return [
        make_plan(workplace, model, LIGHTGCN, protocol=protocol, **given)
        for protocol in PROTOCOLS
        for model in MODELS
    ]


@pytest.fixture(scope="module")
def found(workplace: Path) -> Iterator[Comparison]:
    with pytest.MonkeyPatch.context() as patch:
        run_in_this_process(patch)
        yield compare(plans(workplace), workplace / "compared", budget="trials 2 a study")


def read_table(folder: Path) -> pd.DataFrame:
    return pd.read_csv(folder / "comparison.csv")


def test_every_study_has_the_budget_and_two_rows_of_figures(found: Comparison) -> None:
    frame = read_table(found.folder)
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
        study = found.folder / protocol / model
        result = json.loads((study / "result.json").read_text())
        assert rows["winner"].tolist() == [result["trial"]]
        for name, value in result[part].items():
            assert rows[name].tolist() == pytest.approx([value], nan_ok=True, abs=0)
        best = max(rows_without_times(study), key=lambda row: float(row["score"]))
        assert best["trial"] == str(result["trial"])
        assert float(best["score"]) == result["valid"]["MAP"]


def test_the_winners_can_be_run_as_they_are(found: Comparison, here: None, tmp_path: Path) -> None:
    files = sorted((found.folder / "winners").iterdir())
    assert [path.name for path in files] == [
        f"{model}.{protocol}.yaml" for model in MODELS for protocol in PROTOCOLS
    ]
    frame = read_table(found.folder).set_index(["protocol", "model", "part"])
    for path in files:
        content = yaml.safe_load(path.read_text())
        assert f"{content['model']}.{content['protocol']}.yaml" == path.name
        assert run_cli.main(["--config_files", str(path)]) == 0
        name = f"{content['model']}-mirec-tiny-{content['protocol']}-*"
        (folder,) = (tmp_path / "saved").glob(name)
        record = runs.read_run(folder).record
        for part in ("valid", "test"):
            row = frame.loc[(content["protocol"], content["model"], part)]
            for metric in ("AUC", "Recall@10", "MAP", "MedR"):
                assert record[part][metric] == row[metric]


def test_the_table_of_a_comparison(found: Comparison) -> None:
    lines = comparison_text(found).splitlines()
    assert lines[0].startswith("Tuned on mirec-tiny")
    assert "synthetic" in lines[0]
    assert lines[0].endswith("under one budget: trials 2 a study, by validation MAP")
    starts = [lines.index(f"protocol {protocol}") for protocol in PROTOCOLS]
    frame = read_table(found.folder)
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
    assert lines[-1] == f"Files: {found.folder} (comparison.csv, winners/*.yaml)"


def test_an_interrupted_comparison_goes_on(
    found: Comparison,
    workplace: Path,
    tmp_path: Path,
    here: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ran: list[tuple[Any, ...]] = []
    run = TrialTask.run

    def interrupted(self: TrialTask, number: int, parameters: Any) -> Outcome:
        ran.append((self.settings["protocol"], self.settings["model"], number))
        if ran.count(ran[-1]) == 1 and ran[-1] == ("known-brand", "LightGCN", 2):
            raise KeyboardInterrupt
        return run(self, number, parameters)

    monkeypatch.setattr(TrialTask, "run", interrupted)
    folder = tmp_path / "compared"
    with pytest.raises(KeyboardInterrupt):
        compare(plans(workplace), folder, budget="trials 2 a study")
    assert [path.name for path in (folder / "winners").iterdir()] == ["BPR.known-brand.yaml"]
    assert not (folder / "comparison.csv").exists()
    compare(plans(workplace), folder, budget="trials 2 a study")
    assert ran == [
        *(("known-brand", "BPR", 1), ("known-brand", "BPR", 2)),
        *(("known-brand", "LightGCN", 1), ("known-brand", "LightGCN", 2)),
        ("known-brand", "LightGCN", 2),
        *(("new-brand", model, number) for model in MODELS for number in (1, 2)),
    ]
    pd.testing.assert_frame_equal(
        read_table(folder).drop(columns="minutes"),
        read_table(found.folder).drop(columns="minutes"),
        check_exact=True,
    )
    for path in (found.folder / "winners").iterdir():
        assert (folder / "winners" / path.name).read_text() == path.read_text()


def test_a_model_without_a_score_stands_in_the_table_and_ends_with_1(
    workplace: Path, tmp_path: Path, here: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = TrialTask.run

    def failing(self: TrialTask, number: int, parameters: Any) -> Outcome:
        if self.settings["model"] == "BPR":
            return Outcome(FAILED, reason="RuntimeError: planned")
        return run(self, number, parameters)

    monkeypatch.setattr(TrialTask, "run", failing)
    result = compare(plans(workplace)[:2], tmp_path / "compared", budget="trials 2 a study")
    frame = read_table(tmp_path / "compared")
    assert frame["model"].tolist() == ["BPR", "LightGCN", "LightGCN"]
    assert frame["n_scored"].tolist() == [0, 2, 2]
    assert frame["part"].isna().tolist() == [True, False, False]
    assert not (tmp_path / "compared" / "winners" / "BPR.known-brand.yaml").exists()
    (line,) = [line for line in comparison_text(result).splitlines() if line.startswith("BPR")]
    assert "nan" not in line.lower()
    monkeypatch.setattr(TrialTask, "run", lambda *_: Outcome(FAILED, reason="OSError: planned"))
    text = comparison_text(compare(plans(workplace)[:2], tmp_path / "none", budget="trials 2"))
    assert "LightGCN" in text


def command(workplace: Path, *options: str, **changes: Any) -> list[str]:
    given = settings(workplace, "LightGCN", **changes)
    for key in ("model", "dataset", "checkpoint_dir", "show_progress", "train_batch_size"):
        del given[key]
    keys = [f"--{key}={value}" for key, value in given.items()]
    return ["--models", "LightGCN,BPR", "--dataset", "mirec-tiny", *options, *keys]


def test_a_comparison_from_the_command_line(
    workplace: Path, tmp_path: Path, here: None, capsys: pytest.CaptureFixture[str]
) -> None:
    protocols = ("--protocols", "known-brand,new-brand")
    arguments = command(workplace, *protocols, "--budget", "trials", "2")
    assert cli.main(arguments) == 0
    out, err = capsys.readouterr()
    (folder,) = (tmp_path / "saved" / "tuning").iterdir()
    assert folder.name.startswith("comparison-mirec-tiny-")
    assert out.splitlines()[-1].startswith(f"Files: {folder.relative_to(tmp_path)} ")
    assert err.count("Study: ") == 4
    studies = [folder / protocol / model for protocol in PROTOCOLS for model in MODELS]
    assert all(len(rows_without_times(study)) == 2 for study in studies)
    # Under a budget the default is random search.
    algorithms = {
        json.loads((study / "study.json").read_text())["identity"]["algorithm"] for study in studies
    }
    assert algorithms == {"random"}
    before = (folder / "comparison.csv").read_bytes()
    assert cli.main(arguments) == 0
    again = capsys.readouterr()
    assert again.out == out
    assert again.err.count("Going on after 2 trials that have ended.") == 4
    assert (folder / "comparison.csv").read_bytes() == before


def test_a_budget_of_minutes_gives_every_study_a_trial(
    workplace: Path, tmp_path: Path, here: None, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ("--protocols", "new-brand,known-brand", "--budget", "minutes", "0.005")
    arguments = command(workplace, *options, "--results", "compared", epochs=1)
    assert cli.main(arguments) == 0
    frame = read_table(tmp_path / "compared")
    assert len(frame) == 8
    assert frame["n_trials"].min() >= 1
    # 0.3 seconds and what the last trial took
    assert frame["minutes"].max() < 0.2
    assert "under one budget: minutes 0.005 a study" in capsys.readouterr().out
    before = frame.copy()
    assert cli.main(arguments) == 0
    pd.testing.assert_frame_equal(read_table(tmp_path / "compared"), before)
