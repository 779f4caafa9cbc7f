"""Pictures of the pages, by matplotlib, as SVG in the colours and the letters of the page.

Nothing of matplotlib is loaded before the first picture. The same values give the same text.
"""

import hashlib
import html
import io
import math
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec

import numpy as np
from markupsafe import Markup
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

P = ParamSpec("P")

N_COLOURS = 12
# Variables of the style sheet, so that a picture follows the page into the dark. matplotlib draws
# with stand-ins, #000001 for the first one: it leaves out black.
_VARIABLES = (
    *("ink", "soft", "line", "page", "blue", "orange"),
    *(f"c{place}" for place in range(N_COLOURS)),
)
COLOUR = {name: f"#0000{place:02x}" for place, name in enumerate(_VARIABLES, 1)}
INK, SOFT, LINE, PAGE, BLUE, ORANGE = (COLOUR[name] for name in _VARIABLES[:6])
_STYLE: dict[str, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "recbole_mirec",
    "text.parse_math": False,
    "path.simplify": False,
    "font.size": 12,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "axes.edgecolor": SOFT,
    "axes.labelcolor": SOFT,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": LINE,
    **{f"axes.spines.{side}": False for side in ("left", "top", "right")},
    **{f"{axis}tick.labelcolor": SOFT for axis in "xy"},
    **{f"{axis}tick.major.size": 0 for axis in "xy"},
    **{f"{axis}tick.minor.size": 0 for axis in "xy"},
    "axes.formatter.useoffset": False,
}
_LETTER = 6.6
"""Width of a letter at the font's size, on average."""


def picture(draw: Callable[P, "Figure"]) -> Callable[Concatenate[str, P], Markup]:
    """Let a function that draws take a title first, for who cannot see it, and return SVG."""

    @wraps(draw)
    def drawn(title: str, *args: P.args, **kwargs: P.kwargs) -> Markup:
        import matplotlib.style

        text = io.StringIO()
        with matplotlib.style.context(["default", _STYLE]), warnings.catch_warnings():
            # The browser has letters that matplotlib's font lacks.
            warnings.filterwarnings("ignore", "Glyph", UserWarning)
            nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
            draw(*args, **kwargs).savefig(text, format="svg", metadata=nothing)
        return _inline(text.getvalue(), title)

    return drawn


def _inline(svg: str, title: str) -> Markup:
    """A file of matplotlib's as an element of a page, with names that are no other picture's."""
    width, height = (float(size) for size in re.findall(r'(?:width|height)="([\d.]+)pt"', svg)[:2])
    own = hashlib.sha256(svg.encode()).hexdigest()[:8]
    svg = re.sub(r"^.*?</style>\s*</defs>|</svg>\s*$", "", svg, flags=re.DOTALL)
    svg = re.sub(r"<[^>]*>", lambda tag: _of_page(tag[0], own), svg)
    return Markup(
        f'<svg class="plot" role="img" aria-label="{html.escape(title)}" '
        f'viewBox="0 0 {width:g} {height:g}" style="max-width:{1.25 * width:g}px">{svg}</svg>'
    )


def _of_page(tag: str, own: str) -> str:
    tag = re.sub(r'^<g id="[^"]*"', "<g", tag).replace("xlink:href", "href")
    tag = re.sub(r'(id="|#)([mp][0-9a-f]{10})', rf"\g<1>{own}\2", tag)
    tag = re.sub(r" font-family: [^;]*;", "", tag)
    tag = re.sub(r"#0000([0-9a-f]{2})", lambda n: f"var(--{_VARIABLES[int(n[1], 16) - 1]})", tag)
    return re.sub(r"(\d\.\d\d)\d+", r"\1", tag).replace("\n", "")


def shortened(text: str, length: int = 19) -> str:
    """Returns a text that fits beside a plot, in one line; the whole of it stands in tables."""
    text = " ".join(text.split())
    return text if len(text) <= length else text[: length - 1] + "…"


def model_colour(place: int, *, main: bool) -> str:
    """Returns the variable of a model's colour: none of the others looks like the main one's."""
    return "orange" if main else f"c{place % (N_COLOURS - 1)}"


def _axes(width: float, height: float, left: float = 44, bottom: float = 24) -> "Axes":
    """Axes in a figure of so many pixels, with room for what stands beside and below them."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width / 72, height / 72))
    room = (left / width, bottom / height, 1 - (left + 12) / width, 1 - (bottom + 8) / height)
    return figure.add_axes(room)


def limits(values: ArrayLike) -> tuple[float, float]:
    """Ends of an axis: a little beyond the least and the greatest value; 0 to 1 without any."""
    known = np.asarray(values, dtype=np.float64)
    known = known[np.isfinite(known)]
    low, high = (known.min(), known.max()) if len(known) else (0.0, 1.0)
    margin = 0.06 * (high - low) or 0.05 * abs(high) or 0.5
    return float(low - margin), float(high + margin)


def _few_ticks(axis: Any, most: int, **options: Any) -> None:
    from matplotlib.ticker import MaxNLocator

    axis.set_major_locator(MaxNLocator(most, **options))


def round_numbers(low: float, high: float, *, log: bool = False) -> list[float]:
    """Returns at most eight round numbers from low to high, for an axis of equal steps or ratios."""
    from matplotlib.ticker import LogLocator, MaxNLocator

    slack = 1e-9 * (high - low)
    found: list[float] = []
    for locator in [LogLocator(subs=subs) for subs in ((1, 2, 5), (1, 3), (1,))] if log else [MaxNLocator(5)]:
        found = [float(f"{x:.12g}") for x in locator.tick_values(low, high) if low - slack <= x <= high + slack]
        if len(found) <= 6:
            break
    return found if len(found) > 1 else [low, high]


@picture
def intervals(
    rows: Sequence[tuple[str, float, float, float, str]], lines: Mapping[str, float]
) -> "Figure":
    """A dot and an interval a model, the first at the top.

    Args:
        rows: label, mean, ends of the interval (NaN where there is none), and `main`, `other`
            (differs from the main model) or `same`.
        lines: `chance` or `untrained` -> its value.
    """
    names = [shortened(row[0]) for row in rows]
    left = 12 + _LETTER * max(map(len, names))
    axes = _axes(340, 22 * len(rows) + 38, left=left)
    colours = {"main": ORANGE, "other": BLUE, "same": SOFT}
    for place, (_, mean, low, high, kind) in enumerate(rows):
        colour = colours[kind]
        axes.plot([low, high], [place, place], color=colour, lw=2, solid_capstyle="round")
        inside = PAGE if kind == "same" else colour
        axes.plot(mean, place, "o", color=colour, markerfacecolor=inside, ms=8, mew=2)
    for kind, value in lines.items():
        axes.axvline(value, color=SOFT, lw=1.4, ls=":" if kind == "chance" else "--", zorder=1)
    axes.set_yticks(range(len(rows)), names)
    for text, row in zip(axes.get_yticklabels(), rows, strict=True):
        text.set(color=INK, weight="bold" if row[4] == "main" else "normal")
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.grid(axis="y", visible=False)
    _few_ticks(axes.xaxis, 4)
    return axes.figure  # type: ignore[return-value]


@picture
def ranks(
    shares: Mapping[str, NDArray[np.float64]],
    cuts: NDArray[np.float64],
    chance: NDArray[np.float64],
    main: str,
) -> "Figure":
    """Share of the collaborators found among the first k, on a logarithmic axis.

    Args:
        shares: label -> share at every cut.
        cuts: k, ascending from 1.
        chance: the share that a random order finds.
        main: the label whose line is the strongest.
    """
    axes = _axes(480, 270, left=50, bottom=42)
    axes.plot(cuts, chance, color=SOFT, ls=":", lw=1.5)
    for place, (label, values) in enumerate(shares.items()):
        colour = COLOUR[model_colour(place, main=label == main)]
        dashes = "-" if label == main else ("-", "--", "-.")[place // (N_COLOURS - 1) % 3]
        axes.plot(cuts, values, color=colour, ls=dashes, lw=3.2 if label == main else 1.7)
    axes.set_xscale("log")
    axes.minorticks_off()
    marks = [mark for mark in (1, 3, 10, 30, 100, 300, 1000, 3000, 10000, 30000) if mark <= cuts[-1]]
    axes.set_xticks(marks, [f"{mark:,}" for mark in marks])
    axes.set_yticks(np.linspace(0, 1, 5), [f"{share} %" for share in range(0, 101, 25)])
    axes.set(xlim=(1, max(cuts[-1], 2)), ylim=(0, 1.01))
    axes.set_xlabel("k, the first influencers", loc="right")
    return axes.figure  # type: ignore[return-value]


@picture
def learning_curves(
    runs: Sequence[tuple[NDArray[np.float64], int]], limits: tuple[float, float]
) -> "Figure":
    """Validation score, and below it training loss, after every epoch; a thin line a run.

    Args:
        runs: of each run (epoch, 3): epoch from 1, score, loss (NaN: none); and the epoch it chose.
        limits: ends of the score's axis, the same for all models.
    """
    below = _axes(340, 220, bottom=22)
    figure = below.figure
    left, bottom, width, height = below.get_position().bounds
    below.set_position((left, bottom, width, 0.3 * height))
    above = figure.add_axes((left, bottom + 0.44 * height, width, 0.56 * height), sharex=below)
    for values, best in runs:
        epoch, score, loss = values.T
        dot = "o" if len(values) == 1 else ""
        above.plot(epoch, score, dot + "-", color=BLUE, lw=1.2, ms=3)
        below.plot(epoch, loss, dot + "-", color=SOFT, lw=1.2, ms=3)
        chosen = epoch == best
        above.plot(epoch[chosen], score[chosen], "o", color=ORANGE, mec=PAGE, ms=7)
    above.tick_params(labelbottom=False)
    above.set_ylim(limits)
    below.set_title("training loss", loc="left", fontsize=12, color=SOFT, pad=4)
    _few_ticks(above.yaxis, 4)
    _few_ticks(below.yaxis, 2)
    _few_ticks(below.xaxis, 5, integer=True)
    return figure  # type: ignore[return-value]


def backbone(graph: Mapping[str, Any], closest: int) -> Any:
    """The edges that are among the closest of either end, as a graph of networkx.

    How close two attributes are is the weight of their edge over what chance gives it: the product
    of its ends' shares of all edge weights. Otherwise what goes with everything would be closest
    to everything.

    Args:
        graph: of the portrait.
        closest: edges of a node that are kept.
    """
    import networkx as nx

    strengths = graph["strengths"]
    whole, kept = nx.Graph(), nx.Graph()
    for i, j, weight in graph["edges"]:
        affinity = weight * graph["total"] / (strengths[i] * strengths[j])
        whole.add_edge(i, j, weight=weight, affinity=affinity)
    kept.add_nodes_from(range(len(strengths)))
    for node in whole:
        edges = sorted(whole.edges(node, data=True), key=lambda edge: -edge[2]["affinity"])
        kept.add_edges_from(edges[:closest])
    return kept


@picture
def network(graph: Mapping[str, Any], closest: int) -> "Figure":
    """Attributes as names in boxes, the stronger the larger, tied by lines, the heavier the wider."""
    import networkx as nx

    kept = backbone(graph, closest)
    strengths = np.sqrt(graph["strengths"])
    size = 12 + 6 * (strengths - strengths.min()) / (np.ptp(strengths) or 1.0)
    names = [shortened(name, 24) for name in graph["names"]]
    boxes = np.stack([0.62 * size * [len(name) + 2 for name in names], 2.1 * size], axis=1)
    far = dict(nx.shortest_path_length(kept))
    furthest = max(steps for row in far.values() for steps in row.values())
    for row in far.values():
        row |= {node: furthest for node in kept if node not in row}
    found = nx.kamada_kawai_layout(kept, far)
    places = np.array([found[node] for node in range(len(kept))])
    places = (places - places.min(axis=0)) / np.maximum(np.ptp(places, axis=0), 1e-9)
    places = spread_apart(places * (900, 560), boxes)
    axes = _axes(1040, 660, left=12, bottom=8)
    heaviest = max((weight for *_, weight in kept.edges(data="weight")), default=1.0)
    for i, j, weight in kept.edges(data="weight"):
        wide = 0.6 + 5.4 * (weight / heaviest) ** 1.5
        axes.plot(*places[[i, j]].T, color=SOFT, alpha=0.35, lw=wide, solid_capstyle="round")
    groups = nx.community.greedy_modularity_communities(kept, weight="affinity")
    for number, group in enumerate(groups):
        for node in sorted(group):
            box = {"boxstyle": "round,pad=0.35,rounding_size=0.8", "fc": PAGE, "lw": 1.6}
            box["ec"] = COLOUR[f"c{number % N_COLOURS}"]
            text = {"ha": "center", "va": "center", "size": size[node], "color": INK}
            axes.text(*places[node], names[node], bbox=box, **text)
    edge = boxes / 2 + 4
    low, high = (places - edge).min(axis=0), (places + edge).max(axis=0)
    axes.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]))
    axes.axis("off")
    return axes.figure  # type: ignore[return-value]


def spread_apart(
    places: NDArray[np.float64], sizes: NDArray[np.float64], steps: int = 2000
) -> NDArray[np.float64]:
    """Moves boxes apart until no two overlap, each pair along the way that is shorter.

    Args:
        places: (box, 2) centres, no two the same.
        sizes: (box, 2) widths and heights in the same unit.
        steps: the most rounds.
    """
    moved = places.astype(np.float64)
    wanted = (sizes[:, None] + sizes[None]) / 2
    for _ in range(steps):
        apart = moved[:, None] - moved[None]
        missing = wanted - np.abs(apart)
        overlap = (missing > 1e-6).all(axis=2) & ~np.eye(len(moved), dtype=bool)
        if not overlap.any():
            break
        shorter = missing == missing.min(axis=2, keepdims=True)
        push = np.where(overlap[..., None] & shorter, missing * np.sign(apart) / 2, 0.0)
        moved += 0.6 * push.sum(axis=1) 
    return moved


@picture
def account_map(places: Mapping[str, Any], categories: Sequence[str]) -> "Figure":
    """Influencers as small dots, brands as large ones; a category's name amid its brands."""
    accounts = places["accounts"]
    spots = np.array([(one["x"], one["y"]) for one in accounts])
    span = np.maximum(np.ptp(spots, axis=0), 1e-9)
    axes = _axes(560, min(max(536 * span[1] / span[0], 240), 560) + 20, left=12, bottom=12)
    kinds = np.array([f"{one['side']} {one['category']}" for one in accounts])
    colours = {"": "soft"} | {name: f"c{n % N_COLOURS}" for n, name in enumerate(categories)}
    for side, width, alpha in (("influencer", 3.0, 0.6), ("brand", 7.0, 1.0)):
        for name, colour in colours.items():
            dots = spots[kinds == f"{side} {name}"]
            # A dot is a line without length, which takes few characters.
            x, y = np.stack([dots, dots, np.full_like(dots, np.nan)], axis=1).reshape(-1, 2).T
            if side == "brand":
                axes.plot(x, y, color=PAGE, lw=width + 2, solid_capstyle="round")
            axes.plot(x, y, color=COLOUR[colour], lw=width, alpha=alpha, solid_capstyle="round")
    for name in categories:
        dots = spots[kinds == f"brand {name}"]
        if len(dots):
            where = {"ha": "center", "va": "center", "weight": "bold", "size": 13}
            axes.text(*np.median(dots, axis=0), shortened(name, 24), color=INK, **where)
    axes.set_aspect("equal")
    axes.axis("off")
    return axes.figure  # type: ignore[return-value]


# How the trials of each kind are marked.
TRIALS: dict[str, dict[str, Any]] = {
    "finished": {"marker": "o", "ms": 7, "color": BLUE, "alpha": 0.65, "mec": PAGE},
    "stopped": {"marker": "o", "ms": 6, "color": PAGE, "mec": BLUE, "mew": 1.4},
    "diverged": {"marker": "D", "ms": 6, "color": "none", "mec": SOFT, "mew": 1.4},
    "failed": {"marker": "x", "ms": 6, "color": SOFT, "mew": 1.4},
    "winner": {"marker": "o", "ms": 10, "color": ORANGE, "mec": PAGE},
}


def _mark_trials(
    axes: "Axes", places: ArrayLike, scores: NDArray[np.float64], kinds: Sequence[str]
) -> None:
    """Mark the trials at their scores (NaN: none); those without one in a lane below."""
    low, high = limits(scores)
    lane = 0.14 * (high - low) if np.isnan(scores).any() else 0.0
    axes.set_ylim(low - lane, high)
    heights = np.where(np.isnan(scores), low - lane / 2, scores)
    for kind, looks in TRIALS.items():
        chosen = np.array([one == kind for one in kinds], dtype=bool)
        axes.plot(np.asarray(places)[chosen], heights[chosen], ls="", clip_on=False, **looks)
    _few_ticks(axes.yaxis, 5)
    if lane:
        marks = round_numbers(low, high)
        axes.set_yticks([low - lane / 2, *marks], ["none", *(f"{mark:.6g}" for mark in marks)])
    axes.grid(axis="x", visible=False)


@picture
def history(scores: NDArray[np.float64], kinds: Sequence[str], *, bigger: bool) -> "Figure":
    """Score of every trial in its turn, and the best so far as a line.

    Args:
        scores: (trial), NaN where there is none.
        kinds: of the trials, as `TRIALS` has them.
        bigger: whether a larger score is better.
    """
    axes = _axes(520, 240, bottom=38)
    numbers = np.arange(1, len(scores) + 1)
    best = (np.fmax if bigger else np.fmin).accumulate(scores)
    axes.plot(numbers, best, color=ORANGE, lw=1.6, drawstyle="steps-post")
    _mark_trials(axes, numbers, scores, kinds)
    axes.set_xlim(0.5, len(scores) + 0.5)
    axes.set_xlabel("trial", loc="right")
    _few_ticks(axes.xaxis, 8, integer=True)
    return axes.figure  # type: ignore[return-value]


@picture
def parameter(
    places: NDArray[np.float64],
    scores: NDArray[np.float64],
    kinds: Sequence[str],
    ticks: Sequence[tuple[float, str]],
    medians: Sequence[tuple[float, float]],
) -> "Figure":
    """Score against one parameter; a choice has a bar at each option's median.

    Args:
        places: (trial), from 0 to 1.
        scores: (trial), NaN where there is none.
        kinds: of the trials, as `TRIALS` has them.
        ticks: place and label.
        medians: place and score.
    """
    ticks = ticks[:: math.ceil(len(ticks) / 14)]
    labels = [shortened(label, 14) for _, label in ticks]
    # Labels that have no room side by side stand aslant.
    aslant = len(labels) * (max(map(len, labels)) * _LETTER + 8) > 300
    bottom = 26 + (0.6 * _LETTER * max(map(len, labels)) if aslant else 0)
    axes = _axes(340, 140 + bottom, bottom=bottom)
    _mark_trials(axes, places, scores, kinds)
    half = min(0.06, 0.35 / len(ticks))
    for place, score in medians:
        axes.plot([place - half, place + half], [score, score], color=INK, lw=2)
    axes.set_xlim(-0.03, 1.03)
    axes.set_xticks([place for place, _ in ticks], labels)
    if aslant:
        for text in axes.get_xticklabels():
            text.set(rotation=35, ha="right", rotation_mode="anchor")
    return axes.figure  # type: ignore[return-value]


@picture
def parallel(
    lines: Sequence[NDArray[np.float64]],
    rows: Mapping[str, Sequence[tuple[float, str]]],
    *,
    winner: bool,
) -> "Figure":
    """A line a trial through its values, from the first row at the top to the score below.

    Args:
        lines: of each trial, the worst first: a place from 0 to 1 in each row.
        rows: name -> ticks of place and label.
        winner: whether the last line is the winner's.
    """
    axes = _axes(520, 66 * len(rows) + 8, left=20, bottom=34)
    for place, line in enumerate(lines):
        part = (place + 1) / len(lines)
        looks: dict[str, Any] = {"color": BLUE, "lw": 1.2, "alpha": 0.12 + 0.6 * part**1.5}
        if winner and place == len(lines) - 1:
            looks = {"color": ORANGE, "lw": 2.8}
        axes.plot(line, range(len(rows)), solid_capstyle="round", **looks)
    for place, (name, all_ticks) in enumerate(rows.items()):
        ticks = all_ticks[:: math.ceil(len(all_ticks) / 8)]
        axes.axhline(place, color=SOFT, lw=1, zorder=0)
        below = {"va": "top", "size": 11, "color": SOFT}
        for x, label in ticks:
            axes.text(x, place + 0.09, shortened(label, 60 // len(ticks)), ha="center", **below)
        axes.text(-0.02, place - 0.1, shortened(name, 40), weight="bold", color=INK)
    axes.set(xlim=(-0.02, 1.02), ylim=(len(rows) - 0.9, -0.35))
    axes.set_axis_off()
    return axes.figure  # type: ignore[return-value]
