"""Rows of .xlsx and .xls files: openpyxl and xlwt as writers and oracles, and hostile files."""

import io
import os
import random
import re
import shutil
import tempfile
import tracemalloc
import zipfile
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import openpyxl
import pytest
import xlwt
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openpyxl.styles import Font
from written_release import write_workbook, write_xls

from dataset_convert.problems import ConversionError, Problems
from dataset_convert.reading.scratch import Scratch
from dataset_convert.reading.workbooks import cells as workbooks_cells
from dataset_convert.reading.workbooks import xls as workbooks_xls
from dataset_convert.reading.workbooks import xlsx as workbooks_xlsx
from dataset_convert.reading.workbooks import xml_stream as xml
from dataset_convert.reading.workbooks.reader import SheetRow, read_workbook

MAIN = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
SHEET = "xl/worksheets/sheet1.xml"


def rows_of(path: Path) -> tuple[list[SheetRow], Problems]:
    problems = Problems()
    return list(read_workbook(path, path.name, problems)), problems


def values_of(path: Path) -> list[list[Any]]:
    return [list(row.cells) for row in rows_of(path)[0]]


def refusal(path: Path) -> str:
    with pytest.raises(ConversionError) as caught:
        rows_of(path)
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 400
    return message


@pytest.fixture
def book(tmp_path: Path) -> Path:
    """A workbook of one sheet 'Data' with the rows ('a', 1) and ('b', 2.5)."""
    written = openpyxl.Workbook()
    sheet = written.active
    sheet.title = "Data"
    sheet.append(["a", 1])
    sheet.append(["b", 2.5])
    written.save(tmp_path / "book.xlsx")
    return tmp_path / "book.xlsx"


def replace_member(path: Path, change: dict[str, Callable[[bytes], bytes]]) -> None:
    with zipfile.ZipFile(path) as old:
        members = {name: old.read(name) for name in old.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
        for name, content in members.items():
            new.writestr(name, change.get(name, bytes)(content))


def replace_rows(path: Path, rows: str, after: str = "") -> None:
    content = f"<worksheet {MAIN}><sheetData>{rows}</sheetData>{after}</worksheet>"
    replace_member(path, {SHEET: lambda _: content.encode()})


def share(path: Path, strings: bytes) -> None:
    """Adds a table of shared texts, as spreadsheets write it and openpyxl does not."""
    kind = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/sharedStrings"
    relation = f'<Relationship Id="rId9" Type="{kind}" Target="sharedStrings.xml" />'.encode()

    def add(old: bytes) -> bytes:
        return old.replace(b"</Relationships>", relation + b"</Relationships>")

    replace_member(path, {"xl/_rels/workbook.xml.rels": add})
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/sharedStrings.xml", strings)


def test_values_and_their_places(tmp_path: Path) -> None:
    written = openpyxl.Workbook()
    sheet = written.active
    sheet.title = "One"
    sheet["A1"], sheet["C1"] = " é 🍞\nline", 7
    sheet["B3"], sheet["C3"], sheet["D3"] = 2.5, -1e300, True
    sheet["A5"] = datetime(2020, 2, 29, 13, 30)
    sheet["B5"] = 0.25
    sheet["B5"].number_format = "0.00%"
    sheet["F6"].font = Font(bold=True)  # a cell with a style and without value
    other = written.create_sheet("Two")
    other["A2"] = "x"
    written.save(tmp_path / "book.xlsx")
    rows, problems = rows_of(tmp_path / "book.xlsx")
    assert rows == [
        SheetRow("One", 1, [" é 🍞\nline", None, 7]),
        SheetRow("One", 3, [None, 2.5, -1e300, "TRUE"]),
        SheetRow("One", 5, [datetime(2020, 2, 29, 13, 30), 0.25]),
        SheetRow("Two", 2, ["x"]),
    ]
    assert isinstance(rows[0].cells[2], int)
    assert len(problems) == 0


def test_the_binary_format_gives_the_same(tmp_path: Path) -> None:
    written = xlwt.Workbook()
    sheet = written.add_sheet("One")
    dates = xlwt.easyxf(num_format_str="yyyy-mm-dd hh:mm")
    sheet.write(0, 0, " é 🍞\nline")
    sheet.write(0, 2, 7)
    sheet.write(2, 1, 2.5)
    sheet.write(2, 3, True)
    sheet.write(4, 0, datetime(2020, 2, 29, 13, 30), dates)
    written.add_sheet("Two").write(1, 0, "x")
    # Its name does not say what it is.
    written.save(str(tmp_path / "book.xlsx"))
    rows, problems = rows_of(tmp_path / "book.xlsx")
    assert rows == [
        SheetRow("One", 1, [" é 🍞\nline", None, 7]),
        SheetRow("One", 3, [None, 2.5, None, "TRUE"]),
        SheetRow("One", 5, [datetime(2020, 2, 29, 13, 30)]),
        SheetRow("Two", 2, ["x"]),
    ]
    assert len(problems) == 0


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


@settings(max_examples=30)
@given(rows=st.lists(st.lists(cell_values, max_size=5), min_size=1, max_size=7))
def test_what_openpyxl_wrote_is_read_as_openpyxl_reads_it(rows: list[list[Any]]) -> None:
    stream = io.BytesIO()
    written = openpyxl.Workbook()
    for row in rows:
        written.active.append(row)
    written.save(stream)
    oracle = openpyxl.load_workbook(io.BytesIO(stream.getvalue()), read_only=True).active
    expected = [[*row] for row in oracle.iter_rows(values_only=True)]
    for row in expected:
        while row and row[-1] is None:
            row.pop()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "book.xlsx")
        path.write_bytes(stream.getvalue())
        if any(expected):
            assert values_of(path) == [row for row in expected if row]
        else:
            reason = refusal(path)
            assert "book.xlsx: found 'no rows'; wanted a workbook with at least one row" in reason


def test_shared_texts_runs_and_escapes(book: Path) -> None:
    shared = (
        "<x:sst xmlns:x='u'><x:si><x:r><x:t>two </x:t></x:r><x:r><x:t>runs</x:t></x:r></x:si>"
        "<x:si><x:t>base</x:t><x:rPh sb='0' eb='1'><x:t>phonetic</x:t></x:rPh></x:si>"
        "<x:si><x:t>a_x000D_b_x005F_x000D_</x:t></x:si></x:sst>"
    )
    share(book, shared.encode("utf-16"))
    inline = "<is><t>in</t><rPh><t>no</t></rPh><r><t>line</t></r></is>"
    replace_rows(
        book,
        '<row><c t="s"><v>0</v></c><c t="s"><v>1</v></c><c t="s"><v>2</v></c></row>'
        f'<row r="4"><c r="B4" t="inlineStr">{inline}</c><c t="str"><v>said</v></c></row>',
    )
    rows, _ = rows_of(book)
    assert rows == [
        SheetRow("Data", 1, ["two runs", "base", "a\rb_x000D_"]),
        SheetRow("Data", 4, [None, "inline", "said"]),
    ]
    replace_rows(book, '<row r="3"><c r="A3" t="s"><v>3</v></c></row>')
    reason = refusal(book)
    assert (
        "sheet 'Data', row 3, column 'A': found \"text number '3'\"; wanted one of the 3 texts"
        in reason
    )
    replace_rows(book, '<row r="3"><c r="A3" t="s"><v>-1</v></c></row>')
    assert "text number '-1'" in refusal(book)


@pytest.mark.parametrize(
    ("cell", "found", "wanted"),
    [
        ("<f>1+1</f><v>2</v>", "a formula", "a value typed in"),
        ("<v>NaN</v>", "nan", "a finite number"),
        ("<v>1e999</v>", "inf", "a finite number"),
        ("<v>1_0</v>", "1_0", "a finite number"),
        ("<v>one</v>", "one", "a finite number"),
    ],
)
def test_spoiled_cells_cost_their_row(book: Path, cell: str, found: str, wanted: str) -> None:
    replace_rows(
        book,
        f'<row r="1"><c r="A1"><v>1</v></c></row><row r="2"><c r="A2"><v>1</v></c><c r="C2">{cell}'
        '</c></row><row r="3"><c r="A3"><v>3</v></c></row>',
    )
    rows, problems = rows_of(book)
    assert [row.row for row in rows] == [1, 3]
    assert problems.n_skipped == 1
    (line,) = problems.lines()
    place = f"book.xlsx, sheet 'Data', row 2, column 'C': found '{found}'; wanted {wanted}"
    assert line.startswith(place)


def test_errors_and_impossible_days_cost_their_row(tmp_path: Path) -> None:
    written = openpyxl.Workbook()
    written.active.append(["a", "#N/A"])
    written.active.append([1e9])
    written.active["A2"].number_format = "yyyy-mm-dd"
    written.active.append(["whole"])
    written.save(tmp_path / "book.xlsx")
    rows, problems = rows_of(tmp_path / "book.xlsx")
    assert [row.cells for row in rows] == [["whole"]]
    first, second = problems.lines()
    assert "row 1, column 'B': found '#N/A'; wanted a value, no error" in first
    assert "row 2, column 'A': found 'day 1000000000'; wanted a date of the calendar" in second


def test_spoiled_cells_of_the_binary_format(tmp_path: Path) -> None:
    written = xlwt.Workbook()
    sheet = written.add_sheet("S")
    sheet.write(0, 0, "first")
    sheet.write(1, 2, xlwt.Formula('"a"&"b"'))
    sheet.write(2, 1, 1e9, xlwt.easyxf(num_format_str="yyyy-mm-dd"))
    sheet.row(3).set_cell_error(0, "#DIV/0!")
    sheet.write(4, 0, "last")
    written.save(str(tmp_path / "book.xls"))
    rows, problems = rows_of(tmp_path / "book.xls")
    assert [row.cells for row in rows] == [["first"], ["last"]]
    formula, day, error = problems.lines()
    assert "sheet 'S', row 2, column 'C': found 'a formula'" in formula
    assert "row 3, column 'B': found 'day 1000000000.0'" in day
    assert "row 4, column 'A': found '#DIV/0!'" in error


def test_formulas_of_a_later_sheet_are_found(tmp_path: Path) -> None:
    written = xlwt.Workbook()
    written.add_sheet("One").write(0, 0, "x")
    written.add_sheet("Two").write(0, 0, xlwt.Formula("1+1"))
    written.save(str(tmp_path / "book.xls"))
    rows, problems = rows_of(tmp_path / "book.xls")
    assert [(row.sheet, row.cells) for row in rows] == [("One", ["x"])]
    assert "sheet 'Two', row 1, column 'A': found 'a formula'" in problems.lines()[0]


def test_dates_of_east_asian_styles_and_of_1904(book: Path) -> None:
    replace_member(
        book,
        {
            "xl/styles.xml": lambda _: (
                f'<styleSheet {MAIN}><numFmts><numFmt numFmtId="200" formatCode="yyyy"/></numFmts>'
                '<cellStyleXfs><xf numFmtId="14"/></cellStyleXfs>'
                '<cellXfs><xf numFmtId="0"/><xf numFmtId="57"/><xf numFmtId="200"/></cellXfs>'
                "</styleSheet>"
            ).encode(),
            "xl/workbook.xml": lambda old: old.replace(
                b"<workbookPr />", b'<workbookPr date1904="1" />'
            ),
        },
    )
    cells = "".join(f'<c s="{style}"><v>366</v></c>' for style in range(3))
    replace_rows(book, f"<row>{cells}</row>")
    assert values_of(book) == [[366, datetime(1905, 1, 1), datetime(1905, 1, 1)]]


def test_empty_sheets_and_workbooks(tmp_path: Path) -> None:
    written = openpyxl.Workbook()
    written.active.title = "Blank"
    written.create_sheet("Data").append(["x"])
    written.save(tmp_path / "book.xlsx")
    rows, problems = rows_of(tmp_path / "book.xlsx")
    assert [row.sheet for row in rows] == ["Data"]
    assert problems.n_skipped == 0
    assert problems.lines() == ["book.xlsx, sheet 'Blank': found 'no rows'; wanted no empty sheets"]
    openpyxl.Workbook().save(tmp_path / "empty.xlsx")
    reason = refusal(tmp_path / "empty.xlsx")
    assert reason.startswith("empty.xlsx: found 'no rows'; wanted a workbook with at least")


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", "an empty file"),
        (b"\xef\xbb\xbf <HTML><table>", "a web page"),
        (b"brand,influencer\r\n", "a file that begins with 'brand,influe'"),
        (b"\x00\xff\x00", "a file that begins with"),
        (b"PK\x03\x04 broken", "a broken package"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "a broken workbook"),
    ],
)
def test_what_is_no_workbook(tmp_path: Path, content: bytes, found: str) -> None:
    path = tmp_path / "book.xlsx"
    path.write_bytes(content)
    assert re.search(f"book.xlsx: found [\"'].*{found}.*; wanted .*xlsx? ", refusal(path))


def test_other_packages_and_lost_parts(book: Path) -> None:
    with zipfile.ZipFile(book, "w") as archive:
        archive.writestr("word/document.xml", "<a/>")
    assert "found 'another kind of package'; wanted a workbook" in refusal(book)


def test_a_sheet_without_its_part(book: Path) -> None:
    replace_member(book, {"xl/_rels/workbook.xml.rels": lambda _: b"<Relationships/>"})
    assert "sheet 'Data': found 'no such sheet'; wanted a workbook that is whole" in refusal(book)


def test_broken_xml(book: Path) -> None:
    replace_rows(book, '<row><c t="inlineStr"><is><t>&nbsp;</t></is></c></row>')
    assert "sheet 'Data', row 1, column 'A': found 'broken XML: undefined entity" in refusal(book)
    replace_rows(book, "<row>")
    assert "found 'broken XML: mismatched tag" in refusal(book)


def test_charts_are_no_sheets_of_rows(book: Path) -> None:
    kind = b"officeDocument/2006/relationships"
    replace_member(
        book,
        {
            "xl/_rels/workbook.xml.rels": lambda old: old.replace(
                b"</Relationships>",
                b'<Relationship Id="rId8" Type="' + kind + b'/chartsheet" Target="x.xml"/>'
                b"</Relationships>",
            ),
            "xl/workbook.xml": lambda old: old.replace(
                b"</sheets>", b'<sheet name="Chart" sheetId="8" r:id="rId8"/></sheets>'
            ),
        },
    )
    rows, problems = rows_of(book)
    assert {row.sheet for row in rows} == {"Data"}
    assert len(problems) == 0


def test_numbers_of_thousands_of_digits(book: Path) -> None:
    digits = "9" * 5000
    replace_rows(book, f'<row r="{digits}"><c/></row>')
    assert "wanted rows in order" in refusal(book)
    replace_rows(book, f'<row><c t="s"><v>{digits}</v></c></row>')
    share(book, b"<sst><si><t>x</t></si></sst>")
    assert "wanted one of the 1 texts" in refusal(book)
    replace_rows(book, f"<row><c><v>{digits}</v></c></row><row><c><v>1</v></c></row>")
    rows, problems = rows_of(book)
    assert [row.cells for row in rows] == [[1]]
    assert problems.n_skipped == 1
    replace_rows(book, "", f'<mergeCells><mergeCell ref="A{digits}:B2"/></mergeCells>')
    assert "found 'the merged cells A999" in refusal(book)


def test_texts_without_their_table(book: Path) -> None:
    replace_rows(book, '<row><c t="s"><v>0</v></c></row>')
    assert "wanted a workbook with its shared texts" in refusal(book)


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
    if kind == "xls":
        write_xls(path, [("a", 1.5), ("b", None)])
    else:
        write_workbook(path, [("a", 1.5), ("b", None)])
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 5))):
        content[data.draw(st.integers(0, 10**6)) % len(content)] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    try:
        rows_of(path)
    except ConversionError as error:
        assert "\n" not in str(error)


def test_merged_cells_are_refused(tmp_path: Path) -> None:
    written = openpyxl.Workbook()
    for row in range(5):
        written.active.append([row, "x"])
    written.active.merge_cells("A3:B4")
    written.save(tmp_path / "book.xlsx")
    reason = refusal(tmp_path / "book.xlsx")
    assert "sheet 'Sheet', row 3: found 'the merged cells A3:B4'; wanted no merged cells" in reason
    binary = xlwt.Workbook()
    binary.add_sheet("S").write_merge(2, 3, 0, 1, "m")
    binary.save(str(tmp_path / "book.xls"))
    assert re.search("sheet 'S'.* found 'the merged cells A3:B4'", refusal(tmp_path / "book.xls"))


@pytest.mark.parametrize("member", [SHEET, "xl/workbook.xml", "xl/styles.xml"])
def test_entities_are_refused_before_they_grow(book: Path, member: str) -> None:
    bomb = '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><worksheet>&b;</worksheet>'
    replace_member(book, {member: lambda _: bomb.encode("utf-16")})
    assert "found 'a DOCTYPE'; wanted XML without a document type" in refusal(book)


def test_zip_bombs_are_refused_before_they_are_unpacked(
    book: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace_member(book, {SHEET: lambda old: old + b" " * (workbooks_xlsx.FREE_BYTES + 1)})
    assert book.stat().st_size < 200_000
    tracemalloc.start()
    assert re.search("found '67,.* bytes when unpacked, .* times the fi", refusal(book))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 5e6
    monkeypatch.setattr(workbooks_xlsx, "MAX_BYTES", 1000)
    monkeypatch.setattr(workbooks_xlsx, "MAX_RATIO", 1e9)
    assert "wanted at most 1,000 bytes" in refusal(book)


def test_a_directory_that_lies_of_sizes_is_refused(book: Path) -> None:
    replace_member(
        book, {SHEET: lambda old: old.replace(b"</sheetData>", b" " * 5000 + b"</sheetData>")}
    )
    with zipfile.ZipFile(book) as archive:
        size = archive.getinfo(SHEET).file_size
    content = book.read_bytes()
    assert content.count(size.to_bytes(4, "little")) >= 2
    book.write_bytes(content.replace(size.to_bytes(4, "little"), (1000).to_bytes(4, "little")))
    assert re.search("found 'a broken package: Bad CRC-32|found 'broken XML", refusal(book))


def test_more_parts_than_workbooks_have(book: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workbooks_xlsx, "MAX_MEMBERS", 3)
    assert "parts'; wanted a workbook of at most 3 parts" in refusal(book)


def test_encrypted_workbooks(book: Path, tmp_path: Path) -> None:
    content = bytearray(book.read_bytes())
    for begin in range(len(content)):
        if content[begin : begin + 4] == b"PK\x01\x02":
            content[begin + 8] |= 1
    book.write_bytes(content)
    assert "found 'an encrypted workbook'; wanted one without password" in refusal(book)


def test_encrypted_binary_workbooks(tmp_path: Path) -> None:
    path = tmp_path / "book.xls"
    write_xls(path, [("a", 1)])
    content = path.read_bytes()
    # A record of the same length as the one for the width of the date window becomes a password.
    begin = content.index(b"\x22\x00\x02\x00")
    path.write_bytes(content[:begin] + b"\x2f" + content[begin + 1 :])
    assert "found 'an encrypted workbook'; wanted one without password" in refusal(path)
    # With a password, the newer format is put into a container of the older one.
    path.write_bytes(
        content.replace("Workbook".encode("utf-16-le"), "Wrokbook".encode("utf-16-le"))
    )
    assert "found 'another kind of document'; wanted a workbook" in refusal(path)


def test_too_large_binary_workbooks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_xls(tmp_path / "book.xls", [("a",)])
    monkeypatch.setattr(workbooks_xls, "MAX_BYTES", 100)
    assert "wanted an .xls file of at most 100 bytes" in refusal(tmp_path / "book.xls")


def test_too_many_columns(book: Path, tmp_path: Path) -> None:
    last = workbooks_cells.letters(workbooks_cells.MAX_COLUMNS - 1)
    replace_rows(book, f'<row r="2"><c r="{last}2"><v>1</v></c></row>')
    assert values_of(book) == [[None] * (workbooks_cells.MAX_COLUMNS - 1) + [1]]
    for place in ("BM2", "XFD2", "ZZZZZZ2", "2", "a2"):
        replace_rows(book, f'<row r="2"><c r="{place}"><v>1</v></c></row>')
        reason = refusal(book)
        assert f"row 2: found 'a cell in {place}'; wanted cells in order, in at most 64" in reason
    replace_rows(book, "<row>" + "<c/>" * 65 + "</row>")
    assert "found 'a cell in BM'" in refusal(book)
    write_xls(tmp_path / "book.xls", [[1] * 65])
    reason = refusal(tmp_path / "book.xls")
    assert "found 'a cell in column BM'; wanted cells in at most 64 columns" in reason


def test_cells_and_rows_out_of_order(book: Path) -> None:
    replace_rows(book, '<row r="2"><c r="B2"/><c r="A2"/></row>')
    assert "row 2: found 'a cell in A2'; wanted cells in order" in refusal(book)
    for number in ("1", "0", "x", "0000000002", "1048577"):
        replace_rows(book, f'<row r="1"/><row r="{number}"/>')
        assert f"found \"row '{number}' after row 1\"; wanted rows in order" in refusal(book)


def test_letters() -> None:
    assert [workbooks_cells.letters(n) for n in (0, 25, 26, 51, 701, 702)] == [
        *("A", "Z", "AA", "AZ", "ZZ", "AAA")
    ]


def test_very_long_cells(book: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "long " * 2_000_000
    replace_rows(book, f'<row><c t="inlineStr"><is><t>{text}</t></is></c></row>')
    assert values_of(book) == [[text]]
    monkeypatch.setattr(xml, "MAX_TEXT", 1_000_000)
    reason = refusal(book)
    assert "row 1, column 'A': found 'more than 1,000,000 characters'; wanted cells" in reason


def test_memory_does_not_grow_with_rows(
    book: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dataset_convert.reading.scratch._BLOCK", 2**14)
    monkeypatch.setattr(workbooks_xlsx, "_CHUNK", 2**12)
    draw = random.Random(5)
    peaks = []
    for n_rows in (2000, 10_000):
        texts = [" ".join(draw.choices("abcdefgh", k=100)) for _ in range(n_rows)]
        rows = "".join(f'<row><c t="s"><v>{n}</v></c></row>' for n in range(n_rows))
        path = tmp_path / f"{n_rows}.xlsx"
        shutil.copy(book, path)
        replace_rows(path, rows)
        share(path, ("<sst>" + "".join(f"<si><t>{t}</t></si>" for t in texts) + "</sst>").encode())
        tracemalloc.start()
        found = sum(1 for _ in read_workbook(path, path.name, Problems()))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert found == n_rows
    # Eight bytes a text, against the 200 that it has.
    assert peaks[1] < peaks[0] + 16 * 8000


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    reason = refusal(tmp_path / "none.xlsx")
    assert "none.xlsx: found 'No such file or directory'; wanted a readable" in reason


def test_without_the_libraries(book: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_xls(tmp_path / "book.xls", [("a",)])
    for name in ("openpyxl.styles.numbers", "xlrd"):
        monkeypatch.setitem(__import__("sys").modules, name, None)
    wanted = 'run pip install -e ".[workbooks]"'
    assert f"openpyxl: {wanted}" in refusal(book)
    assert f"xlrd: {wanted}" in refusal(tmp_path / "book.xls")


def test_scratch_keeps_bytes_in_a_file_without_name(monkeypatch: pytest.MonkeyPatch) -> None:
    scratch = Scratch()
    places = [(scratch.append(content), content) for content in (b"ab", b"", b"c" * 3_000_000)]
    assert [begin for begin, _ in places] == [0, 2, 2]
    assert all(scratch.read(begin, len(content)) == content for begin, content in places)
    assert scratch.read(3_000_002, 5) == b""
    assert scratch.append(b"d") == 3_000_002

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(ConversionError, match=r"cannot be written to: No space left.*TMPDIR"):
        scratch.read(0, 1)
