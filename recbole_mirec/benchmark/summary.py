"""What the runs of a benchmark found: frames, means with intervals, differences that are tested."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from packaging.version import Version

from dataset_convert import schema
from dataset_convert.common.files import read_csv
from recbole_mirec.benchmark.plan import BenchmarkPlan, ModelEntry, PlannedRun
from recbole_mirec.evaluation.metrics import Measure, measures_of
from recbole_mirec.evaluation.statistics import (
    LEVEL,
    Comparison,
    Estimate,
    bootstrap_interval,
    compare,
    holm,
)
from recbole_mirec.results import per_category
from recbole_mirec.runs import read_run
from recbole_mirec.sweep import FINISHED, End, read_end

NOT_RUN = "not run"
PARTS = (schema.VALID, schema.TEST)
RUN_COLUMNS = (
    *("label", "model", "protocol", "seed", "fold", "status", "reason"),
    *("best_epoch", "n_epochs", "seconds", "folder"),
)
# What tells the rows of per_brand.csv apart; all other columns are metrics.
KEY_COLUMNS = (
    *("label", "protocol", "seed", "fold", "part"),
    *(schema.BRAND_ID, schema.BRAND_CATEGORY),
)
RESULT_COLUMNS = (
    *("label", "protocol", "part", "metric", "mean", "low", "high", "n_brands", "n_runs"),
    *("against", "difference", "difference_low", "difference_high", "p", "p_holm"),
    *("p_permutation", "p_wilcoxon", "effect_size", "superiority", "significant", "leads"),
)
N_DRAWS, N_FLIPS = 1999, 1999
# pandas reads numbers to the last digit by itself since 3.1, and deprecates being told to.
_EXACT: dict[str, Any] = (
    {} if Version(pd.__version__) >= Version("3.1") else {"float_precision": "round_trip"}
)


@dataclass(frozen=True, eq=False)
class BenchmarkResult:
    """What a benchmark found, in which folder: `runs_frame`, `per_brand_frame`, `results_frame`.

    `synthetic` says whether the data are, `remarks` what a reader has to know of the tuning.
    """

    plan: BenchmarkPlan
    folder: Path
    runs: pd.DataFrame
    per_brand: pd.DataFrame
    results: pd.DataFrame
    synthetic: bool
    remarks: tuple[str, ...]


def runs_frame(runs: Sequence[PlannedRun], folder: Path) -> pd.DataFrame:
    """One row a run, in the order of the plan: `RUN_COLUMNS`, then `record`, its run.json.

    `fold` is 0 where there are no folds, `status` one of finished, diverged, failed and not run;
    `seconds` counts from when the run was last begun or gone on with.

    Raises:
        UsageError: a file cannot be read.
    """
    rows = []
    for run in runs:
        end = read_end(folder / run.folder) or End(NOT_RUN, 0.0)
        record = read_run(folder / run.folder).record if end.status == FINISHED else {}
        what = (run.entry.label, run.entry.model, run.protocol, run.seed, run.fold)
        epochs = (record.get("best_epoch", 0), record.get("n_epochs", 0))
        how = (end.status, end.reason, *epochs, end.seconds)
        rows.append((*what, *how, run.folder.as_posix(), record))
    return pd.DataFrame(rows, columns=(*RUN_COLUMNS, "record"))


def per_brand_frame(runs: pd.DataFrame, folder: Path) -> pd.DataFrame:
    """One row a finished run, part and brand: `KEY_COLUMNS`, then one column a metric.

    A cell is empty where a brand has no such value, or where brands have no categories.
    """
    frames = [pd.DataFrame(columns=[*KEY_COLUMNS])]
    for run in runs.to_dict("records"):
        for part in (part for part in PARTS if part in run["record"]):
            frame = read_csv(
                folder / run["folder"] / f"per_brand.{part}.csv",
                dtype={schema.BRAND_ID: str, schema.BRAND_CATEGORY: str},
                **_EXACT,
            )
            known = {name: run[name] for name in KEY_COLUMNS[:4]}
            frames.append(frame.assign(**known, part=part))
    joined = pd.concat(frames[1:] or frames, ignore_index=True)
    metrics = [name for name in joined if name not in KEY_COLUMNS]
    return joined.reindex(columns=[*KEY_COLUMNS, *metrics])


def whole_seeds(per_brand: pd.DataFrame, *, n_folds: int) -> pd.DataFrame:
    """Rows of a model, protocol and part, without the seeds of which a fold has not finished."""
    n_known = per_brand.groupby("seed")["fold"].transform("nunique")
    return per_brand[n_known == max(n_folds, 1)]


def layout_of(per_brand: pd.DataFrame, *, n_folds: int) -> pd.DataFrame:
    """Lay out the `whole_seeds`: a row a seed, a column a metric and brand.

    With folds, a seed's run is made of all its folds, each brand's value being of the fold that
    holds it.
    """
    metrics = [name for name in per_brand if name not in KEY_COLUMNS]
    rows = whole_seeds(per_brand, n_folds=n_folds)
    return rows.pivot(index="seed", columns=schema.BRAND_ID, values=metrics)


def category_table(per_brand: pd.DataFrame, *, n_folds: int) -> pd.DataFrame:
    """A model's metrics by category of the brand, and `n_brands`: means over its `whole_seeds`.

    Rows are those of a protocol and part; what has no category is left out.
    """
    rows = whole_seeds(per_brand, n_folds=n_folds).dropna(subset=schema.BRAND_CATEGORY)
    found = [pd.DataFrame({schema.BRAND_CATEGORY: [], "n_brands": []})] * rows.empty
    for _, some in rows.groupby("seed"):
        values = some.drop(columns=[*KEY_COLUMNS]).dropna(axis="columns", how="all")
        found.append(per_category(values, some[schema.BRAND_CATEGORY].tolist()))
    return pd.concat(found).groupby(schema.BRAND_CATEGORY).mean()


def results_frame(plan: BenchmarkPlan, per_brand: pd.DataFrame) -> pd.DataFrame:
    """Every model's figures, with the columns `RESULT_COLUMNS`, which docs/benchmark.md explains.

    In a cross-validation only the test part is summarised: its validation parts overlap.
    """
    rows: list[dict[str, Any]] = []
    measures = measures_of(name for name in map(str, per_brand) if name not in KEY_COLUMNS)
    for protocol in plan.protocols if measures else ():
        for part in (schema.TEST,) if plan.folds else PARTS:
            chosen = per_brand[(per_brand["protocol"] == protocol) & (per_brand["part"] == part)]
            for position, (entries, against) in enumerate(plan.families):
                layouts = {
                    entry: layout_of(chosen[chosen["label"] == entry.label], n_folds=plan.folds)
                    for entry in entries
                }
                for measure in measures:
                    place = {"protocol": protocol, "part": part, "metric": measure.name}
                    found = _Column(layouts, against, place, measure)
                    # the ablations' full model has its row among the models
                    rows += [row for row in found.rows() if not position or row["against"]]
    return pd.DataFrame(rows, columns=RESULT_COLUMNS)


class _Column:
    """A metric of models that are held against one of them, under a protocol and on a part."""

    def __init__(
        self,
        layouts: dict[ModelEntry, pd.DataFrame],
        against: str,
        place: dict[str, Any],
        measure: Measure,
    ):
        self.against, self.place, self.metric = against, place, measure.metric
        # each (run, brand), one run a seed; models of which at least two brands have values
        self.values = {
            entry: [layout[name].to_numpy(dtype=np.float64) for name in measure.columns]
            for entry, layout in layouts.items()
            if len(layout)
            and min(layout[name].notna().any().sum() for name in measure.columns) >= 2
        }

    def rows(self) -> list[dict[str, Any]]:
        """One row a model that has the metric."""
        rows = [self._row(entry) for entry in self.values]
        tested = [row for row in rows if "p" in row]
        adjusted = holm(np.array([row["p"] for row in tested], dtype=np.float64))
        for row, p in zip(tested, adjusted, strict=True):
            row["p_holm"] = p
            row["significant"] = bool(row["significant"] and p <= LEVEL)
        leader = self._leader({row["label"]: row["mean"] for row in rows})
        return [row | {"leads": row["label"] == leader} for row in rows]

    def _row(self, entry: ModelEntry) -> dict[str, Any]:
        found = self._bootstrapped(entry)
        row = {"label": entry.label, **self.place}
        row |= {"mean": found.value, "low": found.low, "high": found.high}
        row |= {"n_brands": found.n_brands, "n_runs": len(self.values[entry][0])}
        row |= {"against": self.against * (entry.label != self.against), "significant": False}
        other = next((one for one in self.values if one.label == row["against"]), None)
        return row if other is None else row | self._difference(entry, other)

    def _bootstrapped(self, entry: ModelEntry, against: Sequence[Any] = ()) -> Estimate:
        return bootstrap_interval(
            self.values[entry],
            self.metric.summary,
            against=against,
            generator=self._generator(entry),
            n_resamples=N_DRAWS,
        )

    def _difference(self, entry: ModelEntry, other: ModelEntry) -> dict[str, Any]:
        if not self.metric.is_mean:
            found = self._bootstrapped(entry, self.values[other])
            tests: dict[str, Any] = {}
        else:
            found = tested = self._compared(entry, other, N_FLIPS)
            names = ("p", "p_permutation", "p_wilcoxon", "superiority")
            tests = {name: getattr(tested, name) for name in names}
            tests |= {"effect_size": tested.cohens_d, "significant": tested.seeds_measured}
        ends = {"difference_low": found.low, "difference_high": found.high}
        return {"difference": found.value, **ends, **tests}

    def _compared(self, entry: ModelEntry, other: ModelEntry, n_resamples: int) -> Comparison:
        return compare(
            self.values[entry][0],
            self.values[other][0],
            generator=self._generator(entry),
            deterministic_a=entry.deterministic,
            deterministic_b=other.deterministic,
            n_resamples=n_resamples,
        )

    def _leader(self, means: dict[str, float]) -> str | None:
        """The best model, where it is significantly better than the second.

        Which one is best is read off the same brands, so the p of the best against all others are
        corrected together.
        """
        fair = [entry for entry in self.values if not entry.leaks]
        if not self.metric.is_mean or len(fair) < 2:
            return None
        sign = 1 if self.metric.smaller_is_better else -1
        best, *others = sorted(fair, key=lambda entry: sign * means[entry.label])
        found = [self._compared(best, other, 1) for other in others]
        adjusted = float(holm(np.array([one.p for one in found]))[0])
        return best.label if found[0].significant(adjusted) else None

    def _generator(self, entry: ModelEntry) -> np.random.Generator:
        """Draws of its own for every figure, so that none depends on what else is compared."""
        return np.random.default_rng(
            zlib.crc32("\n".join((entry.label, *self.place.values())).encode())
        )
