"""How a run of a benchmark ended."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recbole_mirec.runs import read_run
from recbole_mirec.sweep import FINISHED, End, run_job
from recbole_mirec.sweep import Job as RunJob
from recbole_mirec.sweep import forget_failure as forget_failure
from recbole_mirec.sweep import read_end as read_short_end


@dataclass(frozen=True)
class RunEnd:
    """How a run ended.

    Attributes:
        status: `finished`, `diverged` (loss or scores became NaN) or `failed`.
        reason: why it did not finish, in one line.
        seconds: that it took, since it was last begun or gone on with.
        record: content of its `run.json`; empty where it did not finish.
    """

    status: str
    reason: str
    seconds: float
    record: Mapping[str, Any]


def execute(job: RunJob) -> RunEnd:
    """Run an experiment, going on where an interrupted one stopped; failures are recorded."""
    return _with_record(job.folder, run_job(job))


def read_end(folder: Path) -> RunEnd | None:
    """How a run in a folder ended; None where it has not."""
    end = read_short_end(folder)
    return None if end is None else _with_record(folder, end)


def _with_record(folder: Path, end: End) -> RunEnd:
    record = read_run(folder).record if end.status == FINISHED else {}
    return RunEnd(end.status, end.reason, end.seconds, record)
