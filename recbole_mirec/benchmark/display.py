"""A benchmark as plain text: what it will do, and what it found."""

from typing import Any

import pandas as pd

from dataset_convert import schema
from recbole_mirec.benchmark.benchmark import BenchmarkResult, check_settings
from recbole_mirec.benchmark.page import REPORT_FILE
from recbole_mirec.benchmark.plan import BenchmarkPlan
from recbole_mirec.benchmark.planned import planned_runs
from recbole_mirec.benchmark.studies import planned_studies
from recbole_mirec.benchmark.summary import RESULTS_FILE
from recbole_mirec.benchmark.tables import FOLDER, METRICS
from recbole_mirec.results import data_title, format_table, metric_title
from recbole_mirec.tuning.trial import FINISHED

LEAST_P = 0.001


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
    """Title, a table a protocol, failures, and where the files are."""
    plan = result.plan
    data = data_title(plan.dataset, synthetic=result.synthetic)
    ended = result.runs["status"] == FINISHED
    lines = [f"{plan.name} on {data}: {int(ended.sum())} of {len(ended)} runs finished"]
    for protocol in plan.protocols:
        lines += _protocol_lines(result, protocol)
    lines.append("")
    for run in result.runs[~ended].itertuples():
        lines.append(f"{run.status}: {run.folder}: {run.reason}".rstrip(": "))
    lines.append(f"Files: {result.folder} ({REPORT_FILE}, {RESULTS_FILE}, {FOLDER}/)")
    return "\n".join(lines)


def _protocol_lines(result: BenchmarkResult, protocol: str) -> list[str]:
    rows = result.results[
        (result.results["protocol"] == protocol) & (result.results["part"] == schema.TEST)
    ]
    if rows.empty:
        return []
    means = rows.pivot_table(index="label", columns="metric", values="mean", sort=False)
    shown = [name for name in METRICS if name in means]
    maps = rows[rows["metric"] == "MAP"].set_index("label")
    table = pd.DataFrame({"": means.index})
    for name in shown:
        table[metric_title(name)] = means[name].to_numpy()
    table["MAP, 95 %"] = [_interval(maps, label) for label in means.index]
    table["p (Holm)"] = [_adjusted(maps, label) for label in means.index]
    folds = f", {result.plan.folds} folds" if result.plan.folds else ""
    against = f"{result.plan.main}{_of_ablations(result.plan)}"
    title = f"protocol {protocol}, test part{folds}; p: MAP against {against}"
    return ["", title, format_table(table, decimals=4)]


def _of_ablations(plan: BenchmarkPlan) -> str:
    return "" if plan.ablated in (None, plan.main) else f", of ablations against {plan.ablated}"


def _interval(maps: pd.DataFrame, label: str) -> str | None:
    if label not in maps.index:
        return None
    low, high = (float(maps[end][label]) for end in ("low", "high"))
    return f"{low:.3f} to {high:.3f}"


def _adjusted(maps: pd.DataFrame, label: str) -> str | None:
    p: Any = maps["p_holm"].get(label)
    if pd.isna(p):
        return None
    return f"{p:.3f}" if p >= LEAST_P else f"< {LEAST_P}"
