"""One line of a params file: its fields, and the values that they stand for."""

import ast
import re
from typing import Any

from dataset_convert.common.values import parse_value

_QUOTED = r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\""
_UNCOMMENTED = re.compile(rf"(?:{_QUOTED}|(?<!\s)#|[^#])*")
_WORD = re.compile(r"[A-Za-z_][\w.+-]*")
_WHOLE = re.compile(r"[+-]?\d+")
_EXPRESSION = re.compile(r"\b(?:hp|scope|hyperopt)\.\w+|\bhp_\w+")


class ConditionalError(ValueError):
    """An option that brings parameters of its own."""


def uncommented(line: str) -> str:
    """A line without its comment: from a `#` at its start or after white space, outside quotes."""
    if line.lstrip().startswith("#"):
        return ""
    found = _UNCOMMENTED.match(line)
    return (found.group() if found else line).strip()


def read_options(text: str) -> list[Any]:
    """The options of a choice, such as `[64,'[64,64]',adam]`; nothing is ever executed.

    Quoted text and bare words stand for what they would on the command line: '[64,64]' is a
    list of two numbers, 'None' is null and 'adam' a word.

    Raises:
        ConditionalError: an option is an expression of hyperopt's or an unquoted mapping.
        ValueError: the text is no list, or an option cannot be read; says which.
    """
    if not (text.startswith("[") and text.endswith("]")):
        raise ValueError(f"a choice is a list in square brackets, not {text!r}")
    return [read_option(item) for item in _items(text[1:-1])]


def read_option(text: str) -> Any:
    """The value of one option.

    Raises:
        ConditionalError, ValueError: as `read_options`.
    """
    try:
        return plain(ast.literal_eval(text))
    except ConditionalError:
        raise
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        pass
    if _EXPRESSION.search(text) or text.startswith("{"):
        raise ConditionalError(text)
    if text.startswith("[") and text.endswith("]"):
        return [read_option(item) for item in _items(text[1:-1])]
    if _WORD.fullmatch(text):
        return parse_value(text)
    raise ValueError(f"option {text!r} is neither a number, a word nor a quoted value")


def read_number(text: str) -> int | float:
    """A number; whole where it is written as a whole number.

    Raises:
        ValueError: the text is no number.
    """
    stripped = text.strip()
    try:
        return int(stripped) if _WHOLE.fullmatch(stripped) else float(stripped)
    except ValueError:
        raise ValueError(f"{stripped!r} is no number") from None


def plain(value: Any) -> Any:
    """A Python literal as a configuration value: quoted text read by YAML, tuples as lists.

    Raises:
        ConditionalError: the literal is a mapping, as hyperopt writes an option with parameters.
    """
    if isinstance(value, str):
        return parse_value(value)
    if isinstance(value, dict):
        raise ConditionalError(str(value))
    return list(value) if isinstance(value, tuple) else value


def _items(text: str) -> list[str]:
    """The items between the commas that stand outside quotes and brackets."""
    items, depth, item = [], 0, ""
    for part in re.findall(rf"{_QUOTED}|.", text):
        depth += {"[": 1, "{": 1, "(": 1, "]": -1, "}": -1, ")": -1}.get(part, 0)
        if part == "," and depth == 0:
            items.append(item.strip())
            item = ""
        else:
            item += part
    # as in Python, a comma may close the list
    return [*items, item.strip()] if item.strip() else items
