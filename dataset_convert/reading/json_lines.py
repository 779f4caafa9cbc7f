"""Objects of a file of JSON lines."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dataset_convert.problems import Problems
from dataset_convert.reading.lines import read_lines

AN_OBJECT = "one JSON object a line, without NaN and Infinity"


def read_json_lines(
    path: Path, file: str, problems: Problems
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yields line number, from 1, and the object of every line; empty lines are left out.

    JSON is UTF-8 by its standard, whatever the encoding of the tables beside it.

    Args:
        path: The file.
        file: Its name for messages.
        problems: Of the conversion; lines without an object are skipped.

    Raises:
        ConversionError: Lines, but not one of them with an object.
    """
    bad = None
    n_objects = 0
    for number, raw in enumerate(read_lines(path, file, "utf-8", problems), start=1):
        line = raw.strip()
        if not line:
            continue
        value = parse_json(line)
        if not isinstance(value, dict):
            bad = bad or line
            problems.skip(file, row=number, column="", value=line, wanted=AN_OBJECT)
            continue
        n_objects += 1
        yield number, value
    if bad and not n_objects:
        problems.refuse(file, value=bad, wanted=AN_OBJECT)


def parse_json(text: str) -> Any:
    """Returns the value of JSON text; None where it is no JSON."""
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return None


def _refuse_constant(name: str) -> None:
    raise ValueError(f"JSON knows no {name}.")
