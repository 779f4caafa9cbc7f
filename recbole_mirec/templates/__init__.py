"""The templates of the pages, filled in: nothing on a page can load or run, whatever it tells."""

import re
from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined

from dataset_convert.common.words import duration as duration

MISSING = "\N{EN DASH}"
# HTML has no way to write these, escaped or not.
_CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")


class Cell(NamedTuple):
    """A cell of a table that is more than a text.

    Attributes:
        text: what stands in it.
        soft: what stands behind it in small letters.
        bold: whether the text is bold.
        mark: whether it carries a dagger.
        part: strength of the cell's colour, or length of its bar, from 0 to 100; None: neither.
    """

    text: str
    soft: str = ""
    bold: bool = False
    mark: bool = False
    part: float | None = None


def render(template: str, **values: Any) -> str:
    """Returns a page as HTML; values are escaped unless they are `Markup`, which plots alone make.

    Control characters, and what UTF-8 cannot write, become question marks.
    """
    text = _environment().get_template(template).render(values)
    return _CONTROLS.sub("?", text).encode("utf-8", errors="replace").decode("utf-8") + "\n"


def counted(n: int, word: str) -> str:
    """Returns a number with its word: 1 brand, 3,075 brands."""
    return f"{n:,} {word}" + ("" if n == 1 else "s")


def listed(words: Sequence[str]) -> str:
    """Returns words with commas and an `and`."""
    return " and ".join([*([", ".join(words[:-1])] if len(words) > 1 else []), *words[-1:]])


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("recbole_mirec"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"counted": counted, "listed": listed, "duration": duration}
    environment.globals["Cell"] = Cell
    return environment
