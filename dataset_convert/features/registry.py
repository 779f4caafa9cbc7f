"""The extractors by name, so that a configuration can choose between them."""

import difflib
import importlib
import inspect
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

from dataset_convert import schema
from dataset_convert.features.base import STREAMS, Extractor
from dataset_convert.problems import ConversionError, Problems

EXTRACTOR: Final = "extractor"
"""The key of a modality's options that names its extractor."""

Make = Callable[[str, Mapping[str, Any], int, Problems], Extractor]


@dataclass(frozen=True)
class Kind:
    """A kind of extractor.

    Attributes:
        modalities: What it can make; the first kind that can is the default.
        class_name: Module of this package and class.
        make: Stream, options, processes and problems -> a new extractor.
        reads_images: Whether it opens the pictures of posts.
    """

    modalities: Collection[str]
    class_name: tuple[str, str]
    make: Make
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
        near = difflib.get_close_matches(str(name), able, n=1)
        wanted = f"'{near[0]}'" if near else f"one of {', '.join(able)}"
        raise ConversionError(
            f"features: {modality}: {EXTRACTOR}: wanted {wanted}. Found: {name!r}."
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
    stream = stream_of(modality)
    own = {key: value for key, value in options.items() if key != EXTRACTOR}
    try:
        return kind.make(stream, own, n_jobs, problems)
    except (TypeError, ValueError) as error:
        raise ConversionError(f"features: {modality}: {error}") from None


def stream_of(modality: str) -> str:
    """Returns "content", "audience", or "" for a modality of profiles."""
    stream = modality.partition("_")[0]
    return stream if stream in STREAMS else ""


def _class(name: tuple[str, str]) -> Any:
    module, class_name = name
    return getattr(importlib.import_module(f"dataset_convert.features.{module}"), class_name)


def _refuse_unknown(options: Mapping[str, Any], of: Callable[..., Any], *more: str) -> None:
    """Raise a ValueError that names the nearest option, where one is unknown."""
    known = [*inspect.signature(of).parameters, *more]
    for name in options:
        if name not in known:
            near = difflib.get_close_matches(str(name), known, n=1)
            hint = f"did you mean '{near[0]}'?" if near else f"known: {', '.join(known)}"
            raise ValueError(f"unknown option '{name}'; {hint}")


def _group(options: Mapping[str, Any], name: str, of: Callable[..., Any]) -> Any:
    inside = options.get(name) or {}
    if not isinstance(inside, Mapping):
        raise ValueError(f"option '{name}': wanted a mapping. Found: {inside!r}")
    _refuse_unknown(inside, of)
    return of(**_with_tuples(inside))


def _with_tuples(options: Mapping[str, Any]) -> dict[str, Any]:
    return {key: tuple(x) if isinstance(x, list) else x for key, x in options.items()}


def _topics(stream: str, options: Mapping[str, Any], n_jobs: int, _: Problems) -> Extractor:
    from dataset_convert.features.text import TextSettings
    from dataset_convert.features.token_counts import VocabularySettings
    from dataset_convert.features.topics import TopicExtractor, TopicSettings

    _refuse_unknown(options, TopicSettings)
    own = _with_tuples(options) | {
        "of": stream,
        "text": _group(options, "text", TextSettings),
        "vocabulary": _group(options, "vocabulary", VocabularySettings),
    }
    return TopicExtractor(TopicSettings(**own), n_jobs=n_jobs)


def _labels(stream: str, options: Mapping[str, Any], _: int, __: Problems) -> Extractor:
    from dataset_convert.features.visual import LabelScoreExtractor

    _refuse_unknown(options, LabelScoreExtractor)
    return LabelScoreExtractor(**{**options, "of": stream})


def _lexicon(_: str, options: Mapping[str, Any], __: int, problems: Problems) -> Extractor:
    from dataset_convert.features.attributes import AttributeExtractor
    from dataset_convert.features.lexicon import extend_by_isa, load_lexicon
    from dataset_convert.features.sensitive import BUILT_IN

    own = dict(options)
    folder, isa = (own.pop(key, None) for key in ("lexicon", "isa"))
    minimum_count = own.pop("isa_minimum_count", 1)
    _refuse_unknown(own, AttributeExtractor, "lexicon", "isa", "isa_minimum_count")
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
        kind = _class(name)
        _refuse_unknown(options, kind)
        return cast(Extractor, kind(**{**_with_tuples(options), "of": stream}, n_jobs=n_jobs))

    return make


_IMAGE_LABELS: Final = ("image_labels", "ImageLabelExtractor")
_IMAGE_EMBEDDINGS: Final = ("image_embeddings", "ImageEmbeddingExtractor")
_SENTENCE_EMBEDDINGS: Final = ("sentence_embeddings", "SentenceEmbeddingExtractor")

KINDS: Final[Mapping[str, Kind]] = {
    "lda": Kind(schema.TOPIC_MODALITIES, ("topics", "TopicExtractor"), _topics),
    "sentence-embeddings": Kind(
        schema.TOPIC_MODALITIES, _SENTENCE_EMBEDDINGS, _with_a_model(_SENTENCE_EMBEDDINGS)
    ),
    "labels": Kind(schema.VISUAL_MODALITIES, ("visual", "LabelScoreExtractor"), _labels),
    "image-labels": Kind(
        schema.VISUAL_MODALITIES, _IMAGE_LABELS, _with_a_model(_IMAGE_LABELS), reads_images=True
    ),
    "image-embeddings": Kind(
        schema.VISUAL_MODALITIES,
        _IMAGE_EMBEDDINGS,
        _with_a_model(_IMAGE_EMBEDDINGS),
        reads_images=True,
    ),
    "lexicon": Kind((schema.ATTRIBUTES,), ("attributes", "AttributeExtractor"), _lexicon),
}
