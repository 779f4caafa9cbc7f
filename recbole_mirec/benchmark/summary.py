"""Figures of a benchmark: means with intervals, and differences that are tested."""

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dataset_convert import schema
from recbole_mirec.benchmark.frames import KEY_COLUMNS, PARTS
from recbole_mirec.benchmark.layouts import Layouts, layouts_of
from recbole_mirec.benchmark.measures import Measure, measures_of
from recbole_mirec.benchmark.plan import BenchmarkPlan, ModelEntry
from recbole_mirec.benchmark.planned import deterministic, leaks
from recbole_mirec.evaluation import bootstrap_interval, compare, holm
from recbole_mirec.results import smaller_is_better

RESULTS_FILE = "results.csv"
LEVEL = 0.05
N_DRAWS, N_FLIPS = 1999, 1999
COLUMNS = (
    *("label", "protocol", "part", "metric", "mean", "low", "high", "n_brands", "n_runs"),
    *("against", "difference", "difference_low", "difference_high", "p", "p_holm"),
    *("p_permutation", "p_wilcoxon", "effect_size", "superiority", "significant", "leads"),
)


@dataclass(frozen=True)
class Family:
    """Models that one table compares.

    Attributes:
        entries: in the table's order; the one compared with among them.
        against: label of the one that the others are compared with.
    """

    entries: tuple[ModelEntry, ...]
    against: str

    @property
    def others(self) -> tuple[ModelEntry, ...]:
        """Without the one compared with."""
        return tuple(entry for entry in self.entries if entry.label != self.against)


def families(plan: BenchmarkPlan) -> list[Family]:
    """The models, compared with the main one; the ablations, compared with their full model."""
    found = [Family(plan.models, plan.main)]
    if plan.ablated is not None:
        full = tuple(entry for entry in plan.models if entry.label == plan.ablated)
        found.append(Family(full + plan.ablations, plan.ablated))
    return found


def results_frame(plan: BenchmarkPlan, per_brand: pd.DataFrame) -> pd.DataFrame:
    """Every model's figures, with the columns `COLUMNS`.

    `low` and `high` are the ends of the 95 % interval over brands and seeds. `difference` is the
    model's mean less that of the model `against`, of which means over brands are tested, by the
    test of `compare`; `p_holm` is corrected over the models that the same figure is compared of.
    `effect_size` is the paired Cohen's d. `significant` says whether `p_holm` is at most 0.05, and
    never where a model that depends on a seed has one run. `leads` says whether the model is the
    best of its table, models that leak aside, and significantly better than the second.

    In a cross-validation only the test part is summarised: its validation parts overlap.

    Args:
        plan: of the benchmark.
        per_brand: as `frames.per_brand_frame` gives it.
    """
    rows: list[dict[str, Any]] = []
    parts = (schema.TEST,) if plan.folds else PARTS
    measures = measures_of(str(name) for name in per_brand if name not in KEY_COLUMNS)
    for protocol in plan.protocols:
        for part in parts:
            chosen = per_brand[(per_brand["protocol"] == protocol) & (per_brand["part"] == part)]
            for position, family in enumerate(families(plan)):
                table = _Table(family, protocol, part, _layouts(plan, family, chosen))
                for measure in measures:
                    found = table.rows(measure)
                    # the ablations' full model has its row among the models
                    rows += [row for row in found if not position or row["against"]]
    return pd.DataFrame(rows, columns=COLUMNS)


def _layouts(plan: BenchmarkPlan, family: Family, rows: pd.DataFrame) -> dict[str, Layouts]:
    found = {}
    for entry in family.entries:
        layouts = layouts_of(rows[rows["label"] == entry.label], n_folds=plan.folds)
        if layouts.n_runs:
            found[entry.label] = layouts
    return found


@dataclass(frozen=True, eq=False)
class _Table:
    family: Family
    protocol: str
    part: str
    layouts: dict[str, Layouts]

    def rows(self, measure: Measure) -> list[dict[str, Any]]:
        """One row a model that has the metric."""
        rows = list(self._rows(measure))
        tested = [row for row in rows if "p" in row]
        adjusted = holm(np.array([row["p"] for row in tested], dtype=np.float64))
        for row, p in zip(tested, adjusted, strict=True):
            row["p_holm"] = p
            row["significant"] = bool(row.pop("measured") and p <= LEVEL)
        leader = self._leader(measure, rows)
        for row in rows:
            row["leads"] = row["label"] == leader
        return rows

    def _rows(self, measure: Measure) -> Iterator[dict[str, Any]]:
        for entry in self.family.entries:
            known = self._known(entry, measure)
            if known is None:
                continue
            estimate = bootstrap_interval(
                known,
                measure.summary,
                generator=self._generator(entry, measure),
                deterministic=deterministic(entry),
                n_resamples=N_DRAWS,
            )
            yield {
                "label": entry.label,
                "protocol": self.protocol,
                "part": self.part,
                "metric": measure.name,
                "mean": estimate.value,
                "low": estimate.low,
                "high": estimate.high,
                "n_brands": estimate.n_brands,
                "n_runs": len(known[0]),
                "significant": False,
                **self._difference(entry, measure),
            }

    def _difference(self, entry: ModelEntry, measure: Measure) -> dict[str, Any]:
        label = self.family.against
        if entry.label == label:
            return {"against": ""}
        other = next(one for one in self.family.entries if one.label == label)
        values, against = self._known(entry, measure), self._known(other, measure)
        if values is None or against is None:
            return {"against": label}
        generator = self._generator(entry, measure)
        if measure.is_mean:
            return {"against": label, **_tested(entry, other, values[0], against[0], generator)}
        estimate = bootstrap_interval(
            values,
            measure.summary,
            against=against,
            generator=generator,
            deterministic=deterministic(entry),
            deterministic_against=deterministic(other),
            n_resamples=N_DRAWS,
        )
        return {"against": label, **_interval(estimate.value, estimate.low, estimate.high)}

    def _leader(self, measure: Measure, rows: Sequence[dict[str, Any]]) -> str | None:
        """The best model, where it is significantly better than the second.

        Which one is best is read off the same brands, so the p of the best against all others are
        corrected together.
        """
        entries = {entry.label: entry for entry in self.family.entries if not leaks(entry)}
        fair = [row for row in rows if row["label"] in entries]
        if not measure.is_mean or len(fair) < 2:
            return None
        sign = 1 if smaller_is_better(measure.name) else -1
        ordered = sorted(fair, key=lambda row: sign * row["mean"])
        best, *others = (entries[row["label"]] for row in ordered)
        first = self._known(best, measure)
        assert first is not None
        found = []
        for other in others:
            values = self._known(other, measure)
            assert values is not None
            found.append(
                compare(
                    first[0],
                    values[0],
                    generator=self._generator(best, measure),
                    deterministic_a=deterministic(best),
                    deterministic_b=deterministic(other),
                    n_resamples=1,
                )
            )
        adjusted = float(holm(np.array([one.p for one in found]))[0])
        return best.label if found[0].significant(LEVEL, adjusted=adjusted) else None

    def _known(self, entry: ModelEntry, measure: Measure) -> list[NDArray[np.float64]] | None:
        """The metric's layouts of a model; None where fewer than two brands have values."""
        layouts = self.layouts.get(entry.label)
        if layouts is None:
            return None
        values = [layouts.columns[name] for name in measure.columns]
        n_known = min(int((~np.isnan(one)).any(axis=0).sum()) for one in values)
        return values if n_known >= 2 else None

    def _generator(self, entry: ModelEntry, measure: Measure) -> np.random.Generator:
        """Draws of its own for every figure, so that none depends on what else is compared."""
        name = "\n".join((entry.label, self.protocol, self.part, measure.name))
        return np.random.default_rng(zlib.crc32(name.encode()))


def _tested(
    entry: ModelEntry,
    other: ModelEntry,
    values: NDArray[np.float64],
    against: NDArray[np.float64],
    generator: np.random.Generator,
) -> dict[str, Any]:
    found = compare(
        values,
        against,
        generator=generator,
        deterministic_a=deterministic(entry),
        deterministic_b=deterministic(other),
        n_resamples=N_FLIPS,
    )
    return {
        **_interval(found.difference, found.low, found.high),
        "p": found.p,
        "p_permutation": found.p_permutation,
        "p_wilcoxon": found.p_wilcoxon,
        "effect_size": found.cohens_d,
        "superiority": found.superiority,
        "measured": found.seeds_measured,
    }


def _interval(value: float, low: float, high: float) -> dict[str, float]:
    return {"difference": value, "difference_low": low, "difference_high": high}
