"""A search space against its model: every key, value and effect, before any training."""

import math
from collections.abc import Mapping
from typing import Any

from dataset_convert.common.errors import UsageError, nearest
from recbole_mirec.config import (
    UNREAD,
    MirecConfig,
    accepts,
    known_keys,
    model_defaults,
    variants_that_read,
)
from recbole_mirec.data.accounts import LISTS, VECTOR, check_perspectives
from recbole_mirec.model.mirec import check_method
from recbole_mirec.registry import find_model
from recbole_mirec.tuning.effects import GOVERNORS, NOT_SEARCHED, idle_because, without_steps
from recbole_mirec.tuning.parameter import Parameter
from recbole_mirec.tuning.space import SearchSpace

_WORDS = {
    "attribute_input": ("auto", LISTS, VECTOR),
    "graph_method": ("node2vec", "netmf"),
}
_TYPE_NAMES: tuple[tuple[type, str], ...] = (
    (bool, "True or False"),
    (int, "a whole number"),
    (float, "a number"),
    (str, "a word"),
    (list, "a list"),
    (dict, "a mapping"),
)


def check_space(space: SearchSpace, settings: Mapping[str, Any]) -> None:
    """Refuse a space that a study could not search.

    Of a range, both ends and one value between them are tried; of a choice, every option.

    Args:
        space: what is searched.
        settings: what is fixed: `model`, `dataset` and what the user set beside the space.

    Raises:
        UsageError: the settings alone are wrong; or a parameter is no key of the model, is fixed
            as well, decides what is measured, has a value that the model does not take, or has
            no effect under the other settings. Names the parameter's file and line.
    """
    variants = _variants(space, settings)
    point: dict[str, Any] = {"variant": variants[0]} if variants else {}
    base = _checked({**settings, **point})
    for parameter in space.parameters:
        _check_name(parameter, settings)
        _check_variants(parameter, variants, settings)
    for parameter in space.parameters:
        default = base.final_config_dict.get(parameter.name)
        try:
            for value in samples(parameter):
                _check_type(parameter, value, default)
                _check_value(parameter, value, dict(settings) | point)
        except UsageError as error:
            raise UsageError(f"{error}{_example(parameter, default)}") from None
        point[parameter.name] = samples(parameter)[0]
    _check_effects(space, dict(settings) | point)


def samples(parameter: Parameter) -> list[Any]:
    """Values that stand for all: every option of a choice; ends and middle of a range."""
    if parameter.kind == "choice":
        return list(parameter.values)
    grid = parameter.grid()
    if grid is not None:
        return sorted({grid[0], grid[len(grid) // 2], grid[-1]})
    low, high = parameter.values
    ends = [float(low), (low + high) / 2, float(high)]
    return [math.exp(end) for end in ends] if parameter.kind == "loguniform" else ends


def _variants(space: SearchSpace, settings: Mapping[str, Any]) -> list[str]:
    """The variants that trials have: those searched, else the one that is fixed; [] for others."""
    defaults = model_defaults(str(settings["model"]))
    if "variants" not in defaults:
        return []
    known = defaults["variants"]
    for parameter in space.parameters:
        if parameter.name == "variant":
            # others are refused where values are
            return [name for name in map(str, parameter.values) if name in known] or [
                defaults["variant"]
            ]
    return [str(settings.get("variant", defaults["variant"]))]


def _check_variants(parameter: Parameter, variants: list[str], settings: Mapping[str, Any]) -> None:
    readers = variants_that_read(parameter.name, model_defaults(str(settings["model"])))
    for variant in variants:
        if readers and variant not in readers:
            raise _without_effect(parameter, f"variant={variant}")


def _without_effect(parameter: Parameter, reason: str) -> UsageError:
    return UsageError(
        f"{parameter.where}: '{parameter.name}' has no effect with {reason}, and conditional "
        "parameters are not supported. Leave the line out, or write one params file for each case."
    )


def _check_name(parameter: Parameter, settings: Mapping[str, Any]) -> None:
    name, where, model = parameter.name, parameter.where, str(settings["model"])
    keys = known_keys(model, str(settings["dataset"]))
    if name in UNREAD:
        raise UsageError(f"{where}: key '{name}' has no effect here: {UNREAD[name]}.")
    if name in NOT_SEARCHED:
        raise UsageError(f"{where}: '{name}' cannot be searched: {NOT_SEARCHED[name]}.")
    if name not in keys:
        raise UsageError(
            f"{where}: model {model} has no parameter '{name}'."
            f"{nearest(name, keys - set(NOT_SEARCHED) - set(UNREAD))}"
        )
    if name in settings:
        raise UsageError(
            f"Key '{name}' is set on the command line or in a configuration file and searched in "
            f"{where}; leave one out."
        )
    if without_steps(name, find_model(model)):
        raise UsageError(
            f"{where}: '{name}' has no effect: model {model} is computed at once and not trained "
            "in steps. Leave the line out."
        )


def _check_type(parameter: Parameter, value: Any, default: Any) -> None:
    """A value of the default's type, unless the key has a rule that takes it."""
    name = parameter.name
    if default is None or _same_type(value, default) or accepts(name, value):
        return
    wanted = next(words for known, words in _TYPE_NAMES if isinstance(default, known))
    raise UsageError(
        f"{parameter.where}: '{name}' must be {wanted}, as its default {default!r} is. "
        f"Received: {value!r}."
    )


def _example(parameter: Parameter, default: Any) -> str:
    """A line that works, for the end of an error: around the default, where there is one."""
    if default is None:
        return ""
    line = f"{parameter.name} choice [{default!r}]"
    if type(default) is int and parameter.kind != "choice":
        line = f"{parameter.name} quniform 8,64,8"
    elif isinstance(default, list | dict):
        line = f'{parameter.name} choice ["{default}"]'
    return f" A line that works: {line}"


def _same_type(value: Any, default: Any) -> bool:
    if isinstance(default, list):
        return isinstance(value, list) and all(
            _same_type(entry, default[0]) for entry in value if default
        )
    if isinstance(default, dict):
        return isinstance(value, dict)
    if type(default) is float:
        return type(value) in (int, float)
    return type(value) is type(default)


def _check_value(parameter: Parameter, value: Any, settings: Mapping[str, Any]) -> None:
    try:
        _checked({**settings, parameter.name: value})
    except UsageError as error:
        raise UsageError(
            f"{parameter.where}: '{parameter.name}' cannot be {value!r}. {error}"
        ) from None


def _checked(settings: Mapping[str, Any]) -> MirecConfig:
    """The configuration, with what only the model itself would refuse, later."""
    config = MirecConfig(config_dict=settings)
    if "perspectives" in config.final_config_dict:
        check_perspectives(config["perspectives"])
        if config["model"] == "MIRec":
            check_method(config)
            for key, words in _WORDS.items():
                if config[key] not in words:
                    raise UsageError(f"Unknown {key} '{config[key]}'.{nearest(config[key], words)}")
    return config


def _check_effects(space: SearchSpace, point: Mapping[str, Any]) -> None:
    """Refuse a parameter that another setting, fixed or searched, leaves without an effect."""
    points = [dict(point)] + [
        {**point, parameter.name: value}
        for parameter in space.parameters
        if parameter.name in GOVERNORS
        for value in samples(parameter)
    ]
    for config in (MirecConfig(config_dict=given) for given in points):
        for parameter in space.parameters:
            reason = idle_because(parameter.name, config)
            if reason is not None:
                raise _without_effect(parameter, reason)
