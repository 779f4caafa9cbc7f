"""The extractors by name, so that a configuration can choose between them."""

from collections.abc import Mapping
from typing import Any, Final

from dataset_convert.common.errors import shown, wanted_word
from dataset_convert.features.attributes import AttributeExtractor
from dataset_convert.features.base import STREAMS, Extractor
from dataset_convert.features.labels import LabelExtractor
from dataset_convert.features.models import (
    ImageEmbeddingExtractor,
    ImageLabelExtractor,
    SentenceEmbeddingExtractor,
)
from dataset_convert.features.object_classifier import ObjectExtractor
from dataset_convert.features.sentences import SentenceExtractor
from dataset_convert.features.topics import TopicExtractor
from dataset_convert.problems import ConversionError, Problems

EXTRACTOR: Final = "extractor"
"""The key of a modality's options that names its extractor."""

KINDS: Final[Mapping[str, type[Extractor]]] = {
    "lda": TopicExtractor,
    "sentence-embeddings": SentenceEmbeddingExtractor,
    "labels": LabelExtractor,
    "objects": ObjectExtractor,
    "image-labels": ImageLabelExtractor,
    "image-embeddings": ImageEmbeddingExtractor,
    "lexicon": AttributeExtractor,
    "sentences": SentenceExtractor,
}
"""The first one that can make a modality is its default."""


def extractor_name(modality: str, options: Mapping[str, Any]) -> str:
    """Returns which extractor makes a modality.

    Raises:
        ConversionError: The options name none that can.
    """
    able = [name for name, kind in KINDS.items() if modality in kind.modalities]
    name = options.get(EXTRACTOR, able[0])
    if name not in able:
        raise ConversionError(
            f"features: {modality}: option '{EXTRACTOR}': wanted {wanted_word(str(name), able)}. "
            f"Found: {shown(str(name))}."
        )
    return str(name)


def make_extractor(
    modality: str, options: Mapping[str, Any], *, n_jobs: int, problems: Problems
) -> Extractor:
    """Returns a new extractor of a modality.

    Args:
        modality: Of `schema.MODALITIES`.
        options: Of the configuration; `extractor` names the kind, the rest is the kind's own.
        n_jobs: Processes that work on posts.
        problems: Told of lines of the user's own lists that are left out.

    Raises:
        ConversionError: A wrong name or option.
    """
    kind = KINDS[extractor_name(modality, options)]
    own = {str(key): value for key, value in options.items() if key != EXTRACTOR}
    for key in ("n_jobs", "problems", "modality"):
        if key in own:
            raise ConversionError(f"features: {modality}: Unknown key '{key}'; leave it out.")
    return kind(modality, n_jobs=n_jobs, problems=problems, **own)


def check_extractor(extractor: Extractor) -> None:
    """Checks, before anything is read for long, what an extractor needs besides the material.

    Every one of its files can be read; the models of one that runs models open, and their labels
    are as many as their outputs, where a model says how many it has.

    Raises:
        ConversionError: Something is missing or wrong; one line.
    """
    try:
        for path in extractor.files():
            with path.open("rb") as file:
                file.read(1)
    except OSError as error:
        raise ConversionError(
            f"{extractor.modality}: {error.filename}: found {error.strerror}; wanted a file that "
            f"can be read."
        ) from None
    extractor.check_models()


def stream_of(modality: str) -> str:
    """Returns "content", "audience", or "" for a modality of profiles."""
    stream = modality.partition("_")[0]
    return stream if stream in STREAMS else ""
