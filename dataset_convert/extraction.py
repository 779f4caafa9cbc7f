"""Every modality's values: precomputed, still right from an earlier conversion, or made anew."""

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from dataset_convert import schema
from dataset_convert.common.commands import track
from dataset_convert.common.errors import shown, wanted_word
from dataset_convert.features.attributes import AttributeExtractor
from dataset_convert.features.base import AUDIENCE, CONTENT, STREAMS, Extractor
from dataset_convert.features.embeddings import (
    ImageEmbeddingExtractor,
    SentenceEmbeddingExtractor,
)
from dataset_convert.features.hidden_names import SavedNames, without_names
from dataset_convert.features.labels import LabelExtractor
from dataset_convert.features.object_classifier import ObjectExtractor
from dataset_convert.features.parallel import PROCESSES, end_processes, started
from dataset_convert.features.pictures import ImageLabelExtractor
from dataset_convert.features.sentences import SentenceExtractor
from dataset_convert.features.topics import TopicExtractor
from dataset_convert.privacy import Pseudonyms
from dataset_convert.problems import ConversionError, Problems, TooLittleError
from dataset_convert.raw import Post, RawMaterial
from dataset_convert.settings import ConversionSettings

if TYPE_CHECKING:
    from dataset_convert.convert import Earlier
    from dataset_convert.features.ray_engine import RayEngine

Tell = Callable[[str], None]
Values = Mapping[str, Any]

EXTRACTOR: Final = "extractor"
"""The key of a modality's options that names its extractor."""

KINDS: Final[Mapping[str, type[Extractor]]] = {
    kind.name: kind
    for kind in (
        TopicExtractor,
        SentenceEmbeddingExtractor,
        LabelExtractor,
        ObjectExtractor,
        ImageLabelExtractor,
        ImageEmbeddingExtractor,
        AttributeExtractor,
        SentenceExtractor,
    )
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
        n_jobs: Processes or threads that work on posts.
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


@dataclass(frozen=True, eq=False)
class Features:
    """What was made of the material.

    Attributes:
        values: Modality -> account -> value.
        extractors: Modality -> fitted extractor, of those that were not precomputed.
        entries: Modality -> what the manifest says of its extractor.
    """

    values: dict[str, Values] = field(default_factory=dict)
    extractors: dict[str, Extractor] = field(default_factory=dict)
    entries: dict[str, dict[str, Any]] = field(default_factory=dict)

    def drop(self, modality: str) -> None:
        """Forgets a modality that is of no use."""
        for part in (self.values, self.extractors, self.entries):
            part.pop(modality, None)


def wanted_extractors(
    material: RawMaterial, settings: ConversionSettings, problems: Problems, tell: Tell
) -> dict[str, Extractor]:
    """Returns a new extractor for every modality that the material has something for.

    Raises:
        ConversionError: A wrong name or option of an extractor.
    """
    has = {
        CONTENT: next(iter(material.posts()), None) is not None,
        AUDIENCE: next(iter(material.audience_posts()), None) is not None,
    }
    for stream, there in has.items():
        if not there and any(stream_of(modality) == stream for modality in settings.features):
            tell(f"{stream}: the source has no posts of it, so that nothing is made of them")
    found: dict[str, Extractor] = {}
    for modality, options in settings.features.items():
        extractor = make_extractor(modality, options, n_jobs=settings.n_jobs, problems=problems)
        if modality in material.vectors:
            tell(f"{modality}: precomputed vectors are used as they are")
        elif has.get(stream_of(modality), True):
            check_extractor(extractor)
            for line in extractor.forecast(material):
                tell(line)
            found[modality] = extractor
    _check_one_model([found[name] for name in schema.OWN_TEXTS if name in found])
    return found


def _check_one_model(extractors: Sequence[Extractor]) -> None:
    if len({one.options.models for one in extractors}) > 1:
        told = (f"{one.modality}: {' and '.join(one.options.models)}" for one in extractors)
        raise ConversionError(
            f"features: found other models of captions than of biographies ({', '.join(told)}); "
            f"wanted the same ones, since the two are compared with each other."
        )


def extract(
    material: RawMaterial,
    training: Collection[str],
    settings: ConversionSettings,
    extractors: Mapping[str, Extractor],
    *,
    marks: Mapping[str, str],
    earlier: "Earlier | None",
    tell: Tell,
    engine: "RayEngine | None" = None,
) -> Features:
    """Makes the values of all modalities, or takes those of an earlier conversion that still hold.

    Args:
        material: What the source read.
        training: The accounts to learn from.
        settings: What to do.
        extractors: Of `wanted_extractors`.
        marks: Modality -> the fingerprint of everything that its values depend on.
        earlier: A data set to take from; None makes everything anew.
        tell: Called with a line a step.
        engine: Who sums up posts; None: this process and its own.

    Returns:
        The features; a modality of which the training accounts have too little is not there.

    Raises:
        ConversionError: A model or a list that an extractor needs is wrong.
    """
    features = Features(values=dict(material.vectors))
    learnt: dict[str, Callable[[], Any]] = {}
    watched = _watched(material, engine=engine)
    try:
        for modality, extractor in extractors.items():
            options = settings.features[modality]
            known = earlier and earlier.extractor(modality, options, marks[modality])
            if earlier and known:
                tell(f"{modality}: nothing that it depends on has changed")
                features.values[modality] = earlier.values(modality, material.accounts)
                features.extractors[modality] = known
                continue
            try:
                prepared = extractor.prepare(watched(extractor), training)
            except TooLittleError as error:
                tell(f"{error} It is left out.")
                continue
            features.extractors[modality] = extractor
            # What takes long is learnt beside what the others read meanwhile.
            n_jobs = settings.n_jobs if extractor.runs_in == PROCESSES else 1
            learnt[modality] = started(partial(extractor.learn, prepared), n_jobs=n_jobs)
        for modality, result in learnt.items():
            begun, extractor = time.monotonic(), extractors[modality]
            extractor.fitted = result()
            try:
                values = extractor.first_values(watched(extractor), training)
            except TooLittleError as error:
                tell(f"{error} It is left out.")
                features.drop(modality)
                continue
            features.values[modality] = values
            seconds = time.monotonic() - begun
            tell(f"{modality}: learnt from {len(training):,} accounts, made in {seconds:.1f} s")
    finally:
        end_processes()
    for modality, extractor in features.extractors.items():
        features.entries[modality] = {
            **extractor.report(),
            EXTRACTOR: extractor_name(modality, settings.features[modality]),
            schema.FINGERPRINT: marks[modality],
        }
    return features


def describe(
    folder: Path,
    material: RawMaterial,
    *,
    pseudonyms: Pseudonyms | None = None,
    n_jobs: int = 1,
) -> dict[str, Values]:
    """Describes further accounts by extractors that are fitted already; nothing is fitted again.

    An account gets what it would have got in the conversion, beside whom it stands or not. The
    names of the data set's accounts leave its texts, too: of a data set under pseudonyms only
    where their key is given, because nobody can tell them without it.

    Args:
        folder: The folder `features` of a data set.
        material: The accounts, and what they and their audiences posted; of collaborations nothing
            is used.
        pseudonyms: Of the data set.
        n_jobs: Processes or threads that work on posts.

    Returns:
        Modality -> account -> value; vectors that the material brings are taken as they are.

    Raises:
        ConversionError: What is saved cannot be used, or a model is not the one of the fit.
    """
    places = sorted(path for path in folder.iterdir() if path.is_dir())
    extractors = [load_extractor(path, n_jobs=n_jobs) for path in places]
    watched = _watched(material, SavedNames.load(folder, pseudonyms))
    try:
        made = {
            extractor.modality: extractor.transform(watched(extractor))
            for extractor in extractors
            if extractor.modality not in material.vectors
        }
    finally:
        end_processes()
    return {**material.vectors, **made}


def load_extractor(folder: Path, *, n_jobs: int = 1) -> Extractor:
    """Returns the fitted extractor of a modality's folder, of whatever kind it is.

    Raises:
        ConversionError: There is none.
    """
    for kind in KINDS.values():
        path = folder / kind.file
        if path.is_file() and f'"{EXTRACTOR}": "{kind.name}"' in path.read_text(errors="replace"):
            return kind.load(folder, n_jobs=n_jobs)
    raise ConversionError(f"{folder}: found no saved extractor; convert the data set again.")


def _watched(
    material: RawMaterial, saved: SavedNames | None = None, engine: "RayEngine | None" = None
) -> Callable[[Extractor], RawMaterial]:
    """Extractor -> what it reads: without names in texts, with a bar over every pass of posts."""
    nameless = without_names(material, saved)

    def watched(extractor: Extractor) -> RawMaterial:
        def bar(posts: Callable[[], Iterator[Post]], total: int | None) -> Iterator[Post]:
            yield from track(posts(), extractor.modality, unit="posts", total=total)

        read = nameless if extractor.reads_text else material
        own: Callable[[], Any] = partial(bar, read.posts, read.n_posts)
        audience: Callable[[], Any] = partial(bar, read.audience_posts, read.n_audience_posts)
        if engine is not None:
            own = engine.parted(CONTENT, own, nameless.posts)
            audience = engine.parted(AUDIENCE, audience, nameless.audience_posts)
        return replace(read, posts=own, audience_posts=audience)

    return watched
