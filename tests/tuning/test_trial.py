"""Trials: the order of an exhaustive, a random and an informed search, its end, its journal."""

import csv
import io
import math
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from recbole.trainer import HyperTuning
from scipy.stats import wilcoxon
from study_cases import space_of

from dataset_convert.common.errors import UsageError
from recbole_mirec.sweep import FAILED, FINISHED, End
from recbole_mirec.tuning.space import SearchSpace, value_text
from recbole_mirec.tuning.trial import (
    Search,
    StudyPlan,
    Trial,
    read_trials,
    trials_frame,
    write_trials,
)

# 2 x 3 x 5 combinations
FINITE = space_of(
    {
        "choice": {"learner": ["adam", "sgd"], "layers": [[8], [8, 4], []]},
        "quniform": {"k": [2, 6, 1]},
    }
)
MIXED = space_of(
    {
        "loguniform": {"rate": [-9, 0]},
        "uniform": {"dropout": [0, 1]},
        "choice": {"size": [1, 2, 3, 4]},
        "quniform": {"depth": [0, 3, 1]},
    }
)
Loss = Callable[[int, dict[str, Any]], float]


def planted(_number: int, parameters: dict[str, Any]) -> float:
    """Smallest, 0, at rate e^-6, dropout 0.3, size 2, depth 1."""
    return (
        ((math.log(parameters["rate"]) + 6) / 9) ** 2
        + (parameters["dropout"] - 0.3) ** 2
        + 0.1 * abs(parameters["size"] - 2)
        + 0.1 * abs(parameters["depth"] - 1)
    )


def visit(
    space: SearchSpace, algorithm: str, loss: Loss = lambda *_: 0.0, **changes: Any
) -> tuple[Search, list[dict[str, Any]]]:
    """Run a search; gives it and what was visited, without what was drawn beyond its end."""
    settings = {"seed": changes.pop("seed", 7)}
    search = Search(StudyPlan(settings, space, algorithm, **changes))
    drawn: dict[int, dict[str, Any]] = {}

    def evaluate(queue: dict[int, dict[str, Any]]) -> dict[int, float]:
        assert list(queue) == list(range(len(drawn) + 1, len(drawn) + len(queue) + 1))
        drawn.update(queue)
        return {number: loss(number, parameters) for number, parameters in queue.items()}

    search.run(evaluate)
    return search, [drawn[number] for number in range(1, search.last + 1)]


def test_exhaustive_is_the_product_of_the_choices_in_order() -> None:
    expected = [
        {"learner": learner, "layers": layers, "k": k}
        for learner in ("adam", "sgd")
        for layers in ([8], [8, 4], [])
        for k in (2, 3, 4, 5, 6)
    ]
    assert visit(FINITE, "exhaustive")[1] == expected
    assert visit(FINITE, "exhaustive", seed=8, max_trials=30)[1] == expected
    # worse with every trial, or without any score
    assert visit(FINITE, "exhaustive", lambda number, _: number, early_stop=1)[1] == expected
    assert visit(FINITE, "exhaustive", lambda *_: math.inf, early_stop=2)[1] == expected


@pytest.mark.parametrize("algorithm", ["random", "bayes"])
@pytest.mark.parametrize("space", [FINITE, MIXED], ids=["finite", "mixed"])
def test_a_seed_repeats_its_trials(algorithm: str, space: SearchSpace) -> None:
    def visited(seed: int, **changes: Any) -> list[dict[str, Any]]:
        loss: Loss = lambda _, parameters: float(len(str(parameters)) % 7)  # noqa: E731
        return visit(space, algorithm, loss, seed=seed, max_trials=25, **changes)[1]

    first = visited(7)
    assert len(first) == 25
    random.seed(1)
    np.random.seed(1)
    assert visited(7) == first
    assert visited(8) != first
    assert (visited(7, jobs=3) == first) == (algorithm == "random")
    assert visited(7, jobs=3) == visited(7, jobs=3)


@pytest.mark.parametrize("algorithm", ["random", "bayes"])
def test_a_finite_space_is_visited_once_and_wholly(algorithm: str) -> None:
    # the estimator is told that one corner is far better than the rest, and still goes on
    corner: Loss = lambda _, one: -float(one["learner"] == "sgd") - one["k"]  # noqa: E731
    _, visited = visit(FINITE, algorithm, corner)
    assert len(visited) == 30
    assert all(one in visited for one in FINITE.combinations())
    _, fewer = visit(FINITE, algorithm, max_trials=11)
    assert len(fewer) == 11 == len({str(one) for one in fewer})
    # equal words and numbers are different values
    options = [1, True, None, "none", 0, False]
    _, visited = visit(space_of({"choice": {"a": options}}), algorithm)
    assert sorted(repr(one["a"]) for one in visited) == sorted(map(repr, options))


def test_bayes_takes_failed_trials_for_the_worst() -> None:
    def loss(failed: float) -> Loss:
        return lambda n, one: failed if one["dropout"] > 0.5 else planted(n, one)

    visited = [visit(MIXED, "bayes", loss(failed), max_trials=60)[1] for failed in (math.inf, 1e9)]
    assert visited[0] == visited[1]
    # at random half of the trials would fail
    assert sum(one["dropout"] > 0.5 for one in visited[0][20:]) < 10


def test_bayes_beats_random_on_a_planted_objective() -> None:
    def best(algorithm: str, seed: int) -> float:
        search, visited = visit(MIXED, algorithm, planted, seed=seed, max_trials=40)
        values = [planted(0, one) for one in visited]
        assert search.best == 1 + int(np.argmin(values))
        return min(values)

    bayes, chance = ([best(name, seed) for seed in range(20)] for name in ("bayes", "random"))
    # one-sided, paired by the seed
    assert wilcoxon(bayes, chance, alternative="less").pvalue < 0.01


LOSSES = st.lists(st.sampled_from([math.inf, -2.0, -1.0, 0.0, 1.0]), min_size=12, max_size=12)


@given(LOSSES, st.none() | st.integers(1, 5), st.integers(1, 4))
def test_the_best_trial_and_the_end_against_a_plain_loop(
    losses: list[float], early_stop: int | None, jobs: int
) -> None:
    best, best_number, last = math.inf, None, 12
    for number, loss in enumerate(losses, start=1):
        if loss < best:
            best, best_number = loss, number
        if early_stop is not None and number - (best_number or 0) >= early_stop:
            last = number
            break
    space = space_of({"choice": {"a": list(range(12))}})
    limits = {"early_stop": early_stop, "jobs": jobs}
    search, visited = visit(space, "random", lambda number, _: losses[number - 1], **limits)
    assert (search.best, search.last, len(visited)) == (best_number, last, last)


def test_a_search_ends_where_its_time_is_over() -> None:
    for algorithm in ("random", "bayes"):
        search = Search(StudyPlan({"seed": 1}, MIXED, algorithm, max_trials=30, jobs=2))
        # as by a deadline: not all that was drawn has run
        queues: list[list[int]] = []

        def evaluate(queue: dict[int, Any], queues: list[list[int]] = queues) -> dict[int, float]:
            queues.append(list(queue))
            return {number: 1.0 for number in queue if number <= 3}

        search.run(evaluate, lambda number: number > 4)
        assert (search.best, search.last) == (1, 3)
        assert queues == ([[1, 2, 3, 4]] if algorithm == "random" else [[1, 2], [3, 4]])


def test_recbole_s_hyper_tuning_is_repaired() -> None:
    """A best score of 0 stays the best, a seed repeats, and its file can be written."""

    def best(seed: int) -> tuple[Any, list[str]]:
        def objective(parameters: dict[str, Any], _files: Any) -> dict[str, Any]:
            figures = {"MAP": parameters["a"]}
            return {
                "model": "BPR",
                "best_valid_score": parameters["a"],
                "valid_score_bigger": True,
                "best_valid_result": figures,
                "test_result": figures,
            }

        options = {"choice": {"a": [0.0, -1.0, -2.0, -3.0]}}
        tuning = HyperTuning(
            objective, params_dict=options, algo="random", max_evals=12, early_stop=50
        )
        rng = np.random.default_rng(seed)
        tuning.fmin_settings = {"rstate": rng, "show_progressbar": False}
        tuning.run()
        return tuning, tuning.params_list

    tuning, first = best(1)
    assert (tuning.best_score, tuning.best_params) == (0.0, {"a": 0.0})
    assert best(1)[1] == first
    assert best(2)[1] != first


@pytest.mark.parametrize(
    ("algorithm", "changes", "message"),
    [
        ("baies", {}, "Unknown algorithm 'baies'. Did you mean 'bayes'"),
        ("exhaustive", {"max_trials": 29}, "has 30 combinations, and .* leave --max_evals=29 out"),
        ("exhaustive", {"space": MIXED}, "here: 'rate' is loguniform and has no end"),
    ],
)
def test_wrong_arguments(algorithm: str, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Search(
            StudyPlan(**{"settings": {"seed": 7}, "space": FINITE, **changes}, algorithm=algorithm)
        )


def test_random_draws_cover_the_kinds_of_parameters() -> None:
    _, drawn = visit(MIXED, "random", max_trials=200)
    rates = np.log([one["rate"] for one in drawn])
    # uniform over the exponents: quartiles at -6.75, -4.5 and -2.25
    np.testing.assert_allclose(
        np.quantile(rates, [0.25, 0.5, 0.75]), [-6.75, -4.5, -2.25], atol=0.9
    )
    for name, values in (("size", (1, 2, 3, 4)), ("depth", (0, 1, 2, 3))):
        counts = [sum(one[name] == value for one in drawn) for value in values]
        assert sum(counts) == 200
        assert min(counts) > 20
        assert all(type(one[name]) is int for one in drawn)


NAMES = ("learning_rate", "layers")
FIRST = Trial(
    1,
    {"learning_rate": 0.001, "layers": [64, 32]},
    End(FINISHED, 61.237, "", {"MAP": 0.25, "MedR": 12.5}, 3, 5),
    61.5,
)
SECOND = Trial(
    2, {"learning_rate": 1e-05, "layers": []}, End(FAILED, 0.5, 'RuntimeError: "a", b'), 62.126
)
GOLDEN = """\
trial,status,score,learning_rate,layers,valid_MAP,valid_MedR,best_epoch,n_epochs,seconds,\
finished_at,reason
1,finished,0.25,0.001,"[64, 32]",0.25,12.5,3,5,61.24,61.5,
2,failed,,1e-05,[],,,0,0,0.5,62.13,"RuntimeError: ""a"", b"
"""


def test_the_file_to_the_byte(tmp_path: Path) -> None:
    path = tmp_path / "study" / "trials.csv"
    assert read_trials(path) == {}
    table = trials_frame([SECOND, FIRST], NAMES, "MAP")
    write_trials(path, table, NAMES)
    assert path.read_text() == GOLDEN
    rows = read_trials(path)
    assert list(rows) == [1, 2]
    assert list(rows[2].values()) == list(csv.reader(io.StringIO(GOLDEN)))[2]
    # plain pandas reads it, and the table has values as they are
    frame = pd.read_csv(path)
    assert frame["learning_rate"].tolist() == [0.001, 1e-05]
    assert frame.loc[frame["score"].idxmax(), "trial"] == 1
    assert table["layers"].tolist() == [[64, 32], []]
    assert table["score"].tolist() == [0.25, None]
    assert list(trials_frame([], NAMES, "MAP")) == [
        name for name in frame if not name.startswith("valid_")
    ]


# without lone surrogates, which no UTF-8 file can hold, and lone carriage returns
words = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\r"), max_size=8
) | st.sampled_from(["", ",", '"', "\n", "\r\n", "a\nb", " a ", "NaN", "1", "\x00", "\ufeff", "'"])
simple = st.none() | st.booleans() | st.floats(allow_nan=False) | st.integers(-99, 2**70) | words


@given(st.lists(st.tuples(simple | st.lists(simple, max_size=3), words), min_size=1, max_size=5))
def test_every_value_comes_back_as_text(
    tmp_path_factory: pytest.TempPathFactory, some: list[tuple[Any, str]]
) -> None:
    path = tmp_path_factory.mktemp("records") / "trials.csv"
    trials = [
        Trial(n, {"a": value}, End(FAILED, 1.0, reason), 2.0)
        for n, (value, reason) in enumerate(some, start=1)
    ]
    write_trials(path, trials_frame(trials, ["a"], "MAP"), ["a"])
    found = [(row["a"], row["reason"]) for row in read_trials(path).values()]
    assert found == [(value_text(value), reason) for value, reason in some]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("2,failed", "two,failed"),
        ("61.5,\n", "late,\n"),
        ("finished_at,", "finished,"),
        (",0.5,62.13", ""),
        (GOLDEN, "\udcff"),
    ],
)
def test_a_damaged_file_is_named(tmp_path: Path, old: str, new: str) -> None:
    path = tmp_path / "trials.csv"
    assert GOLDEN.count(old) == 1
    path.write_bytes(GOLDEN.replace(old, new).encode(errors="surrogateescape"))
    with pytest.raises(UsageError, match=r"trials.csv' cannot be read: .* changed by hand; put"):
        read_trials(path)
