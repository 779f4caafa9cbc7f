"""Tables and the notes beside them."""

from collections.abc import Sequence
from xml.etree.ElementTree import Element

from dataset_convert.page.markup import Child, element


def note(text: str) -> Element:
    """Returns a sentence beside figures."""
    return element("p", text, class_="soft")


def table(header: Sequence[str], rows: Sequence[Sequence[Child]], *, n_words: int) -> Element:
    """Returns a table that scrolls by itself where the page is narrow.

    Args:
        header: Names of the columns.
        rows: Texts or elements.
        n_words: Columns at the left that hold words; the others are aligned right.
    """
    kinds = ["value" if place < n_words else "number" for place in range(len(header))]
    head = [
        element("th", *_breakable(name), class_=kind, scope="col")
        for name, kind in zip(header, kinds, strict=True)
    ]
    lines = [
        element("tr", *(element("td", c, class_=k) for c, k in zip(row, kinds, strict=True)))
        for row in rows
    ]
    inner = element("table", element("thead", element("tr", *head)), element("tbody", *lines))
    return element("div", inner, class_="scroll")


def _breakable(name: str) -> list[Child]:
    """A name that may go on in the next line after each `_`."""
    first, *others = name.split("_")
    parts: list[Child] = [first]
    for other in others:
        parts += ["_", element("wbr"), other]
    return parts
