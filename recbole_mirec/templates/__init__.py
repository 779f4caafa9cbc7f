"""The templates of the pages, filled in: whatever a page tells, no text of it can load or run."""

import base64
import re
from collections.abc import Callable
from functools import lru_cache
from hashlib import sha256
from importlib.resources import files
from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from dataset_convert.common.words import counted
from dataset_convert.common.words import duration as duration

MISSING = "\N{EN DASH}"
# HTML has no way to write these, escaped or not.
_CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")


def render(template: str, *filters: Callable[..., str], **values: Any) -> str:
    """Returns a page as HTML; values are escaped unless plots or `source` made them (`Markup`).

    Control characters, and what UTF-8 cannot write, become question marks.
    """
    text = _environment(filters).get_template(template).render(values)
    return _CONTROLS.sub("?", text).encode("utf-8", errors="replace").decode("utf-8") + "\n"


@lru_cache(maxsize=4)
def _environment(filters: tuple[Callable[..., str], ...]) -> Environment:
    """Templates stay compiled, for an app that fills them again and again."""
    environment = Environment(
        loader=PackageLoader("recbole_mirec"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {one.__name__: one for one in (counted, duration, *filters)}
    return environment


def source(name: str) -> Markup:
    """Returns the style or the script of a page, as it stands beside the templates."""
    return Markup(files(__name__).joinpath(name).read_text(encoding="utf-8"))


def script_digest(script: str) -> str:
    """Returns the SHA-256 of a script in base64, by which a page's policy names what may run."""
    return base64.b64encode(sha256(script.encode()).digest()).decode()


def by_reason(failed: pd.DataFrame, keys: list[str], names: str) -> pd.DataFrame:
    """Returns what failed, by its keys, `status` and `reason` among them, with joined `names`."""
    known = failed.assign(reason=failed["reason"].replace("", "no reason was given"))
    groups = known.groupby(keys, sort=False)[names].agg("; ".join)
    return groups.reset_index(keys[1:])
