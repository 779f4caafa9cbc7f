"""Figures of a data report as inline SVG."""

import math
from collections.abc import Sequence
from xml.etree.ElementTree import Element

from dataset_convert.page.markup import append, element
from dataset_convert.page.plots import bottom_axis, frame, plot_text, stretched
from dataset_convert.page.ticks import nice_ticks, tick_labels
from dataset_convert.report.bins import Bins, place

_TOP, _HEIGHT, _BOTTOM = 24, 130, 40
# Pixels of the plot area where the page is narrowest, and of a sign on the axis.
_WIDTH, _CHARACTER = 240, 7
_MOST_COUNTED = 12
_SMALLEST_BAR = 2.0
# Edges of logarithmic bins are powers: 10 ** (15 / 5) need not be 1000.
_ROUNDING = 1 + 1e-9
_PREFIXES = ((1e9, "G"), (1e6, "M"), (1e3, "k"))


def histogram(bins: Bins, *, counted: str, axis: str, label: str) -> Element:
    """Returns bars, a bin each, as high as the number in it.

    Args:
        bins: What to draw.
        counted: What a bar counts, in the plural.
        axis: What the bins are of, with its unit.
        label: The figure in words.
    """
    svg = frame(label, _TOP + _HEIGHT + _BOTTOM)
    high = _top(max(bins.counts))
    marks = [mark for mark in nice_ticks(0, high, 5) if mark == int(mark)]
    append(svg, *_levels(marks, 0, high), plot_text(counted, "-8", 10, class_="axis-name"))
    bars = [_bar(bins, number, _HEIGHT * count / high) for number, count in enumerate(bins.counts)]
    for number, (bar, count) in enumerate(zip(bars, bins.counts, strict=True)):
        append(bar, element("title", f"{_span(bins, number)}: {count:,} {counted}"))
    append(svg, *(bar for bar, count in zip(bars, bins.counts, strict=True) if count))
    if len(bins.counts) <= _MOST_COUNTED:
        append(svg, *_bar_counts(bins, high))
    append(svg, *bottom_axis(_bin_ticks(bins), _TOP + _HEIGHT))
    append(svg, plot_text(axis, "100%", _TOP + _HEIGHT + 35, anchor="end"))
    return svg


def trial_plot(
    points: Sequence[tuple[int, float]], *, chosen: int, name: str, label: str
) -> Element:
    """Returns a line through a measure of several numbers of topics, the chosen one marked.

    Args:
        points: Number of topics and value, in increasing order.
        chosen: The number that was taken.
        name: Of the measure.
        label: The figure in words.
    """
    svg = frame(label, _TOP + _HEIGHT + _BOTTOM)
    values, numbers = [value for _, value in points], [number for number, _ in points]
    margin = 0.12 * (max(values) - min(values)) or 0.05 * abs(values[0]) or 0.5
    low, high = min(values) - margin, max(values) + margin
    append(svg, *_levels(nice_ticks(low, high, 4), low, high))
    append(svg, plot_text(name, "-8", 10, class_="axis-name"))

    def across(number: int) -> float:
        span = numbers[-1] - numbers[0]
        return 0.5 if not span else 0.04 + 0.92 * (number - numbers[0]) / span

    def down(value: float) -> float:
        return _TOP + _HEIGHT * (high - value) / (high - low)

    drawn = "L".join(f"{1000 * across(number):.1f} {down(value):.1f}" for number, value in points)
    lines = stretched(_TOP + _HEIGHT)
    append(lines, element("path", d=f"M{drawn}", class_="trials"))
    append(svg, lines)
    for number, value in points:
        marked = number == chosen
        dot = element(
            "circle",
            element("title", f"{number} topics: {name} {value:.4g}"),
            cx=f"{100 * across(number):.2f}%",
            cy=down(value),
            r=5.5 if marked else 3.5,
            class_="trial chosen" if marked else "trial",
        )
        append(svg, dot)
    ticks = _with_room([(across(number), str(number)) for number in numbers])
    append(svg, *bottom_axis(ticks, _TOP + _HEIGHT))
    append(svg, plot_text("number of topics", "100%", _TOP + _HEIGHT + 35, anchor="end"))
    return svg


def small_bar(share: float, *, side: str = "") -> Element:
    """Returns a bar of one line's height, `share` of its place long; decoration beside a number."""
    rest = element("rect", height="100%", width="100%", class_="rest")
    bar = element("rect", height="100%", width=f"{100 * share:.1f}%", class_=f"part {side}".strip())
    return element("svg", rest, bar, class_="small-bar", aria_hidden="true")


def short_number(value: float) -> str:
    """Returns a round number with few signs: 500, 10k, 2M."""
    for size, prefix in _PREFIXES:
        if value >= size:
            return f"{value / size:.4g}{prefix}"
    return f"{value:.4g}"


def _top(count: int) -> float:
    # Room for a number above the highest bar.
    return 1.12 * max(count, 1)


def _levels(marks: Sequence[float], low: float, high: float) -> list[Element]:
    drawn = []
    for mark, text in zip(marks, tick_labels(marks), strict=True):
        y = _TOP + _HEIGHT * (high - mark) / (high - low)
        line = element("line", x1="0", x2="100%", y1=float(y), y2=float(y), class_="grid-line")
        drawn += [line, plot_text(text, "-8", y + 4, anchor="end")]
    return drawn


def _bar(bins: Bins, number: int, height: float) -> Element:
    low, high = (place(bins.edges[number + step], bins) for step in (0, 1))
    gap = min(0.12 * (high - low), 0.01)
    height = max(height, _SMALLEST_BAR)
    return element(
        "rect",
        x=f"{100 * (low + gap):.2f}%",
        width=f"{100 * (high - low - 2 * gap):.2f}%",
        y=float(_TOP + _HEIGHT - height),
        height=float(height),
        class_="column",
    )


def _bar_counts(bins: Bins, high: float) -> list[Element]:
    drawn = []
    for number, count in enumerate(bins.counts):
        middle = sum(place(bins.edges[number + step], bins) for step in (0, 1)) / 2
        y = _TOP + _HEIGHT - max(_HEIGHT * count / high, _SMALLEST_BAR) - 4
        if count:
            drawn.append(plot_text(f"{count:,}", f"{100 * middle:.2f}%", y, anchor="middle"))
    return drawn


def _span(bins: Bins, number: int) -> str:
    low, high = bins.edges[number], bins.edges[number + 1]
    if bins.single:
        return f"{low:,.0f}"
    if bins.log:
        return f"{low:,.0f} to below {high:,.0f}"
    return f"{low:,.0f} to {high - 1:,.0f}"


def _bin_ticks(bins: Bins) -> list[tuple[float, str]]:
    """Whole numbers below the middle of their bar; edges of wider bins below the edge."""
    if bins.log:
        return _thinned([(place(mark, bins), short_number(mark)) for mark in _log_marks(bins)])
    if bins.single:
        return _thinned([(place(edge + 0.5, bins), f"{edge:,.0f}") for edge in bins.edges[:-1]])
    return _thinned([(place(edge, bins), f"{edge:,.0f}") for edge in bins.edges])


def _log_marks(bins: Bins) -> list[float]:
    """Decades, or where there is one at most, what is once, twice or five times a decade."""
    low, high = bins.edges[0] / _ROUNDING, bins.edges[-1] * _ROUNDING
    exponents = range(math.floor(math.log10(low)), math.ceil(math.log10(high)))
    marks = [factor * 10.0**exponent for exponent in exponents for factor in (1, 2, 5, 10)]
    marks = sorted({mark for mark in marks if low <= mark <= high})
    decades = [mark for mark in marks if math.log10(mark).is_integer()]
    return decades if len(decades) > 1 else marks or [bins.edges[0]]


def _thinned(ticks: Sequence[tuple[float, str]]) -> list[tuple[float, str]]:
    """Every tick, or every second, fifth, tenth, ..., so that labels do not touch each other."""
    steps = (factor * 10**exponent for exponent in range(20) for factor in (1, 2, 5))
    return next(
        list(ticks[::step])
        for step in steps
        if len(_with_room(ticks[::step])) == len(ticks[::step])
    )


def _with_room(ticks: Sequence[tuple[float, str]]) -> list[tuple[float, str]]:
    """Ticks from the left that do not touch their neighbours on a narrow page."""
    kept: list[tuple[float, str]] = []
    for at, text in ticks:
        if not kept or (at - kept[-1][0]) * _WIDTH >= _CHARACTER * len(text) + 6:
            kept.append((at, text))
    return kept
