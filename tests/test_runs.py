import json
import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from dataset_convert.common.errors import UsageError
from recbole_mirec import runs

RECORD = {
    "model": "BPR",
    "dataset": "little",
    "protocol": "new-brand",
    "status": "finished",
    "settings": {},
}


def finished(folder: Path, when: float, **changes: Any) -> Path:
    run = runs.new_run_folder(folder, "BPR", "little", "new-brand")
    runs.write_record(run, RECORD | changes)
    os.utime(run / runs.RUN_FILE, (when, when))
    return run


def test_two_runs_of_the_same_second_have_folders_of_their_own(tmp_path: Path) -> None:
    folders = {runs.new_run_folder(tmp_path / "saved", "A", "b", "new-brand") for _ in range(20)}
    assert len(folders) == 20
    assert all(path.is_dir() and path.name.startswith("A-b-new-brand-") for path in folders)


def test_what_was_written_comes_back(tmp_path: Path) -> None:
    record = {key: key for key in runs.RECORD_TYPES} | {"settings": {"seed": 1}, "path": Path("x")}
    runs.write_record(tmp_path, record)
    run = runs.read_run(tmp_path)
    assert run.folder == tmp_path
    assert run.record["model"] == "model"
    assert run.record["path"] == "x"


def test_the_resolved_configuration_is_plain_yaml(tmp_path: Path) -> None:
    runs.write_resolved_config(tmp_path, {"b": Path("x"), "a": [1, None], "c": {"d": 0.5}})
    text = (tmp_path / runs.CONFIG_FILE).read_text()
    assert yaml.safe_load(text) == {"a": [1, None], "b": "x", "c": {"d": 0.5}}


def test_a_failed_write_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs.write_text(tmp_path / "x.txt", "old")

    def stop(self: Path, target: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", stop)
    with pytest.raises(KeyboardInterrupt):
        runs.write_text(tmp_path / "x.txt", "new")
    assert (tmp_path / "x.txt").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["x.txt"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "is no folder of a run: it holds no run.json."),
        ('{"model": "BPR",\n', "line 2: "),
        ("[]", "is no record of a run: it lacks 'model'. Train again."),
        (json.dumps(RECORD | {"settings": [1]}), "'settings' must be a mapping. Received: [1]. Tr"),
        (json.dumps(RECORD | {"protocol": None}), "'protocol' must be a word. Received: None."),
        ("\udcff", "is no UTF-8 text. Train again."),
        ('{"model": "BPR"}', "is no record of a run: it lacks 'dataset'. Train again."),
    ],
)
def test_a_folder_that_is_no_run(tmp_path: Path, content: str | None, message: str) -> None:
    if content is not None:
        (tmp_path / runs.RUN_FILE).write_bytes(content.encode(errors="surrogateescape"))
    with pytest.raises(UsageError) as caught:
        runs.read_run(tmp_path)
    assert message in str(caught.value)
    assert str(tmp_path) in str(caught.value)


def test_the_newest_finished_run_is_found(tmp_path: Path) -> None:
    finished(tmp_path, 100)
    newest = finished(tmp_path, 300)
    finished(tmp_path, 200)
    finished(tmp_path, 400, status="running")
    finished(tmp_path, 500, protocol="known-brand")
    for damage in ("{", "[]"):
        path = finished(tmp_path, 100)
        (path / runs.RUN_FILE).write_text(damage)  # newer than all of them
    finished(tmp_path, 600, model="BPR-little")  # a name that the pattern fits by accident
    assert runs.newest_run(tmp_path, "BPR", "little", "new-brand").folder == newest
    assert runs.newest_run(tmp_path, "BPR", "little", None).record["protocol"] == "known-brand"


def test_without_a_finished_run_the_remedy_is_named(tmp_path: Path) -> None:
    finished(tmp_path, 1, status="running")
    with pytest.raises(UsageError, match=r"No finished run of BPR on little .* --model=BPR --data"):
        runs.newest_run(tmp_path, "BPR", "little", None)


def test_versions_name_what_figures_depend_on() -> None:
    found = runs.versions()
    assert set(runs.PACKAGES) | {"python"} == set(found)
    assert found["recbole"] == "1.2.1"
    assert "not installed" not in found.values()


def test_a_package_that_is_missing_is_said_to_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "PACKAGES", ("no-such-package-of-ours",))
    assert runs.versions()["no-such-package-of-ours"] == "not installed"


def test_the_record_is_json(tmp_path: Path) -> None:
    runs.write_record(tmp_path, {"a": 1})
    assert json.loads((tmp_path / "run.json").read_text()) == {"a": 1}
