"""`tuning.html`: a study on one page that needs neither a network nor scripts."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from recbole_mirec import plots
from recbole_mirec.results import metric_title, smaller_is_better
from recbole_mirec.runs import write_text
from recbole_mirec.sweep import DIVERGED, FAILED, FINISHED
from recbole_mirec.templates import MISSING, by_reason, render
from recbole_mirec.tuning.space import Parameter, value_text
from recbole_mirec.tuning.trial import StudyPlan, best_first

if TYPE_CHECKING:
    from recbole_mirec.tuning.study import StudyResult

N_TOP, MIN_TRIALS = 10, 8


def write_report(path: Path, study: "StudyResult") -> None:
    """Write the page, whole or not at all.

    Raises:
        ValueError: a trial has a value that is none of its parameter's.
    """
    plan, settings = study.plan, study.plan.settings
    trials = study.trials.astype({"score": float})
    scores, status = trials["score"].to_numpy(), trials["status"]
    winner = 0 if study.winner is None else study.winner.trial.number
    kinds = status.mask(trials["score"].isna() & (status != DIVERGED), FAILED)
    bigger = not smaller_is_better(plan.metric)
    turns = Parameter("trial", "quniform", (0, len(trials) + 1, 1), "")
    axes = {one.name: axis_of(one, trials[one.name].tolist()) for one in plan.space.parameters}
    # The worst first.
    ranked = best_first(plan, trials)[::-1]
    places = pd.DataFrame({name: found for name, (found, _) in axes.items()}, trials.index)
    places = places.loc[ranked.index]
    low, high = plots.limits(scores)
    marks = [((mark - low) / (high - low), f"{mark:g}") for mark in plots.round_numbers(low, high)]
    page = render(
        "tuning.html.j2",
        value_label,
        study=study,
        plan=plan,
        settings=settings,
        bigger=bigger,
        trials=trials,
        scores=scores,
        kinds=kinds.mask(trials["trial"] == winner, "winner").tolist(),
        best=(np.fmax if bigger else np.fmin).accumulate(scores),
        turns=axis_of(turns, trials["trial"].tolist()),
        winner=winner,
        metrics=_metrics(study),
        n_scored=len(ranked),
        top=top_trials(plan, trials),
        unfinished=_unfinished(trials),
        plots=plots,
        axes=axes,
        lines=np.column_stack([places, (ranked["score"] - low) / (high - low)]),
        rows={name: ticks for name, (_, ticks) in axes.items()} | {plan.metric: marks},
        importance=_bars(importance(ranked["score"], places, seed=settings["seed"]), places),
        min_trials=MIN_TRIALS,
    )
    write_text(path, page)


def score_text(score: float) -> str:
    """A score with four places; large ones with fewer; a dash where there is none."""
    size = abs(score)
    return (
        MISSING if math.isnan(score) else f"{score:.{4 if size < 10 else 2 if size < 1e3 else 0}f}"
    )


def top_trials(plan: StudyPlan, trials: pd.DataFrame) -> pd.DataFrame:
    """The best trials as a table for people, by their numbers as text."""
    best = best_first(plan, trials).head(N_TOP)
    shown = pd.DataFrame({metric_title(plan.metric): best["score"].map(score_text)})
    for name in plan.parameters:
        shown[name] = best[name].map(value_label)
    # "epochs" is a key that can be searched itself
    shown["epochs run"], shown["best epoch"] = best["n_epochs"], best["best_epoch"]
    shown["s"] = best["seconds"].map(lambda seconds: f"{seconds:.0f}")
    shown["status"] = best["status"]
    return shown.set_index(best["trial"].astype(str))


def value_label(value: Any) -> str:
    """A value as a person reads it: 0.0005, 5e-5, [64, 64], None."""
    if isinstance(value, float):
        return f"{value:.4g}".replace("e-0", "e-").replace("e+0", "e").replace("e+", "e")
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(value_label, value))}]"
    return str(value)


def axis_of(parameter: Parameter, values: Sequence[Any]) -> tuple[plots.Array, plots.Ticks]:
    """Where the values of a parameter stand between 0 and 1, and ticks.

    Options of a choice stand side by side, numbers in their order; a range is as it is drawn.

    Raises:
        ValueError: a value is none of the options.
    """
    if parameter.kind == "choice":
        options = list(parameter.values)
        if all(type(option) in (int, float) for option in options):
            options.sort()
        texts = [value_text(option) for option in options]
        middles = (np.arange(len(options)) + 0.5) / len(options)
        places = middles[[texts.index(value_text(value)) for value in values]]
        return places, list(zip(middles.tolist(), map(value_label, options), strict=True))
    low, high = parameter.values[:2]
    # Bounds of loguniform are exponents of e.
    log = parameter.kind == "loguniform"
    scale, ends = (np.log, np.exp((low, high))) if log else (np.asarray, (low, high))
    whole = parameter.kind == "quniform" and type(parameter.values[2]) is int
    marks = plots.round_numbers(*ends, log=log, whole=whole)
    places, ticks = ((scale(np.array(x, float)) - low) / (high - low) for x in (values, marks))
    return np.clip(places, 0, 1), list(zip(ticks.tolist(), map(value_label, marks), strict=True))


def importance(scores: pd.Series, places: pd.DataFrame, *, seed: int) -> "pd.Series | None":
    """How much of the score's variance a forest loses when it no longer knows a parameter.

    A random forest learns the score from the parameters on four fifths of the trials, five times
    over. Half of what its squared error on the other fifth rises by when one parameter's values are
    shuffled there, over the variance of the scores, is that parameter's share with all its
    interactions; a parameter that says nothing about unseen trials has none.

    Args:
        scores: of the trials.
        places: of the same trials on the parameters' axes, a column each.
        seed: of the forest.

    Returns:
        Share in percent of each parameter, the largest first. None where fewer than `MIN_TRIALS`
        trials count, all have the same score, or there is no parameter.
    """
    if len(scores) < MIN_TRIALS or places.empty or np.ptp(scores) == 0:
        return None
    from sklearn.ensemble import RandomForestRegressor
    from sklearn.inspection import permutation_importance
    from sklearn.model_selection import KFold

    # One order for all callers: ties between splits are broken by the column's place.
    names, values = sorted(map(str, places)), scores.sort_index().to_numpy()
    points = places.sort_index()[names].to_numpy()
    shares = np.zeros(len(names))
    for train, held in KFold(5, shuffle=True, random_state=seed).split(points):
        forest = RandomForestRegressor(64, random_state=seed).fit(points[train], values[train])
        rise = permutation_importance(
            forest, points[held], values[held], scoring="neg_mean_squared_error", random_state=seed
        )
        shares += rise.importances_mean * len(held) / len(values) / (2 * values.var())
    found = pd.Series(100 * np.clip(shares, 0, 1), names)
    return found.sort_values(ascending=False, kind="stable")


def _metrics(study: "StudyResult") -> list[pd.DataFrame]:
    """The winner's metrics, MAP first by either rules, then the others in their order."""
    if study.winner is None:
        return []
    parts = {"validation": study.winner.valid, "test": study.winner.test or {}}
    frame = pd.DataFrame({name: values for name, values in parts.items() if values})
    frame = frame.map(score_text).rename_axis(index="metric")
    frame = frame.iloc[np.argsort(~frame.index.isin(("MAP", "paper_map")), kind="stable")]
    groups = frame.groupby(frame.index.str.startswith("paper_"))
    return [group for _, group in groups]


def _bars(shares: "pd.Series | None", places: pd.DataFrame) -> Any:
    """A table of shares with bars, and their lengths; see `importance`."""
    if shares is None:
        return None
    texts = {"": "", "share": shares.map("{:.0f} %".format), "values tried": places.nunique()}
    table = pd.DataFrame(texts, shares.index).rename_axis("parameter")
    return table, pd.DataFrame(dict.fromkeys(table, shares))


def _unfinished(trials: pd.DataFrame) -> pd.DataFrame:
    """What happened, why, and the numbers of the trials, those of one reason together."""
    some = trials[(trials["status"] != FINISHED) | trials["score"].isna()]
    known = some.assign(trials=some["trial"].astype(str))
    return by_reason(known, ["status", "reason"], "trials")
