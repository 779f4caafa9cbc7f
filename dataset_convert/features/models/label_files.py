"""The names of what a classifier tells apart, from a file."""

import json
from collections import Counter
from pathlib import Path

from dataset_convert.common.errors import shown
from dataset_convert.problems import ConversionError

_WANTED = "a text file with one label a line, or JSON: a list of labels, or index -> label"


def read_labels(path: Path) -> list[str]:
    """Returns a label for each output of a model, in the order of the outputs.

    A name that stands more than once, as some of ImageNet's do, gets the number of its output
    (from 0) behind it, so that no two outputs are one label. Spaces within a name become `-`, as
    everywhere in labels.

    Args:
        path: UTF-8. Text: line i is the label of output i, empty lines at the end aside. JSON (by
            the suffix `.json`): a list of labels, or an object index -> label, also within the key
            `id2label`.

    Raises:
        ConversionError: The file cannot be read, a label is empty, or an index is missing.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        names = _from_json(text) if path.suffix == ".json" else text.rstrip().split("\n")
    except OSError as error:
        raise ConversionError(f"{path}: found {error.strerror}; wanted {_WANTED}.") from None
    except (ValueError, RecursionError) as error:
        found = " ".join(str(error).split())
        raise ConversionError(f"{path}: found {found}; wanted {_WANTED}.") from None
    labels = ["-".join(name.split()) for name in names]
    if "" in labels or not labels:
        raise ConversionError(
            f"{path}: found no label for output {len(labels) and labels.index('')} (counted from "
            f"0); wanted one for each."
        )
    return _distinct(path, labels)


def _from_json(text: str) -> list[str]:
    content = json.loads(text)
    if isinstance(content, dict):
        content = content.get("id2label", content)
    if isinstance(content, dict):
        wanted = [str(i) for i in range(len(content))]
        if sorted(content) != sorted(wanted):
            odd = next(key for key in content if key not in wanted)
            raise ValueError(f"the index {shown(odd)} among {len(wanted)} labels")
        content = [content[i] for i in wanted]
    if not isinstance(content, list):
        raise ValueError("neither a list nor an object")
    for name in content:
        if not isinstance(name, str):
            raise ValueError(f"the label {shown(str(name))}, which is no text")
    return content


def _distinct(path: Path, labels: list[str]) -> list[str]:
    counts = Counter(labels)
    numbered = [f"{name}-{i}" if counts[name] > 1 else name for i, name in enumerate(labels)]
    twice = [name for name, n in Counter(numbered).items() if n > 1]
    if twice:
        raise ConversionError(
            f"{path}: found {shown(twice[0])} twice once repeated labels are numbered; wanted "
            f"distinct labels."
        )
    return numbered
