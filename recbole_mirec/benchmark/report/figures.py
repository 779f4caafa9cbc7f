"""Figures that compare models, as inline SVG and tables."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element

import numpy as np
from numpy.typing import NDArray

from dataset_convert.page.markup import Child, append, element
from dataset_convert.page.plots import bottom_axis, frame, plot_text, stretched
from dataset_convert.page.ticks import nice_ticks, tick_labels
from recbole_mirec.benchmark.report.palette import MAIN, cell_colours, model_colour
from recbole_mirec.benchmark.report.words import MISSING, metric_text

_ROW, _LONGEST = 22, 19
_CURVE, _LOSS, _BETWEEN = 96, 52, 26
_RANKS_HEIGHT = 280
_DASHES = ("", "7 3", "3 3")
_N_COLOURS = 11
MAIN_STYLE = f"stroke:{MAIN}"


@dataclass(frozen=True)
class Whisker:
    """A model's value of one metric.

    Attributes:
        label: of the model.
        value, low, high: mean and ends of its interval; NaN ends where there is none.
        kind: class of its mark: `main`, `other` or `same` (not told apart from the main model).
    """

    label: str
    value: float
    low: float
    high: float
    kind: str


def interval_figure(
    whiskers: Sequence[Whisker], lines: Mapping[str, float], metric: str
) -> Element:
    """A dot and an interval a model, the best at the top.

    Args:
        whiskers: in the order they are drawn in; values are finite.
        lines: class of a reference line -> its value.
        metric: what is drawn.
    """
    height = _ROW * len(whiskers)
    known = [
        value
        for whisker in whiskers
        for value in (whisker.value, whisker.low, whisker.high)
        if math.isfinite(value)
    ]
    low, high = _limits([*known, *lines.values()])

    def across(value: float) -> str:
        return f"{100 * (value - low) / (high - low):.2f}%"

    svg = frame(f"{metric} of every model with its interval", height + 24)
    svg.set("class", "plot named")
    marks = nice_ticks(low, high, 4)
    for mark in marks:
        x = across(mark)
        append(svg, element("line", x1=x, x2=x, y1="0", y2=str(height), class_="grid-line"))
    for kind, value in lines.items():
        x = across(value)
        append(svg, element("line", x1=x, x2=x, y1="0", y2=str(height), class_=f"line {kind}"))
    for place, whisker in enumerate(whiskers):
        y = float(_ROW * place + _ROW / 2)
        name = plot_text(shortened(whisker.label), "-10", y + 4, anchor="end")
        if whisker.kind == "main":
            name.set("class", "name-main")
        append(svg, name)
        title = element("title", _told(whisker, metric))
        if math.isfinite(whisker.low) and math.isfinite(whisker.high):
            ends = {"x1": across(whisker.low), "x2": across(whisker.high)}
            append(svg, element("line", y1=y, y2=y, class_=f"whisker {whisker.kind}", **ends))
        dot = element("circle", title, cx=across(whisker.value), cy=y, r=4.5)
        dot.set("class", f"mean {whisker.kind}")
        append(svg, dot)
    ticks = [
        ((mark - low) / (high - low), text)
        for mark, text in zip(marks, tick_labels(marks), strict=True)
    ]
    append(svg, *bottom_axis(ticks, height))
    return svg


def curve_figure(
    runs: Sequence[Sequence[tuple[int, float, float]]],
    best: Sequence[int],
    limits: tuple[float, float],
    metric: str,
) -> Element:
    """Validation score, and below it training loss, after every epoch; a thin line a run.

    Args:
        runs: (epoch from 1, validation score, training loss) of each run's evaluated epochs.
        best: the epoch that each run chose.
        limits: ends of the score's axis, the same for all models.
        metric: the score.
    """
    last = max(epoch for run in runs for epoch, _, _ in run)
    svg = frame(f"{metric} on validation and training loss after every epoch", _CURVE + 100)
    lines = stretched(_CURVE + _BETWEEN + _LOSS)

    def across(epoch: int) -> float:
        return 0.5 if last == 1 else (epoch - 1) / (last - 1)

    low, high = limits
    append(svg, *_levels(nice_ticks(low, high, 4), low, high, 0, _CURVE))
    losses = [loss for run in runs for _, _, loss in run if math.isfinite(loss)]
    loss_low, loss_high = _limits(losses or [0.0])
    top = _CURVE + _BETWEEN
    append(svg, *_levels(nice_ticks(loss_low, loss_high, 2), loss_low, loss_high, top, _LOSS))
    for run in runs:
        scores = [
            (across(epoch), _CURVE * (high - score) / (high - low)) for epoch, score, _ in run
        ]
        falls = [
            (across(epoch), top + _LOSS * (loss_high - loss) / (loss_high - loss_low))
            for epoch, _, loss in run
            if math.isfinite(loss)
        ]
        append(lines, _line(scores, "curve"), _line(falls, "curve loss"))
    append(svg, lines)
    for run, chosen in zip(runs, best, strict=True):
        for epoch, score, _ in run:
            if epoch == chosen:
                y = _CURVE * (high - score) / (high - low)
                title = element("title", f"epoch {epoch}: {metric} {metric_text(metric, score)}")
                dot = element("circle", title, cx=f"{100 * across(epoch):.2f}%", cy=y, r=3.5)
                dot.set("class", "chosen")
                append(svg, dot)
    append(svg, plot_text("training loss", "0", top - 6))
    marks = sorted({int(mark) for mark in nice_ticks(1, max(last, 2), 5)} & set(range(1, last + 1)))
    ticks = [(across(mark), str(mark)) for mark in marks or [1]]
    append(svg, *bottom_axis(ticks, top + _LOSS))
    return svg


def rank_figure(
    shares: Mapping[str, NDArray[np.float64]],
    cuts: NDArray[np.float64],
    chance: NDArray[np.float64],
    main: str,
) -> Element:
    """Share of the collaborators found among the first k, on a logarithmic axis.

    Args:
        shares: label -> share at every cut.
        cuts: k, ascending from 1.
        chance: the share that a random order finds.
        main: the label whose line is the strongest.
    """
    svg = frame("share of collaborators found among the first k influencers", _RANKS_HEIGHT + 44)
    span = math.log(cuts[-1]) or 1.0

    def points(values: NDArray[np.float64]) -> list[tuple[float, float]]:
        return [
            (math.log(cut) / span, _RANKS_HEIGHT * (1 - float(value)))
            for cut, value in zip(cuts, values, strict=True)
        ]

    for mark in (0.0, 0.25, 0.5, 0.75, 1.0):
        y = float(_RANKS_HEIGHT * (1 - mark))
        line = element("line", x1="0", x2="100%", y1=y, y2=y, class_="grid-line")
        append(svg, line, plot_text(f"{100 * mark:.0f}\u00a0%", "-8", y + 4, anchor="end"))
    lines = stretched(_RANKS_HEIGHT)
    append(lines, _line(points(chance), "chance"))
    for place, (label, values) in enumerate(shares.items()):
        drawn = _line(points(values), "found main" if label == main else "found")
        drawn.set("style", MAIN_STYLE if label == main else model_style(place))
        append(drawn, element("title", label))
        append(lines, drawn)
    append(svg, lines)
    last = int(cuts[-1])
    marks = [mark for mark in (1, 3, 10, 30, 100, 300, 1000, 3000, 10000, 30000) if mark <= last]
    ticks = [(math.log(mark) / span, f"{mark:,}") for mark in marks]
    append(svg, *bottom_axis(ticks, _RANKS_HEIGHT))
    append(svg, plot_text("k, the first influencers", "100%", _RANKS_HEIGHT + 38, anchor="end"))
    return svg


def rank_key(labels: Sequence[str], main: str) -> Element:
    """What the lines of `rank_figure` mean."""
    entries: list[tuple[str, str, str]] = [
        (label, "found main", MAIN_STYLE) if label == main else (label, "found", model_style(place))
        for place, label in enumerate(labels)
    ]
    entries.append(("a random order", "chance", ""))
    listed = element("ul", class_="key")
    for text, kind, style in entries:
        line = element("line", x1="0", x2="22", y1="7", y2="7", class_=kind)
        if style:
            line.set("style", style)
        append(listed, element("li", element("svg", line, aria_hidden="true"), text))
    return listed


def model_style(place: int) -> str:
    """Colour, and beyond eleven models dashes, of the n-th model's line."""
    dashes = _DASHES[place // _N_COLOURS % len(_DASHES)]
    return f"stroke:{model_colour(place)}" + (f";stroke-dasharray:{dashes}" if dashes else "")


def heat_table(
    rows: Sequence[str],
    columns: Sequence[str],
    values: NDArray[np.float64],
    *,
    metric: str,
    smaller_is_better: bool,
    main: str,
) -> Element:
    """A table whose cells are the stronger coloured the better they are; values stand in them.

    Args:
        rows: labels of models.
        columns: names of categories.
        values: (row, column), NaN where there is none.
        metric: what is shown.
        smaller_is_better: of the metric.
        main: the row that is marked.
    """
    finite = values[np.isfinite(values)]
    low, high = (finite.min(), finite.max()) if len(finite) else (0.0, 1.0)
    head: list[Child] = [element("th", metric, scope="col")]
    head += [
        element("th", element("span", name), scope="col", class_="upright") for name in columns
    ]
    body = element("tbody")
    for label, numbers in zip(rows, values, strict=True):
        line = element("tr", element("th", label, scope="row"))
        for number in numbers:
            cell = element("td", metric_text(metric, float(number)))
            if math.isfinite(number):
                part = (number - low) / ((high - low) or 1.0)
                ground, letters = cell_colours(1 - part if smaller_is_better else part)
                cell.set("style", f"background:{ground};color:{letters}")
            append(line, cell)
        if label == main:
            line.set("class", "main")
        append(body, line)
    inner = element("table", element("thead", element("tr", *head)), body, class_="heat")
    return element("div", inner, class_="scroll")


def shortened(label: str) -> str:
    """A label that fits beside a plot; the whole of it stands in tables."""
    return label if len(label) <= _LONGEST else label[: _LONGEST - 1] + "…"


def _told(whisker: Whisker, metric: str) -> str:
    text = f"{whisker.label}: {metric} {metric_text(metric, whisker.value)}"
    low, high = (metric_text(metric, value) for value in (whisker.low, whisker.high))
    return text if MISSING in (low, high) else f"{text}, 95 % interval {low} to {high}"


def _limits(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    margin = 0.06 * (high - low) or 0.05 * abs(high) or 0.5
    return low - margin, high + margin


def _levels(
    marks: Sequence[float], low: float, high: float, top: float, height: float
) -> list[Element]:
    drawn = []
    for mark, text in zip(marks, tick_labels(marks), strict=True):
        y = float(top + height * (high - mark) / (high - low))
        line = element("line", x1="0", x2="100%", y1=y, y2=y, class_="grid-line")
        drawn += [line, plot_text(text, "-8", y + 4, anchor="end")]
    return drawn


def _line(points: Sequence[tuple[float, float]], class_: str) -> Element:
    drawn = "L".join(f"{1000 * x:.1f} {y:.1f}" for x, y in points)
    # A single epoch has no line: a short one is drawn.
    return element("path", d=f"M{drawn}" + ("h8" if len(points) == 1 else ""), class_=class_)
