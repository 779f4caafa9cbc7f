"""The user's own models on pictures and captions, run by ONNX Runtime: labels and dense vectors."""

import importlib
import json
import re
import string
from abc import abstractmethod
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
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
from dataset_convert.features.means import MeanVectors, Vector
from dataset_convert.features.pictures import (
    ImageOptions,
    Rows,
    UseCounts,
    opened_images,
    read_processor,
)
from dataset_convert.features.text import MAX_CHARACTERS
from dataset_convert.name_checks import phrases
from dataset_convert.problems import ConversionError, TooLittleError
from dataset_convert.raw import Post, RawMaterial

TOKENIZER, PROCESSOR = "tokenizer.json", "preprocessor_config.json"
NOT_FINITE, NO_WORDS = "no finite numbers from the model", "no words"
NO_DIRECTION: Final = "a vector that is zero or not finite"
_TYPES: Final = {"float": np.float32, "float16": np.float16, "int64": np.int64, "int32": np.int32}
_IDS, _MASK, _KINDS = _INPUTS = ("input_ids", "attention_mask", "token_type_ids")
# A key and its value in protocol buffers, as `TensorProto.external_data` of onnx.proto has them.
_LOCATION: Final = re.compile(rb"\x0a\x08location\x12([\x01-\x7f])")


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


class ModelOptions(Options):
    """How models are run.

    Attributes:
        min_members: Fewest members of an audience that must have given something that counts.
        batch_size: Posts that a model is given at a time, where it takes any number.
        providers: ONNX Runtime's names of what to run on, in order of preference; those that the
            installed release does not offer are passed over.
    """

    min_members: Whole = 5
    batch_size: Annotated[Whole, Field(le=10**6)] = 32
    providers: Annotated[tuple[Text, ...], Field(min_length=1)] = ("CPUExecutionProvider",)


class Model:
    """An open `.onnx` file. Nothing is downloaded, and no code of a model's file runs.

    Raises:
        ConversionError: ONNX Runtime is not installed, the file is missing or no model, or none of
            the providers is offered.
    """

    def __init__(self, path: Path, options: ModelOptions, n_jobs: int) -> None:
        runtime = need("onnxruntime")
        offered = runtime.get_available_providers()
        chosen = [name for name in options.providers if name in offered]
        if not chosen:
            raise ConversionError(
                f"providers: found none of {', '.join(options.providers)} in the installed ONNX "
                f"Runtime; wanted some of {', '.join(offered)}."
            )
        settings = runtime.SessionOptions()
        settings.intra_op_num_threads, settings.inter_op_num_threads = n_jobs, 1
        settings.use_deterministic_compute = True
        settings.log_severity_level = 3
        # Threads that wait would keep the cores from those that open images.
        settings.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self.path, self.batch_size = path, options.batch_size
        with one_line(path, "an ONNX model"):
            self.session = runtime.InferenceSession(str(path), settings, providers=chosen)
        self.inputs, self.outputs = self.session.get_inputs(), self.session.get_outputs()

    def run(self, feeds: Mapping[str, npt.NDArray[Any]], output: str) -> Rows:
        """Returns one output, an array of numbers, for one batch."""
        cast = {one.name: feeds[one.name].astype(_dtype(one), copy=False) for one in self.inputs}
        with one_line(self.path, "numbers for a batch: try a smaller batch_size or max_length"):
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

    def __init__(self, path: Path, image: ImageOptions, options: ModelOptions, n_jobs: int) -> None:
        need("PIL.Image")
        super().__init__(path, options, n_jobs)
        shape = _axes(self.inputs[0]) if len(self.inputs) == 1 else []
        if len(shape) != 4 or _dtype(self.inputs[0]) not in (np.float32, np.float16):
            found = ", ".join(f"{one.name} {_axes(one)}" for one in self.inputs)
            wanted = "one input of floating-point numbers: image, colour, height, width, or the "
            raise self.refuse(f"the inputs {found}", f"{wanted}colour last")
        self.colours_last = shape[1] != 3 and shape[3] == 3
        batch, *sides = shape
        if sides.pop(2 if self.colours_last else 0) not in (None, 3):
            raise self.refuse(f"the input shape {shape}", "3 colours in its second or last place")
        self.batch_size = batch or options.batch_size
        with one_line(path, "options of images that go together"):
            self.image = image.fitting(*sides)
        told = self.image.model_dump(include=set(ImageOptions.model_fields))
        self.key = repr((told, self.colours_last))
        """Of models that want the same of an image."""

    def prepare(self, image: Any) -> Rows:
        """Returns an image as the model wants it, without the axis of the batch."""
        array = self.image.prepared(image)
        return array.transpose(1, 2, 0) if self.colours_last else array

    def rows(self, prepared: Sequence[Rows], output: str) -> Rows:
        """Returns an output for any number of images, one row an image.

        The last batch is filled up, so that the model sees one shape only: some take no other, and
        the same images in the same order give the same numbers.
        """
        found = []
        for start in range(0, len(prepared), self.batch_size):
            batch = list(prepared[start : start + self.batch_size])
            filled = np.stack(batch + [batch[0]] * (self.batch_size - len(batch)))
            rows = self.run({self.inputs[0].name: filled}, output)
            if rows.shape[:1] != (self.batch_size,):
                shape = f"an output of shape {list(rows.shape)} for {self.batch_size} images"
                raise self.refuse(shape, "one row an image")
            found.append(rows[: len(batch)])
        return np.concatenate(found)


class ModelFit(Fitted):
    """The SHA-256 of the files of models, by their paths."""

    sha256: dict[str, str] = Field(default_factory=dict)

    def refuse_changed(self) -> None:
        """Checks that the files are those of the fit.

        Raises:
            ConversionError: One is missing or another one.
        """
        for path, wanted in self.sha256.items():
            with one_line(Path(path), "the file that the data set was converted with"):
                if sha256_of(Path(path).expanduser()) != wanted:
                    raise ValueError("another file")


def model_files(path: Path) -> tuple[Path, ...]:
    """Returns a model's file, and those of its weights where it says that it keeps them apart."""
    content = path.read_bytes() if path.is_file() else b""
    ends = [(match.end(), match[1][0]) for match in _LOCATION.finditer(content)]
    names = {content[end : end + length].decode(errors="replace") for end, length in ends}
    return path, *(path.parent / name for name in sorted(names) if "\0" not in name)


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

    def __init__(
        self, given: ClassifierOptions, prefix: str, threshold: float, options: Any, n_jobs: int
    ) -> None:
        self.labels = [f"{prefix}{label}" for label in read_labels(Path(given.labels).expanduser())]
        self.given, self.threshold = given, threshold
        super().__init__(Path(given.model).expanduser(), given, options, n_jobs)
        self._check_number(_axes(self.outputs[0])[1:])

    def _check_number(self, shape: Sequence[int | None]) -> None:
        if len(shape) == 1 and shape[0] not in (None, len(self.labels)):
            wanted = f"{len(self.labels)}, one for each label of {self.given.labels}"
            raise self.refuse(f"{shape[0]} outputs", wanted)

    def probabilities(self, prepared: Sequence[Rows]) -> Vector:
        """Returns (image, label) in [0, 1]; a row of NaN where the model gave no finite numbers."""
        rows = self.rows(prepared, self.outputs[0].name)
        found = rows.reshape(len(rows), -1).astype(np.float64)
        self._check_number(found.shape[1:])
        found[~np.isfinite(found).all(axis=1)] = np.nan
        finite = found[~np.isnan(found[:, 0])]
        # Numbers of a model's own softmax in half precision may miss their range.
        in_range = ((finite >= -1e-3) & (finite <= 1 + 1e-3)).all()
        if self.given.activation == "none":
            if not in_range:
                numbers = f"outputs from {finite.min():g} to {finite.max():g}"
                raise self.refuse(numbers, "0 to 1. Set activation to softmax or sigmoid")
            return found.clip(0, 1)
        if self.given.activation == "sigmoid":
            return np.asarray(expit(found))
        # Logits whose every row does this by chance do not occur.
        sums_to_one = (np.abs(finite.sum(axis=1) - 1) < 1e-3).all()
        if in_range and sums_to_one and found.shape[1] > 1 and finite.size:
            said = "outputs that sum to 1 already, so they are probabilities"
            raise self.refuse(said, "what a softmax is to be taken of. Set activation to none")
        return np.asarray(softmax(found, axis=1))


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
        if "" in labels or not labels:
            number = len(labels) and labels.index("")
            raise ValueError(f"no label for output {number} (counted from 0)")
        counts = Counter(labels)
        labels = [f"{one}-{i}" if counts[one] > 1 else one for i, one in enumerate(labels)]
        for label, n in Counter(labels).items():
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


class ImageLabelExtractor(LabelExtractor):
    """X^p and Y^p of Wang et al. (2023) by classifiers of the user's own.

    Every image becomes the labels of its post with their scores, of which those that reach their
    threshold count, and these become an account's weights as in `LabelExtractor`. Where a post has
    an image that can be used, its scores take the place of the labels that the post came with;
    other posts keep theirs, names aside. The labels of the classifiers stay, whoever bears one as a
    name: they say nothing of who the accounts are.

    Departure: the paper's classifiers (a ResNet, UPerNet) are not part of this; any that tell
    objects or scenes apart can be used.
    """

    takes = ImageLabelOptions
    learns = ImageLabelFit
    runs_models = reads_images = True
    use = UseCounts()

    def _classifiers(self) -> dict[str, tuple[ClassifierOptions, str, float]]:
        one = self.options
        found = {
            "objects": (one.objects, "", one.object_threshold),
            "scenes": (one.scenes, SCENE_PREFIX, one.scene_threshold),
        }
        return {block: entry for block, entry in found.items() if entry[0] is not None}

    def files(self) -> tuple[Path, ...]:
        """Returns the models and their label files, whether they are there or not."""
        given = [one for one, *_ in self._classifiers().values()]
        paths = [(Path(one.model).expanduser(), Path(one.labels).expanduser()) for one in given]
        return tuple(path for model, labels in paths for path in (*model_files(model), labels))

    def check_models(self) -> list[Classifier]:
        """Returns the classifiers, opened."""
        if self._fitted is not None:
            self._fitted.refuse_changed()
        return [
            Classifier(*entry, self.options, self.n_jobs) for entry in self._classifiers().values()
        ]

    def own_labels(self) -> frozenset[str]:
        """Returns the labels of the classifiers."""
        return frozenset(
            f"{prefix}{label}"
            for given, prefix, _ in self._classifiers().values()
            for label in read_labels(Path(given.labels).expanduser())
        )

    def own_words(self) -> frozenset[str]:
        """Returns the labels of the classifiers, and their words, whoever bears one as a name."""
        labels = map(token_label, self.fitted.own_labels)
        return frozenset(found for label in labels for found in phrases(label))

    def fit(self, material: RawMaterial, training: Collection[str]) -> None:
        """Learns which labels there are: those that a training account shows."""
        self._fitted = None
        try:
            super().fit(material, training)
        except TooLittleError as error:
            raise TooLittleError(f"{error} Images of all accounts: {self.use}.") from None
        fitted = self.fitted
        fitted.own_labels = sorted(map(label_token, self.own_labels()))
        fitted.sha256 = {written(path): sha256_of(path) for path in self.files()}
        models = {
            block: {
                "model": Path(given.model).name,
                "labels": Path(given.labels).name,
                "activation": given.activation,
                "sha256": fitted.sha256[written(Path(given.model).expanduser())],
            }
            for block, (given, *_) in self._classifiers().items()
        }
        fitted.report |= {"images": self.use.as_json(), "models": models}

    def scored(self, posts: Iterable[Post]) -> Iterator[Post]:
        """Yields posts in their order, with the scores of their images as labels.

        As the labels of a table, written with all their digits, they give what the images give.
        """
        self.use = UseCounts()  # of one pass: a second one would count every image again
        classifiers = self.check_models()
        # Two models often want the same of an image, which takes longer than to open it.
        distinct = {one.key: one for one in classifiers}
        blocks = opened_images(
            posts,
            lambda image: {key: one.prepare(image) for key, one in distinct.items()},
            block_images=self.options.batch_size,
            n_jobs=self.n_jobs,
            counts=self.use,
        )
        for block in blocks:
            made = [one for _, one in block if one is not None]
            scores = iter(_scores(made, classifiers) if made else ())
            for post, one in block:
                found = None if one is None else next(scores)
                self.use.used += found is not None
                self.use.skipped.update([NOT_FINITE] if one is not None and found is None else [])
                yield post if found is None else replace(post, labels=found)


def _scores(
    images: Sequence[Mapping[str, Rows]], classifiers: Sequence[Classifier]
) -> list[dict[str, float] | None]:
    """Returns label -> score of each image; None where a model gave no finite numbers."""
    rows = [one.probabilities([image[one.key] for image in images]) for one in classifiers]
    return [
        None
        if any(np.isnan(row).any() for row in of_image)
        else {
            # What lies below the threshold counts nowhere, and would be most of it.
            one.labels[column]: float(row[column])
            for one, row in zip(classifiers, of_image, strict=True)
            for column in np.flatnonzero(row >= one.threshold)
        }
        for of_image in zip(*rows, strict=True)
    ]


class EmbeddingOptions(ModelOptions):
    """`model`: a folder with `model.onnx` or `onnx/model.onnx`, and what else the model needs."""

    model: FilePath


class EmbeddingFit(ModelFit):
    """And how long the vectors are."""

    n_dimensions: Annotated[int, Field(ge=1)]


class EmbeddingExtractor(Extractor):
    """An account's mean of its posts' vectors, each divided by its length first.

    So every post counts alike, whatever length the model gives its vector; the mean is not
    divided by its length again. Nothing is learnt from the accounts: the model comes fitted. Each
    post is looked at once for fit and transform together.
    """

    learns = EmbeddingFit
    file = "embeddings.json"
    runs_models = True
    unit: ClassVar[str]
    beside: ClassVar[str]
    """A file beside the model's."""

    @abstractmethod
    def vectors(self, posts: Iterable[Post], use: UseCounts) -> Iterator[tuple[Post, Rows]]:
        """Yields the posts that the model can use, with its vectors."""

    def files(self) -> tuple[Path, ...]:
        """Returns the model's file, what stands beside it, and those of its weights."""
        folder = Path(self.options.model).expanduser()
        inner, beside = folder / "onnx/model.onnx", folder / self.beside
        model = inner if inner.is_file() else folder / "model.onnx"
        optional = () if beside.name == PROCESSOR and not beside.is_file() else (beside,)
        return (*model_files(model), *optional)

    def fit(self, material: RawMaterial, training: Collection[str]) -> None:
        """Learns how long the vectors are, and how many accounts have one."""
        use = UseCounts()
        means = self._means(material, use)
        known = [account for account in dict.fromkeys(training) if account in means]
        if not known:
            raise TooLittleError(
                f"{self.modality}: none of the {len(training)} training accounts has a vector. Of "
                f"the {self.unit}: {use}. Lower min_members, or leave the modality out of the "
                f"configuration."
            )
        sha256 = {written(path): sha256_of(path) for path in self.files()}
        n_dimensions = len(means[known[0]])
        report = {
            "of": self.of,
            "min_members": self.min_members if self.of == AUDIENCE else None,
            "n_dimensions": n_dimensions,
            "training_accounts": len(set(training)),
            "training_accounts_with_vectors": len(known),
            self.unit: use.as_json(),
            "model_sha256": {Path(path).name: found for path, found in sha256.items()},
        }
        self._fitted = EmbeddingFit(sha256=sha256, n_dimensions=n_dimensions, report=report)
        self.keep(material, means)

    def transform(self, material: RawMaterial) -> dict[str, Any]:
        """Returns account -> mean of its posts' unit vectors, float64."""
        self.fitted.refuse_changed()
        kept = self.kept(material)
        return dict(self._means(material, UseCounts()) if kept is None else kept)

    def dimensions(self) -> list[str]:
        """Returns numbers, since the places of such vectors mean nothing by themselves."""
        return [str(i) for i in range(self.fitted.n_dimensions)]

    def _means(self, material: RawMaterial, use: UseCounts) -> dict[str, Vector]:
        means = MeanVectors(self.min_members)
        for post, vector in self.vectors(self.stream(material), use):
            has_direction = means.add(post.account, post.member, vector)
            use.used += has_direction
            use.skipped.update([] if has_direction else [NO_DIRECTION])
        return means.means()


class ImageEmbeddingOptions(EmbeddingOptions, ImageOptions):
    """What of `ImageOptions` is given goes before what the folder says."""


class ImageEmbeddingExtractor(EmbeddingExtractor):
    """X^p and Y^p as dense vectors of a local image-embedding model, e.g. CLIP's image half.

    A departure from Wang et al. (2023), who use classes. Of the model's outputs, `image_embeds` is
    taken, or `pooler_output`, or the first one with two axes, or the first one. An output (image,
    place, number) gives its first place, the class token of vision transformers; an output (image,
    number, height, width) its mean over the area.
    """

    takes = ImageEmbeddingOptions
    modalities = schema.VISUAL_MODALITIES
    unit, beside = "images", PROCESSOR
    reads_images, reads_text = True, False

    def check_models(self) -> ImageModel:
        """Returns the model, opened."""
        model, beside = self.files()[0], self.files()[-1]
        told = read_processor(beside) if beside.name == PROCESSOR else {}
        given = self.options.model_dump(include=set(ImageOptions.model_fields), exclude_unset=True)
        image = checked(ImageOptions, told | given, f"{self.modality}: {beside}")
        return ImageModel(model, image, self.options, self.n_jobs)

    def vectors(self, posts: Iterable[Post], use: UseCounts) -> Iterator[tuple[Post, Rows]]:
        """Yields the posts with an image that can be used, with the model's vectors."""
        model, size = self.check_models(), self.options.batch_size
        names = [one.name for one in model.outputs]
        named = [name for name in ("image_embeds", "pooler_output") if name in names]
        flat = [one.name for one in model.outputs if len(_axes(one)) == 2]
        blocks = opened_images(
            posts, model.prepare, block_images=size, n_jobs=self.n_jobs, counts=use
        )
        for block in blocks:
            usable = [(post, made) for post, made in block if made is not None]
            if usable:
                rows = model.rows([made for _, made in usable], [*named, *flat, *names][0])
                rows = rows[:, 0] if rows.ndim == 3 else rows
                rows = rows.mean(axis=(2, 3)) if rows.ndim == 4 else rows
                if rows.ndim != 2:
                    shape = f"an output of shape {list(rows.shape)}"
                    raise model.refuse(shape, "a vector for each image")
                yield from ((post, row) for (post, _), row in zip(usable, rows, strict=True))


class SentenceEmbeddingOptions(EmbeddingOptions):
    """`max_length`: tokens of a caption that are read."""

    max_length: Annotated[Whole, Field(le=10**6)] = 128


class SentenceEmbeddingExtractor(EmbeddingExtractor):
    """X^t and Y^t as dense vectors of a local sentence-embedding model.

    A departure from Wang et al. (2023), who use topics. A caption's vector is the model's output
    `sentence_embedding`, or the mean of its tokens' vectors, or its only output (sentence, number).
    """

    takes = SentenceEmbeddingOptions
    modalities = schema.TOPIC_MODALITIES
    unit, beside = "captions", TOKENIZER

    def check_models(self) -> tuple[Model, Any]:
        """Returns the model and its tokenizer, opened."""
        files, library = self.files(), need("tokenizers")
        wanted = "the file of a tokenizer, and a max_length that leaves room for special tokens"
        with one_line(files[-1], wanted):
            tokenizer = library.Tokenizer.from_file(str(files[-1]))
            tokenizer.enable_truncation(self.options.max_length)
            tokenizer.enable_padding(pad_id=(tokenizer.padding or {}).get("pad_id", 0))
        model = Model(files[0], self.options, self.n_jobs)
        names = [one.name for one in model.inputs]
        whole = all(_dtype(one) in (np.int64, np.int32) for one in model.inputs)
        if _IDS not in names or not set(names) <= set(_INPUTS) or not whole:
            wanted = f"{_IDS} and at most {_MASK} and {_KINDS} beside it, all whole numbers"
            raise model.refuse(f"the inputs {', '.join(names)}", wanted)
        return model, tokenizer

    def vectors(self, posts: Iterable[Post], use: UseCounts) -> Iterator[tuple[Post, Rows]]:
        """Yields the posts whose captions have words, with the model's vectors."""
        model, tokenizer = self.check_models()
        size, stream = self.options.batch_size, iter(posts)
        # Captions of several batches are sorted by length together, so that little is filled up.
        while block := list(islice(stream, size * 16)):
            sentences = [sentence(post.text) for post in block]
            by_length = sorted(range(len(block)), key=lambda i: len(sentences[i]))
            found: dict[int, Rows] = {}
            for start in range(0, len(by_length), size):
                batch = [i for i in by_length[start : start + size] if sentences[i]]
                tokens = tokenizer.encode_batch([sentences[i] for i in batch])
                usable = [
                    (i, one)
                    for i, one in zip(batch, tokens, strict=True)
                    if any(one.attention_mask)
                ]
                if usable:
                    rows = _sentence_vectors(model, [one for _, one in usable])
                    found.update(zip((i for i, _ in usable), rows, strict=True))
            use.skipped.update([NO_WORDS] * (len(block) - len(found)))
            yield from ((block[i], found[i]) for i in sorted(found))


def _sentence_vectors(model: Model, tokens: Sequence[Any]) -> Rows:
    """Returns (sentence, number): the model's own vector, or the mean over its tokens'."""
    ids, mask, kinds = (
        np.array([getattr(one, name) for one in tokens])
        for name in ("ids", "attention_mask", "type_ids")
    )
    # What some models call pooled is a classifier's input: vectors of tokens go before it.
    names = [one.name for one in model.outputs]
    of_tokens = [one.name for one in model.outputs if len(_axes(one)) == 3]
    output = [*(name for name in names if name == "sentence_embedding"), *of_tokens, *names][0]
    rows = model.run({_IDS: ids, _MASK: mask, _KINDS: kinds}, output)
    if rows.ndim == 3 and rows.shape[:2] == ids.shape:
        weights = mask[:, :, None].astype(np.float32)
        return np.asarray((rows * weights).sum(axis=1) / weights.sum(axis=1))
    if rows.ndim != 2 or len(rows) != len(tokens):
        found = f"an output of shape {list(rows.shape)} for {len(ids)} sentences of {ids.shape[1]}"
        raise model.refuse(f"{found} tokens", "a vector a sentence or a vector a token")
    return rows


def sentence(caption: str) -> str:
    """Returns a caption as a sentence model should read it; "" where there are no words in it.

    Addresses of the web, e-mail addresses and mentions are left out, the signs of hashtags taken
    off their words; letter case, emoji and punctuation stay. What follows `MAX_CHARACTERS` is not
    read.
    """
    words = [
        word.replace("#", " ")
        for word in caption[:MAX_CHARACTERS].split()
        if not ("@" in word or "://" in word or word.lower().startswith("www."))
    ]
    # Halves of characters, which no tokenizer takes, become question marks.
    text = " ".join(" ".join(words).split()).encode("utf-8", errors="replace").decode("utf-8")
    return text if text.strip(string.punctuation + string.whitespace) else ""
