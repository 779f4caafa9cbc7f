"""Sheets of workbooks: openpyxl and xlwt as writers and oracles, and hostile files."""

import io
import re
import tempfile
import tracemalloc
import weakref
import zipfile
from collections.abc import Callable
from datetime import date, datetime, time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import openpyxl
import pytest
import python_calamine
import xlwt
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from written_release import write_workbook, write_xls

from dataset_convert import workbooks
from dataset_convert.problems import ConversionError, Problems
from dataset_convert.workbooks import cell_text, read_sheets

MAIN = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
SHEET = "xl/worksheets/sheet1.xml"


def rows_of(path: Path, problems: Problems | None = None) -> dict[str, list[list[Any]]]:
    problems = Problems() if problems is None else problems
    return {sheet.name: list(sheet.rows) for sheet in read_sheets(path, path.name, problems)}


def refusal(path: Path) -> str:
    with pytest.raises(ConversionError) as caught:
        rows_of(path)
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 400
    return message


@pytest.fixture
def book(tmp_path: Path) -> Path:
    write_workbook(tmp_path / "book.xlsx", [("a", 1), ("b", 2.5)])
    return tmp_path / "book.xlsx"


def replace_member(path: Path, change: dict[str, Callable[[bytes], bytes]]) -> None:
    with zipfile.ZipFile(path) as old:
        members = {name: old.read(name) for name in old.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
        for name, content in members.items():
            new.writestr(name, change.get(name, bytes)(content))


def replace_rows(path: Path, rows: str) -> None:
    content = f"<worksheet {MAIN}><sheetData>{rows}</sheetData></worksheet>"
    replace_member(path, {SHEET: lambda _: content.encode()})


@pytest.mark.parametrize("suffix", ["xlsx", "xls"])
def test_values_stand_in_their_places_whatever_the_file_is_called(
    suffix: str, tmp_path: Path
) -> None:
    cells = {
        (2, 2): " é 🍞\nline",
        (2, 4): 7,
        (4, 3): 2.5,
        (4, 4): True,
        (5, 2): datetime(2020, 2, 29, 13, 30),
    }
    path = tmp_path / f"book.{'xls' if suffix == 'xlsx' else 'xlsx'}"
    if suffix == "xlsx":
        written = openpyxl.Workbook()
        for (row, column), value in cells.items():
            written.active.cell(row, column, value)
        written.create_sheet("Empty")
        written.save(path)
    else:
        binary = xlwt.Workbook()
        sheet = binary.add_sheet("Sheet")
        day = xlwt.easyxf(num_format_str="yyyy-mm-dd hh:mm")
        for (row, column), value in cells.items():
            style = (day,) if isinstance(value, datetime) else ()
            sheet.write(row - 1, column - 1, value, *style)
        binary.add_sheet("Empty")
        binary.save(str(path))
    found = rows_of(path)
    assert found == {
        "Sheet": [
            ["", "", "", ""],
            ["", " é 🍞\nline", "", 7],
            ["", "", "", ""],
            ["", "", 2.5, True],
            ["", datetime(2020, 2, 29, 13, 30), "", ""],
        ],
        "Empty": [],
    }
    assert type(found["Sheet"][1][3]) is int


text_values = st.text(
    st.characters(
        codec="utf-8", exclude_categories=["Cc", "Cs"], exclude_characters="_=\ufffe\uffff"
    ),
    min_size=1,
    max_size=9,
)
cell_values = st.one_of(
    st.none(),
    text_values,
    st.integers(-(10**9), 10**9),
    st.floats(allow_nan=False, allow_infinity=False).map(lambda x: float(f"{x:.15g}")),
    st.datetimes(datetime(1950, 1, 1), datetime(2100, 1, 1)).map(
        lambda t: t.replace(microsecond=0)
    ),
)


def _plain(value: Any) -> Any:
    is_day = isinstance(value, datetime) and value.time() == time()
    return "" if value is None else value.date() if is_day else value


@settings(max_examples=25)
@given(rows=st.lists(st.lists(cell_values, max_size=5), min_size=1, max_size=7))
def test_what_openpyxl_wrote_is_read_as_openpyxl_reads_it(rows: list[list[Any]]) -> None:
    stream = io.BytesIO()
    written = openpyxl.Workbook()
    for row in rows:
        written.active.append(row)
    written.save(stream)
    oracle = openpyxl.load_workbook(io.BytesIO(stream.getvalue()), read_only=True).active
    expected = [[_plain(x) for x in row] for row in oracle.iter_rows(values_only=True)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "book.xlsx")
        path.write_bytes(stream.getvalue())
        found = rows_of(path)["Sheet"]
    # Empty cells at the right and rows at the end are nobody's.
    n_rows = max((i for i, row in enumerate(expected, 1) if any(x != "" for x in row)), default=0)
    width = max(map(len, found), default=0)
    assert found == [(row + [""] * width)[:width] for row in expected[:n_rows]]


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        ("a", "a"),
        (7, "7"),
        (0.1, "0.1"),
        (True, "TRUE"),
        (date(2020, 2, 29), "2020-02-29"),
        (datetime(2020, 2, 29), "2020-02-29"),
        (datetime(2020, 2, 29, 13, 30), "2020-02-29T13:30:00"),
    ],
)
def test_cells_as_text(cell: Any, text: str) -> None:
    assert cell_text(cell) == text


@pytest.mark.parametrize("formula", ["<f>1+1</f>", '<f t="shared"/>', "<x:f>1</x:f>"])
def test_formulas_are_told_once_and_their_saved_results_read(book: Path, formula: str) -> None:
    replace_rows(book, f'<row r="1"><c r="A1">{formula}<v>2</v></c><c r="B1"><v>3</v></c></row>')
    problems = Problems()
    assert [row[-1] for row in rows_of(book, problems)["Sheet"]] == [3]
    assert problems.lines() == [
        "book.xlsx: found 'formulas'; wanted values: of formulas the results that the file holds "
        "are read"
    ]
    replace_rows(book, '<row><c t="inlineStr"><is><t>:face &lt;f&gt; f</t></is></c></row>')
    assert rows_of(book, problems)["Sheet"] == [[":face <f> f"]]
    assert len(problems) == 1


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", "an empty file"),
        (b"\xef\xbb\xbf <HTML><table>", "a web page"),
        (b"brand,influencer\r\n", "a file that begins with 'brand,influe'"),
        (b"\x00\xff\x00", "a file that begins with"),
        (b"PK\x03\x04 broken", "File is not a zip file"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), ""),
    ],
)
def test_what_is_no_workbook(tmp_path: Path, content: bytes, found: str) -> None:
    path = tmp_path / "book.xlsx"
    path.write_bytes(content)
    assert re.search(f"book.xlsx: found [\"'].*{found}.*; wanted a workbook", refusal(path))


def test_truncated_files_are_refused_wherever_they_end(book: Path) -> None:
    content = book.read_bytes()
    for end in range(1, len(content), 97):
        book.write_bytes(content[:end])
        assert "book.xlsx: found" in refusal(book)


@given(st.data())
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@pytest.mark.parametrize("kind", ["xlsx", "xls"])
def test_flipped_bytes_end_in_rows_or_in_a_reason(
    kind: str, tmp_path: Path, data: st.DataObject
) -> None:
    path = tmp_path / f"book.{kind}"
    write = write_xls if kind == "xls" else write_workbook
    write(path, [("a", 1.5), ("b", None)])
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 5))):
        content[data.draw(st.integers(0, 10**6)) % len(content)] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    try:
        rows_of(path)
    except ConversionError as error:
        assert "\n" not in str(error)


def test_merged_cells_are_told(tmp_path: Path) -> None:
    written = openpyxl.Workbook()
    written.active.append(["m", "", "x"])
    written.active.merge_cells("A1:B4")
    written.save(tmp_path / "book.xlsx")
    (sheet,) = read_sheets(tmp_path / "book.xlsx", "book.xlsx", Problems())
    assert sheet.merged == [(0, 0, 3, 1)]


def test_entities_do_not_grow(book: Path) -> None:
    bomb = '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>'
    replace_member(book, {SHEET: lambda old: bomb.encode() + old.replace(b">a<", b">&b;<")})
    try:
        assert "aaaa" not in str(rows_of(book))
    except ConversionError as error:
        assert "wanted a workbook that is whole" in str(error)


def test_zip_bombs_are_refused_before_they_are_unpacked(
    book: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace_member(book, {SHEET: lambda old: old + b" " * (2 * workbooks.FREE_BYTES)})
    assert book.stat().st_size < 300_000
    tracemalloc.start()
    assert re.search("found '134,.* bytes unpacked'; wanted at most", refusal(book))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 5e6
    monkeypatch.setattr(workbooks, "MAX_BYTES", 1000)
    assert "wanted at most 1,000 bytes" in refusal(book)


def test_a_directory_that_lies_of_sizes_is_refused(book: Path) -> None:
    replace_member(
        book, {SHEET: lambda old: old.replace(b"</sheetData>", b" " * 5000 + b"</sheetData>")}
    )
    with zipfile.ZipFile(book) as archive:
        size = archive.getinfo(SHEET).file_size.to_bytes(4, "little")
    content = book.read_bytes()
    assert content.count(size) >= 2
    book.write_bytes(content.replace(size, (1000).to_bytes(4, "little")))
    assert "Bad CRC-32" in refusal(book)


def test_passwords(book: Path, tmp_path: Path) -> None:
    content = bytearray(book.read_bytes())
    for begin in range(len(content)):
        if content[begin : begin + 4] == b"PK\x01\x02":
            content[begin + 8] |= 1
    book.write_bytes(content)
    assert "found 'a password'; wanted a workbook that is whole and has no" in refusal(book)
    write_xls(tmp_path / "book.xls", [("a", 1)])
    binary = (tmp_path / "book.xls").read_bytes()
    # A record of the same length as the one for the width of the date window becomes a password.
    begin = binary.index(b"\x22\x00\x02\x00")
    (tmp_path / "book.xls").write_bytes(binary[:begin] + b"\x2f\0\2\0\1" + binary[begin + 5 :])
    assert "wanted a workbook that is whole and has no password" in refusal(tmp_path / "book.xls")
    # With a password, the newer format is put into a container of the older one.
    name = "EncryptedPackage".encode("utf-16-le")
    (tmp_path / "book.xls").write_bytes(binary + name)
    assert "found 'a password'" in refusal(tmp_path / "book.xls")


@pytest.mark.parametrize(
    "rows",
    [
        '<row r="1"><c r="A1"><v>1</v></c></row><row r="9"><c r="XFD1048576"><v>1</v></c></row>',
        '<row r="1048576"><c r="A1048576"/><c r="ZZ1048576"><v>1</v></c></row><row><c/></row>',
        "<row><c t=\"n\" r = 'a4000000000'><v>1</v></c></row>",
        '<row r="3000000000"><c><v>1</v></c></row>',
        '<row r="2"><c r="AAAA2"><v>1</v></c></row>',
    ],
)
def test_cells_far_apart_take_no_memory(book: Path, rows: str) -> None:
    replace_rows(book, rows)
    assert "wanted a sheet of at most 33,554,432 cells" in refusal(book)


def test_wide_and_long_sheets_are_read(book: Path) -> None:
    replace_rows(book, '<row r="2000"><c r="XFD2000"><v>1</v></c></row>')
    assert [len(row) for row in rows_of(book)["Sheet"]][-1] == 2**14
    replace_rows(book, '<row r="1048576"><c r="Z1048576"><v>1</v></c></row>')
    assert sum(1 for sheet in read_sheets(book, "b", Problems()) for _ in sheet.rows) == 2**20


def test_a_sheet_goes_before_the_next_one_comes(
    book: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alive: weakref.WeakSet[Any] = weakref.WeakSet()

    class Sheet:
        start, merged_cell_ranges = (0, 0), None

        def iter_rows(self) -> Any:
            return iter([["a"], [1.0]])

    class Book:
        sheets_metadata = tuple(
            SimpleNamespace(name=name, typ=python_calamine.SheetTypeEnum.WorkSheet)
            for name in "ABC"
        )

        def get_sheet_by_name(self, name: str) -> Sheet:
            assert not alive, name
            sheet = Sheet()
            alive.add(sheet)
            return sheet

    monkeypatch.setattr(workbooks, "_open", lambda path: Book())
    assert rows_of(book) == {name: [["a"], [1]] for name in "ABC"}


def test_files_and_sheets_that_are_not_there(book: Path, tmp_path: Path) -> None:
    reason = refusal(tmp_path / "none.xlsx")
    assert "none.xlsx: found 'No such file or directory'; wanted a readable" in reason
    with pytest.raises(ConversionError, match=r"the sheets 'Sheet'.*wanted a sheet 'Data', as op"):
        list(read_sheets(book, "b", Problems(), "Data"))
