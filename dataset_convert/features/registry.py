"""The extractors by name, so that a configuration can choose between them."""

import importlib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol, cast, runtime_checkable

from dataset_convert import schema
from dataset_convert.common.errors import shown, wanted_word
from dataset_convert.features.base import STREAMS, Extractor
from dataset_convert.features.options import check_options
from dataset_convert.problems import ConversionError, Problems

EXTRACTOR: Final = "extractor"
"""The key of a modality's options that names its extractor."""
MINIMUM_ACCOUNTS: Final = 5
"""Training accounts that an attribute needs, where nothing is said."""

Make = Callable[[str, Mapping[str, Any], int, Problems], Extractor]


@dataclass(frozen=True)
class Kind:
    """A kind of extractor.

    Attributes:
        modalities: What it can make; the first kind that can is the default.
        class_name: Module of this package and class.
        make: Stream, options, processes and problems -> a new extractor.
        runs_models: Whether it runs models, whose last digits depend on the number of threads.
        reads_images: Whether it opens the pictures of posts.
    """

    modalities: Collection[str]
    class_name: tuple[str, str]
    make: Make
    runs_models: bool = False
    reads_images: bool = False

    def load(self, folder: Path) -> Extractor:
        """Returns a fitted extractor as it was saved.

        Raises:
            ConversionError: There is none, or it is broken.
        """
        return cast(Extractor, _class(self.class_name).load(folder))


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
    name = extractor_name(modality, options)
    own = {key: value for key, value in options.items() if key != EXTRACTOR}
    try:
        check_options(modality, name, own)
        return KINDS[name].make(stream_of(modality), own, n_jobs, problems)
    except ConversionError:
        raise
    except ValueError as error:
        # Options that do not go together.
        raise ConversionError(f"features: {modality}: {str(error).rstrip('.')}.") from None


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
    except ConversionError:
        raise
    except OSError as error:
        raise ConversionError(
            f"{extractor.modality}: {error.filename}: found {error.strerror}; wanted a file that "
            f"can be read."
        ) from None
    if isinstance(extractor, _WithModels):
        extractor.check_models()


@runtime_checkable
class _WithModels(Protocol):
    def check_models(self) -> None: ...


def stream_of(modality: str) -> str:
    """Returns "content", "audience", or "" for a modality of profiles."""
    stream = modality.partition("_")[0]
    return stream if stream in STREAMS else ""


def _class(name: tuple[str, str]) -> Any:
    module, class_name = name
    return getattr(importlib.import_module(f"dataset_convert.features.{module}"), class_name)


def _with_tuples(options: Mapping[str, Any]) -> dict[str, Any]:
    return {key: tuple(x) if isinstance(x, list) else x for key, x in options.items()}


def _topics(stream: str, options: Mapping[str, Any], n_jobs: int, _: Problems) -> Extractor:
    from dataset_convert.features.text import TextSettings
    from dataset_convert.features.token_counts import VocabularySettings
    from dataset_convert.features.topics import TopicExtractor, TopicSettings

    own = _with_tuples(options) | {
        "text": TextSettings(**_with_tuples(options.get("text") or {})),
        "vocabulary": VocabularySettings(**(options.get("vocabulary") or {})),
    }
    return TopicExtractor(TopicSettings(of=stream, **own), n_jobs=n_jobs)


def _labels(stream: str, options: Mapping[str, Any], _: int, __: Problems) -> Extractor:
    from dataset_convert.features.visual import LabelScoreExtractor

    return LabelScoreExtractor(of=stream, **options)


def _lexicon(_: str, options: Mapping[str, Any], __: int, problems: Problems) -> Extractor:
    from dataset_convert.features.attributes import AttributeExtractor
    from dataset_convert.features.lexicon import extend_by_isa, load_lexicon
    from dataset_convert.features.sensitive import BUILT_IN

    own = {"minimum_accounts": MINIMUM_ACCOUNTS, **options}
    folder, isa = (own.pop(key, None) for key in ("lexicon", "isa"))
    minimum_count = own.pop("isa_minimum_count", 1)
    lexicon = load_lexicon(BUILT_IN if folder is None else Path(folder).expanduser())
    files = () if folder is None else tuple(sorted(Path(folder).expanduser().glob("*.yaml")))
    if isa is not None:
        path = Path(isa).expanduser()
        lexicon = extend_by_isa(lexicon, path, minimum_count=minimum_count, problems=problems)
        files += (path,)
    return AttributeExtractor(lexicon, files=files, **own)


def _with_a_model(name: tuple[str, str]) -> Make:
    """A maker of the extractors that run the user's own models; these are loaded when they run."""

    def make(stream: str, options: Mapping[str, Any], n_jobs: int, _: Problems) -> Extractor:
        return cast(Extractor, _class(name)(of=stream, n_jobs=n_jobs, **_with_tuples(options)))

    return make


_IMAGE_LABELS: Final = ("image_labels", "ImageLabelExtractor")
_IMAGE_EMBEDDINGS: Final = ("image_embeddings", "ImageEmbeddingExtractor")
_SENTENCE_EMBEDDINGS: Final = ("sentence_embeddings", "SentenceEmbeddingExtractor")

KINDS: Final[Mapping[str, Kind]] = {
    "lda": Kind(schema.TOPIC_MODALITIES, ("topics", "TopicExtractor"), _topics),
    "sentence-embeddings": Kind(
        schema.TOPIC_MODALITIES,
        _SENTENCE_EMBEDDINGS,
        _with_a_model(_SENTENCE_EMBEDDINGS),
        runs_models=True,
    ),
    "labels": Kind(schema.VISUAL_MODALITIES, ("visual", "LabelScoreExtractor"), _labels),
    "image-labels": Kind(
        schema.VISUAL_MODALITIES,
        _IMAGE_LABELS,
        _with_a_model(_IMAGE_LABELS),
        runs_models=True,
        reads_images=True,
    ),
    "image-embeddings": Kind(
        schema.VISUAL_MODALITIES,
        _IMAGE_EMBEDDINGS,
        _with_a_model(_IMAGE_EMBEDDINGS),
        runs_models=True,
        reads_images=True,
    ),
    "lexicon": Kind((schema.ATTRIBUTES,), ("attributes", "AttributeExtractor"), _lexicon),
}
