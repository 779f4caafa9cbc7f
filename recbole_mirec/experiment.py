"""One experiment: made ready, trained, evaluated, written to disk."""

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from logging import WARNING, getLogger
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
import torch
from recbole.utils import get_trainer, init_seed

from dataset_convert import schema, synthetic
from dataset_convert.common.errors import UsageError, no_memory
from dataset_convert.common.files import naming, write_csv
from dataset_convert.holders import REFIT, RUN_FILE
from dataset_convert.synthetic import SPECS
from recbole_mirec import compat as compat
from recbole_mirec import runs
from recbole_mirec.checkpoint import load_state
from recbole_mirec.config import MirecConfig, merged_settings
from recbole_mirec.data.dataset import EvaluationSplit, MirecDataset, SplitDataset
from recbole_mirec.data.sampling import evaluation_loader, evaluation_loaders, training_loader
from recbole_mirec.registry import is_ours, require_packages
from recbole_mirec.results import (
    PARTS,
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
from recbole_mirec.trainer import BEST, MirecTrainer, trainer_class

# RecBole's word for no account.
PADDING = "[PAD]"
# What RecBole's data sets and models raise of data and settings that they cannot be made with.
_UNREADABLE = (AttributeError, LookupError, NotImplementedError, TypeError, ValueError)
_UNMADE = (ImportError, KeyError, MemoryError, OSError, RuntimeError, TypeError, ValueError)


@contextmanager
def _in_memory() -> Iterator[None]:
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if (problem := no_memory(error)) is None:
            raise
        remedy = "Lower train_batch_size, eval_batch_size or the model's sizes."
        raise UsageError(f"{problem} {remedy}") from error


@dataclass(frozen=True, eq=False)
class Experiment:
    """A configuration with everything made from it, ready to train or to rank."""

    config: MirecConfig
    dataset: SplitDataset
    model: Any
    trainer: MirecTrainer
    run_folder: Path


def prepare(
    settings: Mapping[str, Any],
    *,
    run_folder: Path | None = None,
    closed_parts: Collection[str] = (),
    log_file: Path | None = None,
    refitting: bool = False,
) -> Experiment:
    """Make everything an experiment needs, without training; arguments are `run_experiment`'s.

    It goes to `run_folder`, or to a new one. Nothing may evaluate on the `closed_parts` of the
    split. For `refitting`, brands of validation are training brands.

    Raises:
        UsageError: anything the user can mend; nothing is left on disk then.
    """
    config = MirecConfig(config_dict=settings)
    require_packages(config["model"])
    if config["torch_threads"]:
        torch.set_num_threads(config["torch_threads"])
    runs.start_logging(config["model"], config["dataset"], str(config["state"]), only_file=log_file)
    getLogger("gensim").setLevel(WARNING)
    return _made(config, run_folder, closed_parts, refitting=refitting)


def _made(
    config: MirecConfig, run_folder: Path | None, closed_parts: Collection[str], *, refitting: bool
) -> Experiment:
    init_seed(config["seed"], config["reproducibility"])
    with _in_memory():
        dataset, train_dataset = open_data(config, closed_parts=closed_parts, refitting=refitting)
        train_data = training_loader(config, train_dataset)
        # Again, so that the first parameters do not depend on what loading the data drew.
        init_seed(config["seed"], config["reproducibility"])
        model = _make_model(config, train_dataset)
    # Before the trainer, which opens files elsewhere; the run's own folder after all refusals.
    runs_folder = Path(config["checkpoint_dir"])
    runs_folder.mkdir(parents=True, exist_ok=True)
    upstream = get_trainer(config["MODEL_TYPE"], config["model"])
    trainer = trainer_class(upstream)(config, model)
    folder = run_folder or runs.new_run_folder(
        runs_folder, config["model"], config["dataset"], config["protocol"]
    )
    trainer.attach(dataset, train_data, folder)
    # Now that nothing is refused any more: a line makes the log's file.
    for level, remark in config.remarks:
        getLogger().log(level, remark)
    return Experiment(config, dataset, model, trainer, folder)


def open_data(
    config: MirecConfig,
    *,
    closed_parts: Collection[str] = (),
    needed: Collection[str] = (),
    refitting: bool = False,
) -> tuple[SplitDataset, Any]:
    """The data set, built, and its training part; for `refitting` with validation's brands.

    Raises:
        UsageError: the data cannot be used, have no brands of a `needed` part, or `valid_metric`
            cannot be computed on them.
    """
    dataset = load_dataset(config)
    dataset.closed_parts, dataset.refitting = frozenset(closed_parts), refitting
    training = training_part(config, dataset)
    if lacking := [PARTS[part] for part in needed if part not in dataset.pairs]:
        raise UsageError(
            f"Data set '{config['dataset']}' has no {' and no '.join(lacking)} part under protocol "
            f"{config['protocol']}, so there is nothing to compare models by. Convert it with "
            f"n_valid and n_test above 0, or ask for folds, which make both parts of its brands."
        )
    return dataset, training


def training_part(config: MirecConfig, dataset: SplitDataset) -> Any:
    """Build a data set; returns its training part; errors are those of `open_data`."""
    train_dataset = dataset.build()[0]
    _check_valid_metric(config, dataset.evaluation_split(schema.VALID))
    return train_dataset


def load_dataset(config: MirecConfig) -> SplitDataset:
    """The data set of a configuration; the embedded synthetic ones are generated on first use."""
    name, folder = config["dataset"], Path(config["data_path"])
    ours = config["USER_ID_FIELD"] == schema.BRAND_ID
    if ours and name in SPECS and not folder.exists():
        getLogger().info(f"Generating the synthetic data set {name} in {folder}.")
        with naming(folder):
            synthetic.write_synthetic(name, folder)
    try:
        dataset = (MirecDataset if ours else SplitDataset)(config)
    except _UNREADABLE as error:
        if ours or isinstance(error, UsageError):
            raise
        raise UsageError(
            f"Data set '{name}' cannot be read by RecBole: {error!r}. Check its files and the keys "
            f"that say how to read them."
        ) from error
    for field in (dataset.uid_field, dataset.iid_field):
        if PADDING in dataset.field2id_token[field][1:]:
            raise UsageError(
                f"Data set '{name}' has the {field} '{PADDING}', which is RecBole's word for none. "
                f"Rename it."
            )
    return dataset


def _make_model(config: MirecConfig, train_dataset: Any) -> Any:
    try:
        return config.model_class(config, train_dataset).to(config["device"])
    except _UNMADE as error:
        if isinstance(error, UsageError) or is_ours(config.model_class):
            raise
        raise UsageError(f"Model {config['model']} cannot be made: {error!r}.") from error


def _check_valid_metric(config: MirecConfig, split: EvaluationSplit | None) -> None:
    if split is None:
        return
    name = str(config["valid_metric"])
    lacking = split.candidate_category if name == "cAUC" else split.brand_category
    if name in ("cAUC", "paper_cauc") and lacking is None:
        raise UsageError(f"valid_metric {name} needs categories, which the data set lacks.")
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
    """What an experiment found, under the names of `run.json`.

    Attributes:
        fold: of `folds` of a cross-validation, the test part; 0: none.
        synthetic: whether the data set says that it is synthetic.
        valid, test: results of the best epoch; None where the data set has no such part.
        best_epoch: the one of the `n_epochs` that `valid_metric` chose, counted from 1; the last
            one where there is no validation part.
        seconds: from the first to the last line of the experiment.
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
    with nullcontext() if resume is None else runs.alone_in(resume):
        experiment = prepare(settings, run_folder=resume, log_file=log_file)
        folder = experiment.run_folder
        with runs.alone_in(folder), _in_memory():
            try:
                return _run(experiment, started)
            except KeyboardInterrupt:
                hint = f"Go on with: python run_recbole_mirec.py --resume {folder}"
                raise KeyboardInterrupt(hint) from None


def _run(experiment: Experiment, started: float) -> ExperimentResult:
    config, trainer, folder = experiment.config, experiment.trainer, experiment.run_folder
    getLogger().info(f"Run folder: {folder}")
    trainer.resume()
    keys = ("model", "dataset", "protocol", "seed", "folds", "fold")
    identity = {key: config[key] for key in keys}
    identity |= {"synthetic": is_synthetic(experiment.dataset)}
    record = identity | {
        "settings": config.settings,
        "data_fingerprint": trainer.fingerprint,
        "versions": runs.versions(),
        "torch_threads": torch.get_num_threads(),
        "status": "running",
    }
    # A run whose training is over stays what it was until it has been evaluated again.
    if not (trainer.finished and (folder / RUN_FILE).is_file()):
        runs.write_resolved_config(folder, config.final_config_dict)
        runs.write_record(folder, record)
    valid, tested = train(experiment), experiment
    notes = []
    if config["refit"] and valid is not None:
        tested = refit(experiment)
        notes.append(
            "Figures of the test part are of the model trained again, on training and validation "
            "brands, for as many epochs as validation had chosen."
        )
    test = _evaluate(tested, schema.TEST)
    parts = [part for part in (valid, test) if part is not None]
    for part in parts:
        _write_tables(experiment, part)
    told: dict[str, Any] = {
        "best_epoch": trainer.best_epoch + 1,
        "n_epochs": trainer.n_epochs(),
        "seconds": round(time.perf_counter() - started, 2),
        "notes": (*experiment_notes(config, {schema.VALID: valid, schema.TEST: test}), *notes),
    }
    record |= told | {"status": "finished", "history": trainer.history}
    for part in parts:
        sizes = {"n_brands": len(part.per_brand), "n_candidates": part.n_candidates}
        record[part.part] = sizes | part.summary
    runs.write_record(folder, record)
    return ExperimentResult(
        **identity,
        **told,
        valid=valid,
        test=test,
        run_folder=folder,
        valid_metric=config["valid_metric"],
    )


def refit(experiment: Experiment) -> Experiment:
    """Train a model again, on training and validation brands, for as many epochs as were chosen.

    In the folder `refit` of the run, from where it is used; an interrupted one goes on. Nothing of
    it is chosen, and no test brand takes part.
    """
    n_epochs = experiment.trainer.best_epoch + 1
    config = MirecConfig(config_dict=experiment.config.settings | {"epochs": n_epochs})
    again = _made(config, experiment.run_folder / REFIT, (), refitting=True)
    getLogger().info(f"Trained again on training and validation brands, for {n_epochs} epochs.")
    again.trainer.resume()
    again.trainer.fit(again.trainer.train_data, show_progress=bool(config["show_progress"]))
    again.trainer.load_best()
    return again


def open_run(settings: Mapping[str, Any], folder: Path, log_file: Path | None = None) -> Experiment:
    """A finished run, with the parameters that are to be used: the refitted ones where there are.

    Raises:
        UsageError: the checkpoint cannot be read, or does not fit the data set.
    """
    place = folder / REFIT if (folder / REFIT / BEST).is_file() else folder
    refitted = place != folder
    experiment = prepare(settings, run_folder=place, log_file=log_file, refitting=refitted)
    experiment.trainer.load_best()
    experiment.model.eval()
    return experiment


def _write_tables(experiment: Experiment, evaluation: Evaluation) -> None:
    dataset, split = experiment.dataset, experiment.dataset.evaluation_split(evaluation.part)
    assert split is not None
    ranks = positive_ranks(evaluation.scores, split)
    ids = {
        schema.BRAND_ID: dataset.id2token(dataset.uid_field, ranks.pop("brand")),
        schema.INFLUENCER_ID: dataset.id2token(dataset.iid_field, ranks.pop("influencer")),
    }
    per_brand = evaluation.per_brand.copy()
    per_brand.insert(0, schema.BRAND_ID, dataset.id2token(dataset.uid_field, split.brands))
    tables = {"ranks": pd.DataFrame(ids).join(ranks), "per_brand": per_brand}
    if isinstance(dataset, MirecDataset) and schema.BRAND_CATEGORY in dataset.atomic.brands:
        known = dataset.atomic.brands.set_index(schema.BRAND_ID)[schema.BRAND_CATEGORY]
        categories = known.reindex(per_brand[schema.BRAND_ID]).to_numpy()
        per_brand.insert(1, schema.BRAND_CATEGORY, pd.Series(categories))
        grouped = per_category(evaluation.per_brand, list(categories))
        tables |= {"per_category": grouped} if len(grouped) else {}
    for name, table in tables.items():
        write_csv(experiment.run_folder / f"{name}.{evaluation.part}.csv", table)


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
        RecBole's keys (metrics are found by our names and by RecBole's, in any case of letters),
        and `ExperimentResult`'s; `run_folder` is None where nothing was saved, and the result of a
        part that the data set lacks.

    Raises:
        UsageError: anything the user can mend.
    """
    settings = merged_settings(model, dataset, config_file_list, config_dict)
    with nullcontext() if saved else TemporaryDirectory(prefix="recbole_mirec-") as folder:
        result = run_experiment(settings, resume=None if folder is None else Path(folder))
    parts = (result.valid, result.test)
    valid, test = (None if part is None else Figures(part.summary) for part in parts)
    told = ("model", "dataset", "protocol", "seed", "best_epoch", "n_epochs")
    return {
        "best_valid_score": None if valid is None else valid[result.valid_metric],
        "valid_score_bigger": not smaller_is_better(result.valid_metric),
        "best_valid_result": valid,
        "test_result": test,
        **{name: getattr(result, name) for name in told},
        "run_folder": str(result.run_folder) if saved else None,
        "notes": list(result.notes),
    }


def load_data_and_model(
    model_file: str | Path, state: Mapping[str, Any] | None = None
) -> tuple[Any, Any, Any, Any, Any, Any]:
    """A run's configuration, model, data set and parts, as RecBole's function of that name.

    Args:
        model_file: the run's folder, or a checkpoint in it.
        state: what the checkpoint holds, where it has been read.

    Returns:
        Configuration, model with the best epoch's parameters (a given checkpoint's), data set,
        training loader, and what stands for RecBole's validation and test loaders.

    Raises:
        UsageError: the checkpoint cannot be read, or does not fit the data set.
    """
    path = Path(model_file)
    path = path / BEST if path.is_dir() else path
    state = state or load_state(path)
    if not isinstance(state.get("settings"), dict):
        raise UsageError(f"Checkpoint '{path}' is not of a run of this project's.")
    experiment = prepare(state["settings"], run_folder=path.parent)
    experiment.trainer.restore(state, path)
    loaders = experiment.trainer.train_data, *evaluation_loaders(experiment.dataset)
    return experiment.config, experiment.model, experiment.dataset, *loaders


def train(
    experiment: Experiment, after_epoch: Callable[[int, float], None] | None = None
) -> Evaluation | None:
    """Train a model, or go on, and `validate_best`; the test part stays untouched.

    After each validated epoch `after_epoch` is called with its number, from 0, and its score.
    """
    trainer = experiment.trainer
    valid = evaluation_loader(experiment.dataset, schema.VALID)
    if valid is None and not trainer.finished:
        getLogger().info(
            f"The data set has no validation part: {experiment.config['model']} trains its preset "
            f"{trainer.epochs} epochs, nothing stops it early, and the last one is kept."
        )
    trainer.fit(
        trainer.train_data,
        valid,
        show_progress=bool(experiment.config["show_progress"]),
        callback_fn=after_epoch,
    )
    return validate_best(experiment)


def validate_best(experiment: Experiment) -> Evaluation | None:
    """Load the best epoch so far; returns its validation results, None without such a part."""
    experiment.trainer.load_best()
    return _evaluate(experiment, schema.VALID)


def _evaluate(experiment: Experiment, part: str) -> Evaluation | None:
    split = experiment.dataset.evaluation_split(part)
    return None if split is None else experiment.trainer.evaluate_split(split)
