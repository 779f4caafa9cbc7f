"""Account tables: what each account has of every perspective, by internal id."""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy import sparse
from torch import Tensor

from dataset_convert import schema
from dataset_convert.atomic import AtomicData
from dataset_convert.common.errors import UsageError

logger = logging.getLogger(__name__)

LISTS, VECTOR = "graph", "vector"
Column: TypeAlias = "pd.Series[Any]"
Frames = Mapping[schema.Side, pd.DataFrame]
Masks = Mapping[schema.Side, NDArray[np.bool_]]
# Values (account, dimension) and the mask (account) of who has them.
Rows = tuple[NDArray[np.float64], NDArray[np.bool_]]


@dataclass(frozen=True)
class SideTable:
    """Features of one side; row i is internal id i and row 0 is RecBole's padding, all missing.

    Attributes:
        features: modality -> float32 tensor (account, dimension), zeros where missing.
        masks: modality -> bool tensor (account), True where the account has the modality.
        attributes: 0/1 incidence (account, attribute) over the shared vocabulary, int64.
        followers: float64 (account), NaN where unknown.
    """

    features: dict[str, Tensor]
    masks: dict[str, Tensor]
    attributes: sparse.csr_array
    followers: NDArray[np.float64]


@dataclass(frozen=True)
class AccountTables:
    """Both sides' features over shared dimensions.

    Attributes:
        sides: `brand` and `influencer` -> their table.
        dimensions: modality -> number of dimensions, the same on both sides. A modality that no
            account of one side has is left out: nothing could be compared with it. Captions or
            biographies as text that only one side has stand in the features of that side alone.
        attribute_names: the shared attribute vocabulary, sorted; from training accounts only.
        label_names: the same of visual modalities whose columns are labels.
    """

    sides: Mapping[schema.Side, SideTable]
    dimensions: Mapping[str, int]
    attribute_names: tuple[str, ...]
    label_names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def build_account_tables(
    data: AtomicData,
    tokens: Mapping[schema.Side, Sequence[str]],
    training: Masks,
) -> AccountTables:
    """Turn the checked atomic files into tensors.

    Args:
        data: the data set.
        tokens: side -> account ids in the order of the internal ids, padding first.
        training: side -> True at internal ids with a training collaboration. Vocabularies of
            labels and attributes are taken from these accounts only, so nothing of validation or
            test reaches them.

    Returns:
        The tables; labels and attributes that no training account shows are dropped from every
        account. A modality that is not used is told in the log.
    """
    # Rows of the internal ids; the padding token gets a row of missing values.
    frames = {
        side: frame.set_index(schema.ACCOUNT_ID[side]).reindex(list(tokens[side]))
        for side, frame in ((schema.BRAND, data.brands), (schema.INFLUENCER, data.influencers))
    }
    lists = _columns(frames, schema.account_field, schema.ATTRIBUTES)
    names = _vocabulary(lists, training)
    sides = {}
    for side, frame in frames.items():
        unknown = pd.Series(np.nan, index=frame.index)
        followers = frame.get(schema.account_field(side, schema.FOLLOWERS), unknown)
        attributes = _incidence(lists.get(side, unknown), names)
        sides[side] = SideTable({}, {}, attributes, np.asarray(followers, dtype=np.float64))
    found = {
        modality: _rows(frames, modality, training)
        for modality in schema.MODALITIES
        if modality != schema.ATTRIBUTES
    }
    have = {
        side: [name for name, rows in found.items() if side in rows and rows[side][1].any()]
        for side in sides
    }
    for modality, of_sides in found.items():
        if of_sides and not schema.of_use(modality, have):
            empty = [side for side in sides if modality not in have[side]]
            reason = " and no ".join(empty)
            logger.info(f"Modality {modality} is not used: no {reason} has it.")
            continue
        for side, (rows, mask) in of_sides.items():
            if mask.any():
                sides[side].features[modality] = torch.from_numpy(rows.astype(np.float32))
                sides[side].masks[modality] = torch.from_numpy(mask)
    both = [name for name in found if all(name in one.features for one in sides.values())]
    widths = {name: sides[schema.BRAND].features[name].shape[1] for name in both}
    labels = {name: _columns(frames, schema.labels_field, name) for name in found}
    label_names = {name: tuple(_vocabulary(x, training)) for name, x in labels.items() if x}
    return AccountTables(sides, widths, tuple(names), label_names)


def _columns(
    frames: Frames, field: Callable[[schema.Side, str], str], modality: str
) -> dict[schema.Side, Column]:
    """A modality's column of both sides; nothing where the data set, so either side, lacks it."""
    named = {side: field(side, modality) for side in frames}
    return {side: frames[side][name] for side, name in named.items() if name in frames[side]}


def _rows(frames: Frames, modality: str, training: Masks) -> dict[schema.Side, Rows]:
    """Values (account, dimension), zeros where missing, and the mask; nothing without columns."""
    labels = _columns(frames, schema.labels_field, modality)
    if not labels:
        dense = _columns(frames, schema.account_field, modality)
        return {side: _dense(column) for side, column in dense.items()}
    weights = _columns(frames, schema.weights_field, modality)
    names = _vocabulary(labels, training)
    return {side: _from_labels(labels[side], weights[side], names) for side in labels}


def _dense(column: Column) -> Rows:
    mask = np.array(column.notna())
    rows = np.zeros((len(column), len(column[mask].iloc[0]) if mask.any() else 1))
    if mask.any():
        rows[mask] = np.stack(list(column[mask]))
    return rows, mask


def _from_labels(labels: Column, weights: Column, names: Mapping[str, int]) -> Rows:
    rows, mask = np.zeros((len(labels), len(names))), np.zeros(len(labels), dtype=bool)
    for row in np.flatnonzero(labels.notna()):
        for label, weight in zip(labels.iloc[row], weights.iloc[row], strict=True):
            if label in names:
                rows[row, names[label]] += weight
                mask[row] = True
    return rows, mask


def _vocabulary(lists: Mapping[schema.Side, Column], training: Masks) -> dict[str, int]:
    """Sorted names of a column of lists over the training accounts of both sides -> dimension."""
    shown = (column[training[side]].dropna() for side, column in lists.items())
    names = set(chain.from_iterable(chain.from_iterable(shown)))
    return {name: place for place, name in enumerate(sorted(names))}


def _incidence(lists: Column, names: Mapping[str, int]) -> sparse.csr_array:
    places = lists.reset_index(drop=True).explode().map(names).dropna().astype(np.int64)
    ones = np.ones(len(places), dtype=np.int64)
    incidence = sparse.csr_array((ones, (places.index, places)), shape=(len(lists), len(names)))
    # an attribute that a list repeats counts once
    incidence.data[:] = 1
    return incidence


# What of a brand is compared with what of an influencer, by perspective: each modality with itself,
# and captions with biographies as well.
_OWN_TEXTS = tuple((own, other) for own in schema.OWN_TEXTS for other in schema.OWN_TEXTS)
PAIRS: dict[str, tuple[tuple[str, str], ...]] = {
    perspective: tuple((name, name) for name in names if name not in schema.OWN_TEXTS)
    + (_OWN_TEXTS if perspective == "content" else ())
    for perspective, names in schema.PERSPECTIVES.items()
}


def compared(
    accounts: AccountTables, perspectives: Iterable[str], attribute_input: Any = "auto"
) -> tuple[tuple[str, str, str], ...]:
    """Perspective, brand's and influencer's modality of all that the data set can compare.

    Attributes are the lists or the vector, as `attribute_source` says. A brand's biography is
    compared with captions only where the influencers have no biographies.
    """
    have = {side: {*table.features} for side, table in accounts.sides.items()}
    found = []
    for perspective in perspectives:
        pairs = PAIRS[perspective]
        if perspective == "attribute":
            lists = attribute_source(accounts, attribute_input) == LISTS
            name = schema.ATTRIBUTES if lists else schema.ATTRIBUTE_VECTOR
            found.append((perspective, name, name))
            continue
        some = [
            (perspective, *pair)
            for pair in pairs
            if pair[0] in have[schema.BRAND] and pair[1] in have[schema.INFLUENCER]
        ]
        crossed = perspective, schema.PROFILE_TEXT, schema.CONTENT_TEXT
        if schema.PROFILE_TEXT in have[schema.INFLUENCER] and crossed in some:
            some.remove(crossed)
        found += some
    return tuple(found)


def available_perspectives(accounts: AccountTables, wanted: Sequence[str]) -> tuple[str, ...]:
    """Those of the wanted perspectives that the data set has features for.

    Raises:
        UsageError: none of them.
    """
    attributes = accounts.attribute_names or schema.ATTRIBUTE_VECTOR in accounts.dimensions
    have = tuple(
        name
        for name in wanted
        if (attributes if name == "attribute" else compared(accounts, [name]))
    )
    if not have:
        raise UsageError(
            f"The data set has no features for the perspectives {list(wanted)}: fill at least one "
            f"of the columns {', '.join(schema.MODALITIES)} on both sides."
        )
    return have


def attribute_source(accounts: AccountTables, choice: Any) -> str:
    """Whether attributes come from the lists (`graph`) or from the precomputed vector.

    Raises:
        UsageError: the data set lacks what the choice asks for.
    """
    have = [LISTS] * bool(accounts.attribute_names)
    have += [VECTOR] * (schema.ATTRIBUTE_VECTOR in accounts.dimensions)
    if choice != "auto" and choice not in have:
        raise UsageError(
            f"attribute_input={choice} needs what the data set lacks; use "
            f"attribute_input={have[0]}."
        )
    return have[0] if choice == "auto" else str(choice)


def influence_numbers(dataset: Any) -> dict[str, NDArray[np.float64]]:
    """What the data set tells of an influencer's reach and effect, on one scale.

    Returns:
        `followers` and `competence` (the mean over its training collaborations), those of which
        any training influencer has a value -> float64 (influencer) by internal id, each in
        [-1, 1]; see `standing`.
    """
    pairs = dataset.pairs[schema.TRAIN]
    fitted = np.isin(np.arange(dataset.item_num), pairs[:, 1])
    values = {
        schema.FOLLOWERS: dataset.accounts.sides[schema.INFLUENCER].followers,
        schema.COMPETENCE: mean_competence(pairs, training_competence(dataset), dataset.item_num),
    }
    return {
        name: standing(numbers, fitted)
        for name, numbers in values.items()
        if not np.isnan(numbers[fitted]).all()
    }


def standing(values: NDArray[np.float64], fitted: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Where values (account), NaN where unknown, stand among those of the `fitted` accounts.

    Returns:
        (account): the share of compared values below less the share above, in [-1, 1]; 0, the
        middle, where the value is unknown. At least one fitted account must have a value.
    """
    known = ~np.isnan(values)
    compared = np.sort(values[fitted & known])
    below = np.searchsorted(compared, values, side="left")
    above = len(compared) - np.searchsorted(compared, values, side="right")
    return np.where(known, (below - above) / len(compared), 0.0)


def training_competence(dataset: Any) -> NDArray[np.float64]:
    """Competence of `dataset.pairs["train"]`, row by row: float64 (pair), NaN where unknown.

    Nothing of validation or test is read.
    """
    pairs = dataset.pairs[schema.TRAIN]
    interactions = dataset.atomic.interactions
    if schema.COMPETENCE not in interactions:
        return np.full(len(pairs), np.nan)
    fields = list(schema.ACCOUNT_ID.values())
    known = interactions.set_index(fields)[schema.COMPETENCE]
    tokens = [dataset.id2token(field, ids) for field, ids in zip(fields, pairs.T, strict=True)]
    found = known.reindex(pd.MultiIndex.from_arrays(tokens))
    return np.asarray(found, dtype=np.float64)


def mean_competence(
    pairs: NDArray[np.int64], competence: NDArray[np.float64], n_influencers: int
) -> NDArray[np.float64]:
    """Mean over pairs (pair, 2) with a known competence (pair): (influencer), NaN without any."""
    known = ~np.isnan(competence)
    influencers = pairs[known, 1]
    counts = np.bincount(influencers, minlength=n_influencers)
    sums = np.bincount(influencers, weights=competence[known], minlength=n_influencers)
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)


def competence_buckets(
    pairs: NDArray[np.int64], competence: NDArray[np.float64], n_brands: int, n_buckets: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Cut every brand's influencers into buckets of falling competence, as even as can be.

    Of pairs (pair, 2) in internal ids, whose competence (pair) counts as the least where it is
    unknown (NaN); equal ones keep the order of the pairs. `n_brands` includes padding.

    Returns:
        Internal ids (brand, bucket, slot), the best bucket first, 0 in slots beyond a bucket's
        size; and the sizes (brand, bucket), 0 too where a brand has fewer influencers than buckets.
    """
    ordered = pairs[np.lexsort((-competence, pairs[:, 0]))]
    degrees = np.bincount(pairs[:, 0], minlength=n_brands)
    # a bucket's first rank: bucket * degree / n_buckets, rounded up
    first = -(-np.arange(n_buckets + 1) * degrees[:, None] // n_buckets)
    sizes = np.diff(first, axis=1)
    members = np.zeros((n_brands, n_buckets, max(int(sizes.max()), 1)), dtype=np.int64)
    members[np.arange(members.shape[2]) < sizes[:, :, None]] = ordered[:, 1]
    return members, sizes
