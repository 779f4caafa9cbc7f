"""Draws of parameter values by hyperopt, each from a seed of its own."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
from hyperopt import JOB_STATE_DONE, STATUS_OK, Trials, rand, space_eval, tpe
from hyperopt.base import Domain

from recbole_mirec.tuning.space import SearchSpace

RANDOM, BAYES = "random", "bayes"
# hyperopt's default, 20 random trials before the first informed one, is most of a small study
N_RANDOM_FIRST = 10

_SUGGEST = {RANDOM: rand.suggest, BAYES: partial(tpe.suggest, n_startup_jobs=N_RANDOM_FIRST)}


class Sampler:
    """Points of a space, at random or by hyperopt's tree-structured Parzen estimator.

    Args:
        space: the parameters and their values.
        seed: of all draws; a draw depends on the seed, its number, its attempt and the losses
            that it is given, and on nothing else.
    """

    def __init__(self, space: SearchSpace, seed: int):
        self._space = space
        self._seed = seed
        self._nodes = space.hyperopt_space()
        # hyperopt only proposes: it has no function to call
        self._domain = Domain(None, self._nodes)
        self._miscs: dict[int, dict[str, Any]] = {}

    def draw(
        self, algorithm: str, number: int, attempt: int, losses: Mapping[int, float]
    ) -> dict[str, Any]:
        """Values for a trial.

        Args:
            algorithm: `random` or `bayes`.
            number: the trial's; its last draw is the one that later losses refer to.
            attempt: another attempt of the same trial draws anew.
            losses: trial number -> loss, smaller is better, infinite for a trial without a score;
                for `bayes`.
        """
        sequence = np.random.SeedSequence([self._seed, number, attempt])
        seed = int(sequence.generate_state(1)[0] >> 1)
        trials = self._trials(losses)
        document = _SUGGEST[algorithm]([number], self._domain, trials, seed)[0]
        self._miscs[number] = document["misc"]
        point = {name: value[0] for name, value in document["misc"]["vals"].items()}
        return self._space.decode(space_eval(self._nodes, point))

    def _trials(self, losses: Mapping[int, float]) -> Trials:
        trials = Trials()
        trials.insert_trial_docs(
            {
                "tid": number,
                "state": JOB_STATE_DONE,
                "spec": None,
                "result": {"status": STATUS_OK, "loss": loss},
                "misc": self._miscs[number],
                "exp_key": None,
                "owner": None,
                "version": 0,
                "book_time": None,
                "refresh_time": None,
            }
            for number, loss in sorted(losses.items())
        )
        trials.refresh()
        return trials
