"""`report.html`: a benchmark on one page that needs neither a network nor scripts."""

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dataset_convert import schema
from dataset_convert.common.files import read_csv
from recbole_mirec import plots
from recbole_mirec.benchmark.plan import BenchmarkPlan
from recbole_mirec.benchmark.portrait import PORTRAIT_FILE
from recbole_mirec.benchmark.summary import KEY_COLUMNS, BenchmarkResult
from recbole_mirec.results import (
    PAPER,
    RANK_TITLE,
    metric_title,
    per_category,
    rule_prefix,
    smaller_is_better,
)
from recbole_mirec.runs import write_text
from recbole_mirec.sweep import FINISHED
from recbole_mirec.templates import MISSING, render

REPORT_FILE: Final = "report.html"
STANDARD = ("MAP", "AUC", "cAUC", "Recall@10", "Recall@50", "MRR", "MedR")
_N_CUTS = 90
# Models whose values are lines beside the others.
_LINES = {"Random": "chance", "Cosine": "untrained"}


def write_page(result: BenchmarkResult, command: str) -> Path:
    """Write the page of a benchmark, whole or not at all; the same for the same results.

    Args:
        result: one of its runs has finished. Its folder holds the runs' folders and, where accounts
            are to be shown, portrait.json.
        command: that made it.

    Returns:
        Path of the page.

    Raises:
        OSError: a file cannot be read or written.
    """
    folder, runs = result.folder, result.runs
    finished = runs[runs["status"] == FINISHED]
    ranks = [
        read_csv(path).assign(label=str(run.label), protocol=str(run.protocol))
        for run in finished.itertuples()
        if (path := folder / str(run.folder) / "ranks.test.csv").is_file()
    ]
    tables = [frame[frame["part"] == schema.TEST] for frame in (result.per_brand, result.results)]
    tables += [pd.concat(ranks) if ranks else pd.DataFrame(columns=["protocol"])]
    path = folder / PORTRAIT_FILE
    portrait = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
    page = render(
        "benchmark.html.j2",
        *(title_of, metric_text, signed_text, p_text, span),
        result=result,
        plan=result.plan,
        command=command,
        views=[
            View(result.plan, name, *(one[one["protocol"] == name] for one in (runs, *tables)))
            for name in runs["protocol"].unique()
        ],
        runs=runs,
        finished=finished,
        record=finished["record"].iloc[0],
        portrait=portrait,
        failures=_failures(runs[runs["status"] != FINISHED]),
        plots=plots,
    )
    write_text(folder / REPORT_FILE, page)
    return folder / REPORT_FILE


@dataclass(frozen=True, eq=False)
class View:
    """What was found under one protocol, as the template asks for it.

    Attributes:
        plan: of the benchmark.
        protocol: the one that is looked at.
        runs, per_brand, results: rows of `write_page`'s, of the test part.
        ranks: rows of all runs' ranks.test.csv, with `label`.
    """

    plan: BenchmarkPlan
    protocol: str
    runs: pd.DataFrame
    per_brand: pd.DataFrame
    results: pd.DataFrame
    ranks: pd.DataFrame

    @cached_property
    def families(self) -> list[tuple[list[str], str]]:
        """Models and the one they are held against; a full model with its ablations, likewise."""
        known = set(self.runs["label"])
        return [
            ([one.label for one in entries if one.label in known], against)
            for entries, against in self.plan.families
        ]

    @property
    def labels(self) -> list[str]:
        """Models, ablations aside."""
        return self.families[0][0]

    @cached_property
    def figures(self) -> dict[tuple[str, str], Any]:
        """(label, metric) -> row of the results; ends of intervals within the metric's range."""
        known = self.results.dropna(subset="mean").copy()
        is_rank = known["metric"].map(title_of) == RANK_TITLE
        for end in ("low", "high"):
            known[end] = known[end].clip(is_rank * 1.0, is_rank.map({True: math.inf, False: 1.0}))
        return {(str(row.label), str(row.metric)): row for row in known.itertuples()}

    def columns(self, prefix: str = "") -> list[str]:
        """Metrics of a group that have values: standard, `paper_` or `unseen_`."""
        names = [prefix + (name.lower() if prefix == PAPER else name) for name in STANDARD]
        known = {metric for _, metric in self.figures}
        return [name for name in names if name in known]

    def ranked(self, labels: Iterable[str], metric: str = "MAP") -> list[Any]:
        """Figures of the models that have a value, the best first."""
        known = [self.figures[one, metric] for one in labels if (one, metric) in self.figures]
        sign = 1 if smaller_is_better(metric) else -1
        return sorted(known, key=lambda figure: sign * figure.mean)

    @cached_property
    def leaking(self) -> list[str]:
        """Models that read what is to be predicted: they win nothing."""
        return [one.label for one in self.plan.families[0][0] if one.leaks]

    def fate(self, label: str) -> str:
        """That a model leaks, or why it has no results."""
        statuses = self.runs.loc[self.runs["label"] == label, "status"].tolist()
        leaks = "leaks" if label in self.leaking else ""
        return leaks if FINISHED in statuses else str(statuses[0])

    def notes(self) -> dict[str, str]:
        """What models say of themselves -> their names."""
        said = self.runs.assign(note=[one.get("notes", []) for one in self.runs["record"]])
        said = said.explode("note").dropna(subset="note").drop_duplicates(["note", "label"])
        return dict(said.groupby("note", sort=False)["label"].agg(", ".join))

    @cached_property
    def references(self) -> dict[str, str]:
        """`chance` and `untrained` -> label of a model whose values are lines, not the main one."""
        pairs = zip(self.runs["model"], self.runs["label"], strict=True)
        return {_LINES[a]: b for a, b in pairs if a in _LINES and b != self.plan.main}

    def intervals(self, metric: str) -> tuple[list[tuple[Any, ...]], dict[str, float]]:
        """Every model with its interval, the best first, and values that are lines."""
        rows = []
        for one in self.ranked(self.labels, metric):
            colour = "blue" if one.significant else "soft"
            colour = "orange" if one.label == self.plan.main else colour
            rows.append((one.label, one.mean, one.low, one.high, colour))
        lines = {"chance": 0.5} if metric in ("AUC", "cAUC") else {}
        for name, label in self.references.items():
            found = self.figures.get((label, metric))
            lines |= {name: found.mean} if found else {}
        return rows, lines

    @cached_property
    def by_category(self) -> pd.DataFrame:
        """Metrics by (model, category of the brand), and `n_brands`: means over the seeds.

        With folds, a seed's folds together hold every brand once.
        """
        keys, category = [*KEY_COLUMNS], schema.BRAND_CATEGORY
        rows = self.per_brand[self.per_brand["label"].isin(self.labels)].dropna(subset=category)
        seeds = [
            per_category(some.drop(columns=keys), some[category].tolist()).assign(label=str(label))
            for (label, _), some in rows.groupby(["label", "seed"])
        ]
        return pd.concat(seeds).groupby(["label", category]).mean() if seeds else pd.DataFrame()

    def heat(self, metric: str) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Models by category, and how good each value is from 0 to 100, within the table."""
        values = self.by_category[metric].unstack()
        values = values.reindex([one for one in self.labels if one in values.index])
        parts = (values - values.min(axis=None)) / (np.nanmax(values) - np.nanmin(values) or 1.0)
        parts = 1 - parts if smaller_is_better(metric) else parts
        texts = values.map(lambda value: metric_text(value, metric))
        return texts.rename_axis(index=title_of(metric)), 100 * parts.fillna(0.0)

    def rank_curves(self) -> tuple[Any, Any, dict[str, tuple[str, Any]]]:
        """Cuts k, what chance finds there, and model -> its colour and what it finds."""
        rows = self.ranks[self.ranks["label"].isin(self.labels)]
        sizes = rows["n_candidates"].to_numpy(dtype=np.float64)
        cuts: plots.Array = np.unique(np.round(np.geomspace(1, sizes.max(), _N_CUTS)))
        chance: plots.Array = np.minimum(cuts[:, None] / sizes, 1.0).mean(axis=1)
        shares = {}
        for place, (label, some) in enumerate(rows.groupby("label", sort=False)["rank"]):
            # The last colour looks like the main model's.
            colour = f"c{place % (plots.N_COLOURS - 1)}"
            colour = "orange" if label == self.plan.main else colour
            shares[str(label)] = colour, found_shares(some.to_numpy(dtype=np.float64), cuts)
        return cuts, chance, shares

    def learning_curves(self) -> tuple[dict[str, Any], tuple[float, float]]:
        """Model that has epochs -> what `plots.learning_curves` takes; and the ends of the axis."""
        found: dict[str, list[tuple[plots.Array, int]]] = {}
        for label, record in zip(self.runs["label"], self.runs["record"], strict=True):
            # Of several terms of a loss, the sum.
            points = [
                (entry["epoch"] + 1, entry["valid"], np.sum(entry["train_loss"]))
                for entry in record.get("history", [])
            ]
            curve = np.array(points, dtype=np.float64).reshape(-1, 3)
            curve = curve[np.isfinite(curve[:, 1])]
            if len(curve) and label in self.labels:
                found.setdefault(label, []).append((curve, record["best_epoch"]))
        found = {one: some for one, some in found.items() if max(len(c) for c, _ in some) > 1}
        scores = [x for some in found.values() for curve, _ in some for x in curve[:, 1]]
        return found, plots.limits(scores)


def found_shares(ranks: NDArray[np.float64], cuts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Share of the ranks, from 1 and at least one, that are at most each cut; cuts ascend."""
    return np.searchsorted(np.sort(ranks), cuts, side="right") / len(ranks)


def _failures(runs: pd.DataFrame) -> pd.DataFrame:
    """Model, what happened, why, and which runs, those of one reason together."""
    places = zip(runs["protocol"], runs["seed"], runs["fold"], strict=True)
    names = [f"{name}, seed {seed}" + f", fold {n}" * bool(n) for name, seed, n in places]
    known = runs.assign(runs=names, reason=runs["reason"].replace("", "no reason was given"))
    groups = known.groupby(["label", "status", "reason"], sort=False)["runs"].agg("; ".join)
    return groups.reset_index(["status", "reason"]).rename_axis(index="model")


def title_of(metric: str) -> str:
    """A metric's name as it heads a column, without the group that it belongs to."""
    return metric_title(metric.removeprefix(rule_prefix(metric)))


def metric_text(value: float, metric: str = "MAP") -> str:
    """A value of a metric: three places and no zero before the point; ranks with one place."""
    if not math.isfinite(value):
        return MISSING
    if title_of(metric) == RANK_TITLE:
        return f"{value:,.1f}"
    text = f"{value:.3f}"
    return text[1:] if text.startswith("0") else text


def signed_text(value: float, metric: str = "MAP") -> str:
    """A difference with its sign, a true minus."""
    sign = "\N{MINUS SIGN}" if value < 0 else "+"
    return sign * math.isfinite(value) + metric_text(abs(value), metric)


def p_text(value: float) -> str:
    """A p-value: three places, never 0."""
    return "< .001" if value < 0.001 else metric_text(value)


def span(numbers: Iterable[int]) -> str:
    """The least and the greatest of some numbers, or the only one; 0 of none."""
    ends = sorted(set(numbers)) or [0]
    return " to ".join(f"{end:,}" for end in dict.fromkeys((ends[0], ends[-1])))
