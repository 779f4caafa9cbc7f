"""A page that needs neither a network nor scripts."""

from xml.etree.ElementTree import Element

from dataset_convert.page.markup import element, written
from dataset_convert.page.style import CSS

# Nothing on the page may load or run, even if a text slipped through as markup.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def document(title: str, body: Element, *, style: str = "") -> str:
    """Returns a whole page as HTML.

    Args:
        title: In the window's title bar.
        body: The element `body`.
        style: Style sheet of this page, after the common one.
    """
    policy = element("meta", content=_POLICY)
    policy.set("http-equiv", "Content-Security-Policy")
    head = element(
        "head",
        element("meta", charset="utf-8"),
        policy,
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", title),
        element("style", CSS + style),
    )
    return written(element("html", head, body, lang="en"))
