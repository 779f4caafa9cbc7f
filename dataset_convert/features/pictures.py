"""Pictures that anybody may have made: opened without trusting them, made a model's input."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, Self

import numpy as np
import numpy.typing as npt
from pydantic import Field

from dataset_convert.features.base import Number, Options, one_line, that
from dataset_convert.raw import Post

if TYPE_CHECKING:
    from PIL.Image import Image

Rows = npt.NDArray[np.float32]

FORMATS: Final = ("BMP", "GIF", "JPEG", "PNG", "TIFF", "WEBP")
"""What posts are made of. Others stay unread: some decoders start foreign programs."""
MAX_BYTES, MAX_PIXELS, MAX_RATIO, MAX_SIDE = 64 * 2**20, 40_000_000, 20, 1024
"""Of a file; of a picture; of its longer to its shorter side, since a thin strip would grow without
bound when it is resized; of what a model is given."""
NO_FILE, TOO_LARGE = "no such file", f"more than {MAX_BYTES >> 20} MiB"
TOO_MANY_PIXELS: Final = f"more than {MAX_PIXELS:,} pixels"
TOO_THIN: Final = f"more than {MAX_RATIO} times as long as wide"
UNKNOWN, BROKEN = f"no {', '.join(FORMATS)} file", "truncated or broken"
RESAMPLES: Final = ("nearest", "lanczos", "bilinear", "bicubic", "box", "hamming")
"""By Pillow's numbers, which image processors of Hugging Face write."""


class UnusableImage(Exception):  # noqa: N818  # not an error of the conversion: it goes on
    """A picture that is left out; the message is the reason and names no file."""


def open_image(path: Path) -> "Image":
    """Returns a picture upright and in the mode RGB; the first one of several frames.

    What is transparent becomes white, 16-bit greys their upper 8 bits; colour profiles are not
    applied. Nothing is decoded before the numbers of bytes and pixels are known to be small enough.

    Raises:
        UnusableImage: With one of the reasons above.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        if not path.is_file():  # to open a pipe would wait for ever
            raise UnusableImage(NO_FILE)
        if path.stat().st_size > MAX_BYTES:
            raise UnusableImage(TOO_LARGE)
        with Image.open(path, formats=FORMATS) as image:
            if image.width * image.height > MAX_PIXELS:
                raise UnusableImage(TOO_MANY_PIXELS)
            if max(image.size) > MAX_RATIO * min(image.size):
                raise UnusableImage(TOO_THIN)
            image.load()
            return _colours(image)
    except UnusableImage:
        raise
    except UnidentifiedImageError:
        raise UnusableImage(UNKNOWN) from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise UnusableImage(TOO_MANY_PIXELS) from None
    except Exception:  # decoders raise nearly anything where bytes were made to break them
        raise UnusableImage(BROKEN) from None


def _colours(image: "Image") -> "Image":
    from PIL import Image, ImageOps

    with suppress(Exception):  # broken EXIF data say nothing of the pixels, which are whole
        image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I"):  # of older releases of Pillow 32-bit
        grey = np.clip(np.asarray(image), 0, 2**16 - 1) >> 8
        return Image.fromarray(grey.astype(np.uint8)).convert("RGB")
    if image.has_transparency_data:
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, image.convert("RGBA")).convert("RGB")
    return image.convert("RGB")


def opened_images(posts: Iterable[Post], told: Counter[str]) -> Iterator[tuple[int, "Image"]]:
    """Yields the pictures of posts, with the posts' places; counts why others are left out."""
    for place, post in enumerate(posts):
        if post.image is not None:
            try:
                image = open_image(post.image)
            except UnusableImage as reason:
                told[str(reason)] += 1
            else:
                yield place, image


def _is_size(size: Any) -> bool:
    sides = size if isinstance(size, list | tuple) and len(size) == 2 else [size]
    return all(type(side) is int and 1 <= side <= MAX_SIDE for side in sides)


Size = Annotated[Any, that(_is_size, f"be pixels from 1 to {MAX_SIDE}, or two, [height, width]")]
Positive = Annotated[Number, Field(gt=0)]


class ImageOptions(Options):
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

    size: Size = None
    crop: Size = None
    mean: tuple[Number, Number, Number] = (0.485, 0.456, 0.406)
    std: tuple[Positive, Positive, Positive] = (0.229, 0.224, 0.225)
    scale: Positive = 1 / 255
    resample: Literal["nearest", "lanczos", "bilinear", "bicubic", "box", "hamming"] = "bilinear"

    def fitting(self, height: int | None, width: int | None) -> Self:
        """Returns these for a model, whose sides are None where it takes any.

        Raises:
            ValueError: They give images of another size, or a crop larger than the image.
        """
        size, crop = self.size, self.crop
        if crop is None:
            side = size if isinstance(size, int) else 224
            crop = size if isinstance(size, list | tuple) else (height or side, width or side)
        crop = (crop, crop) if isinstance(crop, int) else tuple(crop)
        size = round(max(crop) * 256 / 224) if size is None else size
        least = size if isinstance(size, list | tuple) else (size, size)
        wanted = height or crop[0], width or crop[1]
        if crop != wanted:
            raise ValueError(
                f"a 'size' and 'crop' that give {crop[0]} x {crop[1]} pixels (height x width), but "
                f"the model takes {wanted[0]} x {wanted[1]}"
            )
        if crop[0] > least[0] or crop[1] > least[1]:
            raise ValueError(f"the 'crop' {list(crop)}, which is larger than the 'size' {size}")
        return self.model_copy(update={"size": size, "crop": crop})

    def prepared(self, image: "Image") -> Rows:
        """Returns an RGB image as (colour, height, width), scaled and normalised."""
        (height, width), crop = (image.height, image.width), self.crop
        if not isinstance(self.size, int):
            height, width = self.size
        elif height <= width:
            height, width = self.size, self.size * width // height
        else:
            height, width = self.size * height // width, self.size
        top, left = (height - crop[0]) // 2, (width - crop[1]) // 2
        pixels = np.asarray(image.resize((width, height), RESAMPLES.index(self.resample)))
        pixels = pixels[top : top + crop[0], left : left + crop[1]]
        scaled = pixels.astype(np.float32) * np.float32(self.scale)
        normal = (scaled - np.array(self.mean, np.float32)) / np.array(self.std, np.float32)
        return np.ascontiguousarray(normal.transpose(2, 0, 1))


def read_processor(path: Path) -> dict[str, Any]:
    """Returns the options of `ImageOptions` that a `preprocessor_config.json` stands for.

    Raises:
        ConversionError: It cannot be read, or asks for what `ImageOptions` cannot express.
    """
    with one_line(path, "the settings of an image processor that resizes and crops the middle"):
        told: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if not told.get("do_resize", True):
            raise ValueError("do_resize false")
        crops, normalises = told.get("do_center_crop"), told.get("do_normalize", True)
        size = _sides(told.get("size"))
        return {
            # Without a crop a plain number is a square.
            "size": [size] * 2 if type(told.get("size")) is int and not crops else size,
            "crop": _sides(told.get("crop_size")) if crops else None,
            "mean": told.get("image_mean") if normalises else [0, 0, 0],
            "std": told.get("image_std") if normalises else [1, 1, 1],
            "scale": told.get("rescale_factor") if told.get("do_rescale", True) else 1,
            "resample": RESAMPLES[told.get("resample", RESAMPLES.index("bilinear"))],
        }


def _sides(size: Any) -> Any:
    if not isinstance(size, dict):
        return size
    return size.get("shortest_edge") or [size["height"], size["width"]]
