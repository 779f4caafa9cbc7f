"""Small parts of a study's page: tables, notes, numbers and times as texts."""

from collections.abc import Sequence
from xml.etree.ElementTree import Element

from recbole_mirec.tuning.report.figures import score_text
from recbole_mirec.tuning.report.markup import Child, element

MISSING = "-"


def duration(seconds: float) -> str:
    """A time as a person says it: 0.4 s, 12 s, 3 min 20 s, 1 h 12 min."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def note(text: str) -> Element:
    """A sentence beside figures."""
    return element("p", text, class_="soft")


def number_text(value: object) -> str:
    """A score, or a dash where it is missing."""
    return (
        score_text(float(value)) if isinstance(value, float | int) and value == value else MISSING
    )


def table(header: Sequence[str], rows: Sequence[Sequence[Child]], *, n_words: int) -> Element:
    """A table that scrolls by itself where the page is narrow.

    Args:
        header: names of the columns.
        rows: texts or elements.
        n_words: columns at the left that hold words; the others are aligned right.
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
