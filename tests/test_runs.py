"""Folders of runs: what is written and read back, what is refused; and who reads which log line."""

import json
import logging
import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from dataset_convert.common.errors import UsageError
from dataset_convert.holders import RUN_FILE
from recbole_mirec import runs

RECORD = {
    "model": "BPR",
    "dataset": "little",
    "protocol": "new-brand",
    "status": "finished",
    "settings": {"model": "BPR", "dataset": "little"},
}


def finished(folder: Path, when: float, **changes: Any) -> Path:
    run = runs.new_run_folder(folder, "BPR", "little", "new-brand")
    runs.write_record(run, RECORD | changes)
    os.utime(run / RUN_FILE, (when, when))
    return run


def test_two_runs_of_the_same_second_have_folders_of_their_own(tmp_path: Path) -> None:
    folders = {runs.new_run_folder(tmp_path / "saved", "A", "b", "new-brand") for _ in range(20)}
    assert len(folders) == 20
    assert all(path.is_dir() and path.name.startswith("A-b-new-brand-") for path in folders)


def test_what_was_written_comes_back(tmp_path: Path) -> None:
    runs.write_record(tmp_path, RECORD | {"path": Path("x")})
    run = runs.read_run(tmp_path)
    assert (run.folder, run.record) == (tmp_path, RECORD | {"path": "x"})
    runs.write_resolved_config(tmp_path, {"b": Path("x"), "a": [1, None], "c": {"d": 0.5}})
    text = (tmp_path / runs.CONFIG_FILE).read_text()
    assert yaml.safe_load(text) == {"a": [1, None], "b": "x", "c": {"d": 0.5}}


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x", "", "' is no folder of a run: it holds no run.json."),
        ("study.json", "{}", "is no folder of a run: it is a study's, which goes on when its own"),
        ("benchmark.json", "{}", "is no folder of a run: it is a benchmark's, which goes on when"),
        ("run.json", '{"model": "BPR",\n', "is no JSON in UTF-8: Expecting property name"),
        ("run.json", "\udcff", "is no JSON in UTF-8: 'utf-8' codec can't decode byte 0xff"),
        ("run.json", "[" * 100_000, "is no JSON in UTF-8: "),
        ("run.json", "[]", "is no record of a run: Settings must be a mapping. Train again."),
        ("run.json", json.dumps(RECORD | {"settings": [1]}), "'settings' must be a mapping. Rec"),
        ("run.json", json.dumps(RECORD | {"settings": {}}), "Key 'settings: model' is missing."),
        ("run.json", json.dumps({"model": "BPR"}), "Key 'dataset' is missing. Train again."),
    ],
)
def test_a_folder_that_is_no_run(tmp_path: Path, name: str, content: str, message: str) -> None:
    (tmp_path / name).write_bytes(content.encode(errors="surrogateescape"))
    with pytest.raises(UsageError) as caught:
        runs.read_run(tmp_path)
    assert message in str(caught.value)
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_path_that_is_no_folder_or_not_to_be_read_is_no_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UsageError, match=r"nowhere' is no folder of a run: it does not exist\."):
        runs.read_run(tmp_path / "nowhere")
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match=r"file' is no folder of a run: it holds no run\.json"):
        runs.read_run(tmp_path / "file")

    def denied(*_: Any, **__: Any) -> None:
        raise PermissionError(13, "Permission denied", "x")

    monkeypatch.setattr(Path, "read_text", denied)
    with pytest.raises(UsageError, match=r"run\.json' cannot be read: Permission denied\."):
        runs.read_run(tmp_path)


def test_the_newest_finished_run_is_found(tmp_path: Path) -> None:
    finished(tmp_path, 100)
    newest = finished(tmp_path, 300)
    finished(tmp_path, 200)
    finished(tmp_path, 400, status="running")
    finished(tmp_path, 500, protocol="known-brand")
    (finished(tmp_path, 100) / RUN_FILE).write_text("{")  # newer than all of them
    finished(tmp_path, 600, model="BPR-little")
    assert runs.newest_run(tmp_path, "BPR", "little", "new-brand").folder == newest
    assert runs.newest_run(tmp_path, "BPR", "little", None).record["protocol"] == "known-brand"
    with pytest.raises(UsageError, match=r"No finished run of BPR on l\*t .* --model=BPR --data"):
        runs.newest_run(tmp_path, "BPR", "l*t", None)


def test_versions_name_what_figures_depend_on(monkeypatch: pytest.MonkeyPatch) -> None:
    found = runs.versions()
    assert set(runs.PACKAGES) | {"python"} == set(found)
    assert found["recbole"] == "1.2.1"
    assert "not installed" not in found.values()
    monkeypatch.setattr(runs, "PACKAGES", ("no-such-package-of-ours",))
    assert runs.versions()["no-such-package-of-ours"] == "not installed"


def line(level: int, path: str, text: str) -> logging.LogRecord:
    return logging.LogRecord("root", level, path, 1, text, None, None)


@pytest.mark.parametrize(
    ("state", "screen", "file"),
    [
        ("INFO", ["ours", "warning"], ["theirs", "ours", "warning"]),
        ("debug", ["detail", "theirs", "ours", "warning"], ["detail", "theirs", "ours", "warning"]),
        ("error", [], []),
    ],
)
def test_the_screen_gets_what_a_person_needs(
    state: str,
    screen: list[str],
    file: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    runs.start_logging("BPR", "little", state)
    for record in (
        line(logging.DEBUG, "/x/recbole/trainer.py", "detail"),
        line(logging.INFO, "/x/recbole/trainer.py", "\x1b[1;32mtheirs\x1b[0m"),
        line(logging.INFO, runs.__file__, "ours"),
        line(logging.WARNING, "/x/recbole/trainer.py", "warning"),
    ):
        if record.levelno >= logging.getLogger().level:
            logging.getLogger().handle(record)
    logs = [path.read_text() for path in tmp_path.glob("log/BPR/BPR-little-*.log")]
    words = (
        [text.split()[-1] for text in lines.splitlines()]
        for lines in (capsys.readouterr().err, "".join(logs))
    )
    assert list(words) == [screen, file]
    runs.start_logging("BPR", "little", "info", only_file=tmp_path / "own.txt")
    logging.getLogger().handle(line(logging.WARNING, "x", "warning"))
    assert capsys.readouterr().err == ""
    assert "warning" in (tmp_path / "own.txt").read_text()
