"""HTML and SVG elements whose texts and attributes are escaped when they are written."""

import re
from xml.etree import ElementTree

Child = ElementTree.Element | str

# HTML has no way to write these, escaped or not.
_CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")


def element(tag: str, *children: Child, **attributes: str | float) -> ElementTree.Element:
    """Returns an element with children.

    Args:
        tag: Its name.
        children: Elements and texts, in order.
        attributes: `class_` stands for `class`, and every other `_` for `-`. Floats are rounded
            to two places.
    """
    made = ElementTree.Element(tag)
    for name, value in attributes.items():
        text = f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
        made.set(name.rstrip("_").replace("_", "-"), text)
    append(made, *children)
    return made


def append(parent: ElementTree.Element, *children: Child) -> None:
    """Adds elements and texts at an element's end."""
    for child in children:
        if isinstance(child, ElementTree.Element):
            parent.append(child)
        elif len(parent):
            parent[-1].tail = (parent[-1].tail or "") + child
        else:
            parent.text = (parent.text or "") + child


def written(root: ElementTree.Element) -> str:
    """Returns a whole HTML document.

    Control characters, and characters that UTF-8 cannot write, become question marks.
    """
    text = "<!DOCTYPE html>\n" + ElementTree.tostring(root, encoding="unicode", method="html")
    text = _CONTROLS.sub("?", text)
    return text.encode("utf-8", errors="replace").decode("utf-8") + "\n"
