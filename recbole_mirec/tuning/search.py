"""Which trial comes next, and when a study is over."""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from dataset_convert.common.errors import UsageError, nearest
from recbole_mirec.tuning.sampling import BAYES, RANDOM, Sampler
from recbole_mirec.tuning.space import SearchSpace

EXHAUSTIVE = "exhaustive"
ALGORITHMS = (EXHAUSTIVE, RANDOM, BAYES)
N_DRAWS = 20


@dataclass(frozen=True)
class Proposal:
    """A trial to run: its number, counted from 1, and the value of every parameter."""

    number: int
    parameters: dict[str, Any]


class Search:
    """The order of trials, which depends on the arguments and on the trials' scores alone.

    `exhaustive` visits every combination in the file's order. `random` draws each trial from its
    own seed. `bayes` is hyperopt's tree-structured Parzen estimator; its trial n sees the trials
    up to `n - lag` and no other, however early they ended, so that several jobs and a continued
    study propose what an undisturbed one would. No combination of a finite space comes twice.

    Args:
        space: the parameters and their values.
        algorithm: one of `ALGORITHMS`.
        seed: of the draws of `random` and `bayes`.
        max_trials: trials at most; None: no limit.
        early_stop: the study ends after so many trials in a row without a better score; None:
            never. Trials that a parallel driver started beyond that end do not belong to the
            study. Without effect on `exhaustive`.
        bigger: whether a larger score is better.
        lag: how many trials run at a time.

    Raises:
        UsageError: an unknown algorithm; a number out of range; `exhaustive` on a parameter
            without a grid, or with fewer trials than there are combinations.
    """

    def __init__(
        self,
        space: SearchSpace,
        algorithm: str,
        *,
        seed: int,
        max_trials: int | None,
        early_stop: int | None = None,
        bigger: bool = True,
        lag: int = 1,
    ):
        if algorithm not in ALGORITHMS:
            raise UsageError(f"Unknown algorithm '{algorithm}'.{nearest(algorithm, ALGORITHMS)}")
        _check_numbers(seed=seed, max_trials=max_trials, early_stop=early_stop, lag=lag)
        self.space = space
        self.algorithm = algorithm
        self.bigger = bigger
        self._lag = lag
        self._early_stop = None if algorithm == EXHAUSTIVE else early_stop
        self._limit = _limit(space, algorithm, max_trials)
        self._proposed: list[Proposal] = []
        self._seen: set[str] = set()
        self._scores: dict[int, float | None] = {}
        self._grid: Iterator[dict[str, Any]] = iter(())
        if algorithm == EXHAUSTIVE:
            self._grid = space.combinations()
        else:
            self._sampler = Sampler(space, seed)

    @property
    def last(self) -> float:
        """Number of the study's last trial as far as known: its limit, or where it stops early."""
        if self._early_stop is None:
            return self._limit
        best, best_number, number = math.inf, 0, 1
        while number in self._scores:
            if self._loss(number) < best:
                best, best_number = self._loss(number), number
            if number - best_number >= self._early_stop:
                return number
            number += 1
        return self._limit

    @property
    def n_proposed(self) -> int:
        """How many trials have been proposed."""
        return len(self._proposed)

    @property
    def over(self) -> bool:
        """Whether no further trial will be proposed."""
        return len(self._proposed) >= self.last

    def propose(self) -> Proposal | None:
        """The next trial; None where the study is over, or where results are needed first."""
        number = len(self._proposed) + 1
        if number > self.last:
            return None
        seen = range(1, number - self._lag + 1) if self.algorithm == BAYES else range(0)
        if any(earlier not in self._scores for earlier in seen):
            return None
        losses = {earlier: self._loss(earlier) for earlier in seen}
        proposal = Proposal(number, self._parameters(number, losses))
        self._seen.add(_identity(proposal.parameters))
        self._proposed.append(proposal)
        return proposal

    def tell(self, number: int, score: float | None) -> None:
        """Take a trial's score; None where it has none.

        Raises:
            ValueError: no such trial was proposed.
        """
        if not 1 <= number <= len(self._proposed):
            raise ValueError(f"A trial's result must follow its proposal. Received: {number}.")
        self._scores[number] = score

    def _loss(self, number: int) -> float:
        score = self._scores[number]
        if score is None or math.isnan(score):
            return math.inf
        return -score if self.bigger else score

    def _parameters(self, number: int, losses: dict[int, float]) -> dict[str, Any]:
        if self.algorithm == EXHAUSTIVE:
            return next(self._grid)
        finite = self.space.n_combinations() is not None
        attempt = 0
        while True:
            # The estimator may insist on what it has seen: random draws reach every combination.
            algorithm = self.algorithm if attempt < N_DRAWS else RANDOM
            parameters = self._sampler.draw(algorithm, number, attempt, losses)
            if not finite or _identity(parameters) not in self._seen:
                return parameters
            attempt += 1


def _check_numbers(**numbers: int | None) -> None:
    for name, value in numbers.items():
        least = 0 if name == "seed" else 1
        if value is not None and value < least:
            raise UsageError(
                f"The '{name}' parameter of Search must be at least {least}. Received: {value}."
            )


def _limit(space: SearchSpace, algorithm: str, max_trials: int | None) -> float:
    size = space.n_combinations()
    if algorithm == EXHAUSTIVE:
        if size is None:
            next(space.combinations())  # raises, and names the parameter without a grid
        elif max_trials is not None and max_trials < size:
            raise UsageError(
                f"The space has {size} combinations, and exhaustive search visits them all; leave "
                f"--max_evals={max_trials} out, or use --algo random."
            )
    return min([limit for limit in (size, max_trials) if limit is not None], default=math.inf)


def _identity(parameters: dict[str, Any]) -> str:
    return json.dumps(parameters, sort_keys=True, default=str)
