"""The rooms that read files: places, lines, values and options, each by itself."""

import csv
import json
import math
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa  # type: ignore[import-untyped]
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from dataset_convert.problems import OWN, ConversionError, Problems
from dataset_convert.reading import delimited, lines, values
from dataset_convert.reading import parquet as reading_parquet
from dataset_convert.reading.files import find_default, find_files, fingerprint, inside, name_in
from dataset_convert.reading.json_lines import parse_json, read_json_lines
from dataset_convert.reading.parquet import BATCH, read_parquet
from dataset_convert.reading.records import Record, Table
from dataset_convert.reading.values import BadValue

A_DAY = 86_400


def table(path: Path, columns: dict[str, str], *needed: str, **more: Any) -> Table:
    settings: dict[str, Any] = {"encoding": "utf-8", "delimiter": None, **more}
    return Table(path.parent, (path,), columns, frozenset(needed), **settings)


def rows(path: Path, *columns: str) -> list[Record]:
    return list(table(path, {name: name for name in columns}).records(Problems()))


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


def test_rows_of_a_csv_file_are_counted_as_in_a_spreadsheet(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(
        b'\xef\xbb\xbf id ,text,\r\n1,"two\r\nlines",\r\n\r\n,,\r\n3,"say ""hi""",\r\n'
    )
    assert [(r.file, r.row, r.values) for r in rows(path, "id", "text", "none")] == [
        ("a.csv", 2, {"id": "1", "text": "two\r\nlines", "none": None}),
        ("a.csv", 5, {"id": "3", "text": 'say "hi"', "none": None}),
    ]


def test_a_csv_file_of_one_column_and_old_line_ends(tmp_path: Path) -> None:
    path = tmp_path / "a.CSV"
    path.write_bytes(b"id\ra;b\rc\r")
    assert [r.values["id"] for r in rows(path, "id")] == ["a;b", "c"]


def test_rows_with_another_number_of_cells(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("a,b,c\n1,2,3\n1,2\n1,2,3;4;5,6\n7,8,9\n")
    problems = Problems()
    columns = {"a": "a"}
    assert [r.row for r in table(path, columns).records(problems)] == [2, 5]
    assert problems.lines() == [
        "a.csv, row 3: found '2 cells'; wanted as many cells as the header has",
        "a.csv, row 4: found '4 cells'; wanted as many cells as the header has",
    ]


def test_lines_too_long_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "MAX_LINE", 5)
    path = tmp_path / "a.txt"
    path.write_text("1234\n12345\n")
    with pytest.raises(ConversionError, match="found 'line 2'; wanted lines of up to 5 characters"):
        list(lines.read_lines(path, "a.txt", "utf-8", Problems()))


@pytest.mark.parametrize(
    ("content", "encoding", "match"),
    [
        (b"ab\ncaf\xe9 x\n", "utf-8", r"'line 2: caf\\udce9 x.*wanted utf-8 text; option"),
        (b"\xff\xfei\x00d", "utf-8", "line 1: "),
        (b"\xff\xfei\x00d\x00\x00", "utf-16", "after line 0: .*wanted utf-16 text"),
        (b"a\x81", "cp1252", "line 1: a"),
    ],
)
def test_bytes_of_another_encoding(
    tmp_path: Path, content: bytes, encoding: str, match: str
) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(content)
    with pytest.raises(ConversionError, match=match):
        list(lines.read_lines(path, "a.txt", encoding, Problems()))


def test_files_that_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(ConversionError, match="'Is a directory'; wanted a readable file"):
        list(lines.read_lines(tmp_path, "a.txt", "utf-8", Problems()))
    (tmp_path / "b").mkdir()
    with pytest.raises(
        ConversionError, match=r"^b: found 'Is a directory'; wanted a readable file"
    ):
        fingerprint(tmp_path, [tmp_path / "b"], "", Problems())
    path = tmp_path / "a.txt"
    path.write_text("id")
    with pytest.raises(
        ConversionError, match=r"found '\.txt'; wanted a file ending in \.csv, \.tsv"
    ):
        rows(path, "id")


def test_json_lines(tmp_path: Path) -> None:
    path = tmp_path / "a.ndjson"
    good = '{"id": 1, "a.b": 2, "a": {"b": 3, "c": null}}'
    bad = ["[1]", "{", '{"id": NaN}', '{"id": Infinity}', "[" * 100_000, "1" * 5000]
    path.write_text("\n".join([good, "", *bad, '{"a": [1]}']))
    problems = Problems()
    found = table(path, {"x": "a.b", "y": "a.c", "z": "a.b.c", "id": "id"}, "y").records(problems)
    assert [(r.row, list(r.values.values())) for r in found] == [
        (1, [2, None, None, 1]),
        (9, [None, None, None, None]),
    ]
    assert problems.n_skipped == len(bad)
    assert problems.lines()[0] == (
        "a.ndjson, row 3: found '[1]'; wanted one JSON object a line, without NaN and Infinity"
    )
    path.write_text("[\n{}]\n")
    with pytest.raises(ConversionError, match=r"a: found '\[.*one JSON object a line"):
        list(read_json_lines(path, "a", Problems()))
    assert parse_json("{}") == {}


def test_parquet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.parquet"
    n_rows = BATCH + 3
    moment = datetime(2024, 5, 31, tzinfo=UTC)
    pd.DataFrame({"id": range(n_rows), "a": [{"b": moment}] * n_rows}).to_parquet(path)
    found = list(table(path, {"id": "id", "t": "a.b"}, "t").records(Problems()))
    assert [r.row for r in found] == list(range(1, n_rows + 1))
    assert found[-1].values == {"id": n_rows - 1, "t": moment}
    with pytest.raises(ConversionError, match="column 'z': found 'id, a'; wanted this column"):
        list(table(path, {"id": "z"}, "id").records(Problems()))
    content = path.read_bytes()
    path.write_bytes(content[:-9] + content[-8:])
    with pytest.raises(ConversionError, match=r"after row 0: .* wanted a Parquet file"):
        rows(path, "id")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(
        ConversionError, match=r"^Parquet files need a package: pip install pyarrow$"
    ):
        list(read_parquet(path, "a", columns=["id"], check_header=print, problems=Problems()))


def read_all(path: Path, *columns: str) -> list[dict[str, Any]]:
    rows = read_parquet(path, "a", columns=columns, check_header=print, problems=Problems())
    return [values for _, values in rows]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"row_group_size": 700},
        {"dictionary_pagesize_limit": 1000},
        {"use_dictionary": False},
        {"use_dictionary": False, "column_encoding": {"text": "DELTA_BYTE_ARRAY"}},
        {"use_dictionary": ["large"], "column_encoding": {"text": "DELTA_LENGTH_BYTE_ARRAY"}},
    ],
)
def test_every_value_of_a_parquet_file_is_read_as_it_stands(
    tmp_path: Path, options: dict[str, Any]
) -> None:
    numbers = range(BATCH + 1000)
    texts = [None if i % 7 == 0 else f"é{i % 900}" * (i % 5) for i in numbers]
    content = pa.table(
        {
            "text": texts,
            "large": pa.array(texts, pa.large_string()),
            "packed": pa.array(texts).dictionary_encode(),
            "bytes": pa.array([f"{i}".encode() for i in numbers]),
            "nested": [{"text": text, "more": {"likes": i}} for i, text in enumerate(texts)],
            "list": [[text] * (i % 3) for i, text in enumerate(texts)],
            "labels": pa.array(
                [[(f"l{i % 11}", i / 7)] if i % 5 else None for i in numbers],
                pa.map_(pa.string(), pa.float64()),
            ),
            "a.b": texts,
            "nothing": pa.nulls(len(numbers)),
            "left out": texts,
        }
    )
    path = tmp_path / "a.parquet"
    parquet.write_table(content, path, **options)
    wanted = [name for name in content.column_names if name != "left out"]
    assert read_all(path, *wanted[:4], "nested.more", *wanted[5:]) == (
        content.select(wanted).to_pylist()
    )
    assert read_all(path, "unknown") == [{}] * len(numbers)


@pytest.mark.parametrize("kind", ["dictionary", "prefix", "list"])
def test_packed_text_is_unpacked_for_a_few_rows_at_a_time(tmp_path: Path, kind: str) -> None:
    path, length, n_rows = tmp_path / "a.parquet", 4_000_000, 100
    if kind == "dictionary":
        indices = pa.array([0] * n_rows, pa.int32())
        parquet.write_table(
            pa.table({"text": pa.DictionaryArray.from_arrays(indices, ["x" * length])}),
            path,
            compression="zstd",
            store_schema=False,
        )
    elif kind == "prefix":
        parquet.write_table(
            pa.table({"text": [f"{'x' * length}{i}" for i in range(n_rows)]}),
            path,
            compression="zstd",
            use_dictionary=False,
            column_encoding={"text": "DELTA_BYTE_ARRAY"},
        )
    else:
        parquet.write_table(
            pa.table({"text": [["x" * length] * 2] * n_rows}), path, compression="zstd"
        )
    assert path.stat().st_size < 100_000
    code = (
        "import sys, tracemalloc, pathlib, pyarrow\n"
        "from dataset_convert.problems import Problems\n"
        "from dataset_convert.reading.parquet import read_parquet\n"
        "tracemalloc.start()\n"
        "rows = read_parquet(pathlib.Path(sys.argv[1]), 'a', columns=['text'],\n"
        "                    check_header=len, problems=Problems())\n"
        "n = sum(len(''.join(values['text'])) for _, values in rows)\n"
        "memory = pyarrow.default_memory_pool().max_memory() + tracemalloc.get_traced_memory()[1]\n"
        "print(n, memory)"
    )
    told = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True
    )
    n_characters, memory = map(int, told.stdout.split())
    assert n_characters >= n_rows * length
    # Unpacked at once the column has 400 MB in Arrow and again in Python.
    assert memory < 300_000_000


def test_a_parquet_column_that_would_fill_the_memory_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading_parquet, "FREE_BYTES", 100_000)
    path = tmp_path / "a.parquet"

    def write(*columns: list[Any], **options: Any) -> None:
        content = {f"c{i}": column for i, column in enumerate(columns)}
        parquet.write_table(pa.table(content), path, use_dictionary=False, **options)

    write(["x" * 1000] * 500, compression="zstd")
    with pytest.raises(
        ConversionError,
        match=r"^a, column 'c0': found '50\d,\d{3} bytes in 500 rows'; wanted at most 65,536 "
        r"bytes a row, packed up to 200-fold\.$",
    ):
        read_all(path, "c0")
    random = np.random.default_rng(3)
    long = [random.bytes(70_000) for _ in range(2)]
    write([1, 2], long, [[1.5], [2.5] * 20_000], compression="none")
    with pytest.raises(ConversionError, match=r"column 'c1': found '140,\d{3} bytes in 2 rows'"):
        read_all(path, "c0", "c1")
    with pytest.raises(ConversionError, match=r"column 'c2.list.element': found '160,0\d\d bytes"):
        read_all(path, "c2")
    assert read_all(path, "c0") == [{"c0": 1}, {"c0": 2}]
    monkeypatch.setattr(reading_parquet, "FREE_BYTES", 160_100)
    assert [row["c1"] for row in read_all(path, "c0", "c1")] == long


def test_a_parquet_row_that_would_fill_the_memory_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading_parquet, "PIECE", 1000)
    monkeypatch.setattr(reading_parquet, "MAX_ROW", 3000)
    path = tmp_path / "a.parquet"
    texts = ["a", "b" * 2990, "c", "d" * 800, "e" * 800, "f"]
    parquet.write_table(pa.table({"text": texts}), path)
    assert [row["text"] for row in read_all(path, "text")] == texts
    for large in ("g" * 2993, [["g" * 500] * 6], {"a": "g" * 2993}):
        filler = type(large)()
        parquet.write_table(pa.table({"text": [filler, large, filler]}), path)
        with pytest.raises(
            ConversionError,
            match=r"^a, row 2: found '3,\d{3} bytes'; wanted rows of up to 3,000 bytes\.$",
        ):
            read_all(path, "text")


def test_parquet_with_a_column_twice(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    parquet.write_table(pa.table([[1], [2]], names=["id", "id"]), path)
    with pytest.raises(ConversionError, match="found 'id, id'; wanted every column once"):
        rows(path, "id")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("x ", "x "),
        (None, ""),
        (math.nan, ""),
        (17841400000000001, "17841400000000001"),
        (1.5, "1.5"),
        (Decimal("1.50"), "1.50"),
        ("a\ud800é", "a?é"),
        ("😀", "😀"),
    ],
)
def test_text(value: object, expected: str) -> None:
    assert values.text({"x": value}, "x") == expected


@pytest.mark.parametrize("value", [True, [1], {"a": 1}, b"a", date(2024, 1, 1)])
def test_what_is_no_text(value: object) -> None:
    with pytest.raises(BadValue, match=r"^text$") as caught:
        values.text({"x": 10**5000}, "x")
    assert caught.value.value == "an endless number"
    with pytest.raises(BadValue, match=r"^text$"):
        values.text({"x": value}, "x")


@pytest.mark.parametrize("value", ["", " \t", None, math.nan])
def test_a_needed_value_is_missing(value: object) -> None:
    assert values.token({"x": " a b\t"}, "x") == "a b"
    with pytest.raises(BadValue, match="a value in every row"):
        values.token({"x": value}, "x")


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_are_equal_as_text_and_as_numbers(value: float) -> None:
    assert values.number({"x": repr(value)}, "x") == value == values.number({"x": value}, "x")


@pytest.mark.parametrize(
    "value",
    [
        "nan",
        "inf",
        "-Infinity",
        "1e999",
        "1_000",
        "1,5",
        "12k",
        True,
        math.inf,
        [1],
        {},
        10**400,
        Decimal("NaN"),
        b"1",
    ],
)
def test_what_is_no_finite_number(value: object) -> None:
    with pytest.raises(BadValue, match=r"^a finite number$") as caught:
        values.number({"x": value}, "x")
    assert str(caught.value.value)


def test_numbers() -> None:
    for value in (None, "", "  ", math.nan):
        assert values.number({"x": value}, "x") is None
    assert values.number({"x": " -2.5 "}, "x") == -2.5
    assert values.number({"x": "0"}, "x", values.A_COUNT) == 0
    with pytest.raises(BadValue, match="a finite number of 0 or more"):
        values.number({"x": -0.5}, "x", values.A_COUNT)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        ("", None),
        (0, 0),
        ("1700000000.5", 1700000000.5),
        ("1970-01-02", A_DAY),
        (" 1970-01-02T01:00:00 ", A_DAY + 3600),
        ("1970-01-02 00:00:00+01:00", A_DAY - 3600),
        ("1970-01-02T00:00:00+0000", A_DAY),
        ("1970-01-02T00:00:00Z", A_DAY),
        (date(1970, 1, 2), A_DAY),
        (datetime(1970, 1, 2), A_DAY),
        (datetime(1970, 1, 2, tzinfo=timezone(timedelta(hours=1))), A_DAY - 3600),
        (pd.Timestamp("1970-01-02"), A_DAY),
    ],
)
def test_times(value: object, expected: float | None) -> None:
    assert values.timestamp({"x": value}, "x") == expected


@pytest.mark.parametrize(
    "value",
    [
        "yesterday",
        "31.5.2024",
        "2024-13-01",
        "1969-12-31",
        -1,
        1700000000000,
        "inf",
        True,
        [1],
        "0001-01-01T00:00:00+23:00",
        "9999-12-31T23:59:59-23:00",
        10**400,
        datetime.min,
    ],
)
def test_what_is_no_time(value: object) -> None:
    with pytest.raises(BadValue, match="seconds since 1970 or an ISO date"):
        values.timestamp({"x": value}, "x")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, {}),
        (" ", {}),
        ("plate:0.25 cup:1", {"cup": 1, "plate": 0.25}),
        ("a:b:0.5", {"a:b": 0.5}),
        ('{"coffee  mug": 0.5}', {"coffee-mug": 0.5}),
        ({"cup": 0, "none": None}, {"cup": 0}),
        ([("plate", 0.5), ("cup", "1")], {"cup": 1, "plate": 0.5}),
    ],
)
def test_labels(value: object, expected: dict[str, float]) -> None:
    found = values.labels({"x": value}, "x")
    assert found == expected
    assert list(found) == sorted(found)


@pytest.mark.parametrize(
    "value",
    [
        "cup",
        "cup:",
        ":1",
        "cup:nan",
        "cup:1.01",
        "cup:-0.1",
        "cup:1 cup:1",
        "{",
        "{]",
        5,
        ["cup"],
        {"a b": 1, "a-b": 1},
        {"a": True},
        {"": 1},
        [("cup", None)],
        [("cup", 1, 2)],
    ],
)
def test_what_is_no_labels(value: object) -> None:
    with pytest.raises(BadValue, match="labels with scores from 0 to 1"):
        values.labels({"x": value}, "x")


def test_the_csv_modules_limit_is_ours() -> None:
    assert csv.field_size_limit() == lines.MAX_LINE
    assert delimited.DELIMITERS == (",", ";", "\t", "|")


@given(st.lists(st.text(alphabet='a,;|\t"\n ', max_size=5), min_size=2, max_size=4))
def test_cells_survive_a_csv_file(
    tmp_path_factory: pytest.TempPathFactory, cells: list[str]
) -> None:
    path = tmp_path_factory.getbasetemp() / "cells.csv"
    header = [f"c{i}" for i in range(len(cells))]
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header, [*cells[:-1], "end"]])
    (record,) = rows(path, *header)
    assert list(record.values.values()) == [*cells[:-1], "end"]
    path.with_suffix(".jsonl").write_text(json.dumps(record.values))
    (same,) = rows(path.with_suffix(".jsonl"), *header)
    assert same.values == record.values


def test_what_is_written_down_depends_on_our_column_and_not_on_theirs(tmp_path: Path) -> None:
    path = tmp_path / "posts.csv"
    path.write_text("who,number,what\na,12k,secret\na,my secret,secret\n")
    posts = table(path, {"account": "who", "likes": "number", "text": "what"})
    problems = Problems()
    for record in posts.records(Problems()):
        for column in ("account", "likes", "text"):
            posts.skip(record, BadValue(column, record.values[column], "better"), problems)
        posts.note(record, BadValue("text", "6 characters", "fewer"), problems, kind=OWN)
        posts.note(record, BadValue("text", "secret", "none"), problems)
    problems.write(tmp_path / "problems.csv")
    with (tmp_path / "problems.csv").open(encoding="utf-8") as file:
        written = [(row["column"], row["found"]) for row in csv.DictReader(file)]
    assert written[:6] == [
        ("who", "'a'"),
        ("number", "'12k'"),
        ("what", "(hidden)"),
        ("who", "'a'"),
        ("number", "(hidden)"),
        ("what", "(hidden)"),
    ]
    assert written[6:] == [("what", "'6 characters'"), ("what", "(hidden)")] * 2


def test_the_first_problem_of_a_table_without_a_good_row_is_told(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("id\nx\ny\n")
    problems = Problems()
    problems.skip("other.csv", row=1, column="", value="", wanted="other")

    def refuse(values: Any) -> None:
        raise BadValue("id", values["id"], "better")

    with pytest.raises(
        ConversionError,
        match=r"a\.csv: found '2 rows'; wanted a row that can be used; the first problem is: "
        r"a\.csv, row 2, column 'id': found 'x'; wanted better\.$",
    ):
        list(table(path, {"id": "id"}).parsed(refuse, problems))
