"""The user's own models, run by ONNX Runtime: opened, given pictures, asked for labels."""

import importlib
import json
import os
import re
from abc import abstractmethod
from collections import Counter
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, Literal, Self

import numpy as np
import numpy.typing as npt
from pydantic import Field
from scipy.special import expit, softmax

from dataset_convert.common.files import sha256_of
from dataset_convert.features.base import (
    Extractor,
    FilePath,
    Fitted,
    Number,
    Options,
    Text,
    Whole,
    one_line,
    that,
)
from dataset_convert.features.labels import SCENE_PREFIX
from dataset_convert.features.parallel import THREADS
from dataset_convert.problems import ConversionError
from dataset_convert.raw import RawMaterial

if TYPE_CHECKING:
    from PIL.Image import Image

USED: Final = "used"
MAX_SIDE: Final = 1024
RESAMPLES: Final = ("nearest", "lanczos", "bilinear", "bicubic", "box", "hamming")
"""By Pillow's numbers, which image processors of Hugging Face write."""
_TYPES: Final = {"float": np.float32, "float16": np.float16, "int64": np.int64, "int32": np.int32}
# A key and its value in protocol buffers, as `TensorProto.external_data` of onnx.proto has them.
_LOCATION: Final = re.compile(rb"\x0a\x08location\x12([\x01-\x7f])")

Rows = npt.NDArray[np.float32]


class ModelOptions(Options):
    """How models are run.

    Attributes:
        min_members: Fewest members of an audience that must have given something that counts.
        providers: ONNX Runtime's names of what to run on, in order of preference; those that the
            installed release does not offer are passed over.
    """

    min_members: Whole = 5
    providers: Annotated[tuple[Text, ...], Field(min_length=1)] = ("CPUExecutionProvider",)


class ModelFit(Fitted):
    """The SHA-256 of the files of models, wherever these are."""

    sha256: list[str] = Field(default_factory=list)


class RunsModels(Extractor):
    """What extractors with models of the user's have in common.

    A model sees one post at a time, so that nothing hangs on what stands beside it, and as many
    threads use it as `n_jobs` says.
    """

    runs_in = THREADS
    unit: ClassVar[str] = "images"

    @property
    def block_posts(self) -> int:
        """Posts of a batch, of which a model is given one at a time."""
        return 64

    @abstractmethod
    def open_models(self) -> Any:
        """Returns the models."""

    def check_models(self) -> Any:
        """Returns the models, opened, whose files are those of the fit."""
        digests = [] if self._fitted is None else self.fitted.sha256
        for path, wanted in zip(self.files() if digests else (), digests, strict=False):
            with one_line(path, "the file that the data set was converted with"):
                if sha256_of(path) != wanted:
                    raise ValueError("another file")
        return self.open_models()

    def prepare(self, material: RawMaterial, training: Collection[str]) -> Any:
        """Returns what the rest of it learns from, and which models there are."""
        fitted = super().prepare(material, training)
        fitted.sha256 = [sha256_of(path) for path in self.files()]
        names = [path.name for path in self.files()]
        fitted.report["model_sha256"] = dict(zip(names, fitted.sha256, strict=True))
        return fitted

    def conclude(self, total: Any, training: Collection[str]) -> None:
        """Tells how many images or captions were used."""
        super().conclude(total, training)
        self.fitted.report[self.unit] = as_json(total.told)


def as_json(told: Counter[str]) -> dict[str, Any]:
    """Returns how many images or captions were used, and why others were not, most first."""
    most_first = sorted(told.items(), key=lambda one: (-one[1], one[0]))
    skipped = {reason: n for reason, n in most_first if reason != USED and n}
    return {"used": told[USED], "skipped": skipped}


def as_words(told: Counter[str]) -> str:
    """Returns `as_json` for a message."""
    counts = as_json(told)
    reasons = ", ".join(f"{n} {reason}" for reason, n in counts["skipped"].items())
    return f"{told[USED]} used, {told.total() - told[USED]} skipped ({reasons or 'no reason'})"


def need(module: str, extra: str = "models") -> Any:
    """Returns a library of an optional extra.

    Raises:
        ConversionError: It is not installed; says how to install it.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ConversionError(
            f"The library '{module}', which this model needs, cannot be imported "
            f'({error}): pip install -e ".[{extra}]".'
        ) from None


def model_files(path: Path) -> tuple[Path, ...]:
    """Returns a model's file, and those of its weights where it says that it keeps them apart."""
    content = path.read_bytes() if path.is_file() else b""
    ends = [(match.end(), match[1][0]) for match in _LOCATION.finditer(content)]
    names = {content[end : end + length].decode(errors="replace") for end, length in ends}
    return path, *(path.parent / name for name in sorted(names) if "\0" not in name)


class Model:
    """An open `.onnx` file. Nothing is downloaded, and no code of a model's file runs.

    Raises:
        ConversionError: ONNX Runtime is not installed, the file is missing or no model, or none of
            the providers is offered.
    """

    def __init__(self, path: Path, options: ModelOptions) -> None:
        # Else it writes a number of this machine to the user's home, and sends it away.
        os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
        runtime = need("onnxruntime")
        offered = runtime.get_available_providers()
        chosen = [name for name in options.providers if name in offered]
        self.path = path
        if not chosen:
            raise self.refuse(
                f"none of the providers {', '.join(options.providers)}", f"some of {offered}"
            )
        settings = runtime.SessionOptions()
        # One thread a batch: its numbers do not hang on how many there are.
        settings.intra_op_num_threads = settings.inter_op_num_threads = 1
        settings.log_severity_level = 3
        with one_line(path, "an ONNX model"):
            self.session = runtime.InferenceSession(str(path), settings, providers=chosen)
        self.inputs, self.outputs = self.session.get_inputs(), self.session.get_outputs()

    def run(self, feeds: Mapping[str, npt.NDArray[Any]], output: str) -> Rows:
        """Returns one output, an array of numbers."""
        cast = {one.name: feeds[one.name].astype(dtype_of(one), copy=False) for one in self.inputs}
        with one_line(self.path, "numbers: try a smaller size or max_length"):
            return np.asarray(self.session.run([output], cast)[0], dtype=np.float32)

    def refuse(self, found: object, wanted: str) -> ConversionError:
        """Returns the error of a model that is not as it should be."""
        return ConversionError(f"{self.path}: found {found}; wanted {wanted}.")


def dtype_of(port: Any) -> Any:
    """Returns the numpy type of an input; None for one that no numbers are."""
    return _TYPES.get(port.type.removeprefix("tensor(").rstrip(")"))


def axes_of(port: Any) -> list[int | None]:
    """Returns the lengths of an input's or output's axes; None for any length."""
    return [n if isinstance(n, int) and n > 0 else None for n in port.shape or ()]


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
        if crop != (height or crop[0], width or crop[1]):
            raise ValueError(
                f"a 'size' and 'crop' that give {crop[0]} x {crop[1]} pixels (height x width), but "
                f"the model takes {height or 'any'} x {width or 'any'}"
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


class ImageModel(Model):
    """An open model with one image input: (image, colour, height, width), or the colour last."""

    def __init__(self, path: Path, image: ImageOptions, options: ModelOptions) -> None:
        need("PIL.Image")
        super().__init__(path, options)
        shape = axes_of(self.inputs[0])
        self.colours_last = len(shape) == 4 and shape[1] != 3 and shape[3] == 3
        places = (0, 3, 1, 2) if self.colours_last else range(4)
        batch, colours, *sides = [shape[i] for i in places] if len(shape) == 4 else [None, 0]
        is_image = dtype_of(self.inputs[0]) in (np.float32, np.float16) and colours in (None, 3)
        if len(self.inputs) != 1 or not is_image:
            found = ", ".join(f"{one.name} {axes_of(one)}" for one in self.inputs)
            wanted = "one input of floating-point numbers: image, 3 colours, height, width, or the "
            raise self.refuse(f"the inputs {found}", f"{wanted}colours last")
        self.n_images = batch or 1  # some take no other number: they get the image several times
        with one_line(path, "options of images that go together"):
            self.image = image.fitting(*sides)

    def row(self, prepared: Rows, output: str) -> Rows:
        """Returns an output for an image as `image.prepared` makes it, without the images' axis."""
        array = prepared.transpose(1, 2, 0) if self.colours_last else prepared
        rows = self.run({self.inputs[0].name: np.stack([array] * self.n_images)}, output)
        if rows.shape[:1] != (self.n_images,):
            shape = f"an output of shape {list(rows.shape)} for {self.n_images} images"
            raise self.refuse(shape, "one row an image")
        return np.asarray(rows[0])


class ClassifierOptions(ImageOptions):
    """Which files make a classifier, and how they are used.

    Attributes:
        model: A `.onnx` file, whose first output is used.
        labels: Its labels; see `read_labels`.
        activation: What turns the output into probabilities: softmax (one label an image), sigmoid
            (any number of labels), or none where it gives probabilities itself.
    """

    model: FilePath
    labels: FilePath
    activation: Literal["softmax", "sigmoid", "none"] = "softmax"


class Classifier(ImageModel):
    """An open classifier with its labels and the lowest probability that counts."""

    def __init__(self, given: ClassifierOptions, prefix: str, threshold: float, options: Any):
        self.labels = [f"{prefix}{label}" for label in read_labels(Path(given.labels).expanduser())]
        self.activation, self.threshold = given.activation, threshold
        super().__init__(Path(given.model).expanduser(), given, options)
        # Tried before anything is read for long; several logits do not sum to 1 by chance.
        noise = np.random.default_rng(0).standard_normal((3, 3, *self.image.crop))
        rows = np.array([self.row(one, self.outputs[0].name).ravel() for one in noise])
        if rows.shape[1] != len(self.labels):
            wanted = f"{len(self.labels)}, one for each label of {given.labels}"
            raise self.refuse(f"{rows.shape[1]} outputs", wanted)
        are_shares = rows.min() >= 0 and (np.abs(rows.sum(axis=1) - 1) < 1e-3).all()
        if self.activation == "softmax" and are_shares and len(self.labels) > 1:
            told = "outputs that sum to 1 already, so they are probabilities"
            raise self.refuse(told, "what a softmax is to be taken of. Set activation to none")

    def scores(self, image: Rows) -> dict[str, float] | None:
        """Returns label -> probability from the threshold on; None without finite numbers."""
        found = self.row(image, self.outputs[0].name).ravel().astype(np.float64)
        if not np.isfinite(found).all():
            return None
        if self.activation == "none":
            # Numbers of a model's own softmax in half precision may miss their range.
            if found.min() < -1e-3 or found.max() > 1 + 1e-3:
                told = f"outputs from {found.min():g} to {found.max():g}"
                raise self.refuse(told, "0 to 1. Set activation to softmax or sigmoid")
            found = found.clip(0, 1)
        else:
            found = softmax(found) if self.activation == "softmax" else expit(found)
        kept = np.flatnonzero(found >= self.threshold)
        return {self.labels[i]: float(found[i]) for i in kept}


def read_labels(path: Path) -> list[str]:
    """Returns a label for each output of a model, in the order of the outputs.

    A name that stands more than once, as some of ImageNet's do, gets the number of its output
    (from 0) behind it, so that no two outputs are one label. Spaces within a name become `-`.

    Args:
        path: UTF-8. Text: line i is the label of output i, empty lines at the end aside. JSON (by
            the suffix `.json`): a list of labels, or an object index -> label, also within the key
            `id2label`.

    Raises:
        ConversionError: The file cannot be read, or lacks a label.
    """
    wanted = "one label a line, or JSON: a list of labels, or index -> label; distinct texts, "
    with one_line(path, f"{wanted}without '{SCENE_PREFIX}'"):
        text = path.read_text(encoding="utf-8-sig")
        names: Any = json.loads(text) if path.suffix == ".json" else text.rstrip().split("\n")
        names = names.get("id2label", names) if isinstance(names, dict) else names
        if isinstance(names, dict):  # a missing index becomes a missing label
            names = [names.get(str(i), "") for i in range(len(names))]
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise ValueError("what is no list of texts")
        labels = ["-".join(name.split()) for name in names]
        counts = Counter(labels)
        labels = [f"{one}-{i}" if one and counts[one] > 1 else one for i, one in enumerate(labels)]
        for label, n in Counter(labels).items():
            if not label:
                raise ValueError(f"no label for output {labels.index(label)} (counted from 0)")
            if n > 1 or label.startswith(SCENE_PREFIX):
                raise ValueError(f"the label '{label}'" + " twice" * (n > 1))
    return labels


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
