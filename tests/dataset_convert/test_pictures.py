"""Images: every way of being stored gives the same colours, and no file does harm."""

import json
import os
import struct
import warnings
import zlib
from collections import Counter
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from dataset_convert.features import pictures as images
from dataset_convert.features.base import checked
from dataset_convert.features.models import ImageOptions, read_processor
from dataset_convert.features.pictures import UnusableImage, open_image, opened_images
from dataset_convert.problems import ConversionError
from dataset_convert.raw import Post

RNG = np.random.default_rng(11)


def picture(height: int = 13, width: int = 7) -> Image.Image:
    return Image.fromarray(RNG.integers(0, 256, (height, width, 3), dtype=np.uint8))


def pixels(image: Image.Image) -> np.ndarray:
    assert image.mode == "RGB"
    return np.asarray(image)


@pytest.mark.parametrize("suffix", ["png", "tiff", "webp"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_images_stand_upright(tmp_path: Path, suffix: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"a.{suffix}"
    stored = picture()
    stored.save(path, exif=exif, **({"lossless": True} if suffix == "webp" else {}))
    tagged = stored.copy()
    tagged.getexif()[0x0112] = orientation
    assert np.array_equal(pixels(open_image(path)), pixels(ImageOps.exif_transpose(tagged)))


def test_a_turned_image_by_hand(tmp_path: Path) -> None:
    # A camera on its side: the top left of what it stored is the top right of what was seen.
    stored = Image.new("RGB", (3, 2), "black")
    stored.putpixel((0, 0), (255, 0, 0))
    exif = Image.Exif()
    exif[0x0112] = 6
    stored.save(tmp_path / "a.png", exif=exif)
    found = open_image(tmp_path / "a.png")
    assert found.size == (2, 3)
    assert found.getpixel((1, 0)) == (255, 0, 0)


def test_broken_exif_data_leave_the_pixels(tmp_path: Path) -> None:
    stored = picture()
    stored.save(tmp_path / "a.png", exif=b"Exif\0\0II*\0\xff\xff\xff\xff")
    assert np.array_equal(pixels(open_image(tmp_path / "a.png")), pixels(stored))


RED, WHITE = [255, 0, 0], [255, 255, 255]


@pytest.mark.parametrize(
    ("mode", "colour", "wanted"),
    [
        ("RGB", (255, 0, 0), RED),
        ("L", 119, [119, 119, 119]),
        ("1", 1, WHITE),
        ("LA", (119, 255), [119, 119, 119]),
        ("LA", (119, 0), WHITE),
        ("RGBA", (255, 0, 0, 255), RED),
        ("RGBA", (255, 0, 0, 0), WHITE),
        ("RGBA", (255, 0, 0, 51), [255, 204, 204]),
        ("I;16", 119 * 256 + 3, [119, 119, 119]),
    ],
)
def test_every_mode_becomes_colours(
    tmp_path: Path, mode: str, colour: object, wanted: list[int]
) -> None:
    Image.new(mode, (5, 3), colour).save(tmp_path / "a.png")  # type: ignore[arg-type]
    found = pixels(open_image(tmp_path / "a.png"))
    assert found.shape == (3, 5, 3)
    assert (found == wanted).all()


def test_a_palette_with_a_transparent_colour(tmp_path: Path) -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.putpixel((1, 0), 1)
    image.save(tmp_path / "a.png", transparency=1)
    image.save(tmp_path / "a.gif", transparency=1)
    image.save(tmp_path / "opaque.png")
    assert pixels(open_image(tmp_path / "a.png")).tolist() == [[RED, WHITE]]
    assert pixels(open_image(tmp_path / "a.gif")).tolist() == [[RED, WHITE]]
    assert pixels(open_image(tmp_path / "opaque.png")).tolist() == [[RED, [0, 0, 255]]]


def test_printers_colours_and_grey_photographs(tmp_path: Path) -> None:
    Image.new("CMYK", (16, 16), (0, 255, 255, 0)).save(tmp_path / "cmyk.jpg", quality=100)
    Image.new("L", (16, 16), 119).save(tmp_path / "grey.jpg", quality=100)
    assert np.abs(pixels(open_image(tmp_path / "cmyk.jpg")).astype(int) - RED).max() <= 3
    assert np.abs(pixels(open_image(tmp_path / "grey.jpg")).astype(int) - 119).max() <= 1


def test_the_first_frame_is_taken(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (3, 3), colour) for colour in ("red", "blue")]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    assert (pixels(open_image(tmp_path / "a.gif")) == RED).all()


def png_header(width: int, height: int) -> bytes:
    """A PNG file that says how large it is and holds next to nothing."""

    def chunk(name: bytes, data: bytes) -> bytes:
        crc = struct.pack(">I", zlib.crc32(name + data))
        return struct.pack(">I", len(data)) + name + data + crc

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(b"")), chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def encoded(suffix: str, image: Image.Image | None = None) -> bytes:
    file = BytesIO()
    (image or picture(67, 61)).save(file, suffix)
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", images.UNKNOWN),
        (b"no image", images.UNKNOWN),
        (encoded("jpeg")[:3], images.UNKNOWN),
        (encoded("jpeg")[:-700], images.BROKEN),
        (encoded("png")[:-700], images.BROKEN),
        (encoded("ppm"), images.UNKNOWN),
        (encoded("eps"), images.UNKNOWN),
        (png_header(8_000, 5_001), images.TOO_MANY_PIXELS),
        # Pillow itself warns of these two.
        (png_header(10_000, 10_000), images.TOO_MANY_PIXELS),
        (png_header(2**30, 2**30), images.TOO_MANY_PIXELS),
        (png_header(2, 41), images.TOO_THIN),
        (png_header(8_000, 5_000), images.BROKEN),
    ],
)
def test_files_that_cannot_be_used_say_why(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "a.jpg").write_bytes(content)
    with pytest.raises(UnusableImage) as found:
        open_image(tmp_path / "a.jpg")
    assert str(found.value) == reason


def test_what_is_no_file_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with (tmp_path / "huge").open("wb") as file:
        file.truncate(images.MAX_BYTES + 1)
    for name, reason in (
        ("none.jpg", images.NO_FILE),
        ("half\0.jpg", images.NO_FILE),
        ("", images.NO_FILE),
        ("pipe", images.NO_FILE),
        ("huge", images.TOO_LARGE),
    ):
        with pytest.raises(UnusableImage) as found:
            open_image(tmp_path / name)
        assert str(found.value) == reason


SOUND = {suffix: encoded(suffix) for suffix in ("jpeg", "png", "gif", "webp", "tiff", "bmp")}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(sorted(SOUND)),
    st.lists(st.tuples(st.integers(0, 2**16), st.integers(0, 255)), max_size=5),
    st.floats(0.2, 1),
)
def test_spoilt_files_are_images_or_left_out(
    tmp_path: Path, suffix: str, changes: list[tuple[int, int]], share: float
) -> None:
    content = bytearray(SOUND[suffix])
    for place, value in changes:
        content[place % len(content)] = value
    (tmp_path / "a").write_bytes(content[: int(share * len(content))])
    told = Counter[str]()
    posts = [Post("ann", "", image=tmp_path / "a")]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = [(place, image.mode) for place, image in opened_images(posts, told)]
    assert (made == [(0, "RGB")]) != (told.total() == 1)


def model_input(image: Image.Image, **options: Any) -> np.ndarray:
    return ImageOptions(**options).fitting(None, None).prepared(image)


def test_known_values_of_a_models_input() -> None:
    image = Image.new("RGB", (11, 5), (255, 51, 0))
    found = model_input(image, size=5, crop=(3, 2))
    assert found.shape == (3, 3, 2)
    assert found.dtype == np.float32
    wanted = [(1 - 0.485) / 0.229, (0.2 - 0.456) / 0.224, (0 - 0.406) / 0.225]
    assert np.allclose(found.reshape(3, -1).T, [wanted] * 6, rtol=0, atol=1e-6)


def test_the_middle_is_cropped() -> None:
    image = picture(13, 7)
    plain = {"mean": [0, 0, 0], "std": [1, 1, 1], "scale": 1}
    # 7 is the shorter side already, so that nothing is resized; (13 - 5) // 2 = 4 rows above.
    wanted = np.asarray(image, np.float32)[4:9, 2:5].transpose(2, 0, 1)
    assert np.array_equal(model_input(image, size=7, crop=[5, 3], **plain), wanted)


@pytest.mark.parametrize(
    ("given_size", "model_size", "size", "crop"),
    [
        ({}, (None, None), 256, (224, 224)),
        ({}, (64, 64), 73, (64, 64)),
        ({}, (7, 14), 16, (7, 14)),
        ({"size": 97}, (None, None), 97, (97, 97)),
        ({"size": 97}, (64, 53), 97, (64, 53)),
        ({"size": [11, 7]}, (None, None), (11, 7), (11, 7)),
        ({"crop": 28}, (None, None), 32, (28, 28)),
        ({"size": [11, 7], "crop": [5, 3]}, (5, None), (11, 7), (5, 3)),
    ],
)
def test_sizes_follow_the_model(
    given_size: dict, model_size: tuple, size: object, crop: object
) -> None:
    found = ImageOptions(**given_size).fitting(*model_size)
    assert (found.size if isinstance(found.size, int) else tuple(found.size)) == size
    assert found.crop == crop
    assert found.fitting(*model_size) == found


@pytest.mark.parametrize(("height", "width", "wanted"), [(13, 7, (59, 32)), (7, 13, (32, 59))])
def test_the_shorter_side_is_resized(height: int, width: int, wanted: tuple[int, int]) -> None:
    # int(32 * 13 / 7) = 59.
    image = picture(height, width)
    plain = {"mean": (0, 0, 0), "std": (1, 1, 1), "scale": 1, "resample": "bicubic"}
    resized = np.asarray(image.resize(wanted[::-1], Image.Resampling.BICUBIC))
    middle = resized[(wanted[0] - 1) // 2, (wanted[1] - 1) // 2]
    found = model_input(image, size=32, crop=(1, 1), **plain)
    assert found.ravel().tolist() == middle.tolist()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sise": 3}, "Unknown key 'sise'. Did you mean 'size'"),
        ({"size": 0}, r"'size' must be pixels from 1 to 1024, or two, \[height, width\]\. Rec"),
        ({"size": 1025}, "'size' .* Received: 1025"),
        ({"size": [1, 2, 3]}, "'size'"),
        ({"size": True}, "'size'"),
        ({"crop": "224"}, "'crop' .* Received: '224'"),
        ({"mean": [1, 2]}, r"'mean\[2\]' is missing"),
        ({"std": 1}, "'std' must be a list"),
        ({"std": [1, 0, 1]}, r"'std\[1\]' must be above 0"),
        ({"mean": [1, float("nan"), 1]}, r"'mean\[1\]' must be a finite number"),
        ({"scale": 0}, "'scale' must be above 0. Received: 0"),
        ({"scale": "x"}, "'scale' must be a number"),
        ({"resample": "best"}, "'resample' must be one of nearest, lanczos, .* Received: 'best'"),
    ],
)
def test_wrong_settings_are_named(options: dict, message: str) -> None:
    with pytest.raises(ConversionError, match=message):
        checked(ImageOptions, options, "features: content_visual")


def test_settings_that_no_model_takes() -> None:
    with pytest.raises(ValueError, match=r"give 5 x 5 pixels .* the model takes 7 x any"):
        ImageOptions(size=5, crop=(5, 5)).fitting(7, None)
    with pytest.raises(ValueError, match=r"'crop' \[5, 7\], which is larger than the 'size' 5"):
        ImageOptions(size=5, crop=(5, 7)).fitting(None, None)


CLIP = {
    "do_resize": True,
    "size": {"shortest_edge": 19},
    "do_center_crop": True,
    "crop_size": {"height": 17, "width": 13},
    "resample": 3,
    "image_mean": [0.5, 0.4, 0.3],
    "image_std": [0.2, 0.1, 0.3],
    "rescale_factor": 0.5,
    "image_processor_type": "CLIPImageProcessor",
}
COLOURS = {"mean": [0.5, 0.4, 0.3], "std": [0.2, 0.1, 0.3], "scale": 0.5, "resample": "bicubic"}


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({}, {"size": 19, "crop": [17, 13], **COLOURS}),
        ({"size": 19, "crop_size": 17}, {"size": 19, "crop": 17, **COLOURS}),
        ({"size": {"height": 5, "width": 7}, "do_center_crop": False}, {"size": [5, 7]}),
        ({"size": 5, "do_center_crop": False}, {"size": [5, 5]}),
        ({"do_center_crop": None}, {"size": 19, "crop": None}),
        ({"do_normalize": False}, {"mean": [0, 0, 0], "std": [1, 1, 1]}),
        ({"do_rescale": False}, {"scale": 1}),
    ],
)
def test_processors_of_hugging_face(tmp_path: Path, changes: dict, wanted: dict) -> None:
    path = tmp_path / "preprocessor_config.json"
    path.write_text(json.dumps(CLIP | changes))
    found = read_processor(path)
    assert {key: found[key] for key in wanted} == wanted
    checked(ImageOptions, found, "")


def test_a_processor_that_says_little_leaves_the_defaults(tmp_path: Path) -> None:
    path = tmp_path / "preprocessor_config.json"
    path.write_text("{}")
    assert ImageOptions(**read_processor(path)) == ImageOptions()


def test_pictures_are_opened_and_others_counted(tmp_path: Path) -> None:
    for i in (0, 1, 3, 6):
        picture(5 + i, 20).save(tmp_path / f"{i}.png")
    (tmp_path / "4.png").write_bytes(png_header(10_000, 10_000))
    posts = [Post("ann", "", image=None if i == 2 else tmp_path / f"{i}.png") for i in range(7)]
    told = Counter[str]()
    made = [(place, image.height) for place, image in opened_images(posts, told)]
    assert made == [(0, 5), (1, 6), (3, 8), (6, 11)]
    assert told == {images.TOO_MANY_PIXELS: 1, images.NO_FILE: 1}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[]", "wanted the settings of an image processor"),
        ("{", "wanted the settings of an image processor"),
        ('{"do_resize": false}', "found do_resize false"),
        ('{"size": {"longest_edge": 5}}', "wanted the settings of an image processor"),
        ('{"resample": 9}', "wanted the settings of an image processor"),
        ("[" * 100_000, "preprocessor_config.json: found"),
    ],
)
def test_a_wrong_processor_is_refused(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "preprocessor_config.json"
    with pytest.raises(ConversionError, match="No such file"):
        read_processor(path)
    path.write_text(content)
    with pytest.raises(ConversionError, match=message):
        read_processor(path)
