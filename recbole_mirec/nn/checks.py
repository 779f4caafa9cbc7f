"""Input checks whose errors name the parameter, what it must be and what it was."""

import difflib
import math
from collections.abc import Sequence

# the type checks of the tests take float literally, and YAML holds whole numbers too
Number = float | int


def require_known(parameter: str, value: object, valid: Sequence[str]) -> None:
    """Raises unless a name is one of the valid ones.

    Args:
        parameter: The name of the checked parameter, for the message.
        value: What was received for it.
        valid: The names it may take, at least one.

    Raises:
        ValueError: If ``value`` is not in ``valid``; the message names the nearest valid one.
    """
    if value in valid:
        return
    nearest = difflib.get_close_matches(str(value), valid, n=1, cutoff=0.0)[0]
    raise ValueError(
        f"The '{parameter}' parameter must be one of {', '.join(valid)}. "
        f"Received: {value!r}. The nearest valid name is {nearest!r}."
    )


def require_number(
    parameter: str, value: object, minimum: Number, below: Number = math.inf
) -> None:
    """Raises unless a value is a number in ``[minimum, below)``; NaN is none.

    Args:
        parameter: The name of the checked parameter, for the message.
        value: What was received for it.
        minimum: The least value allowed.
        below: The least value above the range; infinite unless told.

    Raises:
        ValueError: If ``value`` is no real number, or out of the range.
    """
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not (is_number and minimum <= value < below):  # type: ignore[operator]
        raise ValueError(
            f"The '{parameter}' parameter must be a number of at least {minimum:g} "
            f"and below {below:g}. Received: {value!r}."
        )


def require_share(parameter: str, value: object) -> None:
    """Raises unless a value is a number in ``[0, 1]``; NaN is none.

    Args:
        parameter: The name of the checked parameter, for the message.
        value: What was received for it.

    Raises:
        ValueError: If ``value`` is no real number, or out of the range.
    """
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not (is_number and 0 <= value <= 1):  # type: ignore[operator]
        raise ValueError(
            f"The '{parameter}' parameter must be a number from 0 to 1. Received: {value!r}."
        )


def require_width(parameter: str, value: object) -> None:
    """Raises unless a value is a positive integer.

    Args:
        parameter: The name of the checked parameter, for the message.
        value: What was received for it.

    Raises:
        ValueError: If ``value`` is no integer of at least 1.
    """
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError(
            f"The '{parameter}' parameter must be a positive integer. Received: {value!r}."
        )


def require_filled_tuple(parameter: str, value: object) -> None:
    """Raises unless a value is a tuple with at least one entry.

    Args:
        parameter: The name of the checked parameter, for the message.
        value: What was received for it.

    Raises:
        ValueError: If ``value`` is no tuple (a string is none), or empty.
    """
    if not isinstance(value, tuple) or not value:
        raise ValueError(
            f"The '{parameter}' parameter must be a tuple of at least one entry. "
            f"Received: {value!r}."
        )
