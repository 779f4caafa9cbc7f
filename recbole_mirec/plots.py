"""Pictures of the pages, by matplotlib, as SVG in the colours and the letters of the page.

Nothing of matplotlib is loaded before the first picture. The same values give the same text. Sizes
are in pixels.
"""

import hashlib
import io
import math
import re
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec

import numpy as np
from markupsafe import Markup
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

P = ParamSpec("P")
Array = NDArray[np.float64]
Ticks = Sequence[tuple[float, str]]
"""Place and label of each."""

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
    "lines.solid_capstyle": "round",
    "text.color": INK,
    **{f"axes.spines.{side}": False for side in ("left", "top", "right")},
    **{f"{axis}tick.labelcolor": SOFT for axis in "xy"},
    **{f"{axis}tick.{kind}.size": 0 for axis in "xy" for kind in ("major", "minor")},
}
_LETTER = 6.6
"""Width of a letter, on average."""
TRIALS: dict[str, dict[str, Any]] = {
    "finished": {"marker": "o", "ms": 7, "color": BLUE, "alpha": 0.65, "mec": PAGE},
    "stopped": {"marker": "o", "ms": 6, "color": PAGE, "mec": BLUE, "mew": 1.4},
    "diverged": {"marker": "D", "ms": 6, "color": "none", "mec": SOFT, "mew": 1.4},
    "failed": {"marker": "x", "ms": 6, "color": SOFT, "mew": 1.4},
    "winner": {"marker": "o", "ms": 10, "color": ORANGE, "mec": PAGE},
}
"""How the trials of each kind are marked."""


def picture(draw: "Callable[P, Axes]") -> Callable[P, Markup]:
    """Let a function that draws return SVG for a page, with ids that are no other picture's."""

    @wraps(draw)
    def drawn(*args: P.args, **kwargs: P.kwargs) -> Markup:
        import matplotlib.style

        text = io.StringIO()
        with matplotlib.style.context(["default", _STYLE]), warnings.catch_warnings():
            # The browser has letters that matplotlib's font lacks.
            warnings.filterwarnings("ignore", "Glyph", UserWarning)
            figure: Any = draw(*args, **kwargs).figure
            figure.savefig(text, format="svg", metadata={"Date": None})
        svg = re.sub(
            r"^.*?</metadata>|<style.*?</style>|</svg>\s*$", "", text.getvalue(), flags=re.DOTALL
        )
        own = hashlib.sha256(svg.encode()).hexdigest()[:8]
        svg = re.sub(r"<[^>]*>", lambda tag: _of_page(tag[0], own), svg)
        width, height = 72 * figure.get_size_inches()
        return Markup(
            f'<svg class="plot" viewBox="0 0 {width:g} {height:g}" '
            f'style="max-width:{1.25 * width:g}px">{svg}</svg>'
        )

    return drawn


def _of_page(tag: str, own: str) -> str:
    """A tag of matplotlib's with the page's colours and letters, and shorter."""
    tag = re.sub(r'^<g id="[^"]*"', "<g", tag).replace("xlink:href", "href").replace("\n", "")
    tag = re.sub(r'(id="|#)([mp][0-9a-f]{10})', rf"\g<1>{own}\2", tag)
    tag = re.sub(r"#0000([0-9a-f]{2})", lambda n: f"var(--{_VARIABLES[int(n[1], 16) - 1]})", tag)
    return re.sub(r"(\d\.\d\d)\d+", r"\1", re.sub(r" font-family: [^;]*;", "", tag))


def shortened(text: str, length: int = 19) -> str:
    """Returns a text that fits beside a plot, in one line; the whole of it stands in tables."""
    text = " ".join(text.split())
    return text if len(text) <= length else text[: length - 1] + "…"


def limits(values: ArrayLike) -> tuple[float, float]:
    """Returns ends of an axis a little beyond the least and the greatest value; NaN is none."""
    known = np.asarray(values, dtype=np.float64)
    known = known[np.isfinite(known)] if np.isfinite(known).any() else np.array([0.0, 1.0])
    margin = 0.06 * np.ptp(known) or 0.05 * abs(known[0]) or 0.5
    return float(known.min() - margin), float(known.max() + margin)


def round_numbers(
    low: float, high: float, *, log: bool = False, whole: bool = False
) -> list[float]:
    """Returns two to seven round numbers from low to high; with `log` for steps of equal ratio."""
    from matplotlib.ticker import LogLocator, MaxNLocator

    steps = (
        LogLocator(subs=(1, 2, 5) if high < 200 * low else (1,))
        if log
        else MaxNLocator(5, integer=whole)
    )
    ends = low - 1e-9 * abs(low), high + 1e-9 * abs(high)
    marks = [float(f"{x:.12g}") for x in steps.tick_values(low, high) if ends[0] <= x <= ends[1]]
    return marks[:: math.ceil(len(marks) / 7)] if len(marks) > 1 else [low, high]


def _axes(width: float, height: float, *, left: float = 44, bottom: float = 24) -> "Axes":
    from matplotlib.figure import Figure

    room = (left / width, bottom / height, 1 - (left + 12) / width, 1 - (bottom + 8) / height)
    return Figure(figsize=(width / 72, height / 72)).add_axes(room)


def _few_ticks(axis: Any, most: int, **options: Any) -> None:
    from matplotlib.ticker import MaxNLocator

    axis.set_major_locator(MaxNLocator(most, steps=(1, 2, 5, 10), **options))


@picture
def intervals(
    rows: Sequence[tuple[str, float, float, float, str]], lines: Mapping[str, float]
) -> "Axes":
    """A dot and an interval a model, the first at the top.

    Args:
        rows: label, mean, ends of the interval (NaN where there is none), and the colour: orange
            and bold for the main model; hollow where it is soft.
        lines: `chance` or `untrained` -> its value.
    """
    names = [shortened(row[0]) for row in rows]
    axes = _axes(340, 22 * len(rows) + 38, left=12 + _LETTER * max(map(len, names)))
    axes.set_yticks(range(len(rows)), names, color=INK)
    for place, (_, mean, low, high, name) in enumerate(rows):
        colour = COLOUR[name]
        axes.plot([low, high], [place, place], color=colour, lw=2)
        inside = PAGE if name == "soft" else colour
        axes.plot(mean, place, "o", color=colour, markerfacecolor=inside, ms=8, mew=2)
        axes.get_yticklabels()[place].set_fontweight("bold" if name == "orange" else "normal")
    for kind, value in lines.items():
        axes.axvline(value, color=SOFT, lw=1.4, ls=":" if kind == "chance" else "--", zorder=1)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.grid(axis="y", visible=False)
    _few_ticks(axes.xaxis, 4)
    return axes


@picture
def ranks(cuts: Array, chance: Array, shares: Iterable[tuple[str, Array]]) -> "Axes":
    """Share of the collaborators found among the first k, on a logarithmic axis.

    Cuts are k, ascending from 1; chance is what a random order finds there; `shares` has a colour
    (orange is the strongest line) and the share at every cut.
    """
    axes = _axes(480, 270, left=50, bottom=42)
    axes.plot(cuts, chance, color=SOFT, ls=":", lw=1.5)
    for colour, values in shares:
        axes.plot(cuts, values, color=COLOUR[colour], lw=3.2 if colour == "orange" else 1.7)
    axes.set_xscale("log")
    axes.minorticks_off()
    marks = round_numbers(1, cuts[-1], log=True)
    axes.set_xticks(marks, [f"{mark:,.0f}" for mark in marks])
    axes.set_yticks(np.linspace(0, 1, 5), [f"{share} %" for share in range(0, 101, 25)])
    axes.set(xlim=(1, max(cuts[-1], 2)), ylim=(0, 1.01))
    axes.set_xlabel("k, the first influencers", loc="right")
    return axes


@picture
def reliability(groups: Sequence[Sequence[float]], told: str, happened: str) -> "Axes":
    """What happened against the chance that was told, a dot a group, beside what should have been.

    `groups` has of each its mean chance, the share that happened, both from 0 to 1, and its size.
    """
    chance, share, _ = np.array(groups).T
    most = 1.12 * max(chance.max(), share.max(), 0.01)
    axes = _axes(340, 270, left=52, bottom=42)
    axes.plot([0, most], [0, most], color=SOFT, ls=":", lw=1.5)
    axes.plot(chance, share, "o", color=BLUE, ms=8, mec=PAGE)
    for ticks in (axes.set_xticks, axes.set_yticks):
        marks = round_numbers(0, most)
        ticks(marks, [f"{100 * mark:g} %" for mark in marks])
    axes.set(xlim=(0, most), ylim=(0, most))
    axes.set_xlabel(told, loc="right")
    axes.set_ylabel(happened, loc="top")
    return axes


@picture
def learning_curves(runs: Sequence[tuple[Array, int]], ends: tuple[float, float]) -> "Axes":
    """Validation score, and below it training loss, after every epoch; a thin line a run.

    `runs` has of each run (epoch, 3): epoch from 1, score, loss (NaN: none); and the epoch that it
    chose. `ends` are those of the score's axis, the same for all models.
    """
    above = _axes(340, 220, bottom=108)
    below: Any = above.figure.add_axes((44 / 340, 0.1, 284 / 340, 0.26), sharex=above)
    for values, best in runs:
        epoch, score, loss = values.T
        for axes, heights, colour in ((above, score, BLUE), (below, loss, SOFT)):
            axes.plot(epoch, heights, "o-" if len(epoch) == 1 else "-", color=colour, lw=1.2, ms=3)
        chosen = epoch == best
        above.plot(epoch[chosen], score[chosen], "o", color=ORANGE, mec=PAGE, ms=7)
    above.tick_params(labelbottom=False)
    above.set_ylim(ends)
    below.set_title("training loss", loc="left", fontsize=12, color=SOFT, pad=4)
    _few_ticks(above.yaxis, 4)
    _few_ticks(below.yaxis, 2)
    _few_ticks(below.xaxis, 5, integer=True)
    return above


def backbone(graph: Mapping[str, Any], closest: int) -> Any:
    """The edges that are among the closest of either end, as a graph of networkx.

    How close two attributes are is the weight of their edge over what chance gives it: the product
    of its ends' shares of all edge weights. Otherwise what goes with everything would be closest
    to everything. `graph` is the portrait's.
    """
    import networkx as nx

    strengths = graph["strengths"]
    whole, kept = nx.Graph(), nx.empty_graph(len(strengths))
    for i, j, weight in graph["edges"]:
        affinity = weight * graph["total"] / (strengths[i] * strengths[j])
        whole.add_edge(i, j, weight=weight, affinity=affinity)
    for node in whole:
        edges = sorted(whole.edges(node, data=True), key=lambda edge: -edge[2]["affinity"])
        kept.add_edges_from(edges[:closest])
    return kept


@picture
def network(graph: Mapping[str, Any], closest: int) -> "Axes":
    """Attributes as names in boxes, the stronger the larger, tied by lines, the heavier the wider.

    See `backbone`; a colour is a group that hangs together.
    """
    import networkx as nx

    kept = backbone(graph, closest)
    strengths = np.sqrt(graph["strengths"])
    size = 12 + 6 * (strengths - strengths.min()) / (np.ptp(strengths) or 1.0)
    names = [shortened(name, 24) for name in graph["names"]]
    boxes = np.stack([0.62 * size * [len(name) + 2 for name in names], 2.1 * size], axis=1)
    steps = dict(nx.shortest_path_length(kept))
    # Parts that no line ties stand as far apart as the ends of the longest one.
    most = max(n for row in steps.values() for n in row.values())
    apart = {i: {j: steps[i].get(j, most) for j in kept} for i in kept}
    places = np.array(list(nx.kamada_kawai_layout(kept, apart).values()))
    places = (places - places.min(axis=0)) / np.maximum(np.ptp(places, axis=0), 1e-9)
    places = spread_apart(places * (900, 560), boxes)
    axes = _axes(1040, 660, left=12, bottom=8)
    edges = list(kept.edges(data="weight"))
    for i, j, weight in edges:
        wide = 0.6 + 5.4 * (weight / max(edge[2] for edge in edges)) ** 1.5
        axes.plot(*places[[i, j]].T, color=SOFT, alpha=0.35, lw=wide)
    for n, group in enumerate(nx.community.greedy_modularity_communities(kept, "affinity")):
        box = {"boxstyle": "round,pad=0.35,rounding_size=0.8", "fc": PAGE, "lw": 1.6}
        box["ec"] = COLOUR[f"c{n % N_COLOURS}"]
        for node in sorted(group):
            looks: dict[str, Any] = {
                "size": size[node],
                "bbox": box,
                "ha": "center",
                "va": "center",
            }
            x, y = places[node]
            axes.text(x, y, names[node], **looks)
    low, high = (places - boxes / 2).min(axis=0), (places + boxes / 2).max(axis=0)
    axes.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]))
    axes.set_axis_off()
    return axes


def spread_apart(places: Array, sizes: Array) -> Array:
    """Moves boxes apart until no two overlap, each pair along the way that is shorter.

    Places are centres (box, 2), no two the same; sizes are widths and heights (box, 2).
    """
    moved = places.astype(np.float64)
    for _ in range(2000):
        apart = moved[:, None] - moved[None]
        missing = (sizes[:, None] + sizes[None]) / 2 - np.abs(apart)
        missing[np.diag_indices(len(moved))] = 0.0
        overlap = (missing > 1e-6).all(axis=2, keepdims=True)
        if not overlap.any():
            break
        step = overlap & (missing == missing.min(axis=2, keepdims=True))
        moved += np.where(step, 0.3 * (missing + 1e-3) * np.sign(apart), 0.0).sum(axis=1)
    return moved


@picture
def account_map(accounts: Sequence[Mapping[str, Any]], categories: Sequence[str]) -> "Axes":
    """Influencers as small dots, brands as large ones; a category's name amid its brands."""
    spots = np.array([(one["x"], one["y"]) for one in accounts], dtype=np.float64)
    kinds = np.array([f"{one['side']} {one['category']}" for one in accounts])
    wide, high = np.maximum(np.ptp(spots, axis=0), 1e-9)
    axes = _axes(560, min(max(536 * high / wide, 240), 560) + 20, left=12, bottom=12)
    colours = {"": "soft"} | {name: f"c{n % N_COLOURS}" for n, name in enumerate(categories)}
    for side, width, alpha in (("influencer", 3.0, 0.6), ("brand", 7.0, 1.0)):
        for name, colour in colours.items():
            dots = spots[kinds == f"{side} {name}"]
            # A dot is a line without length, which takes few characters.
            x, y = np.stack([dots, dots, np.full_like(dots, np.nan)], axis=1).reshape(-1, 2).T
            axes.plot(x, y, color=PAGE, lw=width + 1)
            axes.plot(x, y, color=COLOUR[colour], lw=width, alpha=alpha)
    for name in categories:
        dots = spots[kinds == f"brand {name}"]
        if len(dots):
            looks: dict[str, Any] = {"weight": "bold", "size": 13, "ha": "center", "va": "center"}
            x, y = np.median(dots, axis=0)
            axes.text(x, y, shortened(name, 24), **looks)
    axes.set_aspect("equal")
    axes.set_axis_off()
    return axes


@picture
def trials(
    places: Array,
    ticks: Ticks,
    scores: Array,
    kinds: ArrayLike,
    *,
    medians: bool = False,
    best: Array | None = None,
) -> "Axes":
    """Score of every trial (NaN: none, in a lane below) against its place from 0 to 1 on an axis.

    Kinds are those of `TRIALS`; with `medians`, a bar stands at the median of a tick's scores;
    `best`, the best score so far, is a line.
    """
    shown = ticks[:: math.ceil(len(ticks) / 14)]
    labels = [shortened(label, 14) for _, label in shown]
    # Labels that have no room side by side stand aslant.
    longest = _LETTER * max(map(len, labels))
    aslant = len(labels) * (longest + 8) > 300
    bottom = 26 + 0.6 * longest * aslant
    axes = _axes(340 if best is None else 520, 140 + bottom, bottom=bottom)
    half = min(0.06, 0.35 / len(ticks))
    for place, _ in ticks if medians else ():
        there = scores[(places == place) & np.isfinite(scores)]
        if len(there) > 1:
            ends = [place - half, place + half]
            axes.plot(ends, [np.median(there)] * 2, color=INK, lw=2, zorder=3)
    if best is not None:
        axes.plot(places, best, color=ORANGE, lw=1.6, drawstyle="steps-post")
    looks: dict[str, Any] = {"rotation": 35, "ha": "right", "rotation_mode": "anchor"}
    axes.set_xticks([place for place, _ in shown], labels, **(looks if aslant else {}))
    low, high = limits(scores)
    lane = 0.14 * (high - low) if np.isnan(scores).any() else 0.0
    axes.set(xlim=(-0.03, 1.03), ylim=(low - lane, high))
    heights = np.where(np.isnan(scores), low - lane / 2, scores)
    for kind, marks in TRIALS.items():
        chosen = np.asarray(kinds) == kind
        axes.plot(places[chosen], heights[chosen], ls="", clip_on=False, **marks)
    values = {mark: f"{mark:.6g}" for mark in round_numbers(low, high)}
    values |= {low - lane / 2: "none"} if lane else {}
    axes.set_yticks([*values], [*values.values()])
    axes.grid(axis="x", visible=False)
    return axes


@picture
def parallel(lines: Array, rows: Mapping[str, Ticks], winner: bool) -> "Axes":
    """A line a trial through its values, from the first row at the top to the score below.

    `lines` are places from 0 to 1 (trial, row), the worst trial first; `rows` has the ticks of each
    name; `winner` tells whether the last line is the winner's.
    """
    axes = _axes(520, 66 * len(rows) + 8, left=20, bottom=34)
    for n, line in enumerate(lines, 1):
        alpha = 0.12 + 0.6 * (n / len(lines)) ** 1.5
        looks: dict[str, Any] = {"color": BLUE, "lw": 1.2, "alpha": alpha}
        if winner and n == len(lines):
            looks = {"color": ORANGE, "lw": 2.8}
        axes.plot(line, range(len(rows)), **looks)
    for place, (name, ticks) in enumerate(rows.items()):
        axes.axhline(place, color=SOFT, lw=1, zorder=0)
        shown = ticks[:: math.ceil(len(ticks) / 8)]
        for x, label in shown:
            text = shortened(label, 60 // len(shown))
            axes.text(x, place + 0.09, text, ha="center", va="top", size=11, color=SOFT)
        axes.text(-0.02, place - 0.1, shortened(name, 40), weight="bold")
    axes.set(xlim=(-0.02, 1.02), ylim=(len(rows) - 0.9, -0.35))
    axes.set_axis_off()
    return axes
