"""`tuning.html`: a study on one page that needs neither a network nor JavaScript."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree.ElementTree import Element

import pandas as pd

from dataset_convert.page.document import document
from dataset_convert.page.markup import Child, append, element
from dataset_convert.page.tables import note, table
from recbole_mirec.results import data_title
from recbole_mirec.runs import write_text
from recbole_mirec.sweep import DIVERGED, FAILED, FINISHED, STOPPED
from recbole_mirec.tuning.report.axis import value_label
from recbole_mirec.tuning.report.figures import (
    Scores,
    history_figure,
    history_key,
    parallel_figure,
    parameter_figure,
    score_text,
)
from recbole_mirec.tuning.report.importance import MIN_TRIALS, parameter_importance
from recbole_mirec.tuning.report.parts import MISSING, duration, number_text
from recbole_mirec.tuning.report.rows import TrialRow, read_rows
from recbole_mirec.tuning.report.style import CSS
from recbole_mirec.tuning.space import Parameter

RUNNING, OVER = "running", "finished"
N_TOP = 10
_STATUS_WORDS = {
    FINISHED: "finished",
    STOPPED: "stopped early",
    DIVERGED: "diverged",
    FAILED: "failed",
}


@dataclass(frozen=True, eq=False)
class StudyReport:
    """What the page says of a study.

    Attributes:
        model: name of the model.
        dataset: name of the data set.
        synthetic: whether its data is synthetic; the page then says so beside every figure.
        protocol: of the evaluation.
        metric: name of the validation metric that ranks the trials.
        bigger: whether a larger value of it is better.
        algo: exhaustive | random | bayes.
        seed: of the study.
        command: the command line that started it.
        trials: the columns of trials.csv.
        parameters: of the search space, in the order of the page.
        winner: number of the best trial; None where no trial has a score.
        winner_yaml: content of winner.yaml; "" where there is none.
        winner_metrics: columns `metric`, `validation` and, once the test part was read, `test`.
        n_tested: how often the study has evaluated a winner on the test part.
        notes: what a reader of the figures has to know.
        status: running | finished.

    Raises:
        ValueError: an unknown status.
    """

    model: str
    dataset: str
    synthetic: bool
    protocol: str
    metric: str
    bigger: bool
    algo: str
    seed: int
    command: str
    trials: pd.DataFrame
    parameters: tuple[Parameter, ...]
    winner: int | None
    winner_yaml: str
    winner_metrics: pd.DataFrame
    notes: tuple[str, ...]
    status: str
    n_tested: int = 1

    def __post_init__(self) -> None:
        if self.status not in (RUNNING, OVER):
            raise ValueError(
                f"The 'status' parameter of StudyReport must be {RUNNING} or {OVER}. "
                f"Received: {self.status!r}."
            )

    @property
    def data(self) -> str:
        """The data set as it is named beside figures."""
        return data_title(self.dataset, synthetic=self.synthetic)


def write_report(path: Path, study: StudyReport) -> None:
    """Write the page under a temporary name and rename it.

    Args:
        path: of the HTML file.
        study: what it shows.

    Raises:
        ValueError: the trials lack a column, hold a value that the search space does not have, or
            the winner is none of the trials with a score.
    """
    rows = read_rows(study.trials, study.parameters)
    scores = Scores(rows, study.metric, study.bigger, study.winner)
    ranked = sorted(scores.scored(), key=lambda pair: pair[1], reverse=study.bigger)
    if study.winner is not None and study.winner not in [row.number for row, _ in ranked]:
        raise ValueError(
            f"The 'winner' of a StudyReport must be a trial with a score. Received: {study.winner}."
        )
    title = f"Tuning of {study.model} on {study.data}"
    body = element("body", element("h1", title), *_summary(study, scores))
    append(body, *_winner_metrics(study, len(rows)))
    if rows:
        append(body, *_figures(study, scores))
        append(body, *_importance(study))
    append(body, *_top_trials(study, [row for row, _ in ranked]))
    append(body, *_winner_settings(study), *_unfinished(rows))
    write_text(path, document(title, body, style=CSS))


def headline(study: StudyReport, scores: Scores) -> str:
    """The study in one sentence."""
    n_trials = len(scores.rows)
    if not n_trials:
        return "No trial has ended yet."
    counts = Counter(row.status for row in scores.rows)
    fates = [f"{counts[status]} {word}" for status, word in _STATUS_WORDS.items() if counts[status]]
    trials = "1 trial" if n_trials == 1 else f"{n_trials} trials"
    seconds = sum(row.seconds for row in scores.rows)
    tail = f"{trials}: {', '.join(fates)}; {duration(seconds)} of computing in all."
    best = next((score for row, score in scores.scored() if row.number == study.winner), None)
    if best is None:
        return f"No settings reached a validation score in {tail}"
    found = f"reach a validation {study.metric} of {score_text(best)}"
    return f"The best settings (trial {study.winner}) {found}, found in {tail}"


def _summary(study: StudyReport, scores: Scores) -> list[Element]:
    better = "higher" if study.bigger else "lower"
    parts = [element("p", headline(study, scores), class_="headline")]
    if study.status == RUNNING:
        parts.append(element("p", "The search is still running.", class_="running"))
    facts = {
        "Model": study.model,
        "Data": study.data,
        "Protocol": study.protocol,
        "Score": f"validation {study.metric}, on collaborations held out of training; "
        f"{better} is better",
        "Search": f"{study.algo}, seed {study.seed}, "
        f"{len(study.parameters)} parameter{'s' if len(study.parameters) != 1 else ''}",
    }
    listed = element("dl")
    for term, text in facts.items():
        append(listed, element("dt", term), element("dd", text))
    command = element("dd", element("code", study.command))
    append(listed, element("dt", "Command"), command)
    return [*parts, listed]


def _winner_metrics(study: StudyReport, n_trials: int) -> list[Element]:
    parts = [note(f"Note: {text}") for text in study.notes]
    if study.winner is None:
        return parts
    frame = study.winner_metrics
    has_test = "test" in frame.columns and bool(frame["test"].notna().any())
    columns = ["validation", "test"] if has_test else ["validation"]
    rows = [
        [str(record["metric"]), *(number_text(record[column]) for column in columns)]
        for record in frame.to_dict(orient="records")
    ]
    text = "The test part has not been read; no trial sees it."
    if has_test:
        read = "once, for the winner, after the search"
        if study.n_tested > 1:
            read = f"{study.n_tested} times, for a winner each, because the study was extended"
        text = (
            f"The test part was read {read}. The validation {study.metric} is the best of "
            f"{n_trials} and flatters the winner; test shows what to expect."
        )
    return [
        element("h2", f"The best settings: trial {study.winner}"),
        element("p", text),
        table(["metric", *columns], rows, n_words=1),
        note(f"Data: {study.data}, protocol {study.protocol}."),
        *parts,
    ]


def _figures(study: StudyReport, scores: Scores) -> list[Element]:
    parts = [element("h2", "Score over trials"), history_key(scores)]
    text = f"Validation {study.metric} of each trial in the order of the search."
    parts.append(_figure(history_figure(scores), text, study))
    parts.append(element("h2", "Each parameter against the score"))
    text = f"Validation {study.metric} against one parameter at a time; marks as above."
    if scores.scored() and any(parameter.kind == "choice" for parameter in study.parameters):
        text += " A dark bar is the median of the trials with that value."
    panels = element("div", class_="grid")
    for parameter in study.parameters:
        name = element("h3", parameter.name)
        append(panels, element("figure", name, parameter_figure(scores, parameter)))
    parts += [panels, note(f"{text} Data: {study.data}.")]
    if scores.scored():
        text = (
            "One line a trial, from parameter to parameter and down to its score: the stronger "
            "the colour, the better the score; the best trial is orange. Trials without a score "
            "are left out."
        )
        parts.append(element("h2", "All parameters together"))
        parts.append(_figure(parallel_figure(scores, study.parameters), text, study))
    return parts


def _importance(study: StudyReport) -> list[Element]:
    parts = [element("h2", "Importance of the parameters")]
    found = parameter_importance(study.trials, study.parameters, seed=study.seed)
    if found is None:
        text = f"No estimate: it takes at least {MIN_TRIALS} trials with scores that differ."
        return [*parts, element("p", text)]
    total = float(found["importance"].sum())
    if total == 0:
        text = (
            "None found: the trials' scores cannot be predicted from their parameters. Either "
            "the parameters hardly matter in these ranges, or there are too few trials to tell."
        )
        return [*parts, element("p", text)]
    rows: list[list[Child]] = []
    for record in found.to_dict(orient="records"):
        share = 100 * float(record["importance"])
        bar = element("rect", height="100%", width=f"{share:.1f}%")
        drawn = element("svg", bar, aria_hidden="true")
        rows.append([str(record["parameter"]), drawn, f"{share:.0f} %", str(record["n_values"])])
    text = (
        f"The share of the score's variance over the search space that a parameter explains by "
        f"itself: {100 * total:.0f} % together. The rest is interactions of parameters and what "
        f"the estimate (a random forest's functional ANOVA) cannot predict. It describes these "
        f"ranges only, and with few trials it is weak: compare large differences, not small ones."
    )
    drawn_rows = table(["parameter", "", "share", "values tried"], rows, n_words=2)
    drawn_rows[0].set("class", "bars")
    for cell in drawn_rows.iter("td"):
        if len(cell):
            cell.set("class", "bar")
    return [*parts, drawn_rows, note(f"{text} Data: {study.data}.")]


def _top_trials(study: StudyReport, ranked: Sequence[TrialRow]) -> list[Element]:
    if not ranked:
        return []
    names = [parameter.name for parameter in study.parameters]
    header = ["trial", study.metric, *names, "status", "epoch", "time"]
    rows = [
        [
            str(row.number),
            number_text(row.score),
            *(value_label(row.values[name]) for name in names),
            row.status,
            f"{row.best_epoch or MISSING} of {row.n_epochs}",
            duration(row.seconds),
        ]
        for row in ranked[:N_TOP]
    ]
    listed = table(header, rows, n_words=0)
    for row, line in zip(ranked, list(listed.iter("tr"))[1:], strict=False):
        if row.number == study.winner:
            line.set("class", "winner")
    shown = f"The best {len(rows)} of {len(ranked)} trials with a score"
    text = f"{shown}, by validation {study.metric}; epoch: the best of those trained."
    return [element("h2", "Top trials"), listed, note(f"{text} Data: {study.data}.")]


def _winner_settings(study: StudyReport) -> list[Element]:
    if not study.winner_yaml:
        return []
    use = "python run_recbole_mirec.py --config_files winner.yaml"
    text = "The settings of the best trial stand in winner.yaml. To train with them, give its path:"
    return [
        element("h2", "Using the best settings"),
        element("p", text),
        element("pre", element("code", use)),
        element("p", "winner.yaml (a click selects all of it):"),
        element("pre", element("code", study.winner_yaml)),
    ]


def _unfinished(rows: Sequence[TrialRow]) -> list[Element]:
    """Trials that did not run to their end, those of one reason together."""
    groups: dict[tuple[str, str], list[int]] = {}
    for row in rows:
        if row.status != FINISHED or row.score is None:
            groups.setdefault((row.status, row.reason), []).append(row.number)
    if not groups:
        return []
    lines = [
        [
            _STATUS_WORDS.get(status, status),
            reason or "no reason was given",
            ", ".join(map(str, numbers)),
        ]
        for (status, reason), numbers in sorted(groups.items(), key=lambda group: group[1])
    ]
    listed = table(["what happened", "reason", "trials"], lines, n_words=3)
    for line in listed.iter("tr"):
        for cell in list(line)[1:]:
            cell.set("class", "reason")
    return [element("h2", "Trials that did not run to their end"), listed]


def _figure(drawn: Element, text: str, study: StudyReport) -> Element:
    return element("figure", drawn, element("figcaption", f"{text} Data: {study.data}."))
