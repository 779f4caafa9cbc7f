"""What a study is to do: fixed settings, space, algorithm, limits."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recbole_mirec.registry import class_name
from recbole_mirec.results import read_metric
from recbole_mirec.tuning.sampling import BAYES
from recbole_mirec.tuning.space import SearchSpace

LOCAL, RAY = "hyperopt", "ray"
ASHA, NO_SCHEDULER = "asha", "none"

# Keys that say how a trial runs and is shown, not what it computes.
_INCIDENTAL = ("show_progress", "state", "checkpoint_dir", "data_path", "gpu_id")


@dataclass(frozen=True)
class StudyPlan:
    """A study as it was asked for.

    Attributes:
        settings: fixed configuration keys; `model`, `dataset`, `protocol`, `valid_metric`, `seed`
            and `torch_threads` among them.
        space: what varies.
        algorithm: exhaustive, random or bayes.
        max_trials: trials at most; None: no limit.
        early_stop: trials in a row without a better score that end the study; None: never.
        minutes: the study's time, interruptions left out; None: no limit.
        jobs: trials at a time.
        tool: `hyperopt`: processes of our own; `ray`: Ray Tune.
        scheduler: of Ray Tune: `asha` or `none`.
        keep: how many of the best trials keep their checkpoints.
        command: how the study can be asked for again.
    """

    settings: Mapping[str, Any]
    space: SearchSpace
    algorithm: str
    max_trials: int | None = None
    early_stop: int | None = None
    minutes: float | None = None
    jobs: int = 1
    tool: str = LOCAL
    scheduler: str = NO_SCHEDULER
    keep: int = 1
    command: str = ""

    @property
    def metric(self) -> str:
        """What chooses epochs and trials."""
        return read_metric(self.settings["valid_metric"])

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of what varies."""
        return tuple(parameter.name for parameter in self.space.parameters)

    def identity(self, data_fingerprint: str) -> dict[str, Any]:
        """All that the trials of the study depend on, but for how many there are.

        Args:
            data_fingerprint: of the data set's files.
        """
        fixed = {key: value for key, value in self.settings.items() if key not in _INCIDENTAL}
        identity = {
            "settings": dict(sorted(fixed.items())),
            "space": self.space.describe(),
            "algorithm": self.algorithm,
            "early_stop": self.early_stop,
            "scheduler": self.scheduler,
            # what the estimator knows when it proposes a trial depends on how many run at a time
            "jobs": self.jobs if self.algorithm == BAYES else None,
            "data": data_fingerprint,
        }
        plain: dict[str, Any] = json.loads(json.dumps(identity, default=str))
        return plain


def short_digest(identity: Mapping[str, Any]) -> str:
    """Eight digits that tell one identity from another."""
    text = json.dumps(identity, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def default_folder(plan: StudyPlan, identity: Mapping[str, Any], root: Path) -> Path:
    """Where a study stands if nobody says: the same plan finds the same folder again."""
    model, *names = (str(plan.settings[key]) for key in ("model", "dataset", "protocol"))
    return root / "-".join([class_name(model), *names, plan.algorithm, short_digest(identity)])
