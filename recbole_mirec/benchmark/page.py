"""`report.html`: a benchmark on one page that needs neither a network nor scripts."""

import json
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from markupsafe import Markup
from numpy.typing import NDArray

from dataset_convert import schema
from recbole_mirec import plots
from recbole_mirec.benchmark.portrait import PORTRAIT_FILE
from recbole_mirec.results import (
    PAPER,
    RANK_TITLE,
    UNSEEN,
    metric_title,
    per_category,
    smaller_is_better,
)
from recbole_mirec.runs import RUN_FILE, write_text
from recbole_mirec.templates import MISSING, listed, render
from recbole_mirec.tuning.trial import FINISHED

REPORT_FILE: Final = "report.html"
HEADLINE: Final = "MAP"
STANDARD = (HEADLINE, "AUC", "cAUC", "Recall@10", "Recall@50", "MRR", "MedR")
HEATED = (HEADLINE, "AUC", "Recall@50", "MRR")
CLOSEST = 3
"""Ties of an attribute that are drawn."""
_N_CUTS = 90
_WORDS = dict.fromkeys(
    ("label", "model", "protocol", "part", "metric", "status", "reason", "folder", "against"), str
)


@dataclass(frozen=True)
class About:
    """What the files do not say of a benchmark.

    Attributes:
        name: of the benchmark.
        main: label of the model that the others are compared with.
        command: that made it.
        ablations: labels of the models that are ablations of another one.
        ablated: the model that they are ablations of; "" for the main one.
        leaking: labels of models that read what is to be predicted: they win nothing.
        remarks: lines for the reader, e.g. on tuning.
    """

    name: str
    main: str
    command: str
    ablations: Sequence[str] = ()
    ablated: str = ""
    leaking: Sequence[str] = ()
    remarks: Sequence[str] = ()


def write_page(folder: Path, about: About) -> Path:
    """Write the page of a benchmark, whole or not at all; the same for the same files.

    Args:
        folder: of the benchmark; holds results.csv, runs.csv, per_brand.csv, the runs' folders
            (one of them finished) and, where accounts are to be shown, portrait.json.
        about: what the files do not say.

    Returns:
        Path of the page.

    Raises:
        OSError: a file cannot be read or written.
    """
    runs = _table(folder / "runs.csv")
    runs[["reason"]] = runs[["reason"]].fillna("")
    finished = runs["status"] == FINISHED
    runs["record"] = [
        json.loads((folder / place / RUN_FILE).read_text(encoding="utf-8")) if ended else {}
        for place, ended in zip(runs["folder"], finished, strict=True)
    ]
    ranks = [
        _table(path).assign(label=run.label, protocol=run.protocol)
        for run in runs[finished].itertuples()
        if (path := folder / str(run.folder) / "ranks.test.csv").is_file()
    ]
    results, per_brand = _table(folder / "results.csv"), _table(folder / "per_brand.csv")
    views = [
        View(
            about,
            str(protocol),
            _chosen(runs, protocol),
            _chosen(results[results["part"] == schema.TEST], protocol),
            _chosen(per_brand[per_brand["part"] == schema.TEST], protocol),
            _chosen(pd.concat(ranks), protocol) if ranks else pd.DataFrame(),
        )
        for protocol in runs["protocol"].unique()
    ]
    path = folder / PORTRAIT_FILE
    portrait = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
    page = render(
        "benchmark.html.j2",
        about=about,
        labels=runs["label"].unique().tolist(),
        heated=HEATED,
        closest=CLOSEST,
        views=views,
        record=runs.loc[finished, "record"].iloc[0],
        portrait=portrait,
        pictures=_account_pictures(portrait),
        failures=_failures(runs[~finished]),
        counts=Counter(runs.loc[finished, "label"]),
        seeds=sorted(set(runs.loc[finished, "seed"].tolist())),
        seconds=float(runs.loc[finished, "seconds"].sum()),
        n_unfinished=int((~finished).sum()),
        metric_text=metric_text,
        signed_text=signed_text,
        p_text=p_text,
        title_of=title_of,
    )
    write_text(folder / REPORT_FILE, page)
    return folder / REPORT_FILE


def _table(path: Path) -> pd.DataFrame:
    """A file of the benchmark. An empty cell is missing; a brand or a category may be called NA."""
    words: dict[Any, Any] = {**_WORDS, schema.BRAND_ID: str, schema.BRAND_CATEGORY: str}
    return pd.read_csv(path, dtype=words, keep_default_na=False, na_values=[""])


def _chosen(table: pd.DataFrame, protocol: str) -> pd.DataFrame:
    return table[table["protocol"] == protocol]


@dataclass(frozen=True, eq=False)
class View:
    """What the files tell of one protocol, as the template asks for it.

    Attributes:
        about: what the files do not say.
        protocol: the one that is looked at.
        runs: rows of runs.csv, with `record`: the content of run.json, {} where there is none.
        results, per_brand: rows of results.csv and per_brand.csv, of the test part.
        ranks: rows of all runs' ranks.test.csv, with `label`.
    """

    about: About
    protocol: str
    runs: pd.DataFrame
    results: pd.DataFrame
    per_brand: pd.DataFrame
    ranks: pd.DataFrame

    @cached_property
    def labels(self) -> list[str]:
        """Models of the protocol, ablations aside, in the order of the runs."""
        return [name for name in self.runs["label"].unique() if name not in self.about.ablations]

    @cached_property
    def ablations(self) -> list[str]:
        """Ablations of the protocol."""
        return [name for name in self.runs["label"].unique() if name in self.about.ablations]

    @cached_property
    def _figures(self) -> dict[tuple[str, str], Any]:
        """(label, metric) -> row of results.csv; ends of intervals within the metric's range."""
        known = self.results.dropna(subset="mean").copy()
        is_rank = known["metric"].map(lambda name: title_of(name) == RANK_TITLE)
        least, most = is_rank.astype(float), is_rank.map({True: math.inf, False: 1.0})
        for end in ("low", "high"):
            known[end] = known[end].clip(least, most)
        return {(row.label, row.metric): row for row in known.itertuples()}

    @cached_property
    def metrics(self) -> set[str]:
        """Names of the metrics that have a value."""
        return {metric for _, metric in self._figures}

    def figure(self, label: str, metric: str) -> Any:
        """A model's row of results.csv; None where it has no such figure."""
        return self._figures.get((label, metric))

    def columns(self, prefix: str = "") -> list[str]:
        """Metrics of a group that stand in tables: standard, `paper_` or `unseen_`."""
        names = [prefix + (name.lower() if prefix == PAPER else name) for name in STANDARD]
        return [name for name in names if name in self.metrics]

    def ranked(self, labels: Sequence[str], metric: str) -> list[tuple[str, Any]]:
        """Models that have a value, with their figures, the best first."""
        known = [(label, figure) for label in labels if (figure := self.figure(label, metric))]
        sign = 1 if smaller_is_better(metric) else -1
        return sorted(known, key=lambda pair: sign * pair[1].mean)

    def ordered(self, labels: Sequence[str], metric: str) -> list[str]:
        """All of the labels, the best first, those without a value last."""
        return list(dict.fromkeys([*(label for label, _ in self.ranked(labels, metric)), *labels]))

    def fate(self, label: str) -> str:
        """What to say behind a model's name: that it leaks, or why it has no results."""
        statuses = self.runs.loc[self.runs["label"] == label, "status"].tolist()
        if FINISHED not in statuses:
            return str(statuses[0])
        return "leaks" if label in self.about.leaking else ""

    @property
    def n_folds(self) -> int:
        """Folds of the cross-validation; 0 where there is none."""
        n_folds = int(self.runs["fold"].nunique())
        return n_folds if n_folds > 1 else 0

    def pool(self, labels: Sequence[str]) -> str:
        """What figures are over: brands, candidates and runs."""
        parts = [record[schema.TEST] for record in self.runs["record"] if schema.TEST in record]
        figures = [figure for _, figure in self.ranked(labels, HEADLINE)]
        n_brands = max((figure.n_brands for figure in figures), default=0)
        text = f"Test part: {n_brands:,} brands, "
        text += f"{_range(part['n_candidates'] for part in parts)} candidates"
        if self.n_folds:
            brands = _range(part["n_brands"] for part in parts)
            text += f" in each of {self.n_folds} folds of {brands} brands"
        return f"{text}; {_range(figure.n_runs for figure in figures)} seeds a model."

    def notes(self) -> dict[str, list[str]]:
        """What the models say of themselves -> the models that say it."""
        said: dict[str, list[str]] = {}
        for label, record in zip(self.runs["label"], self.runs["record"], strict=True):
            for text in record.get("notes", []):
                if label not in said.setdefault(text, []):
                    said[text].append(label)
        return said

    def answer(self) -> str:
        """Who wins by how much, in one or two sentences; leaking models cannot."""
        fair = [label for label in self.labels if label not in self.about.leaking]
        ranked = self.ranked(fair, HEADLINE)
        if not ranked:
            return "No model has results."
        (winner, best), others = ranked[0], ranked[1:]
        aside = [label for label, _ in self.ranked(self.about.leaking, HEADLINE)]
        text = f"{winner} has the highest {HEADLINE}"
        text += f" (leaking models aside: {listed(aside)})" if aside else ""
        text += f": {metric_text(HEADLINE, best.mean)}"
        if math.isfinite(best.low):
            text += f" (95 % interval {_ends(best.low, best.high)})"
        if not others:
            return f"{text}. No other model has results."
        main = self.figure(self.about.main, HEADLINE)
        if main is None:
            return f"{text}. {self.about.main} has no results to compare with."
        (second, next_best) = others[0]
        # The difference of the two, as that of the winner less the other.
        row, sign = (next_best, -1) if winner == self.about.main else (best, 1)
        known = row.against == self.about.main and math.isfinite(row.difference)
        gap = sign * row.difference if known else best.mean - (next_best if sign < 0 else main).mean
        verdict = _verdict(row, sign) if known else ""
        if winner != self.about.main:
            return f"{text}. {self.about.main} is {metric_text(HEADLINE, gap)} behind{verdict}."
        n_beaten = sum(bool(found.significant) and found.difference < 0 for _, found in others)
        return (
            f"{text}. That is {metric_text(HEADLINE, gap)} above the next best, {second}{verdict}. "
            f"It is significantly above {n_beaten} of {len(others)} other models."
        )

    def has_reference(self, model: str) -> str | None:
        """The label that runs Random or Cosine, whose values are lines of reference; not the main."""
        names = self.runs.loc[self.runs["model"] == model, "label"].unique()
        return next((one for one in names if one != self.about.main), None)

    def intervals(self) -> dict[str, Markup]:
        """Title of a metric -> a picture of every model with its interval, the best at the top."""
        drawn = {}
        for metric in self.columns():
            rows = []
            for label, one in self.ranked(self.labels, metric):
                kind = "main" if label == self.about.main else "other" if one.significant else "same"
                rows.append((label, one.mean, one.low, one.high, kind))
            lines = {"chance": 0.5} if metric in ("AUC", "cAUC") else {}
            for name, model in {"chance": "Random", "untrained": "Cosine"}.items():
                found = self.figure(self.has_reference(model) or "", metric)
                lines |= {name: found.mean} if found else {}
            title = title_of(metric)
            better = ", smaller is better" if smaller_is_better(metric) else ""
            drawn[title + better] = plots.intervals(f"{title} of every model", rows, lines)
        return drawn

    @cached_property
    def by_category(self) -> dict[str, pd.DataFrame]:
        """Model -> its metrics by category of the brand; see `category_table`."""
        if schema.BRAND_CATEGORY not in self.per_brand:
            return {}
        rows = self.per_brand.dropna(subset=schema.BRAND_CATEGORY)
        known = {label: rows[rows["label"] == label] for label in self.labels}
        return {label: category_table(some) for label, some in known.items() if len(some)}

    def heat(self, metric: str) -> list[tuple[str, list[tuple[float, float]]]]:
        """Rows of a heat map: a model, and its value and strength (0 to 100) in each category."""
        values = pd.DataFrame({label: found[metric] for label, found in self.by_category.items()})
        low, high = np.nanmin(values), np.nanmax(values)
        strength = 100 * (values - low) / ((high - low) or 1.0)
        strength = (100 - strength if smaller_is_better(metric) else strength).fillna(0.0)
        return [
            (str(label), list(zip(values[label], strength[label], strict=True)))
            for label in values
        ]

    def rank_curves(self) -> tuple[Markup, list[tuple[str, str, str]]] | None:
        """How soon the collaborators of the test brands are found, for every model; with its key."""
        rows = self.ranks[self.ranks["label"].isin(self.labels)] if len(self.ranks) else self.ranks
        if rows.empty:
            return None
        sizes = rows["n_candidates"].to_numpy(dtype=np.float64)
        cuts = np.unique(np.round(np.geomspace(1, sizes.max(), _N_CUTS)))
        by_label = rows.groupby("label")["rank"]
        shares = {
            label: found_shares(by_label.get_group(label).to_numpy(dtype=np.float64), cuts)
            for label in self.labels
            if label in by_label.groups
        }
        chance = np.minimum(cuts[:, None] / sizes, 1.0).mean(axis=1)
        title = "share of collaborators found among the first k influencers"
        key = [
            ("line", plots.model_colour(place, main=label == self.about.main), label)
            for place, label in enumerate(shares)
        ]
        drawn = plots.ranks(title, shares, cuts, chance, self.about.main)
        return drawn, [*key, ("dots", "soft", "a random order")]

    def unseen_pairs(self) -> tuple[int, int]:
        """Test collaborations with influencers without a training collaboration, and all of them."""
        if self.ranks.empty:
            return 0, 0
        pairs = self.ranks.drop_duplicates([schema.BRAND_ID, schema.INFLUENCER_ID])
        return int(pairs["unseen"].sum()), len(pairs)

    def unseen_columns(self) -> list[str]:
        """Metrics over unseen influencers that have a counterpart over all of them."""
        return [name for name in self.columns(UNSEEN) if name.removeprefix(UNSEEN) in self.metrics]

    def learning_curves(self) -> dict[str, Markup]:
        """Model -> a picture of its training, for every model that has one."""
        found = {
            label: [
                (curve, record["best_epoch"])
                for record in self.runs.loc[self.runs["label"] == label, "record"]
                if len(curve := _curve(record))
            ]
            for label in self.labels
        }
        trained = {
            label: some for label, some in found.items() if any(len(curve) > 1 for curve, _ in some)
        }
        scores = [curve[:, 1] for some in trained.values() for curve, _ in some]
        limits = plots.limits(np.concatenate(scores)) if scores else (0.0, 1.0)
        return {
            label: plots.learning_curves(f"training of {label}", some, limits)
            for label, some in trained.items()
        }

    def valid_metric(self) -> str:
        """Title of the metric that chose the epochs."""
        names = (record.get("settings", {}).get("valid_metric") for record in self.runs["record"])
        return title_of(str(next(filter(None, names), HEADLINE)))


def category_table(rows: pd.DataFrame) -> pd.DataFrame:
    """A model's metrics by category of the brand, and `n_brands`: means over its seeds.

    With folds, a seed's folds together hold every brand once.

    Args:
        rows: of per_brand.csv, of one model, protocol and part; each has a category.
    """
    keys = ["label", "protocol", "seed", "fold", "part", schema.BRAND_ID, schema.BRAND_CATEGORY]
    seeds = [
        per_category(some.drop(columns=keys), some[schema.BRAND_CATEGORY].tolist())
        for _, some in rows.groupby("seed")
    ]
    return pd.concat(seeds).groupby(schema.BRAND_CATEGORY).mean()


def found_shares(ranks: NDArray[np.float64], cuts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Share of the ranks that are at most each cut.

    Args:
        ranks: (positive), from 1; at least one.
        cuts: (cut), ascending.
    """
    return np.searchsorted(np.sort(ranks), cuts, side="right") / len(ranks)


def _curve(record: dict[str, Any]) -> NDArray[np.float64]:
    """A run's epochs from 1, validation scores and losses (of several terms their sum)."""
    points = [
        (entry["epoch"] + 1, entry["valid"], np.sum(entry["train_loss"]))
        for entry in record.get("history", [])
    ]
    curve = np.array(points, dtype=np.float64).reshape(-1, 3)
    return curve[np.isfinite(curve[:, 1])]


def _account_pictures(portrait: dict[str, Any] | None) -> dict[str, Any]:
    if portrait is None:
        return {}
    drawn: dict[str, Any] = {}
    if portrait["graph"]:
        drawn["graph"] = plots.network("attributes that go together", portrait["graph"], CLOSEST)
    if portrait["map"]:
        names = sorted({one["category"] for one in portrait["map"]["accounts"]} - {""})
        drawn["categories"] = names
        drawn["map"] = plots.account_map("accounts by category", portrait["map"], names)
    return drawn


def _failures(runs: pd.DataFrame) -> list[tuple[str, str, str, str]]:
    """Model, what happened, why, and which runs, those of one reason together."""
    groups: dict[tuple[str, str, str], list[str]] = {}
    for run in runs.itertuples():
        fold = f", fold {run.fold}" if run.fold else ""
        key = (run.label, run.status, run.reason or "no reason was given")
        groups.setdefault(key, []).append(f"{run.protocol}, seed {run.seed}{fold}")  # type: ignore[arg-type]
    return [(*key, "; ".join(names)) for key, names in groups.items()]


def _verdict(row: Any, sign: int) -> str:
    """How sure a difference is; `sign` is -1 where it is told the other way round."""
    if not math.isfinite(row.p_holm):
        return ", a difference that was not tested"
    low, high = sorted((sign * row.difference_low, sign * row.difference_high))
    p = f"=\u00a0{p_text(row.p_holm)}" if row.p_holm >= 0.001 else "below .001"
    word = "significant" if row.significant else "not significant"
    if row.p_holm <= 0.05 and not row.significant:
        word = "not called significant, for there is one seed only"
    ends = f"{signed_text(HEADLINE, low)} to {signed_text(HEADLINE, high)}"
    return f" (interval of the difference {ends}; {word}, p\u00a0{p} after Holm's correction)"


def _ends(low: float, high: float) -> str:
    return f"{metric_text(HEADLINE, low)} to {metric_text(HEADLINE, high)}"


def _range(numbers: Any) -> str:
    ends = sorted(set(numbers)) or [0]
    return f"{ends[0]:,}" if len(ends) == 1 else f"{ends[0]:,} to {ends[-1]:,}"


def title_of(metric: str) -> str:
    """A metric's name as it heads a column, without the group that it belongs to."""
    return metric_title(metric.removeprefix(PAPER).removeprefix(UNSEEN))


def metric_text(metric: str, value: float) -> str:
    """A value of a metric: three places and no zero before the point; ranks with one place."""
    if not math.isfinite(value):
        return MISSING
    if title_of(metric) == RANK_TITLE:
        return f"{value:,.1f}"
    text = f"{value:.3f}"
    return text[1:] if text.startswith("0") else text


def signed_text(metric: str, value: float) -> str:
    """A difference with its sign, a true minus."""
    if not math.isfinite(value):
        return MISSING
    return ("\N{MINUS SIGN}" if value < 0 else "+") + metric_text(metric, abs(value))


def p_text(value: float) -> str:
    """A p-value: three places, never 0."""
    return "< .001" if value < 0.001 else metric_text("p", value)
