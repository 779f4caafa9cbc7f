"""A benchmark from its plan to its files: begun, gone on with, or written anew."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dataset_convert.common.errors import UsageError
from dataset_convert.common.files import write_csv
from recbole_mirec.benchmark.page import write_page
from recbole_mirec.benchmark.plan import BenchmarkPlan, PlannedRun, folder_name, planned_runs
from recbole_mirec.benchmark.portrait import portrait_of, portrait_run
from recbole_mirec.benchmark.summary import (
    PARTS,
    RUN_COLUMNS,
    BenchmarkResult,
    per_brand_frame,
    results_frame,
    runs_frame,
)
from recbole_mirec.benchmark.tables import write_tables
from recbole_mirec.config import MirecConfig
from recbole_mirec.experiment import open_data
from recbole_mirec.results import is_synthetic
from recbole_mirec.runs import BENCHMARK, owned
from recbole_mirec.sweep import FINISHED, LOCAL, Job, forget_failure, run_jobs
from recbole_mirec.tuning.space import check_space, shipped_space
from recbole_mirec.tuning.study import run_study
from recbole_mirec.tuning.trial import StudyPlan

ROOT = Path("saved", "benchmarks")
IDENTITY_FILE = "benchmark.json"
# By their folders in the benchmark's.
Studies = Mapping[Path, StudyPlan]


def run_benchmark(
    plan: BenchmarkPlan,
    *,
    folder: Path | None = None,
    retry_failed: bool = False,
    report_only: bool = False,
    command: str = "",
    engine: str = LOCAL,
    ray_address: str | None = None,
) -> BenchmarkResult:
    """Run a benchmark, or what is left of it, and write its files.

    Args:
        plan: what to do.
        folder: where; None: a folder under `ROOT` that the same plan finds again.
        retry_failed: run those runs again that failed before.
        report_only: run nothing, and write the files from the runs that have ended.
        command: how the benchmark can be asked for again; the page says it.
        engine: what does the runs, as `sweep.run_jobs` takes it.
        ray_address: of a Ray cluster, likewise.

    Raises:
        UsageError: anything the user can mend; before the first run.
    """
    runs, studies = checked_plan(plan)
    # The data are read once a protocol before any run, so that what is wrong is said at once.
    for run in {run.protocol: run for run in reversed(runs)}.values():
        config = MirecConfig(config_dict=run.settings)
        dataset, _ = open_data(config, needed=PARTS)
    identity = plan.identity(dataset.fingerprint())
    place = folder or ROOT / folder_name(identity)
    if report_only and not (place / IDENTITY_FILE).exists():
        raise UsageError(f"'{place}' holds no benchmark yet; leave --report-only out.")
    with owned(place, BENCHMARK, identity):
        if not report_only:
            tuned = _run_studies(studies, place)
            titles = {place / run.folder: run.title for run in runs}
            if retry_failed:
                for one in titles:
                    forget_failure(one)
            own = {"checkpoint_dir": str(place)}
            run_jobs(
                [
                    Job(place / run.folder, {**run.settings, **tuned.get(run.study, {}), **own})
                    for run in runs
                ],
                n_jobs=plan.jobs,
                engine=engine,
                ray_address=ray_address,
                title=lambda job: titles[job.folder],
                metric=str(config["valid_metric"]),
            )
        table = runs_frame(runs, place)
        per_brand = per_brand_frame(table, place)
        result = BenchmarkResult(
            plan=plan,
            folder=place,
            runs=table,
            per_brand=per_brand,
            results=results_frame(plan, per_brand),
            synthetic=is_synthetic(dataset),
            remarks=_tuning_remarks(plan, runs, studies),
        )
        _write(result, command)
        return result


def checked_plan(plan: BenchmarkPlan) -> tuple[list[PlannedRun], Studies]:
    """The runs of a plan and their studies, none of which is refused by its configuration.

    A model with a search space is tuned once a protocol and fold, where the plan says so. A fold's
    study sees the validation brands of that fold, so that no model is tuned on the brands that it
    is measured on. Ablations take the settings that their full model is given.

    Raises:
        UsageError: names the model and the key.
    """
    runs, studies = planned_runs(plan), dict[Path, StudyPlan]()
    for run in runs:
        try:
            metric = MirecConfig(config_dict=run.settings)["valid_metric"]
        except UsageError as error:
            raise UsageError(f"{run.title}: {str(error)[:1000]}") from None
        space = shipped_space(run.entry.model, run.settings.get("variant"))
        # full models stand before their ablations, and the first seed before the others
        if plan.tuning is None or space is None or run.study in studies:
            continue
        settings = {**run.settings, "valid_metric": metric}
        check_space(space, settings)
        studies[run.study] = StudyPlan(
            settings=settings,
            space=space,
            algorithm=plan.tuning.algo,
            max_trials=plan.tuning.max_evals,
            early_stop=plan.tuning.early_stop,
            jobs=plan.jobs,
        )
    return runs, studies


def _run_studies(studies: Studies, place: Path) -> dict[Path, dict[str, Any]]:
    """Run studies, or what is left of them; returns what the winners set, if there are any."""
    winners = {one: run_study(study, folder=place / one).winner for one, study in studies.items()}
    return {one: dict(winner.trial.parameters) for one, winner in winners.items() if winner}


def _tuning_remarks(
    plan: BenchmarkPlan, runs: list[PlannedRun], studies: Studies
) -> tuple[str, ...]:
    """What a reader of the figures has to know of the models' settings."""
    if plan.tuning is None:
        return ("No model was tuned for this benchmark: each has the settings of its plan.",)
    tuned = {run.entry.tuned_as for run in runs if run.study in studies}
    rest = [label for label in plan.models if label not in tuned]
    named = ", ".join(sorted(tuned)) or "none"
    remarks = [f"Tuned, with {plan.tuning.words} on validation each: {named}."]
    if rest:
        remarks.append(f"Without a search space, so with their defaults: {', '.join(rest)}.")
    return tuple(remarks)


def plan_text(plan: BenchmarkPlan) -> str:
    """The studies and the runs of a plan, one a line.

    Raises:
        UsageError: a run that could not be configured.
    """
    runs, studies = checked_plan(plan)
    lines = [f"{plan.name} on {plan.dataset}: {len(runs)} runs, {plan.jobs} at a time"]
    if plan.tuning is not None:
        lines += [f"before them {len(studies)} studies, {plan.tuning.words} each"]
        lines += [f"  study: {folder}" for folder in studies]
    return "\n".join([*lines, *(f"  {run.folder}" for run in runs)])


def _write(result: BenchmarkResult, command: str) -> None:
    plan, folder = result.plan, result.folder
    runs = result.runs[[*RUN_COLUMNS]]
    frames = {"runs": runs, "per_brand": result.per_brand, "results": result.results}
    for name, frame in frames.items():
        write_csv(folder / f"{name}.csv", frame, float_format="%.12g")
    write_tables(result)
    if (runs["status"] == FINISHED).any():
        run = portrait_run(folder, result.runs, plan.main)
        write_page(result, command, None if run is None else portrait_of(run, plan.main))
