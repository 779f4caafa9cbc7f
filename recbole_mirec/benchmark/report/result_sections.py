"""What a benchmark found under one protocol: the answer, tables, intervals and notes."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from dataset_convert.page.markup import Child, append, element
from dataset_convert.page.tables import table
from dataset_convert.report.layout import Layout
from dataset_convert.report.words import counted
from recbole_mirec.benchmark.report.figures import Whisker, interval_figure
from recbole_mirec.benchmark.report.view import HEADLINE, Figure, View
from recbole_mirec.benchmark.report.words import (
    MISSING,
    listed,
    metric_text,
    p_text,
    signed_text,
    title_of,
)
from recbole_mirec.benchmark.summary import LEVEL
from recbole_mirec.results import PAPER, smaller_is_better

_MARK = "†"
_INTERVALS_TOLD = (
    "Means on the test part with 95 % intervals over brands and seeds. Intervals of two models may "
    "overlap although they differ: the test compares them brand by brand."
)
_TESTED = (
    " at the 5 % level after Holm's correction over the models of one protocol and metric, by a "
    "paired test over brands that counts brands and seeds as two sources of variance. Bold: the "
    "best, and significantly better than the second. Medians and pooled figures are not tested. A "
    "model that depends on a seed and has one is never marked."
)
_CHANCE = {"AUC": 0.5, "cAUC": 0.5}


def answer(view: View) -> str:
    """Who wins by how much, in one or two sentences."""
    fair = [label for label in view.labels if label not in view.about.leaking]
    ranked = view.ranked(fair, HEADLINE)
    if not ranked:
        return "No model has results."
    (winner, best), others = ranked[0], ranked[1:]
    aside = [label for label in view.about.leaking if view.figure(label, HEADLINE)]
    text = f"{winner} has the highest {HEADLINE}"
    text += f" (leaking models aside: {listed(aside)})" if aside else ""
    text += f": {metric_text(HEADLINE, best.mean)}"
    if math.isfinite(best.low):
        text += f" (95 % interval {_span(best.low, best.high)})"
    if not others:
        return f"{text}. No other model has results."
    if winner == view.main:
        return f"{text}. {_against_next(others)}"
    main = view.figure(view.main, HEADLINE)
    if main is None:
        return f"{text}. {view.main} has no results to compare with."
    known = math.isfinite(best.difference)
    gap = metric_text(HEADLINE, best.difference if known else best.mean - main.mean)
    verdict = _verdict(best, best.difference_low, best.difference_high)
    return f"{text}. {view.main} is {gap} behind{verdict}."


def _against_next(others: Sequence[tuple[str, Figure]]) -> str:
    """The main model's lead over the next best one, and how many of the others it beats.

    Args:
        others: the models that lost, the best first; leaking ones are none of them.
    """
    label, figure = others[0]
    if not math.isfinite(figure.difference):
        return f"The next best is {label} with {metric_text(HEADLINE, figure.mean)}."
    lead = metric_text(HEADLINE, abs(figure.difference))
    low, high = -figure.difference_high, -figure.difference_low
    text = f"That is {lead} above the next best, {label}{_verdict(figure, low, high)}."
    n_beaten = sum(found.significant and found.difference < 0 for _, found in others)
    return f"{text} It is significantly above {n_beaten} of {len(others)} other models."


def _verdict(figure: Figure, low: float, high: float) -> str:
    if not math.isfinite(figure.p):
        return ", a difference that was not tested"
    ends = f"{signed_text(HEADLINE, low)} to {signed_text(HEADLINE, high)}"
    word = "significant" if figure.significant else "not significant"
    if figure.p <= LEVEL and not figure.significant:
        word = "not called significant, for there is one seed only"
    told = f"{word}, p\u00a0{_p(figure.p)} after Holm's correction"
    return f" (interval of the difference {ends}; {told})"


def _p(value: float) -> str:
    return f"=\u00a0{p_text(value)}" if value >= 0.001 else "below .001"


def _span(low: float, high: float) -> str:
    return f"{metric_text(HEADLINE, low)} to {metric_text(HEADLINE, high)}"


def model_tables(view: View, layout: Layout) -> list[Element]:
    """All metrics of the models, compared with the main one."""
    return _tables(view, layout, _Family(view.labels, view.labels, view.main), _TESTED)


def ablation_tables(view: View, layout: Layout) -> list[Element]:
    """All metrics of the ablations, compared with their full model; nothing without ablations."""
    if not view.ablations:
        return []
    full = view.about.ablated or view.main
    # The full model leads, if it does, in the table of models.
    family = _Family([full, *view.ablations], view.ablations, full)
    return _tables(view, layout, family, "; tested and marked as in the first table.")


@dataclass(frozen=True)
class _Family:
    """The models of one table, those whose lead it shows, and the one they are compared with."""

    labels: Sequence[str]
    leaders: Sequence[str]
    against: str


def _tables(view: View, layout: Layout, family: _Family, tested: str) -> list[Element]:
    """The best model first; the metrics by the paper's rules folded away."""
    text = f"{pool(view, family.labels)} {_MARK} differs from {family.against}{tested}"
    parts = [_result_table(view, family, view.columns()), layout.note(text)]
    paper = view.columns(PAPER)
    if paper:
        title = "The same by the paper's rules: compare published tables with these only"
        folded = [_result_table(view, family, paper), layout.note(pool(view, family.labels))]
        parts.append(element("details", element("summary", title), *folded))
    return parts


def _result_table(view: View, family: _Family, columns: Sequence[str]) -> Element:
    ranking = next((name for name in columns if title_of(name) == HEADLINE), columns[0])
    ordered = [label for label, _ in view.ranked(family.labels, ranking)]
    ordered += [label for label in family.labels if label not in ordered]
    rows = [
        [
            _name(view, label),
            *(_cell(view, family, label, metric) for metric in columns),
            *_difference(ranking, view.figure(label, ranking), family.against),
        ]
        for label in ordered
    ]
    less = f"{title_of(ranking)} less {family.against}'s"
    made = table(["model", *map(title_of, columns), less, "p (Holm)"], rows, n_words=1)
    for label, line in zip(ordered, list(made.iter("tr"))[1:], strict=True):
        if label == family.against:
            line.set("class", "main")
    return made


def _name(view: View, label: str) -> Element:
    name = element("span", label)
    if view.fate(label):
        append(name, element("span", f" {view.fate(label)}", class_="failed"))
    elif label in view.about.leaking:
        append(name, element("span", " leaks", class_="failed"))
    return name


def _cell(view: View, family: _Family, label: str, metric: str) -> Element:
    """A mean; bold where the model leads the table, marked where it differs from its rival."""
    figure = view.figure(label, metric)
    if figure is None:
        return element("span", MISSING)
    bold = figure.leads and label in family.leaders
    cell = element("strong" if bold else "span", metric_text(metric, figure.mean))
    ends = (metric_text(metric, end) for end in (figure.low, figure.high))
    cell.set("title", f"95 % interval {' to '.join(ends)}")
    mark = _MARK if figure.significant and figure.against == family.against else ""
    return element("span", cell, element("sup", mark, class_="mark"))


def _difference(metric: str, figure: Figure | None, against: str) -> list[Child]:
    if figure is None or figure.against != against or not math.isfinite(figure.difference):
        return [MISSING, MISSING]
    low, high = figure.difference_low, figure.difference_high
    ends = f" ({signed_text(metric, low)} to {signed_text(metric, high)})"
    text = signed_text(metric, figure.difference)
    return [element("span", text, element("span", ends, class_="ends")), p_text(figure.p)]


def pool(view: View, labels: Sequence[str]) -> str:
    """What a table's figures are over: brands, candidates and runs."""
    brands, candidates = view.test_sizes()
    figures = [figure for label in labels if (figure := view.figure(label, HEADLINE))]
    n_brands = max((figure.n_brands for figure in figures), default=0)
    runs = sorted({figure.n_runs for figure in figures})
    text = f"Test part: {counted(n_brands, 'brand')}, {_range(candidates)} candidates"
    if view.n_folds():
        text += f" in each of {view.n_folds()} folds of {_range(brands)} brands"
    if runs:
        text += f"; {_range(runs)} {'seed' if runs[-1] == 1 else 'seeds'} a model"
    return f"{text}."


def _range(numbers: Sequence[int]) -> str:
    if not numbers:
        return MISSING
    ends = [f"{number:,}" for number in (numbers[0], numbers[-1])]
    return ends[0] if len(set(ends)) == 1 else " to ".join(ends)


def interval_figures(view: View, layout: Layout) -> list[Element]:
    """A plot a metric: every model with its interval, the best at the top."""
    panels = element("div", class_="grid")
    for metric in view.columns():
        ranked = view.ranked(view.labels, metric)
        whiskers = [
            Whisker(label, found.mean, found.low, found.high, _kind(view, label, found))
            for label, found in ranked
        ]
        lines = _references(view, metric)
        title = title_of(metric)
        if smaller_is_better(metric):
            title += ", smaller is better"
        figure = interval_figure(whiskers, lines, title_of(metric))
        append(panels, element("figure", element("h3", title), figure))
    return [_interval_key(view), panels, layout.note(_INTERVALS_TOLD)]


def _kind(view: View, label: str, figure: Figure) -> str:
    if label == view.main:
        return "main"
    return "other" if figure.significant else "same"


def _references(view: View, metric: str) -> dict[str, float]:
    lines = {}
    random, cosine = view.of_model("Random"), view.of_model("Cosine")
    if random and (found := view.figure(random, metric)):
        lines["chance"] = found.mean
    elif metric in _CHANCE:
        lines["chance"] = _CHANCE[metric]
    if cosine and cosine != view.main and (found := view.figure(cosine, metric)):
        lines["untrained"] = found.mean
    return lines


def _interval_key(view: View) -> Element:
    entries = [
        ("mean main", view.main),
        ("mean other", f"differs from {view.main} after Holm's correction"),
        ("mean same", "does not, or was not tested"),
    ]
    drawn = []
    for kind, text in entries:
        dot = element("circle", cx="11", cy="7", r="4.5", class_=kind)
        drawn.append(element("li", element("svg", dot, aria_hidden="true"), text))
    lines = [("chance", "chance")]
    if view.of_model("Cosine") not in (None, view.main):
        lines.append(("untrained", "the untrained cosine"))
    for kind, text in lines:
        line = element("line", x1="0", x2="22", y1="7", y2="7", class_=f"line {kind}")
        drawn.append(element("li", element("svg", line, aria_hidden="true"), text))
    return element("ul", *drawn, class_="key")


def notes(view: View) -> list[Element]:
    """What the models say of themselves: chance on new brands, what they read, leaks."""
    by_text: dict[str, list[str]] = {}
    for label, record in zip(view.runs["label"], view.runs["record"], strict=True):
        for text in (record or {}).get("notes", []):
            names = by_text.setdefault(text, [])
            names += [] if label in names else [label]
    lines = []
    for text, names in by_text.items():
        said = "" if len(names) == 1 and text.startswith(names[0]) else f"{listed(names)}: "
        lines.append(element("li", f"{said}{text}"))
    return [element("ul", *lines, class_="notes")] if lines else []
