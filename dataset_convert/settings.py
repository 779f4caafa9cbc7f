"""What a conversion is to do: defaults in YAML, the user's YAML over them, every key checked."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from dataset_convert.common.errors import closest
from dataset_convert.problems import ConversionError

FIT_ON_TRAINING, FIT_ON_ALL = "training", "all"


@dataclass(frozen=True)
class ConversionSettings:
    """Settings of a conversion, as `defaults.yaml` explains them.

    Attributes:
        source: Options of the source.
        features: Modality -> options of its extractor; a modality left out is not made.
        n_valid, n_test, seed: Of the splits.
        fit_on_all: Whether extractors learn from all accounts.
        pseudonyms: Whether ids are replaced.
        key_file: Of the pseudonyms; None for the user's own.
        n_jobs: Processes that work on posts.
    """

    source: Mapping[str, Any]
    features: Mapping[str, Mapping[str, Any]]
    n_valid: int | float
    n_test: int | float
    seed: int
    fit_on_all: bool
    pseudonyms: bool
    key_file: Path | None
    n_jobs: int


def read_settings(
    path: Path | None, *, of_source: Mapping[str, Any] | None = None
) -> ConversionSettings:
    """Returns the defaults with a user's file over them.

    Args:
        path: A YAML file with keys of `defaults.yaml`; None for the defaults alone.
        of_source: Defaults of a source, which stand between the two.

    Raises:
        ConversionError: The file cannot be read, or a key or value is wrong; says which.
    """
    defaults = yaml.safe_load(
        resources.files("dataset_convert").joinpath("defaults.yaml").read_text(encoding="utf-8")
    )
    given = {} if path is None else _load(path)
    content = _laid_over(_laid_over(defaults, of_source or {}, "source"), given, str(path))
    _check_values(content, str(path))
    features = {
        modality: dict(options)
        for modality, options in content["features"].items()
        if options is not None
    }
    return ConversionSettings(
        source=content["source"],
        features=features,
        **content["splits"],
        fit_on_all=content["fit_on"] == FIT_ON_ALL,
        pseudonyms=content["pseudonyms"],
        key_file=_key_file(content["key_file"], str(path)),
        n_jobs=content["n_jobs"] or _n_cores(),
    )


def _key_file(given: str | None, where: str) -> Path | None:
    try:
        return None if given is None else Path(given).expanduser()
    except RuntimeError as error:
        raise ConversionError(f"{where}, key 'key_file': {given!r}: {error}") from None


def _n_cores() -> int:
    """How many cores this process may use."""
    usable = getattr(os, "sched_getaffinity", None)
    return (os.cpu_count() or 1) if usable is None else len(usable(0))


def _laid_over(defaults: Mapping[str, Any], given: Mapping[str, Any], where: str) -> dict[str, Any]:
    _check_keys(given, defaults, where)
    content = {**defaults, **given}
    for section in ("features", "splits"):
        inside = given.get(section) or {}
        if not isinstance(inside, Mapping):
            raise ConversionError(f"{where}, key '{section}': wanted a mapping. Found: {inside!r}.")
        _check_keys(inside, defaults[section], f"{where}, key '{section}'")
        content[section] = {**defaults[section], **inside}
    return content


def _load(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConversionError(f"{path} cannot be read: {error.strerror}.") from None
    except RecursionError:
        raise ConversionError(f"{path}: found values too deep within each other.") from None
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConversionError(f"{path} is no YAML: {' '.join(str(error).split())}.") from None
    if not isinstance(content, dict):
        raise ConversionError(f"{path}: wanted 'key: value' lines. Found: {content!r}.")
    return content


def _check_keys(given: Mapping[str, Any], known: Mapping[str, Any], where: str) -> None:
    for key in given:
        if key not in known:
            near = closest(str(key), known)
            hint = f"Did you mean '{near}'?" if near else f"Known: {', '.join(known)}."
            raise ConversionError(f"{where}: unknown key '{key}'. {hint}")


def _check_values(content: Mapping[str, Any], where: str) -> None:
    wanted = {
        "source": (isinstance(content["source"], dict), "a mapping"),
        "fit_on": (content["fit_on"] in (FIT_ON_TRAINING, FIT_ON_ALL), "training or all"),
        "pseudonyms": (isinstance(content["pseudonyms"], bool), "True or False"),
        "key_file": (isinstance(content["key_file"], str | None), "a path or ~"),
        "n_jobs": (
            content["n_jobs"] is None or (type(content["n_jobs"]) is int and content["n_jobs"] > 0),
            "a number above 0, or ~ for all cores",
        ),
    }
    for modality, options in content["features"].items():
        right = options is None or isinstance(options, dict)
        wanted[f"features: {modality}"] = (right, "a mapping of options, or ~")
    for key, value in content["splits"].items():
        right = type(value) is int or (type(value) is float and key != "seed")
        wanted[f"splits: {key}"] = (right and value >= 0, "a number of at least 0")
    for key, (right, what) in wanted.items():
        if not right:
            raise ConversionError(f"{where}, key '{key}': wanted {what}.")
