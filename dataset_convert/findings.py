"""The numbers of a data set, and what a reader is warned about; every threshold stands here."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from string import ascii_lowercase
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from dataset_convert import schema
from dataset_convert.atomic import AtomicData
from dataset_convert.common.words import counted, percent, plural
from dataset_convert.settings import FIT_ON_ALL

PROBLEMS: Final = "problems"
"""Key of the manifest: what `Problems.told` says of rows with the same problem."""
PART_TITLES: Final = {schema.TRAIN: "training", schema.VALID: "validation", schema.TEST: "test"}

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
    *("every row once", "every pair once", "the same content"),
    *("the same vectors", "one vector an account"),
)
"""Beginnings of the reasons that tell of repeated rows."""
MIN_MISSING: Final = 8
"""Names to be expected before or behind the letters found; a whole list lacks so many by chance
once in 3,000 times."""
MIN_LETTERS: Final = 5
"""Fewer different first letters are the pattern of ids rather than of names."""
MAX_NUMBERED: Final = 0.1
"""A larger share that begins with a digit is the pattern of ids too."""
# Rough shares of first letters in names of accounts, in percent.
_SHARES = (7, 6, 7, 5, 4, 4, 4, 4, 3, 5, 5, 5, 9, 3, 2, 4, 0.3, 3, 8, 5, 1, 2, 2, 0.3, 0.7, 0.7)
_EXPECTED: Final = {
    letter: share / 100 for letter, share in zip(ascii_lowercase, _SHARES, strict=True)
}
_WITHOUT: Final = {
    schema.VALID: "Settings cannot be chosen honestly without them: name some in the source's "
    "split, or raise n_valid.",
    schema.TEST: "Figures on validation brands flatter what was chosen on them: keep brands for "
    "the test in the source's split or by n_test, or say beside results that there were none.",
}


@dataclass(frozen=True)
class Finding:
    """A warning."""

    text: str  # what was found, one sentence
    remedy: str  # what to do about it, or how to read figures because of it


@dataclass(frozen=True)
class Part:
    """One part of a protocol's split, and what training shares with it."""

    name: str  # train, valid or test
    brands: int
    influencers: int
    pairs: int
    brands_in_training: int  # its brands that have training pairs
    influencers_in_training: int
    pairs_of_these: int  # its pairs that have such an influencer
    pairs_in_training: int  # its pairs that are training pairs as well; there must be none


def degrees(data: AtomicData, side: schema.Side) -> npt.NDArray[np.int64]:
    """Returns every account's number of collaborations, 0 included, in the table's order."""
    field = schema.ACCOUNT_ID[side]
    counts = data.interactions[field].value_counts()
    found = data.accounts(side)[field].map(counts).fillna(0)
    return np.array(found, dtype=np.int64)


def followers(data: AtomicData, side: schema.Side) -> npt.NDArray[np.float64]:
    """Returns the known follower counts of one side; empty where none is known."""
    table, field = data.accounts(side), schema.account_field(side, schema.FOLLOWERS)
    found = table[field].dropna() if field in table else ()
    return np.array(found, dtype=np.float64)


def categories(data: AtomicData) -> pd.DataFrame:
    """Returns how many of each category there are, those with most brands first.

    Columns are `brands`, `collaborations` of these and, where theirs are known, `influencers`; the
    table is empty where brands have none.
    """
    if schema.BRAND_CATEGORY not in data.brands:
        return pd.DataFrame(columns=["brands", "collaborations"])
    of_brand = data.brands.set_index(schema.BRAND_ID)[schema.BRAND_CATEGORY].dropna()
    of_brand = of_brand[of_brand != ""]
    counts = {
        "brands": Counter(of_brand),
        "collaborations": Counter(data.interactions[schema.BRAND_ID].map(of_brand).dropna()),
    }
    if data.influencer_category is not None:
        counts["influencers"] = Counter(data.influencer_category.dropna())
    names = sorted(counts["brands"], key=lambda name: (-counts["brands"][name], name))
    columns = {what: [number[name] for name in names] for what, number in counts.items()}
    return pd.DataFrame(columns, index=pd.Index(names, dtype=object))


def parts(splits: Mapping[str, pd.DataFrame]) -> list[Part]:
    """Returns the parts of one protocol, of part -> its pairs, in the order train, valid, test."""
    pairs = {
        name: set(zip(part[schema.BRAND_ID], part[schema.INFLUENCER_ID], strict=True))
        for name, part in splits.items()
    }
    training = pairs.get(schema.TRAIN, set())
    known_brands, known_influencers = ({pair[place] for pair in training} for place in (0, 1))
    found = []
    for name in (name for name in schema.PARTS if name in pairs):
        own = pairs[name]
        brands, influencers = ({pair[place] for pair in own} for place in (0, 1))
        found.append(
            Part(
                name=name,
                brands=len(brands),
                influencers=len(influencers),
                pairs=len(own),
                brands_in_training=len(brands & known_brands),
                influencers_in_training=len(influencers & known_influencers),
                pairs_of_these=sum(influencer in known_influencers for _, influencer in own),
                pairs_in_training=len(own & training),
            )
        )
    return found


def presence(data: AtomicData) -> dict[schema.Side, pd.DataFrame]:
    """Returns side -> account x modality: whether the account has it.

    A modality counts where either side has a column of it.
    """
    found = {
        side: {
            modality: table[field].notna()
            for modality in schema.MODALITIES
            for field in (schema.account_field(side, modality), schema.labels_field(side, modality))
            if field in table
        }
        for side in schema.SIDES
        for table in [data.accounts(side)]
    }
    known = [name for name in schema.MODALITIES if any(name in of for of in found.values())]
    return {
        side: pd.DataFrame(of, index=data.accounts(side).index)
        .reindex(columns=known, fill_value=False)
        .astype(bool)
        for side, of in found.items()
    }


def attribute_lists(data: AtomicData, side: schema.Side) -> list[list[str]]:
    """Returns the attributes of the accounts of a side that have some."""
    table, field = data.accounts(side), schema.account_field(side, schema.ATTRIBUTES)
    return list(table[field].dropna()) if field in table else []


def attribute_accounts(data: AtomicData) -> dict[str, dict[schema.Side, int]]:
    """Returns attribute -> side -> accounts that have it, the most frequent attributes first."""
    counts = {
        side: Counter(name for names in attribute_lists(data, side) for name in names)
        for side in schema.SIDES
    }
    total = sum(counts.values(), Counter[str]())
    ordered = sorted(total, key=lambda name: (-total[name], name))
    return {name: {side: counts[side][name] for side in schema.SIDES} for name in ordered}


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


def name_warnings(names: Collection[str], side: str) -> list[Finding]:
    """Returns a warning where all names of a side begin with a part of the alphabet only.

    Exports and file listings are sorted by name; one that was cut holds the first letters, or the
    last. To be called before pseudonyms take the names' place; the warning holds none of them.

    Args:
        names: Of one side's accounts.
        side: brand or influencer.
    """
    signs = [name.strip().lstrip("@_.")[:1].casefold() for name in names]
    initials = [sign for sign in signs if sign in _EXPECTED]
    n_names, n_numbered = len(initials), sum(sign.isdecimal() for sign in signs)
    # Numbered ids (b1, b2, ...) and hexadecimal ones are no names.
    if len(set(initials)) < MIN_LETTERS or n_numbered > MAX_NUMBERED * len(signs):
        return []
    first, last = min(initials), max(initials)
    n_before = n_names * sum(share for letter, share in _EXPECTED.items() if letter < first)
    n_behind = n_names * sum(share for letter, share in _EXPECTED.items() if letter > last)
    if max(n_before, n_behind) < MIN_MISSING:
        return []
    return [
        Finding(
            f"The names of {counted(n_names, side)} all begin with letters from {first} to "
            f"{last}: the list seems to be cut in alphabetical order.",
            "Look whether an export stopped at a number of rows or pages, and get the rest: "
            "collaborations with the missing ones count as none.",
        )
    ]


def _leaks(data: AtomicData) -> Iterator[Finding]:
    if data.manifest.get("fit_on") == FIT_ON_ALL and data.manifest.get("features"):
        yield Finding(
            "Topics, labels and attributes were fitted on all accounts (fit_on: all), those of "
            "validation and test brands included.",
            "Use it only to repeat the paper's habit, and say so beside results; otherwise set "
            "fit_on: training and convert again.",
        )


def _parts(data: AtomicData) -> Iterator[Finding]:
    known = {part.name: part for part in parts(data.splits.get(schema.NEW_BRAND, {}))}
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
    told = manifest.get(PROBLEMS, [])
    n_rows = sum(one["n_rows"] for one in told if one["what"].startswith(REPEATED))
    if n_rows:
        yield Finding(
            f"{counted(n_rows, 'row')} repeated an account, a pair or a vector; one was kept.",
            "Look in problems.csv whether exports were joined twice, or whether two different "
            "things have the same id.",
        )


def _pairs(data: AtomicData) -> Iterator[Finding]:
    for side in schema.SIDES:
        n_without = int((degrees(data, side) == 0).sum())
        if n_without:
            yield Finding(
                f"{counted(n_without, side)} {plural('has', n_without)} no collaboration.",
                "No evaluation asks for such a brand, and nothing is learnt from it; check "
                "whether its collaborations were lost on the way."
                if side == schema.BRAND
                else "Such influencers only make the candidates more; check whether their "
                "collaborations were lost on the way.",
            )
    most, n_pairs = int(degrees(data, schema.INFLUENCER).max(initial=0)), len(data.interactions)
    if most > POPULAR_SHARE * n_pairs and most >= POPULAR_PAIRS:
        yield Finding(
            f"One influencer has {most:,} of {counted(n_pairs, 'collaboration')} "
            f"({percent(most, n_pairs)}).",
            "A model that always names it scores well: compare with the baseline Pop, and check "
            "whether several accounts share that id.",
        )


def _categories(data: AtomicData) -> Iterator[Finding]:
    found = categories(data)
    if found.empty:
        yield Finding(
            "The brands have no categories.",
            "The split of brands is drawn without them, so that parts may differ in kind, and "
            "there is no cAUC: give every brand a category.",
        )
    n = len(data.brands) - int(found["brands"].sum())
    if n and not found.empty:
        yield Finding(
            f"{counted(n, 'brand')} {plural('has', n)} no category.",
            "They are drawn for the split beside the others, and cAUC leaves them out: give them "
            "one where it is known.",
        )
    n = int((found["brands"] == 1).sum())
    if n:
        yield Finding(
            f"{counted(n, 'category')} {plural('has', n)} a single brand.",
            "It stands in one part of the split only, and cAUC compares within it over one brand: "
            "merge it with a related category.",
        )


def _modalities(data: AtomicData) -> Iterator[Finding]:
    sides = presence(data)
    if not len(sides[schema.BRAND].columns):
        yield Finding(
            "The accounts have no features at all.",
            "MIRec needs at least one modality; only collaborative filtering can use this data, "
            "and it knows nothing of new brands. Give posts, biographies or vectors.",
        )
        return
    for side, has in sides.items():
        for modality, n_present in has.sum().items():
            # Captions of one side may face biographies of the other.
            if modality in schema.TEXT_MODALITIES and not n_present:
                continue
            if n_present < RARE_MODALITY * len(has):
                yield Finding(
                    f"Only {n_present:,} of {counted(len(has), side)} {plural('has', len(has))} "
                    f"{str(modality).replace('_', ' ')} ({percent(n_present, len(has))}).",
                    "A model learns little from it; leave its perspective out, or find the "
                    "missing material.",
                )
        n_without = int((~has.any(axis=1)).sum())
        if n_without:
            yield Finding(
                f"{counted(n_without, side)} {plural('has', n_without)} no modality at all.",
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
                f"{modality.replace('_', ' ').capitalize()}: topic {shares.index(max(shares))} "
                f"holds {percent(max(shares), 1)} of the weight.",
                "Words that everybody uses were probably kept: lower max_share, add stop words or "
                "languages, or try other numbers of topics.",
            )
