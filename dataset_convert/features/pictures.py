"""Pictures that anybody may have made: opened without trusting them, and labelled by models."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self

import numpy as np
from pydantic import Field, model_validator

from dataset_convert.features.base import Whole
from dataset_convert.features.labels import (
    SCENE_PREFIX,
    LabelExtractor,
    LabelFit,
    LabelOptions,
    label_token,
    token_label,
)
from dataset_convert.features.models import (
    USED,
    Classifier,
    ClassifierOptions,
    ModelFit,
    ModelOptions,
    RunsModels,
    as_words,
    model_files,
    read_labels,
)
from dataset_convert.name_checks import phrases
from dataset_convert.raw import Post, RawMaterial

if TYPE_CHECKING:
    from PIL.Image import Image

NOT_FINITE: Final = "no finite numbers from the model"
FORMATS: Final = ("BMP", "GIF", "JPEG", "PNG", "TIFF", "WEBP")
"""What posts are made of. Others stay unread: some decoders start foreign programs."""
MAX_BYTES, MAX_PIXELS, MAX_RATIO = 64 * 2**20, 40_000_000, 20
"""Of a file; of a picture; of its longer to its shorter side, since a thin strip would grow without
bound when it is resized."""
NO_FILE, TOO_LARGE = "no such file", f"more than {MAX_BYTES >> 20} MiB"
TOO_MANY_PIXELS: Final = f"more than {MAX_PIXELS:,} pixels"
TOO_THIN: Final = f"more than {MAX_RATIO} times as long as wide"
UNKNOWN, BROKEN = f"no {', '.join(FORMATS)} file", "truncated or broken"


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


class ImageLabelOptions(LabelOptions, ModelOptions):
    """Classifiers of objects, of scenes, or both, and what counts of their labels."""

    objects: ClassifierOptions | None = None
    scenes: ClassifierOptions | None = None
    min_members: Whole = 5

    @model_validator(mode="after")
    def _has_a_classifier(self) -> Self:
        if self.objects is None and self.scenes is None:
            raise ValueError("have 'objects' or 'scenes', or both")
        return self


class ImageLabelFit(LabelFit, ModelFit):
    """And the labels of the classifiers, as tokens."""

    own_labels: list[str] = Field(default_factory=list)


class ImageLabelExtractor(RunsModels, LabelExtractor):
    """X^p and Y^p of Wang et al. (2023) by classifiers of the user's own.

    Every image becomes the labels of its post with their scores, of which those that reach their
    threshold count, and these become an account's weights as in `LabelExtractor`. Where a post has
    an image that can be used, its scores take the place of the labels that the post came with;
    other posts keep theirs, names aside. The labels of the classifiers stay, whoever bears one as a
    name: they say nothing of who the accounts are.

    Departure: the paper's classifiers (a ResNet, UPerNet) are not part of this; any that tell
    objects or scenes apart can be used.
    """

    name = "image-labels"
    takes: ClassVar[type[LabelOptions]] = ImageLabelOptions
    learns = ImageLabelFit
    reads_images = True

    def _classifiers(self) -> list[tuple[ClassifierOptions, str, float]]:
        one = self.options
        objects = (one.objects, "", one.object_threshold)
        scenes = (one.scenes, SCENE_PREFIX, one.scene_threshold)
        return [entry for entry in (objects, scenes) if entry[0] is not None]

    def files(self) -> tuple[Path, ...]:
        """Returns the models and their label files, whether they are there or not."""
        given = [one for one, *_ in self._classifiers()]
        paths = [(Path(one.model).expanduser(), Path(one.labels).expanduser()) for one in given]
        return tuple(path for model, labels in paths for path in (*model_files(model), labels))

    def open_models(self) -> Sequence[Any]:
        """Returns the classifiers."""
        return [Classifier(*entry, self.options) for entry in self._classifiers()]

    def own_labels(self) -> Collection[str]:
        """Returns the labels of the classifiers."""
        return [
            f"{prefix}{label}"
            for given, prefix, _ in self._classifiers()
            for label in read_labels(Path(given.labels).expanduser())
        ]

    def own_words(self) -> frozenset[str]:
        """Returns the labels of the classifiers, and their words, whoever bears one as a name."""
        labels = map(token_label, self.fitted.own_labels)
        return frozenset(found for label in labels for found in phrases(label))

    def prepare(self, material: RawMaterial, training: Collection[str]) -> Any:
        """Returns which labels there can be: the classifiers', and those that came with posts."""
        fitted: Any = super().prepare(material, training)
        fitted.own_labels = sorted(map(label_token, self.own_labels()))
        return fitted

    def scored(self, posts: list[Post]) -> tuple[list[Post], Counter[str]]:
        """Returns posts with the scores of their images as labels, and how many were used.

        As the labels of a table, written with all their digits, they give what the images give.
        """
        told, scored, models = Counter[str](), list(posts), self.opened
        for place, image in opened_images(posts, told):
            found = [one.scores(one.image.prepared(image)) for one in models]
            told[NOT_FINITE if None in found else USED] += 1
            if None not in found:
                labels = {label: score for one in found for label, score in one.items()}
                scored[place] = replace(posts[place], labels=labels)
        return scored, told

    def told_besides(self, told: Counter[str]) -> str:
        """Returns how many images were used, where no label is left."""
        return f" Images of all accounts: {as_words(told)}."
