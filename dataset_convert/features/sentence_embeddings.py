"""Dense vectors of accounts, from the captions of their posts."""

import string
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar, Final

import numpy as np
import numpy.typing as npt

from dataset_convert import schema
from dataset_convert.features.base import AUDIENCE, CONTENT
from dataset_convert.features.embeddings import EmbeddingExtractor, PostVector
from dataset_convert.features.models.model_options import check_whole
from dataset_convert.features.models.onnx_model import CPU, model_files, model_in
from dataset_convert.features.models.sentence_model import TOKENIZER, SentenceModel
from dataset_convert.features.models.use_counts import UseCounts
from dataset_convert.features.text import MAX_CHARACTERS
from dataset_convert.raw import Post

EMPTY: Final = "no words"
_N_BATCHES: Final = 16
"""Batches whose captions are sorted by length together, so that little is filled up."""
_NO_WORDS: Final = string.punctuation + string.whitespace


class SentenceEmbeddingExtractor(EmbeddingExtractor):
    """X^t and Y^t as dense vectors of a local sentence-embedding model.

    A departure from Wang et al. (2023), who use topics. A caption's vector is the model's output
    `sentence_embedding`, or the mean of its tokens' vectors, or its only output (sentence, number).

    Args:
        of: `content` or `audience`.
        model: Folder with `model.onnx` or `onnx/model.onnx`, and `tokenizer.json`.
        max_length: Tokens of a caption that are read.
        min_members: Fewest members of an audience with a caption that has words.
        batch_size: Captions that the model is given at a time.
        providers: ONNX Runtime's names of what to run on, in order of preference.
        n_jobs: Threads of the model.

    Raises:
        ValueError: A parameter is wrong; says which.
    """

    modalities: ClassVar = {
        CONTENT: schema.CONTENT_TOPICS,
        AUDIENCE: schema.AUDIENCE_TOPICS,
    }
    unit: ClassVar = "captions"

    def __init__(
        self,
        *,
        of: str,
        model: str | Path,
        max_length: int = 128,
        min_members: int = 5,
        batch_size: int = 32,
        providers: Sequence[str] = (CPU,),
        n_jobs: int = 1,
    ) -> None:
        super().__init__(
            of=of,
            model=model,
            min_members=min_members,
            batch_size=batch_size,
            providers=providers,
            n_jobs=n_jobs,
        )
        check_whole(type(self).__name__, "max_length", max_length)
        self._max_length = max_length

    def files(self) -> tuple[Path, ...]:
        """Returns the model's files and the tokenizer's."""
        return (*model_files(model_in(self._folder, TOKENIZER)), self._folder / TOKENIZER)

    def settings(self) -> dict[str, Any]:
        """Returns what the constructor takes, ready for JSON, without `n_jobs`."""
        return {**super().settings(), "max_length": self._max_length}

    def post_vectors(self, posts: Iterable[Post], counts: UseCounts) -> Iterator[PostVector]:
        """Yields the posts whose captions have words, with the model's vectors.

        Args:
            posts: A stream.
            counts: Told of captions that are skipped.

        Raises:
            ConversionError: The model cannot be used.
        """
        model = self._open()
        stream = iter(posts)
        while block := list(islice(stream, self._batch_size * _N_BATCHES)):
            yield from self._of_block(model, block, counts)

    def check_models(self) -> None:
        """Opens the model and its tokenizer, and closes them again.

        Raises:
            ConversionError: One of them cannot be used.
        """
        self._open()

    def _open(self) -> SentenceModel:
        return SentenceModel.open(
            self._folder,
            max_length=self._max_length,
            n_jobs=self._n_jobs,
            providers=self._providers,
        )

    def _of_block(
        self, model: SentenceModel, block: Sequence[Post], counts: UseCounts
    ) -> Iterator[PostVector]:
        sentences = [sentence(post.text) for post in block]
        tokens = model.tokens(sentences)
        usable = [i for i in range(len(block)) if sentences[i] and tokens[i].ids]
        counts.skipped.update([EMPTY] * (len(block) - len(usable)))
        by_length = sorted(usable, key=lambda i: len(tokens[i].ids))
        found: dict[int, npt.NDArray[np.float32]] = {}
        for start in range(0, len(by_length), self._batch_size):
            batch = by_length[start : start + self._batch_size]
            found.update(zip(batch, model.vectors([tokens[i] for i in batch]), strict=True))
        for i in usable:
            yield block[i], found[i]


def sentence(caption: str) -> str:
    """Returns a caption as a sentence model should read it; "" where there are no words in it.

    Addresses of the web, e-mail addresses and mentions are left out, the signs of hashtags taken
    off their words; letter case, emoji and punctuation stay.

    Args:
        caption: What follows `MAX_CHARACTERS` is not read.
    """
    words = [word.replace("#", " ") for word in caption[:MAX_CHARACTERS].split()]
    kept = " ".join(" ".join(word for word in words if not _is_address(word)).split())
    # Halves of characters, which no tokenizer takes, become question marks.
    text = kept.encode("utf-8", errors="replace").decode("utf-8")
    return text if text.strip(_NO_WORDS) else ""


def _is_address(word: str) -> bool:
    return "@" in word or "://" in word or word.lower().startswith("www.")
