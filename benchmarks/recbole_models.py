"""Table of RecBole's models on our data: does each train, save, reload, resume and score alike.

Usage: python benchmarks/recbole_models.py --dataset mirec-tiny --output docs/recbole_models.md
"""

import argparse
import contextlib
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import torch

from dataset_convert.common.errors import UsageError
from recbole_mirec import runs
from recbole_mirec.checkpoint import load_state
from recbole_mirec.data.sampling import evaluation_loader
from recbole_mirec.experiment import Experiment, ExperimentResult, prepare, run_experiment
from recbole_mirec.registry import find_model, model_names
from recbole_mirec.results import Evaluation, evaluate_scores
from recbole_mirec.trainer import BEST, full_ranking, pair_by_pair

STEPS = ("trains", "saves", "reloads", "resumes")
METRICS = {"AUC": "AUC", "Recall@10": "R@10", "MAP": "MAP"}
# Fewer prototypes than brands, in use from the second epoch on.
EXTRA_SETTINGS: dict[str, dict[str, Any]] = {"NCL": {"num_clusters": 10, "warm_up_step": 1}}


@dataclass(frozen=True)
class Stages:
    """How a model is trained in several runs, each starting from the one before.

    Attributes:
        key: the setting that names the stage.
        path_key: the setting that names the checkpoint of the stage before.
        names: the stages in order.
        settings: what they need besides.
    """

    key: str
    path_key: str
    names: tuple[str, ...]
    settings: Mapping[str, Any] = field(default_factory=dict)


STAGES = {
    "RaCT": Stages(
        "train_stage",
        "pre_model_path",
        ("actor_pretrain", "critic_pretrain", "finetune"),
        {"pretrain_epochs": 2, "save_step": 1},
    ),
    "KD_DAGFM": Stages("phase", "warm_up", ("teacher_training", "distillation", "finetuning")),
}


@dataclass
class Outcome:
    """What became of one model.

    Attributes:
        model, kind: its name; `general` or `context`.
        steps: step -> `yes` or, for the first that failed, the reason.
        agreement: whether full ranking and pairwise prediction agree.
        metrics: validation metrics by the names in `METRICS`.
        seconds: for everything.
    """

    model: str
    kind: str
    steps: dict[str, str] = field(default_factory=dict)
    agreement: str = "-"
    metrics: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def passed(self) -> bool:
        """Whether every step succeeded."""
        return all(self.steps.get(step) == "yes" for step in STEPS)


def check_model(model: str, kind: str, settings: Mapping[str, Any]) -> Outcome:
    """Take a model through every step, up to the first that fails."""
    outcome = Outcome(model, kind)
    step = STEPS[0]
    try:
        result, settings = train(model, {**settings, "model": model})
        outcome.steps[step], step = "yes", STEPS[1]
        assert result.valid is not None
        outcome.metrics = {name: result.valid.summary[name] for name in METRICS}
        load_state(result.run_folder / BEST)
        outcome.steps[step], step = "yes", STEPS[2]
        # Another seed, so that what equals the trained model can only come from the checkpoint.
        afresh = prepare({**settings, "seed": result.seed + 1}, run_folder=result.run_folder)
        afresh.trainer.load_best()
        outcome.agreement = agreement(afresh)
        outcome.steps[step] = same_figures(result, evaluations(afresh))
        step = STEPS[3]
        again = resume(settings)
        outcome.steps[step] = same_figures(result, (again.valid, again.test))
    except Exception as error:  # one failing model never stops the sweep
        outcome.steps[step] = reason(error)
    return outcome


def train(model: str, settings: dict[str, Any]) -> tuple[ExperimentResult, dict[str, Any]]:
    """Train a model, in stages where it has them; returns the last result and its settings."""
    settings |= EXTRA_SETTINGS.get(model, {})
    stages = STAGES.get(model)
    if stages is None:
        return run_experiment(settings), settings
    settings |= stages.settings
    for name in stages.names[:-1]:
        settings[stages.key] = name
        result = run_experiment(settings)
        settings[stages.path_key] = str(result.run_folder / BEST)
    settings[stages.key] = stages.names[-1]
    return run_experiment(settings), settings


def evaluations(experiment: Experiment) -> tuple[Evaluation | None, ...]:
    """Validation and test results of a model as it is."""
    splits = map(experiment.dataset.evaluation_split, ("valid", "test"))
    return tuple(
        None if split is None else experiment.trainer.evaluate_split(split) for split in splits
    )


class InterruptionError(Exception):
    """Stands for a user's Ctrl-C."""


def resume(settings: Mapping[str, Any]) -> ExperimentResult:
    """Train again, interrupted after the first epoch and resumed."""
    experiment = prepare(settings)
    part = evaluation_loader(experiment.dataset, "valid")

    def interrupt(_epoch: int, _score: float) -> None:
        raise InterruptionError

    with contextlib.suppress(InterruptionError):
        experiment.trainer.fit(experiment.trainer.train_data, part, callback_fn=interrupt)
    return run_experiment(settings, resume=experiment.run_folder)


def same_figures(result: ExperimentResult, others: Sequence[Evaluation | None]) -> str:
    """`yes` where every metric of every brand is the same number."""
    for first, second in zip((result.valid, result.test), others, strict=True):
        if (first is None) != (second is None):
            return "a part is missing"
        if first and second and not first.per_brand.equals(second.per_brand):
            return f"other figures on {first.part}"
    return "yes"


def agreement(experiment: Experiment) -> str:
    """Whether a model's full ranking says the same as its prediction pair by pair."""
    model, dataset = experiment.model.eval(), experiment.dataset
    split = dataset.evaluation_split("valid")
    assert split is not None
    with torch.no_grad():
        full = full_ranking(model, dataset, split.brands)
        if full is None:
            return "no full ranking"
        whole = full[:, torch.from_numpy(split.candidates)].double().numpy()
        pairs = pair_by_pair(
            model, dataset, split.brands, split.candidates, experiment.config["eval_batch_size"]
        )
        single = pairs.double().numpy()
    if np.isnan(single).any():
        return f"by pairs {np.isnan(single).mean():.1%} NaN"
    if np.allclose(whole, single, rtol=1e-4, atol=1e-5):
        return "same scores"
    first, second = (
        evaluate_scores(scores, split, metrics=experiment.config["shown_metrics"]).summary
        for scores in (whole, single)
    )
    # Another scale rounds otherwise, so that some ties come and go.
    if all(abs(first[name] - second[name]) < 1e-3 for name in METRICS):
        return "same ranking"
    return f"AUC {first['AUC']:.4f}, by pairs {second['AUC']:.4f}"


def reason(error: BaseException) -> str:
    """An error in few words, fit for a table's cell."""
    text = str(error) if isinstance(error, UsageError) else f"{type(error).__name__}: {error}"
    return text.partition("\n")[0][:120].replace("|", "/")


def in_a_process(model: str, kind: str, settings: Mapping[str, Any], limit: float) -> Outcome:
    """`check_model` in a process of its own, ended after `limit` seconds."""
    # Forks of a server that has imported RecBole once; no threads of torch run in it yet.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["recbole_mirec.experiment"])
    receiver, sender = context.Pipe(duplex=False)
    started = time.perf_counter()
    process = context.Process(target=_child, args=(sender, model, kind, dict(settings)))
    process.start()
    sender.close()
    try:
        if receiver.poll(limit):
            outcome: Outcome = receiver.recv()
        else:
            process.kill()
            outcome = Outcome(model, kind, {STEPS[0]: f"stopped after {limit:.0f} s"})
        process.join()
    except EOFError:
        process.join()
        outcome = Outcome(model, kind, {STEPS[0]: f"process ended with {process.exitcode}"})
    outcome.seconds = time.perf_counter() - started
    return outcome


def _child(sender: Connection, model: str, kind: str, settings: dict[str, Any]) -> None:
    with Path(f"{model}.log").open("w") as log, contextlib.redirect_stdout(log):
        os.dup2(log.fileno(), 2)
        sender.send(check_model(model, kind, settings))


def markdown(outcomes: Sequence[Outcome], settings: Mapping[str, Any], command: str) -> str:
    """The page: what was done, the table, a count."""
    versions = ", ".join(f"{name} {version}" for name, version in runs.versions().items())
    n_passed = sum(outcome.passed for outcome in outcomes)
    lines = [
        "# RecBole's models on our data",
        "",
        f"Made by `{command}` with {versions}.",
        "",
        f"The data set {settings['dataset']} is synthetic, and {settings['epochs']} epochs are far "
        "too few to compare models: the figures only show that each model runs. Protocol "
        f"`{settings['protocol']}`, validation part, every model with its default settings.",
        "",
        "- *trains*, *saves* (`best.safetensors` opens, nothing unpickled), *reloads* (the model "
        "is built afresh with another seed, reads it, and every metric of every brand is the same "
        "number as before), *resumes* (interrupted after one epoch and resumed, it ends with the "
        "same numbers): `yes`, or why not.",
        "- *full ranking*: whether `full_sort_predict`, which ranks where a model has it, agrees "
        "with `predict` pair by pair (*same ranking*: on another scale, the figures within .001).",
        "- RecBole's `Random` is replaced by ours of that name; its xgboost and lightgbm wrappers "
        "need those frameworks and are not offered.",
        "",
        f"{n_passed} of {len(outcomes)} models pass every step.",
        "",
        f"| model | kind | {' | '.join(STEPS)} | {' | '.join(METRICS.values())} "
        "| full ranking | seconds | settings |",
        f"|---|---|{'---|' * len(STEPS)}{'---:|' * len(METRICS)}---|---:|---|",
    ]
    return "\n".join([*lines, *map(_row, outcomes), ""])


def _row(outcome: Outcome) -> str:
    steps = [outcome.steps.get(step, "-") for step in STEPS]
    metrics = [
        f"{outcome.metrics[name]:.4f}" if name in outcome.metrics else "-" for name in METRICS
    ]
    given = [f"{key}={value}" for key, value in EXTRA_SETTINGS.get(outcome.model, {}).items()]
    if outcome.model in STAGES:
        stages = STAGES[outcome.model]
        given.append(f"{stages.key}={', then '.join(stages.names)}")
    ending = [outcome.agreement, f"{outcome.seconds:.1f}", "; ".join(given)]
    return f"| {' | '.join([outcome.model, outcome.kind, *steps, *metrics, *ending])} |"


def models_of_recbole() -> list[tuple[str, str]]:
    """Name and kind of every model of RecBole that its name leads to."""
    return [
        (name, kind)
        for kind in ("general", "context")
        for name in model_names(room=kind)
        if find_model(name).__module__.startswith("recbole.")
    ]


def main() -> None:
    """Sweep over the models and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dataset", default="mirec-tiny", help="default: mirec-tiny (synthetic)")
    parser.add_argument("--data-path", type=Path, help="folder of data sets; default: generated")
    parser.add_argument("--protocol", default="known-brand")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--models", nargs="+", metavar="NAME", help="default: all")
    parser.add_argument("--limit", type=float, default=300, help="seconds for one model")
    parser.add_argument("--output", type=Path, default=Path("docs/recbole_models.md"))
    options = parser.parse_args()
    output = options.output.resolve()
    chosen = [
        (name, kind) for name, kind in models_of_recbole() if name in (options.models or [name])
    ]
    with tempfile.TemporaryDirectory() as folder:
        settings = {
            "dataset": options.dataset,
            "data_path": str((options.data_path or Path(folder) / "dataset").resolve()),
            "protocol": options.protocol,
            "epochs": options.epochs,
            "torch_threads": 1,
            "show_progress": False,
        }
        # RecBole writes its logs under the working folder.
        with contextlib.chdir(folder):
            outcomes = []
            for name, kind in chosen:
                outcomes.append(in_a_process(name, kind, settings, options.limit))
                print(_row(outcomes[-1]), flush=True)
    # The page names its usual place, whatever folder it was written to.
    given = [
        Path("docs", output.name).as_posix() if word == str(options.output) else word
        for word in sys.argv[1:]
    ]
    command = " ".join(["python", "benchmarks/recbole_models.py", *given])
    runs.write_text(output, markdown(outcomes, settings, command))


if __name__ == "__main__":
    main()
