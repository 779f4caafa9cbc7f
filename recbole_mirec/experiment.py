"""One experiment: made ready, trained, evaluated, written to disk."""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from logging import WARNING, getLogger
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
import torch
from recbole.utils import init_seed

from dataset_convert import schema, synthesize
from dataset_convert.common.errors import UsageError
from dataset_convert.common.files import naming
from dataset_convert.synthetic.spec import SPECS
from recbole_mirec import compat as compat
from recbole_mirec import runs
from recbole_mirec.config import MirecConfig, merged_settings
from recbole_mirec.data.dataset import EvaluationSplit, MirecDataset, SplitDataset
from recbole_mirec.data.sampling import evaluation_loader, evaluation_loaders, training_loader
from recbole_mirec.registry import is_ours, require_packages
from recbole_mirec.results import (
    Evaluation,
    Figures,
    evaluate_scores,
    experiment_notes,
    is_synthetic,
    per_category,
    positive_ranks,
    smaller_is_better,
    with_metric,
)
from recbole_mirec.runs import start_logging, training_in
from recbole_mirec.trainer import BEST, MirecTrainer, checkpoint_settings, make_trainer


@dataclass(frozen=True, eq=False)
class Experiment:
    """A configuration with everything made from it, ready to train or to rank."""

    config: MirecConfig
    dataset: SplitDataset
    train_dataset: Any
    model: Any
    trainer: MirecTrainer
    run_folder: Path


def prepare(
    settings: Mapping[str, Any],
    *,
    run_folder: Path | None = None,
    closed_parts: Collection[str] = (),
    log_file: Path | None = None,
) -> Experiment:
    """Make everything an experiment needs, without training.

    Args:
        settings: keys and values that differ from the YAML defaults; `model` and `dataset` among
            them.
        run_folder: the folder of an existing run, or None for a new one.
        closed_parts: parts of the split that nothing may evaluate on.
        log_file: takes the log lines instead of the screen and the usual file.

    Raises:
        UsageError: anything the user can mend; nothing is left on disk then.
    """
    config = MirecConfig(config_dict=settings)
    require_packages(config["model"])
    if config["torch_threads"]:
        torch.set_num_threads(config["torch_threads"])
    init_seed(config["seed"], config["reproducibility"])
    start_logging(config["model"], config["dataset"], str(config["state"]), only_file=log_file)
    getLogger("gensim").setLevel(WARNING)
    dataset, train_dataset = open_data(config, closed_parts=closed_parts)
    train_data = training_loader(config, train_dataset)
    # Again, so that the first parameters do not depend on what loading the data drew.
    init_seed(config["seed"], config["reproducibility"])
    model = _make_model(config, train_dataset)
    # Before the trainer, which opens files elsewhere; the run's own folder after all refusals.
    runs_folder = Path(config["checkpoint_dir"])
    runs_folder.mkdir(parents=True, exist_ok=True)
    trainer = make_trainer(config, model)
    folder = run_folder or runs.new_run_folder(
        runs_folder, config["model"], config["dataset"], config["protocol"]
    )
    trainer.attach(dataset, train_data, folder)
    # Now that nothing is refused any more: a line makes the log's file.
    for level, remark in config.remarks:
        getLogger().log(level, remark)
    return Experiment(config, dataset, train_dataset, model, trainer, folder)


def open_data(
    config: MirecConfig, *, closed_parts: Collection[str] = ()
) -> tuple[SplitDataset, Any]:
    """The data set, built, and its training part.

    Raises:
        UsageError: the data cannot be used, or `valid_metric` cannot be computed on them.
    """
    dataset = load_dataset(config)
    dataset.closed_parts = frozenset(closed_parts)
    return dataset, training_part(config, dataset)


def training_part(config: MirecConfig, dataset: SplitDataset) -> Any:
    """Build a data set; returns its training part.

    Raises:
        UsageError: the data cannot be split, or `valid_metric` cannot be computed on them.
    """
    train_dataset = dataset.build()[0]
    _check_valid_metric(config, dataset.evaluation_split(schema.VALID))
    return train_dataset


def load_dataset(config: MirecConfig) -> SplitDataset:
    """The data set of a configuration; the embedded synthetic ones are generated on first use."""
    if config["USER_ID_FIELD"] != schema.BRAND_ID:
        return _foreign_dataset(config)
    folder = Path(config["data_path"])
    if config["dataset"] in SPECS and not folder.exists():
        getLogger().info(f"Generating the synthetic data set {config['dataset']} in {folder}.")
        with naming(folder):
            synthesize.write_synthetic(config["dataset"], folder)
    return MirecDataset(config)


def _foreign_dataset(config: MirecConfig) -> SplitDataset:
    try:
        return SplitDataset(config)
    except UsageError:
        raise
    except (KeyError, NotImplementedError, TypeError, ValueError) as error:
        raise UsageError(
            f"Data set '{config['dataset']}' cannot be read by RecBole: {error!r}. Check its files "
            f"and the keys that say how to read them."
        ) from error


def _make_model(config: MirecConfig, train_dataset: Any) -> Any:
    name = config["model"]
    try:
        return config.model_class(config, train_dataset).to(config["device"])
    except UsageError:
        raise
    except (ImportError, KeyError, OSError, RuntimeError, TypeError, ValueError) as error:
        if is_ours(config.model_class):
            raise
        raise UsageError(f"Model {name} cannot be made: {error!r}.") from error


def _check_valid_metric(config: MirecConfig, split: EvaluationSplit | None) -> None:
    name = str(config["valid_metric"])
    no_category = split is not None and (
        split.candidate_category is None if name == "cAUC" else split.brand_category is None
    )
    if name in ("cAUC", "paper_cauc") and no_category:
        raise UsageError(f"valid_metric {name} needs categories, which the data set lacks.")
    if split is None:
        return
    # Whether a metric is defined depends on the split alone, so any scores tell.
    constant = evaluate_scores(
        np.zeros(split.mask.shape),
        split,
        metrics=with_metric((), name),
        unseen_only=config["eval_unseen_only"],
    )
    if not np.isfinite(constant.summary[name]):
        raise UsageError(
            f"valid_metric {name} is undefined on the validation part: it needs a brand with both "
            f"a positive and another candidate that count. Choose another, for example MAP."
        )


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
