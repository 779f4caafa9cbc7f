"""The order of trials: complete, seeded, independent of timing, informed, and its end."""

import itertools
import math
import random
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recbole_mirec.tuning.search import Proposal, Search
from scipy.stats import wilcoxon

from dataset_convert.common.errors import UsageError
from recbole_mirec.tuning.space import SearchSpace, space_from_dict

# 2 x 3 x 5 combinations
FINITE = space_from_dict(
    {
        "choice": {"learner": ["adam", "sgd"], "layers": [[8], [8, 4], []]},
        "quniform": {"k": [2, 6, 1]},
    }
)
# all four kinds
MIXED = space_from_dict(
    {
        "loguniform": {"rate": [-9, 0]},
        "uniform": {"dropout": [0, 1]},
        "choice": {"size": [1, 2, 3, 4]},
        "quniform": {"depth": [0, 3, 1]},
    }
)
Parameters = Mapping[str, Any]


def planted(parameters: Parameters) -> float:
    """Largest, 0, at rate e^-6, dropout 0.3, size 2, depth 1."""
    return -(
        ((math.log(parameters["rate"]) + 6) / 9) ** 2
        + (parameters["dropout"] - 0.3) ** 2
        + 0.1 * abs(parameters["size"] - 2)
        + 0.1 * abs(parameters["depth"] - 1)
    )


def search(space: SearchSpace, algorithm: str, seed: int = 7, **changes: Any) -> Search:
    return Search(space, algorithm, **{"seed": seed, "max_trials": None, **changes})


def run(
    found: Search, score: Callable[[Proposal], float | None] = lambda proposal: 0.0
) -> list[dict[str, Any]]:
    """One trial after the other; returns what was proposed."""
    visited = []
    while (proposal := found.propose()) is not None:
        visited.append(proposal.parameters)
        assert proposal.number == len(visited) == found.n_proposed
        found.tell(proposal.number, score(proposal))
    assert found.over
    return visited


def by_planted(proposal: Proposal) -> float:
    return planted(proposal.parameters)


def test_exhaustive_is_the_product_of_the_choices_in_order() -> None:
    expected = [
        {"learner": learner, "layers": layers, "k": k}
        for learner in ("adam", "sgd")
        for layers in ([8], [8, 4], [])
        for k in (2, 3, 4, 5, 6)
    ]
    assert run(search(FINITE, "exhaustive")) == expected
    assert run(search(FINITE, "exhaustive", seed=8, max_trials=30)) == expected
    # worse with every trial, or without any score
    assert run(search(FINITE, "exhaustive", early_stop=1), lambda one: -one.number) == expected
    assert run(search(FINITE, "exhaustive", early_stop=2), lambda _: None) == expected


def test_exhaustive_needs_no_results_to_go_on() -> None:
    found = search(FINITE, "exhaustive")
    numbers = [proposal.number for proposal in iter(found.propose, None)]
    assert numbers == list(range(1, 31))
    assert found.over


@pytest.mark.parametrize("algorithm", ["random", "bayes"])
@pytest.mark.parametrize("space", [FINITE, MIXED], ids=["finite", "mixed"])
def test_a_seed_repeats_its_trials(algorithm: str, space: SearchSpace) -> None:
    def visited(seed: int, bigger: bool = True) -> list[dict[str, Any]]:
        found = search(space, algorithm, seed, max_trials=25, bigger=bigger)
        return run(found, lambda one: float(len(str(one.parameters)) % 7))

    first = visited(7)
    assert len(first) == 25
    random.seed(1)
    np.random.seed(1)
    assert visited(7) == first
    assert visited(8) != first
    assert (visited(7, bigger=False) == first) == (algorithm == "random")


@pytest.mark.parametrize("algorithm", ["random", "bayes"])
@pytest.mark.parametrize("seed", range(3))
def test_a_finite_space_is_visited_once_and_wholly(algorithm: str, seed: int) -> None:
    # the estimator is told that one corner is far better than the rest, and still goes on
    visited = run(
        search(FINITE, algorithm, seed),
        lambda one: float(one.parameters["learner"] == "sgd") + one.parameters["k"],
    )
    everything = list(FINITE.combinations())
    assert len(visited) == 30
    assert all(one in visited for one in everything)
    fewer = run(search(FINITE, algorithm, seed, max_trials=11))
    assert len(fewer) == 11 == len({str(one) for one in fewer})


def test_equal_words_and_numbers_are_different_values() -> None:
    space = space_from_dict({"choice": {"a": [1, True, None, "none", 0, False]}})
    for algorithm in ("random", "bayes"):
        visited = [one["a"] for one in run(search(space, algorithm))]
        assert sorted(map(repr, visited)) == sorted(map(repr, space.parameters[0].values))


@given(
    lag=st.integers(1, 4),
    seed=st.integers(0, 5),
    order=st.randoms(use_true_random=False),
)
@settings(max_examples=25)
def test_bayes_does_not_depend_on_which_trial_ends_first(
    lag: int, seed: int, order: random.Random
) -> None:
    undisturbed = run_in_slots(search(MIXED, "bayes", seed, max_trials=24, lag=lag), lag, None)
    assert len(undisturbed) == 24
    disturbed = search(MIXED, "bayes", seed, max_trials=24, lag=lag)
    assert run_in_slots(disturbed, lag, order) == undisturbed


def run_in_slots(found: Search, n_slots: int, order: random.Random | None) -> list[dict[str, Any]]:
    """As a parallel driver does: every slot that is free is filled; then one trial ends."""
    visited: list[dict[str, Any]] = []
    running: list[Proposal] = []
    while True:
        while len(running) < n_slots and (proposal := found.propose()) is not None:
            visited.append(proposal.parameters)
            running.append(proposal)
        if not running:
            return visited
        ended = running.pop(0 if order is None else order.randrange(len(running)))
        found.tell(ended.number, None if ended.number % 5 == 0 else planted(ended.parameters))


def test_bayes_waits_for_the_results_that_it_needs() -> None:
    found = search(MIXED, "bayes", lag=2, max_trials=20)
    assert [found.propose() is None for _ in range(3)] == [False, False, True]
    found.tell(2, 0.5)
    # trial 3 sees the trials up to 1, and 1 still runs
    assert found.propose() is None
    assert not found.over
    found.tell(1, 0.5)
    assert [found.propose() is None for _ in range(3)] == [False, False, True]


def test_bayes_reads_scores_of_the_lag_before_and_no_later_ones() -> None:
    def last(changed: int) -> dict[str, Any]:
        found = search(MIXED, "bayes", lag=3, max_trials=20)
        return run_in_slots(Changed(found, changed), 3, None)[19]  # type: ignore[arg-type]

    class Changed:
        """A search that is told that one trial was splendid."""

        def __init__(self, inner: Search, number: int):
            self.inner, self.number, self.propose = inner, number, inner.propose

        def tell(self, number: int, score: float | None) -> None:
            self.inner.tell(number, 100.0 if number == self.number else score)

    # trial 20 sees the trials up to 17
    assert last(18) == last(19) == last(0)
    assert last(17) != last(0)


def test_bayes_takes_failed_trials_for_the_worst() -> None:
    def score(failed: float | None) -> Callable[[Proposal], float | None]:
        return lambda one: failed if one.parameters["dropout"] > 0.5 else planted(one.parameters)

    visited = [
        run(search(MIXED, "bayes", max_trials=60), score(failed))
        for failed in (None, math.nan, -1e9)
    ]
    assert visited[0] == visited[1] == visited[2]
    # at random half of the trials would fail
    late = [one["dropout"] > 0.5 for one in visited[0][20:]]
    assert sum(late) < 10


@pytest.mark.parametrize("bigger", [True, False])
def test_bayes_beats_random_on_a_planted_objective(bigger: bool) -> None:
    sign = 1 if bigger else -1

    def best(algorithm: str, seed: int) -> float:
        found = search(MIXED, algorithm, seed, max_trials=40, bigger=bigger)
        return max(
            map(planted, run(found, lambda one: sign * by_planted(one))),
        )

    bayes, chance = ([best(name, seed) for seed in range(20)] for name in ("bayes", "random"))
    # one-sided, paired by the seed
    assert wilcoxon(bayes, chance, alternative="greater").pvalue < 0.01
    assert np.median(bayes) > np.median(chance) / 2


def stopped_after(scores: list[float | None], *, early_stop: int, **changes: Any) -> int:
    """How many trials are proposed, one after the other, with these scores and then 0."""
    found = search(MIXED, "random", max_trials=30, early_stop=early_stop, **changes)
    given_scores = dict(enumerate(scores, start=1))
    return len(run(found, lambda one: given_scores.get(one.number, 0.0)))


@pytest.mark.parametrize(
    ("scores", "early_stop", "bigger", "n_trials"),
    [
        ([5.0], 3, True, 4),
        ([1.0, 2.0, 1.5], 3, True, 5),
        # as good as the best is no improvement
        ([2.0, 2.0, 2.0, 2.0], 3, True, 4),
        # a best of 0 stays the best
        ([0.0, -1.0, -2.0], 2, True, 3),
        ([-1.0, 0.0, 0.5, 1.0], 2, False, 3),
        # failed trials count, before the first score and after it
        ([None, None, None], 3, True, 3),
        ([None, math.nan, 1.0, None, math.nan, None], 3, True, 6),
        ([math.nan] * 4, 4, False, 4),
        ([3.0, 2.0, 1.0], 1, False, 5),
        ([3.0, 4.0], 1, False, 2),
        ([-float(number) for number in range(40)], 29, True, 30),
        ([-float(number) for number in range(40)], 30, True, 30),
    ],
)
def test_the_study_ends_after_so_many_trials_without_a_better_score(
    scores: list[float | None], early_stop: int, bigger: bool, n_trials: int
) -> None:
    assert stopped_after(scores, early_stop=early_stop, bigger=bigger) == n_trials


@given(
    scores=st.lists(st.one_of(st.none(), st.integers(0, 4).map(float)), min_size=12, max_size=12),
    early_stop=st.integers(1, 5),
    order=st.randoms(use_true_random=False),
)
def test_the_end_does_not_depend_on_which_trial_ends_first(
    scores: list[float | None], early_stop: int, order: random.Random
) -> None:
    """Against a plain loop over the scores in the order of the trials."""
    best, since, last = -math.inf, 0, 12
    for number, score in enumerate(scores, start=1):
        better = score is not None and score > best
        best, since = (score, 0) if better and score is not None else (best, since + 1)
        if since == early_stop:
            last = number
            break
    space = space_from_dict({"choice": {"a": list(range(12))}})
    found = search(space, "random", early_stop=early_stop)
    running: list[Proposal] = []
    told = set()
    while True:
        while len(running) < 3 and (proposal := found.propose()) is not None:
            running.append(proposal)
        if not running:
            break
        ended = running.pop(order.randrange(len(running)))
        found.tell(ended.number, scores[ended.number - 1])
        told.add(ended.number)
    assert found.last == last
    assert found.over
    assert told >= set(range(1, last + 1))


def test_there_is_no_end_but_the_given_one() -> None:
    assert search(MIXED, "random").last == math.inf
    assert search(MIXED, "random", max_trials=4).last == 4
    assert search(FINITE, "bayes", max_trials=99).last == 30
    assert search(FINITE, "bayes", max_trials=9).last == 9


def test_a_result_needs_a_proposal() -> None:
    found = search(FINITE, "random")
    found.propose()
    found.tell(1, 0.0)
    for number in (0, 2):
        with pytest.raises(ValueError, match=f"must follow its proposal. Received: {number}"):
            found.tell(number, 0.0)


@pytest.mark.parametrize(
    ("algorithm", "changes", "message"),
    [
        ("baies", {}, "Unknown algorithm 'baies'. Did you mean 'bayes'"),
        ("tree", {}, "Unknown algorithm 'tree'. Valid: bayes, exhaustive, random"),
        ("exhaustive", {"max_trials": 29}, "has 30 combinations, and .* leave --max_evals=29 out"),
        ("random", {"max_trials": 0}, "'max_trials' parameter .* at least 1. Received: 0"),
        ("random", {"early_stop": 0}, "'early_stop' parameter .* at least 1. Received: 0"),
        ("bayes", {"lag": 0}, "'lag' parameter .* at least 1. Received: 0"),
        ("bayes", {"seed": -1}, "'seed' parameter .* at least 0. Received: -1"),
    ],
)
def test_wrong_arguments(algorithm: str, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        search(FINITE, algorithm, **changes)


def test_exhaustive_names_the_parameter_without_an_end() -> None:
    with pytest.raises(UsageError, match="params_dict: 'rate' is loguniform and has no end"):
        search(MIXED, "exhaustive")


def test_random_draws_cover_the_kinds_of_parameters() -> None:
    drawn = run(search(MIXED, "random", max_trials=200))
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
    pairs = set(itertools.product((1, 2, 3, 4), (0, 1, 2, 3)))
    assert {(one["size"], one["depth"]) for one in drawn} == pairs
