"""One experiment, from settings to results on disk."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from logging import getLogger
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd
import torch

from dataset_convert import schema
from recbole_mirec import runs
from recbole_mirec.config import merged_settings
from recbole_mirec.data.dataset import MirecDataset
from recbole_mirec.data.loaders import evaluation_loader, evaluation_loaders
from recbole_mirec.experiment import Experiment, prepare
from recbole_mirec.locks import training_in
from recbole_mirec.metric_names import smaller_is_better
from recbole_mirec.notes import experiment_notes, is_synthetic
from recbole_mirec.results import Evaluation, Figures, per_category, positive_ranks
from recbole_mirec.trainer import BEST, MirecTrainer, checkpoint_settings


@dataclass(frozen=True, eq=False)
class ExperimentResult:
    """What an experiment found.

    Attributes:
        model, dataset, protocol, seed: what was run.
        folds, fold: of a cross-validation, and which one is the test part; 0: none.
        synthetic: whether the data set says that it is synthetic.
        valid, test: results of the best epoch; None where the data set has no such part.
        best_epoch: the epoch chosen on validation, counted from 1.
        n_epochs: epochs trained.
        seconds: from the first to the last line of the experiment.
        run_folder: where everything stands.
        notes: what a reader of the figures has to know.
    """

    model: str
    dataset: str
    protocol: str
    seed: int
    folds: int
    fold: int
    synthetic: bool
    valid: Evaluation | None
    test: Evaluation | None
    best_epoch: int
    n_epochs: int
    seconds: float
    run_folder: Path
    valid_metric: str
    notes: tuple[str, ...]


def run_experiment(
    settings: Mapping[str, Any], *, resume: Path | None = None, log_file: Path | None = None
) -> ExperimentResult:
    """Train a model, choose its epoch on validation, read the test part once.

    Args:
        settings: keys and values that differ from the YAML defaults; `model` and `dataset` among
            them.
        resume: folder of an interrupted run with these settings, to go on with, or of none yet, to
            begin in; default: a new one in `checkpoint_dir`.
        log_file: takes the log lines instead of the screen and the usual file.

    Returns:
        The results, which also stand in the run's folder: `run.json`, `per_brand.<part>.csv`,
        `ranks.<part>.csv` and, where brands have categories, `per_category.<part>.csv`.

    Raises:
        UsageError: anything the user can mend.
        KeyboardInterrupt: the experiment was interrupted; the message says how to go on.
    """
    started = time.perf_counter()
    with nullcontext() if resume is None else training_in(resume):
        experiment = prepare(settings, run_folder=resume, log_file=log_file)
        with training_in(experiment.run_folder):
            return _run(experiment, started)


def _run(experiment: Experiment, started: float) -> ExperimentResult:
    trainer, folder = experiment.trainer, experiment.run_folder
    getLogger().info(f"Run folder: {folder}")
    trainer.resume()
    record = _record(experiment)
    try:
        # A run whose training is over stays what it was until it has been evaluated again.
        if not (trainer.finished and (folder / runs.RUN_FILE).is_file()):
            runs.write_resolved_config(folder, experiment.config.final_config_dict)
            runs.write_record(folder, record | {"status": "running"})
        result = _train_and_evaluate(experiment, started)
        runs.write_record(folder, record | _results_record(result, trainer))
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            f"Go on with: python run_recbole_mirec.py --resume {folder}"
        ) from None
    return result


def run_recbole_mirec(
    model: str | type | None = None,
    dataset: str | None = None,
    config_file_list: Sequence[str | Path] | None = None,
    config_dict: Mapping[str, Any] | None = None,
    saved: bool = True,
) -> dict[str, Any]:
    """Train a model, choose its epoch on validation, read the test part once; as RecBole's call.

    Args:
        model: a name, `package.module:Class`, or a class; default: MIRec.
        dataset: folder name under `data_path`; default: mirec-demo, which is synthetic.
        config_file_list: YAML files; later ones win.
        config_dict: keys and values; these win over files.
        saved: whether the run's folder stays. Figures are those of the best epoch either way.

    Returns:
        RecBole's `best_valid_score`, `valid_score_bigger`, `best_valid_result` and `test_result`
        (metrics are found by our names and by RecBole's, in any case of letters), and `model`,
        `dataset`, `protocol`, `seed`, `best_epoch` (from 1), `n_epochs`, `run_folder` (None where
        nothing was saved) and `notes`. A part that the data set lacks gives None.

    Raises:
        UsageError: anything the user can mend.
    """
    settings = merged_settings(model, dataset, config_file_list, config_dict)
    if saved:
        return _recbole_result(run_experiment(settings), saved=True)
    with TemporaryDirectory(prefix="recbole_mirec-") as folder:
        return _recbole_result(run_experiment(settings, resume=Path(folder)), saved=False)


def _recbole_result(result: ExperimentResult, *, saved: bool) -> dict[str, Any]:
    valid, test = (
        None if part is None else Figures(part.summary) for part in (result.valid, result.test)
    )
    return {
        "best_valid_score": None if valid is None else valid[result.valid_metric],
        "valid_score_bigger": not smaller_is_better(result.valid_metric),
        "best_valid_result": valid,
        "test_result": test,
        "model": result.model,
        "dataset": result.dataset,
        "protocol": result.protocol,
        "seed": result.seed,
        "best_epoch": result.best_epoch,
        "n_epochs": result.n_epochs,
        "run_folder": str(result.run_folder) if saved else None,
        "notes": list(result.notes),
    }


def load_data_and_model(model_file: str | Path) -> tuple[Any, Any, Any, Any, Any, Any]:
    """A run's configuration, model, data set and parts, as RecBole's function of that name.

    Args:
        model_file: the run's folder, or a checkpoint in it.

    Returns:
        Configuration, model with the best epoch's parameters (a given checkpoint's), data set,
        training loader, and what stands for RecBole's validation and test loaders.

    Raises:
        UsageError: the checkpoint cannot be read, or does not fit the data set.
    """
    path = Path(model_file)
    path = path / BEST if path.is_dir() else path
    experiment = prepare(checkpoint_settings(path), run_folder=path.parent)
    experiment.trainer.load_best(path)
    loaders = experiment.trainer.train_data, *evaluation_loaders(experiment.dataset)
    return experiment.config, experiment.model, experiment.dataset, *loaders


def train(
    experiment: Experiment, after_epoch: Callable[[int, float], None] | None = None
) -> Evaluation | None:
    """Train a model and load the epoch that validation chose; the test part stays untouched.

    Args:
        experiment: a model ready to train, or to go on training.
        after_epoch: called after each validated epoch with its number, from 0, and its score.

    Returns:
        The best epoch's validation results; None where there is no validation part.
    """
    trainer = experiment.trainer
    trainer.fit(
        trainer.train_data,
        evaluation_loader(experiment.dataset, schema.VALID),
        show_progress=bool(experiment.config["show_progress"]),
        callback_fn=after_epoch,
    )
    return validate_best(experiment)


def validate_best(experiment: Experiment) -> Evaluation | None:
    """Load the best epoch so far; returns its validation results, None without such a part."""
    experiment.trainer.load_best()
    split = experiment.dataset.evaluation_split(schema.VALID)
    return None if split is None else experiment.trainer.evaluate_split(split)


def _train_and_evaluate(experiment: Experiment, started: float) -> ExperimentResult:
    valid = train(experiment)
    split = experiment.dataset.evaluation_split(schema.TEST)
    test = None if split is None else experiment.trainer.evaluate_split(split)
    for evaluation in (valid, test):
        if evaluation is not None:
            _write_tables(experiment, evaluation)
    return _result(experiment, valid, test, time.perf_counter() - started)


def _result(
    experiment: Experiment, valid: Evaluation | None, test: Evaluation | None, seconds: float
) -> ExperimentResult:
    config = experiment.config
    return ExperimentResult(
        model=config["model"],
        dataset=config["dataset"],
        protocol=config["protocol"],
        seed=config["seed"],
        folds=config["folds"],
        fold=config["fold"],
        synthetic=is_synthetic(experiment.dataset),
        valid=valid,
        test=test,
        best_epoch=experiment.trainer.best_epoch + 1,
        n_epochs=experiment.trainer.n_epochs(),
        seconds=seconds,
        run_folder=experiment.run_folder,
        valid_metric=config["valid_metric"],
        notes=experiment_notes(config),
    )


def _record(experiment: Experiment) -> dict[str, Any]:
    config = experiment.config
    return {
        "model": config["model"],
        "dataset": config["dataset"],
        "protocol": config["protocol"],
        "seed": config["seed"],
        "folds": config["folds"],
        "fold": config["fold"],
        "settings": config.settings,
        "data_fingerprint": experiment.trainer.fingerprint,
        "synthetic": is_synthetic(experiment.dataset),
        "versions": runs.versions(),
        "torch_threads": torch.get_num_threads(),
    }


def _results_record(result: ExperimentResult, trainer: MirecTrainer) -> dict[str, Any]:
    return {
        "status": "finished",
        "best_epoch": result.best_epoch,
        "n_epochs": result.n_epochs,
        "seconds": round(result.seconds, 2),
        "history": trainer.history,
        "notes": list(result.notes),
    } | {
        evaluation.part: {
            "n_brands": len(evaluation.per_brand),
            "n_candidates": evaluation.n_candidates,
            **evaluation.summary,
        }
        for evaluation in (result.valid, result.test)
        if evaluation is not None
    }


def _write_tables(experiment: Experiment, evaluation: Evaluation) -> None:
    _write_ranks(experiment, evaluation)
    dataset, part = experiment.dataset, evaluation.part
    split = dataset.evaluation_split(part)
    assert split is not None
    frame = evaluation.per_brand.copy()
    frame.insert(0, schema.BRAND_ID, dataset.id2token(dataset.uid_field, split.brands))
    if isinstance(dataset, MirecDataset) and schema.BRAND_CATEGORY in dataset.atomic.brands:
        categories = dataset.atomic.brands.set_index(schema.BRAND_ID)[schema.BRAND_CATEGORY]
        values = categories.reindex(frame[schema.BRAND_ID]).to_numpy()
        frame.insert(1, schema.BRAND_CATEGORY, pd.Series(values))
        grouped = per_category(evaluation.per_brand, list(values))
        if len(grouped):
            path = experiment.run_folder / f"per_category.{part}.csv"
            runs.write_text(path, grouped.to_csv(index=False))
    text = frame.to_csv(index=False)
    runs.write_text(experiment.run_folder / f"per_brand.{part}.csv", text)


def _write_ranks(experiment: Experiment, evaluation: Evaluation) -> None:
    dataset = experiment.dataset
    split = dataset.evaluation_split(evaluation.part)
    assert split is not None
    ranks = positive_ranks(evaluation.scores, split)
    ids = {
        schema.BRAND_ID: dataset.id2token(dataset.uid_field, ranks.pop("brand")),
        schema.INFLUENCER_ID: dataset.id2token(dataset.iid_field, ranks.pop("influencer")),
    }
    text = pd.DataFrame(ids).join(ranks).to_csv(index=False)
    runs.write_text(experiment.run_folder / f"ranks.{evaluation.part}.csv", text)
