"""Opens an image file that anybody may have made, without trusting it."""

import stat
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from dataset_convert.features.models.optional import need

if TYPE_CHECKING:
    from PIL.Image import Image

FORMATS: Final = ("BMP", "GIF", "JPEG", "PNG", "TIFF", "WEBP")
"""What posts are made of. Others stay unread: some decoders start foreign programs."""
MAX_BYTES: Final = 64 * 2**20
MAX_PIXELS: Final = 40_000_000
MAX_RATIO: Final = 20
"""Of the longer to the shorter side: a thin strip would grow without bound when it is resized."""

MISSING: Final = "no such file"
NO_FILE: Final = "not a file"
TOO_LARGE: Final = f"more than {MAX_BYTES // 2**20} MiB"
UNKNOWN: Final = f"no {', '.join(FORMATS)} file"
TOO_MANY_PIXELS: Final = f"more than {MAX_PIXELS:,} pixels"
TOO_THIN: Final = f"more than {MAX_RATIO} times as long as wide"
BROKEN: Final = "truncated or broken"
NO_COLOURS: Final = "pixels that are no colours"

_ORIENTATION: Final = 0x0112


class UnusableImage(Exception):  # noqa: N818  # not an error of the conversion: it goes on
    """An image that is left out; the message is the reason and names no file."""


def open_image(path: Path) -> "Image":
    """Returns an image upright and in the mode RGB; the first one of several frames.

    Orientation follows the EXIF data where it can be read. What is transparent becomes white,
    16-bit greys their upper 8 bits; colour profiles are not applied. Nothing is decoded before the
    numbers of bytes and pixels are known to be small enough.

    Args:
        path: May be missing, or anything.

    Raises:
        UnusableImage: With one of the reasons above.
        ConversionError: Pillow is not installed.
    """
    need("PIL.Image")
    from PIL import Image, UnidentifiedImageError

    _check_file(path)
    try:
        with Image.open(path, formats=FORMATS) as image:
            _check_size(*image.size)
            image.load()
            return _colours(_upright(image))
    except UnusableImage:
        raise
    except UnidentifiedImageError:
        raise UnusableImage(UNKNOWN) from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise UnusableImage(TOO_MANY_PIXELS) from None
    except Exception:
        # Decoders raise nearly anything where bytes were made to break them.
        raise UnusableImage(BROKEN) from None


def _check_file(path: Path) -> None:
    try:
        found = path.stat()
    except (OSError, ValueError):
        raise UnusableImage(MISSING) from None
    # To open a pipe would wait for ever.
    if not stat.S_ISREG(found.st_mode):
        raise UnusableImage(NO_FILE)
    if found.st_size > MAX_BYTES:
        raise UnusableImage(TOO_LARGE)


def _check_size(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise UnusableImage(TOO_MANY_PIXELS)
    if max(width, height) > MAX_RATIO * min(width, height):
        raise UnusableImage(TOO_THIN)


def _upright(image: "Image") -> "Image":
    from PIL.Image import Transpose

    turns = {
        2: Transpose.FLIP_LEFT_RIGHT,
        3: Transpose.ROTATE_180,
        4: Transpose.FLIP_TOP_BOTTOM,
        5: Transpose.TRANSPOSE,
        6: Transpose.ROTATE_270,
        7: Transpose.TRANSVERSE,
        8: Transpose.ROTATE_90,
    }
    try:
        turn = turns.get(image.getexif().get(_ORIENTATION, 1))
    except Exception:
        # Broken EXIF data say nothing of the pixels, which are whole.
        turn = None
    return image if turn is None else image.transpose(turn)


def _colours(image: "Image") -> "Image":
    from PIL import Image

    if image.mode == "F":
        raise UnusableImage(NO_COLOURS)
    if image.mode.startswith("I"):
        # Older releases of Pillow read 16-bit greys as 32-bit ones.
        grey = np.clip(np.asarray(image), 0, 2**16 - 1) >> 8
        return Image.fromarray(grey.astype(np.uint8)).convert("RGB")
    if image.has_transparency_data:
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, image.convert("RGBA")).convert("RGB")
    return image.convert("RGB")
