"""From an open image to the numbers that a model wants: resized, cropped, normalised."""

import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Final, Self

import numpy as np
import numpy.typing as npt

from dataset_convert.common.errors import wanted_word

if TYPE_CHECKING:
    from PIL.Image import Image

IMAGENET_MEAN: Final = (0.485, 0.456, 0.406)
IMAGENET_STD: Final = (0.229, 0.224, 0.225)
USUAL_CROP: Final = 224
RESAMPLES: Final = ("nearest", "lanczos", "bilinear", "bicubic", "box", "hamming")
"""By Pillow's numbers, which image processors of Hugging Face write."""
MAX_SIDE: Final = 1024

Size = tuple[int, int]


@dataclass(frozen=True)
class ImageSettings:
    """How an image becomes a model's input.

    Attributes:
        size: Of the resized image in pixels: a number for the shorter side, the other one
            following, or (height, width). None: 256 for a crop of 224, and in that proportion.
        crop: (height, width) of the part in the middle that the model sees; None for the model's
            own size where it is fixed, otherwise a square of `size`, or all where `size` has two
            sides.
        mean, std: Of the colours red, green and blue after scaling; ImageNet's.
        scale: What the 0 to 255 of a colour are multiplied by.
        resample: One of `RESAMPLES`.
    """

    size: int | Size | None = None
    crop: Size | None = None
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD
    scale: float = 1 / 255
    resample: str = "bilinear"

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> Self:
        """Returns settings from a mapping as it stands in YAML or JSON.

        Raises:
            ValueError: An unknown key, or a value out of its range; says which.
        """
        known = [field.name for field in fields(cls)]
        for key in options:
            if key not in known:
                wanted = wanted_word(str(key), known)
                raise ValueError(f"Unknown key '{key}' of an image model; wanted {wanted}")
        given = {key: value for key, value in options.items() if value is not None}
        for key in ("mean", "std"):
            if key in given:
                given[key] = _three_numbers(key, given[key])
        if "size" in given and not _is_side(given["size"]):
            given["size"] = _two_sides("size", given["size"])
        if "crop" in given:
            crop = given["crop"]
            given["crop"] = (crop, crop) if _is_side(crop) else _two_sides("crop", crop)
        settings = cls(**given)
        settings._check()
        return settings

    def fitted_to(self, height: int | None, width: int | None) -> Self:
        """Returns the settings with `size` and `crop` filled in for a model.

        Args:
            height: Of the images that the model takes; None where it takes any.
            width: The same.

        Raises:
            ValueError: The settings give images of another size, or a crop larger than the image.
        """
        size, crop = self.size, self.crop
        if crop is None:
            side = size if isinstance(size, int) else USUAL_CROP
            crop = size if isinstance(size, tuple) else (height or side, width or side)
        if size is None:
            size = round(max(crop) * 256 / USUAL_CROP)
        if crop[0] != (height or crop[0]) or crop[1] != (width or crop[1]):
            raise ValueError(
                f"The 'size' and 'crop' of an image model give {crop[0]} x {crop[1]} pixels "
                f"(height x width), but the model takes {height or 'any'} x {width or 'any'}"
            )
        least = size if isinstance(size, tuple) else (size, size)
        if crop[0] > least[0] or crop[1] > least[1]:
            raise ValueError(
                f"The 'crop' of an image model must be no larger than its 'size'. "
                f"Received: {list(crop)} and {size if isinstance(size, int) else list(size)}"
            )
        return replace(self, size=size, crop=crop)

    def as_json(self) -> dict[str, Any]:
        """Returns what `from_options` reads."""
        return {
            key: list(value) if isinstance(value, tuple) else value
            for key, value in asdict(self).items()
        }

    def _check(self) -> None:
        if self.resample not in RESAMPLES:
            raise ValueError(
                f"The 'resample' of an image model must be one of {', '.join(RESAMPLES)}. "
                f"Received: {self.resample!r}"
            )
        if not _is_number(self.scale) or self.scale <= 0:
            raise ValueError(
                f"The 'scale' of an image model must be a number above 0. Received: {self.scale!r}"
            )
        if min(self.std) <= 0:
            raise ValueError(
                f"The 'std' of an image model must be above 0. Received: {list(self.std)}"
            )


def model_input(image: "Image", settings: ImageSettings) -> npt.NDArray[np.float32]:
    """Returns an image as (colour, height, width): red, green, blue, scaled and normalised.

    Args:
        image: In the mode RGB.
        settings: Fitted to the model.

    Raises:
        ValueError: The settings are not fitted.
    """
    if settings.size is None or settings.crop is None:
        raise ValueError("The 'settings' parameter of model_input must be fitted to a model.")
    height, width = _resized(settings.size, image.height, image.width)
    top, left = (height - settings.crop[0]) // 2, (width - settings.crop[1]) // 2
    resample = RESAMPLES.index(settings.resample)
    pixels = np.asarray(image.resize((width, height), resample))
    pixels = pixels[top : top + settings.crop[0], left : left + settings.crop[1]]
    scaled = pixels.astype(np.float32) * np.float32(settings.scale)
    normal = (scaled - np.array(settings.mean, np.float32)) / np.array(settings.std, np.float32)
    return np.ascontiguousarray(normal.transpose(2, 0, 1))


def _resized(size: int | Size, height: int, width: int) -> Size:
    if isinstance(size, tuple):
        return size
    if height <= width:
        return size, size * width // height
    return size * height // width, size


def _is_number(value: object) -> bool:
    # By size, which is False for NaN and does not turn an integer of any size into a float.
    most = sys.float_info.max
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= most


def _is_side(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MAX_SIDE


def _two_sides(key: str, value: object) -> Size:
    if isinstance(value, list | tuple) and len(value) == 2 and all(map(_is_side, value)):
        return value[0], value[1]
    raise ValueError(
        f"The '{key}' of an image model must be a whole number of pixels from 1 to {MAX_SIDE}, or "
        f"two, [height, width]. Received: {value!r}"
    )


def _three_numbers(key: str, value: object) -> tuple[float, float, float]:
    if isinstance(value, list | tuple) and len(value) == 3 and all(map(_is_number, value)):
        return value[0], value[1], value[2]
    raise ValueError(
        f"The '{key}' of an image model must be three numbers, for red, green and blue. "
        f"Received: {value!r}"
    )
