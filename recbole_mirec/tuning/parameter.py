"""One searched parameter: its values, checked when it is made, and how a draw becomes a value."""

import copy
import math
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any, Literal, get_args

from dataset_convert.common.errors import UsageError, nearest

Kind = Literal["choice", "uniform", "quniform", "loguniform"]

EXAMPLES: dict[str, str] = {
    "choice": "learning_rate choice [0.001,0.003,0.01]",
    "uniform": "dropout_prob uniform 0.0,0.5",
    "quniform": "embedding_size quniform 16,128,16",
    "loguniform": "learning_rate loguniform -9.2,-4.6",
}
BOUNDS = {"uniform": "low,high", "quniform": "low,high,step", "loguniform": "low,high"}
# A longer grid is a slip: nobody visits it, and listing it would fill the memory.
_MOST_STEPS = 1_000_000
_PLAIN_TYPES = (bool, int, float, str, list, dict, type(None))


def line_error(where: str, problem: str, example: str = EXAMPLES["choice"]) -> UsageError:
    """One line that names a place, what is wrong there and a line that works."""
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
    kind: Kind
    values: tuple[Any, ...]
    where: str

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise line_error(
                self.where,
                f"kind '{self.kind}' of parameter '{self.name}' is none of "
                f"{', '.join(get_args(Kind))}.{nearest(self.kind, get_args(Kind))}",
            )
        if self.kind == "choice":
            _check_options(self)
        else:
            _check_bounds(self)

    def grid(self) -> tuple[Any, ...] | None:
        """Every value in order; None for uniform and loguniform."""
        if self.kind == "choice":
            return self.values
        if self.kind == "quniform":
            first, last = _steps(*self.values)
            return tuple(self._step(number) for number in range(first, last + 1))
        return None

    def decode(self, drawn: Any) -> Any:
        """The value that hyperopt's draw stands for.

        Args:
            drawn: the index of a choice; otherwise the number that was drawn. A quniform draw
                outside the bounds, which hyperopt allows, becomes the nearest value inside.
        """
        if self.kind == "choice":
            return copy.deepcopy(self.values[int(drawn)])
        if self.kind == "quniform":
            first, last = _steps(*self.values)
            return self._step(min(max(round(float(drawn) / self.values[2]), first), last))
        return float(drawn)

    def n_values(self) -> int | None:
        """Length of the grid; None where there is none."""
        if self.kind == "choice":
            return len(self.values)
        if self.kind == "quniform":
            first, last = _steps(*self.values)
            return last - first + 1
        return None

    def _step(self, number: int) -> int | float:
        # Decimals leave no dust: 3 * 0.1 is 0.3.
        value = number * _decimal(self.values[2])
        whole = all(isinstance(bound, int) for bound in self.values)
        return int(value) if whole else float(value)


def _check_options(parameter: Parameter) -> None:
    where, name = parameter.where, parameter.name
    if not parameter.values:
        raise line_error(where, f"the choice of '{name}' has no option", EXAMPLES["choice"])
    seen: list[Any] = []
    for value in parameter.values:
        if not _is_plain(value):
            raise line_error(
                where, f"option {value!r} of '{name}' is no finite number, word, list or mapping"
            )
        if _identity(value) in seen:
            raise UsageError(
                f"{where}: option {value!r} of '{name}' stands twice, so the same trial would run "
                "twice. Leave one out."
            )
        seen.append(_identity(value))


def _check_bounds(parameter: Parameter) -> None:
    where, name, kind, values = parameter.where, parameter.name, parameter.kind, parameter.values
    wanted, example = BOUNDS[kind], EXAMPLES[kind]
    if len(values) != len(wanted.split(",")):
        raise line_error(
            where, f"{kind} takes {wanted}, and '{name}' has {len(values)} of them", example
        )
    for value in values:
        if type(value) not in (int, float) or not math.isfinite(value):
            raise line_error(
                where, f"bounds of '{name}' must be finite numbers, not {value!r}", example
            )
    low, high = values[:2]
    if low >= high:
        raise line_error(where, f"low {low} of '{name}' is not below high {high}", example)
    if kind == "loguniform":
        _check_exponents(parameter)
    if kind == "quniform":
        _check_step(parameter)


def _check_exponents(parameter: Parameter) -> None:
    where, name, (low, high) = parameter.where, parameter.name, parameter.values
    if low > 0 and high < 1:
        raise UsageError(
            f"{where}: bounds of loguniform are exponents of e, so '{name}' would lie between "
            f"{math.exp(low):.4g} and {math.exp(high):.4g}. For values between {low} and {high} "
            f"write: {name} loguniform {math.log(low):.2f},{math.log(high):.2f}"
        )
    # e^709 is the largest power that a float holds, e^-745 the smallest.
    if low < -700 or high > 700:
        raise line_error(
            where, f"bounds {low},{high} of '{name}' are exponents of e", EXAMPLES["loguniform"]
        )


def _check_step(parameter: Parameter) -> None:
    where, name, (low, high, step) = parameter.where, parameter.name, parameter.values
    example = EXAMPLES["quniform"]
    if step <= 0:
        raise line_error(where, f"the step of '{name}' must be above 0, not {step}", example)
    first, last = _steps(low, high, step)
    if first > last:
        raise line_error(
            where, f"no multiple of {step} lies between {low} and {high} for '{name}'", example
        )
    if last - first >= _MOST_STEPS:
        raise line_error(
            where,
            f"'{name}' would have {last - first + 1} values; take a larger step, or uniform",
            EXAMPLES["uniform"],
        )


def _steps(low: float, high: float, step: float) -> tuple[int, int]:
    """Numbers of the first and last multiple of the step between the bounds."""
    least, most = _decimal(low) / _decimal(step), _decimal(high) / _decimal(step)
    return (
        int(least.to_integral_value(ROUND_CEILING)),
        int(most.to_integral_value(ROUND_FLOOR)),
    )


def _decimal(value: float) -> Decimal:
    return Decimal(repr(value))


def _is_plain(value: Any) -> bool:
    """Whether JSON and YAML can write the value and read it back."""
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, list):
        return all(map(_is_plain, value))
    if isinstance(value, dict):
        return all(isinstance(key, str) and _is_plain(part) for key, part in value.items())
    return isinstance(value, _PLAIN_TYPES)


def _identity(value: Any) -> Any:
    """What two options share when they set the same: 1 and 1.0 do, 1 and True do not."""
    if isinstance(value, bool):
        return "bool", value
    if isinstance(value, list):
        return [_identity(part) for part in value]
    if isinstance(value, dict):
        return {key: _identity(part) for key, part in value.items()}
    return value
