import os
import subprocess
import sys
from pathlib import Path

import pytest

from dataset_convert.common import files
from dataset_convert.common.files import folder_in_the_making, recover


def write(folder: Path, text: str) -> None:
    with folder_in_the_making(folder) as making:
        (making / "a.txt").write_text(text)


def no_exchange(one: Path, other: Path) -> bool:
    return False


@pytest.fixture(params=["exchanged", "renamed"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """How folders are replaced: as this system can, or as any system can."""
    if request.param == "renamed":
        monkeypatch.setattr(files, "_exchange", no_exchange)
    return str(request.param)


@pytest.mark.usefixtures("way")
def test_a_folder_is_made_and_replaced_as_a_whole(tmp_path: Path) -> None:
    folder = tmp_path / "data" / "set"
    write(folder, "old")
    (folder / "other.txt").write_text("of the old one")
    write(folder, "new")
    assert (folder / "a.txt").read_text() == "new"
    assert [path.name for path in folder.iterdir()] == ["a.txt"]
    assert [path.name for path in folder.parent.iterdir()] == ["set"]


@pytest.mark.usefixtures("way")
def test_of_a_link_the_folder_behind_it_is_replaced(tmp_path: Path) -> None:
    write(tmp_path / "disk" / "set", "old")
    (tmp_path / "data").mkdir()
    link = tmp_path / "data" / "set"
    link.symlink_to(tmp_path / "disk" / "set")
    write(link, "new")
    assert link.is_symlink()
    assert (tmp_path / "disk" / "set" / "a.txt").read_text() == "new"
    assert [path.name for path in (tmp_path / "disk").iterdir()] == ["set"]
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["set"]


@pytest.mark.usefixtures("way")
def test_what_fails_leaves_the_old_one(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    write(folder, "old")
    with pytest.raises(KeyboardInterrupt), folder_in_the_making(folder) as making:
        (making / "a.txt").write_text("half")
        raise KeyboardInterrupt
    assert (folder / "a.txt").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["set"]


def test_on_linux_two_folders_are_exchanged_in_one_step(tmp_path: Path) -> None:
    if not sys.platform.startswith("linux"):
        pytest.skip("the exchange is a system call of Linux")
    write(tmp_path / "one", "1")
    write(tmp_path / "two", "2")
    assert files._exchange(tmp_path / "one", tmp_path / "two")
    assert (tmp_path / "one" / "a.txt").read_text() == "2"
    assert not files._exchange(tmp_path / "one", tmp_path / "none")


def test_the_old_one_comes_back_where_the_new_one_cannot_take_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "set"
    write(folder, "old")
    rename = Path.rename

    def refuse_new(self: Path, target: Path) -> Path:
        if ".making-" in self.name:
            raise OSError("disk full")
        return rename(self, target)

    monkeypatch.setattr(files, "_exchange", no_exchange)
    monkeypatch.setattr(Path, "rename", refuse_new)
    with pytest.raises(OSError, match="disk full"):
        write(folder, "new")
    assert (folder / "a.txt").read_text() == "old"


def ended_process() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_what_killed_processes_left_is_put_back_or_cleared_away(tmp_path: Path) -> None:
    gone = ended_process()
    aside = tmp_path / f".set.aside-{gone}"
    aside.mkdir()
    (aside / "a.txt").write_text("old")
    (tmp_path / f".set.making-{gone}").mkdir()
    of_a_running_one = tmp_path / f".set.making-{os.getppid()}"
    of_a_running_one.mkdir()
    of_somebody_else = tmp_path / ".set.making-of"
    of_somebody_else.mkdir()
    recover(tmp_path / "set")
    assert (tmp_path / "set" / "a.txt").read_text() == "old"
    assert sorted(tmp_path.iterdir()) == sorted(
        [tmp_path / "set", of_a_running_one, of_somebody_else]
    )
