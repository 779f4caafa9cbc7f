"""RecBole's HyperTuning with our loop: right bests, recorded failures, continuation, its end."""

import contextlib
import math
import random
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recbole.trainer import HyperTuning
from recbole_mirec.tuning.hyper_tuning import MirecHyperTuning, Report
from recbole_mirec.tuning.local_jobs import Proposals
from recbole_mirec.tuning.search import Proposal

from dataset_convert.common.errors import UsageError
from recbole_mirec.tuning import hyper_tuning
from recbole_mirec.tuning.space import space_from_dict
from recbole_mirec.tuning.trial import DIVERGED, FAILED, FINISHED, Outcome

Score = float | None | Exception


class Asked(dict[str, Any]):
    """A result whose test part must not be asked for."""

    def __getitem__(self, key: str) -> Any:
        assert key != "test_result"
        return super().__getitem__(key)

    def get(self, key: str, default: Any = None) -> Any:
        assert key != "test_result"
        return super().get(key, default)


def result(score: Any, *, bigger: bool = True) -> Asked:
    """What RecBole's objective function returns."""
    return Asked(
        model="BPR",
        best_valid_score=score,
        valid_score_bigger=bigger,
        best_valid_result={"mrr@10": score},
        test_result={"mrr@10": 1000.0},
    )


def objective(scores: Sequence[Score], *, bigger: bool = True) -> Callable[..., Asked]:
    """Trial n of `numbered(...)` has the n-th score, or raises it."""

    def run(parameters: Mapping[str, Any], _files: Sequence[str] | None = None) -> Asked:
        score = scores[parameters["n"] - 1]
        if isinstance(score, Exception):
            raise score
        return result(score, bigger=bigger)

    return run


def numbered(size: int) -> dict[str, dict[str, list[int]]]:
    """A space whose exhaustive search tries n = 1, 2, ..., so that n is the trial's number."""
    return {"choice": {"n": list(range(1, size + 1))}}


def tuned(scores: Sequence[Score], *, bigger: bool = True, **changes: Any) -> MirecHyperTuning:
    found = MirecHyperTuning(
        objective(scores, bigger=bigger), params_dict=numbered(len(scores)), **changes
    )
    found.run()
    return found


@pytest.mark.parametrize(
    ("scores", "bigger", "best"),
    [
        ([0.3, 0.5, 0.4], True, 2),
        # RecBole takes a best of 0 for none and goes on with a worse one
        ([0.0, -0.5, -1.0], True, 1),
        ([-0.5, 0.0, -1.0], True, 2),
        ([0.0, 0.5, 1.0], False, 1),
        ([0.5, 0.0, 1.0], False, 2),
        # MedR, and a loss
        ([120.0, 31.5, 77.0], False, 2),
        ([0.69, 0.42, 0.43], False, 2),
        ([-3.0, -1.0, -2.0], True, 2),
        # of equals the earlier one
        ([0.1, 0.5, 0.5], True, 2),
        ([2.0, 1.0, 1.0, 1.0], False, 2),
        ([0.0, -0.0], True, 1),
        ([math.nan, 0.2, RuntimeError("full"), 0.3], True, 4),
        ([math.nan, 0.2, RuntimeError("full"), 0.3], False, 2),
    ],
)
def test_the_best_trial(scores: list[Score], bigger: bool, best: int) -> None:
    found = tuned(scores, bigger=bigger)
    assert found.best_number == best
    assert found.best_score == scores[best - 1]
    assert found.best_params == {"n": best}
    assert found.ranking()[0] == best
    assert len(found.outcomes) == len(scores)


@given(
    scores=st.lists(
        st.sampled_from([None, 0.0, -1.0, 1.0, 0.25, math.nan]), min_size=1, max_size=8
    ),
    bigger=st.booleans(),
)
def test_the_ranking_is_that_of_a_stable_sort(scores: list[float | None], bigger: bool) -> None:
    found = tuned(scores, bigger=bigger)
    scored = [n for n, one in enumerate(scores, 1) if one is not None and not math.isnan(one)]
    expected = sorted(
        scored,
        key=lambda n: -scores[n - 1] if bigger else scores[n - 1],  # type: ignore[operator]
    )
    assert found.ranking() == expected
    assert found.best_number == (expected[0] if expected else None)


def test_trials_that_fail_are_recorded_and_the_search_goes_on() -> None:
    scores: list[Any] = [
        *(0.1, math.nan, math.inf, -math.inf, None, "high"),
        *(RuntimeError("out of\n  memory"), ValueError(), 0.2),
    ]
    found = tuned(scores)
    told = [(one.status, one.score, one.reason) for _, one in found.outcomes.values()]
    assert told == [
        (FINISHED, 0.1, ""),
        (DIVERGED, None, "the score is nan"),
        # what RecBole's trainer gives where it never validated
        (DIVERGED, None, "the score is inf"),
        (DIVERGED, None, "the score is -inf"),
        (
            FAILED,
            None,
            "TypeError: float() argument must be a string or a real number, not 'NoneType'",
        ),
        (FAILED, None, "ValueError: could not convert string to float: 'high'"),
        (FAILED, None, "RuntimeError: out of memory"),
        (FAILED, None, "ValueError"),
        (FINISHED, 0.2, ""),
    ]
    assert found.outcomes[9][1].metrics == {"mrr@10": 0.2}
    assert found.outcomes[7][1].metrics == {}
    assert found.best_number == 9


@pytest.mark.parametrize("key", ["best_valid_score", "valid_score_bigger", "best_valid_result"])
def test_an_objective_that_forgets_a_key_is_told_which(key: str) -> None:
    def forgetful(parameters: Mapping[str, Any], _files: Any) -> Mapping[str, Any]:
        return {name: value for name, value in result(0.5).items() if name != key}

    found = MirecHyperTuning(forgetful, params_dict=numbered(2))
    found.run()
    assert [one.reason for _, one in found.outcomes.values()] == [f"KeyError: '{key}'"] * 2
    assert found.best_score is None


def test_a_search_in_which_everything_fails_has_no_best() -> None:
    found = tuned([RuntimeError("one"), math.nan, RuntimeError("three")])
    assert (found.best_score, found.best_params, found.best_number) == (None, None, None)
    assert found.ranking() == []
    assert len(found.outcomes) == 3


def test_an_interruption_passes() -> None:
    def interrupted(_parameters: Any, _files: Any) -> Mapping[str, Any]:
        raise KeyboardInterrupt

    found = MirecHyperTuning(interrupted, params_dict=numbered(3))
    with pytest.raises(KeyboardInterrupt):
        found.run()
    assert found.outcomes == {}


def test_it_is_used_as_recbole_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model.hyper").write_text(
        "learning_rate choice [0.01,0.005]\nembedding_size quniform 32,96,32\n"
        "mlp_hidden_size choice ['[64,64]','[128]']\n"
    )
    calls = []

    def objective_function(config_dict: Any = None, config_file_list: Any = None) -> Any:
        calls.append((config_dict, config_file_list))
        return result(config_dict["embedding_size"] - 10 * config_dict["learning_rate"])

    # https://recbole.io/docs/user_guide/usage/parameter_tuning.html
    hp = MirecHyperTuning(
        objective_function=objective_function,
        algo="exhaustive",
        early_stop=10,
        max_evals=100,
        params_file="model.hyper",
        fixed_config_file_list=["example.yaml"],
    )
    hp.run()
    hp.export_result(output_file="hyper_example.result")
    assert isinstance(hp, HyperTuning)
    assert [files for _, files in calls] == [["example.yaml"]] * 12
    assert [tried for tried, _ in calls] == [
        {"learning_rate": rate, "embedding_size": size, "mlp_hidden_size": layers}
        for rate in (0.01, 0.005)
        for size in (32, 64, 96)
        for layers in ([64, 64], [128])
    ]
    assert hp.best_params == {
        "learning_rate": 0.005,
        "embedding_size": 96,
        "mlp_hidden_size": [64, 64],
    }
    text = "learning_rate:0.005, embedding_size:96, mlp_hidden_size:[64, 64]"
    assert hp.params2str(hp.best_params) == text
    assert hp.params2result[text] == {
        "best_valid_score": 95.95,
        "best_valid_result": {"mrr@10": 95.95},
        "test_result": {},
    }
    written = (tmp_path / "hyper_example.result").read_text()
    assert written.count("Valid result:\n") == 12
    assert f"{text}\nValid result:\nmrr@10 : 95.95\nTest result:\n\n" in written
    assert "1000" not in written


def test_a_dictionary_and_a_space_do_as_well_as_a_file(tmp_path: Path) -> None:
    (tmp_path / "n.hyper").write_text("n choice [1,2,3]\n")
    spaces: list[dict[str, Any]] = [
        {"params_file": tmp_path / "n.hyper"},
        {"params_dict": numbered(3)},
        {"space": space_from_dict(numbered(3))},
    ]
    for space in spaces:
        found = MirecHyperTuning(objective([0.1, 0.3, 0.2]), **space)
        found.run()
        assert (found.best_number, len(found.outcomes)) == (2, 3)


def test_an_objective_cannot_change_what_is_recorded() -> None:
    def greedy(parameters: dict[str, Any], _files: Any) -> Mapping[str, Any]:
        score = float(parameters.pop("n"))
        parameters["other"] = 1
        return result(score)

    found = MirecHyperTuning(greedy, params_dict=numbered(3))
    found.run()
    assert found.best_params == {"n": 3}


@pytest.mark.parametrize("algo", ["random", "bayes"])
def test_the_seed_is_handed_on(algo: str) -> None:
    def tried(seed: int) -> list[dict[str, Any]]:
        found = MirecHyperTuning(
            lambda parameters, _files: result(parameters["x"]),
            params_dict={"uniform": {"x": [0, 1]}},
            algo=algo,
            max_evals=15,
            seed=seed,
        )
        found.run()
        return [proposal.parameters for proposal, _ in found.outcomes.values()]

    assert tried(3) == tried(3)
    assert tried(3) != tried(4)


def test_the_objective_says_the_direction_unless_it_is_given() -> None:
    # smaller is better: 1, 2, 3 do not improve on 0
    scores: list[Score] = [RuntimeError("first"), 0.0, 1.0, 2.0, 3.0]
    kwargs: dict[str, Any] = {"algo": "random", "early_stop": 2, "max_evals": 5}
    by_order = list(range(5))

    def in_order(bigger: bool) -> Callable[..., Asked]:
        order = iter(by_order)

        def run(_parameters: Any, _files: Any) -> Asked:
            score = scores[next(order)]
            if isinstance(score, Exception):
                raise score
            return result(score, bigger=bigger)

        return run

    def n_trials(said: bool, given_direction: bool | None) -> tuple[int, float | None]:
        found = MirecHyperTuning(
            in_order(said), params_dict=numbered(5), bigger=given_direction, **kwargs
        )
        found.run()
        return len(found.outcomes), found.best_score

    assert n_trials(said=False, given_direction=None) == (4, 0.0)
    assert n_trials(said=True, given_direction=None) == (5, 3.0)
    assert n_trials(said=True, given_direction=False) == (4, 0.0)
    assert n_trials(said=False, given_direction=True) == (5, 3.0)


# --- drivers, stored outcomes, deadlines ---


class Slots:
    """A driver with several trials at a time, each of which takes as many ticks as it is told.

    Args:
        scores: of trial n the n-th.
        ticks: how long trial n takes; 1 where nothing is said.
        n_slots: trials at a time.
        killed_after: end like a killed process after so many ended trials.
    """

    def __init__(
        self,
        scores: Callable[[Proposal], float | None],
        *,
        ticks: Mapping[int, int] | None = None,
        n_slots: int = 1,
        killed_after: int | None = None,
    ):
        self.scores, self.ticks, self.n_slots = scores, ticks or {}, n_slots
        self.killed_after = killed_after
        self.started: list[int] = []
        self.now = 0

    def __call__(self, search: Proposals, report: Report) -> None:
        running: list[tuple[int, int, Proposal]] = []
        ended = 0
        while True:
            while len(running) < self.n_slots and (proposal := search.propose()) is not None:
                self.started.append(proposal.number)
                until = self.now + self.ticks.get(proposal.number, 1)
                running.append((until, proposal.number, proposal))
            if not running:
                assert search.over
                return
            if ended == self.killed_after:
                raise KeyboardInterrupt
            running.sort()
            self.now, number, proposal = running.pop(0)
            score = self.scores(proposal)
            outcome = Outcome(FAILED, reason="no") if score is None else Outcome(FINISHED, score)
            ended += 1
            report(number, proposal.parameters, outcome)


def listed(scores: Sequence[float | None]) -> Callable[[Proposal], float | None]:
    return lambda proposal: scores[proposal.number - 1]


def driven(driver: Slots, n_values: int = 12, **changes: Any) -> MirecHyperTuning:
    given_arguments: dict[str, Any] = {
        "params_dict": numbered(n_values),
        "algo": "random",
        "bigger": True,
        "jobs": driver.n_slots,
    }
    found = MirecHyperTuning(driver=driver, **given_arguments | changes)
    found.run()
    return found


def test_parallel_trials_beyond_the_end_are_dropped() -> None:
    # 1 is the best of the study, which ends with 3; 4 and 5 run beside 3 and are better
    scores = [0.5, 0.1, 0.2, 0.9, 0.8]
    driver = Slots(listed(scores), ticks={3: 9}, n_slots=2)
    found = driven(driver, 5, early_stop=2)
    assert driver.started == [1, 2, 3, 4, 5]
    assert sorted(found.outcomes) == [1, 2, 3]
    assert (found.best_number, found.best_score) == (1, 0.5)
    assert found.ranking() == [1, 3, 2]
    assert len(found.params2result) == 3
    # one that ends after the end is known
    late = driven(Slots(listed(scores), ticks={4: 9}, n_slots=2), 5, early_stop=2)
    assert {n: one for n, (_, one) in late.outcomes.items()} == {
        n: one for n, (_, one) in found.outcomes.items()
    }
    assert late.best_number == 1


def test_a_dropped_trial_is_not_the_best_of_failed_ones() -> None:
    driver = Slots(listed([None, None, 0.9]), ticks={2: 9}, n_slots=2)
    found = driven(driver, 3, early_stop=2)
    assert driver.started == [1, 2, 3]
    assert sorted(found.outcomes) == [1, 2]
    assert (found.best_number, found.best_score, found.best_params) == (None, None, None)


def test_each_trial_is_told_once_with_the_best_so_far() -> None:
    seen = []

    def on_trial(proposal: Proposal, outcome: Outcome, stored: bool) -> None:
        seen.append((proposal.number, outcome.score, stored, found.best_number))

    stored = {2: Outcome(FINISHED, 0.4), 4: Outcome(FAILED, reason="earlier")}
    found = MirecHyperTuning(
        driver=Slots(listed([0.1, 0.0, 0.3, 0.0, 0.6])),
        params_dict=numbered(5),
        bigger=True,
        stored=stored,
        on_trial=on_trial,
    )
    found.run()
    assert seen == [
        (1, 0.1, False, 1),
        (2, 0.4, True, 2),
        (3, 0.3, False, 2),
        (4, None, True, 2),
        (5, 0.6, False, 5),
    ]


MIXED = {
    "uniform": {"x": [0, 1], "y": [0, 1]},
    "choice": {"size": [8, 16, 32], "layers": ["[8,4]", "[]"]},
}
# 24 combinations, of which a study tries 22
FINITE = {"choice": {"size": [8, 16], "y": [0.5, 0.95]}, "quniform": {"x": [0, 1, 0.2]}}


def rated(proposal: Proposal) -> float | None:
    """Best at x = 0.25, size 16; some trials fail."""
    if proposal.parameters["y"] > 0.9:
        return None
    return -abs(proposal.parameters["x"] - 0.25) - 0.1 * (proposal.parameters["size"] != 16)


@given(
    space=st.sampled_from([MIXED, FINITE]),
    algo=st.sampled_from(["random", "bayes"]),
    jobs=st.integers(1, 3),
    early_stop=st.sampled_from([None, 6]),
    cuts=st.lists(st.integers(0, 20), min_size=1, max_size=3),
    times=st.randoms(use_true_random=False),
)
@settings(max_examples=30)
def test_a_study_that_is_cut_anywhere_ends_like_an_undisturbed_one(
    space: dict[str, Any],
    algo: str,
    jobs: int,
    early_stop: int | None,
    cuts: list[int],
    times: random.Random,
) -> None:
    """Completed trials have gaps where a later one ended first."""

    def study(driver: Slots, stored: dict[int, Outcome]) -> MirecHyperTuning:
        def on_trial(proposal: Proposal, outcome: Outcome, was_stored: bool) -> None:
            kept[proposal.number] = outcome

        kept = stored
        return MirecHyperTuning(
            driver=driver,
            params_dict=space,
            algo=algo,
            max_evals=22,
            early_stop=early_stop,
            seed=5,
            bigger=True,
            jobs=jobs,
            stored=dict(stored),
            on_trial=on_trial,
        )

    def slots(killed_after: int | None) -> Slots:
        ticks = {number: times.randint(1, 9) for number in range(1, 23)}
        return Slots(rated, ticks=ticks, n_slots=jobs, killed_after=killed_after)

    undisturbed = study(slots(None), {})
    undisturbed.run()
    stored: dict[int, Outcome] = {}
    for killed_after in cuts:
        driver = slots(killed_after)
        known = set(stored)
        with contextlib.suppress(KeyboardInterrupt):
            study(driver, stored).run()
        assert not known & set(driver.started)
    last = study(slots(None), stored)
    last.run()
    assert last.outcomes == undisturbed.outcomes
    assert last.best_number == undisturbed.best_number
    assert last.ranking() == undisturbed.ranking()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, in its one entry."""
    now = [1000.0]
    monkeypatch.setattr(hyper_tuning.time, "time", lambda: now[0])
    return now


def test_no_trial_starts_after_the_deadline(clock: list[float]) -> None:
    def minute(proposal: Proposal) -> float:
        clock[0] += 60
        return 0.1 * proposal.number

    # trial 3 starts in time and ends after it
    found = driven(Slots(minute), deadline=1150.0)
    assert sorted(found.outcomes) == [1, 2, 3]
    assert found.best_number == 3


def test_the_first_trial_starts_whatever_the_time(clock: list[float]) -> None:
    found = driven(Slots(listed([0.5] * 12), n_slots=2), deadline=10.0)
    assert sorted(found.outcomes) == [1]
    assert found.best_score == 0.5
    # and not again in a continued study
    driver = Slots(listed([0.5] * 12))
    found = driven(driver, deadline=10.0, stored={1: Outcome(FINISHED, 0.3)})
    assert (driver.started, found.best_score) == ([], 0.3)


def test_what_was_begun_before_an_interruption_is_brought_to_its_end(clock: list[float]) -> None:
    stored = {2: Outcome(FINISHED, 0.7), 5: Outcome(FINISHED, 0.6), 4: Outcome(FAILED, reason="x")}
    for jobs in (1, 2):
        driver = Slots(listed([0.1] * 12), n_slots=jobs)
        found = driven(driver, deadline=10.0, stored=stored)
        assert driver.started == [1, 3]
        assert sorted(found.outcomes) == [1, 2, 3, 4, 5]
        assert found.ranking() == [2, 5, 1, 3]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"objective_function": None}, "either an objective_function or a driver"),
        ({"driver": Slots(rated), "bigger": True}, "either an objective_function or a driver"),
        ({"params_dict": None}, "needs a space, a params_file or a params_dict"),
        ({"space": {"n": "hp.choice"}}, "a space of type dict: expressions of hyperopt can be"),
        ({"algo": "tpe"}, "Unknown algorithm 'tpe'. Valid: bayes, exhaustive, random"),
        ({"max_evals": 2}, "has 3 combinations"),
        ({"max_evals": 0}, "'max_trials' parameter .* Received: 0"),
        ({"jobs": 0}, "'lag' parameter .* Received: 0"),
        ({"params_file": "nowhere.hyper"}, "Params file 'nowhere.hyper' cannot be read"),
        ({"params_dict": {"choose": {"n": [1]}}}, "kind 'choose' .* Did you mean 'choice'"),
        (
            {"params_dict": {"uniform": {"x": [0, 1]}}, "algo": "random"},
            "would never end: .* Give max_evals=100, early_stop or a deadline",
        ),
        ({"stored": {1: Outcome(FINISHED, 0.1)}}, "stored outcomes needs bigger=True or"),
        (
            {"objective_function": None, "driver": Slots(rated)},
            "with a driver or stored outcomes needs bigger=True or bigger=False",
        ),
    ],
)
def test_wrong_arguments(arguments: dict[str, Any], message: str) -> None:
    given_arguments: dict[str, Any] = {
        "objective_function": objective([0.1] * 3),
        "params_dict": numbered(3),
    }
    with pytest.raises(UsageError, match=message):
        MirecHyperTuning(**given_arguments | arguments)


@pytest.mark.parametrize("limit", [{"max_evals": 9}, {"early_stop": 9}, {"deadline": 0.0}])
def test_any_limit_makes_a_search_without_grid_end(limit: dict[str, Any]) -> None:
    found = MirecHyperTuning(
        lambda _parameters, _files: result(0.5),
        params_dict={"uniform": {"x": [0, 1]}},
        algo="random",
        **limit,
    )
    found.run()
    expected = {"max_evals": 9, "early_stop": 10, "deadline": 1}
    assert len(found.outcomes) == expected[next(iter(limit))]
