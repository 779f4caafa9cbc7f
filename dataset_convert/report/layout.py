"""How parts of the report are put together; synthetic data is called so beside every figure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from xml.etree.ElementTree import Element

from dataset_convert.page.markup import Child, append, element
from dataset_convert.page.tables import table
from dataset_convert.report.figures import small_bar
from dataset_convert.report.words import given, part_of, percent

_BARRED = "barred"
_FACTS = {
    "labels": "different labels",
    "thresholds": "lowest score that counts",
    "min_members": "members that an audience needs",
    "model_sha256": "files of the model",
}
_UNTOLD = ("of", "fingerprint", "extractor")
_SHA256, _SHOWN_DIGITS = re.compile("[0-9a-f]{64}"), 12


@dataclass(frozen=True)
class Section:
    """A part of the page with a heading.

    Attributes:
        anchor: Where links lead.
        title: Its heading.
        parts: What stands below it; a section without any is left out.
    """

    anchor: str
    title: str
    parts: Sequence[Element]

    def drawn(self) -> Element:
        """Returns the section as an element."""
        return element("section", element("h2", self.title), *self.parts, id=self.anchor)


@dataclass(frozen=True)
class Layout:
    """Makes what depends on whether the data is synthetic.

    Attributes:
        synthetic: Whether it is.
    """

    synthetic: bool

    def badge(self) -> list[Child]:
        """Returns the words that stand beside figures of synthetic data."""
        return [element("span", "synthetic data", class_="synthetic")] if self.synthetic else []

    def note(self, *text: Child) -> Element:
        """Returns a sentence beside figures."""
        return self._told(element("p", *text, class_="soft"))

    def figure(self, drawn: Element, *text: Child, title: str = "") -> Element:
        """Returns a figure with its caption, and a heading where there is one."""
        heading = [element("h3", title)] if title else []
        caption = self._told(element("figcaption", *text))
        return element("figure", *heading, drawn, caption)

    def table(
        self, header: Sequence[str], rows: Sequence[Sequence[Child]], text: str, *, n_words: int = 1
    ) -> Element:
        """Returns a table as wide as the page with a note; see `page.tables.table`."""
        made = table(header, rows, n_words=n_words)
        made.set("class", "scroll wide")
        barred = [
            place
            for place, cell in enumerate(rows[0] if rows else [])
            if isinstance(cell, Element) and cell.get("class") == _BARRED
        ]
        for line in made.iter("tr"):
            for place in barred:
                line[place].set("class", "bar")
        return element("div", made, self.note(text))

    def _told(self, made: Element) -> Element:
        if self.synthetic:
            append(made, " ", *self.badge())
        return made


def bar_cell(part: int, whole: int, *, of: int | None = None, side: str = "") -> Element:
    """Returns a number and its share, with a bar below.

    Args:
        part: The number.
        whole: What it is a share of.
        of: What fills the bar's place; `whole` by default.
        side: Gives the bar its colour.
    """
    full = whole if of is None else of
    return _with_bar(part_of(part, whole), part / full if full else 0.0, side, kind="of")


def count_cell(n: int, largest: int, *, side: str = "") -> Element:
    """Returns a number with a bar below that is full for the largest one of the column."""
    return _with_bar(f"{n:,}", n / largest if largest else 0.0, side)


def share_cell(share: float, largest: float) -> Element:
    """Returns a share in percent with a bar that is full for the largest one of the column."""
    return _with_bar(percent(share, 1), share / largest if largest else 0.0)


def facts(pairs: Mapping[str, Child]) -> Element:
    """Returns terms with what is known of each."""
    listed = element("dl")
    for term, text in pairs.items():
        append(listed, element("dt", term), element("dd", text))
    return listed


def plain_facts(report: Mapping[str, Any], *, without: Sequence[str] = ()) -> dict[str, Child]:
    """Returns the numbers and short words of an extractor's report, with readable names."""
    texts = {
        _FACTS.get(key, _readable(key)): _plain(value)
        for key, value in report.items()
        if key not in (*_UNTOLD, *without)
    }
    return {key: given(text) for key, text in texts.items() if text}


def _plain(value: object) -> str:
    """A number, a word, or several of them; "" for what is long or not there."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, Mapping):
        inside = {_readable(key): _plain(one) for key, one in value.items()}
        return "; ".join(f"{key} {text}" for key, text in inside.items() if text)
    if not isinstance(value, str):
        return ""
    return value[:_SHOWN_DIGITS] if _SHA256.fullmatch(value) else value


def _readable(key: str) -> str:
    words = key.removeprefix("n_").replace("_", " ")
    return f"number of {words}" if key.startswith("n_") else words


def _with_bar(number: str, length: float, side: str = "", *, kind: str = "count") -> Element:
    return element(
        "div", element("span", number, class_=kind), small_bar(length, side=side), class_=_BARRED
    )
