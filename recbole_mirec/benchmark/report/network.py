"""The attribute co-occurrence graph, drawn."""

from xml.etree.ElementTree import Element

import numpy as np
from numpy.typing import NDArray

from dataset_convert.page.markup import append, element
from recbole_mirec.benchmark.portrait_file import AttributeGraph
from recbole_mirec.benchmark.report.layout import communities, separated, spread
from recbole_mirec.benchmark.report.palette import category_colour, tint

CLOSEST_OF_NODE = 3
_WIDTH, _HEIGHT, _MARGIN = 1040.0, 640.0, 8.0
_SMALLEST, _LARGEST = 12.0, 18.0
# Of a letter's height: the width of a wide letter, and the room around a name.
_LETTER, _PADDING = 0.6, 0.9
_THIN, _THICK = 0.6, 6.0


def graph_figure(graph: AttributeGraph) -> Element:
    """Attributes as names in boxes, the stronger the larger, tied by lines, the heavier the wider.

    Of all edges between the attributes, each attribute's three closest are drawn: all of them
    would be one dark tangle, and the heaviest would lead from everything to a few attributes.
    """
    kept = backbone(affinity(graph))
    drawn = np.where(kept > 0, weight_matrix(graph), 0.0)
    letters = _letter_sizes(graph)
    sizes = np.stack(
        [
            [
                _LETTER * size * len(name) + _PADDING * size
                for name, size in zip(graph.names, letters, strict=True)
            ],
            letters * 1.55,
        ],
        axis=1,
    )
    places, width, height = _fitted(spread((kept > 0).astype(np.float64)), sizes)
    groups = communities(kept)
    svg = element("svg", class_="network", role="img", aria_label="attributes that go together")
    svg.set("viewBox", f"0 0 {width:.0f} {height:.0f}")
    append(svg, *_edges(graph, drawn, places), *_nodes(graph, groups, places, sizes, letters))
    return svg


def weight_matrix(graph: AttributeGraph) -> NDArray[np.float64]:
    """Weights of the edges (attribute, attribute), symmetric."""
    weights = np.zeros((len(graph.names), len(graph.names)))
    for i, j, weight in graph.edges:
        weights[i, j] = weights[j, i] = weight
    return weights


def affinity(graph: AttributeGraph) -> NDArray[np.float64]:
    """How much heavier edges are than chance would make them (attribute, attribute); 1 is chance.

    Chance gives an edge the product of its ends' shares of all edge weights, so that attributes
    which go with everything are not closest to everything.
    """
    strengths = np.array(graph.strengths)
    ratios: NDArray[np.float64] = weight_matrix(graph) / np.outer(strengths, strengths)
    return ratios * graph.total


def backbone(closeness: NDArray[np.float64]) -> NDArray[np.float64]:
    """The matrix without the edges that are among the three closest of neither end."""
    kept = np.zeros_like(closeness)
    for node, row in enumerate(closeness):
        for other in np.argsort(-row, kind="stable")[:CLOSEST_OF_NODE]:
            kept[node, other] = kept[other, node] = row[other]
    return kept


def _letter_sizes(graph: AttributeGraph) -> NDArray[np.float64]:
    strengths = np.sqrt(np.array(graph.strengths))
    low, high = strengths.min(), strengths.max()
    sizes: NDArray[np.float64] = _SMALLEST + (_LARGEST - _SMALLEST) * (strengths - low) / (
        (high - low) or 1.0
    )
    return sizes


def _fitted(
    places: NDArray[np.float64], sizes: NDArray[np.float64]
) -> tuple[NDArray[np.float64], float, float]:
    """Places in the picture without overlaps, and the picture's width and height."""
    span = np.maximum(np.ptp(places, axis=0), 1e-9)
    room = np.array([_WIDTH, _HEIGHT]) - sizes.max(axis=0) - 2 * _MARGIN
    moved = separated((places - places.min(axis=0)) / span * room, sizes, gap=6.0)
    low = (moved - sizes / 2).min(axis=0) - _MARGIN
    high = (moved + sizes / 2).max(axis=0) + _MARGIN
    width, height = (float(value) for value in high - low)
    return moved - low, width, height


def _edges(
    graph: AttributeGraph, weights: NDArray[np.float64], places: NDArray[np.float64]
) -> list[Element]:
    heaviest = weights.max() or 1.0
    drawn = []
    for i, j in sorted(np.argwhere(np.triu(weights)).tolist(), key=lambda pair: weights[*pair]):
        title = element("title", f"{graph.names[i]} and {graph.names[j]}: {weights[i, j]:.1f}")
        line = element(
            "line",
            title,
            x1=float(places[i, 0]),
            y1=float(places[i, 1]),
            x2=float(places[j, 0]),
            y2=float(places[j, 1]),
            stroke_width=float(_THIN + (_THICK - _THIN) * (weights[i, j] / heaviest) ** 1.5),
            class_="edge",
        )
        drawn.append(line)
    return drawn


def _nodes(
    graph: AttributeGraph,
    groups: NDArray[np.int64],
    places: NDArray[np.float64],
    sizes: NDArray[np.float64],
    letters: NDArray[np.float64],
) -> list[Element]:
    drawn = []
    for node, name in enumerate(graph.names):
        (x, y), (width, height) = places[node], sizes[node]
        colour = category_colour(int(groups[node]))
        box = element(
            "rect",
            x=float(x - width / 2),
            y=float(y - height / 2),
            width=float(width),
            height=float(height),
            rx=float(height / 2),
            fill=tint(colour, 0.18),
            stroke=colour,
        )
        text = element("text", name, x=float(x), y=float(y + letters[node] * 0.35))
        text.set("style", f"font-size:{letters[node]:.1f}px")
        title = element("title", f"{name}: its edges weigh {graph.strengths[node]:,.0f} together")
        drawn.append(element("g", title, box, text))
    return drawn
