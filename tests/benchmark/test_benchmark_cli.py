"""The command: what it prints, how it ends, and what a kill leaves."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from benchmark_cases import content, figures, run_in_this_process

from recbole_mirec import cli
from recbole_mirec.benchmark import benchmark


@pytest.fixture
def plan_file(tmp_path: Path, data_path: Path) -> Path:
    path = tmp_path / "plan.yaml"
    settings = {"gpu_id": "", "data_path": str(data_path)}
    path.write_text(yaml.safe_dump(content(settings=settings), sort_keys=False))
    return path


@pytest.fixture
def patch(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    run_in_this_process(monkeypatch, page=True)
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
    assert header.split()[:7] == ["MAP", "AUC", "cAUC", "R@10", "R@50", "MRR", "MedR"]
    table = [line.split()[0] for line in lines[lines.index(header) + 1 :][:3]]
    assert table == ["Cosine", "Random", "BPR"]
    (folder,) = Path("saved", "benchmarks").iterdir()
    assert lines[-1] == f"Files: {folder} (report.html, results.csv, tables/)"
    page = (folder / "report.html").read_text()
    assert f"python -m recbole_mirec.benchmark {plan_file}" in page
    # the page and the tables anew, from the same runs
    before = figures(folder)
    (folder / "results.csv").unlink()
    (folder / "report.html").unlink()
    assert cli.benchmark_main([str(plan_file), "--report-only"]) == 0
    assert figures(folder) == before
    assert (folder / "report.html").read_text() == page


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
        (["quick", "--seed=1"], "Key 'settings' must not set 'seed': the plan's 'seeds' say it"),
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

    patch.setattr(benchmark, "run_jobs", interrupted)
    assert cli.benchmark_main([str(plan_file)]) == 130
    assert "Interrupted. Go on with the same command." in capsys.readouterr().err


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
    for _ in range(10):
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
    end = time.monotonic() + 300
    while len(list(folder.rglob("*"))) <= n_before and process.poll() is None:
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)
