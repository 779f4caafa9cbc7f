"""Elements, tables and documents that all pages are made of."""

import re

from hypothesis import given
from hypothesis import strategies as st

from dataset_convert.page.document import document
from dataset_convert.page.markup import append, element, written
from dataset_convert.page.plots import bottom_axis
from dataset_convert.page.tables import note, table


def test_an_element_has_its_texts_and_children_in_order() -> None:
    made = element("p", "a", element("b", "c"), "d", class_="x", aria_label="l", width=1.5)
    append(made, "e", element("i"), "f")
    assert written(made) == (
        '<!DOCTYPE html>\n<p class="x" aria-label="l" width="1.5">a<b>c</b>de<i></i>f</p>\n'
    )


def test_floats_are_rounded_to_two_places() -> None:
    found = {value: element("p", x=value).get("x") for value in (1.0, 2.345, 0.999, 1e-9, -10.0)}
    assert list(found.values()) == ["1", "2.35", "1", "0", "-10"]


def test_what_html_or_utf8_cannot_write_becomes_a_question_mark() -> None:
    text = written(element("p", "a\x00b\x1fc\x85d\ud800e\tf\ng", title="\x07"))
    assert text == '<!DOCTYPE html>\n<p title="?">a?b?c?d?e\tf\ng</p>\n'


@given(st.text(st.characters()))
def test_no_text_becomes_markup(text: str) -> None:
    page = document(text, element("body", text, element("p", text, title=text)))
    tags = re.findall(r"<(/?[a-z0-9]+)", page.lower().replace("<!doctype html>", ""))
    assert tags.count("p") == 1 and tags.count("body") == 1
    assert set(tags) <= {
        *("html", "head", "meta", "title", "style", "body", "p"),
        *("/html", "/head", "/title", "/style", "/body", "/p"),
    }


def test_a_document_allows_nothing_but_its_own_style() -> None:
    page = document("T", element("body"), style=".own { color: red; }")
    assert "default-src 'none'; style-src 'unsafe-inline'" in page
    assert page.index("--blue:") < page.index(".own { color: red; }")
    assert not re.search(r"https?:|url\(|@import|<script|<link", page)


def test_a_table_aligns_words_left_and_numbers_right_and_may_break_after_underscores() -> None:
    made = written(table(["name", "n_of_it"], [["a", "1"]], n_words=1))
    assert '<th class="value" scope="col">name</th>' in made
    assert '<th class="number" scope="col">n_<wbr>of_<wbr>it</th>' in made
    assert '<td class="value">a</td><td class="number">1</td>' in made


def test_a_note_is_a_paragraph() -> None:
    assert written(note("n")).endswith('<p class="soft">n</p>\n')


def test_ticks_of_several_lines_stand_below_each_other() -> None:
    _, tick, first, second = bottom_axis([(0.25, "a\nb")], 100)
    assert (tick.get("x1"), tick.get("y2")) == ("25.00%", "104")
    assert [(found.text, found.get("y")) for found in (first, second)] == [
        ("a", "117"),
        ("b", "130"),
    ]
    slanted = bottom_axis([(0.5, "a")], 0, slanted=True)[-1]
    assert (slanted.get("text-anchor"), "rotate" in slanted.get("style", "")) == ("end", True)
