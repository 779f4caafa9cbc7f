"""A benchmark's tables, in the form of the paper's Tables III, IV and V, and its summary as text.

S. Wang et al., "Micro-Influencer Recommendation by Multi-Perspective Account Representation
Learning", IEEE Transactions on Multimedia 25 (2023).
"""

import re
from collections.abc import Callable, Iterator, Sequence
from string import Template
from typing import Any, NamedTuple

import pandas as pd

from dataset_convert import schema
from recbole_mirec import results
from recbole_mirec.benchmark.plan import ModelEntry
from recbole_mirec.benchmark.summary import BenchmarkResult, category_table
from recbole_mirec.evaluation.statistics import LEVEL
from recbole_mirec.runs import write_text
from recbole_mirec.sweep import FINISHED

FOLDER = "tables"
METRICS = ("MAP", "AUC", "cAUC", "Recall@10", "Recall@50", "MRR", "MedR")
TESTED = ("MAP", "AUC", "Recall@10", "Recall@50", "MRR")
RULES = {
    "": "",
    results.PAPER: " By the paper's rules.",
    results.UNSEEN: " Influencers without a training collaboration only.",
}
MISSING = "-"
LEAST_P = 0.001


class Cell(NamedTuple):
    """An entry of a table, still without escapes: the best of its column; differing from one."""

    text: str
    bold: bool = False
    dagger: bool = False


class Table(NamedTuple):
    """A table: the name of its files, its caption, a frame of cells, and lines under it."""

    name: str
    caption: str
    cells: pd.DataFrame
    notes: Sequence[str] = ()


class Markup(NamedTuple):
    """How a language writes a table; `columns` are the sign of the first and of each other."""

    signs: dict[int, str]
    bold: str
    dagger: str
    columns: tuple[str, str]
    row: tuple[str, str, str]
    notes: tuple[str, str]
    page: Template


_ONE_LINE = dict.fromkeys((*range(32), 127), " ")
# By the suffix of its files. LaTeX needs no package.
MARKUPS = {
    "md": Markup(
        signs=_ONE_LINE | {ord(sign): f"\\{sign}" for sign in r"\`*_[]<>|#~"},
        bold="**{}**",
        dagger="†",
        columns=("| --- |", " ---: |"),
        row=("| ", " | ", " |"),
        notes=("\n- ", "\n- "),
        page=Template("$caption\n\n$head\n$columns\n$body\n$notes"),
    ),
    "tex": Markup(
        signs=_ONE_LINE
        | {ord(sign): f"\\{sign}" for sign in "&%$#_{}"}
        # behind the end of a row a bracket would hold a length
        | {ord("\\"): r"\textbackslash{}", ord("["): "{[}", ord("†"): r"$^\dagger$"}
        | {ord("~"): r"\textasciitilde{}", ord("^"): r"\textasciicircum{}"}
        | {ord("<"): r"\textless{}", ord(">"): r"\textgreater{}"},
        bold=r"\textbf{{{}}}",
        dagger=r"$^\dagger$",
        columns=("l", "r"),
        row=("", " & ", r" \\"),
        notes=(r"\par\footnotesize\raggedright ", r" \\ "),
        page=Template(
            "\\begin{table}\n\\centering\n\\caption{$caption}\n\\label{tab:$label}\n"
            "\\begin{tabular}{$columns}\n\\hline\n$head\n\\hline\n$body\n\\hline\n"
            "\\end{tabular}\n$notes\\end{table}\n"
        ),
    ),
}


def drawn(table: Table, markup: Markup) -> str:
    """A table in a markup language: caption, rows, notes."""

    def text(cell: Cell) -> str:
        plain = cell.text.translate(markup.signs)
        return (markup.bold.format(plain) if cell.bold else plain) + markup.dagger * cell.dagger

    first, between, last = markup.row
    rows = [[Cell(str(name)) for name in table.cells], *table.cells.to_numpy().tolist()]
    lines = [first + between.join(map(text, row)) + last for row in rows]
    notes = markup.notes[1].join(note.translate(markup.signs) for note in table.notes)
    return markup.page.substitute(
        caption=table.caption.translate(markup.signs),
        label=re.sub("[^a-z0-9]+", "-", table.name.lower()),
        columns=markup.columns[0] + markup.columns[1] * (len(rows[0]) - 1),
        head=lines[0],
        body="\n".join(lines[1:]),
        notes=f"{markup.notes[0]}{notes}\n" if notes else "",
    )


def number(value: float, decimals: int = 3) -> str:
    """A figure as the paper's tables print it: .238; a dash where there is none."""
    if value != value:
        return MISSING
    text = f"{value:.{decimals}f}"
    # no minus before what is rounded to zero
    text = text.removeprefix("-") if float(text) == 0 else text
    return re.sub(r"^(-?)0\.", r"\1.", text)


def write_tables(result: BenchmarkResult) -> None:
    """Write every table as Markdown and as LaTeX into the benchmark's folder."""
    for table in all_tables(result):
        for suffix, markup in MARKUPS.items():
            path = result.folder / FOLDER / f"{table.name}.{suffix}"
            write_text(path, drawn(table, markup))


def all_tables(result: BenchmarkResult) -> Iterator[Table]:
    """For each protocol: models, differences, ablations and categories, by each set of rules.

    All of them are of the test part. There is no table where no model has a figure.
    """
    for protocol in result.plan.protocols:
        yield from _Sheet(result, protocol).tables()


class _Sheet:
    """The tables of one protocol."""

    def __init__(self, result: BenchmarkResult, protocol: str):
        self.result, self.plan, self.protocol = result, result.plan, protocol
        rows = tested_rows(result.results, protocol)
        self.known = {(row["label"], row["metric"]): row for row in rows.to_dict("records")}
        self.metrics = set(rows["metric"])
        self.runs = result.runs[result.runs["protocol"] == protocol]

    def tables(self) -> Iterator[Table]:
        (models, main), *ablated = self.plan.families
        yield from self.figures("models", "Model", models, main)
        yield from self.table(
            "differences",
            f"{self.setting()} Each model less {main}, with the 95 % interval. {_daggers(main)}",
            self.rows("Model", [one for one in models if one.label != main], TESTED, _difference),
            models,
        )
        for (full, *rows), against in ablated:
            yield from self.figures("ablations", "Perspectives", [*rows, full], against)
        brands = tested_rows(self.result.per_brand, self.protocol)
        table = category_table(brands[brands["label"] == main], n_folds=self.plan.folds)
        for rules, words in RULES.items():
            names = [name for name in _named(rules) if name in table]
            yield from self.table(
                f"categories.{rules}",
                f"{main} by the brand's category. {self.setting()}{words} Differences between "
                f"categories are not tested.",
                [
                    {"Category": Cell(str(category)), "Brands": Cell(f"{row['n_brands']:.0f}")}
                    | {_title(name): Cell(_text(row[name], name)) for name in names}
                    for category, row in table.iterrows()
                    if names
                ],
                [one for one in models if one.label == main],
            )

    def figures(
        self, kind: str, head: str, entries: Sequence[ModelEntry], against: str
    ) -> Iterator[Table]:
        """Means of every metric, one row a model; a table each set of rules."""
        for rules, words in RULES.items():
            metrics = [name for name in _named(rules) if name in self.metrics]
            yield from self.table(
                f"{kind}.{rules}",
                f"{self.setting()}{words} {_daggers(against)} Bold: best of its column and "
                f"significantly better than the second, by the same test, corrected over the best "
                f"model's comparisons. Medians and pooled shares are not tested.",
                self.rows(head, entries, metrics, _figure) if metrics else [],
                entries,
            )

    def table(
        self, kind: str, caption: str, rows: list[dict[str, Cell]], entries: Sequence[ModelEntry]
    ) -> Iterator[Table]:
        if rows:
            name = f"{self.protocol}.{kind}".rstrip("_.")
            yield Table(name, caption, pd.DataFrame(rows), self.notes(entries))

    def rows(
        self,
        head: str,
        entries: Sequence[ModelEntry],
        metrics: Sequence[str],
        cell: Callable[[dict[Any, Any], str], Cell],
    ) -> list[dict[str, Cell]]:
        """A row an entry, a column a metric."""
        rows = []
        for entry in self.shown(entries):
            row = {head: Cell(" + ".join(entry.perspectives or [entry.label]))}
            for name in metrics:
                found = self.known.get((entry.label, name))
                made = cell(found, name) if found else Cell(MISSING)
                # a full model's marks belong to the table of models
                marked = head == "Model" or entry.perspectives is not None
                row[_title(name)] = made if marked else Cell(made.text)
            rows.append(row)
        return rows

    def shown(self, entries: Sequence[ModelEntry]) -> list[ModelEntry]:
        return [entry for entry in entries if self.protocol in entry.protocols]

    def setting(self) -> str:
        """Data, protocol, pool, brands and seeds in a sentence."""
        plan = self.plan
        data = results.data_title(plan.dataset, synthetic=self.result.synthetic)
        tests = [one[schema.TEST] for one in self.runs["record"] if schema.TEST in one]
        if not tests:
            return f"{data}, protocol {self.protocol}: no run has finished."
        pool, brands = (_range([t[name] for t in tests]) for name in ("n_candidates", "n_brands"))
        where = "test part: "
        if plan.folds:
            where = f"cross-validation by brand, {plan.folds} folds: in each fold "
        return (
            f"{data}, protocol {self.protocol}, {where}{brands} brands rank {pool} candidates "
            f"each; {'seed' if len(plan.seeds) == 1 else 'mean over the seeds'} "
            f"{', '.join(map(str, plan.seeds))}."
        )

    def notes(self, entries: Sequence[ModelEntry]) -> list[str]:
        """What a reader of a table of these entries has to know."""
        shown = self.shown(entries)
        notes = []
        for entry in shown:
            own = self.runs[self.runs["label"] == entry.label]
            missing = own[own["status"] != FINISHED]
            if len(missing):
                words = {f"{one.status}: {one.reason}".rstrip(": ") for one in missing.itertuples()}
                n = f"{len(missing)} of {len(own)}"
                notes += [f"{entry.label}: {n} runs without figures ({'; '.join(sorted(words))})."]
            notes += [note for one in own["record"] for note in one.get("notes", ())]
        if leaking := [entry.label for entry in shown if entry.leaks]:
            notes.append(f"Never the best of a column, since it leaks: {', '.join(leaking)}.")
        once = [entry.label for entry in shown if entry.deterministic]
        if once and len(self.plan.seeds) > 1:
            notes.append(f"No seed plays a part in {', '.join(once)}: one run each.")
        return list(dict.fromkeys([*notes, *self.result.remarks]))


def tested_rows(frame: pd.DataFrame, protocol: str) -> pd.DataFrame:
    """Rows of results.csv or per_brand.csv that are of a protocol's test part."""
    return frame[(frame["protocol"] == protocol) & (frame["part"] == schema.TEST)]


def _named(rules: str) -> list[str]:
    return [rules + (name.lower() if rules == results.PAPER else name) for name in METRICS]


def _title(metric: str) -> str:
    return results.metric_title(metric).removeprefix(results.rule_prefix(metric))


def _text(value: float, metric: str) -> str:
    return number(value, 1 if _title(metric) == results.RANK_TITLE else 3)


def _figure(row: dict[Any, Any], metric: str) -> Cell:
    return Cell(_text(row["mean"], metric), bool(row["leads"]), bool(row["significant"]))


def _difference(row: dict[Any, Any], _metric: str) -> Cell:
    ends = ("difference", "difference_low", "difference_high")
    value, low, high = (number(row[name]) for name in ends)
    if value == MISSING:
        return Cell(MISSING)
    return Cell(f"{value} ({low} to {high})", dagger=bool(row["significant"]))


def _daggers(against: str) -> str:
    return (
        f"†: differs from {against} (p at most {number(LEVEL, 2)} after Holm's correction "
        f"over the models; paired over brands, with seeds as a second source of variance)."
    )


def _range(values: Sequence[int]) -> str:
    return " to ".join(map(str, dict.fromkeys((min(values), max(values)))))


def result_text(result: BenchmarkResult) -> str:
    """Title, a table a protocol, failures, and where the files are."""
    plan, runs = result.plan, result.runs
    data = results.data_title(plan.dataset, synthetic=result.synthetic)
    ended = runs["status"] == FINISHED
    (_, main), *ablated = plan.families
    against = main + "".join(
        f", of ablations against {full}" for _, full in ablated if full != main
    )
    folds = f", {plan.folds} folds" if plan.folds else ""
    lines = [f"{plan.name} on {data}: {int(ended.sum())} of {len(runs)} runs finished"]
    for protocol in plan.protocols:
        rows = tested_rows(result.results, protocol)
        if len(rows):
            lines += ["", f"protocol {protocol}, test part{folds}; p: MAP against {against}"]
            lines.append(results.format_table(_summary(rows), decimals=4))
    lines.append("")
    for run in runs[~ended].itertuples():
        lines.append(f"{run.status}: {run.folder}: {run.reason}".rstrip(": "))
    lines.append(f"Files: {result.folder} (report.html, results.csv, {FOLDER}/)")
    return "\n".join(lines)


def _summary(rows: pd.DataFrame) -> pd.DataFrame:
    """Means of a protocol, one row a model, with the interval and the p of MAP."""
    means = rows.pivot_table(index="label", columns="metric", values="mean", sort=False)
    maps = rows[rows["metric"] == "MAP"].set_index("label").reindex(means.index)
    shown = {name: results.metric_title(name) for name in METRICS if name in means}
    table = means[[*shown]].rename(columns=shown).rename_axis("")
    table["MAP, 95 %"] = [
        None if low != low else f"{low:.3f} to {high:.3f}"
        for low, high in zip(maps["low"], maps["high"], strict=True)
    ]
    table["p (Holm)"] = [
        None if p != p else f"{p:.3f}" if p >= LEAST_P else f"< {LEAST_P}" for p in maps["p_holm"]
    ]
    return table.reset_index()
