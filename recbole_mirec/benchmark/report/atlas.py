"""The map of accounts, drawn."""

from collections.abc import Sequence
from xml.etree.ElementTree import Element

import numpy as np
from numpy.typing import NDArray

from dataset_convert.page.markup import append, element
from recbole_mirec.benchmark.portrait_file import AccountMap, MapSide
from recbole_mirec.benchmark.report.layout import separated
from recbole_mirec.benchmark.report.palette import UNKNOWN, category_colour

_WIDTH, _MARGIN = 1000.0, 16.0
_LETTERS = 14.0


def map_figure(places: AccountMap) -> Element:
    """Influencers as small dots, brands as large ones, coloured by category.

    A category's name stands at the middle of its brands.
    """
    both = np.array(
        [(*places.brands.x, *places.influencers.x), (*places.brands.y, *places.influencers.y)]
    ).T
    low, span = both.min(axis=0), np.maximum(np.ptp(both, axis=0), 1e-9)
    scale = (_WIDTH - 2 * _MARGIN) / span.max()
    height = float(span[1] * scale + 2 * _MARGIN)
    spots = (both - low) * scale + _MARGIN
    # Centred where the map is higher than wide.
    spots[:, 0] += (_WIDTH - 2 * _MARGIN - span[0] * scale) / 2
    n_brands = len(places.brands.x)
    svg = element("svg", class_="atlas", role="img", aria_label="map of accounts by category")
    svg.set("viewBox", f"0 0 {_WIDTH:.0f} {height:.0f}")
    names = category_names(places)
    append(svg, *_influencers(places.influencers, spots[n_brands:], names))
    append(svg, *_brands(places.brands, spots[:n_brands], names))
    append(svg, *_names(places.brands, spots[:n_brands], names))
    return svg


def map_key(places: AccountMap) -> Element:
    """What colours and sizes of `map_figure` mean."""
    listed = element("ul", class_="key")
    names = category_names(places)
    entries = [(name, category_colour(place)) for place, name in enumerate(names)]
    if "" in (*places.brands.categories, *places.influencers.categories):
        entries.append(("category unknown" if names else "account", UNKNOWN))
    for name, colour in entries:
        dot = element("circle", cx="11", cy="7", r="5.5", fill=colour)
        append(listed, element("li", element("svg", dot, aria_hidden="true"), name))
    for radius, word in (("5.5", "brand"), ("2", "influencer")):
        dot = element("circle", cx="11", cy="7", r=radius, class_="kind")
        append(listed, element("li", element("svg", dot, aria_hidden="true"), word))
    return listed


def category_names(places: AccountMap) -> list[str]:
    """Names of the categories on a map, sorted."""
    return sorted({*places.brands.categories, *places.influencers.categories} - {""})


def _colour(category: str, names: Sequence[str]) -> str:
    return category_colour(names.index(category)) if category else UNKNOWN


def _influencers(side: MapSide, spots: NDArray[np.float64], names: Sequence[str]) -> list[Element]:
    """A path a category: a dot of it is a line without length, which takes few characters."""
    drawn = []
    for category in ["", *names]:
        chosen = [spots[row] for row, name in enumerate(side.categories) if name == category]
        if chosen:
            dots = "".join(f"M{x:.0f} {y:.0f}h0" for x, y in chosen)
            drawn.append(element("path", d=dots, class_="far", stroke=_colour(category, names)))
    return drawn


def _brands(side: MapSide, spots: NDArray[np.float64], names: Sequence[str]) -> list[Element]:
    drawn = []
    for account, category, (x, y) in zip(side.ids, side.categories, spots, strict=True):
        title = element("title", f"{account}, {category}" if category else account)
        dot = f"M{x:.0f} {y:.0f}h0"
        rim = element("path", d=dot, class_="rim")
        inner = element("path", title, d=dot, class_="near", stroke=_colour(category, names))
        drawn += [rim, inner]
    return drawn


def _names(side: MapSide, spots: NDArray[np.float64], names: Sequence[str]) -> list[Element]:
    shown = [name for name in names if name in side.categories]
    if not shown:
        return []
    categories = np.array(side.categories)
    middles = np.array([np.median(spots[categories == name], axis=0) for name in shown])
    sizes = np.array([[0.62 * _LETTERS * len(name) + 8, 1.4 * _LETTERS] for name in shown])
    moved = separated(middles, sizes, gap=2.0)
    moved[:, 0] = np.clip(moved[:, 0], sizes[:, 0] / 2, _WIDTH - sizes[:, 0] / 2)
    return [
        element("text", name, x=float(x), y=float(y + 5))
        for name, (x, y) in zip(shown, moved, strict=True)
    ]
