"""A benchmark's tables, in the form of the paper's Tables III, IV and V, and its summary as text.

S. Wang et al., "Micro-Influencer Recommendation by Multi-Perspective Account Representation
Learning", IEEE Transactions on Multimedia 25 (2023).
"""

import math
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import pandas as pd

from dataset_convert import schema
from recbole_mirec import results
from recbole_mirec.benchmark.plan import ModelEntry
from recbole_mirec.benchmark.summary import BenchmarkResult, category_table
from recbole_mirec.evaluation.statistics import LEVEL
from recbole_mirec.runs import write_text
from recbole_mirec.sweep import FINISHED
from recbole_mirec.templates import MISSING

FOLDER = "tables"
METRICS = ("MAP", "AUC", "cAUC", "Recall@10", "Recall@50", "MRR", "MedR")
TESTED = ("MAP", "AUC", "Recall@10", "Recall@50", "MRR")
# How a caption begins, by the prefix of the metrics.
RULES = {
    "": "",
    results.PAPER: "By the paper's rules: compare published tables with these only. ",
    results.UNSEEN: "Influencers without a training collaboration only, as collaborators and as "
    "candidates; this pool is smaller, so compare within a column only. ",
}


class Cell(NamedTuple):
    """An entry of a table, still without escapes: the best of its column; differing from one."""

    text: str
    bold: bool = False
    dagger: bool = False


class Table(NamedTuple):
    """A table: name of its files, title, caption, a frame of cells, and lines under it."""

    name: str
    title: str
    caption: str
    cells: pd.DataFrame
    notes: Sequence[str] = ()


# Signs in LaTeX, without a package; behind the end of a row a bracket would hold a length.
_LATEX = {ord(sign): f"\\{sign}" for sign in "&%$#_{}"} | {
    ord("\\"): r"\textbackslash{}",
    ord("["): "{[}",
    ord("†"): r"$^\dagger$",
    ord(MISSING): "--",
    ord("\N{MINUS SIGN}"): "$-$",
    ord("~"): r"\textasciitilde{}",
    ord("^"): r"\textasciicircum{}",
    ord("<"): r"\textless{}",
    ord(">"): r"\textgreater{}",
}
_CONTROLS = re.compile(r"[\x00-\x1f\x7f]")


def markdown_text(text: str) -> str:
    """A text in one line of Markdown."""
    return re.sub(r"([\\`*_\[\]<>|#~])", r"\\\1", _CONTROLS.sub(" ", text))


def latex_text(text: str) -> str:
    """A text in one line of LaTeX."""
    return _CONTROLS.sub(" ", text).translate(_LATEX)


def markdown(table: Table) -> str:
    """A table in Markdown: caption, rows, notes."""
    head, *rows = _drawn(table, markdown_text, "**{}**")
    line = ["---", *["---:"] * len(table.cells.columns)]
    lines = [f"| {' | '.join(row)} |" for row in (head, line, *rows)]
    notes = [f"- {markdown_text(note)}" for note in table.notes]
    return "\n".join([markdown_text(table.caption), "", *lines, "", *notes]) + "\n"


def latex(table: Table) -> str:
    """A table in LaTeX: caption, rows, notes."""
    head, *rows = (" & ".join(row) + r" \\" for row in _drawn(table, latex_text, r"\textbf{{{}}}"))
    label = re.sub("[^a-z0-9]+", "-", table.name.lower())
    notes = r" \\ ".join(map(latex_text, table.notes))
    lines = [
        *(r"\begin{table}", r"\centering", rf"\caption{{{latex_text(table.caption)}}}"),
        rf"\label{{tab:{label}}}",
        rf"\begin{{tabular}}{{l{'r' * len(table.cells.columns)}}}",
        *(r"\hline", head, r"\hline", *rows, r"\hline", r"\end{tabular}"),
        *([rf"\par\footnotesize\raggedright {notes}"] if notes else []),
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def _drawn(table: Table, escape: Callable[[str], str], bold: str) -> Iterator[list[str]]:
    """The head and the rows of a table in a markup language."""
    yield [escape(str(name)) for name in (table.cells.index.name, *table.cells)]
    for name, *cells in table.cells.itertuples(name=None):
        texts = [
            (bold if cell.bold else "{}").format(escape(cell.text)) + escape("†") * cell.dagger
            for cell in cells
        ]
        yield [escape(name), *texts]


def title_of(metric: str) -> str:
    """A metric's name as it heads a column, without the group that it belongs to."""
    return results.metric_title(metric).removeprefix(results.rule_prefix(metric))


def metric_text(value: float, metric: str = "MAP") -> str:
    """A value of a metric: three places and no zero before the point; ranks with one place."""
    if not math.isfinite(value):
        return MISSING
    if title_of(metric) == results.RANK_TITLE:
        return f"{value:,.1f}"
    text = f"{value:.3f}"
    return text[1:] if text.startswith("0") else text


def signed_text(value: float) -> str:
    """A difference with its sign, a true minus."""
    sign = "\N{MINUS SIGN}" if round(value, 3) < 0 else "+"
    return sign * math.isfinite(value) + metric_text(abs(value))


def p_text(value: float) -> str:
    """A p-value: three places, never 0."""
    return "< .001" if value < 0.001 else metric_text(value)


def span(numbers: Iterable[int]) -> str:
    """The least and the greatest of some numbers, or the only one; 0 of none."""
    ends = sorted(set(numbers)) or [0]
    return " to ".join(f"{end:,}" for end in dict.fromkeys((ends[0], ends[-1])))


def write_tables(result: BenchmarkResult) -> None:
    """Write every table as Markdown and as LaTeX into the benchmark's folder."""
    data = results.data_title(result.plan.dataset, synthetic=result.synthetic)
    for protocol in result.plan.protocols:
        sheet = Sheet(result, protocol)
        for table in sheet.tables():
            whole = table._replace(caption=f"{data}, {sheet.setting} {table.caption}")
            for suffix, draw in {"md": markdown, "tex": latex}.items():
                write_text(result.folder / FOLDER / f"{table.name}.{suffix}", draw(whole))


class Sheet:
    """What was found under one protocol on the test part.

    Attributes:
        runs, per_brand, results: rows of the result's frames.
        figures: (label, metric) -> row of the results; ends of intervals within the metric's range.
    """

    def __init__(self, result: BenchmarkResult, protocol: str):
        self.result, self.plan, self.protocol = result, result.plan, protocol
        self.runs = result.runs[result.runs["protocol"] == protocol]
        self.per_brand, self.results = (
            frame[(frame["protocol"] == protocol) & (frame["part"] == schema.TEST)]
            for frame in (result.per_brand, result.results)
        )
        known = self.results.dropna(subset="mean").copy()
        is_rank = known["metric"].map(title_of) == results.RANK_TITLE
        for end in ("low", "high"):
            known[end] = known[end].clip(is_rank * 1.0, is_rank.map({True: math.inf, False: 1.0}))
        self.figures: dict[tuple[str, str], Any] = {
            (str(row.label), str(row.metric)): row for row in known.itertuples()
        }

    @property
    def setting(self) -> str:
        """Protocol, brands, pool and seeds in a sentence."""
        plan = self.plan
        tests = [one[schema.TEST] for one in self.runs["record"] if schema.TEST in one]
        if not tests:
            return f"protocol {self.protocol}: no run has finished."
        brands, pool = (span(one[name] for one in tests) for name in ("n_brands", "n_candidates"))
        where = "test part: "
        if plan.folds:
            where = f"cross-validation by brand, {plan.folds} folds: in each fold "
        return (
            f"protocol {self.protocol}, {where}{brands} brands rank {pool} candidates each; "
            f"{'seed' if len(plan.seeds) == 1 else 'mean over the seeds'} "
            f"{', '.join(map(str, plan.seeds))}."
        )

    def metrics(self, rules: str = "") -> list[str]:
        """The metrics of a set of rules that some model has."""
        known = {metric for _, metric in self.figures}
        return [name for name in _named(rules) if name in known]

    def categories(self, label: str) -> pd.DataFrame:
        """See `category_table`."""
        rows = self.per_brand[self.per_brand["label"] == label]
        return category_table(rows, n_folds=self.plan.folds)

    def tables(self) -> Iterator[Table]:
        """Models, differences, ablations and categories, by each set of rules.

        There is no table where no model has a figure.
        """
        (models, main), *ablated = self.plan.families
        yield from self._figures("models", "Model", models, main)
        others = [one for one in models if one.label != main]
        caption = f"Each model less {main}, with the 95 % interval. {_daggers(main)}"
        rows = self._rows("Model", others, TESTED, _difference)
        yield from self._table("differences", "", caption, rows, models)
        for (full, *rest), against in ablated:
            yield from self._figures("ablations", "Perspectives", [*rest, full], against)
        table = self.categories(main)
        for rules in RULES:
            names = [name for name in _named(rules) if name in table]
            caption = (
                f"{main} by the brand's category. Differences between categories are not tested."
            )
            rows = [
                {"Category": str(category), "Brands": Cell(f"{row['n_brands']:.0f}")}
                | {title_of(name): Cell(metric_text(row[name], name)) for name in names}
                for category, row in table.iterrows()
                if names
            ]
            own = [one for one in models if one.label == main]
            yield from self._table("categories", rules, caption, rows, own)

    def _figures(
        self, kind: str, head: str, entries: Sequence[ModelEntry], against: str
    ) -> Iterator[Table]:
        """Means of every metric, one row a model; a table each set of rules."""
        for rules in RULES:
            metrics = self.metrics(rules)
            caption = (
                f"{_daggers(against)} Bold: best of its column and significantly better than the "
                f"second, by the same test, corrected over the best model's comparisons. Medians "
                f"and pooled shares are not tested."
            )
            rows = self._rows(head, entries, metrics, _figure) if metrics else []
            yield from self._table(kind, rules, caption, rows, entries)

    def _table(
        self,
        kind: str,
        rules: str,
        caption: str,
        rows: list[dict[str, Any]],
        entries: Sequence[ModelEntry],
    ) -> Iterator[Table]:
        """A table of a kind by a set of rules, unless it has no row; the first column is text."""
        if rows:
            name = f"{self.protocol}.{kind}.{rules}".rstrip("_.")
            title = f"{kind}, {results.GROUPS[rules].strip()}".strip(" ,").capitalize()
            cells = pd.DataFrame(rows).set_index(next(iter(rows[0])))
            yield Table(name, title, f"{RULES[rules]}{caption}", cells, self._notes(entries))

    def _rows(
        self,
        head: str,
        entries: Sequence[ModelEntry],
        metrics: Sequence[str],
        cell: Callable[[Any], Cell],
    ) -> list[dict[str, Any]]:
        """A row an entry, a column a metric."""
        rows = []
        for entry in self.shown(entries):
            row: dict[str, Any] = {head: " + ".join(entry.perspectives or [entry.label])}
            for name in metrics:
                found = self.figures.get((entry.label, name))
                made = cell(found) if found else Cell(MISSING)
                # a full model's marks belong to the table of models
                marked = head == "Model" or entry.perspectives is not None
                row[title_of(name)] = made if marked else Cell(made.text)
            rows.append(row)
        return rows

    def shown(self, entries: Sequence[ModelEntry]) -> list[ModelEntry]:
        """Those that are run under this protocol."""
        return [entry for entry in entries if self.protocol in entry.protocols]

    def _notes(self, entries: Sequence[ModelEntry]) -> list[str]:
        """What a reader of a table of these entries has to know."""
        shown = self.shown(entries)
        notes, said = list[str](), dict[str, list[str]]()
        for entry in shown:
            own = self.runs[self.runs["label"] == entry.label]
            missing = own[own["status"] != FINISHED]
            if len(missing):
                words = {f"{one.status}: {one.reason}".rstrip(": ") for one in missing.itertuples()}
                n = f"{len(missing)} of {len(own)}"
                notes += [f"{entry.label}: {n} runs without figures ({'; '.join(sorted(words))})."]
            for text in {note: None for one in own["record"] for note in one.get("notes", ())}:
                said.setdefault(text, []).append(entry.label)
        for text, labels in said.items():
            names = ", ".join(labels)
            notes.append(text if text.startswith(names) else f"{names}: {text}")
        if leaking := [entry.label for entry in shown if entry.leaks]:
            notes.append(f"Never the best of a column, since it leaks: {', '.join(leaking)}.")
        once = [entry.label for entry in shown if entry.deterministic]
        if once and len(self.plan.seeds) > 1:
            notes.append(f"No seed plays a part in {', '.join(once)}: one run each.")
        return [*notes, *self.result.remarks]


def _named(rules: str) -> list[str]:
    return [rules + (name.lower() if rules == results.PAPER else name) for name in METRICS]


def _figure(row: Any) -> Cell:
    return Cell(metric_text(row.mean, row.metric), bool(row.leads), bool(row.significant))


def _difference(row: Any) -> Cell:
    if not math.isfinite(row.difference):
        return Cell(MISSING)
    ends = (row.difference, row.difference_low, row.difference_high)
    value, low, high = map(signed_text, ends)
    tested = f", p {p_text(row.p_holm)}" if math.isfinite(row.p_holm) else ""
    return Cell(f"{value} ({low} to {high}){tested}", dagger=bool(row.significant))


def _daggers(against: str) -> str:
    return (
        f"†: differs from {against} at the {LEVEL:.0%} level, after Holm's correction over the "
        f"models, by a paired test over brands that counts brands and seeds as two sources of "
        f"variance."
    )


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
        rows = Sheet(result, protocol).results
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
    ends = [maps[end].map(metric_text) for end in ("low", "high")]
    table["MAP, 95 %"] = (ends[0] + " to " + ends[1]).where(maps["low"].notna())
    table["p (Holm)"] = maps["p_holm"].map(p_text).where(maps["p_holm"].notna())
    return table.reset_index()
