import csv
import io
import tempfile
import tracemalloc
from pathlib import Path

import pandas as pd
import pytest

from dataset_convert import raw
from dataset_convert.name_checks import AccountNames
from dataset_convert.problems import (
    NAME,
    NUMBER,
    OWN,
    TEXT,
    WORD,
    Concealment,
    ConversionError,
    Kind,
    Problems,
)


def some(n: int) -> Problems:
    problems = Problems()
    for row in range(2, 2 + n):
        problems.skip(
            "posts.csv",
            row=row,
            column="likes",
            value=f"x{row}",
            wanted="a number",
            kind=NUMBER,
        )
    return problems


def written(problems: Problems, folder: Path, conceal: Concealment | None = None) -> list[str]:
    """Returns what stands in the file as found."""
    problems.write(folder / "problems.csv", conceal=conceal)
    with (folder / "problems.csv").open(encoding="utf-8", newline="") as file:
        return [row["found"] for row in csv.DictReader(file)]


def names(*accounts: str) -> AccountNames:
    columns = dict.fromkeys(raw.ACCOUNT_COLUMNS, "")
    return AccountNames(pd.DataFrame([{**columns, raw.ACCOUNT: one} for one in accounts]))


def test_the_first_are_told_and_the_rest_counted() -> None:
    place = "posts.csv, row 2, column 'likes': found 'x2'; wanted a number"
    assert some(23).summary() == [
        f"posts.csv: 23 rows left out, e.g. {place}",
        "23 rows in all; problems.csv was not written",
    ]
    assert some(23).summary(written=True)[-1].endswith("; all stand in problems.csv")
    assert some(1).summary() == [f"posts.csv: 1 row left out, {place}"]
    assert some(23).lines(2) == [place, place.replace("2", "3")]
    assert some(23).n_skipped == 23
    problems = some(1)
    for number in range(25):
        problems.note("a.csv", row=2, column="x", value="y", wanted=f"{number:02}")
    assert problems.summary()[20:] == ["... and 6 more kinds"]


def test_all_stand_in_the_file(tmp_path: Path) -> None:
    assert written(some(23), tmp_path) == [f"'x{row}'" for row in range(2, 25)]
    assert [path.name for path in tmp_path.iterdir()] == ["problems.csv"]
    header, first = (tmp_path / "problems.csv").read_text().splitlines()[:2]
    assert header == "row_was,file,sheet,row,column,found,wanted"
    assert first == "left out,posts.csv,,2,likes,'x2',a number"


def test_memory_does_not_grow_with_the_problems(tmp_path: Path) -> None:
    n_rows = 20_000
    tracemalloc.start()
    try:
        problems = some(n_rows)
        problems.write(tmp_path / "problems.csv")
        told = problems.summary()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # As objects they took 20 MB.
    assert peak < 4_000_000
    assert told[-1].startswith(f"{n_rows:,} rows in all")
    assert len((tmp_path / "problems.csv").read_text().splitlines()) == n_rows + 1
    assert problems.skipped_at(n_rows - 1).row == n_rows + 1


def test_names_of_files_that_are_no_text_are_written(tmp_path: Path) -> None:
    problems = Problems()
    problems.skip("caf\udce9.csv", row=2, column="x", value="y", wanted="z")
    assert problems.told()["problems"][0]["file"] == "caf\udce9.csv"
    problems.write(tmp_path / "problems.csv")
    assert "left out,caf\\udce9.csv,,2,x,(hidden),z" in (tmp_path / "problems.csv").read_text()


def test_a_full_disk_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    class Full(io.BytesIO):
        def __init__(self, max_size: int) -> None:
            super().__init__()

        def write(self, content: object) -> int:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(tempfile, "SpooledTemporaryFile", Full)
    with pytest.raises(ConversionError, match="No space left on device; free some space, or name"):
        some(1)


def test_problems_found_while_others_are_read_are_not_lost() -> None:
    problems = some(2)
    for line in problems.lines():
        problems.note("a.csv", row=1, column="", value=line, wanted="\ud800 'quoted', \"twice\"")
    assert len(problems) == 4
    assert "row 3" in str(problems.skipped_at(1))
    assert problems.lines()[-1].endswith("wanted \ud800 'quoted', \"twice\"")


@pytest.mark.parametrize(
    ("kind", "value", "hidden", "under_pseudonyms"),
    [
        (TEXT, "12", True, True),
        (TEXT, "", False, False),
        (NAME, "nobody", False, True),
        (NAME, "", False, False),
        (NUMBER, "12k", False, False),
        (NUMBER, "31 May 2024", False, False),
        (NUMBER, "our day", False, False),
        (NUMBER, "our happy day", True, True),
        (NUMBER, "17841400000000001", False, True),
        (WORD, "agency", False, False),
        (WORD, "acme-foods", False, True),
        (WORD, "mother of two", True, True),
        (WORD, "mother\nof", True, True),
        (OWN, "12,345 characters", False, False),
        (OWN, "no acme foods.npy beside it", False, True),
    ],
)
def test_what_is_concealed(
    kind: Kind, value: str, hidden: bool, under_pseudonyms: bool, tmp_path: Path
) -> None:
    problems = Problems()
    problems.note("a.csv", row=2, column="x", value=value, wanted="y", kind=kind)
    accounts = names("Acme_Foods", "17841400000000001")
    for conceal, expected in (
        (None, hidden),
        (Concealment(), hidden),
        (Concealment(accounts), under_pseudonyms),
    ):
        assert written(problems, tmp_path, conceal) == ["(hidden)" if expected else repr(value)]


def test_files_and_sheets_that_name_an_account_become_numbers(tmp_path: Path) -> None:
    problems = Problems()
    for file, sheet in (("media/posts.csv", ""), ("media/anna.maria.csv", ""), ("acme_foods", "")):
        problems.skip(file, sheet=sheet, row=1, column="", value="x", wanted="y")
    problems.note("all.xlsx", sheet="the Acme Foods", row=1, column="", value="x", wanted="y")
    problems.note("media/acme foods/2.csv", row=1, column="", value="x", wanted="y")
    conceal = Concealment(names("Acme_Foods", "anna_maria"))
    assert [(one["file"], one["kept"]) for one in problems.told(conceal)["problems"]] == [
        ("media/posts.csv", False),
        ("(hidden file 1)", False),
        ("(hidden file 2)", False),
        ("all.xlsx", True),
        ("(hidden file 3)", True),
    ]
    problems.write(tmp_path / "problems.csv", conceal=conceal)
    with (tmp_path / "problems.csv").open(encoding="utf-8") as rows:
        places = [(row["file"], row["sheet"]) for row in csv.DictReader(rows)]
    assert places == [
        ("media/posts.csv", ""),
        ("(hidden file 1)", ""),
        ("(hidden file 2)", ""),
        ("all.xlsx", "(hidden sheet 1)"),
        ("(hidden file 3)", ""),
    ]
    assert "media/anna.maria.csv" in [one.table for one in problems.groups(Concealment())]


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
    assert problems.groups()[-1].example.wanted == "less; it was cut"
    assert "row 9" in problems.lines()[1]
    assert "row 7" in problems.lines()[2]
    problems.write(tmp_path / "problems.csv")
    with (tmp_path / "problems.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [(row["row_was"], row["row"]) for row in rows] == [
        ("left out", "2"),
        ("left out", "9"),
        ("kept", "7"),
    ]
