"""Lines of the house for what pydantic found wrong with settings."""

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from pydantic import ValidationError

from dataset_convert.common.errors import nearest, shown

# What pydantic wanted, by the name of its error: to follow "must".
_WANTED = {
    "bool_type": "be True or False",
    "int_type": "be a whole number",
    "int_parsing_size": "be a whole number",
    "float_type": "be a number",
    "finite_number": "be a finite number",
    "string_type": "be a text",
    "list_type": "be a list",
    "tuple_type": "be a list",
    "set_type": "be a list",
    "frozen_set_type": "be a list",
    "dict_type": "be a mapping",
    "model_type": "be a mapping",
    "model_attributes_type": "be a mapping",
    "dataclass_type": "be a mapping",
    "is_instance_of": "be a {class}",
    "none_required": "be left out",
    "greater_than_equal": "be at least {ge}",
    "greater_than": "be above {gt}",
    "less_than_equal": "be at most {le}",
    "less_than": "be below {lt}",
    "too_short": "have at least {min_length} entries",
    "too_long": "have at most {max_length} entries",
    "string_too_short": "have at least {min_length} letters",
    "string_pattern_mismatch": "look like {pattern}",
}


def problems_of(
    error: ValidationError,
    *,
    known: Collection[str] = (),
    parts: Mapping[str, Collection[str]] = {},
) -> list[str]:
    """What is wrong with settings, a sentence each: the key, what was wanted, what was received.

    A validator of ours says what is wanted by a ValueError whose words follow "must".

    Args:
        error: of a model whose fields are the keys.
        known: valid keys, for the nearest one to an unknown key.
        parts: valid keys of the mappings that stand under a key.
    """
    found = error.errors(include_url=False)
    return list(
        dict.fromkeys(
            _sentence(entry, parts.get(str(entry["loc"][0]), ()) if entry["loc"][1:] else known)
            for entry in found
        )
    )


def _sentence(entry: Any, known: Iterable[str]) -> str:
    key, kind = _key(entry["loc"]), entry["type"]
    context = {name: _plain(value) for name, value in entry.get("ctx", {}).items()}
    received = f"Received: {shown(entry['input'], 120)}."
    if kind == "missing":
        return f"Key '{key}' is missing."
    if kind in ("extra_forbidden", "unexpected_keyword_argument"):
        return f"Unknown key '{key}'.{nearest(str(entry['loc'][-1]), known) if known else ''}"
    if kind == "literal_error":
        words = re.findall(r"'((?:[^'\\]|\\.)*)'", context["expected"]) or [context["expected"]]
        near = nearest(str(entry["input"]), words) if isinstance(entry["input"], str) else ""
        near = near if near.startswith(" Did") else ""
        return f"Key '{key}' must be one of {', '.join(words)}. {received}{near}"
    if kind == "value_error":
        wanted = str(context["error"])
    else:
        wanted = _WANTED.get(kind, f"be valid: {entry['msg']}").format(**context)
    if not key:
        return f"Settings must {wanted}."
    return f"Key '{key}' must {wanted}. {received}"


def _plain(limit: Any) -> Any:
    return (
        int(limit)
        if isinstance(limit, float) and abs(limit) < 1e9 and limit == int(limit)
        else limit
    )


def _key(location: Iterable[str | int]) -> str:
    """`a: b[2]` for the third entry of b in a."""
    parts = [f"[{part}]" if isinstance(part, int) else f": {shown_key(part)}" for part in location]
    return "".join(parts).removeprefix(": ")


def shown_key(key: object) -> str:
    """A key as it is named in a message, cut where it is long."""
    text = str(key)
    return text if len(text) <= 60 else f"{text[:57]}..."
