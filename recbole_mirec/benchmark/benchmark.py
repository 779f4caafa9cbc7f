"""A benchmark from its plan to its files: begun, gone on with, or written anew."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dataset_convert.common.errors import UsageError
from recbole_mirec.benchmark.page import write_page
from recbole_mirec.benchmark.plan import BenchmarkPlan, PlannedRun, folder_name, planned_runs
from recbole_mirec.benchmark.portrait import portrait_run, write_portrait
from recbole_mirec.benchmark.summary import (
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
from recbole_mirec.runs import Claim, first_difference, write_text
from recbole_mirec.sweep import FINISHED, Job, forget_failure, run_jobs
from recbole_mirec.tuning.space import check_space, shipped_space
from recbole_mirec.tuning.study import StudyPlan, run_study, winner_settings

ROOT = Path("saved", "benchmarks")
IDENTITY_FILE = "benchmark.json"
# The runs before which a model is tuned, and how.
Studies = Mapping[PlannedRun, StudyPlan]


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
        engine: what does the runs, as `sweep.run_jobs` takes it.
        ray_address: of a Ray cluster, likewise.

    Raises:
        UsageError: anything the user can mend; before the first run.
    """
    runs, studies = checked_plan(plan)
    # The data are read once a protocol before any run, so that what is wrong is said at once.
    for run in {run.protocol: run for run in reversed(runs)}.values():
        config = MirecConfig(config_dict=run.settings)
        dataset, _ = open_data(config)
    identity = plan.identity(dataset.fingerprint())
    place = folder or root / folder_name(identity)
    if report_only and not (place / IDENTITY_FILE).exists():
        raise UsageError(f"'{place}' holds no benchmark yet; leave --report-only out.")
    with Claim("benchmark", place, IDENTITY_FILE, _difference).held(identity):
        if not report_only:
            tuned = _run_studies(studies, place)
            jobs = {}
            for run in runs:
                own = {**tuned.get(run.study, {}), "checkpoint_dir": str(place)}
                job = Job(place / run.folder, {**run.settings, **own})
                jobs[job.folder] = job, run
                if retry_failed:
                    forget_failure(job.folder)
            run_jobs(
                [job for job, _ in jobs.values()],
                n_jobs=plan.jobs,
                engine=engine,
                ray_address=ray_address,
                title=lambda job: jobs[job.folder][1].title,
                metric=str(config["valid_metric"]),
            )
        return _written(plan, place, runs, studies, is_synthetic(dataset), command)


def checked_plan(plan: BenchmarkPlan) -> tuple[list[PlannedRun], Studies]:
    """The runs of a plan and their studies, none of which is refused by its configuration.

    A model with a search space is tuned once a protocol and fold, where the plan says so. A fold's
    study sees the validation brands of that fold, so that no model is tuned on the brands that it
    is measured on. Ablations take the settings that their full model is given.

    Raises:
        UsageError: names the model and the key.
    """
    runs, studies = planned_runs(plan), {}
    for run in runs:
        try:
            metric = MirecConfig(config_dict=run.settings)["valid_metric"]
        except UsageError as error:
            raise UsageError(f"{run.title}: {str(error)[:1000]}") from None
        space = shipped_space(run.entry.model, run.settings.get("variant"))
        again = run.entry.perspectives is not None or run.seed != plan.seeds[0]
        if plan.tuning is None or space is None or again:
            continue
        settings = {**run.settings, "valid_metric": metric}
        check_space(space, settings)
        studies[run] = StudyPlan(
            settings=settings,
            space=space,
            algorithm=plan.tuning.algo,
            max_trials=plan.tuning.max_evals,
            early_stop=plan.tuning.early_stop,
            jobs=plan.jobs,
        )
    return runs, studies


def _run_studies(studies: Studies, place: Path) -> dict[tuple[str, str, int], dict[str, Any]]:
    """Run studies, or what is left of them; returns what the winners set.

    A study in which no trial has a score sets nothing.
    """
    found = {}
    for run, study in studies.items():
        winner = run_study(study, folder=place / run.study_folder).winner
        if winner is not None:
            whole, fixed = winner_settings(study.settings, winner.trial), study.settings
            own = {key: value for key, value in whole.items() if fixed.get(key) != value}
            found[run.study] = own
    return found


def _tuning_remarks(plan: BenchmarkPlan, studies: Studies) -> tuple[str, ...]:
    """What a reader of the figures has to know of the models' settings."""
    if plan.tuning is None:
        return ("No model was tuned for this benchmark: each has the settings of its plan.",)
    tuned = {run.entry.label for run in studies}
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
        lines += [f"  study: {run.study_folder}" for run in studies]
    return "\n".join([*lines, *(f"  {run.folder}" for run in runs)])


def _written(
    plan: BenchmarkPlan,
    place: Path,
    runs: Sequence[PlannedRun],
    studies: Studies,
    synthetic: bool,
    command: str,
) -> BenchmarkResult:
    table = runs_frame(runs, place)
    per_brand = per_brand_frame(table, place)
    found = results_frame(plan, per_brand)
    frames = {"runs": table[[*RUN_COLUMNS]], "per_brand": per_brand, "results": found}
    for name, frame in frames.items():
        write_text(place / f"{name}.csv", frame.to_csv(index=False, float_format="%.12g"))
    remarks = _tuning_remarks(plan, studies)
    result = BenchmarkResult(plan, place, table, per_brand, found, synthetic, remarks)
    write_tables(result)
    if (table["status"] == FINISHED).any():
        run = portrait_run(place, table, plan.main)
        if run is not None:
            write_portrait(place, run, plan.main)
        write_page(result, command)
    return result


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
