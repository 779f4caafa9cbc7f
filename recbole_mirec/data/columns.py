"""The columns of RecBole's own atomic files that a configuration loads, checked before reading."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from recbole.utils import FeatureType, ModelType

from recbole_mirec.errors import nearest

INTER = "inter"


def column_problems(config: Any, folder: Path, name: str) -> Iterator[str]:
    """What is wrong with the columns that a data set is to be loaded with, one sentence each.

    Args:
        config: with `load_col`, `unload_col`, the fields of ids and the model's type.
        folder: of the data set.
        name: of the data set.
    """
    path = folder / f"{name}.{INTER}"
    if not path.is_file():
        yield (
            f"Data set file '{path}' does not exist. Put RecBole's atomic files there; nothing is "
            f"downloaded."
        )
        return
    for key in ("load_col", "unload_col"):
        for suffix, columns in (config[key] or {}).items():
            if columns != "*":
                yield from _unknown_columns(config, key, folder / f"{name}.{suffix}", columns)
    loaded = _loaded_columns(config, path)
    for key in ("USER_ID_FIELD", "ITEM_ID_FIELD"):
        if config[key] not in loaded:
            yield (
                f"'{path}' is loaded without '{config[key]}', which {key} names"
                f".{nearest(str(config[key]), _header(config, path))}"
            )
    if config["MODEL_TYPE"] == ModelType.CONTEXT:
        yield from _pair_features(config, loaded)


def _header(config: Any, path: Path) -> dict[str, str]:
    """Columns of a file and their types."""
    with path.open(encoding=config["encoding"]) as file:
        columns = file.readline().rstrip("\r\n").split(config["field_separator"])
    return dict(column.partition(":")[::2] for column in columns)


def _unknown_columns(config: Any, key: str, path: Path, columns: list[str]) -> Iterator[str]:
    if not path.is_file():
        yield f"Key '{key}' names columns of '{path}', which does not exist."
        return
    known = _header(config, path)
    for column in columns:
        if column not in known:
            yield f"Key '{key}': '{path}' has no column '{column}'.{nearest(str(column), known)}"


def _loaded_columns(config: Any, path: Path) -> dict[str, str]:
    """Columns of the interactions that RecBole will load, and their types."""
    chosen = None if config["load_col"] is None else config["load_col"].get(INTER, [])
    left_out = (config["unload_col"] or {}).get(INTER, [])
    return {
        column: kind
        for column, kind in _header(config, path).items()
        if (chosen in (None, "*") or column in chosen) and column not in left_out
    }


def _pair_features(config: Any, loaded: dict[str, str]) -> Iterator[str]:
    """Features of pairs, which a model would miss in every pair that did not happen."""
    embedded = (FeatureType.TOKEN.value, FeatureType.TOKEN_SEQ.value)
    for column, kind in loaded.items():
        if column in (config["USER_ID_FIELD"], config["ITEM_ID_FIELD"], config["LABEL_FIELD"]):
            continue
        if kind in embedded or column in (config["numerical_features"] or ()):
            yield (
                f"'{column}' is a feature of interactions, which pairs that did not happen lack; "
                f"{config['model']} ranks all pairs. Leave it out of load_col: inter."
            )
