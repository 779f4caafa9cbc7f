"""RecBole's HyperTuning with a search that is seeded, complete, resumable and parallel."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from recbole.trainer import HyperTuning

from dataset_convert.common.errors import UsageError
from recbole_mirec import compat as compat
from recbole_mirec.tuning.local_jobs import InProcess, Proposals, Report
from recbole_mirec.tuning.search import EXHAUSTIVE, Proposal, Search
from recbole_mirec.tuning.space import SearchSpace, read_space, space_from_dict
from recbole_mirec.tuning.trial import DIVERGED, FAILED, FINISHED, Outcome, one_line

Objective = Callable[[dict[str, Any], Sequence[str] | None], Mapping[str, Any]]
Driver = Callable[[Proposals, Report], None]


class MirecHyperTuning(HyperTuning):  # type: ignore[misc]
    """HyperTuning as RecBole's users know it, with another loop.

    Departures from RecBole: `exhaustive` visits every combination and is not cut short; draws are
    seeded; a trial that raises is recorded and the search goes on; a best score of 0 stays the
    best; files and dictionaries of parameters are checked line by line; nothing of the test part
    is asked of the objective.

    Args:
        objective_function: RecBole's: takes a trial's parameters and `fixed_config_file_list`,
            returns a mapping with `model`, `best_valid_score`, `valid_score_bigger` and
            `best_valid_result`. Not called where a `driver` runs the trials.
        space: a `SearchSpace`; else `params_file` or `params_dict` says it, in RecBole's form.
        fixed_config_file_list: handed to the objective.
        algo: exhaustive, random or bayes.
        max_evals: trials at most; None: no limit.
        early_stop: trials in a row without a better score that end the search; None: never.
        seed: of the draws.
        bigger: whether a larger score is better; None: the objective's results say it.
        jobs: trials that the driver runs at a time.
        driver: runs the proposed trials; None: the objective, in this process.
        stored: outcomes of trials that are not to be run again, by number.
        deadline: seconds since the Unix epoch, after which no trial starts but the first.
        on_trial: called with a trial's proposal, its outcome and whether it was stored, as each
            ends.

    Attributes:
        best_score, best_params: the best trial's; None where no trial has a score.
        best_number: its number.
        outcomes: number -> proposal and outcome, of the study's trials so far.

    Raises:
        UsageError: a wrong parameter, file or combination of arguments.
    """

    def __init__(
        self,
        objective_function: Objective | None = None,
        space: SearchSpace | None = None,
        params_file: str | Path | None = None,
        params_dict: Mapping[str, Mapping[str, Any]] | None = None,
        fixed_config_file_list: Sequence[str] | None = None,
        algo: str = EXHAUSTIVE,
        max_evals: int | None = None,
        early_stop: int | None = None,
        *,
        seed: int = 2020,
        bigger: bool | None = None,
        jobs: int = 1,
        driver: Driver | None = None,
        stored: Mapping[int, Outcome] | None = None,
        deadline: float | None = None,
        on_trial: Callable[[Proposal, Outcome, bool], None] | None = None,
    ):
        if (objective_function is None) == (driver is None):
            raise UsageError("HyperTuning needs either an objective_function or a driver.")
        if bigger is None and (driver is not None or stored):
            raise UsageError(
                "HyperTuning with a driver or stored outcomes needs bigger=True or bigger=False."
            )
        self.objective_function = objective_function
        self.fixed_config_file_list = fixed_config_file_list
        self.space = _space(space, params_file, params_dict)
        self.search = Search(
            self.space,
            algo,
            seed=seed,
            max_trials=max_evals,
            early_stop=early_stop,
            bigger=bigger is not False,
            lag=jobs,
        )
        if math.isinf(self.search.last) and early_stop is None and deadline is None:
            raise UsageError(
                "This search would never end: the space is not finite. Give max_evals=100, "
                "early_stop or a deadline."
            )
        self.best_score: float | None = None
        self.best_params: dict[str, Any] | None = None
        self.best_number: int | None = None
        self.outcomes: dict[int, tuple[Proposal, Outcome]] = {}
        self._asks_direction = bigger is None
        self._driver = driver or InProcess(self._call_objective)
        self._continued = _Continued(self.search, dict(stored or {}), deadline, self._take)
        self._on_trial = on_trial

    def run(self) -> None:
        """Run the search to its end."""
        self._driver(self._continued, self._report)

    @property
    def params2result(self) -> dict[str, dict[str, Any]]:
        """RecBole's: a trial's parameters as text -> its results, for `export_result`."""
        return {
            self.params2str(proposal.parameters): {
                "best_valid_score": outcome.score,
                "best_valid_result": outcome.metrics,
                # asked for once, after the search, for the winner
                "test_result": {},
            }
            for _, (proposal, outcome) in sorted(self.outcomes.items())
        }

    def _report(self, number: int, parameters: dict[str, Any], outcome: Outcome) -> None:
        self._take(Proposal(number, parameters), outcome, stored=False)

    def _take(self, proposal: Proposal, outcome: Outcome, *, stored: bool) -> None:
        self.search.tell(proposal.number, outcome.score)
        self.outcomes[proposal.number] = proposal, outcome
        # Parallel trials that early stopping comes too late for are no part of the study.
        for number in [number for number in self.outcomes if number > self.search.last]:
            del self.outcomes[number]
        self._choose_best()
        if self._on_trial is not None:
            self._on_trial(proposal, outcome, stored)

    def ranking(self) -> list[int]:
        """Numbers of the trials that have a score, best first; the earlier one of equals."""
        sign = -1 if self.search.bigger else 1
        return sorted(
            (
                number
                for number, (_, outcome) in self.outcomes.items()
                if outcome.score is not None and not math.isnan(outcome.score)
            ),
            key=lambda number: (sign * (self.outcomes[number][1].score or 0.0), number),
        )

    def _choose_best(self) -> None:
        # None again where the only trial with a score came too late
        self.best_number = self.best_score = self.best_params = None
        for number in self.ranking()[:1]:
            proposal, outcome = self.outcomes[number]
            self.best_number = number
            self.best_score, self.best_params = outcome.score, proposal.parameters

    def _call_objective(self, _number: int, parameters: Mapping[str, Any]) -> Outcome:
        assert self.objective_function is not None
        started = time.perf_counter()
        try:
            result = self.objective_function(dict(parameters), self.fixed_config_file_list)
            found = self._outcome(result)
        except Exception as error:
            found = Outcome(FAILED, reason=one_line(error, named=True))
        return replace(found, seconds=time.perf_counter() - started)

    def _outcome(self, result: Mapping[str, Any]) -> Outcome:
        score, metrics = float(result["best_valid_score"]), dict(result["best_valid_result"])
        bigger = bool(result["valid_score_bigger"])
        # RecBole's trainer gives an infinite score where it never validated.
        if not math.isfinite(score):
            return Outcome(DIVERGED, reason=f"the score is {score}")
        if self._asks_direction:
            self.search.bigger = bigger
        return Outcome(FINISHED, score, metrics)


class _Continued:
    """A search whose first results may be known, and whose time may end."""

    def __init__(
        self,
        search: Search,
        stored: Mapping[int, Outcome],
        deadline: float | None,
        take: Callable[..., None],
    ):
        self._search = search
        self._stored = stored
        self._deadline = math.inf if deadline is None else deadline
        self._take = take

    @property
    def over(self) -> bool:
        return self._search.over or self._out_of_time()

    def propose(self) -> Proposal | None:
        while not self._out_of_time():
            proposal = self._search.propose()
            if proposal is None or proposal.number not in self._stored:
                return proposal
            self._take(proposal, self._stored[proposal.number], stored=True)
        return None

    def _out_of_time(self) -> bool:
        # What had begun before an interruption is brought to its end.
        n_begun = max(self._stored, default=1)
        return self._search.n_proposed >= n_begun and time.time() > self._deadline


def _space(
    space: SearchSpace | None,
    params_file: str | Path | None,
    params_dict: Mapping[str, Mapping[str, Any]] | None,
) -> SearchSpace:
    if space is not None:
        if not isinstance(space, SearchSpace):
            raise UsageError(
                "HyperTuning takes parameters as params_file, params_dict or a SearchSpace. "
                f"Received a space of type {type(space).__name__}: expressions of hyperopt can be "
                "conditional, which no algorithm here supports."
            )
        return space
    if params_file is not None:
        return read_space(Path(params_file))
    if params_dict is not None:
        return space_from_dict(params_dict)
    raise UsageError("HyperTuning needs a space, a params_file or a params_dict.")
