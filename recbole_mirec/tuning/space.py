"""Search spaces: params files in RecBole's format, checked line by line and against their model."""

import ast
import copy
import itertools
import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from pathlib import Path
from typing import Any

import yaml
from recbole.utils import ModelType, argument_list

from dataset_convert.common.errors import UsageError, nearest
from dataset_convert.common.values import Loader, parse_value
from recbole_mirec.config import (
    UNREAD,
    MirecConfig,
    accepts,
    known_keys,
    model_defaults,
    properties_folder,
    variants_that_read,
)
from recbole_mirec.data.accounts import LISTS, VECTOR, check_perspectives
from recbole_mirec.model.mirec import check_method
from recbole_mirec.registry import find_model

# RecBole's kinds of parameters: what each takes, and a line that works.
KINDS: dict[str, tuple[str, str]] = {
    "choice": ("options", "learning_rate choice [0.001,0.003,0.01]"),
    "uniform": ("low,high", "dropout_prob uniform 0.0,0.5"),
    "quniform": ("low,high,step", "embedding_size quniform 16,128,16"),
    "loguniform": ("low,high", "learning_rate loguniform -9.2,-4.6"),
}
# A longer grid is a slip: nobody visits it, and listing it would fill the memory.
_MOST_STEPS = 100_000
_UNCOMMENTED = re.compile(r"(?:'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|(?<!\s)#|[^#])*")
_WORD = re.compile(r"[A-Za-z_][\w.+-]*")
_CONDITIONAL = (
    "an option brings parameters of its own, and conditional parameters are not supported; write "
    "one params file for each case, or quote a mapping that is a value: '{content: 4.0}'"
)


def value_text(value: Any) -> str:
    """How a parameter's value stands in files: words as they are, all else as JSON."""
    return value if isinstance(value, str) else json.dumps(value)


def _error(where: str, problem: str, example: str) -> UsageError:
    stop = "" if problem.endswith((".", "?")) else "."
    return UsageError(f"{where}: {problem}{stop} A line that works: {example}")


@dataclass(frozen=True)
class Parameter:
    """One parameter and the values that it may take.

    Attributes:
        name: the configuration key.
        kind: how it is drawn; one of RecBole's four.
        values: the options of a choice; `(low, high)`; `(low, high, step)` of quniform, whose
            values are the multiples of the step between the bounds, both included. The bounds
            of loguniform are exponents of e, as in RecBole and hyperopt.
        where: the place where it was written, for messages.

    Raises:
        UsageError: values of the wrong number, type or order; names the place and an example.
    """

    name: str
    kind: str
    values: tuple[Any, ...]
    where: str

    def __post_init__(self) -> None:
        problem = next(self._problems(), None)
        if problem is not None:
            example = KINDS.get(self.kind, KINDS["choice"])[1]
            raise _error(self.where, f"'{self.name}': {problem}", example)

    def _problems(self) -> Iterator[str]:
        if self.kind not in KINDS:
            yield f"kind '{self.kind}' is none of {', '.join(KINDS)}.{nearest(self.kind, KINDS)}"
        elif self.kind == "choice":
            yield from _option_problems(self.values)
        else:
            yield from _bound_problems(self.kind, self.values)

    def grid(self) -> tuple[Any, ...] | None:
        """Every value in order; None for uniform and loguniform."""
        if self.kind == "quniform":
            return tuple(map(self._step, multiples(*self.values)))
        return self.values if self.kind == "choice" else None

    def decode(self, drawn: Any) -> Any:
        """The value that hyperopt's draw stands for; a multiple outside becomes the nearest inside.

        Args:
            drawn: the text of an option; otherwise the number that was drawn.
        """
        if self.kind == "choice":
            return copy.deepcopy(next(one for one in self.values if value_text(one) == drawn))
        if self.kind == "quniform":
            steps = multiples(*self.values)
            return self._step(min(max(round(drawn / self.values[2]), steps[0]), steps[-1]))
        return float(drawn)

    def _step(self, number: int) -> int | float:
        value = number * Decimal(repr(self.values[2]))
        return int(value) if all(isinstance(bound, int) for bound in self.values) else float(value)

    def samples(self) -> list[Any]:
        """Values that stand for all: every option of a choice; ends and middle of a range."""
        grid = self.grid()
        if self.kind == "choice" and grid is not None:
            return list(grid)
        if grid is not None:
            return sorted({grid[0], grid[len(grid) // 2], grid[-1]})
        low, high = map(float, self.values)
        ends = [low, (low + high) / 2, high]
        return [math.exp(end) for end in ends] if self.kind == "loguniform" else ends


def _option_problems(values: tuple[Any, ...]) -> Iterator[str]:
    if not values:
        yield "the choice has no option"
    seen: set[str] = set()
    for value in values:
        if not _is_plain(value):
            yield f"option {value!r} is no finite number, word, list or mapping"
        if _identity(value) in seen:
            yield f"option {value!r} stands twice, so the same trial would run twice"
        seen.add(_identity(value))


def _is_plain(value: Any) -> bool:
    """Whether JSON and YAML can write the value and read it back."""
    try:
        return bool(json.loads(json.dumps(value, allow_nan=False)) == value)
    except (TypeError, ValueError):
        return False


def _identity(value: Any) -> str:
    """What two options share when they set the same: 1 and 1.0 do, 1 and True do not."""
    return repr(json.loads(json.dumps(value, sort_keys=True), parse_int=float))


def _bound_problems(kind: str, values: tuple[Any, ...]) -> Iterator[str]:
    wanted = KINDS[kind][0]
    if len(values) != len(wanted.split(",")):
        yield f"{kind} takes {wanted}. Received: {len(values)} of them"
    for value in values:
        if type(value) not in (int, float) or not math.isfinite(value):
            yield f"bounds must be finite numbers. Received: {value!r}"
    low, high, *steps = values
    if low >= high:
        yield f"low {low} is not below high {high}"
    yield from _step_problems(low, high, *steps) if steps else ()
    if kind == "loguniform" and low > 0 and high < 1:
        yield (
            f"bounds of loguniform are exponents of e; for values between {low} and {high} write: "
            f"loguniform {math.log(low):.2f},{math.log(high):.2f}"
        )
    # e^709 is the largest power that a float holds, e^-745 the smallest
    if kind == "loguniform" and (low < -700 or high > 700):
        yield f"bounds {low},{high} of loguniform are exponents of e"


def _step_problems(low: float, high: float, step: float) -> Iterator[str]:
    if step <= 0:
        yield f"the step must be above 0. Received: {step}"
    n_values = len(multiples(low, high, step))
    if n_values > _MOST_STEPS:
        yield f"{n_values} values; take a larger step, or uniform"
    if not n_values:
        yield f"no multiple of {step} lies between {low} and {high}"


def multiples(low: float, high: float, step: float) -> range:
    """How many steps make each multiple of a step between two bounds, both included."""
    # decimals leave no dust: 3 * 0.1 is 0.3
    least, most = (Decimal(repr(bound)) / Decimal(repr(step)) for bound in (low, high))
    first = least.to_integral_value(ROUND_CEILING)
    return range(int(first), int(most.to_integral_value(ROUND_FLOOR)) + 1)


@dataclass(frozen=True)
class SearchSpace:
    """The parameters that a study varies, in the order in which they were written.

    Raises:
        UsageError: a parameter stands twice; names both places.
    """

    parameters: tuple[Parameter, ...]

    def __post_init__(self) -> None:
        seen: dict[str, Parameter] = {}
        for parameter in self.parameters:
            first = seen.setdefault(parameter.name, parameter)
            if first is not parameter:
                raise UsageError(
                    f"{parameter.where}: parameter '{parameter.name}' was given before "
                    f"({first.where}). Leave one of the two out."
                )

    def n_combinations(self) -> int | None:
        """Number of points of the grid; None where a parameter is continuous."""
        grids = [parameter.grid() for parameter in self.parameters]
        return None if None in grids else math.prod(len(grid) for grid in grids if grid)

    def combinations(self) -> Iterator[dict[str, Any]]:
        """Every point of the grid: the last parameter varies fastest.

        Raises:
            UsageError: a parameter is continuous; names its place and what to write instead.
        """
        grids = []
        for parameter in self.parameters:
            if (grid := parameter.grid()) is None:
                ends = ",".join(f"{end:.4g}" for end in parameter.samples())
                raise _error(
                    parameter.where,
                    f"'{parameter.name}' is {parameter.kind} and has no end of values, so an "
                    "exhaustive search is not possible; use choice, quniform or another algorithm",
                    f"{parameter.name} choice [{ends}]",
                )
            grids.append(grid)
        names = [parameter.name for parameter in self.parameters]
        points = itertools.product(*grids)
        return (copy.deepcopy(dict(zip(names, point, strict=True))) for point in points)

    def hyperopt_space(self) -> dict[str, Any]:
        """The space as RecBole's HyperTuning takes it; options of a choice stand as text."""
        from hyperopt import hp

        return {
            parameter.name: hp.choice(parameter.name, list(map(value_text, parameter.values)))
            if parameter.kind == "choice"
            else getattr(hp, parameter.kind)(parameter.name, *map(float, parameter.values))
            for parameter in self.parameters
        }

    def decode(self, point: Mapping[str, Any]) -> dict[str, Any]:
        """Configuration values of a point of `hyperopt_space`, in the space's order."""
        return {
            parameter.name: parameter.decode(point[parameter.name]) for parameter in self.parameters
        }

    def encode(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The draws of hyperopt that give a point of the grid: a choice is an option's index."""
        return {
            parameter.name: list(map(value_text, parameter.values)).index(
                value_text(values[parameter.name])
            )
            if parameter.kind == "choice"
            else float(values[parameter.name])
            for parameter in self.parameters
        }

    def describe(self) -> list[dict[str, Any]]:
        """What the space holds, ready for JSON; equal for equal spaces, wherever they stood."""
        return [
            {"name": parameter.name, "kind": parameter.kind, "values": list(parameter.values)}
            for parameter in self.parameters
        ]


def read_space(path: Path) -> SearchSpace:
    """Read a params file in RecBole's format: one `name kind values` line a parameter.

    Fields stand apart by white space. Blank lines and comments (`#` at the start of a line or
    after white space) are left out. Nothing is ever executed: quoted text and bare words of a
    choice stand for what they would on the command line ('[64,64]' is a list of two numbers).

    Raises:
        UsageError: the file cannot be read, or a line is wrong; names the file and the line, and
            shows a line that works.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"Params file '{path}' cannot be read: {error}.") from None
    parameters = []
    for number, line in enumerate(lines, start=1):
        found = None if line.lstrip().startswith("#") else _UNCOMMENTED.match(line)
        if found and found.group().strip():
            parameters.append(_read_line(found.group().strip(), f"{path}, line {number}"))
    if not parameters:
        example = KINDS["choice"][1]
        raise _error(f"Params file '{path}'", "it holds no parameter to be searched", example)
    return SearchSpace(tuple(parameters))


def space_from_dict(content: Mapping[str, Mapping[str, Any]]) -> SearchSpace:
    """The space of RecBole's `params_dict`: kind -> name -> options or bounds."""
    parameters = []
    for kind, entries in content.items():
        for name, values in entries.items():
            values = [_option(value) for value in values] if kind == "choice" else values
            parameters.append(Parameter(name, kind, tuple(values), "params_dict"))
    return SearchSpace(tuple(parameters))


def shipped_names() -> list[str]:
    """Models, and models with a variant, that a space comes with."""
    return sorted(path.stem for path in (properties_folder() / "tuning").glob("*.hyper"))


def shipped_space(model: str, variant: str | None = None) -> SearchSpace | None:
    """The space that comes with a model, its variant's own before the model's; None: none does."""
    for name in (f"{model}-{variant}", model):
        if name in shipped_names():
            return read_space(properties_folder() / "tuning" / f"{name}.hyper")
    return None


def _read_line(line: str, where: str) -> Parameter:
    name, kind, text = (*line.split(maxsplit=2), "", "")[:3]
    example = KINDS.get(kind, KINDS["choice"])[1]
    if not text:
        raise _error(where, f"a line is 'name kind values', and this one is {line!r}", example)
    values: list[Any] = []
    try:
        if kind == "choice":
            values = _read_options(text)
        elif kind in KINDS:
            values = [_read_number(part.strip()) for part in text.split(",")]
    except ValueError as error:
        raise _error(where, f"'{name}': {error}", example) from None
    return Parameter(name, kind, tuple(values), where)


def _read_number(text: str) -> int | float:
    try:
        return int(text) if re.fullmatch(r"[+-]?\d+", text) else float(text)
    except ValueError:
        raise ValueError(f"{text!r} is no number") from None


def _read_options(text: str) -> list[Any]:
    if not (text.startswith("[") and text.endswith("]")):
        raise ValueError(f"a choice is a list in square brackets, not {text!r}")
    if re.search(r"\b(?:hp|scope|hyperopt)\.\w+|\bhp_\w+", text):
        raise ValueError(_CONDITIONAL)
    try:
        options, bare = ast.literal_eval(text), False
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        try:
            options, bare = yaml.load(text, Loader=Loader), True
        except yaml.MarkedYAMLError as error:
            raise ValueError(f"the list cannot be read: {error.problem}") from None
    return [_option(value, bare=bare) for value in options]


def _option(value: Any, *, bare: bool = False) -> Any:
    """A value as it stands in a list; text is read by YAML's rules, in a bare list words only."""
    if isinstance(value, dict):
        raise ValueError(_CONDITIONAL)
    if isinstance(value, list | tuple):
        return [_option(part, bare=bare) for part in value]
    read = parse_value(value) if isinstance(value, str) else value
    if bare and isinstance(read, str) and not _WORD.fullmatch(read):
        raise ValueError(f"option {value!r} is neither a number, a word nor a quoted value")
    return read


# Why a key is no hyper-parameter.
_MEASURED = "it decides what is read or measured, so the scores of the trials would not compare"
_RUN = "it says where and how the study runs, not what the model is"
_LUCK = (
    "the best of several seeds is luck and no better setting; search at one seed, and repeat the "
    "winner over seeds"
)
NOT_SEARCHED: dict[str, str] = {
    **dict.fromkeys(argument_list.general_arguments, _RUN),
    **dict.fromkeys((*argument_list.dataset_arguments, "numerical_features"), _MEASURED),
    **dict.fromkeys(argument_list.evaluation_arguments, _MEASURED),
    **dict.fromkeys(("model", "dataset", "protocol", "valid_brands", "test_brands"), _MEASURED),
    **dict.fromkeys(("split_seed", "folds", "fold", "eval_unseen_only", "eval_step"), _MEASURED),
    **dict.fromkeys(("discretization", "kg_reverse_r"), _MEASURED),
    **dict.fromkeys(("entity_kg_num_interval", "relation_kg_num_interval"), _MEASURED),
    **dict.fromkeys(("torch_threads", "worker", "wandb_project", "eval_batch_size"), _RUN),
    "loss_decimal_place": _RUN,
    **dict.fromkeys(("seed", "graph_seed"), _LUCK),
}
# Keys of a training in steps, which a model that is computed at once does not have.
_STEPS = (
    *("epochs", "train_batch_size", "learner", "learning_rate", "learning_rate_decay"),
    *("learning_rate_decay_steps", "weight_decay", "clip_grad_norm", "stopping_step"),
    *("train_neg_sample_args", "static_negatives", "drop_last", "shuffle"),
    *("enable_amp", "enable_scaler"),
)
_NODE2VEC = (
    *("graph_walk_length", "graph_n_walks", "graph_p", "graph_q", "graph_epochs"),
    *("graph_negative", "graph_subsample"),
)
_NODES = ("graph_method", "graph_dimension", "graph_window", "graph_netmf_negative", *_NODE2VEC)
_GRAPH = ("graph_eta", "attribute_graph_file", *_NODES)
_ATTRIBUTE = (
    *("attribute_hidden", "attribute_dropout", "attribute_input", "node_embedding_file"),
    *_GRAPH,
)
_PLDA = ("plda_dimension", "plda_shrinkage", "plda_cross_share")
_TOWERS = ("square_roots", "raw_weight", "visual_hidden", "topic_hidden", "fusion", "dropout")
_SIDES = ("coattention_input", "coattention_sides")


def _is(*values: Any) -> Callable[[Any], bool]:
    return lambda value: value in values


# Keys that nothing reads while another key has some value.
IDLE: tuple[tuple[tuple[str, ...], str, Callable[[Any], bool]], ...] = (
    (_ATTRIBUTE, "perspectives", lambda names: "attribute" not in names),
    (_TOWERS, "perspectives", lambda names: set(names) == {"attribute"}),
    (_SIDES, "perspectives", lambda names: not {"content", "audience"} <= set(names)),
    (("train_neg_sample_args", "static_negatives"), "method", _is("metric")),
    (_PLDA, "plda_weight", _is(0)),
    (("category_inverse_penalty",), "category_weight", _is(0)),
    (("hubness_neighbours",), "hubness_weight", _is(0)),
    (("hubness_weight",), "csls", lambda switch: switch is True),
    (("node_embedding_file", *_GRAPH), "attribute_input", _is("vector")),
    (_GRAPH, "node_embedding_file", lambda path: path not in (None, "")),
    (("graph_eta",), "attribute_graph_file", lambda path: path not in (None, "")),
    (_NODE2VEC, "graph_method", _is("netmf")),
    (("graph_netmf_negative",), "graph_method", _is("node2vec")),
    (("learning_rate_decay_steps",), "learning_rate_decay", _is(1)),
)
# A key that is read all the same where a switch is on.
_UNLESS = {"hubness_neighbours": "csls"}
# Whatever changes a governing key: itself, or the presets that set it.
_GOVERNORS = {governor for _, governor, _ in IDLE} | {"variant", "schedule"}
_WORDS = {"attribute_input": ("auto", LISTS, VECTOR), "graph_method": ("node2vec", "netmf")}


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
    point: dict[str, Any] = {**settings, **({"variant": variants[0]} if variants else {})}
    base = _checked(point)
    for parameter in space.parameters:
        _check_name(parameter, settings)
        readers = variants_that_read(parameter.name, model_defaults(str(settings["model"])))
        for variant in variants:
            if readers and variant not in readers:
                raise _without_effect(parameter, f"variant={variant}")
    for parameter in space.parameters:
        for value in parameter.samples():
            _check_value(parameter, value, point, base.final_config_dict.get(parameter.name))
        point[parameter.name] = parameter.samples()[0]
    _check_effects(space, point)


def _variants(space: SearchSpace, settings: Mapping[str, Any]) -> list[str]:
    """The variants that trials have: those searched, else the one that is fixed; [] for others."""
    defaults = model_defaults(str(settings["model"]))
    if "variants" not in defaults:
        return []
    for parameter in space.parameters:
        if parameter.name == "variant":  # unknown ones are refused where values are
            known = [name for name in map(str, parameter.values) if name in defaults["variants"]]
            return known or [defaults["variant"]]
    return [str(settings.get("variant", defaults["variant"]))]


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
    if name in _STEPS and getattr(find_model(model), "type", None) == ModelType.TRADITIONAL:
        raise UsageError(
            f"{where}: '{name}' has no effect: model {model} is computed at once and not trained "
            "in steps. Leave the line out."
        )


def _check_value(parameter: Parameter, value: Any, point: Mapping[str, Any], default: Any) -> None:
    name, problem = parameter.name, ""
    ruled = accepts(name, value)
    if default is not None and not ruled and not _same_type(value, default):
        problem = f"must be of the type of its default {default!r}. Received: {value!r}."
    else:
        try:
            _checked({**point, name: value})
        except UsageError as error:
            problem = f"cannot be {value!r}. {error}"
    if problem:
        line = f'{name} choice ["{default}"]'
        if type(default) is int and parameter.kind != "choice":
            line = f"{name} quniform 8,64,8"
        raise _error(parameter.where, f"'{name}' {problem}", line)


def _same_type(value: Any, default: Any) -> bool:
    if isinstance(value, list) and isinstance(default, list):
        return all(_same_type(entry, default[0]) for entry in value if default)
    return type(value) is type(default) or (type(default) is float and type(value) is int)


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
    points = [point] + [
        {**point, parameter.name: value}
        for parameter in space.parameters
        if parameter.name in _GOVERNORS
        for value in parameter.samples()
    ]
    for config in (MirecConfig(config_dict=given) for given in points):
        for parameter, (keys, governor, holds) in itertools.product(space.parameters, IDLE):
            read = parameter.name in _UNLESS and config[_UNLESS[parameter.name]]
            if parameter.name in keys and holds(config[governor]) and not read:
                raise _without_effect(parameter, f"{governor}={config[governor]}")
