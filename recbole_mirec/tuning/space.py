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
from recbole_mirec.config import MirecConfig, known_keys, properties_folder
from recbole_mirec.keys import UNREAD, accepts
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


def _error(where: str, problem: str, kind: str = "choice") -> UsageError:
    stop = "" if problem.endswith((".", "?")) else "."
    example = KINDS.get(kind, KINDS["choice"])[1]
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
        problems = _option_problems if self.kind == "choice" else _bound_problems
        for problem in problems(self.kind, self.values):
            raise _error(self.where, f"'{self.name}': {problem}", self.kind)

    def grid(self) -> tuple[Any, ...] | None:
        """Every value in order; None for uniform and loguniform."""
        if self.kind != "quniform":
            return self.values if self.kind == "choice" else None
        whole = all(isinstance(bound, int) for bound in self.values)
        # decimals leave no dust: 3 * 0.1 is 0.3
        values = [number * Decimal(repr(self.values[2])) for number in _multiples(*self.values)]
        return tuple(int(value) if whole else float(value) for value in values)

    def decode(self, drawn: Any) -> Any:
        """The value that hyperopt's draw stands for; a multiple outside becomes the nearest inside.

        Args:
            drawn: the text of an option; otherwise the number that was drawn.
        """
        if self.kind == "choice":
            return copy.deepcopy(next(one for one in self.values if value_text(one) == drawn))
        grid = self.grid()
        return float(drawn) if grid is None else min(grid, key=lambda value: abs(value - drawn))

    def samples(self) -> list[Any]:
        """Values that stand for all: every option of a choice; ends and middle of a range."""
        grid = self.grid()
        if grid is not None:
            ends = {grid[0], grid[len(grid) // 2], grid[-1]} if self.kind == "quniform" else ()
            return sorted(ends) or list(grid)
        low, high = map(float, self.values)
        scale = math.exp if self.kind == "loguniform" else float
        return [scale(value) for value in (low, (low + high) / 2, high)]


def _option_problems(_kind: str, values: tuple[Any, ...]) -> Iterator[str]:
    if not values:
        yield "the choice has no option"
    seen: set[str] = set()
    for value in values:
        identity = _identity(value)
        if identity is None:
            yield f"option {value!r} is no finite number, word, list or mapping"
        elif identity in seen:
            yield f"option {value!r} stands twice, so the same trial would run twice"
        else:
            seen.add(identity)


def _identity(value: Any) -> str | None:
    """What two options share when they set the same: 1 and 1.0 do, 1 and True do not.

    None where no file can hold the value.
    """
    try:
        text = json.dumps(value, sort_keys=True, allow_nan=False)
    except (TypeError, ValueError):
        return None
    return repr(json.loads(text, parse_int=float))


def _bound_problems(kind: str, values: tuple[Any, ...]) -> Iterator[str]:
    if kind not in KINDS:
        yield f"kind '{kind}' is none of {', '.join(KINDS)}.{nearest(kind, KINDS)}"
    wanted = KINDS[kind][0]
    if len(values) != len(wanted.split(",")):
        yield f"{kind} takes {wanted}. Received: {len(values)} of them"
    wrong = [one for one in values if type(one) not in (int, float) or not math.isfinite(one)]
    if wrong:
        yield f"bounds must be finite numbers. Received: {wrong[0]!r}"
    low, high, *steps = values
    if low >= high:
        yield f"low {low} is not below high {high}"
    for step in steps:
        n_values = len(_multiples(low, high, step)) if step > 0 else 0
        if not 0 < n_values <= _MOST_STEPS:
            yield (
                f"step {step} leaves {n_values} values between {low} and {high}; it must leave 1 "
                f"to {_MOST_STEPS}"
            )
    # a float holds no power above e^709 and none below e^-745
    if kind == "loguniform" and (0 < low < high < 1 or low < -700 or high > 700):
        yield (
            "bounds of loguniform are exponents of e, such as -9.2,-4.6 for values between 0.0001 "
            f"and 0.01. Received: {low},{high}"
        )


def _multiples(low: float, high: float, step: float) -> range:
    """How many steps make each multiple of a step between two bounds, both included."""
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
        """Every point of the grid, the last parameter varying fastest."""
        for parameter in self.parameters:
            if parameter.grid() is None:
                raise _error(
                    parameter.where,
                    f"'{parameter.name}' is {parameter.kind} and has no end of values, so an "
                    "exhaustive search is not possible; use choice, quniform or another algorithm",
                )
        names = [parameter.name for parameter in self.parameters]
        points = itertools.product(*(parameter.grid() or () for parameter in self.parameters))
        return (copy.deepcopy(dict(zip(names, point, strict=True))) for point in points)

    def hyperopt_space(self) -> dict[str, Any]:
        """The space as RecBole's HyperTuning takes it; options of a choice stand as text."""
        from hyperopt import hp

        return {
            one.name: hp.choice(one.name, list(map(value_text, one.values)))
            if one.kind == "choice"
            else getattr(hp, one.kind)(one.name, *map(float, one.values))
            for one in self.parameters
        }

    def decode(self, point: Mapping[str, Any]) -> dict[str, Any]:
        """Configuration values of a point of `hyperopt_space`, in the space's order."""
        return {one.name: one.decode(point[one.name]) for one in self.parameters}

    def encode(self, point: Mapping[str, Any]) -> dict[str, Any]:
        """The draws of hyperopt that give a point of the grid: a choice is an option's index."""
        drawn = {}
        for one in self.parameters:
            value = point[one.name]
            texts = list(map(value_text, one.values))
            is_choice = one.kind == "choice"
            drawn[one.name] = texts.index(value_text(value)) if is_choice else float(value)
        return drawn

    def describe(self) -> str:
        """What the space holds, in a line; equal for equal spaces, wherever they stood."""
        return ", ".join(
            f"{one.name} {one.kind} {value_text(list(one.values))}" for one in self.parameters
        )


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
        raise _error(f"Params file '{path}'", "it holds no parameter to be searched")
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
    if not text:
        raise _error(where, f"a line is 'name kind values', and this one is {line!r}", kind)
    values: list[Any] = []
    try:
        if kind == "choice":
            values = _read_options(text)
        elif kind in KINDS:
            values = [_read_number(part.strip()) for part in text.split(",")]
    except ValueError as error:
        raise _error(where, f"'{name}': {error}", kind) from None
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
_WHY_NOT = (
    (_RUN, argument_list.general_arguments),
    (_MEASURED, argument_list.dataset_arguments + argument_list.evaluation_arguments),
    (
        _MEASURED,
        [
            *("model", "dataset", "protocol", "valid_brands", "test_brands", "split_seed", "folds"),
            *("fold", "eval_unseen_only", "eval_step", "numerical_features", "discretization"),
            *("kg_reverse_r", "entity_kg_num_interval", "relation_kg_num_interval"),
        ],
    ),
    (_RUN, ["torch_threads", "worker", "wandb_project", "eval_batch_size", "loss_decimal_place"]),
    (_LUCK, ["seed", "graph_seed"]),
)
NOT_SEARCHED: dict[str, str] = {key: reason for reason, keys in _WHY_NOT for key in keys}
# Keys of a training in steps, which a model that is computed at once does not have.
_STEPS = (
    "epochs train_batch_size learner learning_rate learning_rate_decay learning_rate_decay_steps "
    "weight_decay clip_grad_norm stopping_step train_neg_sample_args static_negatives drop_last "
    "shuffle enable_amp enable_scaler"
)
_NODE2VEC = (
    "graph_walk_length graph_n_walks graph_p graph_q graph_epochs graph_negative graph_subsample "
)
_GRAPH = f"graph_eta attribute_graph_file graph_method graph_dimension graph_window {_NODE2VEC}"
_GRAPH += "graph_netmf_negative "
_ATTRIBUTE = "attribute_hidden attribute_dropout attribute_input node_embedding_file "
_TOWERS = "visual_hidden topic_hidden fusion dropout"
_PRECEDENT = "brand_kernel_width influencer_kernel_width brand_ridge influencer_ridge landmarks"


def _is(*values: Any) -> Callable[[Any], bool]:
    return lambda value: value in values


# Keys that nothing reads while another key has some value.
IDLE: tuple[tuple[str, str, Callable[[Any], bool]], ...] = (
    (_ATTRIBUTE + _GRAPH, "perspectives", lambda names: "attribute" not in names),
    (_TOWERS, "perspectives", lambda names: set(names) == {"attribute"}),
    (
        "coattention_input coattention_sides",
        "perspectives",
        lambda names: not {"content", "audience"} <= set(names),
    ),
    ("train_neg_sample_args static_negatives", "method", _is("metric")),
    ("precedent_weight " + _PRECEDENT, "precedent", lambda switch: switch is False),
    (_PRECEDENT, "precedent_weight", _is(0)),
    ("hubness_neighbours", "hubness_weight", _is(0)),
    ("node_embedding_file " + _GRAPH, "attribute_input", _is("vector")),
    (_GRAPH, "node_embedding_file", lambda path: path not in (None, "")),
    ("graph_eta", "attribute_graph_file", lambda path: path not in (None, "")),
    (_NODE2VEC, "graph_method", _is("netmf")),
    ("graph_netmf_negative", "graph_method", _is("node2vec")),
    ("learning_rate_decay_steps", "learning_rate_decay", _is(1)),
)
_PRESETS = ("variant", "schedule")


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
    for parameter in space.parameters:
        _check_name(parameter, settings)
    # presets first: they say which of the others are read
    presets = [one for one in space.parameters if one.name in _PRESETS]
    point, config = dict(settings), None if presets else MirecConfig(config_dict=settings)
    for parameter in [*presets, *(one for one in space.parameters if one not in presets)]:
        first, *others = parameter.samples()
        default = config.final_config_dict.get(parameter.name) if config else None
        for value in (*others, first):
            # of RecBole's keys that have no kind here only the default is known
            if type(default) is int and type(value) is float and not accepts(parameter.name, value):
                raise UsageError(
                    f"{parameter.where}: '{parameter.name}' must be a whole number, as its "
                    f"default {default} is. Received: {value!r}."
                )
            config = _with(point, parameter, value)
        point[parameter.name] = first
    governors = {*_PRESETS, *(governor for _, governor, _ in IDLE)}
    for parameter in space.parameters:
        governs = parameter.name in governors
        for value in parameter.samples() if governs else [point[parameter.name]]:
            _check_effects(space, _with(point, parameter, value))


def _check_name(parameter: Parameter, settings: Mapping[str, Any]) -> None:
    name, where, model = parameter.name, parameter.where, str(settings["model"])
    keys = known_keys(model, str(settings["dataset"]))
    if name in UNREAD:
        raise UsageError(f"{where}: key '{name}' has no effect here: {UNREAD[name]}.")
    if name in NOT_SEARCHED:
        raise UsageError(f"{where}: '{name}' cannot be searched: {NOT_SEARCHED[name]}.")
    if name not in keys:
        hint = nearest(name, keys - set(NOT_SEARCHED) - set(UNREAD))
        raise UsageError(f"{where}: model {model} has no parameter '{name}'.{hint}")
    if name in settings:
        raise UsageError(
            f"Key '{name}' is set on the command line or in a configuration file and searched in "
            f"{where}; leave one out."
        )
    if name in _STEPS.split() and getattr(find_model(model), "type", None) == ModelType.TRADITIONAL:
        raise UsageError(
            f"{where}: '{name}' has no effect: model {model} is computed at once and not trained "
            "in steps. Leave the line out."
        )


def _with(point: Mapping[str, Any], parameter: Parameter, value: Any) -> MirecConfig:
    """The configuration with one value set; an error names the parameter's place."""
    try:
        return MirecConfig(config_dict={**point, parameter.name: value})
    except UsageError as error:
        reason = f"'{parameter.name}' cannot be {value!r}. {error}"
        raise UsageError(f"{parameter.where}: {reason}") from None


def _check_effects(space: SearchSpace, config: MirecConfig) -> None:
    """Refuse a parameter that another setting, fixed or searched, leaves without an effect."""
    for parameter, (keys, governor, holds) in itertools.product(space.parameters, IDLE):
        if parameter.name in keys.split() and holds(config[governor]):
            raise UsageError(
                f"{parameter.where}: '{parameter.name}' has no effect with "
                f"{governor}={config[governor]}, and conditional parameters are not supported. "
                "Leave the line out, or write one params file for each case."
            )
