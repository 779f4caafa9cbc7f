"""HTML and SVG elements whose texts and attributes are escaped when they are written."""

from xml.etree import ElementTree

Child = ElementTree.Element | str


def element(tag: str, *children: Child, **attributes: str | float) -> ElementTree.Element:
    """An element with children.

    Args:
        tag: its name.
        children: elements and texts, in order.
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
    """Add elements and texts at an element's end."""
    for child in children:
        if isinstance(child, ElementTree.Element):
            parent.append(child)
        elif len(parent):
            parent[-1].tail = (parent[-1].tail or "") + child
        else:
            parent.text = (parent.text or "") + child


def page(root: ElementTree.Element) -> str:
    """A whole HTML document; characters that UTF-8 cannot write become question marks."""
    text = "<!DOCTYPE html>\n" + ElementTree.tostring(root, encoding="unicode", method="html")
    return text.encode("utf-8", errors="replace").decode("utf-8") + "\n"
