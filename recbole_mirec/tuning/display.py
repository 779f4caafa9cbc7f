"""Results of tuning as plain text: top trials, the winner, models side by side."""

import pandas as pd

from recbole_mirec.results import (
    data_title,
    format_table,
    metric_title,
    rule_prefix,
    smaller_is_better,
)
from recbole_mirec.tuning.comparison import TABLE_FILE, WINNERS, Comparison
from recbole_mirec.tuning.progress import duration
from recbole_mirec.tuning.records import N_EPOCHS, REASON, SCORE, SECONDS, STATUS, TRIAL, value_text
from recbole_mirec.tuning.study import StudyResult, study_protocol
from recbole_mirec.tuning.study_folder import REPORT_FILE, WINNER_FILE

N_TOP = 10


def study_text(result: StudyResult) -> str:
    """Title, top trials, failures by reason, the winner on both parts, and where files are."""
    lines = [study_title(result), "", _top_table(result), ""]
    lines += _failures(result.trials)
    if result.winner is None:
        lines += [f"No trial has a score. Logs: {result.folder / 'trials'}"]
        return "\n".join(lines)
    winner = result.winner
    read = "the test part was read once, for this trial, after the search"
    if winner.n_tested > 1:
        read = f"this study has read the test part {winner.n_tested} times: it was extended"
    if winner.test is None:
        read = "the data set has no test part"
    lines += [
        f"Winner: trial {winner.trial.number}; {read}",
        _parts_table(result),
        *(f"Note: {note}" for note in result.notes),
        "",
        f"Settings: {result.folder / WINNER_FILE}",
        f"  python run_recbole_mirec.py --config_files {result.folder / WINNER_FILE}",
        f"Report: {result.folder / REPORT_FILE}",
    ]
    return "\n".join(lines)


def study_title(result: StudyResult) -> str:
    """What was tuned, on what, how, in one line."""
    settings = result.plan.settings
    data = data_title(str(settings["dataset"]), synthetic=result.synthetic)
    seconds = result.trials["finished_at"].max() if len(result.trials) else 0.0
    return (
        f"{settings['model']} on {data}, protocol {study_protocol(settings)}: "
        f"{len(result.trials)} trials by {result.plan.algorithm} search in {duration(seconds)}"
    )


def _top_table(result: StudyResult) -> str:
    smaller = smaller_is_better(result.plan.metric)
    scored = result.trials[result.trials[SCORE].notna()]
    best = scored.assign(**{SCORE: scored[SCORE].astype(float)}).sort_values(
        [SCORE, TRIAL], ascending=[smaller, True]
    )
    shown = pd.DataFrame({TRIAL: best[TRIAL]})
    shown[metric_title(result.plan.metric)] = best[SCORE]
    for name in result.plan.parameters:
        shown[name] = best[name].map(value_text)
    # "epochs" is a key that can be searched itself
    shown["epochs run"] = best[N_EPOCHS]
    shown["s"] = best[SECONDS].map(lambda seconds: f"{seconds:.0f}")
    shown[STATUS] = best[STATUS]
    return format_table(shown.head(N_TOP).astype({TRIAL: str}), decimals=4)


def _failures(trials: pd.DataFrame) -> list[str]:
    lines = []
    for (status, reason), rows in trials[trials[SCORE].isna()].groupby(
        [STATUS, REASON], sort=False
    ):
        numbers = ", ".join(map(str, rows[TRIAL]))
        lines.append(f"{status}: {'trial' if len(rows) == 1 else 'trials'} {numbers}: {reason}")
    return [*lines, ""] if lines else []


def _parts_table(result: StudyResult) -> str:
    assert result.winner is not None
    parts = {"validation": result.winner.valid, "test": result.winner.test}
    rows = [
        {"": part, **{metric_title(name): values[name] for name in values if not rule_prefix(name)}}
        for part, values in parts.items()
        if values is not None
    ]
    return format_table(pd.DataFrame(rows), decimals=4)


def comparison_text(found: Comparison) -> str:
    """A table a protocol: every model's winner, validation above test."""
    first = found.results[0]
    data = data_title(str(first.plan.settings["dataset"]), synthetic=first.synthetic)
    lines = [f"Tuned on {data} under one budget: {found.budget}, by validation {first.plan.metric}"]
    frame = found.frame()
    winners = [result.winner for result in found.results if result.winner is not None]
    names = dict.fromkeys(name for winner in winners for name in winner.valid)
    measured = [name for name in names if not rule_prefix(name)]
    for protocol, rows in frame.groupby("protocol", sort=False):
        metrics = [name for name in measured if name in rows]
        shown = pd.DataFrame(
            {
                "model": rows["model"],
                "trials": rows["n_trials"],
                "min": rows["minutes"].map("{:.1f}".format),
                "part": rows["part"].map({"valid": "validation", "test": "test"}),
                **{metric_title(name): rows[name] for name in metrics},
            }
        )
        lines += ["", f"protocol {protocol}", format_table(shown, decimals=4)]
        notes = {
            note
            for result in found.results
            if result.plan.settings["protocol"] == protocol
            for note in result.notes
        }
        lines += [f"Note: {note}" for note in sorted(notes)]
    lines += ["", f"Files: {found.folder} ({TABLE_FILE}, {WINNERS}/*.yaml)"]
    return "\n".join(lines)
