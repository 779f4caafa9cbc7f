"""What a reader is warned about, each with what to do; every threshold stands here."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from dataset_convert import schema
from dataset_convert.atomic import AtomicData
from dataset_convert.report import statistics
from dataset_convert.report.words import (
    PART_TITLES,
    counted,
    modality_title,
    percent,
    plural,
)
from dataset_convert.settings import FIT_ON_ALL

MIN_BRANDS_OF_PART: Final = 20
"""Fewer validation or test brands give a mean over brands that is mostly noise."""
POPULAR_SHARE: Final = 0.1
"""An influencer with a larger share of the collaborations is extremely popular."""
POPULAR_PAIRS: Final = 5
"""In tiny data any influencer has a large share; with fewer collaborations it says nothing."""
HEAVY_TOPIC: Final = 0.5
"""A topic with a larger share of the weight hides the others."""
RARE_MODALITY: Final = 0.5
"""A modality that a smaller share of a side has is rare."""
REPEATED: Final = (
    "every row once",
    "every pair once",
    "the same content",
    "the same vectors",
    "one vector an account",
)
"""Beginnings of the reasons that tell of repeated rows."""


@dataclass(frozen=True)
class Finding:
    """A warning.

    Attributes:
        text: What was found, one sentence.
        remedy: What to do about it, or how to read figures because of it.
    """

    text: str
    remedy: str


_WITHOUT: Final = {
    schema.VALID: "Settings cannot be chosen honestly without them: name some in the source's "
    "split, or raise n_valid.",
    schema.TEST: "Figures on validation brands flatter what was chosen on them: keep brands for "
    "the test in the source's split or by n_test, or say beside results that there were none.",
}


def find_all(data: AtomicData) -> list[Finding]:
    """Returns every warning about a data set, those that endanger results most first."""
    return [
        *_leaks(data),
        *_parts(data),
        *_repeated(data.manifest),
        *_pairs(data),
        *_categories(data),
        *_modalities(data),
        *_topics(data.manifest.get("features", {})),
    ]


def _leaks(data: AtomicData) -> Iterator[Finding]:
    for protocol, splits in data.splits.items():
        for part in statistics.parts(splits):
            if part.name == schema.TRAIN:
                continue
            title = PART_TITLES[part.name]
            if part.pairs_in_training:
                n_pairs = part.pairs_in_training
                yield Finding(
                    f"{protocol}: {counted(n_pairs, f'{title} pair')} {plural('is', n_pairs)} in "
                    f"training as well.",
                    "Do not use this split: whatever learns from training knows these answers. "
                    "Take the pairs out of the source's split and convert again.",
                )
            if protocol == schema.NEW_BRAND and part.brands_in_training:
                n_brands = part.brands_in_training
                yield Finding(
                    f"{protocol}: {counted(n_brands, f'{title} brand')} "
                    f"{plural('has', n_brands)} training pairs.",
                    "Name each brand in one part of the source's split only; new brands must be "
                    "unknown in training.",
                )
    if data.manifest.get("fit_on") == FIT_ON_ALL and data.manifest.get("features"):
        yield Finding(
            "Topics, labels and attributes were fitted on all accounts (fit_on: all), those of "
            "validation and test brands included.",
            "Use it only to repeat the paper's habit, and say so beside results; otherwise set "
            "fit_on: training and convert again.",
        )


def _parts(data: AtomicData) -> Iterator[Finding]:
    known = {part.name: part for part in statistics.parts(data.splits.get(schema.NEW_BRAND, {}))}
    for name, without in _WITHOUT.items():
        n_brands = known[name].brands if name in known else 0
        words = f"{PART_TITLES[name]} brand"
        if not n_brands:
            yield Finding(f"The protocol {schema.NEW_BRAND} has no {words}s.", without)
        elif n_brands < MIN_BRANDS_OF_PART:
            yield Finding(
                f"The protocol {schema.NEW_BRAND} has only {counted(n_brands, words)}.",
                f"Means over so few brands are mostly noise: below {MIN_BRANDS_OF_PART} trust only "
                f"large differences, or give more brands (n_{name}).",
            )


def _repeated(manifest: Mapping[str, Any]) -> Iterator[Finding]:
    found = statistics.odd_rows(manifest)
    n_rows = sum(rows.n_rows for rows in found if rows.reason.startswith(REPEATED))
    if n_rows:
        yield Finding(
            f"{counted(n_rows, 'row')} repeated an account, a pair or a vector; one was kept.",
            "Look in problems.csv whether exports were joined twice, or whether two different "
            "things have the same id.",
        )


def _pairs(data: AtomicData) -> Iterator[Finding]:
    for side in schema.SIDES:
        n_without = int((statistics.degrees(data, side) == 0).sum())
        if n_without:
            yield Finding(
                f"{counted(n_without, side)} {plural('has', n_without)} no collaboration.",
                "No evaluation asks for such a brand, and nothing is learnt from it; check "
                "whether its collaborations were lost on the way."
                if side == schema.BRAND
                else "Such influencers only make the candidates more; check whether their "
                "collaborations were lost on the way.",
            )
    most, share = statistics.largest_share(data)
    if share > POPULAR_SHARE and most >= POPULAR_PAIRS:
        yield Finding(
            f"One influencer has {most:,} of {counted(len(data.interactions), 'collaboration')} "
            f"({percent(share, 1)}).",
            "A model that always names it scores well: compare with the baseline Pop, and check "
            "whether several accounts share that id.",
        )


def _categories(data: AtomicData) -> Iterator[Finding]:
    found = statistics.categories(data)
    if not found:
        yield Finding(
            "The brands have no categories.",
            "The split of brands is drawn without them, so that parts may differ in kind, and "
            "there is no cAUC: give every brand a category.",
        )
    single = sorted(category.name for category in found if category.brands == 1)
    if single:
        n = len(single)
        yield Finding(
            f"{counted(n, 'category')} {plural('has', n)} a single brand.",
            "It stands in one part of the split only, and cAUC compares within it over one brand: "
            "merge it with a related category.",
        )


def _modalities(data: AtomicData) -> Iterator[Finding]:
    sides = statistics.presence(data)
    if not any(side.present for side in sides):
        yield Finding(
            "The accounts have no features at all.",
            "MIRec needs at least one modality; only collaborative filtering can use this data, "
            "and it knows nothing of new brands. Give posts, biographies or vectors.",
        )
        return
    for side in sides:
        for modality, n_present in side.present.items():
            if n_present < RARE_MODALITY * side.n_accounts:
                yield Finding(
                    f"Only {n_present:,} of {counted(side.n_accounts, side.side)} "
                    f"{plural('has', side.n_accounts)} {modality_title(modality)} "
                    f"({percent(n_present, side.n_accounts)}).",
                    "A model learns little from it; leave its perspective out, or find the "
                    "missing material.",
                )
        n_without = side.n_without_any
        if n_without:
            yield Finding(
                f"{counted(n_without, side.side)} {plural('has', n_without)} no modality at all.",
                "MIRec scores them all alike: give them posts, a biography or vectors, or leave "
                "them out of the source.",
            )


def _topics(features: Mapping[str, Any]) -> Iterator[Finding]:
    for modality, report in features.items():
        # Of two topics one always has half of the weight.
        topics = report.get("topics", [])
        if len(topics) < 3:
            continue
        shares = [float(topic["share"]) for topic in topics]
        if max(shares) > HEAVY_TOPIC:
            yield Finding(
                f"{modality_title(modality).capitalize()}: topic {shares.index(max(shares))} holds "
                f"{percent(max(shares), 1)} of the weight.",
                "Words that everybody uses were probably kept: lower max_share, add stop words or "
                "languages, or try other numbers of topics.",
            )
