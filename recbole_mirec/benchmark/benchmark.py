"""A benchmark from its plan to its files: begun, gone on with, or written anew."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from dataset_convert.common.errors import UsageError
from recbole_mirec.benchmark.execution import forget_failure
from recbole_mirec.benchmark.frames import (
    PER_BRAND_FILE,
    RUNS_FILE,
    per_brand_frame,
    run_ends,
    runs_frame,
    write_frame,
)
from recbole_mirec.benchmark.plan import BenchmarkPlan, folder_name
from recbole_mirec.benchmark.planned import PlannedRun, leaks, planned_runs
from recbole_mirec.benchmark.portrait import portrait_run, write_portrait
from recbole_mirec.benchmark.report.page import write_report
from recbole_mirec.benchmark.report.view import About
from recbole_mirec.benchmark.running import run_all
from recbole_mirec.benchmark.studies import planned_studies, run_studies, tuning_remarks
from recbole_mirec.benchmark.summary import RESULTS_FILE, results_frame
from recbole_mirec.benchmark.tables import Found, write_tables
from recbole_mirec.config import MirecConfig
from recbole_mirec.experiment import open_data
from recbole_mirec.results import is_synthetic
from recbole_mirec.runs import Claim, first_difference
from recbole_mirec.tuning.trial import FINISHED

ROOT = Path("saved", "benchmarks")
IDENTITY_FILE = "benchmark.json"


@dataclass(frozen=True, eq=False)
class BenchmarkResult:
    """What a benchmark found.

    Attributes:
        plan: what was asked for.
        folder: where everything stands.
        runs: as `frames.runs_frame` gives them.
        results: as `summary.results_frame` gives them.
        synthetic: whether the data set says that it is synthetic.
    """

    plan: BenchmarkPlan
    folder: Path
    runs: pd.DataFrame
    results: pd.DataFrame
    synthetic: bool


@dataclass(frozen=True)
class _Data:
    fingerprint: str
    synthetic: bool
    metric: str


def run_benchmark(
    plan: BenchmarkPlan,
    *,
    folder: Path | None = None,
    root: Path = ROOT,
    retry_failed: bool = False,
    report_only: bool = False,
    command: str = "",
    engine: str = "local",
    ray_address: str | None = None,
) -> BenchmarkResult:
    """Run a benchmark, or what is left of it, and write its files.

    Args:
        plan: what to do.
        folder: where; None: a folder under `root` that the same plan finds again.
        root: of the benchmarks' folders.
        retry_failed: run those runs again that failed before.
        report_only: run nothing, and write the files from the runs that have ended.
        command: how the benchmark can be asked for again; the page says it.
        engine: `local` or `ray`.
        ray_address: of a running Ray cluster.

    Raises:
        UsageError: anything the user can mend; before the first run.
    """
    del ray_address
    if engine != "local":
        raise UsageError("--engine ray is not made for benchmarks yet.")
    runs = planned_runs(plan)
    check_settings(runs)
    studies = planned_studies(plan)
    data = _look_at_data(runs)
    identity = plan.identity(data.fingerprint)
    place = folder or root / folder_name(identity)
    if report_only and not (place / IDENTITY_FILE).exists():
        raise UsageError(f"'{place}' holds no benchmark yet; leave --report-only out.")
    with Claim("benchmark", place, IDENTITY_FILE, _difference).held(identity):
        if not report_only:
            tuned = run_studies(studies, place)
            if retry_failed:
                for run in runs:
                    forget_failure(place / run.folder)
            run_all(runs, place, jobs=plan.jobs, metric=data.metric, tuned=tuned)
        return _written(plan, place, runs, data, command)


def check_settings(runs: list[PlannedRun]) -> None:
    """Refuse what a run could not be configured with, before anything is run.

    Raises:
        UsageError: names the model and the key.
    """
    for run in runs:
        try:
            MirecConfig(config_dict=run.settings)
        except UsageError as error:
            raise UsageError(f"{run.title}: {error}") from None


def _look_at_data(runs: list[PlannedRun]) -> _Data:
    """Read the data once a protocol before any run, so that what is wrong is said at once."""
    first = {run.protocol: run for run in reversed(runs)}
    for run in first.values():
        config = MirecConfig(config_dict=run.settings)
        dataset, _ = open_data(config)
    return _Data(dataset.fingerprint(), is_synthetic(dataset), str(config["valid_metric"]))


def _written(
    plan: BenchmarkPlan,
    place: Path,
    runs: list[PlannedRun],
    data: _Data,
    command: str,
) -> BenchmarkResult:
    ends = run_ends(runs, place)
    table, per_brand = runs_frame(ends), per_brand_frame(ends, place)
    results = results_frame(plan, per_brand)
    for name, frame in (
        (RUNS_FILE, table),
        (PER_BRAND_FILE, per_brand),
        (RESULTS_FILE, results),
    ):
        write_frame(place / name, frame)
    remarks = tuning_remarks(plan)
    write_tables(place, Found(plan, data.synthetic, ends, per_brand, results, remarks))
    if (table["status"] == FINISHED).any():
        _write_page(plan, place, table, remarks, command)
    return BenchmarkResult(plan, place, table, results, data.synthetic)


def _write_page(
    plan: BenchmarkPlan, place: Path, table: pd.DataFrame, remarks: tuple[str, ...], command: str
) -> None:
    about = About(
        name=plan.name,
        main=plan.main,
        command=command,
        ablations=[entry.label for entry in plan.ablations],
        ablated=plan.ablated or "",
        leaking=[entry.label for entry in plan.models if leaks(entry)],
        remarks=remarks,
    )
    run = portrait_run(place, table, plan.main)
    if run is not None:
        write_portrait(place, run, plan.main)
    write_report(place, about)


def _difference(found: Mapping[str, Any], wanted: Mapping[str, Any], key: str) -> str:
    """Where two identities differ first, in words."""
    if key == "data":
        return "the data set's files have changed since"
    old, new = found[key], wanted[key]
    if key == "defaults":
        changed = [model for model in new if old.get(model) != new[model]]
        return f"the defaults of {', '.join(changed)} have changed since"
    if key in ("settings", "versions"):
        return first_difference(old, new)
    if key not in ("models", "ablations"):
        return f"its {key} is {old!r}, not {new!r}"
    label = next(name for name in {**old, **new} if old.get(name) != new.get(name))
    if label in old and label in new:
        return f"of '{label}', {first_difference(old[label], new[label])}"
    return f"its {key} {'hold' if label in old else 'lack'} '{label}'"
