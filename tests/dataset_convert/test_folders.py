"""Which files of a folder are meant, and that none of them lies outside of it."""

from pathlib import Path

import pytest

from dataset_convert.folders import find_default, find_files, inside, name_in
from dataset_convert.problems import ConversionError, Problems


def test_paths_stay_inside(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (root / "up").symlink_to(tmp_path)
    (root / "here").symlink_to(root)
    (root / "loop").symlink_to(root / "loop")
    assert inside(root, "a/b.jpg") == root / "a/b.jpg"
    assert inside(root, "here/b.jpg") == root / "here/b.jpg"
    assert inside(root, "..a/b..jpg") == root / "..a/b..jpg"
    assert inside(root, "a:b") is None
    assert inside(root, "ab:c") == root / "ab:c"
    assert inside(root, "loop") == root / "loop"
    outside = ["..", "../up/a", "a/../../b", "/a", "\\a", "a\\..\\..\\b", "C:a", "\\\\host\\a\\b"]
    for name in [*outside, "up/a", "here/up/a", "up", "a\0b", "\ud800"]:
        assert inside(root, name) is None, name


def test_files_are_sorted_and_found_once(tmp_path: Path) -> None:
    for name in ("b.csv", "a.csv", "[x].csv", "c.tsv"):
        (tmp_path / name).write_text("x")
    (tmp_path / "d.csv").mkdir()
    found = find_files(tmp_path, ["c.tsv", "*.csv", "a.csv"], "files.posts", Problems())
    assert [name_in(tmp_path, path) for path in found] == ["c.tsv", "[x].csv", "a.csv", "b.csv"]
    assert find_files(tmp_path, ["[x].csv"], "files.posts", Problems()) == [tmp_path / "[x].csv"]
    assert find_default(tmp_path, "a", [".csv", ".tsv"], Problems()) == [tmp_path / "a.csv"]
    assert find_default(tmp_path, "z", [".csv"], Problems()) == []
    (tmp_path / "a.tsv").write_text("x")
    with pytest.raises(ConversionError, match=r"found 'a\.csv, a\.tsv'; wanted one file, or the"):
        find_default(tmp_path, "a", [".csv", ".tsv"], Problems())
    with pytest.raises(
        ConversionError, match=r"option 'files\.x': found 'd\.csv'; wanted the name"
    ):
        find_files(tmp_path, ["d.csv"], "files.x", Problems())
