"""What lies behind a protocol's means: categories, ranks, unseen influencers, epochs."""

import math
from collections.abc import Sequence
from xml.etree.ElementTree import Element

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dataset_convert import schema
from dataset_convert.page.markup import Child, append, element
from dataset_convert.page.tables import table
from dataset_convert.report.layout import Layout
from dataset_convert.report.words import percent
from recbole_mirec.benchmark.report.contents import FINISHED
from recbole_mirec.benchmark.report.figures import (
    curve_figure,
    heat_table,
    rank_figure,
    rank_key,
)
from recbole_mirec.benchmark.report.view import HEADLINE, View
from recbole_mirec.benchmark.report.words import metric_text, title_of
from recbole_mirec.results import UNSEEN, per_category, smaller_is_better

_HEATED = ("MAP", "AUC", "Recall@50", "MRR")
_N_CUTS = 90


def category_sections(view: View, layout: Layout) -> list[Element]:
    """A heat map of models by category for each metric, and the main model's table."""
    tables = {
        label: found for label in view.labels if not (found := category_table(view, label)).empty
    }
    if not tables:
        return []
    some = next(iter(tables.values()))
    names, counts = list(some.index), some["n_brands"]
    maps = []
    for metric in (name for name in _HEATED if name in view.metrics):
        values = np.array(
            [frame[metric].reindex(names).to_numpy(dtype=np.float64) for frame in tables.values()]
        )
        drawn = heat_table(
            list(tables),
            names,
            values,
            metric=title_of(metric),
            smaller_is_better=smaller_is_better(metric),
            main=view.main,
        )
        maps.append((metric, drawn))
    text = (
        f"Mean over the test brands of a category and over the runs; {_counts(counts)} brands a "
        f"category, so small differences within a row may be noise. Candidates are those of "
        f"all brands. The stronger the colour, the better within the map."
    )
    parts = [maps[0][1], layout.note(text)] if maps else []
    for metric, drawn in maps[1:]:
        parts.append(_folded(f"{title_of(metric)} by category", drawn))
    if view.main in tables:
        drawn = _main_by_category(view, tables[view.main])
        parts.append(_folded(f"{view.main} by category, all metrics", drawn))
    return parts


def category_table(view: View, label: str) -> pd.DataFrame:
    """A model's metrics by brand category, mean over its seeds; empty where none is known.

    With folds, a seed's folds together hold every brand once.
    """
    table = view.contents.per_brand
    if schema.BRAND_CATEGORY not in table:
        return pd.DataFrame()
    chosen = table[
        (table["protocol"] == view.protocol)
        & (table["part"] == schema.TEST)
        & (table["label"] == label)
        & table[schema.BRAND_CATEGORY].notna()
    ]
    keys = ["label", "protocol", "seed", "fold", "part", schema.BRAND_ID, schema.BRAND_CATEGORY]
    seeds = [
        per_category(rows.drop(columns=keys), rows[schema.BRAND_CATEGORY].tolist())
        for _, rows in chosen.groupby("seed", dropna=False)
    ]
    if not seeds:
        return pd.DataFrame()
    return pd.concat(seeds).groupby(schema.BRAND_CATEGORY).mean()


def _main_by_category(view: View, frame: pd.DataFrame) -> Element:
    metrics = view.columns()
    rows: list[list[Child]] = [
        [
            str(name),
            f"{row['n_brands']:.0f}",
            *(metric_text(metric, float(row[metric])) for metric in metrics),
        ]
        for name, row in frame.iterrows()
    ]
    return table(["category", "brands", *map(title_of, metrics)], rows, n_words=1)


def _counts(counts: "pd.Series[float]") -> str:
    low, high = int(counts.min()), int(counts.max())
    return str(low) if low == high else f"{low} to {high}"


def rank_sections(view: View, layout: Layout) -> list[Element]:
    """How soon the collaborators of the test brands are found, for every model."""
    ranks = view.contents.ranks
    chosen = ranks[(ranks["protocol"] == view.protocol) & ranks["label"].isin(view.labels)]
    if chosen.empty:
        return []
    largest = int(chosen["n_candidates"].max())
    cuts = np.unique(np.round(np.geomspace(1, largest, _N_CUTS)))
    shares = {
        label: found_shares(rows["rank"].to_numpy(dtype=np.float64), cuts)
        for label in view.labels
        if not (rows := chosen[chosen["label"] == label]).empty
    }
    sizes = chosen["n_candidates"].to_numpy(dtype=np.float64)
    chance = np.minimum(cuts[:, None] / sizes, 1.0).mean(axis=1)
    text = (
        "Share of all collaborators of the test brands (each of them counts once a run) that stand "
        "among the first k candidates of their brand; ties take their average rank."
    )
    drawn = rank_figure(shares, cuts, chance, view.main)
    return [rank_key(list(shares), view.main), layout.figure(drawn, text)]


def found_shares(ranks: NDArray[np.float64], cuts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Share of the ranks that are at most each cut.

    Args:
        ranks: (positive), from 1; at least one.
        cuts: (cut), ascending.
    """
    shares: NDArray[np.float64] = np.searchsorted(np.sort(ranks), cuts, side="right") / len(ranks)
    return shares


def unseen_sections(view: View, layout: Layout) -> list[Element]:
    """How many collaborators were unknown in training, and the results on unknown ones alone."""
    columns = [name for name in view.columns(UNSEEN) if name.removeprefix(UNSEEN) in view.metrics]
    parts: list[Element] = []
    ranks = view.contents.ranks
    chosen = ranks[ranks["protocol"] == view.protocol]
    if len(chosen):
        pairs = chosen.drop_duplicates(["brand_id", "influencer_id"])
        unseen = pairs["unseen"].astype(str).str.lower() == "true"
        text = (
            f"{int(unseen.sum()):,} of the {len(pairs):,} test collaborations "
            f"({percent(float(unseen.sum()), len(pairs))}) are with influencers who have no "
            f"training collaboration."
        )
        parts.append(element("p", text))
    if not columns:
        return parts
    ranked = [label for label, _ in view.ranked(view.labels, f"{UNSEEN}{HEADLINE}")]
    rows: list[list[Child]] = []
    for label in ranked:
        cells: list[Child] = [label]
        for metric in columns:
            alone = view.figure(label, metric)
            everyone = view.figure(label, metric.removeprefix(UNSEEN))
            text = metric_text(metric, alone.mean if alone else math.nan)
            beside = metric_text(metric, everyone.mean if everyone else math.nan)
            cells.append(element("span", text, element("span", f" ({beside})", class_="ends")))
        rows.append(cells)
    made = table(["model", *map(title_of, columns)], rows, n_words=1)
    for label, line in zip(ranked, list(made.iter("tr"))[1:], strict=True):
        if label == view.main:
            line.set("class", "main")
    text = (
        "Unseen influencers only, as collaborators and as candidates; in parentheses the figure "
        "over all candidates. The pool of unseen ones is smaller, so R@k, MAP and MedR of the two "
        "are not on one scale: compare models within a column."
    )
    return [*parts, made, layout.note(text)]


def curve_sections(view: View, layout: Layout) -> list[Element]:
    """Validation score and training loss after every epoch, for every trained model."""
    found = {label: _curves(view, label) for label in view.labels}
    trained = {label: runs for label, runs in found.items() if any(len(run) > 1 for run, _ in runs)}
    if not trained:
        return []
    scores = [score for runs in trained.values() for run, _ in runs for _, score, _ in run]
    margin = 0.06 * (max(scores) - min(scores)) or 0.05
    limits = (min(scores) - margin, max(scores) + margin)
    metric = _valid_metric(view)
    panels = element("div", class_="grid")
    for label, runs in trained.items():
        drawn = curve_figure(
            [run for run, _ in runs], [best for _, best in runs], limits, title_of(metric)
        )
        append(panels, element("figure", element("h3", label), drawn))
    untrained = [label for label in found if label not in trained and not view.fate(label)]
    text = (
        f"{title_of(metric)} on validation above, training loss below, after every epoch; one line "
        f"a run, a dot at the epoch that validation chose. All upper axes are the same; losses "
        f"have each model's own."
    )
    if untrained:
        text += f" Without epochs: {', '.join(untrained)}."
    return [panels, layout.note(text)]


def _curves(view: View, label: str) -> list[tuple[list[tuple[int, float, float]], int]]:
    """A model's runs as (epoch from 1, validation score, loss) of each epoch, and the best one."""
    runs = view.runs[(view.runs["label"] == label) & (view.runs["status"] == FINISHED)]
    curves = []
    for record in runs["record"]:
        run = [
            (int(entry["epoch"]) + 1, float(entry["valid"]), _loss(entry["train_loss"]))
            for entry in record.get("history", [])
        ]
        run = [point for point in run if math.isfinite(point[1])]
        if run:
            curves.append((run, int(record["best_epoch"])))
    return curves


def _loss(value: object) -> float:
    """A loss; of several terms their sum; NaN where there is none."""
    parts: Sequence[object] = value if isinstance(value, list | tuple) else [value]
    numbers = [float(part) for part in parts if isinstance(part, int | float)]
    return sum(numbers) if numbers else math.nan


def _valid_metric(view: View) -> str:
    named = [record["settings"].get("valid_metric") for record in view.contents.records]
    return str(next((name for name in named if name), HEADLINE))


def _folded(title: str, drawn: Element) -> Element:
    return element("details", element("summary", title), drawn)
