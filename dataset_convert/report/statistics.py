"""The numbers of a data report, from the atomic data alone."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from dataset_convert import schema
from dataset_convert.atomic import AtomicData

SKIPPED, NOTED = "skipped", "noted"
"""Keys of the manifest: "file: wanted reason" -> rows that were left out, or stayed."""


@dataclass(frozen=True)
class Category:
    """One category.

    Attributes:
        name: Of the category.
        brands: How many brands it has.
        pairs: Collaborations of these.
        influencers: How many influencers it has; None where their categories are not known.
    """

    name: str
    brands: int
    pairs: int
    influencers: int | None


@dataclass(frozen=True)
class Part:
    """One part of a protocol's split, and what training shares with it.

    Attributes:
        name: train, valid or test.
        brands, influencers, pairs: How many it has.
        brands_in_training: Its brands that have training pairs.
        influencers_in_training: Its influencers that have training pairs.
        pairs_of_these: Its pairs that have such an influencer.
        pairs_in_training: Its pairs that are training pairs as well; there must be none.
    """

    name: str
    brands: int
    influencers: int
    pairs: int
    brands_in_training: int
    influencers_in_training: int
    pairs_of_these: int
    pairs_in_training: int


@dataclass(frozen=True)
class Presence:
    """Which modalities the accounts of one side have.

    Attributes:
        side: brand or influencer.
        n_accounts: How many accounts it has.
        present: Modality -> accounts that have it.
        combinations: The modalities that an account has -> accounts, the most frequent first.
    """

    side: schema.Side
    n_accounts: int
    present: Mapping[str, int]
    combinations: Mapping[tuple[str, ...], int]

    @property
    def n_without_any(self) -> int:
        """Accounts that have no modality at all."""
        return self.combinations.get((), 0)


@dataclass(frozen=True)
class OddRows:
    """Rows of the input with the same problem.

    Attributes:
        file: Where they stand.
        reason: What was wanted.
        n_rows: How many they are.
        kept: Whether they stayed; otherwise they were left out.
    """

    file: str
    reason: str
    n_rows: int
    kept: bool


def accounts_of(data: AtomicData, side: schema.Side) -> pd.DataFrame:
    """Returns the table of one side's accounts."""
    return data.brands if side == schema.BRAND else data.influencers


def degrees(data: AtomicData, side: schema.Side) -> npt.NDArray[np.int64]:
    """Returns every account's number of collaborations, 0 included, in the table's order."""
    field = schema.ACCOUNT_ID[side]
    counts = data.interactions[field].value_counts()
    found = accounts_of(data, side)[field].map(counts).fillna(0)
    return np.array(found, dtype=np.int64)


def followers(data: AtomicData, side: schema.Side) -> npt.NDArray[np.float64]:
    """Returns the known follower counts of one side; empty where none is known."""
    table, field = accounts_of(data, side), schema.account_field(side, schema.FOLLOWERS)
    if field not in table:
        return np.array([], dtype=np.float64)
    return table[field].dropna().to_numpy(dtype=np.float64)


def categories(data: AtomicData) -> list[Category]:
    """Returns the categories, those with most brands first; none where brands have none."""
    if schema.BRAND_CATEGORY not in data.brands:
        return []
    of_brand = data.brands.set_index(schema.BRAND_ID)[schema.BRAND_CATEGORY]
    of_brand = of_brand[of_brand.notna() & (of_brand != "")]
    n_brands = Counter(of_brand)
    n_pairs = Counter(data.interactions[schema.BRAND_ID].map(of_brand))
    n_influencers = None
    if data.influencer_category is not None:
        n_influencers = Counter(data.influencer_category)
    found = [
        Category(name, n, n_pairs[name], None if n_influencers is None else n_influencers[name])
        for name, n in n_brands.items()
    ]
    return sorted(found, key=lambda category: (-category.brands, category.name))


def parts(splits: Mapping[str, pd.DataFrame]) -> list[Part]:
    """Returns the parts of one protocol in the order train, valid, test.

    Args:
        splits: Part -> its pairs.
    """
    pairs = {name: _pairs(splits[name]) for name in schema.PARTS if name in splits}
    training = set(pairs.get(schema.TRAIN, []))
    brands, influencers = ({pair[place] for pair in training} for place in (0, 1))
    return [
        Part(
            name=name,
            brands=len({brand for brand, _ in found}),
            influencers=len({influencer for _, influencer in found}),
            pairs=len(found),
            brands_in_training=len({brand for brand, _ in found} & brands),
            influencers_in_training=len({influencer for _, influencer in found} & influencers),
            pairs_of_these=sum(influencer in influencers for _, influencer in found),
            pairs_in_training=sum(pair in training for pair in found),
        )
        for name, found in pairs.items()
    ]


def presence(data: AtomicData) -> list[Presence]:
    """Returns both sides' modalities; a modality counts where either side has a column of it."""
    masks = {side: _masks(accounts_of(data, side), side) for side in schema.SIDES}
    known = [name for name in schema.MODALITIES if any(name in found for found in masks.values())]
    return [_presence(side, len(accounts_of(data, side)), masks[side], known) for side in masks]


def attribute_counts(data: AtomicData, side: schema.Side) -> npt.NDArray[np.int64]:
    """Returns how many attributes each account of a side has, those without left out."""
    return np.array([len(names) for names in _attribute_lists(data, side)], dtype=np.int64)


def attribute_accounts(data: AtomicData) -> dict[str, dict[schema.Side, int]]:
    """Returns attribute -> side -> accounts that have it, the most frequent attributes first."""
    counts = {
        side: Counter(name for names in _attribute_lists(data, side) for name in names)
        for side in schema.SIDES
    }
    total = sum(counts.values(), Counter[str]())
    ordered = sorted(total, key=lambda name: (-total[name], name))
    return {name: {side: counts[side][name] for side in schema.SIDES} for name in ordered}


def largest_share(data: AtomicData) -> tuple[int, float]:
    """Returns the collaborations of the influencer with most of them, and their share of all."""
    most = int(degrees(data, schema.INFLUENCER).max(initial=0))
    n_pairs = len(data.interactions)
    return most, most / n_pairs if n_pairs else 0.0


def odd_rows(manifest: Mapping[str, Any]) -> list[OddRows]:
    """Returns the rows with problems that a manifest tells of, by file, the most frequent first."""
    found = []
    for key, kept in ((SKIPPED, False), (NOTED, True)):
        for told, n_rows in manifest.get(key, {}).items():
            file, _, reason = told.partition(": wanted ")
            found.append(OddRows(file, reason, int(n_rows), kept))
    return sorted(found, key=lambda rows: (rows.file, rows.kept, -rows.n_rows, rows.reason))


def _attribute_lists(data: AtomicData, side: schema.Side) -> list[list[str]]:
    table, field = accounts_of(data, side), schema.account_field(side, schema.ATTRIBUTES)
    return list(table[field].dropna()) if field in table else []


def _pairs(table: pd.DataFrame) -> list[tuple[str, str]]:
    return list(zip(table[schema.BRAND_ID], table[schema.INFLUENCER_ID], strict=True))


def _masks(table: pd.DataFrame, side: schema.Side) -> dict[str, npt.NDArray[np.bool_]]:
    found = {}
    for modality in schema.MODALITIES:
        fields = [schema.account_field(side, modality), schema.labels_field(side, modality)]
        columns = [table[field] for field in fields if field in table]
        if columns:
            found[modality] = np.any([column.notna() for column in columns], axis=0)
    return found


def _presence(
    side: schema.Side,
    n_accounts: int,
    masks: Mapping[str, npt.NDArray[np.bool_]],
    known: list[str],
) -> Presence:
    absent = np.zeros(n_accounts, dtype=bool)
    rows = np.array([masks.get(name, absent) for name in known], dtype=bool)
    rows = rows.reshape(len(known), n_accounts).T
    counts = Counter(
        tuple(name for name, has in zip(known, row, strict=True) if has) for row in rows
    )
    ordered = sorted(counts.items(), key=lambda item: (-item[1], -len(item[0]), item[0]))
    present = {name: int(masks.get(name, absent).sum()) for name in known}
    return Presence(side, n_accounts, present, dict(ordered))
