"""`report.html`: a benchmark on one page that needs neither a network nor scripts."""

from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from dataset_convert.common.files import read_csv
from recbole_mirec import plots
from recbole_mirec.benchmark.summary import BenchmarkResult
from recbole_mirec.benchmark.tables import Sheet, metric_text, p_text, signed_text, title_of
from recbole_mirec.results import smaller_is_better
from recbole_mirec.runs import write_text
from recbole_mirec.sweep import FINISHED
from recbole_mirec.templates import by_reason, render

REPORT_FILE: Final = "report.html"
_N_CUTS = 90
# Models whose values are lines beside the others.
_LINES = {"Random": "chance", "Cosine": "untrained"}


def write_page(
    result: BenchmarkResult, command: str, portrait: Mapping[str, Any] | None = None
) -> Path:
    """Write the page of a benchmark, whole or not at all; the same for the same results.

    Args:
        result: one of its runs has finished; its folder holds the runs' folders.
        command: that made it.
        portrait: of the accounts, as `portrait` draws it; None: no run could be opened.

    Returns:
        Path of the page.

    Raises:
        OSError: a file cannot be read or written.
    """
    runs = result.runs
    finished = runs[runs["status"] == FINISHED]
    page = render(
        "benchmark.html.j2",
        *(title_of, metric_text, signed_text, p_text),
        result=result,
        plan=result.plan,
        command=command,
        views=[View(result, protocol) for protocol in runs["protocol"].unique()],
        finished=finished,
        record=finished["record"].iloc[0],
        portrait=portrait,
        failures=_failures(runs[runs["status"] != FINISHED]),
        plots=plots,
    )
    write_text(result.folder / REPORT_FILE, page)
    return result.folder / REPORT_FILE


class View(Sheet):
    """What the page shows of a protocol: its tables, and what is drawn."""

    @cached_property
    def labels(self) -> list[str]:
        """Models, ablations aside."""
        return [entry.label for entry in self.shown(self.plan.families[0][0])]

    @cached_property
    def leaking(self) -> list[str]:
        """Models that read what is to be predicted: they win nothing."""
        return [entry.label for entry in self.plan.families[0][0] if entry.leaks]

    def ranked(self, labels: Iterable[str], metric: str = "MAP") -> list[Any]:
        """Figures of the models that have a value, the best first."""
        known = [self.figures[one, metric] for one in labels if (one, metric) in self.figures]
        sign = 1 if smaller_is_better(metric) else -1
        return sorted(known, key=lambda figure: sign * figure.mean)

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
        """The models' `categories`, by model and category."""
        return pd.concat({label: self.categories(label) for label in self.labels})

    def heat(self, metric: str) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Models by category, and how good each value is from 0 to 100, within the table."""
        values = self.by_category[metric].unstack(sort=False)
        parts = (values - values.min(axis=None)) / (np.nanmax(values) - np.nanmin(values) or 1.0)
        parts = 1 - parts if smaller_is_better(metric) else parts
        texts = values.map(lambda value: metric_text(value, metric))
        return texts.rename_axis(index=title_of(metric)), 100 * parts.fillna(0.0)

    @cached_property
    def ranks(self) -> pd.DataFrame:
        """Rows of the models' ranks.test.csv, with `label`."""
        found = [pd.DataFrame()]
        for run in self.runs[self.runs["label"].isin(self.labels)].itertuples():
            path = self.result.folder / str(run.folder) / "ranks.test.csv"
            found += [read_csv(path).assign(label=str(run.label))] if path.is_file() else []
        return pd.concat(found)

    def rank_curves(self) -> tuple[Any, Any, dict[str, tuple[str, Any]]]:
        """Cuts k, what chance finds there, and model -> its colour and what it finds."""
        sizes = self.ranks["n_candidates"].to_numpy(dtype=np.float64)
        cuts: plots.Array = np.unique(np.round(np.geomspace(1, sizes.max(), _N_CUTS)))
        chance: plots.Array = np.minimum(cuts[:, None] / sizes, 1.0).mean(axis=1)
        shares = {}
        for place, (label, some) in enumerate(self.ranks.groupby("label", sort=False)["rank"]):
            # The last colour looks like the main model's.
            colour = f"c{place % (plots.N_COLOURS - 1)}"
            colour = "orange" if label == self.plan.main else colour
            found = np.searchsorted(np.sort(some.to_numpy()), cuts, side="right") / len(some)
            shares[str(label)] = colour, found
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


def _failures(runs: pd.DataFrame) -> pd.DataFrame:
    places = zip(runs["protocol"], runs["seed"], runs["fold"], strict=True)
    names = [f"{name}, seed {seed}" + f", fold {n}" * bool(n) for name, seed, n in places]
    return by_reason(runs.assign(runs=names), ["label", "status", "reason"], "runs")
