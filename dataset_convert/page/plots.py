"""Parts of plots as inline SVG.

Across, a plot is as wide as its place on the page: positions are percentages, and only lines are
stretched. Letters therefore keep their size on a telephone.
"""

from collections.abc import Sequence
from xml.etree.ElementTree import Element

from dataset_convert.page.markup import element


def frame(label: str, height: float, *, wide: bool = False) -> Element:
    """Returns an empty plot.

    Args:
        label: What it shows, for those who cannot see it.
        height: In pixels.
        wide: Whether it needs no room for labels at its left.
    """
    return element(
        "svg",
        class_="plot wide" if wide else "plot",
        height=str(round(height)),
        role="img",
        aria_label=label,
    )


def stretched(height: float) -> Element:
    """Returns a picture of 1000 units across that fills the plot's width."""
    made = element("svg", x="0", y="0", width="100%", height=str(height), overflow="visible")
    made.set("viewBox", f"0 0 1000 {height}")
    made.set("preserveAspectRatio", "none")
    return made


def plot_text(text: str, x: str, y: float, *, anchor: str = "start", class_: str = "") -> Element:
    """Returns words at a place; `anchor` is the end or middle of them that stands there."""
    made = element("text", text, x=x, y=float(y))
    if anchor != "start":
        made.set("text-anchor", anchor)
    if class_:
        made.set("class", class_)
    return made


def bottom_axis(
    ticks: Sequence[tuple[float, str]], y: float, *, slanted: bool = False
) -> list[Element]:
    """Returns a line with ticks and labels below it.

    Args:
        ticks: Position from 0 to 1 and label; a label may have several lines.
        y: Of the line, in pixels.
        slanted: Whether labels stand aslant.
    """
    drawn = [element("line", x1="0", x2="100%", y1=float(y), y2=float(y), class_="axis")]
    for place, label in ticks:
        x = f"{100 * place:.2f}%"
        drawn.append(element("line", x1=x, x2=x, y1=float(y), y2=float(y + 4), class_="tick"))
        lines = enumerate(label.split("\n"))
        words = [plot_text(line, x, y + 17 + 13 * row) for row, line in lines if line]
        for text in words:
            text.set("text-anchor", "end" if slanted else "middle")
            if slanted:
                # A percentage is no place to turn around, so the text turns in its own box.
                text.set("style", "transform-box:fill-box;transform-origin:right;rotate:-35deg")
        drawn += words
    return drawn
