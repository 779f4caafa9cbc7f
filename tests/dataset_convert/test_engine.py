"""Files of any packing, encoding and format as tables: the same rows, the right row numbers."""

import bz2
import gzip
import json
import lzma
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openpyxl
import pandas as pd
import pytest

from dataset_convert import input_files, workbooks
from dataset_convert.engine import Engine, How
from dataset_convert.problems import ConversionError, Problems

COLUMNS = {"account": "account", "text": "text", "likes": "likes"}
CSV = 'account,text,likes\na,"hi\n\nthere ""x"" é",3\n\nb,short\n\n\nc,x,5,6\nd,y,\n,,\ne,z,9\n'
KEPT = [(2, "a", 'hi\n\nthere "x" é', "3"), (8, "d", "y", None), (10, "e", "z", "9")]
TOLD = ["row 4: found '2 cells'", "row 7: found '4 cells'"]


def load(
    folder: Path, *files: str, columns: dict[str, str] = COLUMNS, **how: Any
) -> tuple[list[tuple[Any, ...]], list[str]]:
    """Rows without the file's name, and what was told."""
    problems = Problems()
    engine = Engine(folder.resolve(), memory="500MB", threads=2)
    paths = [folder.resolve() / file for file in files]
    given = How(columns=columns, **how)
    found = engine.read(paths, given, problems, needed={"account"}, nested={"labels"})
    return [(row, *cells) for _, row, cells in found], problems.lines(99)


def refusal(folder: Path, file: str, **how: Any) -> str:
    with pytest.raises(ConversionError) as caught:
        load(folder, file, **how)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def packed(folder: Path, name: str, content: bytes) -> None:
    with zipfile.ZipFile(folder / name, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("inside/x.csv", content)
        archive.writestr("__MACOSX/x.csv", b"junk")
        archive.writestr("readme.md", b"no table")


Write = Callable[[Path, bytes], object]
WAYS: dict[str, tuple[str, Write, dict[str, Any]]] = {
    "plain": ("x.csv", lambda p, b: p.write_bytes(b), {}),
    "mark": ("x.csv", lambda p, b: p.write_bytes(b"\xef\xbb\xbf" + b), {}),
    "windows": ("x.csv", lambda p, b: p.write_bytes(b.replace(b"\n", b"\r\n")), {}),
    "old mac": ("x.csv", lambda p, b: p.write_bytes(b.replace(b"\n", b"\r")), {}),
    **{
        codec: ("x.csv", lambda p, b, c=codec: p.write_bytes(b.decode().encode(c)), {})
        for codec in ("utf-16", "utf-16-le", "utf-16-be", "utf-32")
    },
    "latin": (
        "x.csv",
        lambda p, b: p.write_bytes(b.decode().encode("latin-1")),
        {"encoding": "latin-1"},
    ),
    "gzip": ("x.csv.gz", lambda p, b: p.write_bytes(gzip.compress(b, mtime=0)), {}),
    "bz2": ("x.csv.bz2", lambda p, b: p.write_bytes(bz2.compress(b)), {}),
    "xz": ("x.csv.xz", lambda p, b: p.write_bytes(lzma.compress(b)), {}),
    "zip": ("x.zip", lambda p, b: packed(p.parent, p.name, b), {}),
    **{
        f"by {mark!r}": (
            "x.csv",
            lambda p, b, m=mark: p.write_bytes(b.replace(b",", m.encode())),
            {},
        )
        for mark in ";\t|"
    },
    "given delimiter": (
        "x.csv",
        lambda p, b: p.write_bytes(b.replace(b",", b"^")),
        {"delimiter": "^"},
    ),
}


@pytest.mark.parametrize("way", WAYS)
def test_every_way_to_write_a_csv_file_gives_the_same(tmp_path: Path, way: str) -> None:
    file, write, how = WAYS[way]
    write(tmp_path / file, CSV.encode())
    rows, told = load(tmp_path, file, **how)
    assert rows == KEPT
    assert [any(line in one for one in told) for line in TOLD] == [True, True]
    assert len(told) == 2


def test_names_of_files_are_no_patterns(tmp_path: Path) -> None:
    folder = tmp_path / "year=2025 [1]*"
    folder.mkdir()
    for file in ("a[1].csv", "a1.csv", "b*.jsonl", "bb.jsonl", "c?.json", "cc.json"):
        text = "account,text\n{0},b\n" if file.endswith("csv") else '{{"account": "{0}"}}'
        (folder / file).write_text(text.format(file[:2]))
    pd.DataFrame({"account": ["d"]}).to_parquet(folder / "d[x].parquet")
    rows, _ = load(folder, "a[1].csv", "b*.jsonl", "c?.json", "d[x].parquet")
    assert [row[1] for row in rows] == ["a[", "b*", "c?", "d"]


def test_bytes_of_no_utf8_are_read_as_cp1252_and_told(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_bytes(CSV.replace("é", "€").encode("cp1252"))
    rows, told = load(tmp_path, "x.csv")
    assert rows[0][2] == 'hi\n\nthere "x" €'
    assert "x.csv: found 'other bytes'; wanted UTF-8: read as cp1252" in told[-1]
    assert "wanted utf-8 text" in refusal(tmp_path, "x.csv", encoding="utf-8")


@pytest.mark.parametrize(
    ("before", "shift"), [("sep=,\n", 1), ("My list 2025\n\n", 2), ("A,,\n,,\n", 2)]
)
def test_the_header_is_found_below_titles(tmp_path: Path, before: str, shift: int) -> None:
    (tmp_path / "x.csv").write_text(before + CSV)
    rows, told = load(tmp_path, "x.csv")
    assert rows == [(row + shift, *cells) for row, *cells in KEPT]
    assert [f"row {4 + shift}: " in told[0], f"row {7 + shift}: " in told[1]] == [True, True]
    assert load(tmp_path, "x.csv", header_row=1 + shift)[0] == rows
    assert "a header in row 99" in refusal(tmp_path, "x.csv", header_row=99)


def test_spaces_before_quotes_and_a_last_delimiter_are_no_cells(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text('account,text\na, "b, ""c"""\nd,e,\n')
    rows, told = load(tmp_path, "x.csv")
    assert (rows, told) == ([(2, "a", 'b, "c"', None), (3, "d", "e", None)], [])
    (tmp_path / "x.json").write_text('[{"account": "a", "likes": NaN}]')
    assert load(tmp_path, "x.json")[0] == [(1, "a", None, "NaN")]


def test_a_name_twice_is_told_and_the_other_can_be_named(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("account,text,text\na,b,c\n")
    rows, told = load(tmp_path, "x.csv")
    assert rows[0][2] == "b"
    assert "row 1, column 'text': found 'several columns of this name'" in told[0]
    assert load(tmp_path, "x.csv", columns={**COLUMNS, "text": "text[2]"})[0][0][2] == "c"


def test_rows_are_chosen_and_filled_down(tmp_path: Path) -> None:
    text = "account,text,status\na,b,Done\n,c, done\nb,c,no\n,d,live\n"
    (tmp_path / "x.csv").write_text(text)
    how = {"fill_down": ["account"], "where": {"status": ["done", "live"]}}
    rows, _ = load(tmp_path, "x.csv", **how)
    assert [row[:3] for row in rows] == [(2, "a", "b"), (3, "a", "c"), (5, "b", "d")]
    assert "column 'state'" in refusal(tmp_path, "x.csv", where={"state": "x"})


WIDE = "user,p/0/t,p/0/l,p/1/t,p/1/l,p/10/t,p/10/l\nu,a,1,b,2,z,\nv,c,3,,,,\n"


@pytest.mark.parametrize(
    ("columns", "path"),
    [
        ({"account": "user", "text": "p/0/t", "likes": "p/0/l"}, None),
        ({"account": "user", "text": "p/*/t", "likes": "p/*/l"}, None),
        ({"account": "user", "text": "t", "likes": "l"}, "p[]"),
    ],
)
def test_wide_columns_are_gathered(
    tmp_path: Path, columns: dict[str, str], path: str | None
) -> None:
    (tmp_path / "x.csv").write_text(WIDE)
    rows, _ = load(tmp_path, "x.csv", columns=columns, path=path)
    assert rows == [(2, "u", "a", "1"), (2, "u", "b", "2"), (2, "u", "z", None), (3, "v", "c", "3")]


OBJECTS: list[dict[str, Any]] = [
    {"account": 17841400000000001, "text": "hi\r\nx", "labels": {"cup": 0.5}, "likes": -1},
    {"account": "b", "text": None, "likes": 1.50},
    {"account": "c/d", "text": "🍞 ü"},
]
JSON_ROWS = [
    (1, "17841400000000001", "hi\nx", "-1", '{"cup":0.5}'),
    (2, "b", None, "1.5", None),
    (3, "c/d", "🍞 ü", None, None),
]


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("x.jsonl", "".join(json.dumps(one) + "\n" for one in OBJECTS)),
        ("x.ndjson", "\r\n".join(json.dumps(one, ensure_ascii=False) for one in OBJECTS)),
        ("x.json", json.dumps(OBJECTS, indent=1)),
        ("x.json", "\ufeff" + json.dumps(OBJECTS)),
        ("x.json", "".join(json.dumps(one, indent=2) + "\n" for one in OBJECTS)),
    ],
)
def test_json_in_any_layout(tmp_path: Path, file: str, content: str) -> None:
    (tmp_path / file).write_bytes(content.encode())
    rows, told = load(tmp_path, file, columns={**COLUMNS, "labels": "labels"})
    assert (rows, told) == (JSON_ROWS, [])


def test_rows_that_sum_up_are_left_out_and_told(tmp_path: Path) -> None:
    text = "account;text\na;x\nTotal;1.200 €\nTotal;We make oil\nGesamt;40\n"
    (tmp_path / "x.csv").write_text(text, encoding="utf-8")
    rows, told = load(tmp_path, "x.csv")
    assert [row[:2] for row in rows] == [(2, "a"), (4, "Total")]
    assert [line.split(":")[0] for line in told] == ["x.csv, row 3", "x.csv, row 5"]


def test_a_star_is_any_value(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("account,b\na,n/a\nc,d\ne,\n")
    rows, _ = load(tmp_path, "x.csv", columns={"account": "account"}, where={"b": ["*"]})
    assert rows == [(3, "c")]


def test_bad_lines_of_json_are_told_by_number(tmp_path: Path) -> None:
    lines = [
        '{"account": "a"}',
        "",
        "bad",
        '{"account": "\\ud83cx"}',
        "[1]",
        '{"account": ["x", 1]}',
    ]
    (tmp_path / "x.jsonl").write_text("\n".join(lines))
    rows, told = load(tmp_path, "x.jsonl")
    assert [row[:2] for row in rows] == [(1, "a"), (4, "?x"), (6, None)]
    assert [line.split(":")[0] for line in told] == [
        "x.jsonl, row 3",
        "x.jsonl, row 5",
        "x.jsonl, row 6, column 'account'",
    ]
    (tmp_path / "x.jsonl").write_text("bad\nworse\n")
    assert "x.jsonl: found 'bad'; wanted one JSON object a line" in refusal(tmp_path, "x.jsonl")
    (tmp_path / "x.json").write_text('{"account": ')
    assert "wanted JSON that is whole" in refusal(tmp_path, "x.json")


NESTED = [
    {"o": {"user": "u", "id": 1, "m": {"data": [{"t": "a", "id": 7}, {"t": "b"}]}}},
    {"o": {"user": "v", "m": {"data": []}}},
    {"o": {"user": "w"}},
]


@pytest.mark.parametrize(
    ("columns", "path"),
    [
        ({"account": "o.user", "text": "o.m.data.t", "likes": "o.m.data.id"}, None),
        ({"account": "o.user", "text": "t", "likes": "id"}, "o.m.data[]"),
        ({"account": "o.user", "text": "o.m.data[].t", "likes": "id"}, "o.m.data[]"),
    ],
)
def test_lists_within_objects(tmp_path: Path, columns: dict[str, str], path: str | None) -> None:
    for number, one in enumerate(NESTED):
        (tmp_path / f"{number}.json").write_text(json.dumps(one, indent=1))
    rows, _ = load(tmp_path, "0.json", "1.json", "2.json", columns=columns, path=path)
    assert rows == [(1, "u", "a", "7"), (1, "u", "b", None)]
    wrong = {**columns, "account": "o.usr"}
    assert "column 'o.usr'" in refusal(tmp_path, "0.json", columns=wrong, path=path)


def test_json_keyed_by_names(tmp_path: Path) -> None:
    content = {"at": {"a": {"t": "x", "posts": [{"n": 1}]}, "b": {"t": "y", "posts": [{"n": 2}]}}}
    (tmp_path / "x.json").write_text(json.dumps(content, indent=1))
    columns = {"account": "{}", "text": "t"}
    rows, _ = load(tmp_path, "x.json", columns=columns, path="at{}")
    assert rows == [(1, "a", "x"), (1, "b", "y")]
    columns = {"account": "at.{}", "likes": "n"}
    rows, _ = load(tmp_path, "x.json", columns=columns, path="at{}.posts[]")
    assert rows == [(1, "a", "1"), (1, "b", "2")]


def test_a_place_is_the_same_in_all_rows(tmp_path: Path) -> None:
    """An element without a key that others have has nothing there, whatever stands further out."""
    content = {"t": "no", "user": "u", "l": [{"n": 1}, {"n": 2, "t": "x"}]}
    (tmp_path / "x.json").write_text(json.dumps(content))
    columns = {"account": "user", "text": "t", "likes": "n"}
    rows, _ = load(tmp_path, "x.json", columns=columns, path="l[]")
    assert rows == [(1, "u", None, "1"), (1, "u", "x", "2")]


def test_parquet(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "account": ["a", "b"],
            "likes": [1.0, float("nan")],
            "labels": [{"cup": 0.5}, None],
            "text": pd.to_datetime(["2023-11-14T22:13:20Z", None]),
        }
    )
    frame.to_parquet(tmp_path / "x.parquet")
    rows, _ = load(tmp_path, "x.parquet", columns={**COLUMNS, "labels": "labels"})
    assert rows == [
        (1, "a", "2023-11-14 22:13:20+00", "1.0", '{"cup":0.5}'),
        (2, "b", None, None, None),
    ]
    (tmp_path / "y.parquet").write_bytes(b"PAR1")
    assert "wanted a Parquet file" in refusal(tmp_path, "y.parquet")


def test_workbooks(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    for row in (["Title"], [], ["account", "text", "likes"], ["a", "x", 12400.0]):
        sheet.append(row)
    sheet.append([None, "y", 1.5])
    sheet.append(["b", pd.Timestamp("2025-10-26 18:46"), None])
    sheet.merge_cells("A4:A5")
    sheet["D4"] = "=1+1"
    book.create_sheet("Other").append(["account", "text"])
    book.create_sheet("Notes").append(["x"])
    book.save(tmp_path / "x.xlsx")
    rows, told = load(tmp_path, "x.xlsx", sheet="Sheet")
    assert told == [
        "x.xlsx: found 'formulas'; "
        "wanted values: of formulas the results that the file holds are read"
    ]
    expected = [(4, "a", "x", "12400"), (5, "a", "y", "1.5"), (6, "b", "2025-10-26T18:46:00", None)]
    assert rows == expected
    del book["Other"]
    book.save(tmp_path / "x.xlsx")
    assert load(tmp_path, "x.xlsx")[0] == expected
    assert "a sheet 'Shet', as option 'sheet' says" in refusal(tmp_path, "x.xlsx", sheet="Shet")
    assert "wanted one that has 'z'" in refusal(tmp_path, "x.xlsx", columns={"account": "z"})


REFUSED = [
    ("x.csv", b"", "found ''; wanted a header in row 1"),
    ("x.csv", b"account,text\n", "wanted at least one row"),
    ("x.csv", b'account,text\na,"b\nc,d\n', "row 2: .*every quote closed"),
    ("x.csv", b'account,text\na,"b"c\nc,d\n', "row 2: .*every quote closed"),
    ("x.csv", b"account,text\na,b\nc;d\n", "row 3: found 'c;d'; wanted one delimiter"),
    ("x.csv", b"account,text;likes\na,b\n", "row 1: .*one delimiter throughout"),
    ("x.csv", b"acount,text\na,b\n", "column 'account': .*such as 'acount'"),
    ("x.jsonl", b'{"account":' + b"[" * 200 + b"]" * 200 + b"}", "at most 128 levels"),
    ("x.json", b'{"account":' + b"[" * 200 + b"]" * 200 + b"}", "at most 128 levels"),
    ("x.csv.gz", gzip.compress(b"account\n" * 99, mtime=0)[:-9], "an archive that is whole"),
    ("x.zip", b"PK\3\4", "an archive that is whole"),
    ("x.xlsx", b"PK\3\4", "a workbook that is whole"),
    ("x.pdf", b"%PDF", "a file ending in .csv"),
]


@pytest.mark.parametrize(("file", "content", "match"), REFUSED)
def test_files_that_cannot_be_trusted(
    tmp_path: Path, file: str, content: bytes, match: str
) -> None:
    (tmp_path / file).write_bytes(content)
    with pytest.raises(ConversionError, match=match):
        load(tmp_path, file)


def test_bounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(input_files, "MAX_LINE", 5_000)
    monkeypatch.setattr(input_files, "MAX_OBJECT", 3_000)
    for module in (input_files, workbooks):
        monkeypatch.setattr(module, "FREE_BYTES", 10_000)
    monkeypatch.setattr(input_files, "_BLOCK", 1_000)
    (tmp_path / "x.csv").write_bytes(b"account,text\na,b" + b"x" * 9_000 + b"\n")
    assert "a line of more than 5,000 bytes" in refusal(tmp_path, "x.csv")
    (tmp_path / "x.jsonl").write_text(json.dumps({"account": "x" * 4_000}))
    assert "row 1: found 'a line that is longer'" in refusal(tmp_path, "x.jsonl")
    (tmp_path / "x.json").write_text(json.dumps({"account": "x" * 4_000}))
    assert "row 1: found 'a larger one, or none" in refusal(tmp_path, "x.json")
    (tmp_path / "x.csv.gz").write_bytes(gzip.compress(b"account\n" + b"a\n" * 10**6, mtime=0))
    assert "bytes unpacked" in refusal(tmp_path, "x.csv.gz")
    with zipfile.ZipFile(tmp_path / "x.xlsx", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/workbook.xml", b" " * 10**7)
    assert "bytes unpacked" in refusal(tmp_path, "x.xlsx")


def test_scratch_goes_with_the_process(tmp_path: Path) -> None:
    """After an end of its own at once; after SIGKILL with the next one."""
    code = (
        "from pathlib import Path; from dataset_convert.engine import Engine; import os, signal\n"
        "engine = Engine(Path('.'), memory='100MB'); print(engine.scratch, flush=True)\n"
    )
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    for end, is_left in (("", False), ("os.kill(os.getpid(), signal.SIGKILL)", True)):
        done = subprocess.run(
            [sys.executable, "-c", code + end], env=environment, capture_output=True, text=True
        )
        assert Path(done.stdout.strip()).exists() is is_left, done.stderr
    subprocess.run([sys.executable, "-c", code], env=environment, check=True, capture_output=True)
    assert list(tmp_path.iterdir()) == []
    assert tempfile.gettempdir() != str(tmp_path)
