"""RecBole's own checkpoints in our files, so that nothing of anybody's is unpickled.

RecBole's modules call `torch.save` and `torch.load`. They get a stand-in for `torch` that has ours
instead, and everything else of torch.
"""

from collections.abc import Mapping
from enum import Enum
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from recbole.config import Config
from recbole.utils import EvaluatorType, InputType, ModelType

from recbole_mirec.errors import UsageError
from recbole_mirec.state_file import load_state, save_state

# The modules of RecBole that save or load by torch.
MODULES = (
    "recbole.trainer.trainer",
    "recbole.model.context_aware_recommender.kd_dagfm",
    "recbole.model.general_recommender.convncf",
    "recbole.model.general_recommender.nais",
    "recbole.model.general_recommender.neumf",
    "recbole.model.general_recommender.ract",
    "recbole.model.sequential_recommender.s3rec",
)
_ENUMS: dict[str, type[Enum]] = {
    "MODEL_TYPE": ModelType,
    "MODEL_INPUT_TYPE": InputType,
    "eval_type": EvaluatorType,
}


def load(path: Any, map_location: Any = None, **_unused: Any) -> dict[str, Any]:
    """`torch.load`, of our files only.

    Args:
        path: the file.
        map_location: a device or its name; None: the CPU.

    Raises:
        UsageError: the file is missing, damaged, or not ours.
    """
    state = load_state(Path(path), torch.device("cpu" if map_location is None else map_location))
    if "config" in state:
        state["config"] = _config(state["config"])
    return state


def save(state: Any, path: Any, **_unused: Any) -> None:
    """`torch.save`, of states only.

    Raises:
        UsageError: the state is a whole model.
    """
    if not isinstance(state, Mapping):
        raise UsageError(
            f"'{path}': RecBole would pickle a whole {type(state).__name__}, which is not done. "
            f"Use the checkpoint of a run instead."
        )
    plain = dict(state)
    if isinstance(state.get("config"), Config):
        plain["config"] = _plain(state["config"].final_config_dict)
    if isinstance(state.get("other_parameter"), Mapping):
        # Parts of the model (DIN's embeddings), whose parameters stand in the state_dict.
        plain["other_parameter"] = {
            name: value
            for name, value in state["other_parameter"].items()
            if not isinstance(value, torch.nn.Module)
        }
    save_state(Path(path), plain)


class TorchWithoutPickle:
    """Everything of torch, with `load` and `save` of our files."""

    load = staticmethod(load)
    save = staticmethod(save)

    def __getattr__(self, name: str) -> Any:
        return getattr(torch, name)


STAND_IN = TorchWithoutPickle()


def is_in_place() -> bool:
    """Whether RecBole's modules save and load by the stand-in."""
    return all(getattr(module, "torch") is STAND_IN for module in _modules())  # noqa: B009


def put_in_place() -> None:
    """Let RecBole's modules save and load by the stand-in."""
    for module in _modules():
        setattr(module, "torch", STAND_IN)  # noqa: B010


def _modules() -> list[ModuleType]:
    # A model beside S3Rec, SINE, switches torch's slow search for anomalies on when it is imported.
    before = torch.is_anomaly_enabled()
    modules = [import_module(name) for name in MODULES]
    torch.autograd.set_detect_anomaly(before)
    return modules


def _plain(value: Any) -> Any:
    """A configuration as plain values: objects as their names."""
    if isinstance(value, Mapping):
        return {key: _plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(map(_plain, value))
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, type):
        return f"{value.__module__}.{value.__qualname__}"
    plain = value is None or isinstance(value, bool | int | float | str | np.generic)
    return value if plain else str(value)


def _config(values: dict[str, Any]) -> Config:
    """The configuration again, without RecBole's constructor.

    That one evaluates words as Python and reads the command line.
    """
    config = Config.__new__(Config)
    config._init_parameters_category()
    for key, kind in _ENUMS.items():
        if key in values:
            values[key] = kind[values[key]]
    on_gpu = bool(str(values.get("gpu_id", ""))) and torch.cuda.is_available()
    values["device"] = torch.device("cuda" if on_gpu else "cpu")
    config.final_config_dict = values
    return config
