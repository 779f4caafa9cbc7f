"""The user's own models on pictures and captions, run by ONNX Runtime: labels and dense vectors."""

import importlib
import json
import re
import string
from abc import abstractmethod
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final, Literal, Self

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator
from scipy.special import expit, softmax

from dataset_convert import schema
from dataset_convert.common.files import sha256_of
from dataset_convert.features.base import (
    AUDIENCE,
    Extractor,
    FilePath,
    Fitted,
    Options,
    Text,
    VectorSums,
    Whole,
    checked,
    one_line,
    written,
)
from dataset_convert.features.labels import (
    SCENE_PREFIX,
    LabelExtractor,
    LabelFit,
    LabelOptions,
    label_token,
    token_label,
)
from dataset_convert.features.parallel import THREADS
from dataset_convert.features.pictures import ImageOptions, Rows, opened_images, read_processor
from dataset_convert.features.text import ADDRESSES, MAX_CHARACTERS
from dataset_convert.name_checks import phrases
from dataset_convert.problems import ConversionError, TooLittleError
from dataset_convert.raw import Post, RawMaterial

TOKENIZER, PROCESSOR = "tokenizer.json", "preprocessor_config.json"
USED, NOT_FINITE, NO_WORDS = "used", "no finite numbers from the model", "no words"
NO_DIRECTION: Final = "a vector that is zero or not finite"
_TYPES: Final = {"float": np.float32, "float16": np.float16, "int64": np.int64, "int32": np.int32}
_INPUTS: Final = ("input_ids", "attention_mask", "token_type_ids")
# A key and its value in protocol buffers, as `TensorProto.external_data` of onnx.proto has them.
_LOCATION: Final = re.compile(rb"\x0a\x08location\x12([\x01-\x7f])")


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
    """The SHA-256 of the files of models, by their paths."""

    sha256: dict[str, str] = Field(default_factory=dict)


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
        for path, wanted in ({} if self._fitted is None else self.fitted.sha256).items():
            with one_line(Path(path), "the file that the data set was converted with"):
                if sha256_of(Path(path).expanduser()) != wanted:
                    raise ValueError("another file")
        return self.open_models()

    def prepare(self, material: RawMaterial, training: Collection[str]) -> Any:
        """Returns what the rest of it learns from, and which models there are."""
        fitted = super().prepare(material, training)
        fitted.sha256 = {written(path): sha256_of(path) for path in self.files()}
        names = {Path(path).name: one for path, one in fitted.sha256.items()}
        fitted.report["model_sha256"] = names
        return fitted

    def conclude(self, total: Any, training: Collection[str]) -> None:
        """Tells how many images or captions were used."""
        super().conclude(total, training)
        self.fitted.report[self.unit] = as_json(total.told)


def as_json(told: Counter[str]) -> dict[str, Any]:
    """Returns how many images or captions were used, and why others were not, most first."""
    skipped = {reason: n for reason, n in told.most_common() if reason != USED and n}
    return {"used": told[USED], "skipped": skipped}


def as_words(told: Counter[str]) -> str:
    """Returns `as_json` for a message."""
    counts = as_json(told)
    reasons = ", ".join(f"{n} {reason}" for reason, n in counts["skipped"].items())
    return f"{told[USED]} used, {told.total() - told[USED]} skipped ({reasons or 'no reason'})"


def need(module: str) -> Any:
    """Returns a library of the optional extra `models`.

    Raises:
        ConversionError: It is not installed; says how to install it.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ConversionError(
            f"The library '{module}', which models of one's own need, cannot be imported "
            f'({error}): pip install -e ".[models]".'
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
        cast = {one.name: feeds[one.name].astype(_dtype(one), copy=False) for one in self.inputs}
        with one_line(self.path, "numbers: try a smaller size or max_length"):
            return np.asarray(self.session.run([output], cast)[0], dtype=np.float32)

    def refuse(self, found: object, wanted: str) -> ConversionError:
        """Returns the error of a model that is not as it should be."""
        return ConversionError(f"{self.path}: found {found}; wanted {wanted}.")


def _dtype(port: Any) -> Any:
    return _TYPES.get(port.type.removeprefix("tensor(").rstrip(")"))


def _axes(port: Any) -> list[int | None]:
    # An axis of any length has a name, or nothing.
    return [n if isinstance(n, int) and n > 0 else None for n in port.shape or ()]


class ImageModel(Model):
    """An open model with one image input: (image, colour, height, width), or the colour last."""

    def __init__(self, path: Path, image: ImageOptions, options: ModelOptions) -> None:
        need("PIL.Image")
        super().__init__(path, options)
        shape = _axes(self.inputs[0])
        self.colours_last = len(shape) == 4 and shape[1] != 3 and shape[3] == 3
        places = (0, 3, 1, 2) if self.colours_last else range(4)
        batch, colours, *sides = [shape[i] for i in places] if len(shape) == 4 else [None, 0]
        is_image = _dtype(self.inputs[0]) in (np.float32, np.float16) and colours in (None, 3)
        if len(self.inputs) != 1 or not is_image:
            found = ", ".join(f"{one.name} {_axes(one)}" for one in self.inputs)
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
    takes = ImageLabelOptions
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

    def open_models(self) -> list[Classifier]:
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


class EmbeddingOptions(ModelOptions):
    """`model`: a folder with `model.onnx` or `onnx/model.onnx`, and what else the model needs."""

    model: FilePath


class EmbeddingFit(ModelFit):
    """And how long the vectors are."""

    n_dimensions: int = 0


class EmbeddingExtractor(RunsModels):
    """An account's mean of its posts' vectors, each divided by its length first.

    So every post counts alike, whatever length the model gives its vector; the mean is not
    divided by its length again. Nothing is learnt from the accounts: the model comes fitted.
    """

    learns = EmbeddingFit
    file = "embeddings.json"
    beside: ClassVar[str]
    """A file beside the model's."""

    @abstractmethod
    def vectors(self, posts: list[Post], told: Counter[str]) -> Iterator[tuple[Post, Rows]]:
        """Yields the posts that the model can use, with its vectors; counts why not the others."""

    def files(self) -> tuple[Path, ...]:
        """Returns the model's file, what stands beside it, and those of its weights."""
        folder = Path(self.options.model).expanduser()
        inner, beside = folder / "onnx/model.onnx", folder / self.beside
        model = inner if inner.is_file() else folder / "model.onnx"
        optional = () if beside.name == PROCESSOR and not beside.is_file() else (beside,)
        return (*model_files(model), *optional)

    def batch(self, posts: list[Post]) -> VectorSums:
        """Returns the sums of the posts' unit vectors."""
        sums = VectorSums(self.min_members)
        for post, vector in self.vectors(posts, sums.told):
            exact = vector.astype(np.float64)
            length = np.linalg.norm(exact)
            has_direction = bool(np.isfinite(length) and length)
            sums.told[USED if has_direction else NO_DIRECTION] += 1
            if has_direction:
                sums.saw(post.account, post.member)
                sums.put(post.account, exact / length)
        return sums

    def conclude(self, total: VectorSums, training: Collection[str]) -> None:
        """Notes how long the vectors are, and how many accounts have one."""
        found = self.values(total)
        known = [account for account in training if account in found]
        if not known:
            raise TooLittleError(
                f"{self.modality}: none of the {len(training)} training accounts has a vector. Of "
                f"the {self.unit}: {as_words(total.told)}. Lower min_members, or leave the "
                f"modality out of the configuration."
            )
        super().conclude(total, training)
        self.fitted.n_dimensions = len(found[known[0]])
        self.fitted.report |= {
            "min_members": self.min_members if self.of == AUDIENCE else None,
            "n_dimensions": self.fitted.n_dimensions,
            "training_accounts": len(training),
            "training_accounts_with_vectors": len(known),
        }

    def values(self, total: VectorSums) -> dict[str, Any]:
        """Returns account -> mean of its posts' unit vectors, float64, of a length up to 1.

        The less the posts agree, the shorter; of vectors that cancel out there is none.
        """
        sums = ((one, total.vectors[one]) for one in total.enough())
        return {account: sum_ / total.n_vectors[account] for account, sum_ in sums if sum_.any()}

    def dimensions(self) -> list[str]:
        """Returns numbers, since the places of such vectors mean nothing by themselves."""
        return [str(i) for i in range(self.fitted.n_dimensions)]


class ImageEmbeddingOptions(EmbeddingOptions, ImageOptions):
    """What of `ImageOptions` is given goes before what the folder says."""


class ImageEmbeddingExtractor(EmbeddingExtractor):
    """X^p and Y^p as dense vectors of a local image-embedding model, e.g. CLIP's image half.

    A departure from Wang et al. (2023), who use classes. Of the model's outputs, `image_embeds` is
    taken, or `pooler_output`, or the first one with two axes, or the first one. An output (image,
    place, number) gives its first place, the class token of vision transformers; an output (image,
    number, height, width) its mean over the area.
    """

    name = "image-embeddings"
    takes = ImageEmbeddingOptions
    modalities = schema.VISUAL_MODALITIES
    beside = PROCESSOR
    reads_images = True

    def open_models(self) -> ImageModel:
        """Returns the model."""
        model, beside = self.files()[0], self.files()[-1]
        told = read_processor(beside) if beside.name == PROCESSOR else {}
        given = self.options.model_dump(include=set(ImageOptions.model_fields), exclude_unset=True)
        image = checked(ImageOptions, told | given, f"{self.modality}: {beside}")
        return ImageModel(model, image, self.options)

    def vectors(self, posts: list[Post], told: Counter[str]) -> Iterator[tuple[Post, Rows]]:
        """Yields the posts with an image that can be used, with the model's vectors."""
        model: ImageModel = self.opened
        names = [one.name for one in model.outputs]
        named = [name for name in ("image_embeds", "pooler_output") if name in names]
        flat = [one.name for one in model.outputs if len(_axes(one)) == 2]
        output = [*named, *flat, *names][0]
        for place, image in opened_images(posts, told):
            row = model.row(model.image.prepared(image), output)
            row = row[0] if row.ndim == 2 else row.mean(axis=(1, 2)) if row.ndim == 3 else row
            if row.ndim != 1:
                raise model.refuse(f"an output of shape {list(row.shape)}", "a vector an image")
            yield posts[place], row


class SentenceEmbeddingOptions(EmbeddingOptions):
    """`max_length`: tokens of a caption that are read."""

    max_length: Annotated[Whole, Field(le=10**6)] = 128


class SentenceEmbeddingExtractor(EmbeddingExtractor):
    """X^t and Y^t as dense vectors of a local sentence-embedding model.

    A departure from Wang et al. (2023), who use topics. A caption's vector is the model's output
    `sentence_embedding`, or the mean of its tokens' vectors, or its only output (sentence, number).
    """

    name = "sentence-embeddings"
    takes = SentenceEmbeddingOptions
    modalities = schema.TOPIC_MODALITIES
    unit, beside = "captions", TOKENIZER

    def open_models(self) -> tuple[Model, Any]:
        """Returns the model and its tokenizer."""
        files, library = self.files(), need("tokenizers")
        wanted = "the file of a tokenizer, and a max_length that leaves room for special tokens"
        with one_line(files[-1], wanted):
            tokenizer = library.Tokenizer.from_file(str(files[-1]))
            tokenizer.enable_truncation(self.options.max_length)
            tokenizer.no_padding()
        model = Model(files[0], self.options)
        names = [one.name for one in model.inputs]
        whole = all(_dtype(one) in (np.int64, np.int32) for one in model.inputs)
        if _INPUTS[0] not in names or not set(names) <= set(_INPUTS) or not whole:
            wanted = "{} and at most {} and {} beside it, all whole numbers".format(*_INPUTS)
            raise model.refuse(f"the inputs {', '.join(names)}", wanted)
        return model, tokenizer

    def vectors(self, posts: list[Post], told: Counter[str]) -> Iterator[tuple[Post, Rows]]:
        """Yields the posts whose captions have words, with the model's vectors."""
        model, tokenizer = self.opened
        # What some models call pooled is a classifier's input: vectors of tokens go before it.
        names = [one.name for one in model.outputs]
        own = [name for name in names if name == "sentence_embedding"]
        of_tokens = [one.name for one in model.outputs if len(_axes(one)) == 3]
        for post in posts:
            text = sentence(post.text)
            tokens = tokenizer.encode(text) if text else None
            if tokens is None or not tokens.ids:
                told[NO_WORDS] += 1
                continue
            numbers = tokens.ids, tokens.attention_mask, tokens.type_ids
            feeds = {name: np.array([one]) for name, one in zip(_INPUTS, numbers, strict=True)}
            rows = model.run(feeds, [*own, *of_tokens, *names][0])
            if rows.shape[:2] == (1, len(tokens.ids)) and rows.ndim == 3:
                rows = rows.mean(axis=1)
            if rows.ndim != 2 or len(rows) != 1:
                found = f"an output of shape {list(rows.shape)} for a sentence of {len(tokens.ids)}"
                raise model.refuse(f"{found} tokens", "a vector a sentence or a vector a token")
            yield post, rows[0]


def sentence(caption: str) -> str:
    """Returns a caption as a sentence model should read it; "" where there are no words in it.

    Addresses of the web, e-mail addresses and mentions are left out, the signs of hashtags taken
    off their words; letter case, emoji and punctuation stay. What follows `MAX_CHARACTERS` is not
    read.
    """
    words = ADDRESSES.sub(" ", caption[:MAX_CHARACTERS]).replace("#", " ").split()
    # Halves of characters, which no tokenizer takes, become question marks.
    text = " ".join(words).encode("utf-8", errors="replace").decode("utf-8")
    return text if text.strip(string.punctuation + string.whitespace) else ""
