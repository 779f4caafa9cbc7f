"""What a person sees while a benchmark runs: a bar with the time left, a line a run."""

import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import TextIO

from tqdm import tqdm

from recbole_mirec.benchmark.execution import RunEnd
from recbole_mirec.benchmark.planned import PlannedRun
from recbole_mirec.sweep import FINISHED, duration

_FORMAT = "{desc} {n_fmt}/{total_fmt} |{bar:24}|{postfix}"


class RunTimes:
    """Seconds of the runs that have ended, and what they say of those that have not."""

    def __init__(self) -> None:
        self._by_model: defaultdict[tuple[str, str], list[float]] = defaultdict(list)

    def add(self, run: PlannedRun, seconds: float) -> None:
        """Take a run's time."""
        self._by_model[run.entry.label, run.protocol].append(seconds)

    def left(self, runs: Sequence[PlannedRun], jobs: int) -> float | None:
        """Seconds that runs will take, so many at a time; None before the first has ended.

        A run takes as long as those of its model and protocol on average, or of its model, or of
        all.
        """
        if not self._by_model:
            return None
        return sum(map(self._expected, runs)) / jobs

    def _expected(self, run: PlannedRun) -> float:
        label, protocol = run.entry.label, run.protocol
        known = self._by_model.get((label, protocol)) or [
            one
            for (model, _), seconds in self._by_model.items()
            if model == label
            for one in seconds
        ]
        known = known or [one for seconds in self._by_model.values() for one in seconds]
        return sum(known) / len(known)


class Progress:
    """A bar on a terminal, and everywhere a line for every run that ends.

    Args:
        n_runs: of the benchmark.
        ended: runs that had ended before, and how.
        jobs: runs at a time.
        metric: validation metric of the lines.
        stream: where lines go; None: standard error.
    """

    def __init__(
        self,
        n_runs: int,
        ended: Mapping[PlannedRun, RunEnd],
        jobs: int,
        metric: str,
        stream: TextIO | None = None,
    ) -> None:
        self._n_runs, self._n_ended, self._jobs = n_runs, len(ended), jobs
        self._metric, self._stream = metric, stream or sys.stderr
        self._times = RunTimes()
        for run, end in ended.items():
            self._times.add(run, end.seconds)
        self._bar = tqdm(
            total=n_runs,
            initial=len(ended),
            desc="runs",
            bar_format=_FORMAT,
            file=self._stream,
            disable=None,
            leave=False,
        )

    def run_ended(self, run: PlannedRun, end: RunEnd, left: Sequence[PlannedRun]) -> None:
        """Print a run's line.

        Args:
            run: that has ended.
            end: how.
            left: runs that have not ended.
        """
        self._n_ended += 1
        self._times.add(run, end.seconds)
        found = f"{end.status}: {end.reason}"
        if end.status == FINISHED:
            value = end.record.get("valid", {}).get(self._metric)
            found = "finished" if value is None else f"validation {self._metric} {value:.4f}"
        expected = self._times.left(left, self._jobs)
        remaining = f"; {duration(expected)} left" if expected else ""
        tqdm.write(
            f"run {self._n_ended}/{self._n_runs}: {run.title}: {found} in {duration(end.seconds)}"
            f"{remaining}",
            file=self._stream,
        )
        self._stream.flush()
        self._bar.set_postfix_str(remaining.removeprefix("; "), refresh=False)
        self._bar.update()

    def close(self) -> None:
        """Take the bar away."""
        self._bar.close()
