"""One experiment, from settings to results on disk."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from logging import WARNING, getLogger
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
import pandas as pd
import torch
from recbole.utils import ModelType, init_seed

from dataset_convert import schema, synthesize
from dataset_convert.synthetic.spec import SPECS
from recbole_mirec import compat as compat
from recbole_mirec import runs
from recbole_mirec.config import MirecConfig
from recbole_mirec.data.dataset import MirecDataset, SplitDataset
from recbole_mirec.data.evaluation_split import EvaluationSplit
from recbole_mirec.data.loaders import training_loader
from recbole_mirec.errors import UsageError, nearest
from recbole_mirec.logs import start_logging
from recbole_mirec.registry import require_packages
from recbole_mirec.results import Evaluation, evaluate_scores, metric_names
from recbole_mirec.trainer import LAST, MirecTrainer, make_trainer


@dataclass(frozen=True, eq=False)
class Experiment:
    """A configuration with everything made from it, ready to train or to rank."""

    config: MirecConfig
    dataset: SplitDataset
    train_dataset: Any
    model: Any
    trainer: MirecTrainer
    run_folder: Path


@dataclass(frozen=True, eq=False)
class ExperimentResult:
    """What an experiment found.

    Attributes:
        model, dataset, protocol, seed: what was run.
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
    synthetic: bool
    valid: Evaluation | None
    test: Evaluation | None
    best_epoch: int
    n_epochs: int
    seconds: float
    run_folder: Path
    valid_metric: str
    notes: tuple[str, ...]


def run_experiment(settings: Mapping[str, Any], *, resume: Path | None = None) -> ExperimentResult:
    """Train a model, choose its epoch on validation, read the test part once.

    Args:
        settings: keys and values that differ from the YAML defaults; `model` and `dataset` among
            them.
        resume: folder of an interrupted run with these settings, to go on with.

    Returns:
        The results, which also stand in the run's folder.

    Raises:
        UsageError: anything the user can mend.
    """
    started = time.perf_counter()
    experiment = prepare(settings, run_folder=resume)
    config, trainer = experiment.config, experiment.trainer
    getLogger().info(f"Run folder: {experiment.run_folder}")
    if resume is not None and (resume / LAST).is_file():
        trainer.resume_checkpoint(resume / LAST)
    splits = {
        part: experiment.dataset.evaluation_split(part) for part in (schema.VALID, schema.TEST)
    }
    record = _record(experiment, settings)
    runs.write_resolved_config(experiment.run_folder, config.final_config_dict)
    runs.write_record(experiment.run_folder, record | {"status": "running"})
    trainer.fit(
        trainer.train_data, splits[schema.VALID], show_progress=bool(config["show_progress"])
    )
    best_epoch = trainer.load_best()
    evaluations = {
        part: None if split is None else trainer.evaluate_split(split)
        for part, split in splits.items()
    }
    for part, split in splits.items():
        if split is not None:
            _write_per_brand(experiment, split, evaluations[part])
    result = ExperimentResult(
        model=config["model"],
        dataset=config["dataset"],
        protocol=config["protocol"],
        seed=config["seed"],
        synthetic=_is_synthetic(experiment.dataset),
        valid=evaluations[schema.VALID],
        test=evaluations[schema.TEST],
        best_epoch=best_epoch + 1,
        n_epochs=trainer.n_epochs(),
        seconds=time.perf_counter() - started,
        run_folder=experiment.run_folder,
        valid_metric=config["valid_metric"],
        notes=tuple(_notes(config)),
    )
    runs.write_record(experiment.run_folder, record | _results_record(result, trainer))
    return result


def prepare(settings: Mapping[str, Any], *, run_folder: Path | None = None) -> Experiment:
    """Make everything an experiment needs, without training.

    Args:
        settings: as for `run_experiment`.
        run_folder: the folder of an existing run, or None for a new one.
    """
    config = MirecConfig(settings)
    require_packages(config["model"])
    if config["torch_threads"]:
        torch.set_num_threads(config["torch_threads"])
    init_seed(config["seed"], config["reproducibility"])
    start_logging(config["model"], config["dataset"], str(config["state"]))
    getLogger("gensim").setLevel(WARNING)
    dataset = load_dataset(config)
    train_dataset = dataset.build()[0]
    _check_valid_metric(config, dataset.evaluation_split(schema.VALID))
    train_data = training_loader(config, train_dataset)
    init_seed(config["seed"], config["reproducibility"])
    try:
        model = config.model_class(config, train_dataset).to(config["device"])
    except UnpicklingError as error:
        raise UsageError(
            f"Model {config['model']} cannot start from its pre-trained file: the file holds more "
            f"than tensors and plain values, and is not opened. Use the best.pth of a run."
        ) from error
    except UsageError:
        raise
    except (ImportError, KeyError, OSError, RuntimeError, TypeError, ValueError) as error:
        if _is_ours(config):
            raise
        raise UsageError(f"Model {config['model']} cannot be made: {error!r}.") from error
    # The last thing that can be refused, so that refused input leaves no folder.
    folder = run_folder or runs.new_run_folder(
        Path(config["checkpoint_dir"]), config["model"], config["dataset"], config["protocol"]
    )
    trainer = make_trainer(config, model)
    trainer.attach(dataset, train_data, folder)
    return Experiment(config, dataset, train_dataset, model, trainer, folder)


def load_dataset(config: MirecConfig) -> SplitDataset:
    """The data set of a configuration; the embedded synthetic ones are generated on first use."""
    if config["USER_ID_FIELD"] != schema.BRAND_ID:
        return SplitDataset(config)
    folder = Path(config["data_path"])
    if config["dataset"] in SPECS and not folder.exists():
        getLogger().info(f"Generating the synthetic data set {config['dataset']} in {folder}.")
        synthesize.write_synthetic(config["dataset"], folder)
    return MirecDataset(config)


def _check_valid_metric(config: MirecConfig, split: EvaluationSplit | None) -> None:
    names = metric_names(config["topk"])
    if config["eval_unseen_only"]:
        names += [f"unseen_{name}" for name in names if not name.startswith("paper_")]
    name = str(config["valid_metric"])
    if name not in names:
        raise UsageError(f"Unknown valid_metric '{name}'.{nearest(name, names)}")
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
        topk=config["topk"],
        unseen_only=config["eval_unseen_only"],
    )
    if not np.isfinite(constant.summary[name]):
        raise UsageError(
            f"valid_metric {name} is undefined on the validation part: it needs a brand with both "
            f"a positive and another candidate that count. Choose another, for example MAP."
        )


def _record(experiment: Experiment, settings: Mapping[str, Any]) -> dict[str, Any]:
    config = experiment.config
    return {
        "model": config["model"],
        "dataset": config["dataset"],
        "protocol": config["protocol"],
        "seed": config["seed"],
        "settings": dict(settings),
        "data_fingerprint": experiment.trainer.fingerprint,
        "synthetic": _is_synthetic(experiment.dataset),
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


def _write_per_brand(
    experiment: Experiment, split: EvaluationSplit, evaluation: Evaluation | None
) -> None:
    if evaluation is None:
        return
    dataset = experiment.dataset
    frame = evaluation.per_brand.copy()
    frame.insert(0, schema.BRAND_ID, dataset.id2token(dataset.uid_field, split.brands))
    if isinstance(dataset, MirecDataset) and schema.BRAND_CATEGORY in dataset.atomic.brands:
        categories = dataset.atomic.brands.set_index(schema.BRAND_ID)[schema.BRAND_CATEGORY]
        values = categories.reindex(frame[schema.BRAND_ID]).to_numpy()
        frame.insert(1, schema.BRAND_CATEGORY, pd.Series(values))
    text = frame.to_csv(index=False)
    runs.write_text(experiment.run_folder / f"per_brand.{split.part}.csv", text)


def _is_synthetic(dataset: SplitDataset) -> bool:
    return isinstance(dataset, MirecDataset) and bool(dataset.atomic.manifest.get("synthetic"))


def _is_ours(config: MirecConfig) -> bool:
    return str(config.model_class.__module__).startswith("recbole_mirec.")


def _notes(config: MirecConfig) -> list[str]:
    """What a reader of the figures has to know about the model."""
    if _is_ours(config):
        return []
    if config["MODEL_TYPE"] in (ModelType.GENERAL, ModelType.TRADITIONAL):
        if config["protocol"] == schema.NEW_BRAND:
            return [
                f"{config['model']} learns from past collaborations only. A new brand has none, "
                f"so it has no signal here and lands at chance."
            ]
        return []
    return [
        f"{config['model']} reads ids, the brand's category, attribute and visual labels as "
        f"tokens; it has no use for topic vectors or label weights."
    ]
