"""A benchmark's tables, in the form of the paper's Tables III, IV and V.

S. Wang et al., "Micro-Influencer Recommendation by Multi-Perspective Account Representation
Learning", IEEE Transactions on Multimedia 25 (2023).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from dataset_convert import schema
from recbole_mirec.benchmark.execution import RunEnd
from recbole_mirec.benchmark.frames import NOT_RUN
from recbole_mirec.benchmark.layouts import Layouts, layouts_of
from recbole_mirec.benchmark.measures import Measure, measures_of
from recbole_mirec.benchmark.plan import BenchmarkPlan, ModelEntry
from recbole_mirec.benchmark.planned import PlannedRun, deterministic, leaks
from recbole_mirec.benchmark.summary import LEVEL
from recbole_mirec.benchmark.table_text import MISSING, Cell, Table, latex, markdown, number
from recbole_mirec.results import PAPER, RANK_TITLE, UNSEEN, data_title, metric_title
from recbole_mirec.runs import write_text
from recbole_mirec.sweep import FINISHED

FOLDER = "tables"
METRICS = ("AUC", "cAUC", "Recall@10", "Recall@50", "MRR", "MAP", "MedR")
TESTED = ("AUC", "Recall@10", "Recall@50", "MRR", "MAP")
RULES = {
    "": "",
    PAPER: " By the paper's rules.",
    UNSEEN: " Influencers without a training collaboration only.",
}


@dataclass(frozen=True, eq=False)
class Found:
    """What the tables are made of.

    Attributes:
        plan: of the benchmark.
        synthetic: whether the data set says that it is synthetic.
        ends: how every run ended.
        per_brand: as `frames.per_brand_frame` gives it.
        results: as `summary.results_frame` gives it.
        remarks: on tuning, for all tables.
    """

    plan: BenchmarkPlan
    synthetic: bool
    ends: dict[PlannedRun, RunEnd | None]
    per_brand: pd.DataFrame
    results: pd.DataFrame
    remarks: tuple[str, ...]


def write_tables(folder: Path, found: Found) -> None:
    """Write every table as Markdown and as LaTeX."""
    for table in all_tables(found):
        write_text(folder / FOLDER / f"{table.name}.md", markdown(table))
        write_text(folder / FOLDER / f"{table.name}.tex", latex(table))


def all_tables(found: Found) -> Iterator[Table]:
    """For each protocol: models, differences, ablations and categories, by each set of rules."""
    plan = found.plan
    for protocol in plan.protocols:
        sheet = _Sheet(found, protocol)
        for rules in RULES:
            yield from sheet.figures("models", plan.models, plan.main, rules)
        yield from sheet.differences()
        if plan.ablated is not None:
            full = [entry for entry in plan.models if entry.label == plan.ablated]
            for rules in RULES:
                yield from sheet.figures("ablations", (*plan.ablations, *full), plan.ablated, rules)
        for rules in RULES:
            yield from sheet.categories(rules)


@dataclass(frozen=True, eq=False)
class _Sheet:
    """The tables of one protocol, all of them of the test part."""

    found: Found
    protocol: str

    def figures(
        self, kind: str, entries: Sequence[ModelEntry], against: str, rules: str
    ) -> Iterator[Table]:
        """Means of every metric, one row a model; nothing where no model has a figure.

        The marks of an ablations' full model belong to the table of models.
        """
        family = [one for one in entries if kind == "models" or one.label != against]
        rows = self._rows()
        metrics = [name for name in _named(rules) if name in set(rows["metric"])]
        if not metrics:
            return
        known = {(row["label"], row["metric"]): row for row in rows.to_dict("records")}
        body = [
            (
                _name(entry),
                *(
                    _figure(known.get((entry.label, name)), name, entry in family)
                    for name in metrics
                ),
            )
            for entry in entries
            if self.protocol in entry.protocols
        ]
        yield Table(
            self._file(kind, rules),
            f"{self._setting()}{RULES[rules]} {_marks(against)}",
            ("Model" if kind == "models" else "Perspectives", *map(_title, metrics)),
            tuple(body),
            self._notes(entries),
        )

    def differences(self) -> Iterator[Table]:
        """Differences from the main model with their intervals."""
        plan, rows = self.found.plan, self._rows()
        others = [entry for entry in plan.models if entry.label != plan.main]
        others = [entry for entry in others if self.protocol in entry.protocols]
        if not others:
            return
        known = {(row["label"], row["metric"]): row for row in rows.to_dict("records")}
        yield Table(
            self._file("differences", ""),
            f"{self._setting()} Each model less {plan.main}, with the 95 % interval. "
            f"{_daggers(plan.main)}",
            ("Model", *map(_title, TESTED)),
            tuple(
                (_name(entry), *(_interval(known.get((entry.label, name))) for name in TESTED))
                for entry in others
            ),
            self._notes(plan.models),
        )

    def categories(self, rules: str) -> Iterator[Table]:
        """The main model by the brands' category."""
        main = next(one for one in self.found.plan.models if one.label == self.found.plan.main)
        layouts = self._layouts(main)
        if layouts is None or not any(layouts.categories):
            return
        known = {measure.name: measure for measure in measures_of(layouts.columns)}
        measures = [known[name] for name in _named(rules) if name in known]
        if not measures:
            return
        categories = np.array([name or "" for name in layouts.categories], dtype=object)
        body = []
        for category in sorted(set(categories) - {""}):
            brands = categories == category
            figures = [_of_brands(layouts, measure, brands) for measure in measures]
            cells = [
                Cell(_written(value, one.name))
                for value, one in zip(figures, measures, strict=True)
            ]
            body.append((Cell(category), Cell(str(int(brands.sum()))), *cells))
        yield Table(
            self._file("categories", rules),
            f"{main.label} by the brand's category. {self._setting()}{RULES[rules]} Differences "
            f"between categories are not tested.",
            ("Category", "Brands", *(_title(measure.name) for measure in measures)),
            tuple(body),
            self._notes([main]),
        )

    def _rows(self) -> pd.DataFrame:
        results = self.found.results
        return results[(results["protocol"] == self.protocol) & (results["part"] == schema.TEST)]

    def _layouts(self, entry: ModelEntry) -> Layouts | None:
        frame = self.found.per_brand
        chosen = frame[
            (frame["label"] == entry.label)
            & (frame["protocol"] == self.protocol)
            & (frame["part"] == schema.TEST)
        ]
        layouts = layouts_of(chosen, n_folds=self.found.plan.folds)
        return layouts if layouts.n_runs else None

    def _file(self, kind: str, rules: str) -> str:
        return ".".join(filter(None, (self.protocol, kind, rules.rstrip("_"))))

    def _setting(self) -> str:
        """Data, protocol, pool, brands and seeds in a sentence."""
        plan = self.found.plan
        data = data_title(plan.dataset, synthetic=self.found.synthetic)
        tests = [
            end.record[schema.TEST]
            for run, end in self.found.ends.items()
            if end is not None and run.protocol == self.protocol and schema.TEST in end.record
        ]
        if not tests:
            return f"{data}, protocol {self.protocol}: no run has finished."
        pool = _range([test["n_candidates"] for test in tests])
        brands = f"{_range([test['n_brands'] for test in tests])} brands"
        where = "test part"
        if plan.folds:
            where = f"cross-validation by brand, {plan.folds} folds"
            brands = f"in each fold {brands}"
        return (
            f"{data}, protocol {self.protocol}, {where}: {brands} rank {pool} candidates each; "
            f"{'seed' if len(plan.seeds) == 1 else 'mean over the seeds'} "
            f"{', '.join(map(str, plan.seeds))}."
        )

    def _notes(self, entries: Sequence[ModelEntry]) -> tuple[str, ...]:
        shown = [entry for entry in entries if self.protocol in entry.protocols]
        notes: list[str] = []
        for entry in shown:
            notes += self._notes_of(entry)
        once = [entry.label for entry in shown if deterministic(entry)]
        leaking = [entry.label for entry in shown if leaks(entry)]
        if leaking:
            notes.append(f"Never the best of a column, since it leaks: {', '.join(leaking)}.")
        if once and len(self.found.plan.seeds) > 1:
            notes.append(f"No seed plays a part in {', '.join(once)}: one run each.")
        return (*dict.fromkeys(notes), *self.found.remarks)

    def _notes_of(self, entry: ModelEntry) -> Iterator[str]:
        ends = {
            run: end
            for run, end in self.found.ends.items()
            if run.entry is entry and run.protocol == self.protocol
        }
        missing = [end for end in ends.values() if end is None or end.status != FINISHED]
        if missing:
            words = {NOT_RUN if end is None else f"{end.status}: {end.reason}" for end in missing}
            n = f"{len(missing)} of {len(ends)}"
            yield f"{entry.label}: {n} runs without figures ({'; '.join(sorted(words))})."
        for end in ends.values():
            if end is not None:
                yield from end.record.get("notes", ())


def _named(rules: str) -> list[str]:
    return [f"{rules}{name.lower()}" if rules == PAPER else f"{rules}{name}" for name in METRICS]


def _title(metric: str) -> str:
    return metric_title(metric.removeprefix(PAPER).removeprefix(UNSEEN))


def _name(entry: ModelEntry) -> Cell:
    kept = entry.perspectives
    return Cell(entry.label if kept is None else " + ".join(kept))


def _figure(row: dict[Any, Any] | None, metric: str, marked: bool) -> Cell:
    if row is None:
        return Cell(MISSING)
    bold, dagger = marked and bool(row["leads"]), marked and bool(row["significant"])
    return Cell(_written(row["mean"], metric), bold=bold, dagger=dagger)


def _written(value: float, metric: str) -> str:
    return number(value, 1) if _title(metric) == RANK_TITLE else number(value)


def _interval(row: dict[Any, Any] | None) -> Cell:
    if row is None or row["difference"] != row["difference"]:
        return Cell(MISSING)
    value, low, high = (
        number(row[name]) for name in ("difference", "difference_low", "difference_high")
    )
    return Cell(f"{value} ({low} to {high})", dagger=bool(row["significant"]))


def _of_brands(layouts: Layouts, measure: Measure, brands: "np.ndarray[Any, Any]") -> float:
    """The metric over some brands, those that have it, averaged over the runs."""
    values = [layouts.columns[name][:, brands] for name in measure.columns]
    known = ~np.isnan(np.stack(values)).any(axis=(0, 1))
    if not known.any():
        return float("nan")
    return float(np.mean(measure.summary(*(one[:, known] for one in values), axis=-1)))


def _marks(against: str) -> str:
    return (
        f"{_daggers(against)} Bold: best of its column and significantly better than the second, "
        f"by the same test, corrected over the best model's comparisons. Medians and pooled shares "
        f"are not tested."
    )


def _daggers(against: str) -> str:
    return (
        f"†: differs from {against} (p at most {number(LEVEL, 2)} after Holm's correction over the "
        f"models; paired over brands, with seeds as a second source of variance)."
    )


def _range(values: Sequence[int]) -> str:
    least, most = min(values), max(values)
    return str(least) if least == most else f"{least} to {most}"
