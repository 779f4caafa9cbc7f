"""Image settings as Hugging Face's image processors write them: `preprocessor_config.json`."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from dataset_convert.common.errors import shown
from dataset_convert.features.models.image_input import RESAMPLES
from dataset_convert.problems import ConversionError

FILE: Final = "preprocessor_config.json"
_WARPED_FROM: Final = 384
"""From this size on a processor with `crop_pct` resizes to a square and crops nothing."""


def read_processor(path: Path) -> dict[str, Any]:
    """Returns the options of `ImageSettings` that a processor's file stands for.

    `size` may be a number, `shortest_edge`, or `height` with `width`; `crop_size` the same without
    `shortest_edge`. A number alone is the shorter side where the processor crops, and a square
    where it does not. With `crop_pct` (ConvNeXt's way) the image is resized larger by that share
    and cropped to `size`.

    Args:
        path: The file.

    Raises:
        ConversionError: It cannot be read, or asks for what `ImageSettings` cannot express.
    """
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(config, dict):
            raise ValueError("no JSON object")
        options = {**_shape(config), **_colours(config)}
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise ConversionError(
            f"{path}: found {' '.join(str(error).split())}; wanted the settings of an image "
            f"processor that resizes, crops the middle and normalises."
        ) from None
    return options


def _shape(config: Mapping[str, Any]) -> dict[str, Any]:
    if not config.get("do_resize", True):
        raise ValueError("'do_resize' false")
    size = config.get("size")
    if "crop_pct" in config:
        return _by_share(size, config["crop_pct"])
    if not config.get("do_center_crop", False):
        return {"size": _sides(size, whole=True)} if size is not None else {}
    crop = config.get("crop_size")
    return {"size": _sides(size, whole=False), "crop": _sides(crop, whole=True)}


def _by_share(size: object, share: object) -> dict[str, Any]:
    side = _sides(size, whole=False)
    if not isinstance(side, int) or not isinstance(share, int | float) or not 0 < share <= 1:
        raise ValueError(f"'crop_pct' {shown(str(share))} with 'size' {shown(str(size))}")
    if side >= _WARPED_FROM:
        return {"size": [side, side]}
    return {"size": int(side / share), "crop": side}


def _sides(size: object, *, whole: bool) -> Any:
    """Returns a side or [height, width]; a number alone is a square where `whole`."""
    if isinstance(size, Mapping):
        if set(size) == {"height", "width"}:
            return [size["height"], size["width"]]
        if set(size) == {"shortest_edge"}:
            return size["shortest_edge"]
        raise ValueError(f"the size {shown(json.dumps(size))}")
    return [size, size] if whole and isinstance(size, int) else size


def _colours(config: Mapping[str, Any]) -> dict[str, Any]:
    normalised = config.get("do_normalize", True)
    resample = config.get("resample", RESAMPLES.index("bilinear"))
    if resample not in range(len(RESAMPLES)):
        raise ValueError(f"'resample' {shown(str(resample))}")
    return {
        "mean": config.get("image_mean") if normalised else [0.0, 0.0, 0.0],
        "std": config.get("image_std") if normalised else [1.0, 1.0, 1.0],
        "scale": config.get("rescale_factor") if config.get("do_rescale", True) else 1.0,
        "resample": RESAMPLES[resample],
    }
