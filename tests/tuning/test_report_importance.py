"""Importance of parameters: known shares, planted objectives, noise, too little data."""

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest
from recbole_mirec.tuning.parameter import Parameter
from sklearn.tree import DecisionTreeRegressor

from recbole_mirec.tuning.report import importance as module
from recbole_mirec.tuning.report.importance import MIN_TRIALS, parameter_importance

RATE = Parameter("learning_rate", "loguniform", (-9.0, -4.0), "here")
DROP = Parameter("dropout_prob", "uniform", (0.0, 0.5), "here")
SIZES = Parameter("mlp_hidden_size", "choice", ([64, 64], [128], None), "here")
LAYERS = Parameter("n_layers", "choice", (3, 1, 2, 5, 4), "here")
USELESS = Parameter("unused", "choice", ("red", "green"), "here")


def trials_of(
    points: Sequence[dict[str, Any]], scores: Sequence[float | None], status: str = "finished"
) -> pd.DataFrame:
    rows = [
        {
            "trial": number,
            "status": status,
            "score": score,
            **point,
            "best_epoch": 1,
            "n_epochs": 1,
            "seconds": 1.0,
            "reason": "",
        }
        for number, (point, score) in enumerate(zip(points, scores, strict=True), start=1)
    ]
    return pd.DataFrame(rows, dtype=object)


def grid_of(*parameters: Parameter) -> list[dict[str, Any]]:
    names = [parameter.name for parameter in parameters]
    grids = [parameter.grid() or () for parameter in parameters]
    return [dict(zip(names, point, strict=True)) for point in itertools.product(*grids)]


def shares(
    trials: pd.DataFrame, parameters: Sequence[Parameter], seed: int = 3
) -> dict[str, float]:
    found = parameter_importance(trials, parameters, seed=seed)
    assert found is not None
    return dict(zip(found["parameter"], found["importance"], strict=True))


def planted(n_trials: int, seed: int) -> tuple[pd.DataFrame, list[Parameter]]:
    """Random search on an additive function: shares .6 rate, .3 sizes, .1 drop, 0 unused."""
    rng = np.random.default_rng(seed)
    parameters = [RATE, DROP, SIZES, USELESS]
    points, scores = [], []
    effect = {
        repr(value): level for value, level in zip(SIZES.values, (0.0, 2.0, 1.0), strict=True)
    }
    for _ in range(n_trials):
        rate, drop = rng.uniform(-9, -4), rng.uniform(0, 0.5)
        size = SIZES.values[rng.integers(3)]
        color = USELESS.values[rng.integers(2)]
        points.append(
            {
                "learning_rate": np.exp(rate),
                "dropout_prob": drop,
                "mlp_hidden_size": size,
                "unused": color,
            }
        )
        # Variances: a uniform of width w has w²/12, three levels one apart have 2/3.
        scores.append(
            rate * np.sqrt(0.6 * 12) / 5
            - drop * np.sqrt(0.1 * 12) / 0.5
            + effect[repr(size)] * np.sqrt(0.3 * 3 / 2)
        )
    return trials_of(points, scores), parameters


def test_shares_of_a_tree_worked_by_hand() -> None:
    # 0 where x <= 1/4, else 1 where y <= 1/2, else 3: mean 3/2, variance 3/2. The marginal of x
    # is 0 and 2 (variance 3/4), that of y 3/4 and 9/4 (variance 9/16), and z does nothing.
    leaves = module._Leaves(
        lower=np.array([[0, 0, 0], [0.25, 0, 0], [0.25, 0.5, 0]]),
        upper=np.array([[0.25, 1, 1], [1, 0.5, 1], [1, 1, 1]]),
        value=np.array([0.0, 1.0, 3.0]),
    )
    assert module._tree_shares(leaves) == pytest.approx([1 / 2, 3 / 8, 0])


def test_a_constant_tree_has_no_shares() -> None:
    leaves = module._Leaves(np.zeros((1, 2)), np.ones((1, 2)), np.array([7.0]))
    assert module._tree_shares(leaves).tolist() == [0, 0]


def test_shares_of_a_tree_equal_those_of_all_cells_counted() -> None:
    shape = (5, 3, 7)
    rng = np.random.default_rng(11)
    cells = np.array(list(itertools.product(*map(range, shape))))
    places = (cells + 0.5) / np.array(shape)
    tree = DecisionTreeRegressor(max_leaf_nodes=13, random_state=0)
    tree.fit(places, rng.normal(size=len(cells)) + cells[:, 0])
    predicted = tree.predict(places).reshape(shape)
    expected = [
        predicted.mean(axis=tuple({0, 1, 2} - {axis})).var() / predicted.var() for axis in range(3)
    ]
    found = module._tree_shares(module._leaves(tree.tree_))
    assert found == pytest.approx(expected)


def test_known_shares_of_an_additive_function_are_found() -> None:
    trials, parameters = planted(300, seed=2)
    found = shares(trials, parameters)
    assert found["learning_rate"] == pytest.approx(0.6, abs=0.08)
    assert found["mlp_hidden_size"] == pytest.approx(0.3, abs=0.08)
    assert found["dropout_prob"] == pytest.approx(0.1, abs=0.05)
    assert found["unused"] < 0.01
    assert 0.85 < sum(found.values()) <= 1


def test_known_shares_of_a_complete_grid_are_found() -> None:
    points = grid_of(LAYERS, SIZES, USELESS)
    # Levels 1 to 5 have variance 2; half of the points get 2 more, which is a variance of 1.
    scores = [point["n_layers"] + 2.0 * (point["unused"] == "red") for point in points]
    found = shares(trials_of(points, scores), [LAYERS, SIZES, USELESS])
    assert found["n_layers"] == pytest.approx(2 / 3, abs=0.08)
    assert found["unused"] == pytest.approx(1 / 3, abs=0.08)
    assert found["mlp_hidden_size"] < 0.01


def test_the_most_important_stands_first() -> None:
    trials, parameters = planted(100, seed=5)
    found = parameter_importance(trials, parameters, seed=1)
    assert found is not None
    assert found["parameter"].tolist()[0] == "learning_rate"
    assert found["importance"].is_monotonic_decreasing
    assert dict(zip(found["parameter"], found["n_values"], strict=True)) == {
        "learning_rate": 100,
        "dropout_prob": 100,
        "mlp_hidden_size": 3,
        "unused": 2,
    }


def test_neither_the_order_of_parameters_nor_that_of_trials_matters() -> None:
    trials, parameters = planted(40, seed=7)
    first = parameter_importance(trials, parameters, seed=1)
    second = parameter_importance(trials.iloc[::-1], parameters[::-1], seed=1)
    assert first is not None
    assert second is not None
    pd.testing.assert_frame_equal(first, second)


def test_scores_of_pure_chance_give_nothing_or_little() -> None:
    trials, parameters = planted(40, seed=7)
    sums = []
    for seed in range(8):
        trials["score"] = np.random.default_rng(seed).normal(size=40).astype(object)
        sums.append(sum(shares(trials, parameters).values()))
    assert np.mean(sums) < 0.05
    assert sums.count(0.0) >= 5


def test_an_interaction_without_main_effects_is_no_main_effect() -> None:
    first = Parameter("first", "choice", (0, 1), "here")
    second = Parameter("second", "choice", (0, 1), "here")
    points = grid_of(first, second) * 10
    scores = [float(point["first"] ^ point["second"]) for point in points]
    found = shares(trials_of(points, scores), [first, second])
    assert all(share < 0.05 for share in found.values())


def test_a_parameter_with_one_value_has_no_importance() -> None:
    trials, parameters = planted(40, seed=7)
    single = Parameter("single", "choice", ([64],), "here")
    trials["single"] = [[64]] * 40
    found = parameter_importance(trials, [*parameters, single], seed=0)
    assert found is not None
    row = found.set_index("parameter").loc["single"]
    assert (row["importance"], row["n_values"]) == (0, 1)


def test_the_texts_of_a_csv_file_mean_the_same_as_the_values() -> None:
    trials, parameters = planted(40, seed=7)
    texts = trials.copy()
    written = {repr(None): "null"}
    for name in ("learning_rate", "dropout_prob", "mlp_hidden_size"):
        texts[name] = [written.get(repr(value), str(value)) for value in trials[name]]
    first = parameter_importance(trials, parameters, seed=1)
    second = parameter_importance(texts, parameters, seed=1)
    assert first is not None
    assert second is not None
    pd.testing.assert_frame_equal(first, second)


def test_stopped_trials_count_and_failed_ones_do_not() -> None:
    points = grid_of(LAYERS, USELESS)
    scores = [float(point["n_layers"]) for point in points]
    stopped = trials_of(points, scores, "stopped")
    assert shares(stopped, [LAYERS, USELESS])["n_layers"] > 0.5
    for status in ("failed", "diverged"):
        assert parameter_importance(trials_of(points, scores, status), [LAYERS], seed=0) is None
    unscored = trials_of(points, [None] * len(points))
    assert parameter_importance(unscored, [LAYERS, USELESS], seed=0) is None


def test_too_little_to_tell_is_none() -> None:
    points = grid_of(LAYERS, USELESS)
    rising = [float(number) for number in range(len(points))]
    few = trials_of(points[: MIN_TRIALS - 1], rising[: MIN_TRIALS - 1])
    assert parameter_importance(few, [LAYERS], seed=0) is None
    enough = trials_of(points[:MIN_TRIALS], rising[:MIN_TRIALS])
    assert parameter_importance(enough, [LAYERS], seed=0) is not None
    assert parameter_importance(trials_of(points, [0.0] * 10), [LAYERS], seed=0) is None
    assert parameter_importance(trials_of(points, rising), [], seed=0) is None


def test_a_missing_column_is_named() -> None:
    trials = trials_of(grid_of(LAYERS), [1.0] * 5).drop(columns="seconds")
    with pytest.raises(ValueError, match=r"must have the columns seconds, unused\. Received: tri"):
        parameter_importance(trials, [LAYERS, USELESS], seed=0)
