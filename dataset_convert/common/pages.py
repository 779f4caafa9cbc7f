"""Templates of pages, filled in: whatever a page tells, no text of it can load or run."""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

# HTML has no way to write these, escaped or not.
_CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")


def render(package: str, template: str, *filters: Callable[..., Any], **values: Any) -> str:
    """Returns a page as HTML; values are escaped unless they are `Markup`.

    Control characters, and what UTF-8 cannot write, become question marks.

    Args:
        package: Whose folder `templates` has the template.
        template: Its file.
        filters: That it calls by their names.
        values: What it tells.
    """
    text = _environment(package, filters).get_template(template).render(values)
    return _CONTROLS.sub("?", text).encode("utf-8", errors="replace").decode("utf-8") + "\n"


@lru_cache(maxsize=8)
def _environment(package: str, filters: tuple[Callable[..., Any], ...]) -> Environment:
    """Templates stay compiled, for an app that fills them again and again."""
    environment = Environment(
        loader=PackageLoader(package),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {one.__name__: one for one in filters}
    return environment
