"""Where a parameter's values stand between 0 and 1, and how they are written."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dataset_convert.page.ticks import MOST_TICKS, nice_ticks, number_label
from recbole_mirec.tuning.space import Parameter

_DECADES_FOR_LOG = 2
_SMALLEST = 5e-324
# Bounds of a log axis are powers of e: 1e-4 comes back as 1.0000000000000002e-4.
_ROUNDING = 1 + 1e-9


@dataclass(frozen=True)
class Axis:
    """An axis from 0 to 1.

    Attributes:
        low: the value at 0; of a discrete axis, 0.
        high: the value at 1; of a discrete axis, 1.
        log: whether equal steps are equal ratios.
        ticks: position from 0 to 1 and label.
        levels: `key` of an option -> its position; empty for a continuous axis.
    """

    low: float
    high: float
    log: bool
    ticks: tuple[tuple[float, str], ...]
    levels: dict[str, float]

    def place(self, value: Any) -> float:
        """Position of a value, from 0 to 1; beyond the ends it is the end.

        Raises:
            ValueError: the axis is discrete and has no such level, or the value is no number.
        """
        if self.levels:
            if key(value) not in self.levels:
                raise ValueError(
                    f"A value of the parameter must be one of {', '.join(self.levels)}. "
                    f"Received: {value!r}."
                )
            return self.levels[key(value)]
        number = plain(value)
        if not _is_number(number):
            raise ValueError(f"A value of the parameter must be a number. Received: {value!r}.")
        return _fraction(float(number), self.low, self.high, log=self.log)


def plain(value: Any) -> Any:
    """A cell of a table as the Python value it was written from; NaN is None.

    Args:
        value: a Python value, a numpy scalar, or text as trials.csv has it: a word, or JSON.
    """
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, str):
        value = _read(value)
    return None if isinstance(value, float) and math.isnan(value) else value


def key(value: Any) -> str:
    """One text for all spellings of a value, so that 1, 1.0 and "1" are the same."""
    value = plain(value)
    if _is_number(value):
        return repr(float(value))
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(key, value))}]"
    return value_label(value)


def value_label(value: Any) -> str:
    """A value as a person reads it: 0.0005, 5e-5, [64, 64], None."""
    value = plain(value)
    if isinstance(value, float):
        return number_label(value)
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(value_label, value))}]"
    return str(value)


def rank_axis(parameter: Parameter) -> Axis:
    """An axis on which every option of a choice has a share of the same width.

    Numbers stand in their order, other options in the file's. A continuous parameter has the
    axis that it is drawn from uniformly.
    """
    if parameter.kind != "choice":
        return _continuous(parameter)
    options = _sorted_options(parameter.values)
    places = [(rank + 0.5) / len(options) for rank in range(len(options))]
    return _discrete(options, places, log=False)


def drawn_axis(parameter: Parameter) -> Axis:
    """The axis for a figure: as `rank_axis`, but a choice over two decades or more is log."""
    options = _sorted_options(parameter.values)
    if parameter.kind != "choice" or not _wants_log(options):
        return rank_axis(parameter)
    low, high = float(options[0]), float(options[-1])
    places = [0.06 + 0.88 * _fraction(float(option), low, high, log=True) for option in options]
    return _discrete(options, places, log=True)


def _read(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _fraction(value: float, low: float, high: float, *, log: bool) -> float:
    if log:
        value, low, high = (math.log(max(x, _SMALLEST)) for x in (value, low, high))
    return 0.5 if high <= low else min(max((value - low) / (high - low), 0.0), 1.0)


def _sorted_options(options: Sequence[Any]) -> list[Any]:
    return sorted(options) if all(map(_is_number, options)) else list(options)


def _wants_log(options: Sequence[Any]) -> bool:
    if not all(map(_is_number, options)) or options[0] <= 0:
        return False
    return bool(options[-1] / options[0] >= 10**_DECADES_FOR_LOG)


def _discrete(options: Sequence[Any], places: Sequence[float], *, log: bool) -> Axis:
    labels = [value_label(option) for option in options]
    levels = dict(zip(map(key, options), places, strict=True))
    return Axis(0.0, 1.0, log, tuple(zip(places, labels, strict=True)), levels)


def _continuous(parameter: Parameter) -> Axis:
    low, high = (float(bound) for bound in parameter.values[:2])
    log = parameter.kind == "loguniform"
    if log:
        low, high = math.exp(low), math.exp(high)
    marks = _log_ticks(low, high) if log else nice_ticks(low, high)
    ticks = tuple((_fraction(mark, low, high, log=log), value_label(mark)) for mark in marks)
    return Axis(low, high, log, ticks, {})


def _log_ticks(low: float, high: float) -> tuple[float, ...]:
    exponents = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for factors in ((1, 2, 5), (1, 3), (1,)):
        marks = tuple(float(f"{f}e{e}") for e in exponents for f in factors)
        marks = tuple(mark for mark in marks if low / _ROUNDING <= mark <= high * _ROUNDING)
        if len(marks) <= MOST_TICKS:
            break
    return marks[:: math.ceil(len(marks) / MOST_TICKS)] if len(marks) >= 2 else (low, high)
