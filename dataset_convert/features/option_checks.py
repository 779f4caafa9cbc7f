"""Checks of the values of extractors' options, which know nothing of any extractor."""

import os
import reprlib
import sys
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NoReturn

from dataset_convert.common.errors import shown, wanted_word
from dataset_convert.problems import ConversionError

Check = Callable[[object], str]
"""Says what is wanted where a value does not fit, and "" where it does."""

_MOST: Final = 10**9
"""No whole number of an option is larger: array libraries refuse much larger ones."""

_MAX_NAME, _MAX_PATH = 255, 4000
"""Bytes of a file's name and of a path; with longer ones systems refuse even the question."""


@dataclass(frozen=True)
class Group:
    """Options that are a mapping of options.

    Attributes:
        options: Option -> its check.
        needed: Those that cannot be left out.
    """

    options: Mapping[str, "Check | Group"]
    needed: Collection[str] = ()


def check_group(where: str, prefix: str, given: object, group: Group) -> None:
    """Checks options, those within options too.

    Args:
        where: Put before every message.
        prefix: Put before the names of the options.
        given: A mapping.
        group: What it may hold.

    Raises:
        ConversionError: An option is unknown, missing or has a wrong value; one line.
    """
    if not isinstance(given, Mapping):
        _refuse(where, prefix.rstrip(": "), given, f"a mapping of {', '.join(group.options)}")
    for name in given:
        if name not in group.options:
            known = wanted_word(str(name), group.options)
            raise ConversionError(
                f"{where}: unknown option {shown(f'{prefix}{name}')}; wanted {known}."
            )
    for name, check in group.options.items():
        if name not in given and name not in group.needed:
            continue
        value = given.get(name)
        if isinstance(check, Group):
            # Nothing stands for what a mapping left out would.
            if value is not None:
                check_group(where, f"{prefix}{name}: ", value, check)
        elif wanted := check(value):
            _refuse(where, f"{prefix}{name}", value, wanted)


def whole(least: int, most: int = _MOST) -> Check:
    """A whole number; true and false are none."""

    def check(value: object) -> str:
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            return f"a whole number of at least {least}"
        return "" if value <= most else f"a whole number of at most {most:,}"

    return check


def number(least: float = -sys.float_info.max, most: float = sys.float_info.max) -> Check:
    """A number with both ends allowed; NaN and infinity are none."""
    wanted = "a number"
    if most < sys.float_info.max:
        wanted = f"a number from {least:g} to {most:g}"

    def check(value: object) -> str:
        return "" if _is_number(value, least, most) else wanted

    return check


def above_zero(below: float = sys.float_info.max) -> Check:
    """A number above 0, and below another where one is given."""
    wanted = "a number above 0" + (f" and below {below:g}" if below < sys.float_info.max else "")

    def check(value: object) -> str:
        fits = _is_number(value, 0, below) and value not in (0, below)
        return "" if fits else wanted

    return check


def truth(value: object) -> str:
    """True or false; no number stands for it."""
    return "" if isinstance(value, bool) else "true or false"


def text(value: object) -> str:
    """A text with something in it."""
    return "" if isinstance(value, str) and value else "a text"


def path(value: object) -> str:
    """A path, whether there is something or not; `~name` must be a user of the system."""
    wanted = "a path"
    if not isinstance(value, str | Path) or not str(value):
        return wanted
    try:
        name = os.fsencode(Path(value).expanduser())
    except (RuntimeError, ValueError):
        return wanted
    long = max(map(len, name.split(b"/"))) > _MAX_NAME or len(name) > _MAX_PATH
    return wanted if long or b"\0" in name else ""


def one_of(*words: str) -> Check:
    """One of some words."""

    def check(value: object) -> str:
        return "" if isinstance(value, str) and value in words else f"one of {', '.join(words)}"

    return check


def several(check: Check, wanted: str, *, n: int | None = None, least: int = 0) -> Check:
    """A list all of whose values pass a check.

    Args:
        check: Of one value.
        wanted: What the list should be.
        n: How many values it has; None for any number.
        least: How many it has at least.
    """

    def checked(value: object) -> str:
        fits = (
            isinstance(value, list | tuple)
            and len(value) == (len(value) if n is None else n)
            and len(value) >= least
            and not any(map(check, value))
        )
        return "" if fits else wanted

    return checked


def either(*checks: Check) -> Check:
    """What passes one of several checks."""

    def check(value: object) -> str:
        wanted = [one(value) for one in checks]
        return ", or ".join(wanted) if all(wanted) else ""

    return check


def optional(check: Check) -> Check:
    """The same, or nothing."""

    def checked(value: object) -> str:
        return "" if value is None else check(value)

    return checked


def _is_number(value: object, least: float, most: float) -> bool:
    # False for NaN too.
    return isinstance(value, int | float) and not isinstance(value, bool) and least <= value <= most


def _refuse(where: str, option: str, value: object, wanted: str) -> NoReturn:
    raise ConversionError(f"{where}: option '{option}': wanted {wanted}. Found: {_found(value)}.")


def _found(value: object) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, str):
        return shown(value)
    try:
        return reprlib.repr(value)
    except ValueError:  # a whole number of more digits than Python writes
        return "a number with thousands of digits"
