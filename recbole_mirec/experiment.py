"""An experiment made ready: configuration, data, model and trainer."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from logging import WARNING, getLogger
from pathlib import Path
from typing import Any

import numpy as np
import torch
from recbole.utils import init_seed

from dataset_convert import schema, synthesize
from dataset_convert.synthetic.spec import SPECS
from recbole_mirec import compat as compat
from recbole_mirec import runs
from recbole_mirec.config import MirecConfig
from recbole_mirec.data.dataset import MirecDataset, SplitDataset
from recbole_mirec.data.evaluation_split import EvaluationSplit
from recbole_mirec.data.loaders import training_loader
from recbole_mirec.errors import UsageError
from recbole_mirec.files import naming
from recbole_mirec.logs import start_logging
from recbole_mirec.metric_names import with_metric
from recbole_mirec.registry import is_ours, require_packages
from recbole_mirec.results import evaluate_scores
from recbole_mirec.trainer import MirecTrainer, make_trainer


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
