"""One trial: training and validation with given parameters, and never the test part."""

import contextlib
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dataset_convert import schema
from dataset_convert.common.errors import DivergedError, UsageError
from dataset_convert.common.files import is_full, naming
from recbole_mirec.experiment import prepare, train, validate_best
from recbole_mirec.results import read_metric, smaller_is_better
from recbole_mirec.runs import PATIENCE, training_in

FINISHED, STOPPED, DIVERGED, FAILED = "finished", "stopped", "diverged", "failed"
STATUSES = (FINISHED, STOPPED, DIVERGED, FAILED)
TRIALS, LOG = "trials", "log.txt"

# Called with the epoch from 1, its validation score and all its validation metrics.
OnEpoch = Callable[[int, float, dict[str, float]], None]


class TrialStopped(Exception):  # noqa: N818 - it ends a trial as planned and is no error
    """Raised after an epoch to end a trial there; the message is the reason."""


@dataclass(frozen=True)
class Outcome:
    """What a trial found.

    Attributes:
        status: `finished`; `stopped` before its last epoch, with the best score up to there;
            `diverged`: loss or scores became NaN; `failed`.
        score: best validation score by the study's metric; None where there is none.
        metrics: every validation metric of the best epoch; empty where there is none.
        best_epoch: counted from 1; 0: none.
        n_epochs: epochs trained.
        seconds: of training and validation.
        reason: why a trial did not finish, in one line.
    """

    status: str
    score: float | None = None
    metrics: dict[str, float] = field(default_factory=dict)
    best_epoch: int = 0
    n_epochs: int = 0
    seconds: float = 0.0
    reason: str = ""


@dataclass(frozen=True)
class TrialTask:
    """What the trials of a study have in common.

    Attributes:
        settings: configuration keys that stay fixed; `model` and `dataset` among them.
        folder: of the study; trial n has `trials/<n>` in it.
        deadline: seconds since the Unix epoch, after which a trial stops at its next validation.
    """

    settings: Mapping[str, Any]
    folder: Path
    deadline: float | None = None

    @property
    def bigger(self) -> bool:
        """Whether a larger score is better."""
        return not smaller_is_better(self.metric)

    @property
    def metric(self) -> str:
        """What chooses epochs and trials, by the name that results give it."""
        return read_metric(self.settings["valid_metric"])

    def trial_folder(self, number: int) -> Path:
        """Where a trial keeps its checkpoints and its log."""
        return self.folder / TRIALS / f"{number:04d}"

    def trial_settings(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """All keys that a trial sets; embeddings of the graph are shared by the study's trials."""
        return {**self.settings, **parameters, "checkpoint_dir": str(self.folder)}

    def run(
        self, number: int, parameters: Mapping[str, Any], on_epoch: OnEpoch | None = None
    ) -> Outcome:
        """Train with the parameters, going on where an interrupted trial stopped.

        Whatever goes wrong becomes the outcome; a full disk, and what the user or the system asks
        for by KeyboardInterrupt or SystemExit, passes.

        Args:
            number: the trial's, from 1.
            parameters: key -> value, over the fixed keys.
            on_epoch: called after every validated epoch; may raise `TrialStopped`.
        """
        started = time.perf_counter()
        folder = self.trial_folder(number)
        try:
            with logged_in(folder):
                found = self._run(folder, parameters, on_epoch)
        except Exception as error:
            if is_full(error):
                raise
            known = isinstance(error, UsageError)
            found = Outcome(FAILED, reason=one_line(error, named=not known))
        return Outcome(**(vars(found) | {"seconds": time.perf_counter() - started}))

    def _run(
        self, folder: Path, parameters: Mapping[str, Any], on_epoch: OnEpoch | None
    ) -> Outcome:
        experiment = prepare(
            self.trial_settings(parameters),
            run_folder=folder,
            closed_parts=(schema.TEST,),
            log_file=folder / LOG,
        )
        trainer = experiment.trainer
        trainer.resume()

        def after_epoch(epoch: int, score: float) -> None:
            if on_epoch is not None:
                on_epoch(epoch + 1, score, dict(trainer.valid_summary))
            out_of_time = self.deadline is not None and time.time() > self.deadline
            if out_of_time and not trainer.finished:
                raise TrialStopped(f"the study's time was over after epoch {epoch + 1}")

        try:
            found, status, reason = train(experiment, after_epoch), FINISHED, ""
        except TrialStopped as stop:
            found, status, reason = validate_best(experiment), STOPPED, one_line(stop)
        except DivergedError as error:
            return Outcome(DIVERGED, n_epochs=trainer.n_epochs(), reason=one_line(error))
        if found is None:
            raise UsageError(
                "The data set has no validation part, so trials cannot be compared; "
                "split it with one."
            )
        return Outcome(
            status,
            float(found.summary[self.metric]),
            dict(found.summary),
            best_epoch=trainer.best_epoch + 1,
            n_epochs=trainer.n_epochs(),
            reason=reason,
        )


@contextlib.contextmanager
def logged_in(folder: Path) -> Iterator[None]:
    """Work in a folder alone; its log takes what is printed, and the traceback of what goes wrong.

    Raises:
        UsageError: another process works there, and goes on doing so.
    """
    path = folder / LOG
    with training_in(folder, patience=PATIENCE):
        try:
            with (
                naming(path),
                path.open("a", encoding="utf-8") as log,
                contextlib.redirect_stdout(log),
                contextlib.redirect_stderr(log),
            ):
                yield
        except Exception:
            # On a full disk the error itself has to do.
            with contextlib.suppress(OSError), path.open("a", encoding="utf-8") as log:
                traceback.print_exc(file=log)
            raise


def one_line(error: BaseException, *, named: bool = False) -> str:
    """An error's message in one line, behind its class where that helps."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}".rstrip(": ") if named else text
