import csv
from pathlib import Path

import pytest

from dataset_convert.problems import ConversionError, Problems


def some(n: int) -> Problems:
    problems = Problems()
    for row in range(2, 2 + n):
        problems.skip("posts.csv", row=row, column="likes", value=f"x{row}", wanted="a number")
    return problems


def test_the_first_are_told_and_the_rest_counted() -> None:
    lines = some(23).lines()
    assert lines[0] == "posts.csv, row 2, column 'likes': found 'x2'; wanted a number"
    assert len(lines) == 21
    assert lines[-1] == "... and 3 more; all stand in problems.csv"
    assert some(20).lines()[-1].startswith("posts.csv, row 21")
    assert some(23).counts() == {"posts.csv: wanted a number": 23}
    assert some(23).n_skipped == 23


def test_all_stand_in_the_file_with_values_concealed(tmp_path: Path) -> None:
    some(23).write(tmp_path / "problems.csv", conceal=lambda _: "(hidden)")
    with (tmp_path / "problems.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["row"] for row in rows] == [str(row) for row in range(2, 25)]
    assert {row["found"] for row in rows} == {"(hidden)"}
    assert [path.name for path in tmp_path.iterdir()] == ["problems.csv"]


def test_a_file_that_cannot_be_trusted_stops() -> None:
    with pytest.raises(ConversionError) as caught:
        Problems().refuse("a.xlsx", sheet="one", value="y" * 99, wanted="a header\nof words")
    told = str(caught.value)
    assert told.startswith("a.xlsx, sheet 'one': found 'yyy")
    assert told.endswith("...'; wanted a header of words.")


def test_rows_that_stay_are_told_apart_from_rows_left_out(tmp_path: Path) -> None:
    problems = some(1)
    problems.note("a.csv", row=7, column="text", value="long", wanted="less; it was cut")
    problems.skip("a.csv", row=9, column="id", value="", wanted="an id")
    assert (problems.n_skipped, len(problems)) == (2, 3)
    assert problems.noted_counts() == {"a.csv: wanted less; it was cut": 1}
    assert sum(problems.counts().values()) == 2
    assert "row 9" in problems.lines()[1]
    assert "row 7" in problems.lines()[2]
    assert problems.lines(2)[2] == "... and 1 more; all stand in problems.csv"
    problems.write(tmp_path / "problems.csv")
    with (tmp_path / "problems.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [(row["row_was"], row["row"]) for row in rows] == [
        ("left out", "2"),
        ("left out", "9"),
        ("kept", "7"),
    ]
