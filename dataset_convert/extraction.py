"""Every modality's values: precomputed, still right from an earlier conversion, or made anew."""

import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from dataset_convert import schema
from dataset_convert.common.commands import track
from dataset_convert.features.base import AUDIENCE, CONTENT, Extractor
from dataset_convert.features.hidden_names import without_names
from dataset_convert.features.registry import (
    EXTRACTOR,
    check_extractor,
    extractor_name,
    make_extractor,
    stream_of,
)
from dataset_convert.problems import Problems, TooLittleError
from dataset_convert.raw import Post, RawMaterial
from dataset_convert.settings import ConversionSettings

if TYPE_CHECKING:
    from dataset_convert.convert import Earlier

Tell = Callable[[str], None]


@dataclass(frozen=True, eq=False)
class Features:
    """What was made of the material.

    Attributes:
        values: Modality -> account -> value.
        extractors: Modality -> fitted extractor, of those that were not precomputed.
        entries: Modality -> what the manifest says of its extractor.
    """

    values: dict[str, Mapping[str, Any]] = field(default_factory=dict)
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
    return found


def extract(
    material: RawMaterial,
    training: Collection[str],
    settings: ConversionSettings,
    extractors: Mapping[str, Extractor],
    *,
    marks: Mapping[str, str],
    earlier: "Earlier | None",
    tell: Tell,
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

    Returns:
        The features; a modality of which the training accounts have too little is not there.

    Raises:
        ConversionError: A model or a list that an extractor needs is wrong.
    """
    features = Features(values=dict(material.vectors))
    nameless = without_names(material)
    watched = {
        modality: _watched(nameless if extractor.reads_text else material, modality)
        for modality, extractor in extractors.items()
    }
    for modality, extractor in extractors.items():
        options = settings.features[modality]
        known = earlier and earlier.extractor(modality, options, marks[modality])
        if earlier and known:
            tell(f"{modality}: nothing that it depends on has changed")
            features.values[modality] = earlier.values(modality, material.accounts)
            features.extractors[modality] = known
            continue
        started = time.monotonic()
        try:
            extractor.fit(watched[modality], training)
        except TooLittleError as error:
            tell(f"{error} It is left out.")
            continue
        features.extractors[modality] = extractor
        seconds = time.monotonic() - started
        tell(f"{modality}: learnt from {len(training):,} accounts, {seconds:.1f} s")
    # In a second round: topics are learnt beside what the others do meanwhile.
    for modality, extractor in features.extractors.items():
        if extractor is extractors[modality]:
            features.values[modality] = extractor.transform(watched[modality])
        features.entries[modality] = {
            **extractor.report(),
            EXTRACTOR: extractor_name(modality, settings.features[modality]),
            schema.FINGERPRINT: marks[modality],
        }
    return features


def _watched(material: RawMaterial, modality: str) -> RawMaterial:
    """The material, with a progress bar over every pass through its posts."""

    def posts() -> Iterator[Post]:
        yield from track(material.posts(), modality, unit="posts", total=material.n_posts)

    def audience_posts() -> Iterator[Post]:
        total = material.n_audience_posts
        yield from track(material.audience_posts(), modality, unit="posts", total=total)

    return replace(material, posts=posts, audience_posts=audience_posts)
