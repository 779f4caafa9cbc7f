"""What the runs of a benchmark found: frames, means with intervals, differences that are tested."""

import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from packaging.version import Version

from dataset_convert import schema
from recbole_mirec.benchmark.plan import BenchmarkPlan, ModelEntry, PlannedRun
from recbole_mirec.evaluation import Comparison, bootstrap_interval, compare, holm, pooled_share
from recbole_mirec.evaluation.metrics import FIRST_RANK, MEDIAN_RANK
from recbole_mirec.evaluation.paper_rules import COMPARED, PAPER_FIRST_RANK, PAPER_MEDIAN_RANK, WON
from recbole_mirec.results import UNSEEN, smaller_is_better
from recbole_mirec.runs import read_run
from recbole_mirec.sweep import FINISHED, read_end

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
LEVEL = 0.05
N_DRAWS, N_FLIPS = 1999, 1999
# pandas reads numbers to the last digit by itself since 3.1, and deprecates being told to.
_EXACT: dict[str, Any] = (
    {} if Version(pd.__version__) >= Version("3.1") else {"float_precision": "round_trip"}
)

# What a summary takes of one model, each (run, brand), one run a seed; NaN: no such value.
Values = list[NDArray[np.float64]]


@dataclass(frozen=True, eq=False)
class RunFound:
    """How a run stands: finished, diverged, failed or not run, why, and its `run.json`."""

    run: PlannedRun
    status: str
    reason: str
    seconds: float
    record: dict[str, Any]


@dataclass(frozen=True, eq=False)
class BenchmarkResult:
    """What a benchmark found.

    Attributes:
        plan: what was asked for.
        folder: where everything stands.
        synthetic: whether the data set says that it is synthetic.
        found: how every run stands, in the order of the plan.
        per_brand: as `per_brand_frame` gives it.
        results: as `results_frame` gives it.
        remarks: on tuning, for a reader of the figures.
    """

    plan: BenchmarkPlan
    folder: Path
    synthetic: bool
    found: Sequence[RunFound]
    per_brand: pd.DataFrame
    results: pd.DataFrame
    remarks: tuple[str, ...]

    @cached_property
    def runs(self) -> pd.DataFrame:
        """One row a run with the columns `RUN_COLUMNS`; `fold` is 0 where there are no folds."""
        rows = [
            (one.run.entry.label, one.run.entry.model, one.run.protocol, one.run.seed, one.run.fold)
            + (one.status, one.reason)
            + (one.record.get("best_epoch", 0), one.record.get("n_epochs", 0))
            + (one.seconds, one.run.folder.as_posix())
            for one in self.found
        ]
        return pd.DataFrame(rows, columns=RUN_COLUMNS)


def runs_found(runs: Sequence[PlannedRun], folder: Path) -> list[RunFound]:
    """How the runs in a benchmark's folder stand.

    Raises:
        UsageError: a file cannot be read.
    """
    found = []
    for run in runs:
        end = read_end(folder / run.folder)
        if end is None:
            found.append(RunFound(run, NOT_RUN, "", 0.0, {}))
            continue
        record = read_run(folder / run.folder).record if end.status == FINISHED else {}
        found.append(RunFound(run, end.status, end.reason, end.seconds, record))
    return found


def per_brand_frame(found: Sequence[RunFound], folder: Path) -> pd.DataFrame:
    """One row a finished run, part and brand: `KEY_COLUMNS`, then one column a metric.

    A cell is empty where a brand has no such value, or where brands have no categories.
    """
    frames = [pd.DataFrame(columns=[*KEY_COLUMNS])]
    for run, record in ((one.run, one.record) for one in found):
        for part in (part for part in PARTS if part in record):
            # an empty cell is missing; a brand or a category may be called NA
            frame = pd.read_csv(
                folder / run.folder / f"per_brand.{part}.csv",
                dtype={schema.BRAND_ID: str, schema.BRAND_CATEGORY: str},
                keep_default_na=False,
                na_values=[""],
                **_EXACT,
            )
            keys = (run.entry.label, run.protocol, run.seed, run.fold, part)
            frames.append(frame.assign(**dict(zip(KEY_COLUMNS, keys, strict=False))))
    joined = pd.concat(frames[1:] or frames, ignore_index=True)
    metrics = [name for name in joined if name not in KEY_COLUMNS]
    return joined.reindex(columns=[*KEY_COLUMNS, *metrics])


@dataclass(frozen=True)
class Measure:
    """A metric over brands.

    Attributes:
        name: of the metric.
        columns: of the brands' values that it takes.
        summary: reduces the last axis of their layouts, called with `axis=-1`.
    """

    name: str
    columns: tuple[str, ...]
    summary: Callable[..., Any]

    @property
    def is_mean(self) -> bool:
        """Whether it is a mean over brands, whose differences can be tested brand by brand."""
        return self.summary is np.mean


def lower_median(values: NDArray[Any], *, axis: int = -1) -> NDArray[Any]:
    """The median; of an even number, the lower middle one."""
    middle = (values.shape[axis] - 1) // 2
    return np.asarray(np.take(np.sort(values, axis=axis), middle, axis=axis))


def measures_of(per_brand: pd.DataFrame) -> list[Measure]:
    """The metrics that columns of per-brand values give: as `recbole_mirec.results` names them."""
    ranks = {
        FIRST_RANK: (MEDIAN_RANK, np.median),
        UNSEEN + FIRST_RANK: (UNSEEN + MEDIAN_RANK, np.median),
        PAPER_FIRST_RANK: (PAPER_MEDIAN_RANK, lower_median),
    }
    names = [str(name) for name in per_brand if name not in KEY_COLUMNS]
    found = []
    for name in (name for name in names if not name.endswith((WON, COMPARED))):
        if name + COMPARED in names:
            found.append(Measure(name, (name + WON, name + COMPARED), pooled_share))
        else:
            title, summary = ranks.get(name, (name, np.mean))
            found.append(Measure(title, (name,), summary))
    return found


def layout_of(per_brand: pd.DataFrame, *, n_folds: int) -> pd.DataFrame:
    """Lay out the rows of a model, protocol and part: a row a seed, a column a metric and brand.

    With folds, a seed's run is made of all its folds, each brand's value being of the fold that
    holds it. A seed of which a fold has not finished is left out.

    Args:
        per_brand: rows of per_brand.csv; no brand twice under a seed.
        n_folds: of the cross-validation; 0: none.
    """
    whole = per_brand.groupby("seed")["fold"].transform("nunique") == max(n_folds, 1)
    metrics = [name for name in per_brand if name not in KEY_COLUMNS]
    return per_brand[whole].pivot(index="seed", columns=schema.BRAND_ID, values=metrics)


def _n_brands(layout: pd.DataFrame, measure: Measure) -> int:
    """Brands that have a metric in any run."""
    return min(int(layout[name].notna().any().sum()) for name in measure.columns)


def values_of(layout: pd.DataFrame, measure: Measure) -> Values:
    """What a metric takes of a model."""
    return [layout[name].to_numpy(dtype=np.float64) for name in measure.columns]


def results_frame(plan: BenchmarkPlan, per_brand: pd.DataFrame) -> pd.DataFrame:
    """Every model's figures, with the columns `RESULT_COLUMNS`.

    `low` and `high` are the ends of the 95 % interval over brands and seeds. `difference` is the
    model's mean less that of the model `against`, of which means over brands are tested, by the
    test of `compare`; `p_holm` is corrected over the models that the same figure is compared of.
    `effect_size` is the paired Cohen's d. `significant` says whether `p_holm` is at most 0.05, and
    never where a model that depends on a seed has one run. `leads` says whether the model is the
    best of its table, models that leak aside, and significantly better than the second.

    In a cross-validation only the test part is summarised: its validation parts overlap.

    Args:
        plan: of the benchmark.
        per_brand: as `per_brand_frame` gives it.
    """
    rows: list[dict[str, Any]] = []
    measures = measures_of(per_brand)
    if not measures:
        return pd.DataFrame(columns=RESULT_COLUMNS)
    for protocol in plan.protocols:
        for part in (schema.TEST,) if plan.folds else PARTS:
            chosen = per_brand[(per_brand["protocol"] == protocol) & (per_brand["part"] == part)]
            for position, (entries, against) in enumerate(plan.families):
                layouts = {
                    entry: layout_of(chosen[chosen["label"] == entry.label], n_folds=plan.folds)
                    for entry in entries
                }
                for measure in measures:
                    known = {
                        entry: values_of(layout, measure)
                        for entry, layout in layouts.items()
                        if len(layout) and _n_brands(layout, measure) >= 2
                    }
                    column = _Column(known, against, (protocol, part, measure.name), measure)
                    # the ablations' full model has its row among the models
                    rows += [row for row in column.rows() if not position or row["against"]]
    return pd.DataFrame(rows, columns=RESULT_COLUMNS)


@dataclass(frozen=True, eq=False)
class _Column:
    """A metric of models that are held against one of them, under a protocol and on a part."""

    known: dict[ModelEntry, Values]
    against: str
    place: tuple[str, str, str]
    measure: Measure

    def rows(self) -> list[dict[str, Any]]:
        """One row a model that has the metric."""
        rows = list(self._rows())
        tested = [row for row in rows if "p" in row]
        adjusted = holm(np.array([row["p"] for row in tested], dtype=np.float64))
        for row, p in zip(tested, adjusted, strict=True):
            row["p_holm"] = p
            row["significant"] = bool(row["significant"] and p <= LEVEL)
        leader = self._leader({row["label"]: row["mean"] for row in rows})
        for row in rows:
            row["leads"] = leader is not None and row["label"] == leader.label
        return rows

    def _rows(self) -> Iterator[dict[str, Any]]:
        names = dict(zip(("protocol", "part", "metric"), self.place, strict=True))
        for entry, values in self.known.items():
            estimate = bootstrap_interval(
                values,
                self.measure.summary,
                generator=self._generator(entry),
                deterministic=entry.deterministic,
                n_resamples=N_DRAWS,
            )
            yield {
                "label": entry.label,
                **names,
                "mean": estimate.value,
                "low": estimate.low,
                "high": estimate.high,
                "n_brands": estimate.n_brands,
                "n_runs": len(values[0]),
                "significant": False,
                **self._difference(entry),
            }

    def _difference(self, entry: ModelEntry) -> dict[str, Any]:
        if entry.label == self.against:
            return {"against": ""}
        row: dict[str, Any] = {"against": self.against}
        other = next((one for one in self.known if one.label == self.against), None)
        if other is None:
            return row
        if self.measure.is_mean:
            found = self._compared(entry, other, N_FLIPS)
            names = ("p", "p_permutation", "p_wilcoxon", "superiority")
            row |= {name: getattr(found, name) for name in names}
            row |= {"effect_size": found.cohens_d, "significant": found.seeds_measured}
            difference = found.difference
        else:
            found = bootstrap_interval(
                self.known[entry],
                self.measure.summary,
                against=self.known[other],
                generator=self._generator(entry),
                deterministic=entry.deterministic,
                deterministic_against=other.deterministic,
                n_resamples=N_DRAWS,
            )
            difference = found.value
        ends = {"difference_low": found.low, "difference_high": found.high}
        return row | {"difference": difference, **ends}

    def _compared(self, entry: ModelEntry, other: ModelEntry, n_resamples: int) -> Comparison:
        return compare(
            self.known[entry][0],
            self.known[other][0],
            generator=self._generator(entry),
            deterministic_a=entry.deterministic,
            deterministic_b=other.deterministic,
            n_resamples=n_resamples,
        )

    def _leader(self, means: dict[str, float]) -> ModelEntry | None:
        """The best model, where it is significantly better than the second.

        Which one is best is read off the same brands, so the p of the best against all others are
        corrected together.
        """
        fair = [entry for entry in self.known if not entry.leaks]
        if not self.measure.is_mean or len(fair) < 2:
            return None
        sign = 1 if smaller_is_better(self.measure.name) else -1
        best, *others = sorted(fair, key=lambda entry: sign * means[entry.label])
        found = [self._compared(best, other, 1) for other in others]
        adjusted = float(holm(np.array([one.p for one in found]))[0])
        return best if found[0].significant(LEVEL, adjusted=adjusted) else None

    def _generator(self, entry: ModelEntry) -> np.random.Generator:
        """Draws of its own for every figure, so that none depends on what else is compared."""
        return np.random.default_rng(zlib.crc32("\n".join((entry.label, *self.place)).encode()))
