"""The command: what it prints, how it ends, and what a kill leaves."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from benchmark_cases import content, figures, run_in_this_process

from recbole_mirec import cli
from recbole_mirec.benchmark import benchmark, running
from recbole_mirec.benchmark.display import plan_text, result_text
from recbole_mirec.benchmark.plan import make_plan
from recbole_mirec.benchmark.planned import planned_runs
from recbole_mirec.benchmark.progress import RunTimes
from recbole_mirec.benchmark.studies import planned_studies


@pytest.fixture
def plan_file(tmp_path: Path, data_path: Path) -> Path:
    path = tmp_path / "plan.yaml"
    settings = {"gpu_id": "", "data_path": str(data_path)}
    path.write_text(yaml.safe_dump(content(settings=settings), sort_keys=False))
    return path


@pytest.fixture
def patch(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    run_in_this_process(monkeypatch)
    monkeypatch.chdir(tmp_path)
    return monkeypatch


def test_a_benchmark_prints_its_table_and_writes_its_page(
    plan_file: Path, patch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.benchmark_main([str(plan_file)]) == 0
    printed = capsys.readouterr()
    lines = printed.out.splitlines()
    assert lines[0] == "little on mirec-tiny (synthetic data): 5 of 5 runs finished"
    assert "protocol new-brand, test part; p: MAP against Cosine" in lines
    (header,) = [line for line in lines if "MedR" in line]
    assert header.split()[:7] == ["AUC", "cAUC", "R@10", "R@50", "MRR", "MAP", "MedR"]
    table = [line.split()[0] for line in lines[lines.index(header) + 1 :][:3]]
    assert table == ["Cosine", "Random", "BPR"]
    (folder,) = Path("saved", "benchmarks").iterdir()
    assert lines[-1] == f"Files: {folder} (report.html, results.csv, tables/)"
    page = (folder / "report.html").read_text()
    assert f"python -m recbole_mirec.benchmark {plan_file}" in page
    ended = [line for line in printed.err.splitlines() if line.startswith("run ")]
    assert ended[0].startswith("run 1/5: Cosine, new-brand, seed 1: validation MAP 0.")
    assert ended[0].endswith(" left")
    assert " left" not in ended[4]
    # the page and the tables anew, from the same runs
    before = figures(folder)
    (folder / "results.csv").unlink()
    (folder / "report.html").unlink()
    assert cli.benchmark_main([str(plan_file), "--report-only"]) == 0
    assert figures(folder) == before
    assert (folder / "report.html").read_text() == page
    assert not [line for line in capsys.readouterr().err.splitlines() if line.startswith("run ")]


def test_a_dry_run_lists_the_runs_and_leaves_nothing(
    plan_file: Path, patch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.benchmark_main([str(plan_file), "--dry-run", "--jobs", "3", "--epochs=1"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "little on mirec-tiny: 5 runs, 3 at a time"
    assert lines[1:] == [
        "  runs/Cosine/new-brand/seed-1",
        *(f"  runs/Random/new-brand/seed-{seed}" for seed in (1, 2)),
        *(f"  runs/BPR-short/new-brand/seed-{seed}" for seed in (1, 2)),
    ]
    assert not Path("saved").exists()


def test_a_failed_run_ends_with_1(
    plan_file: Path, patch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    patch.setattr(benchmark, "_write_page", lambda *_: None)

    def broken(*_: object) -> None:
        raise RuntimeError("planned")

    patch.setattr("recbole.model.general_recommender.bpr.BPR.calculate_loss", broken)
    models = {"Cosine": {"model": "Cosine"}, "Bad": {"model": "BPR"}}
    plan_file.write_text(yaml.safe_dump(yaml.safe_load(plan_file.read_text()) | {"models": models}))
    assert cli.benchmark_main([str(plan_file), "--results", "it"]) == 1
    out = capsys.readouterr().out
    assert out.startswith("little on mirec-tiny (synthetic data): 1 of 3 runs finished")
    assert "failed: runs/Bad/new-brand/seed-2: RuntimeError: planned" in out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nowhere"], "error: Plan 'nowhere' is no file and none of the plans that come with us"),
        (
            ["quick", "--jobs", "0"],
            "error: argument --jobs: must be a whole number above 0. Received",
        ),
        (["quick", "--seed=1"], "Key 'seed' cannot be set in 'settings': the plan's 'seeds' say"),
        (["quick", "--epoch=1"], "Cosine, new-brand, seed 1: Unknown key 'epoch' for model Cosine"),
        (["quick", "more"], "error: 'more' is not understood: write keys as --key=value."),
        ([], "error: the following arguments are required: plan; see --help."),
    ],
)
def test_wrong_input_ends_with_2(
    words: list[str],
    message: str,
    patch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert cli.benchmark_main(words) == 2
    assert message in capsys.readouterr().err
    assert not Path("saved").exists()


def test_a_report_of_nothing_is_refused(
    plan_file: Path, patch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.benchmark_main([str(plan_file), "--report-only", "--results", "it"]) == 2
    assert capsys.readouterr().err == (
        "error: 'it' holds no benchmark yet; leave --report-only out.\n"
    )
    assert not Path("it").exists()


def test_an_interrupt_says_how_to_go_on(
    plan_file: Path, patch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    patch.setattr(running, "run_in_workers", interrupted)
    assert cli.benchmark_main([str(plan_file)]) == 130
    assert "Interrupted. Go on with the same command." in capsys.readouterr().err


def test_studies_of_a_plan_see_a_fold_each(data_path: Path) -> None:
    keys = content(tuning={"max_evals": 3, "algo": "random"}, folds=2)
    keys["models"] = {"Cosine": {"model": "Cosine"}, "BPR": {"model": "BPR"}}
    made = make_plan(keys, {"data_path": str(data_path)})
    studies = planned_studies(made)
    # Cosine has no space
    assert [study.key for study in studies] == [("BPR", "new-brand", 1), ("BPR", "new-brand", 2)]
    for study in studies:
        assert study.plan.max_trials == 3
        assert study.plan.settings["fold"] == study.fold
        assert study.plan.settings["valid_metric"] == "MAP"
        assert study.plan.settings["seed"] == 1
    text = plan_text(made)
    assert "before them 2 studies, 3 trials of random search each" in text
    assert "  study: tuning/BPR/new-brand-fold-2" in text


def test_a_variant_that_all_models_share_has_its_own_space(data_path: Path) -> None:
    keys = content(tuning={"max_evals": 2}, main="Ours")
    keys["models"] = {"Ours": {"model": "MIRec"}, "Other": {"model": "MIRec", "variant": "mirec"}}
    made = make_plan(keys, {"data_path": str(data_path), "variant": "paper"})
    names = [
        {parameter.name for parameter in study.plan.space.parameters}
        for study in planned_studies(made)
    ]
    assert "l1_weight" in names[0] and "plda_weight" not in names[0]
    assert "plda_weight" in names[1] and "l1_weight" not in names[1]


def test_what_ablations_are_compared_with_is_said() -> None:
    models = {"Cosine": {"model": "Cosine"}, "Full": {"model": "MIRec"}}
    kept = {"model": "Full", "perspectives": [["content"]]}
    values = [("Cosine", 0.5), ("Full", 0.25), ("Full [content]", 0.125)]
    names = {"protocol": "new-brand", "part": "test", "metric": "MAP", "low": 0.0, "high": 1.0}
    results = pd.DataFrame([{"label": k, "mean": v, "p_holm": 0.5, **names} for k, v in values])
    runs = pd.DataFrame({"status": ["finished"]})
    for main, words in (("Cosine", "Cosine, of ablations against Full"), ("Full", "Full")):
        made = make_plan(content(models=models, ablations=kept, main=main), {})
        found = benchmark.BenchmarkResult(made, Path("it"), runs, results, False)
        assert (
            f"protocol new-brand, test part; p: MAP against {words}"
            in result_text(found).splitlines()
        )


def test_the_winners_settings_are_those_of_the_runs(
    data_path: Path, patch: pytest.MonkeyPatch
) -> None:
    from recbole_mirec.benchmark import studies
    from recbole_mirec.tuning import study as study_room
    from recbole_mirec.tuning.local_jobs import InProcess

    patch.setattr(study_room, "LocalProcesses", lambda task, jobs: InProcess(task.run))
    patch.setattr(benchmark, "_write_page", lambda *_: None)
    keys = content(tuning={"max_evals": 2, "algo": "random"}, seeds=[4, 5])
    keys["models"] = {"Cosine": {"model": "Cosine"}, "BPR": {"model": "BPR", "epochs": 2}}
    made = make_plan(keys, {"data_path": str(data_path), "gpu_id": ""})
    result = benchmark.run_benchmark(made, folder=Path("it"))
    assert set(result.runs["status"]) == {"finished"}
    winner = yaml.safe_load(Path("it/tuning/BPR/new-brand/winner.yaml").read_text())
    names = {parameter.name for parameter in planned_studies(made)[0].plan.space.parameters}
    assert names
    for seed in (4, 5):
        used = yaml.safe_load(Path(f"it/runs/BPR/new-brand/seed-{seed}/config.yaml").read_text())
        assert {name: used[name] for name in names} == {name: winner[name] for name in names}
        assert (used["seed"], used["epochs"]) == (seed, 2)
    assert studies.tuning_remarks(made) == (
        "Tuned, with 2 trials of random search on validation each: BPR.",
        "Without a search space, so with their defaults: Cosine.",
    )
    assert "Tuned, with 2 trials" in Path("it/tables/new-brand.models.md").read_text()


def test_the_time_left_is_that_of_the_same_model() -> None:
    runs = planned_runs(make_plan(content(protocols=["new-brand", "known-brand"]), {}))
    cosine, random_runs = runs[:2], runs[2:6]
    times = RunTimes()
    assert times.left(runs, 1) is None
    times.add(cosine[0], 3.0)
    # nothing is known of the others yet
    assert times.left([cosine[1], *random_runs], 1) == 15.0
    times.add(random_runs[0], 10.0)
    times.add(random_runs[1], 20.0)
    # new-brand 15 on average, which is all that is known of known-brand as well
    assert times.left([cosine[1], random_runs[2], random_runs[3]], 2) == (3 + 15 + 15) / 2


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs /proc")
def test_killed_at_any_moment_and_resumed_gives_the_same_files(
    plan_file: Path, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "recbole_mirec.benchmark", str(plan_file), "--results"]
    keys = yaml.safe_load(plan_file.read_text()) | {"protocols": ["new-brand", "known-brand"]}
    keys["models"]["BPR (short)"] |= {"epochs": 30, "stopping_step": 30}
    plan_file.write_text(yaml.safe_dump(keys, sort_keys=False))

    def start(name: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [*command, name],
            cwd=tmp_path,
            stderr=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )

    assert start("whole").wait(timeout=600) == 0
    chance = random.Random(11)
    n_before = 0
    for _ in range(6):
        process = start("killed")
        _wait_for_more_files(process, tmp_path / "killed", n_before)
        time.sleep(chance.uniform(0, 2))
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        n_before = len(list((tmp_path / "killed").rglob("*")))
    assert start("killed").wait(timeout=600) == 0
    assert figures(tmp_path / "killed") == figures(tmp_path / "whole")
    assert not list((tmp_path / "killed").rglob("*.part"))


def _wait_for_more_files(process: subprocess.Popen[bytes], folder: Path, n_before: int) -> None:
    end = time.monotonic() + 120
    while len(list(folder.rglob("*"))) <= n_before and process.poll() is None:
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)
