"""Several models tuned under one budget, and their winners side by side."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from recbole_mirec.runs import write_text
from recbole_mirec.tuning.plan import StudyPlan
from recbole_mirec.tuning.space_checks import check_space
from recbole_mirec.tuning.study import StudyResult, run_study

WINNERS, TABLE_FILE = "winners", "comparison.csv"


@dataclass(frozen=True, eq=False)
class Comparison:
    """Studies under one budget.

    Attributes:
        results: one study a model and protocol, in the order asked for.
        folder: holds the studies (`<protocol>/<model>/`), `winners/<model>.<protocol>.yaml`
            and `comparison.csv`.
        budget: in words.
    """

    results: tuple[StudyResult, ...]
    folder: Path
    budget: str

    def frame(self) -> pd.DataFrame:
        """One row a study and part, `valid` or `test`: every metric of the winner."""
        rows: list[dict[str, Any]] = []
        for result in self.results:
            settings, winner = result.plan.settings, result.winner
            row = {
                "protocol": settings["protocol"],
                "model": settings["model"],
                "n_trials": len(result.trials),
                "n_scored": int(result.trials["score"].notna().sum()),
                "minutes": round(result.trials["finished_at"].max() / 60, 1),
                "winner": None if winner is None else winner.trial.number,
            }
            if winner is None:
                rows.append(row | {"part": None})
                continue
            rows.append(row | {"part": "valid"} | dict(winner.valid))
            if winner.test is not None:
                rows.append(row | {"part": "test"} | dict(winner.test))
        return pd.DataFrame(rows)


def compare(
    plans: Sequence[StudyPlan],
    folder: Path,
    *,
    budget: str,
    engine: str = "local",
    ray_address: str | None = None,
) -> Comparison:
    """Run a study for every plan, one after the other, and write the winners.

    Args:
        plans: one a model and protocol, under equal limits.
        folder: of the comparison; a study in it that has begun is gone on with.
        budget: the limits in words.
        engine: `local` or `ray`.
        ray_address: of a running Ray cluster.

    Raises:
        UsageError: anything the user can mend.
    """
    # what is wrong with the last study is said before the first one runs
    for plan in plans:
        check_space(plan.space, plan.settings)
    results = []
    for plan in plans:
        name, protocol = str(plan.settings["model"]), str(plan.settings["protocol"])
        place = folder / protocol / name
        result = run_study(plan, folder=place, engine=engine, ray_address=ray_address)
        results.append(result)
        if result.winner is not None:
            write_text(folder / WINNERS / f"{name}.{protocol}.yaml", result.winner.yaml)
    found = Comparison(tuple(results), folder, budget)
    write_text(folder / TABLE_FILE, found.frame().to_csv(index=False))
    return found
