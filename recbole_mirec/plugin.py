"""RecBole's own calls, made to know our models and data sets."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from recbole.config import Config
from recbole.data import utils as data_utils
from recbole.trainer import Trainer
from recbole.utils import utils

from dataset_convert.common.errors import UsageError
from recbole_mirec import compat as compat
from recbole_mirec.checkpoint import load_stock, on_device
from recbole_mirec.compat import divert
from recbole_mirec.config import MirecConfig, follows_schema, merged_settings
from recbole_mirec.data.sampling import evaluation_loaders, training_loader
from recbole_mirec.experiment import (
    load_data_and_model,
    load_dataset,
    run_recbole_mirec,
    training_part,
)
from recbole_mirec.registry import find_model, is_only_ours, is_outside
from recbole_mirec.trainer import MirecTrainer, trainer_class

# Arguments of RecBole's Config.
_CONFIG = ("model", "dataset", "config_file_list", "config_dict")


def register() -> None:
    """Make RecBole's own calls work with our models and data sets, whoever holds them already.

    A run is ours where its model is one of ours, or its data set follows our schema: then `Config`,
    `create_dataset`, `data_preparation`, `get_trainer`, `run_recbole`, `objective_function` and
    `load_data_and_model` are our counterparts, with our protocols. Every other run is RecBole's
    own, repaired (`recbole_mirec.compat`) and with checkpoints that hold no pickle. A second call
    changes nothing.
    """
    # only now, behind the repairs: it imports Ray
    quick_start = import_module("recbole.quick_start.quick_start")
    diversions: dict[Any, Callable[..., Any]] = {
        utils.get_model: _get_model,
        data_utils.create_dataset: _create_dataset,
        data_utils.data_preparation: _data_preparation,
        quick_start.run_recbole: partial(_run, (*_CONFIG, "saved", "queue")),
        quick_start.objective_function: partial(_run, ("config_dict", "config_file_list", "saved")),
        quick_start.load_data_and_model: _load_data_and_model,
    }
    for function, ours in diversions.items():
        divert(function, ours)
    Config.__new__ = staticmethod(_new_config)
    Trainer.__new__ = staticmethod(_new_trainer)


def _settings_of_ours(arguments: Mapping[str, Any]) -> dict[str, Any] | None:
    """What the arguments of one of RecBole's calls set; None where the run is RecBole's own."""
    try:
        settings = merged_settings(*(arguments.get(name) for name in _CONFIG), argv=True)
    except UsageError:
        # what RecBole says about it
        return None
    # Without the field's name only the converter's manifest tells: other files may be missing.
    values = {"data_path": "dataset/", "USER_ID_FIELD": ""} | settings
    ours = is_only_ours(str(settings.get("model")))
    ours = ours or follows_schema(str(settings.get("dataset")), values)
    return settings if ours else None


def _new_config(cls: type, *given: Any, **named: Any) -> Any:
    arguments = dict(zip(_CONFIG, given, strict=False)) | named
    # Copies are made without arguments.
    if cls is not Config or not arguments or _settings_of_ours(arguments) is None:
        return object.__new__(cls)
    config = object.__new__(MirecConfig)
    config.reads_command_line = True
    return config


def _run(names: Sequence[str], original: Any, *given: Any, **named: Any) -> Any:
    """A run by ours where it is ours; `names` are those of the original's arguments."""
    arguments = dict(zip(names, given, strict=False)) | named
    settings = _settings_of_ours(arguments)
    if settings is None:
        return original(*given, **named)
    if arguments.get("queue") is not None:
        raise UsageError("Training in several processes is not available here; leave nproc out.")
    return run_recbole_mirec(config_dict=settings, saved=arguments.get("saved", True))


def _new_trainer(cls: type, config: Any, _model: Any) -> Any:
    if isinstance(config, MirecConfig) and not issubclass(cls, MirecTrainer):
        return object.__new__(trainer_class(cls))
    return object.__new__(cls)


def _get_model(original: Any, model_name: str) -> type:
    if is_only_ours(model_name) or is_outside(model_name):
        return find_model(model_name)
    found: type = original(model_name)
    return found


def _create_dataset(original: Any, config: Any) -> Any:
    return load_dataset(config) if isinstance(config, MirecConfig) else original(config)


def _data_preparation(original: Any, config: Any, dataset: Any) -> Any:
    if not isinstance(config, MirecConfig):
        return original(config, dataset)
    train_data = training_loader(config, training_part(config, dataset))
    return train_data, *evaluation_loaders(dataset)


def _load_data_and_model(_original: Any, model_file: Any) -> Any:
    path = Path(model_file)
    state = {} if path.is_dir() else load_stock(path)
    if "config" not in state:
        return load_data_and_model(path, state)
    config = state["config"]
    utils.init_seed(config["seed"], config["reproducibility"])
    dataset = data_utils.create_dataset(config)
    loaders = data_utils.data_preparation(config, dataset)
    utils.init_seed(config["seed"], config["reproducibility"])
    model = utils.get_model(config["model"])(config, loaders[0].dataset).to(config["device"])
    model.load_state_dict(state["state_dict"])
    model.load_other_parameter(on_device(state["other_parameter"], config["device"]))
    return config, model, dataset, *loaders
