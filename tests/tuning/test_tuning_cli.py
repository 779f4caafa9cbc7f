"""The tuning command: what it prints, its exit codes, and one line for all wrong input."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from little_data import settings
from study_cases import processes_of, rows_without_times, run_in_this_process, wait_for

from recbole_mirec import cli

SPACE = "learning_rate choice [0.002,0.1]\nembedding_size choice [8,16]\n"


@pytest.fixture
def folder(workplace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a params file; trials run in this process."""
    monkeypatch.chdir(tmp_path)
    run_in_this_process(monkeypatch)
    (tmp_path / "rates.hyper").write_text(SPACE)
    return tmp_path


def words(workplace: Path, *options: str, model: str | None = "LightGCN", **changes: Any) -> Any:
    """The command's arguments for short trials on mirec-tiny."""
    given = settings(workplace, "LightGCN", **({"protocol": "known-brand"} | changes))
    del given["model"], given["dataset"], given["checkpoint_dir"], given["show_progress"]
    named = [] if model is None else ["--model", model]
    keys = [f"--{key}={value}" for key, value in given.items()]
    return [*named, "--dataset", "mirec-tiny", *options, *keys]


def refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """The one line on standard error of a command that must be refused."""
    before = sorted(Path.cwd().rglob("*"))
    capsys.readouterr()
    assert cli.tuning_main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert sorted(Path.cwd().rglob("*")) == before
    return err[len("error: ") : -1]


def test_a_study_from_the_command_line(
    folder: Path, workplace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = words(workplace, "--params_file", "rates.hyper")
    assert cli.tuning_main(arguments) == 0
    out, err = capsys.readouterr()
    (study,) = (folder / "saved" / "tuning").iterdir()
    assert re.fullmatch(r"LightGCN-mirec-tiny-known-brand-exhaustive-[0-9a-f]{8}", study.name)
    page = (study / "tuning.html").read_text()
    assert "python -m recbole_mirec.tuning --model LightGCN --dataset mirec-tiny" in page
    lines = out.splitlines()
    assert re.fullmatch(
        r"LightGCN on .*mirec-tiny.*, protocol known-brand: 4 trials by exhaustive search in .* s",
        lines[0],
    )
    assert "synthetic" in lines[0]
    header = ("trial", "MAP", "learning_rate", "embedding_size", "epochs run", "s", "status")
    assert re.split(r"\s{2,}", lines[2]) == list(header)
    # The best first, as trials.csv says.
    rows = rows_without_times(study)
    best = sorted(rows, key=lambda row: -float(row["score"]))
    shown = [line.split() for line in lines[3:] if re.match(r"\s*[1-4] ", line)]
    assert [line[:4] for line in shown] == [
        [
            row["trial"],
            f"{float(row['score']):.4f}",
            row["learning_rate"],
            row["embedding_size"],
        ]
        for row in best
    ]
    assert f"Winner: trial {best[0]['trial']}; the test part was read once" in out
    winner = Path("saved", "tuning", study.name, "winner.yaml")
    assert f"  python run_recbole_mirec.py --config_files {winner}" in lines
    steps = err.splitlines()
    assert steps[0] == f"Study: {winner.parent}"
    assert re.fullmatch(
        r"trial 1/4 \(learning_rate=0\.002, embedding_size=8\): MAP 0\.\d{4} in [\d.]+ s; 3 to go, "
        r"[\d.]+ s left",
        steps[1],
    )
    assert len(steps) == 5
    page = (study / "tuning.html").read_text()
    assert "python -m recbole_mirec.tuning --model LightGCN --dataset mirec-tiny" in page
    # Again: the same text, and nothing is run.
    assert cli.tuning_main(arguments) == 0
    again = capsys.readouterr()
    assert again.out == out
    assert again.err.splitlines()[1:] == ["Going on after 4 trials that have ended."]


def test_the_model_has_a_space_of_its_own_that_comes_with_it(folder: Path, workplace: Path) -> None:
    options = ("--algo", "random", "--max_evals", "1", "--results", "study")
    assert cli.tuning_main(words(workplace, *options)) == 0
    (row,) = rows_without_times(folder / "study")
    assert {"learning_rate", "n_layers", "reg_weight", "embedding_size"} < row.keys()


def test_settings_are_fixed_by_the_names_that_results_have(
    folder: Path, workplace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["--model=BPR", "--dataset=mirec-tiny", "--eval_args={mode: full}", "--metric=map@5"]
    ((plan,), _) = cli.study_plans([*given, "--use_gpu=False"])
    assert [plan.settings[key] for key in ("valid_metric", "protocol", "seed")] == [
        *("MAP@5", "known-brand", 2020)
    ]
    assert [line.split(":")[0] for line in capsys.readouterr().err.splitlines()] == [
        *("Keys that have no effect here", "By eval_args the protocol is known-brand")
    ]
    arguments = words(workplace, "--params_file", "rates.hyper", "--metric", "hit@10", epochs=1)
    assert cli.tuning_main([*arguments, "--save_dataset=True", "--topk=5"]) == 0
    out, err = capsys.readouterr()
    assert err.count("Keys that have no effect here: save_dataset (data are read afresh and") == 1
    assert out.splitlines()[2].split()[:2] == ["trial", "Hit@10"]


def test_a_variant_has_a_space_of_its_own(tmp_path: Path) -> None:
    spaces = [
        cli.study_plans([f"--data_path={tmp_path}", *more])[0][0].space.describe()
        for more in ([], *([f"--variant={name}"] for name in ("mirec", "reference", "paper")))
    ]
    assert spaces[0] == spaces[1]
    assert spaces[1] != spaces[2] != spaces[3] != spaces[1]


@pytest.mark.parametrize(("rates", "code"), [("1e30", 1), ("1e30,0.1", 0)])
def test_only_a_study_without_a_score_ends_with_1(
    folder: Path, workplace: Path, capsys: pytest.CaptureFixture[str], rates: str, code: int
) -> None:
    (folder / "wild.hyper").write_text(f"learning_rate choice [{rates}]\n")
    options = ("--params_file", "wild.hyper", "--results", "study")
    assert cli.tuning_main(words(workplace, *options, model="BPR", train_batch_size=8)) == code
    out, err = capsys.readouterr()
    assert re.search(r"^diverged: trial 1: .*NaN\.", out, re.MULTILINE)
    assert "(learning_rate=1e+30): diverged: " in err
    found = [row["status"] for row in rows_without_times(folder / "study")]
    assert found == ["diverged", "finished"][: len(found)]


@pytest.mark.parametrize("option", ["--engine", "--tool"])
def test_without_ray_its_engine_is_one_line_that_says_what_to_install(
    option: str,
    folder: Path,
    workplace: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)  # type: ignore[arg-type]
    said = refused(words(workplace, option, "ray"), capsys)
    assert "needs Ray, which is an extra. Received: " in said
    assert 'pip install -e ".[ray]"' in said


def test_a_study_by_processes_needs_nothing_of_ray(workplace: Path, tmp_path: Path) -> None:
    (tmp_path / "ray.py").write_text("raise SystemExit('imported, here or in a worker')")
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    arguments = words(workplace, "--budget", "trials", "1")
    done = subprocess.run(
        [sys.executable, "-m", "recbole_mirec.tuning", *arguments],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "finished" in done.stdout
    assert "imported" not in done.stdout + done.stderr


BUDGET = ["--budget", "trials", "2"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--metric", "MPA"], "Unknown valid_metric 'MPA'. Did you mean 'MAP'?"),
        (["--metric", "MAP", "--valid_metric=AUC"], "--metric and --valid_metric name two metrics"),
        (["--algo", "grid"], "argument --algo: invalid choice: 'grid' (choose from 'exhaustive', "),
        (["--keep", "some"], "argument --keep: must be a whole number above 0. Received: 'some'"),
        (["--ray_address", "head:1"], "--ray_address is of a Ray cluster; add --engine ray, or"),
        (["--budget", "hours", "1"], "--budget needs trials or minutes, and a number above 0"),
        (["--budget", "trials", "0"], "--budget needs trials or minutes, and a number above 0"),
        (["--budget", "trials", "2.5"], "--budget needs trials or minutes, and a number above 0"),
        (["--budget", "minutes", "-1"], "--budget needs trials or minutes, and a number above 0"),
        (["--budget", "minutes", "nan"], "--budget needs trials or minutes, and a number above 0"),
        (["--budget", "minutes", "inf"], "--budget needs trials or minutes, and a number above 0"),
        ([*BUDGET, "--max_evals", "3"], "--max_evals and --budget both limit the trials; leave o"),
        (["--max_evals", "3"], "The space has 4 combinations, and exhaustive search visits them"),
        (["--models", "BPR,FM"], "Give --model for one model or --models for several."),
        (["--protocols", "new-brand"], "--protocols goes with --models; leave it out."),
        (["--learning_rate=0.1"], "Key 'learning_rate' is set on the command line or in a config"),
        (["--n_layer=1"], "Unknown key 'n_layer' for model LightGCN. Did you mean 'n_layers'?"),
    ],
)
def test_wrong_options_are_one_line(
    folder: Path,
    workplace: Path,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    message: str,
) -> None:
    (folder / "wrong.hyper").write_text("learning_rate choice [0.1]\nlearnin_rate choice [1]\n")
    arguments = words(workplace, "--params_file", "rates.hyper", *options)
    assert refused(arguments, capsys).startswith(message)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("# nothing but a comment\n", "Params file 'wrong.hyper'"),
        (
            "learning_rate choice [0.1]\n\nlearnin_rate choice [0.1]\n",
            "wrong.hyper, line 3: model LightGCN has no parameter 'learnin_rate'. Did you mean "
            "'learning_rate'?",
        ),
        ("n_layers choice [one,2]\n", "wrong.hyper, line 1: "),
        ("valid_metric choice [MAP,AUC]\n", "line 1: 'valid_metric' cannot be searched"),
    ],
)
def test_wrong_params_files_are_one_line(
    folder: Path,
    workplace: Path,
    capsys: pytest.CaptureFixture[str],
    content: str,
    message: str,
) -> None:
    (folder / "wrong.hyper").write_text(content)
    assert message in refused(words(workplace, "--params_file", "wrong.hyper"), capsys)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["BPR,FM"], "--models needs a budget, such as --budget trials 20."),
        (["BPR,FM", *BUDGET, "--params_file", "rates.hyper"], "--params_file is of one model;"),
        (["BPR,BPR", *BUDGET], "--models takes different names with commas between, such as MIRec"),
        (["BPR,", *BUDGET], "--models takes different names"),
        (["BPR,FM", "--protocols", "new-brand,", *BUDGET], "--protocols takes different names"),
        (["BPR,LightGNC", *BUDGET], "Unknown model 'LightGNC'. Did you mean 'LightGCN'?"),
        (
            ["LightGCN", "--protocols", "known-brand,new-bran", *BUDGET],
            "Key 'protocol' must be one of new-brand, known-brand.",
        ),
    ],
)
def test_wrong_comparisons_are_one_line(
    folder: Path,
    workplace: Path,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    message: str,
) -> None:
    line = refused(words(workplace, "--models", *options, model=None), capsys)
    assert line.startswith(message)


def test_a_model_without_a_space_that_comes_with_it(
    folder: Path, workplace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = refused(words(workplace, model="NGCF"), capsys)
    assert line.startswith("No search space comes with model NGCF; write one and name it with --pa")
    assert "the line 'learning_rate choice [0.001,0.01]'" in line
    assert re.search(
        r"Spaces come with: BPR, .*LightGCN, MIR, MIRec, MIRec-paper, MIRec-reference, ", line
    )


def test_folders_of_another_study_or_purpose(
    folder: Path, workplace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--params_file", "rates.hyper", "--results", "study", "--algo", "random"]
    assert cli.tuning_main(words(workplace, *options, "--max_evals", "2")) == 0
    line = refused(words(workplace, *options, "--max_evals", "1"), capsys)
    assert line == (
        "'study' holds trial 2 already, more than --max_evals=1. Raise it, or name another folder "
        "with --results."
    )
    Path("notes").mkdir()
    Path("notes", "diary.txt").write_text("mine")
    line = refused(words(workplace, *options[:2], "--results", "notes"), capsys)
    assert line.startswith("'notes' is no folder of a study: it has other content and no study.jso")
    line = refused(words(workplace, *options[:2], "--results", "rates.hyper"), capsys)
    assert line.startswith("'rates.hyper' is no folder of a study")


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs /proc")
@pytest.mark.parametrize(
    ("number", "begun"),
    [
        (signal.SIGINT, True),
        pytest.param(signal.SIGINT, False, marks=pytest.mark.slow),
        pytest.param(signal.SIGTERM, True, marks=pytest.mark.slow),
    ],
)
def test_an_interrupted_study_ends_quickly_and_says_how_to_go_on(
    workplace: Path, tmp_path: Path, number: signal.Signals, begun: bool
) -> None:
    (tmp_path / "rates.hyper").write_text("learning_rate choice [0.1,0.01,0.001]\n")
    options = ("--params_file", "rates.hyper", "--jobs", "2", "--results", "study")
    arguments = words(workplace, *options, model="BPR", epochs=100000, stopping_step=100000)
    process = subprocess.Popen(
        [sys.executable, "-m", "recbole_mirec.tuning", *arguments],
        cwd=tmp_path,
        env={**os.environ, "MIREC_TEST_STUDY": str(tmp_path), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    marker = f"MIREC_TEST_STUDY={tmp_path}"
    wait_for(lambda: len(processes_of(marker)) == 4)
    if begun:
        wait_for(lambda: len(list(tmp_path.glob("study/trials/*/last.safetensors"))) == 2)
    else:
        time.sleep(1)  # the workers import their packages
    # As the terminal does: to the whole group.
    os.killpg(process.pid, number) if number == signal.SIGINT else process.send_signal(number)
    sent = time.monotonic()
    out, err = process.communicate(timeout=60)
    assert time.monotonic() - sent < 8
    assert process.returncode == 130
    assert out == ""
    assert err.splitlines() == ["Study: study", "", "Interrupted. Go on with the same command."]
    wait_for(lambda: processes_of(marker) == [], seconds=5)
