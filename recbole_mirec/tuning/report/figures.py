"""Figures of a study's trials as inline SVG."""

import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from dataset_convert.page.markup import append, element
from dataset_convert.page.plots import bottom_axis, frame, plot_text, stretched
from dataset_convert.page.ticks import nice_ticks, tick_labels
from recbole_mirec.sweep import DIVERGED, FINISHED, STOPPED
from recbole_mirec.tuning.report.axis import Axis, drawn_axis, value_label
from recbole_mirec.tuning.report.rows import TrialRow
from recbole_mirec.tuning.space import Parameter

_HISTORY_HEIGHT, _PANEL_HEIGHT, _AXIS_STEP = 240, 130, 66
_LANE = 20
_CHARACTER = 6.2
# Widths in pixels of the plot area on a telephone, where labels have the least room.
_PANEL_WIDTH, _PARALLEL_WIDTH = 240, 350
_LONGEST_LABEL = 14
# Lines of all trials, pale to strong by rank.
_PALE, _STRONG = (205, 216, 224), (0, 84, 140)


@dataclass(frozen=True)
class Scores:
    """What the figures of one study share.

    Attributes:
        rows: every trial, sorted by number.
        metric: name of the score.
        bigger: whether a larger score is better.
        winner: number of the best trial; None where there is none.
    """

    rows: Sequence[TrialRow]
    metric: str
    bigger: bool
    winner: int | None

    def scored(self) -> list[tuple[TrialRow, float]]:
        """Trials that have a score, with it."""
        return [(row, row.score) for row in self.rows if row.score is not None]

    def limits(self) -> tuple[float, float]:
        """Ends of the score's axis: a little beyond the least and the greatest score."""
        scores = [score for _, score in self.scored()] or [0.0]
        low, high = min(scores), max(scores)
        margin = 0.06 * (high - low) or 0.05 * abs(high) or 0.5
        return low - margin, high + margin


def history_figure(scores: Scores) -> Element:
    """Score of every trial in its turn, and the best so far as a line."""
    last = max(row.number for row in scores.rows)
    height = _HISTORY_HEIGHT if scores.scored() else 0

    def across(number: int) -> float:
        return 50.0 if last == 1 else 100.0 * (number - 1) / (last - 1)

    lane = _LANE if len(scores.scored()) < len(scores.rows) else 0
    marks = [mark for mark in nice_ticks(0.5, last + 0.5) if mark == int(mark) and mark >= 1]
    ticks = [(across(int(mark)) / 100, str(int(mark))) for mark in marks or [1.0]]
    svg = frame(f"{scores.metric} of every trial in turn", height + lane + 42)
    _score_axis(svg, scores, height, lane)
    append(svg, *bottom_axis(ticks, height + lane))
    append(svg, plot_text("trial", "100%", height + lane + 36, anchor="end"))
    append(svg, _best_line(scores, height, across))
    places = [(row, across(row.number)) for row in scores.rows]
    append(svg, *_dots(scores, places, height))
    return svg


def parameter_figure(scores: Scores, parameter: Parameter) -> Element:
    """Score against one parameter; a choice has a bar at each option's median."""
    axis = drawn_axis(parameter)
    height = _PANEL_HEIGHT if scores.scored() else 0
    lane = _LANE if len(scores.scored()) < len(scores.rows) else 0
    labels, depth = _slanted(axis)
    svg = frame(f"{scores.metric} against {parameter.name}", height + lane + depth)
    _score_axis(svg, scores, height, lane, most=4)
    append(svg, *bottom_axis(labels, height + lane, slanted=depth > _LANE))
    places = [(row, 100 * axis.place(row.values[parameter.name])) for row in scores.rows]
    append(svg, *_dots(scores, places, height, [parameter.name]))
    append(svg, *_medians(scores, axis, places, height))
    return svg


def parallel_figure(scores: Scores, parameters: Sequence[Parameter]) -> Element:
    """Every scored trial as a line through its values, from the first parameter to the score."""
    low, high = scores.limits()
    marks = nice_ticks(low, high, 5)
    ticks = tuple(
        ((mark - low) / (high - low), label)
        for mark, label in zip(marks, tick_labels(marks), strict=True)
    )
    named = [(parameter.name, drawn_axis(parameter)) for parameter in parameters]
    score_axis = Axis(low, high, False, ticks, {})
    tops = [26 + _AXIS_STEP * place for place in range(len(named) + 1)]
    svg = frame(f"parameters and {scores.metric} of every trial", tops[-1] + 40, wide=True)
    lines = stretched(tops[-1] + 40)
    ordered = sorted(scores.scored(), key=lambda pair: pair[1], reverse=not scores.bigger)
    ordered.sort(key=lambda pair: pair[0].number == scores.winner)
    for row, score in ordered:
        places = [axis.place(row.values[name]) for name, axis in named]
        points = zip([*places, score_axis.place(score)], tops, strict=True)
        drawn = "M" + "L".join(f"{1000 * x:.0f} {y}" for x, y in points)
        worse = sum(other < score if scores.bigger else other > score for _, other in ordered)
        append(lines, _path(row, drawn, scores, worse / max(len(ordered) - 1, 1)))
    append(svg, lines)
    for (name, axis), top in zip([*named, (scores.metric, score_axis)], tops, strict=True):
        append(svg, plot_text(name, "0%", top - 9, class_="name"))
        append(svg, *bottom_axis(_staggered(axis), top))
    return svg


def history_key(scores: Scores) -> Element:
    """What the marks of `history_figure` and `parameter_figure` mean."""
    statuses = {row.status for row in scores.rows}
    entries: list[tuple[Sequence[Element], str]] = []
    if FINISHED in statuses:
        entries.append(([_dot("50%", 7, "dot")], "finished"))
    if STOPPED in statuses:
        entries.append(([_dot("50%", 7, "dot stopped")], "stopped early"))
    if scores.winner is not None:
        entries.append(([_dot("50%", 7, "dot winner", 5)], f"best (trial {scores.winner})"))
        line = element("line", x1="0", x2="22", y1="7", y2="7", class_="best")
        entries.append(([line], "best so far"))
    if DIVERGED in statuses:
        entries.append(([_no_score(DIVERGED, 50, 7)], "diverged"))
    if any(row.score is None and row.status != DIVERGED for row in scores.rows):
        entries.append(([_no_score("", 50, 7)], "failed or without a score"))
    return element(
        "ul",
        *(
            element("li", element("svg", *marks, aria_hidden="true"), text)
            for marks, text in entries
        ),
        class_="key",
    )


def score_text(score: float) -> str:
    """A score with four places; large ones with fewer."""
    size = abs(score)
    return f"{score:.{4 if size < 10 else 2 if size < 1000 else 0}f}"


def _score_axis(svg: Element, scores: Scores, height: float, lane: float, most: int = 6) -> None:
    low, high = scores.limits()
    marks = nice_ticks(low, high, most) if height else ()
    for mark, label in zip(marks, tick_labels(marks), strict=True):
        y = height * (high - mark) / (high - low)
        line = element("line", x1="0", x2="100%", y1=float(y), y2=float(y), class_="grid-line")
        append(svg, line, plot_text(label, "-8", y + 4, anchor="end"))
    if lane:
        append(svg, plot_text("no score", "-8", height + lane / 2 + 4, anchor="end"))


def _slanted(axis: Axis) -> tuple[list[tuple[float, str]], float]:
    """Labels that fit a small panel, and the depth they take: aslant where they are long."""
    ticks = [(place, _shortened(label, _LONGEST_LABEL)) for place, label in axis.ticks]
    room = _PANEL_WIDTH * _least_gap(ticks)
    longest = max((len(label) for _, label in ticks), default=0)
    if longest * _CHARACTER + 6 <= room:
        return ticks, _LANE
    every = max(1, math.ceil(15 / room))
    return ticks[::every], _LANE + 4 + longest * _CHARACTER * math.sin(math.radians(35))


def _staggered(axis: Axis) -> list[tuple[float, str]]:
    """Labels that fit across the page: in two rows, then shortened, then thinned."""
    ticks = list(axis.ticks)
    room = _PARALLEL_WIDTH * _least_gap(ticks)
    if max((len(label) for _, label in ticks), default=0) * _CHARACTER + 6 <= room:
        return ticks
    every = max(1, math.ceil(30 / (2 * room)))
    fitting = max(4, int((2 * room * every - 4) / _CHARACTER))
    return [
        (place, "\n" * (turn % 2) + _shortened(label, fitting))
        for turn, (place, label) in enumerate(ticks[::every])
    ]


def _least_gap(ticks: Sequence[tuple[float, str]]) -> float:
    places = [place for place, _ in ticks]
    return min((b - a for a, b in itertools.pairwise(places)), default=1.0)


def _shortened(label: str, length: int) -> str:
    return label if len(label) <= length else label[: length - 1] + "…"


def _dots(
    scores: Scores,
    places: Sequence[tuple[TrialRow, float]],
    height: float,
    names: Sequence[str] = (),
) -> list[Element]:
    """Marks of all trials, the winner's on top; pointing at one shows the values of the names."""
    low, high = scores.limits()
    marks = []
    for row, x in sorted(places, key=lambda pair: pair[0].number == scores.winner):
        if row.score is None:
            mark = _no_score(row.status, x, height + _LANE / 2)
        else:
            y = height * (high - row.score) / (high - low)
            kind = " winner" if row.number == scores.winner else ""
            kind = kind or (" stopped" if row.status == STOPPED else "")
            mark = _dot(f"{x:.2f}%", y, f"dot{kind}", 5 if kind == " winner" else 3.5)
        append(mark, element("title", _told(row, scores.metric, names or row.values)))
        marks.append(mark)
    return marks


def _dot(x: str, y: float, class_: str, radius: float = 3.5) -> Element:
    return element("circle", cx=x, cy=float(y), r=float(radius), class_=class_)


def _no_score(status: str, x: float, y: float) -> Element:
    """A rhombus for a trial that diverged, a cross for all others."""
    drawn = "M-4 0L0-4 4 0 0 4Z" if status == DIVERGED else "M-3.5-3.5L3.5 3.5M3.5-3.5L-3.5 3.5"
    made = element("svg", element("path", d=drawn), x=f"{x:.2f}%", y=float(y), class_="none")
    made.set("overflow", "visible")
    return made


def _medians(
    scores: Scores, axis: Axis, places: Sequence[tuple[TrialRow, float]], height: float
) -> list[Element]:
    low, high = scores.limits()
    half = min(6.0, 35 * _least_gap(axis.ticks))
    bars = []
    for level in axis.levels.values():
        found = sorted(row.score for row, x in places if row.score is not None and x == 100 * level)
        if len(found) > 1:
            middle = (found[(len(found) - 1) // 2] + found[len(found) // 2]) / 2
            y = height * (high - middle) / (high - low)
            ends = {"x1": f"{100 * level - half:.2f}%", "x2": f"{100 * level + half:.2f}%"}
            title = element("title", f"median {score_text(middle)} of {len(found)} trials")
            bars.append(element("line", title, y1=float(y), y2=float(y), class_="median", **ends))
    return bars


def _best_line(scores: Scores, height: float, across: Callable[[int], float]) -> Element:
    low, high = scores.limits()
    steps, best = "", None
    for row, score in scores.scored():
        if best is None or (score > best if scores.bigger else score < best):
            best = score
            x, y = 10 * across(row.number), height * (high - score) / (high - low)
            steps += f"H{x:.1f}V{y:.1f}" if steps else f"M{x:.1f} {y:.1f}"
    lines = stretched(max(height, 1))
    append(lines, *([element("path", d=steps + "H1000", class_="best")] if steps else []))
    return lines


def _path(row: TrialRow, drawn: str, scores: Scores, strength: float) -> Element:
    path = element("path", element("title", _told(row, scores.metric, row.values)), d=drawn)
    if row.number == scores.winner:
        path.set("class", "path winner")
    else:
        mixed = (round(a + (b - a) * strength**1.5) for a, b in zip(_PALE, _STRONG, strict=True))
        path.set("class", "path")
        path.set("stroke", "#" + "".join(f"{part:02x}" for part in mixed))
    return path


def _told(row: TrialRow, metric: str, names: Iterable[str]) -> str:
    result = row.status if row.score is None else f"{metric} {score_text(row.score)}"
    values = ", ".join(f"{name} {value_label(row.values[name])}" for name in names)
    return f"trial {row.number}: {result}; {values}"
