"""The templates of the pages, filled in: whatever a page tells, no text of it can load or run."""

import base64
from collections.abc import Callable
from hashlib import sha256
from importlib.resources import files
from typing import Any

import pandas as pd
from markupsafe import Markup

from dataset_convert.common import pages
from dataset_convert.common.words import counted
from dataset_convert.common.words import duration as duration

MISSING = "\N{EN DASH}"


def render(template: str, *filters: Callable[..., str], **values: Any) -> str:
    """Returns a page as HTML; values are escaped unless plots or `source` made them (`Markup`)."""
    return pages.render("recbole_mirec", template, counted, duration, *filters, **values)


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
