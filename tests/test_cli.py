import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from little_data import NAME, SHORT_GRAPH, settings, write_little

from recbole_mirec import cli
from recbole_mirec.experiment import prepare
from recbole_mirec.runs import read_run

SCRIPT = Path(cli.__file__).parent.parent / "run_recbole_mirec.py"


def keys(**changes: object) -> list[str]:
    return [f"--{key}={value}".replace(" ", "").replace("'", "") for key, value in changes.items()]


def common(folder: Path, **changes: object) -> list[str]:
    """Arguments of a short run on the little data set in a folder."""
    given = settings(folder, dataset=NAME) | changes
    return keys(**{key: "" if value is None else value for key, value in given.items()})


def tree(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """The one line on standard error of a command that must be refused."""
    capsys.readouterr()
    assert cli.main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    lines = [line for line in err.splitlines() if " INFO " not in line]
    assert len(lines) == 1, err
    assert lines[0].startswith("error: ")
    return lines[0]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with the little data set in it."""
    monkeypatch.chdir(tmp_path)
    return write_little(tmp_path)


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert text.count(old) >= 1
    path.write_text(text.replace(old, new, 1))


# All faults of files: tests/dataset_convert/test_atomic_errors.py.
BROKEN_FILES = {
    "missing": (
        lambda f: (f / "little.user").unlink(),
        ["little.user: found no such file", "convert it again"],
    ),
    "NaN": (
        lambda f: edit(f / "little.item", "0.1 0 0.9", "0.1 nan 0.9"),
        ["little.item, line 6, field 'influencer_content_topics'", "nan", "Remedy:"],
    ),
    "fewer rows than the manifest says": (
        lambda f: edit(f / "little.new-brand.test.inter", "b5\ti6\n", ""),
        ["little.new-brand.test.inter: found 1 rows; wanted 2, as manifest.json says", "Remedy: c"],
    ),
}


@pytest.mark.parametrize("name", BROKEN_FILES)
def test_broken_files(name: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    damage, expected = BROKEN_FILES[name]
    damage(folder / NAME)
    before = tree(folder)
    line = refused(common(folder), capsys)
    for part in expected:
        assert part in line
    assert tree(folder) == before


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--perspectives=[content,audiense]"], "Received: 'audiense'. Did you mean 'audience'?"),
        (["--lerning_rate=0.1"], "Unknown key 'lerning_rate' for model MIRec. Did you mean"),
        (["--protocol=newbrand"], "Received: 'newbrand'. Did you mean 'new-brand'?"),
        (["--valid_metric=AUC"], "valid_metric AUC is undefined on the validation part"),
        (["--valid_metric=cAUC"], "valid_metric cAUC needs categories"),
        (
            ["--protocol=known-brand"],
            "has no split of known-brand, and none can be drawn: no brand has three",
        ),
        (["--dataset=nowhere"], "nowhere' does not exist. Convert your material"),
        ([f"--seed={'9' * 5000}"], "a whole number of too many digits."),
        ([f"--seed=[{'1,' * 40_000}]"], "Key 'seed' must be a whole number. Received: [1, 1, 1"),
        (["--learning_rate=1e400"], "Key 'learning_rate' must be a finite number. Received: inf."),
        (["--seed=2026-01-01"], "Key 'seed' must be a whole number. Received: '2026-01-01'."),
        (["--data_path=typo", "--model=BPR"], "Data set folder 'typo/little' does not exist."),
        (["--input_dimension=-1"], "Key 'input_dimension' must be at least 1. Received: -1."),
        (["--model=BPR", "-m", "BPR"], "-m is given twice; leave one out; see --help."),
        (["--stopping_step", "3"], "'--stopping_step' is not understood: write keys as --key=val"),
        (["--top=0"], "argument --top: must be a whole number above 0. Received: '0'; see --hel"),
        (["--model=BPR", "--embedding_size=2000000000"], "Model BPR cannot be made: RuntimeError("),
        (["--model=BPR", "--checkpoint_dir=little/little.user"], "be the path of a folder. Recei"),
        (["--resume", "nowhere"], "leave --data_path out"),
        (["--run", "nowhere"], "--run names the run that --predict uses; add --predict BRAND."),
        (["--predict", "b1"], "--predict uses a run's own settings; leave --"),
    ],
)
def test_wrong_arguments(
    arguments: list[str], expected: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = tree(folder)
    given = {argument.partition("=")[0] for argument in arguments}
    if "--model=BPR" in arguments:
        given |= {f"--{key}" for key in SHORT_GRAPH}
    rest = [argument for argument in common(folder) if argument.partition("=")[0] not in given]
    assert expected in refused(rest + arguments, capsys)
    assert tree(folder) == before


def test_a_brand_that_knows_every_influencer_is_an_error(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = folder / NAME
    header, *_ = (data / "little.inter").read_text().splitlines()
    training = [f"b1\ti{k}" for k in (1, 2, 3)] + ["b2\ti1"]
    for name, rows in (
        ("little.inter", [*training, "b4\ti5", "b4\ti2"]),
        ("little.new-brand.train.inter", training),
        ("little.new-brand.valid.inter", ["b4\ti5", "b4\ti2"]),
    ):
        (data / name).write_text("\n".join([header, *rows]) + "\n")
    (data / "little.new-brand.test.inter").unlink()
    (data / "manifest.json").write_text('{"synthetic": true}')
    line = refused(common(folder), capsys)
    assert "Negatives need a training influencer" in line
    assert not (folder / "saved").exists()


def test_a_file_of_keys_and_the_command_line_over_it(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "my.yaml").write_text(
        "model: BPR\ndataset: little\nepochs: 3\nlearning_rate: 1e-2\nshow_progress: false\n"
    )
    (folder / "more.yaml").write_text("epochs: 2\n")
    arguments = ["--config_files=my.yaml more.yaml", f"--data_path={folder}", "--seed=4"]
    assert cli.main(arguments) == 0
    out, _ = capsys.readouterr()
    assert out.startswith("BPR on little (synthetic data), protocol new-brand, seed 4\n")
    (run,) = (folder / "saved").glob("BPR-*")
    recorded = read_run(run).record["settings"]
    assert (recorded["epochs"], recorded["learning_rate"]) == (2, 0.01)
    (folder / "my.yaml").write_text("epochz: 3\n")
    assert "Unknown key 'epochz'" in refused(["--config_files=my.yaml"], capsys)


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working folder with the little data set and a finished run of MIRec on it."""
    place = write_little(tmp_path_factory.mktemp("trained"))
    with contextlib.chdir(place):
        assert cli.main(common(place)) == 0
    return place


@pytest.fixture
def trained(model_folder: Path, folder: Path) -> Path:
    """The folder of a finished run of MIRec, in a working folder of its own."""
    (run,) = (model_folder / "saved").glob("MIRec-*")
    path = folder / "saved" / run.name
    shutil.copytree(run, path)
    for name in ("run.json", "config.yaml"):
        text = (path / name).read_text()
        (path / name).write_text(text.replace(str(model_folder), str(folder)))
    return path


FIND = ["--model=MIRec", f"--dataset={NAME}"]


def test_a_brands_ranked_influencers(
    folder: Path, trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main([*FIND, "--predict", "b1", "--top", "3"]) == 0
    out, _ = capsys.readouterr()
    # seven influencers, two of them of b1's training collaborations
    assert out.startswith("b1: the best 3 of 5 influencers")
    path = trained / "predictions" / "b1.csv"
    assert f"Written to {path.relative_to(folder)}" in out or f"Written to {path}" in out
    frame = pd.read_csv(path)
    columns = ["brand_id", "rank", "influencer_id", "score", "content", "audience", "attribute"]
    assert list(frame.columns) == [*columns, "precedent", "hubness", "followers", "why"]
    assert frame["rank"].tolist() == [1, 2, 3]
    for influencer in frame["influencer_id"]:
        assert influencer in out
    everything = prepare(read_run(trained).record["settings"], run_folder=trained)
    everything.trainer.load_best()
    everything.model.eval()
    rows = everything.model.account_vectors()
    data = everything.dataset
    brand = rows["brand"][data.token2id("brand_id", "b1")].flatten()
    scores = {
        name: float(rows["influencer"][data.token2id("influencer_id", name)].flatten() @ brand)
        for name in ("i3", "i4", "i5", "i6", "i7")
    }
    best = sorted(scores, key=lambda name: -scores[name])[:3]
    assert frame["influencer_id"].tolist() == best
    np.testing.assert_allclose(frame["score"], [scores[name] for name in best], rtol=1e-5)
    shares = frame[[*columns[4:], "precedent", "hubness"]].sum(axis=1)
    np.testing.assert_allclose(shares, frame["score"], rtol=1e-9, atol=1e-9)
    assert frame["followers"].tolist() == [int(name[1:]) for name in best]
    # the same by naming the run
    assert cli.main(["--predict", "b1", "--top", "99", "--run", str(trained)]) == 0
    assert len(pd.read_csv(path)) == 5


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--predict", "b11"], "Unknown brand 'b11' in data set little. Did you mean 'b1'?"),
        (["--predict", "[PAD]"], "Unknown brand '[PAD]'"),
        (["--predict", "b1", "--epochs=3"], "leave --epochs out"),
        (["--predict", "b1", "--protocol=known-brand"], "No finished run of MIRec on little"),
        (["--predict", "b1", "--run", "nowhere"], "'nowhere' is no folder of a run"),
    ],
)
def test_wrong_predictions(
    arguments: list[str],
    expected: str,
    folder: Path,
    trained: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert expected in refused([*FIND, *arguments], capsys)
    assert not (trained / "predictions").exists()


def test_without_a_run_there_is_nothing_to_predict(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = refused([*FIND, "--predict", "b1"], capsys)
    assert "No finished run of MIRec on little in 'saved'. Train one first:" in line


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("best.safetensors", "truncated"),
        ("best.safetensors", "missing"),
        ("best.safetensors", "other data"),
        ("last.safetensors", "truncated"),
        ("last.safetensors", "other data"),
    ],
)
def test_damaged_and_foreign_checkpoints(
    name: str, damage: str, folder: Path, trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = trained / name
    if damage == "truncated":
        path.write_bytes(path.read_bytes()[:-1000])
    elif damage == "missing":
        path.unlink()
    else:
        edit(folder / NAME / "little.user", "0.1 0.1 0.8", "0.1 0.2 0.7")
    before = {path: path.read_bytes() for path in trained.iterdir()}
    if name == "best.safetensors":
        line = refused([*FIND, "--predict", "b1"], capsys)
    else:
        line = refused(["--resume", str(trained)], capsys)
    assert f"{trained.name}/{name}'" in line
    expected = {
        "truncated": "cannot be read: it is truncated, damaged",
        "missing": "does not exist. Train",
        "other data": "was trained on another data set",
    }
    assert expected[damage] in line
    assert {path: path.read_bytes() for path in trained.iterdir()} == before


def test_a_run_that_is_resumed_keeps_its_settings(
    folder: Path, trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = refused(["--resume", str(trained), "--tower=mlp"], capsys)
    assert "--resume goes on with a run's own settings; leave --tower out." in line
    assert "--model out" in refused(["--resume", str(trained), "--model=BPR"], capsys)
    assert "holds no run.json" in refused(["--resume", str(folder)], capsys)
    assert cli.main(["--resume", str(trained), "--show_progress=False"]) == 0
    assert f"Files: {trained}" in capsys.readouterr().out


def test_an_interrupted_command_ends_with_130_and_can_be_resumed(
    folder: Path, data_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(data_path / "mirec-tiny", folder / "mirec-tiny")
    given = settings(folder, "BPR", epochs=60, stopping_step=60)
    process = subprocess.Popen(
        [sys.executable, str(SCRIPT), *keys(**given)],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    deadline = time.monotonic() + 300
    while not list(folder.glob("saved/*/last.safetensors")) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "Interrupted." in err
    assert "Traceback" not in err
    assert out == ""
    (run,) = folder.glob("saved/BPR-*")
    assert f"Run folder: {run}" in err
    assert not list(run.glob(".*.part"))
    assert read_run(run).record["status"] == "running"
    assert cli.main(["--resume", str(run)]) == 0
    out, err = capsys.readouterr()
    assert "Resumed from" in err
    assert f"Files: {run}" in out
    record = read_run(run).record
    assert (record["status"], record["n_epochs"]) == ("finished", 60)


def test_a_defect_keeps_its_traceback_and_lacking_memory_is_none(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(error: Exception) -> None:
        def forward(*_: object) -> None:
            raise error

        monkeypatch.setattr("recbole.model.general_recommender.bpr.BPR.calculate_loss", forward)

    given = ["--model=BPR", f"--dataset={NAME}", f"--data_path={folder}", "--epochs=1"]
    broken(ValueError("not the user's fault"))
    with pytest.raises(ValueError, match="not the user's fault"):
        cli.main(given)
    broken(RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to"))
    assert "Not enough memory: DefaultCPUAllocator" in refused(given, capsys)


def test_a_run_that_nobody_watches_says_little(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No bars, no colours, few lines; the file of the log has all of them."""
    given = ["--model=BPR", f"--dataset={NAME}", f"--data_path={folder}", "--stopping_step=99"]
    assert cli.main([*given, "--epochs=40"]) == 0
    err = capsys.readouterr().err
    assert len(err.splitlines()) <= 25
    assert "\x1b" not in err and "\r" not in err
    shown = [line.split("epoch ")[1].split()[0] for line in err.splitlines() if "epoch " in line]
    assert shown == ["1"]  # others by the clock
    (log,) = folder.glob("log/BPR/*.log")
    assert log.read_text().count(" training [") == 40
    (run,) = folder.glob("saved/BPR-*")
    assert read_run(run).record["settings"]["show_progress"] is False


@pytest.mark.parametrize("name", ["log", "saved"])
def test_a_file_where_a_folder_is_wanted(
    name: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / name).write_text("mine")
    given = ["--model=BPR", f"--dataset={NAME}", f"--data_path={folder}", "--epochs=1"]
    assert name in refused(given, capsys)
    assert (folder / name).read_text() == "mine"
