"""A benchmark's tables, in the form of the paper's Tables III, IV and V, and its summary as text.

S. Wang et al., "Micro-Influencer Recommendation by Multi-Perspective Account Representation
Learning", IEEE Transactions on Multimedia 25 (2023).
"""

import re
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from string import Template
from typing import Any

import numpy as np
import pandas as pd

from dataset_convert import schema
from recbole_mirec.benchmark.plan import ModelEntry
from recbole_mirec.benchmark.summary import (
    LEVEL,
    BenchmarkResult,
    Measure,
    layout_of,
    measures_of,
)
from recbole_mirec.results import (
    PAPER,
    RANK_TITLE,
    UNSEEN,
    data_title,
    format_table,
    metric_title,
    rule_prefix,
)
from recbole_mirec.runs import write_text
from recbole_mirec.sweep import FINISHED

FOLDER = "tables"
METRICS = ("MAP", "AUC", "cAUC", "Recall@10", "Recall@50", "MRR", "MedR")
TESTED = ("MAP", "AUC", "Recall@10", "Recall@50", "MRR")
RULES = {
    "": "",
    PAPER: " By the paper's rules.",
    UNSEEN: " Influencers without a training collaboration only.",
}
MISSING = "-"
LEAST_P = 0.001


@dataclass(frozen=True)
class Cell:
    """An entry of a table: text without escapes; the best of its column; a tested difference."""

    text: str
    bold: bool = False
    dagger: bool = False


@dataclass(frozen=True, eq=False)
class Table:
    """A table: what its files are called, its caption, a frame of cells, and lines under it."""

    name: str
    caption: str
    cells: pd.DataFrame
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Markup:
    """How a language writes tables; columns are the first one's sign and that of each other."""

    suffix: str
    signs: Mapping[str, str]
    bold: str
    dagger: str
    columns: tuple[str, str]
    row: tuple[str, str, str]
    notes: tuple[str, str]
    page: Template

    def text(self, text: str) -> str:
        """Text in one line, in which nothing is markup."""
        line = re.sub(r"[\s\x00-\x1f\x7f]+", " ", text)
        return "".join(self.signs.get(sign, sign) for sign in line)

    def cell(self, cell: Cell) -> str:
        """A cell with its marks."""
        text = self.bold.format(self.text(cell.text)) if cell.bold else self.text(cell.text)
        return text + self.dagger if cell.dagger else text


MARKDOWN = Markup(
    suffix="md",
    signs={sign: f"\\{sign}" for sign in r"\`*_[]<>|#~"},
    bold="**{}**",
    dagger="†",
    columns=("| --- |", " ---: |"),
    row=("| ", " | ", " |"),
    notes=("\n- ", "\n- "),
    page=Template("$caption\n\n$head\n$columns\n$body\n$notes"),
)
# It needs no package.
LATEX = Markup(
    suffix="tex",
    signs={
        "\\": r"\textbackslash{}",
        # behind the end of a row it would be a length
        "[": "{[}",
        **{sign: f"\\{sign}" for sign in "&%$#_{}"},
        **{"~": r"\textasciitilde{}", "^": r"\textasciicircum{}"},
        **{"<": r"\textless{}", ">": r"\textgreater{}", "†": r"$^\dagger$"},
    },
    bold=r"\textbf{{{}}}",
    dagger=r"$^\dagger$",
    columns=("l", "r"),
    row=("", " & ", r" \\"),
    notes=(r"\par\footnotesize\raggedright ", r" \\ "),
    page=Template(
        "\\begin{table}\n\\centering\n\\caption{$caption}\n\\label{tab:$label}\n"
        "\\begin{tabular}{$columns}\n\\hline\n$head\n\\hline\n$body\n\\hline\n\\end{tabular}\n"
        "$notes\\end{table}\n"
    ),
)


def drawn(table: Table, markup: Markup) -> str:
    """A table under its caption, the notes behind its rows."""
    first, between, last = markup.row
    head = list(map(markup.text, table.cells.columns))
    rows = [head, *(map(markup.cell, row) for row in table.cells.itertuples(index=False))]
    lines = [first + between.join(row) + last for row in rows]
    notes = markup.notes[1].join(map(markup.text, table.notes))
    return markup.page.substitute(
        caption=markup.text(table.caption),
        label=re.sub("[^a-z0-9]+", "-", table.name.lower()),
        columns=markup.columns[0] + markup.columns[1] * (len(head) - 1),
        head=lines[0],
        body="\n".join(lines[1:]),
        notes=f"{markup.notes[0]}{notes}\n" if notes else "",
    )


def write_tables(result: BenchmarkResult) -> None:
    """Write every table as Markdown and as LaTeX into the benchmark's folder."""
    for table in all_tables(result):
        for markup in (MARKDOWN, LATEX):
            path = result.folder / FOLDER / f"{table.name}.{markup.suffix}"
            write_text(path, drawn(table, markup))


def all_tables(result: BenchmarkResult) -> Iterator[Table]:
    """For each protocol: models, differences, ablations and categories, by each set of rules.

    All of them are of the test part. There is no table where no model has a figure.
    """
    (models, main), *ablated = result.plan.families
    for protocol in result.plan.protocols:
        sheet = _Sheet(result, protocol)
        found = [sheet.figures("models", models, main, rules) for rules in RULES]
        found.append(sheet.differences(models, main))
        # the marks of an ablations' full model belong to the table of models
        for (full, *rows), against in ablated:
            found += [sheet.figures("ablations", [*rows, full], against, r) for r in RULES]
        entry = next(one for one in models if one.label == main)
        found += [sheet.categories(entry, rules) for rules in RULES]
        yield from filter(None, found)


@dataclass(frozen=True, eq=False)
class _Sheet:
    """The tables of one protocol."""

    result: BenchmarkResult
    protocol: str

    def figures(
        self, kind: str, entries: Sequence[ModelEntry], against: str, rules: str
    ) -> Table | None:
        """Means of every metric, one row a model."""
        known = self._known()
        metrics = [name for name in _named(rules) if any(metric == name for _, metric in known)]
        unmarked = against if kind == "ablations" else None

        def cell(label: str, metric: str) -> Cell:
            row = known.get((label, metric))
            if row is None:
                return Cell(MISSING)
            bold, dagger = bool(row["leads"]), bool(row["significant"])
            marks = {} if label == unmarked else {"bold": bold, "dagger": dagger}
            return _number_cell(row["mean"], metric, **marks)

        return self._table(
            self._file(kind, rules),
            f"{self._setting()}{RULES[rules]} {_daggers(against)} Bold: best of its column and "
            f"significantly better than the second, by the same test, corrected over the best "
            f"model's comparisons. Medians and pooled shares are not tested.",
            [
                {
                    "Model" if kind == "models" else "Perspectives": _name(entry),
                    **{_title(name): cell(entry.label, name) for name in metrics},
                }
                for entry in entries
                if self.protocol in entry.protocols and metrics
            ],
            entries,
        )

    def differences(self, entries: Sequence[ModelEntry], main: str) -> Table | None:
        """Differences from the main model with their intervals."""
        known = self._known()

        def cell(label: str, metric: str) -> Cell:
            row = known.get((label, metric))
            if row is None or row["difference"] != row["difference"]:
                return Cell(MISSING)
            ends = ("difference", "difference_low", "difference_high")
            value, low, high = (number(row[name]) for name in ends)
            return Cell(f"{value} ({low} to {high})", dagger=bool(row["significant"]))

        return self._table(
            self._file("differences", ""),
            f"{self._setting()} Each model less {main}, with the 95 % interval. {_daggers(main)}",
            [
                {
                    "Model": _name(entry),
                    **{_title(name): cell(entry.label, name) for name in TESTED},
                }
                for entry in entries
                if self.protocol in entry.protocols and entry.label != main
            ],
            entries,
        )

    def categories(self, main: ModelEntry, rules: str) -> Table | None:
        """The main model by the brands' category."""
        frame = self.result.per_brand
        chosen = frame[
            (frame["label"] == main.label)
            & (frame["protocol"] == self.protocol)
            & (frame["part"] == schema.TEST)
        ]
        layout = layout_of(chosen, n_folds=self.result.plan.folds)
        category_of = chosen.drop_duplicates(schema.BRAND_ID).set_index(schema.BRAND_ID)
        category_of = category_of[schema.BRAND_CATEGORY].reindex(layout.columns.unique(1)).dropna()
        known = {measure.name: measure for measure in measures_of(chosen)}
        measures = [known[name] for name in _named(rules) if name in known]
        rows = [
            {
                "Category": Cell(str(category)),
                "Brands": Cell(str(len(brands))),
                **{
                    _title(one.name): _number_cell(_of_brands(layout, one, brands.index), one.name)
                    for one in measures
                },
            }
            for category, brands in category_of.groupby(category_of)
            if measures
        ]
        return self._table(
            self._file("categories", rules),
            f"{main.label} by the brand's category. {self._setting()}{RULES[rules]} Differences "
            f"between categories are not tested.",
            rows,
            [main],
        )

    def _table(
        self,
        name: str,
        caption: str,
        rows: list[dict[str, Cell]],
        entries: Sequence[ModelEntry],
    ) -> Table | None:
        return Table(name, caption, pd.DataFrame(rows), self._notes(entries)) if rows else None

    def _known(self) -> dict[tuple[str, str], dict[Hashable, Any]]:
        rows = test_rows(self.result, self.protocol).to_dict("records")
        return {(row["label"], row["metric"]): row for row in rows}

    def _file(self, kind: str, rules: str) -> str:
        return ".".join(filter(None, (self.protocol, kind, rules.rstrip("_"))))

    def _setting(self) -> str:
        """Data, protocol, pool, brands and seeds in a sentence."""
        plan = self.result.plan
        data = data_title(plan.dataset, synthetic=self.result.synthetic)
        tests = [
            one.record[schema.TEST]
            for one in self.result.found
            if one.run.protocol == self.protocol and schema.TEST in one.record
        ]
        if not tests:
            return f"{data}, protocol {self.protocol}: no run has finished."
        pool, brands = (_range([t[name] for t in tests]) for name in ("n_candidates", "n_brands"))
        where, brands = "test part", f"{brands} brands"
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
        notes = [note for entry in shown for note in self._notes_of(entry)]
        if leaking := [entry.label for entry in shown if entry.leaks]:
            notes.append(f"Never the best of a column, since it leaks: {', '.join(leaking)}.")
        once = [entry.label for entry in shown if entry.deterministic]
        if once and len(self.result.plan.seeds) > 1:
            notes.append(f"No seed plays a part in {', '.join(once)}: one run each.")
        return (*dict.fromkeys(notes), *self.result.remarks)

    def _notes_of(self, entry: ModelEntry) -> Iterator[str]:
        own = [
            one
            for one in self.result.found
            if one.run.entry is entry and one.run.protocol == self.protocol
        ]
        missing = [one for one in own if one.status != FINISHED]
        if missing:
            words = {f"{one.status}: {one.reason}".rstrip(": ") for one in missing}
            n = f"{len(missing)} of {len(own)}"
            yield f"{entry.label}: {n} runs without figures ({'; '.join(sorted(words))})."
        for one in own:
            yield from one.record.get("notes", ())


def test_rows(result: BenchmarkResult, protocol: str) -> pd.DataFrame:
    """Rows of results.csv of a protocol's test part."""
    rows = result.results
    return rows[(rows["protocol"] == protocol) & (rows["part"] == schema.TEST)]


def number(value: float, decimals: int = 3) -> str:
    """A figure as the paper's tables print it: .238; a dash where there is none."""
    if value != value:
        return MISSING
    text = f"{value:.{decimals}f}"
    # no minus before what is rounded to zero
    text = text.removeprefix("-") if float(text) == 0 else text
    return re.sub(r"^(-?)0\.", r"\1.", text)


def _named(rules: str) -> list[str]:
    return [f"{rules}{name.lower()}" if rules == PAPER else f"{rules}{name}" for name in METRICS]


def _title(metric: str) -> str:
    return metric_title(metric.removeprefix(rule_prefix(metric)))


def _name(entry: ModelEntry) -> Cell:
    return Cell(entry.label if entry.perspectives is None else " + ".join(entry.perspectives))


def _number_cell(value: float, metric: str, **marks: bool) -> Cell:
    text = number(value, 1) if _title(metric) == RANK_TITLE else number(value)
    return Cell(text, **marks)


def _of_brands(layout: pd.DataFrame, measure: Measure, brands: pd.Index) -> float:
    """The metric over some brands, those that have it, averaged over the runs."""
    values = [layout[name][brands].to_numpy(dtype=np.float64) for name in measure.columns]
    known = ~np.isnan(np.stack(values)).any(axis=(0, 1))
    if not known.any():
        return float("nan")
    return float(np.mean(measure.summary(*(one[:, known] for one in values), axis=-1)))


def _daggers(against: str) -> str:
    return (
        f"†: differs from {against} (p at most {number(LEVEL, 2)} after Holm's correction over the "
        f"models; paired over brands, with seeds as a second source of variance)."
    )


def _range(values: Sequence[int]) -> str:
    least, most = min(values), max(values)
    return str(least) if least == most else f"{least} to {most}"


def result_text(result: BenchmarkResult) -> str:
    """Title, a table a protocol, failures, and where the files are."""
    plan = result.plan
    data = data_title(plan.dataset, synthetic=result.synthetic)
    others = [one for one in result.found if one.status != FINISHED]
    n_finished = len(result.found) - len(others)
    lines = [f"{plan.name} on {data}: {n_finished} of {len(result.found)} runs finished"]
    for protocol in plan.protocols:
        lines += _protocol_lines(result, protocol)
    lines.append("")
    for one in others:
        lines.append(f"{one.status}: {one.run.folder}: {one.reason}".rstrip(": "))
    lines.append(f"Files: {result.folder} (report.html, results.csv, {FOLDER}/)")
    return "\n".join(lines)


def _protocol_lines(result: BenchmarkResult, protocol: str) -> list[str]:
    rows = test_rows(result, protocol)
    if rows.empty:
        return []
    means = rows.pivot_table(index="label", columns="metric", values="mean", sort=False)
    maps = rows[rows["metric"] == "MAP"].set_index("label").reindex(means.index)
    shown = [name for name in METRICS if name in means]
    table = means[shown].rename(columns=metric_title).rename_axis(columns=None)
    table = table.rename_axis("").reset_index()
    table["MAP, 95 %"] = [
        None if pd.isna(row.low) else f"{row.low:.3f} to {row.high:.3f}"
        for row in maps.itertuples()
    ]
    table["p (Holm)"] = [
        None if pd.isna(p) else f"{p:.3f}" if p >= LEAST_P else f"< {LEAST_P}"
        for p in maps["p_holm"]
    ]
    folds = f", {result.plan.folds} folds" if result.plan.folds else ""
    (_, main), *ablated = result.plan.families
    against = main + "".join(
        f", of ablations against {full}" for _, full in ablated if full != main
    )
    title = f"protocol {protocol}, test part{folds}; p: MAP against {against}"
    return ["", title, format_table(table, decimals=4)]
