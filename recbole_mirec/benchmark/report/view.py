"""One protocol's results, looked up by model and metric."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd

from dataset_convert import schema
from recbole_mirec.benchmark.report.contents import FINISHED, Contents
from recbole_mirec.results import PAPER, UNSEEN, smaller_is_better

STANDARD = ("AUC", "cAUC", "Recall@10", "Recall@50", "MRR", "MAP", "MedR")
HEADLINE = "MAP"


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


@dataclass(frozen=True)
class Figure:
    """A row of results.csv: a model's mean, and its difference from the main model's.

    Attributes:
        mean, low, high: with the ends of the 95 % interval; NaN where there is none.
        against: label of the model that it is compared with; "" where it is that model.
        difference, difference_low, difference_high: this model's mean less that of `against`.
        p: after Holm's correction; NaN where nothing was tested.
        significant: whether the difference is, after the correction; never where a model that
            depends on a seed has one run.
        leads: whether it is the best of its table, and significantly better than the second.
        n_brands, n_runs: what the mean is over.
    """

    mean: float
    low: float
    high: float
    against: str
    difference: float
    difference_low: float
    difference_high: float
    p: float
    significant: bool
    leads: bool
    n_brands: int
    n_runs: int


@dataclass(frozen=True, eq=False)
class View:
    """What the sections of one protocol share.

    Attributes:
        contents: of the benchmark's folder.
        about: what the files do not say.
        protocol: the one that is looked at.
    """

    contents: Contents
    about: About
    protocol: str

    @cached_property
    def runs(self) -> pd.DataFrame:
        """The protocol's runs."""
        table = self.contents.runs
        return table[table["protocol"] == self.protocol]

    @cached_property
    def labels(self) -> list[str]:
        """Models of the protocol, ablations aside, in the order of the runs."""
        return [name for name in self._all_labels if name not in self.about.ablations]

    @cached_property
    def ablations(self) -> list[str]:
        """Ablations of the protocol."""
        return [name for name in self._all_labels if name in self.about.ablations]

    @property
    def main(self) -> str:
        """Label of the main model."""
        return self.about.main

    @property
    def _all_labels(self) -> list[str]:
        return list(dict.fromkeys(self.runs["label"]))

    @cached_property
    def _figures(self) -> dict[tuple[str, str], Figure]:
        table = self.contents.results
        chosen = table[(table["protocol"] == self.protocol) & (table["part"] == schema.TEST)]
        records: list[dict[Any, Any]] = chosen.to_dict(orient="records")
        return {(row["label"], row["metric"]): _figure(row) for row in records}

    @cached_property
    def metrics(self) -> set[str]:
        """Names of the metrics that have a value."""
        return {name for (_, name), found in self._figures.items() if math.isfinite(found.mean)}

    def figure(self, label: str, metric: str) -> Figure | None:
        """A model's figure on the test part; None where it has none."""
        found = self._figures.get((label, metric))
        return found if found is not None and math.isfinite(found.mean) else None

    def columns(self, prefix: str = "") -> list[str]:
        """Metrics of a group that stand in tables: standard, `paper_` or `unseen_`."""
        spelt = {name: name.lower() if prefix == PAPER else name for name in STANDARD}
        return [f"{prefix}{name}" for name in spelt.values() if f"{prefix}{name}" in self.metrics]

    def ranked(self, labels: Sequence[str], metric: str) -> list[tuple[str, Figure]]:
        """Models that have a value, the best first."""
        found = [(label, self.figure(label, metric)) for label in labels]
        known = [(label, figure) for label, figure in found if figure is not None]
        sign = 1 if smaller_is_better(metric) else -1
        return sorted(known, key=lambda pair: sign * pair[1].mean)

    def of_model(self, model: str) -> str | None:
        """The first label that runs a model with a figure of its own; None where none does."""
        names = self.runs.loc[self.runs["model"] == model, "label"]
        return next((str(name) for name in names if self.figure(str(name), HEADLINE)), None)

    def fate(self, label: str) -> str:
        """Why a model has no results: the status of its first run; "" where it has."""
        statuses = self.runs.loc[self.runs["label"] == label, "status"].tolist()
        return "" if FINISHED in statuses else str(statuses[0])

    def test_sizes(self) -> tuple[list[int], list[int]]:
        """Numbers of brands and of candidates of the test part, a pair a fold, ascending."""
        parts = [
            record[schema.TEST]
            for record in self.runs["record"]
            if record is not None and schema.TEST in record
        ]
        return (
            sorted({int(part["n_brands"]) for part in parts}),
            sorted({int(part["n_candidates"]) for part in parts}),
        )

    def n_folds(self) -> int:
        """Folds of the cross-validation; 0 where there is none."""
        n_folds = int(self.runs["fold"].nunique())
        return n_folds if n_folds > 1 else 0

    @property
    def has_unseen(self) -> bool:
        """Whether results on unseen influencers alone are there."""
        return any(name.startswith(UNSEEN) for name in self.metrics)


def _figure(row: dict[Any, Any]) -> Figure:
    names = ("mean", "low", "high", "difference", "difference_low", "difference_high")
    return Figure(
        **{name: float(row[name]) for name in names},
        p=float(row["p_holm"]),
        against=str(row["against"]),
        significant=str(row["significant"]) == "True",
        leads=str(row["leads"]) == "True",
        n_brands=int(row["n_brands"]),
        n_runs=int(row["n_runs"]),
    )
