"""Trials on this machine: in this process, or in several."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from recbole_mirec.tuning.search import Proposal
from recbole_mirec.tuning.trial import FAILED, Outcome, TrialTask
from recbole_mirec.workers import Death, run_in_workers

RunTrial = Callable[[int, Mapping[str, Any]], Outcome]
Report = Callable[[int, dict[str, Any], Outcome], None]


class Proposals(Protocol):
    """Where trials come from; a `Search`, or one that knows some results already."""

    @property
    def over(self) -> bool:
        """Whether no further trial will be proposed."""

    def propose(self) -> Proposal | None:
        """The next trial; None where the study is over, or where results are needed first."""


@dataclass(frozen=True)
class InProcess:
    """Runs trials one after the other in this process.

    Attributes:
        run: a trial, from its number and its parameters.
    """

    run: RunTrial

    def __call__(self, search: Proposals, report: Report) -> None:
        """Run the proposed trials; each is reported as it ends."""
        while (proposal := search.propose()) is not None:
            outcome = self.run(proposal.number, proposal.parameters)
            report(proposal.number, proposal.parameters, outcome)


@dataclass(frozen=True)
class LocalProcesses:
    """Runs trials in worker processes, each of which imports the packages once.

    A worker that dies takes its trial with it, which is recorded as failed.

    Attributes:
        task: what to run; its settings should fix `torch_threads`, so that jobs do not compete.
        jobs: how many trials at a time.
    """

    task: TrialTask
    jobs: int

    def __call__(self, search: Proposals, report: Report) -> None:
        """Run the proposed trials; each is reported as it ends."""

        def trial_ended(proposal: Proposal, found: Outcome | Death) -> None:
            outcome = Outcome(FAILED, reason=found.reason) if isinstance(found, Death) else found
            report(proposal.number, proposal.parameters, outcome)

        run_in_workers(
            partial(_run, self.task),
            search.propose,
            trial_ended,
            n_workers=self.jobs,
            n_threads=int(self.task.settings.get("torch_threads") or 1),
        )


def _run(task: TrialTask, proposal: Proposal) -> Outcome:
    return task.run(proposal.number, proposal.parameters)
