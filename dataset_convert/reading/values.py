"""Single values of a row: text, numbers, times and labels, whatever the format they came in."""

import math
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

from dataset_convert.reading.json_lines import parse_json

MAX_SECONDS = 1e11
"""Seconds since 1970 in the year 5138: what is larger was counted in milliseconds."""

A_NUMBER = "a finite number"
A_COUNT = "a finite number of 0 or more"
A_TIME = "seconds since 1970 or an ISO date, e.g. 2024-05-31 or 2024-05-31T18:00:00+00:00"
LABELS = "labels with scores from 0 to 1, as 'cup:0.8 plate:0.3' or as an object, every label once"

Values = Mapping[str, Any]

# A tuple: a union would be put together anew for every value.
_NUMBERS = (int, float, Decimal)


class BadValue(ValueError):  # noqa: N818 (what it says of a row is no error of the program)
    """A row's value is wrong.

    Attributes:
        column: Our name of the column.
        value: What was found.
        wanted: What it should have been.
    """

    def __init__(self, column: str, value: object, wanted: str) -> None:
        super().__init__(wanted)
        self.column = column
        # Objects may be too deep to be shown.
        is_nested = isinstance(value, dict | list | tuple)
        self.value = f"a {type(value).__name__}" if is_nested else value
        self.wanted = wanted


def is_missing(value: object) -> bool:
    """Returns whether there is no value: none at all, empty text, or a table's own NaN."""
    return value is None or value == "" or (isinstance(value, float) and math.isnan(value))


def text(values: Values, column: str) -> str:
    """Returns text as it stands; "" where it is missing.

    Halves of characters, which JSON can express and no file can hold, become '?'.

    Raises:
        BadValue: The value is neither text nor a number.
    """
    value = values[column]
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-8", "replace").decode("utf-8")
    if is_missing(value):
        return ""
    if isinstance(value, bool) or not isinstance(value, _NUMBERS):
        raise BadValue(column, value, "text")
    try:
        return str(value)
    except ValueError:  # an integer of thousands of digits
        raise BadValue(column, "an endless number", "text") from None


def token(values: Values, column: str) -> str:
    """Returns text without space around it.

    Raises:
        BadValue: It is missing, or no text.
    """
    found = text(values, column).strip()
    if not found:
        raise BadValue(column, "", "a value in every row")
    return found


def number(values: Values, column: str, wanted: str = A_NUMBER) -> float | None:
    """Returns a finite number; None where it is missing.

    Args:
        values: The row.
        column: Our name of the column.
        wanted: `A_NUMBER`, or `A_COUNT` where it must not be negative.

    Raises:
        BadValue: Anything else, NaN and infinity written out included.
    """
    value = values[column]
    if isinstance(value, str):
        value = value.strip()
    if is_missing(value):
        return None
    found = _as_float(value)
    if not math.isfinite(found) or (wanted == A_COUNT and found < 0):
        raise BadValue(column, _shorter(value), wanted)
    return found


def _as_float(value: object) -> float:
    if isinstance(value, str):
        if "_" in value:  # a number for Python alone
            return math.nan
    elif isinstance(value, bool) or not isinstance(value, _NUMBERS):
        return math.nan
    try:
        return float(value)
    except (ValueError, OverflowError):
        return math.nan


def _shorter(value: object) -> object:
    return "an endless number" if isinstance(value, int) and value.bit_length() > 999 else value


def timestamp(values: Values, column: str) -> float | None:
    """Returns seconds since 1970; None where it is missing. A time without zone is UTC.

    Raises:
        BadValue: Neither seconds from 0 to `MAX_SECONDS` nor an ISO date of that range.
    """
    value = values[column]
    if is_missing(value):
        return None
    if isinstance(value, date):
        found = _seconds(value)
    else:
        found = _as_float(value)
        if math.isnan(found) and isinstance(value, str):
            found = _seconds(value.strip())
    if not 0 <= found <= MAX_SECONDS:
        raise BadValue(column, _shorter(value), A_TIME)
    return found


def _seconds(value: str | date) -> float:
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else value
        if not isinstance(moment, datetime):
            moment = datetime.combine(moment, time())
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return math.nan


def labels(values: Values, column: str) -> dict[str, float]:
    """Returns label -> score, sorted by label; spaces within a label become '-'.

    Raises:
        BadValue: No list of labels with scores from 0 to 1.
    """
    value = values[column]
    if is_missing(value):
        return {}
    found: dict[str, float] = {}
    for name, score in _label_pairs(value, column):
        amount = _as_float(score)
        if not name or name in found or not 0 <= amount <= 1:
            raise BadValue(column, value, LABELS)
        found[name] = amount
    return dict(sorted(found.items()))


def _label_pairs(value: object, column: str) -> Iterator[tuple[str, Any]]:
    """Yields pairs of label and score; a pair that is wrong has the score None."""
    if isinstance(value, str) and value.lstrip().startswith("{"):
        value = parse_json(value)
    if isinstance(value, str):
        for part in text({column: value}, column).split():
            label, _, score = part.rpartition(":")
            yield label, score
        return
    pairs: Iterable[tuple[Any, Any]] = [("", None)]
    if isinstance(value, dict):
        # Parquet gives every row the labels of all rows, without a value where it has none.
        pairs = ((label, score) for label, score in value.items() if score is not None)
    elif isinstance(value, list) and all(isinstance(x, tuple) and len(x) == 2 for x in value):
        pairs = value
    for label, score in pairs:
        yield "-".join(text({column: label}, column).split()), score
