"""Pictures that anybody may have made: opened without trusting them, made a model's input."""

import json
import stat
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, Self, TypeVar

import numpy as np
import numpy.typing as npt
from pydantic import AfterValidator, ConfigDict, Field, model_validator

from dataset_convert.features.base import Flag, Number, Options, checked, one_line, that
from dataset_convert.raw import Post

if TYPE_CHECKING:
    from PIL.Image import Image

T = TypeVar("T")
Rows = npt.NDArray[np.float32]

FORMATS: Final = ("BMP", "GIF", "JPEG", "PNG", "TIFF", "WEBP")
"""What posts are made of. Others stay unread: some decoders start foreign programs."""
MAX_BYTES, MAX_PIXELS, MAX_RATIO, MAX_SIDE = 64 * 2**20, 40_000_000, 20, 1024
"""Of a file; of a picture; of its longer to its shorter side, since a thin strip would grow without
bound when it is resized; of what a model is given."""
MISSING, NO_FILE, TOO_LARGE = "no such file", "not a file", f"more than {MAX_BYTES >> 20} MiB"
TOO_MANY_PIXELS: Final = f"more than {MAX_PIXELS:,} pixels"
TOO_THIN: Final = f"more than {MAX_RATIO} times as long as wide"
UNKNOWN, BROKEN = f"no {', '.join(FORMATS)} file", "truncated or broken"
NO_COLOURS: Final = "pixels that are no colours"
RESAMPLES: Final = ("nearest", "lanczos", "bilinear", "bicubic", "box", "hamming")
"""By Pillow's numbers, which image processors of Hugging Face write."""


class UnusableImage(Exception):  # noqa: N818  # not an error of the conversion: it goes on
    """A picture that is left out; the message is the reason and names no file."""


class UseCounts:
    """How much of a stream's images or captions was used, and why the rest was not."""

    def __init__(self) -> None:
        self.used, self.skipped = 0, Counter[str]()

    def as_json(self) -> dict[str, Any]:
        """Returns the counts, the most frequent reason first."""
        return {"used": self.used, "skipped": dict(self.skipped.most_common())}

    def __str__(self) -> str:
        reasons = ", ".join(f"{n} {reason}" for reason, n in self.skipped.most_common())
        return f"{self.used} used, {self.skipped.total()} skipped ({reasons or 'no reason'})"


def open_image(path: Path) -> "Image":
    """Returns a picture upright and in the mode RGB; the first one of several frames.

    What is transparent becomes white, 16-bit greys their upper 8 bits; colour profiles are not
    applied. Nothing is decoded before the numbers of bytes and pixels are known to be small enough.

    Raises:
        UnusableImage: With one of the reasons above.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        found = path.stat()
    except (OSError, ValueError):
        raise UnusableImage(MISSING) from None
    # To open a pipe would wait for ever.
    if not stat.S_ISREG(found.st_mode) or found.st_size > MAX_BYTES:
        raise UnusableImage(TOO_LARGE if stat.S_ISREG(found.st_mode) else NO_FILE)
    try:
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
    if image.mode == "F":
        raise UnusableImage(NO_COLOURS)
    if image.mode.startswith("I"):  # of older releases of Pillow 32-bit
        grey = np.clip(np.asarray(image), 0, 2**16 - 1) >> 8
        return Image.fromarray(grey.astype(np.uint8)).convert("RGB")
    if image.has_transparency_data:
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, image.convert("RGBA")).convert("RGB")
    return image.convert("RGB")


def opened_images(
    posts: Iterable[Post],
    prepare: Callable[["Image"], T],
    *,
    block_images: int,
    n_jobs: int,
    counts: UseCounts,
) -> Iterator[list[tuple[Post, T | None]]]:
    """Yields the posts in their order, in blocks, with what was made of their images.

    Args:
        posts: A stream, of which one block is held at a time.
        prepare: Makes of an open image what is needed of it; called from several threads.
        block_images: How many images a block has; the last one may have fewer.
        n_jobs: Threads that open images.
        counts: Told of images that are skipped, and why; the user of the others counts them.
    """

    def made(post: Post) -> T | UnusableImage | None:
        try:
            return None if post.image is None else prepare(open_image(post.image))
        except UnusableImage as reason:
            return reason

    with ThreadPoolExecutor(n_jobs) as pool:
        for block in _blocks(posts, block_images):
            # Pillow warns of odd files, which are usable or not all the same. The filter is not of
            # one thread, so it is set around them all.
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                found = list(pool.map(made, block))
            counts.skipped.update(str(one) for one in found if isinstance(one, UnusableImage))
            usable = (None if isinstance(one, UnusableImage) else one for one in found)
            yield list(zip(block, usable, strict=True))


def _blocks(posts: Iterable[Post], block_images: int) -> Iterator[list[Post]]:
    block: list[Post] = []
    n_images = 0
    for post in posts:
        block.append(post)
        n_images += post.image is not None
        if n_images == block_images or len(block) == 10_000:  # posts without images do not pile up
            yield block
            block, n_images = [], 0
    yield from [block] if block else []


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
        size, crop = self.size, [self.crop] * 2 if type(self.crop) is int else self.crop
        if crop is None:
            side = size if isinstance(size, int) else 224
            crop = size if isinstance(size, list | tuple) else (height or side, width or side)
        size = round(max(crop) * 256 / 224) if size is None else size
        least = size if isinstance(size, list | tuple) else (size, size)
        if (crop[0], crop[1]) != (height or crop[0], width or crop[1]):
            raise ValueError(
                f"a 'size' and 'crop' that give {crop[0]} x {crop[1]} pixels (height x width), but "
                f"the model takes {height or 'any'} x {width or 'any'}"
            )
        if crop[0] > least[0] or crop[1] > least[1]:
            raise ValueError(f"the 'crop' {list(crop)}, which is larger than the 'size' {size}")
        return self.model_copy(update={"size": size, "crop": tuple(crop)})

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


def _sides(size: Any) -> Any:
    if not isinstance(size, Mapping):
        return size
    if set(size) not in ({"shortest_edge"}, {"height", "width"}):
        raise ValueError("be a number, 'shortest_edge', or 'height' and 'width'")
    return size.get("shortest_edge") or [size["height"], size["width"]]


class Processor(Options):
    """What is understood of the settings of an image processor, by Hugging Face's names.

    With `crop_pct` (ConvNeXt's way) the image is resized larger by that share and cropped to
    `size`; from 384 pixels on it is resized to a square.
    """

    model_config = ConfigDict(extra="ignore")

    size: Annotated[Any, AfterValidator(_sides)] = None
    crop_size: Annotated[Any, AfterValidator(_sides)] = None
    crop_pct: Annotated[float, Field(gt=0, le=1)] | None = None
    image_mean: Any = None
    image_std: Any = None
    rescale_factor: Any = None
    resample: Annotated[int, Field(ge=0, lt=len(RESAMPLES))] = RESAMPLES.index("bilinear")
    do_resize: Literal[True] = True
    do_center_crop: Flag = False
    do_normalize: Flag = True
    do_rescale: Flag = True

    @model_validator(mode="after")
    def _crops_a_number(self) -> Self:
        if self.crop_pct is not None and not isinstance(self.size, int):
            raise ValueError("have one number as 'size' beside 'crop_pct'")
        return self

    def options(self, *, of_square: bool) -> dict[str, Any]:
        """Returns the options of `ImageOptions`; without a crop a plain number is a square."""
        size, crop = self.size, self.crop_size if self.do_center_crop else None
        if self.crop_pct is not None and size < 384:
            size, crop = int(size / self.crop_pct), size
        elif self.crop_pct is not None or (of_square and not self.do_center_crop):
            size = [size, size]
        return {
            "size": size,
            "crop": crop,
            "mean": self.image_mean if self.do_normalize else [0, 0, 0],
            "std": self.image_std if self.do_normalize else [1, 1, 1],
            "scale": self.rescale_factor if self.do_rescale else 1,
            "resample": RESAMPLES[self.resample],
        }


def read_processor(path: Path) -> dict[str, Any]:
    """Returns the options of `ImageOptions` that a `preprocessor_config.json` stands for.

    Raises:
        ConversionError: It cannot be read, or asks for what `ImageOptions` cannot express.
    """
    with one_line(path, "the settings of an image processor that resizes and crops the middle"):
        content = json.loads(path.read_text(encoding="utf-8"))
    processor = checked(Processor, content, str(path))
    return processor.options(of_square=isinstance(content.get("size"), int))
