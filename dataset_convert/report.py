"""`report.html`: a data set on one page that needs neither a network nor scripts."""

import io
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from dataset_convert import findings, schema
from dataset_convert.atomic import AtomicData
from dataset_convert.common.words import counted, part_of, percent, plural
from dataset_convert.features.visual import BLOCKS, SCENE_PREFIX, token_label
from dataset_convert.findings import Finding

if TYPE_CHECKING:
    from matplotlib.axes import Axes

REPORT_FILE: Final = "report.html"
WARNINGS, NOTES = "warnings", "notes"
"""Keys of the manifest: what the conversion adds to the page's own warnings, and other lines."""
N_COMBINATIONS, N_ATTRIBUTES, N_UNCOVERED, N_PROBLEMS = 10, 30, 60, 200
MOST_BINS, FEWEST_BINS, PER_DECADE = 30, 8, 5

_FACTS: Final = {
    "labels": "different labels",
    "thresholds": "lowest score that counts",
    "min_members": "members that an audience needs",
    "model_sha256": "files of the model",
}
_UNTOLD: Final = ("of", "fingerprint", "extractor")
_TOLD_IN_WORDS: Final = (
    *("most_frequent_labels", "training_posts", "training_posts_with_labels"),
    *("training_accounts", "training_accounts_with_labels"),
)
_SHA256, _SHOWN_DIGITS = re.compile("[0-9a-f]{64}"), 12
# HTML has no way to write these, escaped or not.
_CONTROLS: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
# What matplotlib draws with, and the variables of the style sheet that take their place.
_COLOURS: Final = {"#000001": "ink", "#000002": "soft", "#000003": "line", "#000004": "blue"}
_COLOURS |= {"#000005": "orange", "#000006": "page"}
_INK, _SOFT, _LINE, _BLUE, _ORANGE, _PAGE = _COLOURS
_STYLE: Final[dict[str, Any]] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "report",
    "text.parse_math": False,
    "font.size": 12,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "axes.edgecolor": _SOFT,
    "axes.labelcolor": _SOFT,
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "grid.color": _LINE,
    **{f"axes.spines.{side}": False for side in ("left", "top", "right")},
    **{f"{axis}tick.labelcolor": _SOFT for axis in "xy"},
    **{f"{axis}tick.{kind}.size": 0 for axis in "xy" for kind in ("major", "minor")},
}


class Bar(NamedTuple):
    """A cell with a number and a bar, `share` of its place long, in the colour of a side."""

    text: str
    share: float
    side: str = ""


class Figure(NamedTuple):
    """A picture with its title and what it says in words."""

    title: str
    drawn: Markup
    text: str


def data_report(data: AtomicData) -> bytes:
    """Returns the page of a data set, the same for the same data.

    Everything on it comes from the atomic data and the manifest, so that under pseudonyms it holds
    no name; of rows that were left out it tells numbers and reasons, never values.

    Args:
        data: As it is written, or as it was read. Of its manifest are used, where they are there:
            `synthetic`, `source`, `seed`, `fit_on`, `pseudonyms`, `input_fingerprints`, `posts`,
            `features`, `skipped` and `noted` or else `problems`, `warnings` and `notes`.

    Returns:
        HTML in UTF-8.
    """
    environment = Environment(
        loader=PackageLoader("dataset_convert"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        one.__name__: one for one in (counted, part_of, percent, plural, title, plain_facts)
    }
    manifest = data.manifest
    reports = manifest.get("features", {})
    text = environment.get_template("report.html.j2").render(
        data=data,
        manifest=manifest,
        synthetic=bool(manifest.get("synthetic")),
        sides=schema.SIDES,
        warnings=[
            *(Finding(**one) for one in manifest.get(WARNINGS, [])),
            *findings.find_all(data),
        ],
        problems=findings.problems(manifest),
        most_problems=N_PROBLEMS,
        presence=_presence(data),
        features={name: reports[name] for name in schema.MODALITIES if name in reports},
        trials=_trials,
        labels=_labels,
        attributes=_attributes(data),
        uncovered=list(reports.get(schema.ATTRIBUTES, {}).get("uncovered_words", {}).items())[
            :N_UNCOVERED
        ],
        figures=_figures(data),
        categories=_categories(data),
        splits={name: findings.parts(tables) for name, tables in data.splits.items()},
        part_titles=findings.PART_TITLES,
    )
    return (_CONTROLS.sub("?", text) + "\n").encode("utf-8", errors="replace")


def title(name: str) -> str:
    """Returns a modality's name without underscores: content topics."""
    return name.replace("_", " ")


def plain_facts(report: Mapping[str, Any]) -> dict[str, str]:
    """Returns the numbers and short words of an extractor's report, with readable names."""
    texts = {
        _FACTS.get(key, _readable(key)): _plain(value)
        for key, value in report.items()
        if key not in (*_UNTOLD, *_TOLD_IN_WORDS)
    }
    return {key: text for key, text in texts.items() if text}


def histogram(values: npt.NDArray[Any], of: str, *, axis: str, log: bool = False) -> Markup:
    """Returns bars, a bin each, as high as the number of values in it.

    Args:
        values: At least one; above 0 with `log`, else whole numbers of 0 or more.
        of: What is counted, in the plural.
        axis: What the bins are of, with its unit.
        log: Whether bins are equal ratios apart.
    """
    edges = bin_edges(values, log=log)
    counts, _ = np.histogram(values, edges)
    axes = _axes()
    single = not log and edges[1] - edges[0] == 1
    shift = 0.5 if single else 0.0
    bars = axes.bar(
        edges[:-1] - shift, counts, np.diff(edges), align="edge", color=_BLUE, ec=_PAGE, lw=1.5
    )
    if len(counts) <= 12:
        marks = [f"{count:,}" if count else "" for count in counts]
        axes.bar_label(bars, marks, color=_SOFT, fontsize=11, padding=1)
    if log:
        axes.set_xscale("log")
        axes.minorticks_off()
        within = [m for m in _round_numbers(edges) if edges[0] <= m * (1 + 1e-9)]
        axes.set_xticks(within, [short_number(mark) for mark in within])
    axes.set_xlim(edges[0] - shift, edges[-1] - shift)
    axes.margins(y=0.12)
    _whole_ticks(axes.yaxis)
    if not log:
        _whole_ticks(axes.xaxis, 8)
    axes.set_xlabel(axis, loc="right")
    axes.set_title(of, loc="left", fontsize=11, color=_SOFT)
    return picture(axes, f"Histogram of {of}: {axis}")


def bin_edges(values: npt.NDArray[Any], *, log: bool = False) -> npt.NDArray[np.float64]:
    """Returns round edges: powers of ten and four between them, or whole numbers.

    Whole numbers are one apart, or 2, 5, 10, 20, ... where there would be too many. Few numbers
    begin at 0, and bins that nothing is in follow, so that no bar is very wide.
    """
    if log:
        # Rounded: the logarithm of 1000 is 2.9999999999999996.
        places = np.floor(np.round(PER_DECADE * np.log10(values), 9))
        return np.asarray(10 ** (np.arange(places.min(), places.max() + 2) / PER_DECADE))
    low, high = int(values.min()), int(values.max())
    low = 0 if high < MOST_BINS else low
    steps = (factor * 10**exponent for exponent in range(20) for factor in (1, 2, 5))
    width = next(step for step in steps if high // step - low // step < MOST_BINS)
    n_bins = max(FEWEST_BINS, high // width - low // width + 1)
    return width * (low // width + np.arange(n_bins + 1, dtype=np.float64))


def trial_plot(points: Sequence[tuple[int, float]], chosen: int, label: str) -> Markup:
    """Returns a line through a measure of several numbers of topics, the chosen one in orange."""
    axes = _axes()
    numbers, values = zip(*points, strict=True)
    axes.plot(numbers, values, "o-", color=_BLUE, lw=1.6, ms=6, mec=_PAGE)
    axes.plot(chosen, dict(points)[chosen], "o", color=_ORANGE, ms=10, mec=_PAGE)
    axes.margins(0.08, 0.15)
    _whole_ticks(axes.xaxis, 8)
    axes.set_xlabel("number of topics", loc="right")
    return picture(axes, label)


def picture(axes: "Axes", label: str) -> Markup:
    """Returns a figure of matplotlib as SVG in the page's colours and letters.

    Args:
        axes: Of the figure.
        label: What it shows, for those who cannot see it.
    """
    import matplotlib

    text = io.StringIO()
    figure: Any = axes.figure
    with matplotlib.rc_context(_STYLE):
        figure.savefig(text, format="svg", metadata={"Date": None})
    svg = re.sub(
        r"^.*?</metadata>|<style.*?</style>|</svg>\s*$", "", text.getvalue(), flags=re.DOTALL
    )
    svg = re.sub(r'<g id="[^"]*"|<!--.*?-->', lambda at: at[0][:2] * (at[0][1] == "g"), svg)
    svg = re.sub(r" font-family: [^;]*;|(?<=\.\d\d)\d+", "", svg.replace("xlink:href", "href"))
    for stand_in, name in _COLOURS.items():
        svg = svg.replace(stand_in, f"var(--{name})")
    width, height = 72 * figure.get_size_inches()
    return Markup(
        f'<svg class="plot" viewBox="0 0 {width:g} {height:g}" role="img" '
        f'aria-label="{escape(label)}">{svg}</svg>'
    )


def short_number(value: float) -> str:
    """Returns a round number with few signs: 500, 10k, 2M."""
    for size, prefix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size * (1 - 1e-9):
            return f"{value / size:.4g}{prefix}"
    return f"{value:.4g}"


def _axes() -> "Axes":
    import matplotlib
    from matplotlib.figure import Figure as Drawing

    with matplotlib.rc_context({**matplotlib.rcParamsDefault, **_STYLE}):
        return Drawing(figsize=(420 / 72, 200 / 72)).add_axes((0.1, 0.22, 0.88, 0.68))


def _whole_ticks(axis: Any, most: int = 4) -> None:
    from matplotlib.ticker import MaxNLocator, StrMethodFormatter

    axis.set_major_locator(MaxNLocator(most, integer=True, steps=(1, 2, 5, 10)))
    axis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))


def _round_numbers(edges: npt.NDArray[np.float64]) -> list[float]:
    """The decades within some edges; where they are fewer than two, what stands between them."""
    low, high = edges[0] * (1 - 1e-9), edges[-1] * (1 + 1e-9)
    decades = 10.0 ** np.arange(np.floor(np.log10(low)), np.ceil(np.log10(high)) + 1)
    for factors in ((1,), (1, 2, 5)):
        marks = [d * f for d in decades for f in factors if low <= d * f <= high]
        if len(marks) > 1:
            break
    return marks or [float(edges[0])]


def _figures(data: AtomicData) -> list[Figure]:
    """Partners and followers of both sides."""
    made = []
    for side, other in zip(schema.SIDES, reversed(schema.SIDES), strict=True):
        found = findings.degrees(data, side)
        if len(found):
            drawn = histogram(found, f"{side}s", axis=f"{other}s per {side}")
            made.append(
                Figure(
                    f"{title(other).capitalize()}s per {side}", drawn, _degrees(found, side, other)
                )
            )
    for side in schema.SIDES:
        known = findings.followers(data, side)
        above = known[known > 0]
        if len(above):
            drawn = histogram(above, f"{side}s", axis="followers, logarithmic", log=True)
            n_none, n_all = len(known) - len(above), len(findings.accounts_of(data, side))
            text = (
                f"From {above.min():,.0f} to {above.max():,.0f} followers; the median is "
                f"{np.median(above):,.0f}; known of {len(known):,} of {counted(n_all, side)}."
            )
            if n_none:
                text += f" {counted(n_none, side)} without any {plural('is', n_none)} not drawn."
            made.append(Figure(f"Followers of {side}s", drawn, text))
    return made


def _degrees(found: npt.NDArray[np.int64], side: str, other: str) -> str:
    low, high = int(found.min()), int(found.max())
    if low == high:
        text = f"Every {side} has {counted(low, other)}."
    else:
        median = float(np.median(found))
        text = f"{side.capitalize()}s have {low:,} to {high:,} {other}s; the median is {median:g}."
    if side == schema.INFLUENCER and high > 1:
        text += f" More than one brand: {part_of(int((found > 1).sum()), len(found))}."
    return text


def _categories(data: AtomicData) -> list[list[Any]]:
    """Rows of the table of categories under its header; in a column the largest bar is full."""
    found = findings.categories(data)
    sides = {"brands": schema.BRAND, "collaborations": "pair", "influencers": schema.INFLUENCER}
    return [["category", *found.columns]] + [
        [name, *(_bar(n, found[what].max(), sides[what]) for what, n in row.items())]
        for name, row in found.iterrows()
    ]


def _presence(data: AtomicData) -> dict[str, list[list[Any]]]:
    """Rows of the accounts that have each modality, and of those by exactly what they have."""
    sides = findings.presence(data)
    names = list(sides[schema.BRAND].columns)
    combinations = {
        side: has.apply(lambda row: tuple(row.index[row]), axis=1).value_counts().to_dict()
        if len(has)
        else {}
        for side, has in sides.items()
    }
    ordered = sorted(
        set().union(*combinations.values()),
        key=lambda found: (
            -sum(c.get(found, 0) for c in combinations.values()),
            -len(found),
            found,
        ),
    )

    def cells(numbers: Iterable[int]) -> list[Bar]:
        return [
            Bar(part_of(n, len(has)), n / len(has) if len(has) else 0.0, side)
            for n, (side, has) in zip(numbers, sides.items(), strict=True)
        ]

    return {
        "modalities": [
            [title(name), *cells(int(has[name].sum()) for has in sides.values())] for name in names
        ],
        "combinations": [
            [_combination(found, names), *cells(c.get(found, 0) for c in combinations.values())]
            for found in ordered[:N_COMBINATIONS]
        ],
        "all": [[found] for found in ordered],
    }


def _combination(found: Sequence[str], names: Sequence[str]) -> str:
    absent = [title(name) for name in names if name not in found]
    if not absent:
        return "everything"
    if len(absent) < len(found):
        return f"all but {', '.join(absent)}"
    return ", ".join(map(title, found)) or "nothing"


def _trials(report: Mapping[str, Any]) -> list[Figure]:
    """How the number of topics was chosen."""
    chosen, made = int(report["n_topics"]), []
    measures = {
        "perplexity": "Held-out perplexity; lower is better, and the lowest was taken.",
        "coherence": "Mean coherence; higher is better. It is told beside and did not decide.",
    }
    for name, text in measures.items():
        points = [(int(one["n_topics"]), float(one[name])) for one in report.get("trials", [])]
        if points:
            label = f"{name.capitalize()} against number of topics; {chosen} were chosen"
            told = f"{text} Orange: the {chosen} topics that were chosen."
            told += " More than these were not tried." * (chosen == points[-1][0])
            drawn = trial_plot(points, chosen, label)
            made.append(Figure(f"{name.capitalize()} by number of topics", drawn, told))
    return made


def _labels(report: Mapping[str, Any]) -> dict[str, list[list[Any]]]:
    """Object or scene -> rows of the most frequent labels, with the training posts that show it."""
    n_posts = int(report.get("training_posts", 0))
    found = {block: report["most_frequent_labels"].get(block, []) for block in BLOCKS}
    return {
        block: [
            [
                token_label(token).removeprefix(SCENE_PREFIX),
                Bar(part_of(int(n), n_posts), int(n) / int(labels[0][1])),
            ]
            for token, n in labels
        ]
        for block, labels in found.items()
        if labels
    }


def _attributes(data: AtomicData) -> dict[str, Any]:
    """The most frequent attributes, and how many an account has."""
    found = findings.attribute_accounts(data)
    largest = {side: max((n[side] for n in found.values()), default=0) for side in schema.SIDES}
    sizes = {
        side: np.array([len(names) for names in findings.attribute_lists(data, side)], dtype=int)
        for side in schema.SIDES
    }
    return {
        "n": len(found),
        "covered": {
            side: (len(n), len(findings.accounts_of(data, side))) for side, n in sizes.items()
        },
        "rows": [
            [name, *(_bar(n[side], largest[side], side) for side in schema.SIDES)]
            for name, n in list(found.items())[:N_ATTRIBUTES]
        ],
        "figures": [
            Figure(
                f"Attributes per {side}",
                histogram(counts, f"{side}s", axis=f"attributes per {side}"),
                f"{side.capitalize()}s that have attributes.",
            )
            for side, counts in sizes.items()
            if len(counts)
        ],
    }


def _bar(n: int, largest: int, side: str = "") -> Bar:
    return Bar(f"{n:,}", n / largest if largest else 0.0, side)


def _plain(value: object) -> str:
    """A number, a word, or several of them; "" for what is long or not there."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, Mapping):
        inside = {_readable(key): _plain(one) for key, one in value.items()}
        return "; ".join(f"{key} {text}" for key, text in inside.items() if text)
    if not isinstance(value, str):
        return ""
    return value[:_SHOWN_DIGITS] if _SHA256.fullmatch(value) else value


def _readable(key: str) -> str:
    words = title(key.removeprefix("n_"))
    return f"number of {words}" if key.startswith("n_") else words
