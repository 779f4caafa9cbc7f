"""How much of the score's variance each parameter explains by itself."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from recbole_mirec.tuning.report.axis import key, rank_axis
from recbole_mirec.tuning.report.rows import read_rows
from recbole_mirec.tuning.space import Parameter

MIN_TRIALS = 8
_N_TREES = 128
_COLUMNS = ("parameter", "importance", "n_values")

Array = npt.NDArray[np.float64]


class _Leaves(NamedTuple):
    """A tree as boxes that fill the unit cube: bounds [leaf, parameter] and value [leaf]."""

    lower: Array
    upper: Array
    value: Array


def parameter_importance(
    trials: pd.DataFrame, parameters: Sequence[Parameter], *, seed: int
) -> pd.DataFrame | None:
    """Main effects of the parameters by functional ANOVA of a random forest.

    Source: Hutter, Hoos and Leyton-Brown, "An Efficient Approach for Assessing Hyperparameter
    Importance", ICML 2014. A forest learns the score from the parameters. Each of its trees is
    constant on boxes, so the variance of its prediction over the whole search space splits
    exactly into the parts that one parameter explains alone (main effects) and those of
    interactions. The search space, not the trials, weighs the values: every option of a choice
    counts the same, and a continuous parameter counts as its kind is drawn. An algorithm that
    tried good values more often therefore does not distort the shares.

    Departure: the shares of the forest's variance (their mean over the trees, as in the paper)
    are multiplied by the forest's R² on out-of-bag trials, no less than 0. That makes them
    shares of the score's own variance, and scores that follow no parameter give 0 everywhere,
    where the paper's shares would always add up to something.

    Args:
        trials: the columns of trials.csv; finished and stopped trials that have a score count.
        parameters: those of the search space, in any order.
        seed: of the forest.

    Returns:
        Columns `parameter`, `importance` (from 0 to 1; the sum is at most 1, and the rest is
        interactions and what the forest cannot predict) and `n_values` (different values among
        the trials that count), the most important first. None where fewer than `MIN_TRIALS`
        trials count, all have the same score, or there is no parameter.

    Raises:
        ValueError: a column is missing, or a value is none of the search space.
    """
    rows = [row for row in read_rows(trials, parameters) if row.score is not None]
    scores = np.array([row.score for row in rows], dtype=np.float64)
    if len(rows) < MIN_TRIALS or not parameters or np.ptp(scores) == 0:
        return None
    # One order for all callers: ties between splits are broken by the column's place.
    ordered = sorted(parameters, key=lambda parameter: parameter.name)
    axes = [rank_axis(parameter) for parameter in ordered]
    places = np.array(
        [
            [axis.place(row.values[p.name]) for p, axis in zip(ordered, axes, strict=True)]
            for row in rows
        ]
    )
    shares = _forest_shares(places, scores, seed)
    counts = [len({key(row.values[parameter.name]) for row in rows}) for parameter in ordered]
    frame = pd.DataFrame(
        dict(zip(_COLUMNS, ([p.name for p in ordered], shares, counts), strict=True))
    )
    return frame.sort_values("importance", ascending=False, kind="stable", ignore_index=True)


def _forest_shares(places: Array, scores: Array, seed: int) -> Array:
    """Share of the score's variance for each column of places [trial, parameter]."""
    from sklearn.ensemble import RandomForestRegressor

    standard = (scores - scores.mean()) / scores.std()
    forest = RandomForestRegressor(_N_TREES, oob_score=True, random_state=seed)
    forest.fit(places, standard)
    shares = [_tree_shares(_leaves(tree.tree_)) for tree in forest.estimators_]
    explained = min(max(float(forest.oob_score_), 0.0), 1.0)
    return np.asarray(explained * np.mean(shares, axis=0))


def _leaves(tree: Any) -> _Leaves:
    """The boxes of a scikit-learn tree's leaves in the unit cube."""
    lower = np.zeros((tree.node_count, tree.n_features))
    upper = np.ones((tree.node_count, tree.n_features))
    # A node's children have greater numbers than the node.
    for node in np.flatnonzero(tree.children_left >= 0):
        left, right = tree.children_left[node], tree.children_right[node]
        lower[[left, right]], upper[[left, right]] = lower[node], upper[node]
        feature = tree.feature[node]
        upper[left, feature] = lower[right, feature] = tree.threshold[node]
    ends = tree.children_left < 0
    return _Leaves(lower[ends], upper[ends], tree.value[ends, 0, 0].astype(np.float64))


def _tree_shares(leaves: _Leaves) -> Array:
    """Main effects' shares of a tree's variance over the unit cube, 0 for a constant tree.

    With boxes B and values c: f_0 = sum c |B|, the marginal of parameter j at x is the sum of
    c |B| / |B_j| over the boxes whose side B_j holds x, and the main effect is the integral of
    (marginal - f_0)² over x.
    """
    n_parameters = leaves.lower.shape[1]
    sides = leaves.upper - leaves.lower
    volume = sides.prod(axis=1)
    mean = volume @ leaves.value
    total = float(volume @ (leaves.value - mean) ** 2)
    effects = np.zeros(n_parameters)
    if total == 0:
        return effects
    for j in range(n_parameters):
        cuts = np.unique(np.concatenate([leaves.lower[:, j], leaves.upper[:, j]]))
        if len(cuts) == 2:  # never split on: no effect at all, whatever the rounding says
            continue
        middles = (cuts[:-1] + cuts[1:]) / 2
        held = (leaves.lower[:, j, None] < middles) & (middles < leaves.upper[:, j, None])
        others = np.delete(sides, j, axis=1).prod(axis=1)
        marginal = (leaves.value * others) @ held
        effects[j] = np.diff(cuts) @ (marginal - mean) ** 2
    return np.asarray(effects / total)
