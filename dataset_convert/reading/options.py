"""Checks of single options of a source, whose messages name the option."""

import io
from collections.abc import Collection, Mapping
from typing import Any, NoReturn

from dataset_convert.common.errors import shown, wanted_word
from dataset_convert.problems import ConversionError


def refuse_option(option: str, found: object, wanted: str) -> NoReturn:
    """Raises: the option is wrong.

    Raises:
        ConversionError: Always.
    """
    text = " ".join(f"Option '{option}': found {shown(str(found))}; wanted {wanted}.".split())
    raise ConversionError(text)


def keyed(option: str, value: object, valid: Collection[str]) -> Mapping[str, Any]:
    """Returns a mapping all of whose keys are valid.

    Raises:
        ConversionError: It is none, or has another key, of which the nearest valid one is named.
    """
    if not isinstance(value, Mapping):
        refuse_option(option, value, f"a mapping of {', '.join(valid)}")
    for key in value:
        if key not in valid:
            refuse_option(option, key, wanted_word(str(key), valid))
    return value


def name(option: str, value: object) -> str:
    """Returns a name.

    Raises:
        ConversionError: It is no text, or empty.
    """
    if not isinstance(value, str) or not value:
        refuse_option(option, value, "a name in quotes")
    return value


def one_of(option: str, value: object, valid: Collection[str]) -> str:
    """Returns one of the valid words.

    Raises:
        ConversionError: It is none of them.
    """
    if not isinstance(value, str) or value not in valid:
        refuse_option(option, value, f"one of {', '.join(map(repr, valid))}")
    return value


def truth(option: str, value: object) -> bool:
    """Returns true or false.

    Raises:
        ConversionError: It is neither.
    """
    if not isinstance(value, bool):
        refuse_option(option, value, "true or false")
    return value


def encoding(value: object) -> str:
    """Returns the name of a text encoding.

    Raises:
        ConversionError: Python knows none of that name.
    """
    found = name("encoding", value)
    try:
        with io.TextIOWrapper(io.BytesIO(), encoding=found) as stream:
            stream.write("a")
    except (LookupError, ValueError):
        refuse_option("encoding", value, "the name of an encoding, e.g. 'utf-8' or 'cp1252'")
    return found
