"""A local model that turns sentences into vectors, with its tokenizer."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from dataset_convert.features.models.onnx_model import OnnxModel, Port, model_in, open_model
from dataset_convert.features.models.optional import need
from dataset_convert.problems import ConversionError

TOKENIZER: Final = "tokenizer.json"
_IDS, _MASK, _TYPES = _INPUTS = ("input_ids", "attention_mask", "token_type_ids")
_POOLED: Final = "sentence_embedding"
_PADDINGS: Final = ("[PAD]", "<pad>")

Vectors = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Tokens:
    """A sentence cut into tokens.

    Attributes:
        ids: Of the tokens.
        types: Of the same number.
    """

    ids: list[int]
    types: list[int]


@dataclass(frozen=True, eq=False)
class SentenceModel:
    """An open model with its tokenizer.

    Attributes:
        model: Takes token ids, and their mask and types where it asks for them.
        tokenizer: Cuts off what is too long.
        padding: Id of the token that fills up shorter sentences of a batch.
        output: Which output is used.
    """

    model: OnnxModel
    tokenizer: Any
    padding: int
    output: str

    @classmethod
    def open(
        cls, folder: Path, *, max_length: int, n_jobs: int, providers: Sequence[str]
    ) -> "SentenceModel":
        """Returns the model of a folder. Nothing is downloaded.

        Args:
            folder: With `model.onnx` or `onnx/model.onnx`, and `tokenizer.json`.
            max_length: Tokens of a sentence that are read.
            n_jobs: Threads of the model.
            providers: See `onnx_model.open_model`.

        Raises:
            ConversionError: A file is missing or cannot be used.
        """
        library = need("tokenizers")
        path = model_in(folder, TOKENIZER)
        try:
            tokenizer = library.Tokenizer.from_file(str(folder / TOKENIZER))
            tokenizer.enable_truncation(max_length)
            padding = tokenizer.padding
            tokenizer.no_padding()
        except Exception as error:
            # The library raises plain exceptions.
            raise ConversionError(
                f"{folder / TOKENIZER}: found {' '.join(str(error).split())}; wanted the file of a "
                f"tokenizer, and a max_length that leaves room for its special tokens."
            ) from None
        ids = [tokenizer.token_to_id(name) for name in _PADDINGS]
        known = [padding["pad_id"]] if padding else [one for one in ids if one is not None]
        model = open_model(path, n_jobs=n_jobs, providers=providers)
        _check_inputs(model)
        return cls(model, tokenizer, [*known, 0][0], _vector_output(model.outputs))

    def tokens(self, sentences: Sequence[str]) -> list[Tokens]:
        """Returns the sentences cut into tokens."""
        found = self.tokenizer.encode_batch(list(sentences))
        return [Tokens(one.ids, one.type_ids) for one in found]

    def vectors(self, batch: Sequence[Tokens]) -> Vectors:
        """Returns (sentence, number): the model's own vector, or the mean over its tokens'.

        Args:
            batch: Sentences with one token or more each.

        Raises:
            ConversionError: The model fails, or gives something else.
        """
        shape = (len(batch), max(len(one.ids) for one in batch))
        ids = np.full(shape, self.padding)
        mask, types = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
        for row, one in enumerate(batch):
            ids[row, : len(one.ids)] = one.ids
            mask[row, : len(one.ids)] = 1
            types[row, : len(one.ids)] = one.types
        rows = self.model.run({_IDS: ids, _MASK: mask, _TYPES: types}, self.output)
        if rows.ndim == 3 and rows.shape[:2] == shape:
            weights = mask[:, :, None].astype(np.float32)
            means: Vectors = (rows * weights).sum(axis=1) / weights.sum(axis=1)
            return means
        if rows.ndim != 2 or len(rows) != len(batch):
            raise ConversionError(
                f"{self.model.path}: found an output of shape {list(rows.shape)} for {shape[0]} "
                f"sentences of {shape[1]} tokens; wanted a vector a sentence or a vector a token."
            )
        return rows


def _check_inputs(model: OnnxModel) -> None:
    names = [port.name for port in model.inputs]
    whole = all(port.dtype in (np.int64, np.int32) for port in model.inputs)
    if _IDS not in names or not set(names) <= set(_INPUTS) or not whole:
        raise ConversionError(
            f"{model.path}: found the inputs {', '.join(names)}; wanted {_IDS} and at most "
            f"{_MASK} and {_TYPES} beside it, all whole numbers."
        )


def _vector_output(outputs: Sequence[Port]) -> str:
    # What some models call pooled is a classifier's input: vectors of tokens go before it.
    of_tokens = [port.name for port in outputs if len(port.shape) == 3]
    names = [port.name for port in outputs]
    return [*(name for name in names if name == _POOLED), *of_tokens, *names][0]
