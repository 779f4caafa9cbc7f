"""Trials run by Ray Tune, whose ASHA scheduler stops bad ones early."""

import contextlib
import logging
import math
import os
import re
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Literal

import psutil
import torch

from dataset_convert.common.errors import UsageError
from recbole_mirec.tuning.local_jobs import Proposals, Report
from recbole_mirec.tuning.search import Proposal
from recbole_mirec.tuning.trial import FAILED, Outcome, TrialStopped, TrialTask

_LOOPBACK = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"
# Ray reads these when it is imported or started; what the user has set already stays.
for _name, _value in {
    "RAY_USAGE_STATS_ENABLED": "0",
    # A Ray of our own listens on this machine alone (127.0.0.1); else its ports are open on all
    # interfaces and take orders from anybody. The name is Ray's and holds on Linux too.
    _LOOPBACK: "0",
    # the new one prints a table even when told to be silent
    "RAY_AIR_NEW_OUTPUT": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    # Ctrl-C raises KeyboardInterrupt here as everywhere.
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
    # Ray's own words on a dead worker: its trial is reported as failed.
    "RAY_DEDUP_LOGS_SKIP_REGEX": ".",
    # Paths in the settings are relative to the user's working folder.
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
}.items():
    os.environ.setdefault(_name, _value)

try:
    import ray
    from ray import tune
    from ray.tune.experiment import Trial
    from ray.tune.schedulers import ASHAScheduler
    from ray.tune.search import Searcher
except ImportError as error:
    raise UsageError(
        f"--tool ray needs Ray, which is an extra. Received: {error}. Install it by "
        f'pip install "recbole-mirec[ray]", or leave --tool out.'
    ) from error

ASHA = "asha"
# A trial goes on from a rung where its score is in the best third of those that reached it; the
# first rung comes after as many epochs as RecBole's early stopping waits for a better score.
REDUCTION, FIRST_RUNG = 3, 10
FOLDER = "ray"
# Nothing large is handed over, and Ray's own default is a third of the memory.
OBJECT_STORE = 100 * 2**20

# Where this process is killed, two agents of Ray stay for a minute, waiting for an answer of what
# died with it; a watcher, whose standard input ends then, ends them.
_WATCHER = """
import contextlib, psutil, sys
started = []
for pid in sys.argv[1:]:
    with contextlib.suppress(psutil.NoSuchProcess):
        started.append(psutil.Process(int(pid)))
sys.stdin.read()
for left in psutil.wait_procs(started, timeout=3)[1]:
    left.kill()
"""

_PROPOSAL, _OUTCOME, _SCORE, _EPOCH = "proposal", "outcome", "score", "epoch"


class RayTune:
    """Runs trials in Ray's workers, each of which imports the packages once.

    A worker that dies takes its trial with it, which is recorded as failed. Where Ray is running
    in this process already (`ray.init`), it is used as it is and left running; otherwise a Ray of
    its own is started, and ended afterwards whatever happens. Files of a run stand in the study's
    folder under `ray` and go with it; Ray keeps its logs and sockets in `/tmp/ray`, or where
    `RAY_TMPDIR` says.

    Trials run on the GPUs that PyTorch sees, several on one where there are more jobs than GPUs;
    on one CPU core each where there is none, or where `gpu_id` is ''. Without a scheduler the
    outcomes are those of the same trials run anywhere else with as many threads.

    Args:
        task: what to run; its settings should fix `torch_threads`, so that jobs do not compete.
        jobs: how many trials at a time.
        scheduler: `asha`: asynchronous successive halving (Li et al., 2020): of the trials that
            reach a rung the best third so far goes on, by its best score up to there. Rungs lie
            at 10, 30, 90, ... epochs, the first one at a third of `max_epochs` where that is
            earlier. What is stopped depends on the order in which trials reach a rung, so that
            with several jobs two studies may differ. None: every trial runs to its end.
        max_epochs: the most that a trial can have; for `asha`.

    Raises:
        ValueError: an argument out of its range.
    """

    def __init__(
        self,
        task: TrialTask,
        *,
        jobs: int,
        scheduler: Literal["asha"] | None = None,
        max_epochs: int | None = None,
    ):
        if jobs < 1:
            raise ValueError(f"The 'jobs' parameter of RayTune must be >= 1. Received: {jobs}.")
        if scheduler not in (ASHA, None):
            raise ValueError(
                f"The 'scheduler' parameter of RayTune must be '{ASHA}' or None. "
                f"Received: {scheduler!r}."
            )
        if scheduler == ASHA and (max_epochs is None or max_epochs < 1):
            raise ValueError(
                f"The 'max_epochs' parameter of RayTune must be >= 1 for '{ASHA}'. "
                f"Received: {max_epochs}."
            )
        self.task = task
        self.jobs = jobs
        # A single epoch leaves nothing to stop.
        self.max_epochs = max_epochs if scheduler == ASHA and max_epochs != 1 else None

    def __call__(self, search: Proposals, report: Report) -> None:
        """Run the proposed trials; each is reported as it ends.

        Raises:
            UsageError: Ray cannot be started.
        """
        if search.over:
            return
        folder = (self.task.folder / FOLDER).resolve()
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        try:
            with _ray(self.jobs, gpu=self.task.settings.get("gpu_id") != ""):
                self._tune(search, report, folder)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _tune(self, search: Proposals, report: Report, folder: Path) -> None:
        # The study says itself what became of its trials.
        logging.getLogger("ray.tune").setLevel(logging.CRITICAL)
        asha = None if self.max_epochs is None else _Asha(self.max_epochs, self.task.bigger, folder)
        trial = _trainable(self.task, folder if asha else None)
        # not by a Tuner, which would write the whole search down beside its results
        tune.run(
            tune.with_resources(trial, _resources(self.jobs)),
            name="tune",
            storage_path=str(folder),
            num_samples=-1,
            max_concurrent_trials=self.jobs,
            search_alg=_Searcher(search),
            scheduler=asha,
            callbacks=[_Reporter(report)],
            # another trial in the same process saves the import of the packages
            reuse_actors=True,
            raise_on_failed_trial=False,
            trial_dirname_creator=_trial_name,
            verbose=0,
        )


@contextlib.contextmanager
def _ray(jobs: int, *, gpu: bool) -> Iterator[None]:
    """The Ray that runs in this process, or one of our own for the time being."""
    if ray.is_initialized():
        yield
        return
    host = ray.util.get_node_ip_address()
    if not ip_address(host).is_loopback:
        raise UsageError(
            f"Ray must listen on this machine alone. Received: {host}. Unset {_LOOPBACK} and "
            f"import {__name__} before ray, or start Ray yourself by ray.init()."
        )
    # Other users of this machine reach its loopback too. Without a token of ours Ray would leave
    # one in the user's home.
    os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
    before = set(psutil.Process().children(recursive=True))
    watcher = None
    try:
        ray.init(
            address="local",
            num_cpus=jobs,
            num_gpus=torch.cuda.device_count() if gpu else 0,
            object_store_memory=OBJECT_STORE,
            include_dashboard=False,
            log_to_driver=False,
            logging_level=logging.CRITICAL,
        )
    except OSError as error:
        raise UsageError(
            f"Ray cannot start: {error}. Set RAY_TMPDIR to a folder with a short path that you "
            f"can write to."
        ) from error
    else:
        started = {*psutil.Process().children(recursive=True)} - before
        watcher = subprocess.Popen(
            [sys.executable, "-c", _WATCHER, *(str(process.pid) for process in started)],
            stdin=subprocess.PIPE,
            start_new_session=True,
        )
        yield
    finally:
        ray.shutdown()
        if watcher is not None:
            watcher.communicate()


def _resources(jobs: int) -> dict[str, float]:
    n_gpus = int(ray.cluster_resources().get("GPU", 0))
    if not n_gpus:
        return {"cpu": 1}
    # Ray counts in ten-thousandths; rounded up, the shares of one GPU would not fit on it.
    return {"cpu": 1, "gpu": 10_000 // math.ceil(jobs / n_gpus) / 10_000}


def _trainable(task: TrialTask, rungs: Path | None) -> Any:
    """What Ray runs in a worker for every trial.

    Args:
        task: what a trial is.
        rungs: the folder in which the scheduler marks trials that must stop; None: no scheduler.
    """
    working_folder = Path.cwd()

    def trial(config: Mapping[str, Any]) -> None:
        proposal: Proposal = config[_PROPOSAL]
        os.chdir(working_folder)
        best: float | None = None

        def on_epoch(epoch: int, score: float, _metrics: dict[str, float]) -> None:
            nonlocal best
            if best is None or (score > best if task.bigger else score < best):
                best = score
            tune.report({_SCORE: best, _EPOCH: epoch})
            if rungs is not None and _mark(rungs, proposal.number).exists():
                raise TrialStopped(f"stopped by ASHA after epoch {epoch}")

        found = _on_own_gpu(task).run(
            proposal.number, proposal.parameters, on_epoch if rungs is not None else None
        )
        # Without an epoch, so that the scheduler has no say in it.
        tune.report({_SCORE: math.nan, _OUTCOME: found})

    return trial


def _on_own_gpu(task: TrialTask) -> TrialTask:
    """The task on the GPU that Ray gave to this worker; RecBole would take the first."""
    gpu = os.environ.get("CUDA_VISIBLE_DEVICES")
    return replace(task, settings={**task.settings, "gpu_id": gpu}) if gpu else task


def _mark(folder: Path, number: int) -> Path:
    return folder / f"stop-{number}"


class _Searcher(Searcher):
    """The project's search, asked for a trial when a job is free."""

    def __init__(self, search: Proposals):
        super().__init__()
        self._search = search

    def suggest(self, trial_id: str) -> dict[str, Any] | None:  # noqa: ARG002
        proposal = self._search.propose()
        if proposal is not None:
            return {_PROPOSAL: proposal}
        # Ray's mark of the end is a string, whatever it declares.
        return Searcher.FINISHED if self._search.over else None  # type: ignore[return-value]

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Do nothing: `_Reporter` hands over what the search has to know."""

    def save(self, checkpoint_path: str) -> None:
        """Do nothing: the study's records are what a later run continues from."""

    def restore(self, checkpoint_path: str) -> None:
        """Do nothing."""


class _Asha(ASHAScheduler):
    """ASHA that lets a trial end itself.

    Ray ends a trial that it stops by SystemExit and listens no more; a trial that is told to stop
    loads its best epoch, validates it and reports like any other.
    """

    def __init__(self, max_epochs: int, bigger: bool, folder: Path):
        super().__init__(
            time_attr=_EPOCH,
            metric=_SCORE,
            mode="max" if bigger else "min",
            grace_period=max(1, min(FIRST_RUNG, max_epochs // REDUCTION)),
            reduction_factor=REDUCTION,
            # no rung at the last epoch, where nothing is left to save
            max_t=max_epochs - 1,
            stop_last_trials=False,
        )
        self._folder = folder

    def on_trial_result(self, trial_runner: Any, trial: Trial, result: dict[str, Any]) -> str:
        if super().on_trial_result(trial_runner, trial, result) == self.STOP:
            _mark(self._folder, trial.config[_PROPOSAL].number).touch()
        return str(self.CONTINUE)


class _Reporter(tune.Callback):
    """Hands over outcomes at the end of each step, where an error is not taken for a trial's."""

    def __init__(self, report: Report):
        self._report = report
        self._reported: set[str] = set()

    def on_step_end(self, iteration: int, trials: Sequence[Trial], **info: Any) -> None:  # noqa: ARG002
        for trial in trials:
            ended = trial.status in (Trial.TERMINATED, Trial.ERROR)
            if ended and trial.trial_id not in self._reported:
                self._reported.add(trial.trial_id)
                proposal: Proposal = trial.config[_PROPOSAL]
                self._report(proposal.number, proposal.parameters, _outcome(trial))


def _outcome(trial: Trial) -> Outcome:
    if trial.status == Trial.ERROR:
        return Outcome(FAILED, reason=_failure(Path(trial.error_file).read_text(encoding="utf-8")))
    outcome: Outcome = trial.last_result[_OUTCOME]
    return outcome


def _failure(text: str) -> str:
    """The cause in Ray's report of an error: the last exception, or that a process died."""
    causes = re.findall(r"^[\w.]+Error: .*", text, re.MULTILINE)
    return causes[-1] if causes else "its process died; memory may have run out"


def _trial_name(trial: Trial) -> str:
    return f"{trial.config[_PROPOSAL].number:04d}"
