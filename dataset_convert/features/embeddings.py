"""Dense vectors of pictures and captions by models of the user's own, averaged by account."""

import string
from abc import abstractmethod
from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final

import numpy as np
from pydantic import Field

from dataset_convert import schema
from dataset_convert.features.base import (
    AUDIENCE,
    FilePath,
    VectorSums,
    Whole,
    checked,
    one_line,
)
from dataset_convert.features.models import (
    USED,
    ImageModel,
    ImageOptions,
    Model,
    ModelFit,
    ModelOptions,
    Rows,
    RunsModels,
    as_words,
    axes_of,
    dtype_of,
    model_files,
    need,
    read_processor,
)
from dataset_convert.features.pictures import opened_images
from dataset_convert.features.text import ADDRESSES, MAX_CHARACTERS
from dataset_convert.problems import TooLittleError
from dataset_convert.raw import Post

TOKENIZER, PROCESSOR = "tokenizer.json", "preprocessor_config.json"
NO_WORDS, NO_DIRECTION = "no words", "a vector that is zero or not finite"
_INPUTS: Final = ("input_ids", "attention_mask", "token_type_ids")


class EmbeddingFit(ModelFit):
    """And how long the vectors are."""

    n_dimensions: int = 0


class MeanExtractor(RunsModels):
    """An account's mean of vectors of what it posts, each divided by its length first.

    So every post counts alike, whatever length the model gives its vector; the mean is not
    divided by its length again. Nothing is learnt from the accounts: the model comes fitted.
    """

    learns = EmbeddingFit
    file = "embeddings.json"

    def conclude(self, total: Any, training: Collection[str]) -> None:
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

    def dimensions(self) -> list[str]:
        """Returns numbers, since the places of such vectors mean nothing by themselves."""
        return [str(i) for i in range(self.fitted.n_dimensions)]


class EmbeddingOptions(ModelOptions):
    """`model`: a folder with `model.onnx` or `onnx/model.onnx`, and what else the model needs."""

    model: FilePath


class EmbeddingExtractor(MeanExtractor):
    """The mean of what a model of a folder makes of an account's posts."""

    beside: ClassVar[str]
    """A file beside the model's."""

    @abstractmethod
    def vectors(self, posts: list[Post], told: Counter[str]) -> Iterator[tuple[Post, Rows]]:
        """Yields the posts that the model can use, with its vectors; counts why not the others."""

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

    def values(self, total: VectorSums) -> dict[str, Any]:
        """Returns account -> mean of its posts' unit vectors, float64, of a length up to 1.

        The less the posts agree, the shorter; of vectors that cancel out there is none.
        """
        sums = ((one, total.vectors[one]) for one in total.enough())
        return {account: sum_ / total.n_vectors[account] for account, sum_ in sums if sum_.any()}

    def files(self) -> tuple[Path, ...]:
        """Returns the model's file, those of its weights, and what stands beside it."""
        return files_of(Path(self.options.model).expanduser(), self.beside)


def files_of(folder: Path, beside: str) -> tuple[Path, ...]:
    """Returns a model's file, those of its weights, and last one beside it, the processor's if any.

    They need not be there.
    """
    inner = folder / "onnx/model.onnx"
    model = inner if inner.is_file() else folder / "model.onnx"
    is_there = beside != PROCESSOR or (folder / beside).is_file()
    return *model_files(model), *([folder / beside] if is_there else [])


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
    unit, beside = "images", PROCESSOR
    reads_images, reads_text = True, False

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
        flat = [one.name for one in model.outputs if len(axes_of(one)) == 2]
        output = [*named, *flat, *names][0]
        for place, image in opened_images(posts, told):
            row = model.row(model.image.prepared(image), output)
            row = row[0] if row.ndim == 2 else row.mean(axis=(1, 2)) if row.ndim == 3 else row
            if row.ndim != 1:
                raise model.refuse(f"an output of shape {list(row.shape)}", "a vector an image")
            yield posts[place], row


class SentenceModel(Model):
    """An open model of sentences with its tokenizer.

    Args:
        files: Of `files_of`: the tokenizer is the last.
        max_length: Tokens of a text that are read.
    """

    def __init__(self, files: tuple[Path, ...], max_length: int, options: ModelOptions) -> None:
        library = need("tokenizers")
        wanted = "the file of a tokenizer, and a max_length that leaves room for special tokens"
        with one_line(files[-1], wanted):
            self._tokenizer = library.Tokenizer.from_file(str(files[-1]))
            self._tokenizer.enable_truncation(max_length)
            self._tokenizer.no_padding()
        super().__init__(files[0], options)
        names = [one.name for one in self.inputs]
        whole = all(dtype_of(one) in (np.int64, np.int32) for one in self.inputs)
        if _INPUTS[0] not in names or not set(names) <= set(_INPUTS) or not whole:
            wanted = "{} and at most {} and {} beside it, all whole numbers".format(*_INPUTS)
            raise self.refuse(f"the inputs {', '.join(names)}", wanted)
        # What some models call pooled is a classifier's input: vectors of tokens go before it.
        names = [one.name for one in self.outputs]
        own = [name for name in names if name == "sentence_embedding"]
        of_tokens = [one.name for one in self.outputs if len(axes_of(one)) == 3]
        self._output = [*own, *of_tokens, *names][0]

    def vector(self, text: str) -> Rows | None:
        """Returns a text's vector; None where it has no token."""
        tokens = self._tokenizer.encode(text) if text else None
        if tokens is None or not tokens.ids:
            return None
        numbers = tokens.ids, tokens.attention_mask, tokens.type_ids
        feeds = {name: np.array([one]) for name, one in zip(_INPUTS, numbers, strict=True)}
        rows = self.run(feeds, self._output)
        if rows.shape[:2] == (1, len(tokens.ids)) and rows.ndim == 3:
            rows = rows.mean(axis=1)
        if rows.ndim != 2 or len(rows) != 1:
            found = f"an output of shape {list(rows.shape)} for a sentence of {len(tokens.ids)}"
            raise self.refuse(f"{found} tokens", "a vector a sentence or a vector a token")
        return np.asarray(rows[0])


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

    def open_models(self) -> SentenceModel:
        """Returns the model."""
        return SentenceModel(self.files(), self.options.max_length, self.options)

    def vectors(self, posts: list[Post], told: Counter[str]) -> Iterator[tuple[Post, Rows]]:
        """Yields the posts whose captions have words, with the model's vectors."""
        for post in posts:
            vector = self.opened.vector(sentence(post.text))
            if vector is None:
                told[NO_WORDS] += 1
            else:
                yield post, vector


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
