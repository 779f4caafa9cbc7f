"""What a conversion is to do: defaults in YAML, the user's YAML over them, every key checked."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, create_model

from dataset_convert import schema
from dataset_convert.common.settings import problems_of
from dataset_convert.common.values import load_yaml
from dataset_convert.problems import ConversionError

FIT_ON_TRAINING, FIT_ON_ALL = "training", "all"
LOCAL, RAY = "local", "ray"


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
        engine: Who runs batches: `LOCAL`, or `RAY`.
        ray_address: Of a Ray cluster; None: what RAY_ADDRESS says, else a Ray on this machine.
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
    engine: str = LOCAL
    ray_address: str | None = None


def _number(size: Any) -> Any:
    if type(size) not in (int, float) or not 0 <= size < 1e9:
        raise ValueError("be a number of at least 0")
    return size


def _path(value: Any) -> Any:
    try:
        return None if value is None else Path(value).expanduser()
    except (RuntimeError, TypeError):
        raise ValueError("be a path, or ~ for the user's own") from None


_FORBID = ConfigDict(extra="forbid")
_Size = Annotated[Any, AfterValidator(_number)]
_Options = dict[str, Any] | None


_MADE: Any = {one: (_Options, None) for one in schema.MODALITIES if one != schema.ATTRIBUTE_VECTOR}
_Features: Any = create_model("_Features", __config__=_FORBID, **_MADE)


class _Splits(BaseModel):
    model_config = _FORBID
    n_valid: _Size = None
    n_test: _Size = None
    seed: Annotated[int, Field(strict=True, ge=0, lt=2**32)] = 0


class _Layer(BaseModel):
    """What one file says; the rest is what the layer below says."""

    model_config = _FORBID
    source: dict[str, Any] = {}
    features: _Features = {}
    splits: _Splits = _Splits()
    fit_on: Literal["training", "all"] = "training"
    pseudonyms: Annotated[bool, Field(strict=True)] = True
    key_file: Annotated[Any, AfterValidator(_path)] = None
    n_jobs: Annotated[int, Field(strict=True, ge=1, le=1000)] | None = None


_PARTS: Mapping[str, Any] = {
    "features": _Features.model_fields,
    "splits": _Splits.model_fields,
}


def read_settings(
    path: Path | None, *, of_source: Mapping[str, Any] | None = None
) -> ConversionSettings:
    """Returns the defaults with a user's file over them.

    Args:
        path: A YAML file with keys of `defaults.yaml`; None for the defaults alone.
        of_source: Defaults of a source, which stand between the two.

    Raises:
        UsageError: The file cannot be read, or a key or value is wrong; says which.
    """
    text = resources.files("dataset_convert").joinpath("defaults.yaml").read_text(encoding="utf-8")
    content = _checked(yaml.safe_load(text), "defaults.yaml")
    own = {} if path is None else load_yaml(path)
    for given, where in ((of_source or {}, "source"), (own, str(path))):
        layer = _checked(given, where)
        content |= layer | {one: content[one] | layer.get(one, {}) for one in _PARTS}
    features = content["features"]
    return ConversionSettings(
        source=content["source"],
        features={name: options for name, options in features.items() if options is not None},
        **content["splits"],
        fit_on_all=content["fit_on"] == FIT_ON_ALL,
        pseudonyms=content["pseudonyms"],
        key_file=content["key_file"],
        n_jobs=content["n_jobs"] or _n_cores(),
    )


def _checked(given: Mapping[str, Any], where: str) -> dict[str, Any]:
    try:
        return _Layer.model_validate(given).model_dump(exclude_unset=True)
    except ValidationError as error:
        found = problems_of(error, known=_Layer.model_fields, parts=_PARTS)
        raise ConversionError(f"{where}: {' '.join(found)}") from None


def _n_cores() -> int:
    """How many cores this process may use."""
    usable = getattr(os, "sched_getaffinity", None)
    return (os.cpu_count() or 1) if usable is None else len(usable(0))
