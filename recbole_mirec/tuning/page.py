"""`tuning.html`: a study on one page that needs neither a network nor scripts."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recbole_mirec import plots
from recbole_mirec.results import data_title
from recbole_mirec.runs import write_text
from recbole_mirec.templates import counted, duration, render
from recbole_mirec.tuning.parameter import Parameter
from recbole_mirec.tuning.records import value_text
from recbole_mirec.tuning.trial import DIVERGED, FAILED, FINISHED, STOPPED

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
        trials: as `records.trials_frame` gives them.
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

    places: NDArray[np.float64]
    ticks: tuple[tuple[float, str], ...]


def write_report(path: Path, study: StudyReport) -> None:
    """Write the page, whole or not at all.

    Args:
        path: of the HTML file.
        study: what it shows.

    Raises:
        ValueError: a trial has a value that is none of its parameter's.
    """
    trials = study.trials.sort_values("trial", ignore_index=True)
    score = pd.to_numeric(trials["score"], errors="coerce")
    trials["score"] = score.where(trials["status"].isin((FINISHED, STOPPED)) & np.isfinite(score))
    ranked = trials.dropna(subset="score").sort_values(
        "score", ascending=not study.bigger, kind="stable"
    )
    axes = {one.name: axis_of(one, trials[one.name].tolist()) for one in study.parameters}
    metrics = study.winner_metrics.dropna(axis="columns", how="all").to_dict(orient="records")
    metrics.sort(key=lambda row: row["metric"] != "MAP")
    page = render(
        "tuning.html.j2",
        study=study,
        data=data_title(study.dataset, synthetic=study.synthetic),
        headline=headline(study, trials),
        metrics=metrics,
        top=ranked.head(N_TOP).to_dict(orient="records"),
        n_trials=len(trials),
        n_scored=len(ranked),
        unfinished=_unfinished(trials),
        pictures=_pictures(study, trials, axes) if len(trials) else None,
        importance=importance(ranked, axes, seed=study.seed),
        min_trials=MIN_TRIALS,
        score_text=score_text,
        value_label=value_label,
    )
    write_text(path, page)


def headline(study: StudyReport, trials: pd.DataFrame) -> str:
    """The study in one sentence."""
    if trials.empty:
        return "No trial has ended yet."
    counts = Counter(trials["status"])
    fates = ", ".join(f"{counts[one]} {word}" for one, word in _FATES.items() if counts[one])
    tail = f"{counted(len(trials), 'trial')}: {fates}; "
    tail += f"{duration(float(trials['seconds'].sum()))} of computing in all"
    if study.winner is None:
        return f"No settings reached a validation score in {tail}"
    best = score_text(trials.set_index("trial")["score"][study.winner])
    return (
        f"The best settings (trial {study.winner}) reach a validation {study.metric} of {best}, "
        f"found in {tail}"
    )


def score_text(score: float) -> str:
    """A score with four places; large ones with fewer."""
    size = abs(score)
    return f"{score:.{4 if size < 10 else 2 if size < 1000 else 0}f}"


def value_label(value: Any) -> str:
    """A value as a person reads it: 0.0005, 5e-5, [64, 64], None."""
    if isinstance(value, float):
        return f"{value:.4g}".replace("e-0", "e-").replace("e+0", "e")
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
        middles = [(place + 0.5) / len(options) for place in range(len(options))]
        places = [middles[texts.index(value_text(value))] for value in values]
        return Axis(np.array(places), tuple(zip(middles, map(value_label, options), strict=True)))
    low, high = parameter.values[:2]
    # Bounds of loguniform are exponents of e.
    log = parameter.kind == "loguniform"
    marks = plots.round_numbers(*((math.exp(low), math.exp(high)) if log else (low, high)), log=log)
    numbers, ticks = np.array(values, dtype=np.float64), np.array(marks)
    if log:
        numbers, ticks = np.log(numbers), np.log(ticks)
    places = (np.clip(numbers, low, high) - low) / (high - low)
    return Axis(places, tuple(zip((ticks - low) / (high - low), map(value_label, marks), strict=True)))


def importance(
    scored: pd.DataFrame, axes: dict[str, Axis], *, seed: int
) -> list[tuple[str, float, int]] | None:
    """How much of the score's variance a forest loses when it no longer knows a parameter.

    A random forest learns the score from the parameters on four fifths of the trials, five times
    over. Half of what its squared error on the other fifth rises by when one parameter's values are
    shuffled there, over the variance of the scores, is that parameter's share with all its
    interactions; a parameter that says nothing about unseen trials has none.

    Args:
        scored: the trials that have a score; the index tells their places.
        axes: of the parameters.
        seed: of the forest.

    Returns:
        parameter, share (at least 0) and number of different values, the most important first.
        None where fewer than `MIN_TRIALS` trials count, all have the same score, or there is no
        parameter.
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
    folds = KFold(5, shuffle=True, random_state=seed)
    for train, held in folds.split(places):
        forest = RandomForestRegressor(64, random_state=seed).fit(places[train], scores[train])
        rise = permutation_importance(
            forest, places[held], scores[held], scoring="neg_mean_squared_error", random_state=seed
        )
        shares += rise.importances_mean * len(held) / len(scores) / (2 * scores.var())
    counts = [len(np.unique(column)) for column in places.T]
    found = zip(names, np.clip(shares, 0, 1).tolist(), counts, strict=True)
    return sorted(found, key=lambda row: -row[1])


def _pictures(study: StudyReport, trials: pd.DataFrame, axes: dict[str, Axis]) -> dict[str, Any]:
    scores = trials["score"].to_numpy(dtype=np.float64)
    known = np.isfinite(scores)
    kinds = [
        "winner" if number == study.winner else status if has or status == DIVERGED else FAILED
        for number, status, has in zip(trials["trial"], trials["status"], known, strict=True)
    ]
    title = f"{study.metric} of every trial"
    drawn: dict[str, Any] = {
        "kinds": set(kinds),
        "history": plots.history(title, scores, kinds, bigger=study.bigger),
        "parameters": {},
        "parallel": None,
    }
    for parameter in study.parameters:
        axis = axes[parameter.name]
        medians = []
        for place, _ in axis.ticks if parameter.kind == "choice" else ():
            there = scores[known & (axis.places == place)]
            medians += [(place, float(np.median(there)))] if len(there) > 1 else []
        name = f"{study.metric} against {parameter.name}"
        drawn["parameters"][parameter.name] = plots.parameter(
            name, axis.places, scores, kinds, axis.ticks, medians
        )
    if known.any():
        low, high = plots.limits(scores)
        marks = plots.round_numbers(low, high)
        rows = {name: axis.ticks for name, axis in axes.items()}
        rows[study.metric] = tuple(((mark - low) / (high - low), f"{mark:g}") for mark in marks)
        table = np.stack([*(axis.places for axis in axes.values()), (scores - low) / (high - low)])
        turn = scores if study.bigger else -scores
        order = np.lexsort((trials["trial"] == study.winner, turn))[: known.sum()]
        drawn["parallel"] = plots.parallel(
            f"parameters and {title}", table.T[order], rows, winner=study.winner is not None
        )
    return drawn


def _unfinished(trials: pd.DataFrame) -> list[tuple[str, str, str]]:
    """What happened, why, and the numbers of the trials, those of one reason together."""
    groups: dict[tuple[str, str], list[int]] = {}
    for row in trials.to_dict(orient="records"):
        if row["status"] != FINISHED or np.isnan(row["score"]):
            groups.setdefault((row["status"], row["reason"]), []).append(row["trial"])
    return [
        (_FATES[status], reason or "no reason was given", ", ".join(map(str, numbers)))
        for (status, reason), numbers in groups.items()
    ]
