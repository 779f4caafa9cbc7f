"""What a person sees while a study runs."""

import math
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from recbole_mirec.tuning.hyper_tuning import MirecHyperTuning
from recbole_mirec.tuning.plan import StudyPlan
from recbole_mirec.tuning.records import value_text
from recbole_mirec.tuning.search import Proposal
from recbole_mirec.tuning.trial import Outcome


@dataclass
class Progress:
    """A line for every trial that ends: its score, the best so far, the time left.

    Attributes:
        plan: of the study.
        deadline: seconds since the Unix epoch when the study's time is over; None: no limit.
        stream: where lines go.
    """

    plan: StudyPlan
    deadline: float | None = None
    stream: TextIO = field(default_factory=lambda: sys.stderr)

    def __post_init__(self) -> None:
        self._started = time.time()
        self._n_run = 0

    def trial_ended(self, tuning: MirecHyperTuning, proposal: Proposal, outcome: Outcome) -> None:
        """Print the line of a trial."""
        self._n_run += 1
        last = tuning.search.last
        of = f"/{int(last)}" if math.isfinite(last) else ""
        found = f"{outcome.status}: {outcome.reason}"
        if outcome.score is not None:
            ending = "" if outcome.status == "finished" else f" ({outcome.status})"
            found = f"{self.plan.metric} {outcome.score:.4f}{ending}"
        best = "no score yet"
        if tuning.best_score is not None:
            best = f"best {tuning.best_score:.4f}, trial {tuning.best_number}"
        values = ", ".join(
            f"{name}={value_text(value)}" for name, value in proposal.parameters.items()
        )
        self._print(
            f"trial {proposal.number}{of}: {found} in {outcome.seconds:.0f} s ({best})"
            f"{self._left(len(tuning.outcomes), last)} | {values}"
        )

    def begin(self, folder: Path, n_stored: int) -> None:
        """Say where the study stands, and what it holds already."""
        self._print(f"Study: {folder}")
        if n_stored:
            self._print(f"Going on after {n_stored} trials that have ended.")

    def _left(self, n_ended: int, last: float) -> str:
        elapsed = time.time() - self._started
        left = (last - n_ended) * elapsed / self._n_run if math.isfinite(last) else math.inf
        if self.deadline is not None:
            left = min(left, self.deadline - time.time())
        if not math.isfinite(left):
            return ""
        return f"; {duration(left)} left" if left > 0 else ""

    def _print(self, text: str) -> None:
        print(text, file=self.stream, flush=True)


def duration(seconds: float) -> str:
    """A time in words, as exact as a person needs it."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
