"""Results as plain text that a person can read."""

from typing import TYPE_CHECKING

import pandas as pd

from recbole_mirec.metric_names import PAPER, UNSEEN, rule_prefix
from recbole_mirec.notes import data_title, protocol_title
from recbole_mirec.results import Evaluation

if TYPE_CHECKING:
    from recbole_mirec.quick_start import ExperimentResult

RANK_TITLE = "MedR"
PARTS = {"valid": "validation", "test": "test"}


def format_table(frame: pd.DataFrame, *, decimals: int) -> str:
    """A frame with right-aligned columns; floats rounded, ranks to one place, a dash if missing."""

    def cell(name: str, value: object) -> str:
        if value is None or value is pd.NA or (isinstance(value, float) and value != value):
            return "-"
        places = 1 if name == RANK_TITLE else decimals
        return f"{value:.{places}f}" if isinstance(value, float) else str(value)

    names = [str(name) for name in frame.columns]
    rows = [names]
    rows += [list(map(cell, names, row)) for row in frame.itertuples(index=False)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            entry.ljust(width) if position == 0 else entry.rjust(width)
            for position, (entry, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def result_table(result: "ExperimentResult") -> str:
    """Title, metrics of both parts under both rules, the epoch chosen, time, notes and files."""
    data = data_title(result.dataset, synthetic=result.synthetic)
    protocol = protocol_title(result.protocol, result.folds, result.fold)
    rows: list[dict[str, object]] = []
    for evaluation in (result.valid, result.test):
        if evaluation is not None:
            rows += _rows(evaluation)
    lines = [
        f"{result.model} on {data}, protocol {protocol}, seed {result.seed}",
        "",
        format_table(pd.DataFrame(rows), decimals=4),
        "",
        f"epoch {result.best_epoch} of {result.n_epochs}, chosen by validation "
        f"{result.valid_metric}; {result.seconds:.0f} s",
    ]
    lines += [f"Note: {note}" for note in result.notes]
    lines.append(
        f"Files: {result.run_folder} (per_brand.*.csv, per_category.*.csv where brands have "
        f"categories, config.yaml, run.json, best.safetensors)"
    )
    return "\n".join(lines)


def _rows(evaluation: Evaluation) -> list[dict[str, object]]:
    size = f"({len(evaluation.per_brand)} brands, {evaluation.n_candidates} candidates)"
    groups: dict[str, dict[str, float]] = {"": {}, PAPER: {}, UNSEEN: {}}
    for name, value in evaluation.summary.items():
        prefix = rule_prefix(name)
        groups[prefix][metric_title(name.removeprefix(prefix))] = value
    labels = {
        "": f"{PARTS[evaluation.part]} {size}",
        PAPER: "  by the paper's rules",
        UNSEEN: "  unseen influencers only",
    }
    rows: list[dict[str, object]] = []
    for prefix, values in groups.items():
        if values:
            rows.append({"": labels[prefix], **values})
    return rows


def metric_title(name: str) -> str:
    """A metric's name as it heads a column."""
    standard = {"auc": "AUC", "cauc": "cAUC", "map": "MAP", "mrr": "MRR", "medr": RANK_TITLE}
    short = name.replace("recall@", "R@").replace("Recall@", "R@")
    return standard.get(short, short)
