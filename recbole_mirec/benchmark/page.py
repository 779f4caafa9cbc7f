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
from dataset_convert.common.files import read_csv
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
from recbole_mirec.sweep import FINISHED
from recbole_mirec.templates import MISSING, Cell, duration, listed, render

REPORT_FILE: Final = "report.html"
HEADLINE: Final = "MAP"
STANDARD = (HEADLINE, "AUC", "cAUC", "Recall@10", "Recall@50", "MRR", "MedR")
HEATED = (HEADLINE, "AUC", "Recall@50", "MRR")
CLOSEST = 3
"""Ties of an attribute that are drawn."""
_N_CUTS = 90
_WORDS = (
    *("label", "model", "protocol", "part", "metric", "status", "reason", "folder", "against"),
    *(schema.BRAND_ID, schema.BRAND_CATEGORY),
)
Table = tuple[Sequence[str], Sequence[Sequence[Cell | str]]]
"""Heads of columns, and rows."""


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
    records = [
        _json(folder / row.folder / RUN_FILE) if row.status == FINISHED else {}
        for row in _rows(runs)
    ]
    runs["record"] = pd.Series(records, dtype=object)
    finished = runs[runs["status"] == FINISHED]
    ranks = [
        _table(path).assign(label=run.label, protocol=run.protocol)
        for run in _rows(finished)
        if (path := folder / run.folder / "ranks.test.csv").is_file()
    ]
    tables = [_table(folder / f"{name}.csv") for name in ("results", "per_brand")]
    parts = [runs, *(one[one["part"] == schema.TEST] for one in tables)]
    parts.append(pd.concat(ranks) if ranks else pd.DataFrame(columns=["protocol", "label"]))
    path = folder / PORTRAIT_FILE
    portrait = _json(path) if path.is_file() else None
    page = render(
        "benchmark.html.j2",
        about=about,
        views=[
            View(about, name, *(one[one["protocol"] == name] for one in parts))
            for name in runs["protocol"].unique()
        ],
        record=finished["record"].iloc[0],
        portrait=portrait,
        pictures=_account_pictures(portrait) if portrait else {},
        failures=_failures(runs[runs["status"] != FINISHED]),
        making=_making(finished, len(runs)),
        models=[one for one in runs["label"].unique() if one not in about.ablations],
        heated=HEATED,
        closest=CLOSEST,
        title_of=title_of,
        metric_text=metric_text,
    )
    write_text(folder / REPORT_FILE, page)
    return folder / REPORT_FILE


def _table(path: Path) -> pd.DataFrame:
    """A file of the benchmark. An empty cell is missing; a brand or a category may be called NA."""
    words: dict[Any, Any] = dict.fromkeys(_WORDS, str)
    return read_csv(path, dtype=words)


def _json(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def _rows(table: pd.DataFrame) -> list[Any]:
    return list(table.itertuples())


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
    def figures(self) -> dict[tuple[str, str], Any]:
        """(label, metric) -> row of results.csv; ends of intervals within the metric's range."""
        known = self.results.dropna(subset="mean").copy()
        is_rank = known["metric"].map(title_of) == RANK_TITLE
        for end in ("low", "high"):
            known[end] = known[end].clip(is_rank * 1.0, is_rank.map({True: math.inf, False: 1.0}))
        return {(row.label, row.metric): row for row in _rows(known)}

    def columns(self, prefix: str = "") -> list[str]:
        """Metrics of a group that have values: standard, `paper_` or `unseen_`."""
        names = [prefix + (name.lower() if prefix == PAPER else name) for name in STANDARD]
        known = {metric for _, metric in self.figures}
        return [name for name in names if {name, name.removeprefix(UNSEEN)} <= known]

    def ranked(self, labels: Sequence[str], metric: str) -> list[tuple[str, Any]]:
        """Models that have a value, with their figures, the best first."""
        known = [
            (one, self.figures[one, metric]) for one in labels if (one, metric) in self.figures
        ]
        sign = 1 if smaller_is_better(metric) else -1
        return sorted(known, key=lambda pair: sign * pair[1].mean)

    @property
    def n_folds(self) -> int:
        """Folds of the cross-validation; 0 where there is none."""
        return int(self.runs["fold"].max())

    def pool(self, labels: Sequence[str]) -> str:
        """What figures are over: brands, candidates and runs."""
        parts = [record[schema.TEST] for record in self.runs["record"] if schema.TEST in record]
        figures = [figure for _, figure in self.ranked(labels, HEADLINE)]
        text = f"Test part: {_range(figure.n_brands for figure in figures)} brands, "
        text += f"{_range(part['n_candidates'] for part in parts)} candidates"
        if self.n_folds:
            brands = _range(part["n_brands"] for part in parts)
            text += f" in each of {self.n_folds} folds of {brands} brands"
        return f"{text}; {_range(figure.n_runs for figure in figures)} seeds a model."

    def notes(self) -> list[str]:
        """What the models say of themselves, behind their names."""
        said: dict[str, list[str]] = {}
        for label, record in zip(self.runs["label"], self.runs["record"], strict=True):
            for text in record.get("notes", []):
                said.setdefault(text, []).append(label)
        named = {text: list(dict.fromkeys(labels)) for text, labels in said.items()}
        return [
            text if text.startswith(labels[0]) and len(labels) == 1 else f"{listed(labels)}: {text}"
            for text, labels in named.items()
        ]

    def answer(self) -> str:
        """Who wins by how much, in one to three sentences; leaking models cannot."""
        main, leaking = self.about.main, self.about.leaking
        ranked = self.ranked([one for one in self.labels if one not in leaking], HEADLINE)
        if not ranked:
            return "No model has results."
        (winner, best), others = ranked[0], ranked[1:]
        aside = [label for label, _ in self.ranked(leaking, HEADLINE)]
        text = f"{winner} has the highest {HEADLINE}"
        text += f" (leaking models aside: {listed(aside)})" if aside else ""
        text += f": {metric_text(HEADLINE, best.mean)}"
        if math.isfinite(best.low):
            ends = (metric_text(HEADLINE, end) for end in (best.low, best.high))
            text += f" (95 % interval {' to '.join(ends)})"
        rivals = [one for one in others if main in (winner, one[0])]
        if not rivals:
            return f"{text}. There is nothing to compare it with."
        rival, figure = rivals[0]
        # All are compared with the main model; its own lead is told the other way round.
        row, sign = (figure, -1) if winner == main else (best, 1)
        gap = metric_text(HEADLINE, best.mean - figure.mean)
        text += f". That is {gap} above {rival}{_verdict(row, sign)}."
        if winner == main:
            n_beaten = sum(bool(one.significant) and one.difference < 0 for _, one in others)
            text += f" It is significantly above {n_beaten} of {len(others)} other models."
        return text

    def table(self, labels: Sequence[str], against: str, prefix: str = "") -> Table:
        """Models, the best first, with what is significant against one of them; bold is what leads.

        The model that ablations are compared with leads, if it does, in the table of models.
        """
        columns = self.columns(prefix) or [HEADLINE]
        of_ablations = not set(labels) <= set(self.labels)
        rows = []
        for label in dict.fromkeys([*(one for one, _ in self.ranked(labels, columns[0])), *labels]):
            figures = [self.figures.get((label, metric)) for metric in columns]
            bold = label in self.ablations or not of_ablations
            first, *others = (_cell(one, against, bold=bold) for one in figures)
            rows.append(
                [Cell(label, self._fate(label)), first, *_gap(figures[0], against), *others]
            )
        titles = [title_of(name) for name in columns]
        return ["model", titles[0], f"less {against}'s", "p (Holm)", *titles[1:]], rows

    def _fate(self, label: str) -> str:
        """That a model leaks, or why it has no results."""
        statuses = self.runs.loc[self.runs["label"] == label, "status"].tolist()
        leaks = "leaks" if label in self.about.leaking else ""
        return leaks if FINISHED in statuses else str(statuses[0])

    def reference(self, model: str) -> str:
        """The label that runs Random or Cosine, whose values are lines; "" where it is the main."""
        names = self.runs.loc[self.runs["model"] == model, "label"]
        return next((one for one in names if one != self.about.main), "")

    def intervals(self) -> dict[str, Markup]:
        """Title of a metric -> a picture of every model with its interval, the best at the top."""
        drawn = {}
        for metric in self.columns():
            rows = []
            for label, one in self.ranked(self.labels, metric):
                kind = "other" if one.significant else "same"
                kind = "main" if label == self.about.main else kind
                rows.append((label, one.mean, one.low, one.high, kind))
            lines = {"chance": 0.5} if metric in ("AUC", "cAUC") else {}
            for name, model in {"chance": "Random", "untrained": "Cosine"}.items():
                found = self.figures.get((self.reference(model), metric))
                lines |= {name: found.mean} if found else {}
            better = ", smaller is better" if smaller_is_better(metric) else ""
            title = title_of(metric) + better
            drawn[title] = plots.intervals(f"{title}, of every model", rows, lines)
        return drawn

    @cached_property
    def by_category(self) -> dict[str, pd.DataFrame]:
        """Model -> its metrics by category of the brand; see `category_table`."""
        if schema.BRAND_CATEGORY not in self.per_brand:
            return {}
        rows = self.per_brand.dropna(subset=schema.BRAND_CATEGORY)
        known = {label: rows[rows["label"] == label] for label in self.labels}
        return {label: category_table(some) for label, some in known.items() if len(some)}

    def heat(self, metric: str) -> Table:
        """Models by category: the stronger a cell's colour, the better, within the table."""
        values = pd.DataFrame({label: found[metric] for label, found in self.by_category.items()})
        low, high = np.nanmin(values), np.nanmax(values)
        parts = (values - low) / ((high - low) or 1.0)
        parts = 100 * (1 - parts if smaller_is_better(metric) else parts).fillna(0.0)
        rows: list[list[Cell | str]] = []
        for label, column in values.items():
            pairs = zip(column.tolist(), parts[label].tolist(), strict=True)
            rows.append([str(label), *(Cell(metric_text(metric, x), part=y) for x, y in pairs)])
        return [title_of(metric), *map(str, values.index)], rows

    def main_by_category(self) -> Table:
        """The main model's metrics by category."""
        columns = self.columns()
        rows = [
            [str(name), f"{row['n_brands']:.0f}", *(metric_text(one, row[one]) for one in columns)]
            for name, row in self.by_category[self.about.main].iterrows()
        ]
        return ["category", "brands", *map(title_of, columns)], rows

    def rank_curves(self) -> tuple[Markup, list[tuple[str, str, str]]]:
        """How soon the test brands' collaborators are found, for every model; and the key."""
        rows = self.ranks[self.ranks["label"].isin(self.labels)]
        sizes = rows["n_candidates"].to_numpy(dtype=np.float64)
        cuts: plots.Array = np.unique(np.round(np.geomspace(1, sizes.max(), _N_CUTS)))
        chance: plots.Array = np.minimum(cuts[:, None] / sizes, 1.0).mean(axis=1)
        shares, key = [], []
        for place, (label, some) in enumerate(rows.groupby("label", sort=False)["rank"]):
            # The last colour looks like the main model's.
            colour = f"c{place % (plots.N_COLOURS - 1)}"
            colour = "orange" if label == self.about.main else colour
            shares.append((colour, found_shares(some.to_numpy(dtype=np.float64), cuts)))
            key.append(("line", colour, str(label)))
        title = "share of collaborators found among the first k influencers"
        return plots.ranks(title, shares, cuts, chance), [
            *key,
            ("dotted", "soft", "a random order"),
        ]

    def unseen(self) -> tuple[int, int, Table]:
        """Test collaborations with unseen influencers, all of them, and results on the unseen."""
        pairs = self.ranks.drop_duplicates([schema.BRAND_ID, schema.INFLUENCER_ID])
        columns = self.columns(UNSEEN)
        rows = []
        for label, _ in self.ranked(self.labels, columns[0]) if columns else ():
            alone = [self.figures[label, name] for name in columns]
            beside = [self.figures[label, name.removeprefix(UNSEEN)] for name in columns]
            texts = [
                [metric_text(one.metric, one.mean) for one in some] for some in (alone, beside)
            ]
            cells = [Cell(text, f"({other})") for text, other in zip(*texts, strict=True)]
            rows.append([Cell(label), *cells])
        return int(pairs["unseen"].sum()), len(pairs), (["model", *map(title_of, columns)], rows)

    def learning_curves(self) -> dict[str, Markup]:
        """Model -> a picture of its training, for every model that has epochs."""
        found: dict[str, list[tuple[plots.Array, int]]] = {}
        for run in _rows(self.runs[self.runs["label"].isin(self.labels)]):
            if len(curve := _curve(run.record)):
                found.setdefault(run.label, []).append((curve, run.record["best_epoch"]))
        trained = {one: some for one, some in found.items() if max(len(c) for c, _ in some) > 1}
        ends = plots.limits(
            [x for some in trained.values() for curve, _ in some for x in curve[:, 1]]
        )
        return {
            label: plots.learning_curves(f"training of {label}", some, ends)
            for label, some in trained.items()
        }


def category_table(rows: pd.DataFrame) -> pd.DataFrame:
    """A model's metrics by category of the brand, and `n_brands`: means over its seeds.

    Rows are those of per_brand.csv of one model, protocol and part, each with a category. With
    folds, a seed's folds together hold every brand once.
    """
    keys = ["label", "protocol", "seed", "fold", "part", schema.BRAND_ID, schema.BRAND_CATEGORY]
    seeds = [
        per_category(some.drop(columns=keys), some[schema.BRAND_CATEGORY].tolist())
        for _, some in rows.groupby("seed")
    ]
    return pd.concat(seeds).groupby(schema.BRAND_CATEGORY).mean()


def found_shares(ranks: NDArray[np.float64], cuts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Share of the ranks, from 1 and at least one, that are at most each cut; cuts ascend."""
    return np.searchsorted(np.sort(ranks), cuts, side="right") / len(ranks)


def _curve(record: dict[str, Any]) -> NDArray[np.float64]:
    """A run's epochs from 1, validation scores and losses (of several terms their sum)."""
    points = [
        (entry["epoch"] + 1, entry["valid"], np.sum(entry["train_loss"]))
        for entry in record.get("history", [])
    ]
    curve = np.array(points, dtype=np.float64).reshape(-1, 3)
    return curve[np.isfinite(curve[:, 1])]


def _account_pictures(portrait: dict[str, Any]) -> dict[str, Any]:
    drawn: dict[str, Any] = {}
    for case in portrait["cases"] or ():
        shares = [abs(x) for one in case["influencers"] for x in one["shares"].values()]
        case["largest"] = max(shares, default=0.0) or 1.0
    if portrait["graph"]:
        drawn["graph"] = plots.network("attributes that go together", portrait["graph"], CLOSEST)
    if portrait["map"]:
        accounts = portrait["map"]["accounts"]
        drawn["categories"] = sorted({one["category"] for one in accounts} - {""})
        drawn["map"] = plots.account_map("accounts by category", accounts, drawn["categories"])
    return drawn


def _making(finished: pd.DataFrame, n_runs: int) -> dict[str, str]:
    """How the figures came about, so that they can be made again."""
    record = finished["record"].iloc[0]
    counts = ", ".join(f"{label} {n}" for label, n in Counter(finished["label"]).items())
    return {
        "data": f"{record['dataset']}, fingerprint {record['data_fingerprint'][:12]}",
        "runs": f"{len(finished)} finished, {n_runs - len(finished)} not; {counts}",
        "seeds": ", ".join(map(str, sorted(set(finished["seed"])))),
        "computing": f"{duration(finished['seconds'].sum())} in all, on one thread a run",
        "versions": ", ".join(f"{name} {one}" for name, one in record["versions"].items()),
    }


def _failures(runs: pd.DataFrame) -> list[list[str]]:
    """Model, what happened, why, and which runs, those of one reason together."""
    groups: dict[tuple[str, str, str], list[str]] = {}
    for run in _rows(runs.fillna({"reason": "no reason was given"})):
        fold = f", fold {run.fold}" if run.fold else ""
        names = groups.setdefault((run.label, run.status, run.reason), [])
        names.append(f"{run.protocol}, seed {run.seed}{fold}")
    return [[*key, "; ".join(names)] for key, names in groups.items()]


def _cell(figure: Any, against: str, *, bold: bool) -> Cell:
    if figure is None:
        return Cell(MISSING)
    mark = bool(figure.significant) and figure.against == against
    text = metric_text(figure.metric, figure.mean)
    return Cell(text, bold=bold and bool(figure.leads), mark=mark)


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


def _gap(figure: Any, against: str) -> tuple[Cell, Cell]:
    """A figure's difference from another model's, with its interval, and its p."""
    if figure is None or figure.against != against or math.isnan(figure.difference):
        return Cell(MISSING), Cell(MISSING)
    gap, low, high = (
        signed_text(figure.metric, x)
        for x in (figure.difference, figure.difference_low, figure.difference_high)
    )
    return Cell(gap, f"({low} to {high})"), Cell(p_text(figure.p_holm))


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
