"""`tuning.html`: a study on one page that needs neither a network nor scripts."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from recbole_mirec import plots
from recbole_mirec.runs import write_text
from recbole_mirec.sweep import DIVERGED, FAILED, FINISHED, STOPPED
from recbole_mirec.templates import MISSING, Cell, counted, duration, render
from recbole_mirec.tuning.space import Parameter, value_text

N_TOP, MIN_TRIALS = 10, 8
_FATES = {
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
        synthetic: whether its data is synthetic.
        protocol: of the evaluation.
        metric: name of the validation metric that ranks the trials.
        bigger: whether a larger value of it is better.
        algo: exhaustive | random | bayes.
        seed: of the study.
        command: the command line that started it.
        trials: as `trial.trials_frame` gives them.
        parameters: of the search space, in the order of the page.
        winner: number of the best trial; None where no trial has a score.
        winner_yaml: content of winner.yaml; "" where there is none.
        winner_metrics: columns `metric`, `validation` and, once the test part was read, `test`.
        notes: what a reader of the figures has to know.
        status: running | finished.
        n_tested: how often the study has evaluated a winner on the test part.
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


@dataclass(frozen=True, eq=False)
class Axis:
    """A parameter's values between 0 and 1: on a grid, or as they are drawn.

    Attributes:
        places: (trial).
        ticks: place and label.
    """

    places: plots.Array
    ticks: plots.Ticks


def write_report(path: Path, study: StudyReport) -> None:
    """Write the page, whole or not at all.

    Raises:
        ValueError: a trial has a value that is none of its parameter's.
    """
    trials = study.trials.sort_values("trial", ignore_index=True)
    score = pd.to_numeric(trials["score"], errors="coerce")
    trials["score"] = score.where(trials["status"].isin((FINISHED, STOPPED)) & np.isfinite(score))
    ranked = trials.dropna(subset="score")
    ranked = ranked.sort_values("score", ascending=not study.bigger, kind="stable")
    axes = {one.name: axis_of(one, trials[one.name].tolist()) for one in study.parameters}
    page = render(
        "tuning.html.j2",
        study=study,
        headline=headline(study, trials),
        metrics=_metric_rows(study.winner_metrics.dropna(axis="columns", how="all")),
        top=[_top_row(row, list(axes)) for row in ranked.head(N_TOP).to_dict(orient="records")],
        n_trials=len(trials),
        n_scored=len(ranked),
        unfinished=_unfinished(trials),
        pictures=_pictures(study, trials, axes) if len(trials) else None,
        importance=importance(ranked, axes, seed=study.seed),
        min_trials=MIN_TRIALS,
    )
    write_text(path, page)


def headline(study: StudyReport, trials: pd.DataFrame) -> str:
    """The study in one sentence."""
    if trials.empty:
        return "No trial has ended yet."
    counts = Counter(trials["status"])
    fates = ", ".join(f"{counts[one]} {word}" for one, word in _FATES.items() if counts[one])
    time = duration(float(trials["seconds"].sum()))
    tail = f"{counted(len(trials), 'trial')}: {fates}; {time} of computing in all."
    if study.winner is None:
        return f"No settings reached a validation score in {tail}"
    best = score_text(trials.set_index("trial")["score"][study.winner])
    found = f"reach a validation {study.metric} of {best}"
    return f"The best settings (trial {study.winner}) {found}, found in {tail}"


def score_text(score: float) -> str:
    """A score with four places; large ones with fewer; a dash where there is none."""
    size = abs(score)
    return (
        MISSING if math.isnan(score) else f"{score:.{4 if size < 10 else 2 if size < 1e3 else 0}f}"
    )


def value_label(value: Any) -> str:
    """A value as a person reads it: 0.0005, 5e-5, [64, 64], None."""
    if isinstance(value, float):
        return f"{value:.4g}".replace("e-0", "e-").replace("e+0", "e").replace("e+", "e")
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(value_label, value))}]"
    return str(value)


def axis_of(parameter: Parameter, values: Sequence[Any]) -> Axis:
    """Where the values of a parameter stand: options of a choice side by side, numbers in order.

    Raises:
        ValueError: a value is none of the options.
    """
    if parameter.kind == "choice":
        options = list(parameter.values)
        if all(type(option) in (int, float) for option in options):
            options.sort()
        texts = [value_text(option) for option in options]
        middles = (np.arange(len(options)) + 0.5) / len(options)
        places = np.array([middles[texts.index(value_text(value))] for value in values])
        return Axis(places, list(zip(middles.tolist(), map(value_label, options), strict=True)))
    low, high = parameter.values[:2]
    # Bounds of loguniform are exponents of e.
    log = parameter.kind == "loguniform"
    scale, ends = (np.log, np.exp((low, high))) if log else (np.asarray, (low, high))
    marks = plots.round_numbers(*ends, log=log)
    places, ticks = ((scale(np.array(x, float)) - low) / (high - low) for x in (values, marks))
    return Axis(
        np.clip(places, 0, 1), list(zip(ticks.tolist(), map(value_label, marks), strict=True))
    )


def importance(
    scored: pd.DataFrame, axes: Mapping[str, Axis], *, seed: int
) -> list[list[str | Cell]] | None:
    """How much of the score's variance a forest loses when it no longer knows a parameter.

    A random forest learns the score from the parameters on four fifths of the trials, five times
    over. Half of what its squared error on the other fifth rises by when one parameter's values are
    shuffled there, over the variance of the scores, is that parameter's share with all its
    interactions; a parameter that says nothing about unseen trials has none.

    Args:
        scored: the trials that have a score; the index tells their places on the axes.
        axes: of the parameters.
        seed: of the forest.

    Returns:
        Rows of the page's table, the most important first. None where fewer than `MIN_TRIALS`
        trials count, all have the same score, or there is no parameter.
    """
    trials = scored.sort_index()
    scores = trials["score"].to_numpy(dtype=np.float64)
    if len(scores) < MIN_TRIALS or not axes or np.ptp(scores) == 0:
        return None
    from sklearn.ensemble import RandomForestRegressor
    from sklearn.inspection import permutation_importance
    from sklearn.model_selection import KFold

    # One order for all callers: ties between splits are broken by the column's place.
    names = sorted(axes)
    places = np.stack([axes[name].places[trials.index] for name in names], axis=1)
    shares = np.zeros(len(names))
    for train, held in KFold(5, shuffle=True, random_state=seed).split(places):
        forest = RandomForestRegressor(64, random_state=seed).fit(places[train], scores[train])
        rise = permutation_importance(
            forest, places[held], scores[held], scoring="neg_mean_squared_error", random_state=seed
        )
        shares += rise.importances_mean * len(held) / len(scores) / (2 * scores.var())
    shares = 100 * np.clip(shares, 0, 1)
    return [
        [
            names[n],
            Cell("", part=shares[n]),
            f"{shares[n]:.0f} %",
            str(len(np.unique(places[:, n]))),
        ]
        for n in np.argsort(-shares, kind="stable")
    ]


def _pictures(study: StudyReport, trials: pd.DataFrame, axes: Mapping[str, Axis]) -> dict[str, Any]:
    scores = trials["score"].to_numpy(dtype=np.float64)
    kinds = np.where(np.isnan(scores) & (trials["status"] != DIVERGED), FAILED, trials["status"])
    kinds = np.where(trials["trial"] == study.winner, "winner", kinds)
    title = f"{study.metric} of every trial"
    drawn: dict[str, Any] = {
        "kinds": set(kinds.tolist()),
        "history": plots.history(title, scores, kinds, bigger=study.bigger),
        "parameters": {},
        "parallel": None,
    }
    for one in study.parameters:
        name, axis, is_choice = one.name, axes[one.name], one.kind == "choice"
        drawn["parameters"][name] = plots.parameter(
            f"{study.metric} against {name}", axis.places, scores, kinds, axis.ticks, is_choice
        )
    if np.isfinite(scores).any():
        low, high = plots.limits(scores)
        rows = {name: axis.ticks for name, axis in axes.items()}
        marks = plots.round_numbers(low, high)
        rows[study.metric] = [((mark - low) / (high - low), f"{mark:g}") for mark in marks]
        lines = np.stack([*(axis.places for axis in axes.values()), (scores - low) / (high - low)])
        # The worst first, those without a score last, the winner behind its equals.
        turn = np.lexsort((trials["trial"] == study.winner, scores if study.bigger else -scores))
        lines = lines.T[turn[: np.isfinite(scores).sum()]]
        name = f"parameters and {title}"
        drawn["parallel"] = plots.parallel(name, lines, rows, winner=study.winner is not None)
    return drawn


def _metric_rows(metrics: pd.DataFrame) -> list[list[str]]:
    """The winner's metrics, MAP first by either rules, then the others in their order."""
    if metrics.empty:
        return []
    table = metrics.set_index("metric")
    ordered = sorted(table.index, key=lambda name: name not in ("MAP", "paper_map"))
    return [[name, *map(score_text, table.loc[name])] for name in ordered]


def _top_row(row: Mapping[Any, Any], names: Sequence[str]) -> list[str]:
    values = [value_label(row[name]) for name in names]
    epochs = f"{row['best_epoch'] or MISSING} of {row['n_epochs']}"
    tail = [row["status"], epochs, duration(row["seconds"])]
    return [str(row["trial"]), score_text(row["score"]), *values, *tail]


def _unfinished(trials: pd.DataFrame) -> list[list[str]]:
    """What happened, why, and the numbers of the trials, those of one reason together."""
    groups: dict[tuple[str, str], list[str]] = {}
    for row in trials.to_dict(orient="records"):
        if row["status"] != FINISHED or math.isnan(row["score"]):
            key = (_FATES[row["status"]], row["reason"] or "no reason was given")
            groups.setdefault(key, []).append(str(row["trial"]))
    return [[*key, ", ".join(numbers)] for key, numbers in groups.items()]
