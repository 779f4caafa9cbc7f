"""A benchmark as plain text: what it will do, and what it found."""

from recbole_mirec.benchmark.benchmark import BenchmarkResult, check_settings
from recbole_mirec.benchmark.plan import BenchmarkPlan
from recbole_mirec.benchmark.planned import planned_runs
from recbole_mirec.benchmark.studies import planned_studies
from recbole_mirec.notes import data_title
from recbole_mirec.tuning.trial import FINISHED


def plan_text(plan: BenchmarkPlan) -> str:
    """The studies and the runs of a plan, one a line.

    Raises:
        UsageError: a run that could not be configured.
    """
    runs = planned_runs(plan)
    check_settings(runs)
    studies = planned_studies(plan)
    lines = [f"{plan.name} on {plan.dataset}: {len(runs)} runs, {plan.jobs} at a time"]
    if plan.tuning is not None:
        budget = f"{plan.tuning.max_evals} trials of {plan.tuning.algo} search"
        lines += [f"before them {len(studies)} studies, {budget} each"]
        lines += [f"  study: {study.folder}" for study in studies]
    return "\n".join([*lines, *(f"  {run.folder}" for run in runs)])


def result_text(result: BenchmarkResult) -> str:
    """Title, failures and where the files are."""
    data = data_title(result.plan.dataset, synthetic=result.synthetic)
    ended = result.runs["status"] == FINISHED
    lines = [f"{result.plan.name} on {data}: {int(ended.sum())} of {len(ended)} runs finished"]
    for run in result.runs[~ended].itertuples():
        lines.append(f"{run.status}: {run.folder}: {run.reason}")
    return "\n".join([*lines, f"Files: {result.folder}"])
