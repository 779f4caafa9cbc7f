"""Account tables: what each account has of every perspective, by internal id."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy import sparse
from torch import Tensor

from dataset_convert import schema
from dataset_convert.atomic import AtomicData
from dataset_convert.common.errors import UsageError, nearest

LISTS, VECTOR = "graph", "vector"
DENSE_MODALITIES = (schema.CONTENT_TOPICS, schema.AUDIENCE_TOPICS, schema.ATTRIBUTE_VECTOR)
Frames = Mapping[schema.Side, pd.DataFrame]


@dataclass(frozen=True)
class SideTable:
    """Features of one side; row i is internal id i and row 0 is RecBole's padding, all missing.

    Attributes:
        features: modality -> float32 tensor (account, dimension), zeros where missing.
        masks: modality -> bool tensor (account), True where the account has the modality.
        attributes: 0/1 incidence (account, attribute) over the shared vocabulary.
        followers: float64 (account), NaN where unknown.
    """

    features: Mapping[str, Tensor]
    masks: Mapping[str, Tensor]
    attributes: sparse.csr_array
    followers: NDArray[np.float64]


@dataclass(frozen=True)
class AccountTables:
    """Both sides' features over shared dimensions.

    Attributes:
        sides: `brand` and `influencer` -> their table.
        dimensions: modality -> number of dimensions, the same on both sides. A modality that one
            side lacks altogether is left out: nothing could be compared with it.
        attribute_names: the shared attribute vocabulary, sorted; from training accounts only.
        left_out: modality -> why it is not used.
    """

    sides: Mapping[schema.Side, SideTable]
    dimensions: Mapping[str, int]
    attribute_names: tuple[str, ...]
    left_out: Mapping[str, str]


def build_account_tables(
    data: AtomicData,
    tokens: Mapping[schema.Side, Sequence[str]],
    training: Mapping[schema.Side, NDArray[np.bool_]],
) -> AccountTables:
    """Turn the checked atomic files into tensors.

    Args:
        data: the data set.
        tokens: side -> account ids in the order of the internal ids, padding first.
        training: side -> True at internal ids with a training collaboration. Vocabularies of
            labels and attributes are taken from these accounts only, so nothing of validation or
            test reaches them.

    Returns:
        The tables; features that no training account shows are dropped from every account.
    """
    files = {schema.BRAND: data.brands, schema.INFLUENCER: data.influencers}
    # Reindexing aligns rows with internal ids; the padding token gets a row of missing values.
    frames: Frames = {
        side: frame.set_index(schema.ACCOUNT_ID[side]).reindex(list(tokens[side]))
        for side, frame in files.items()
    }
    features: dict[schema.Side, dict[str, Tensor]] = {side: {} for side in schema.SIDES}
    masks: dict[schema.Side, dict[str, Tensor]] = {side: {} for side in schema.SIDES}
    left_out: dict[str, str] = {}
    for modality in (*DENSE_MODALITIES, *schema.VISUAL_MODALITIES):
        matrices = _modality(frames, modality, training)
        present = {
            side: np.asarray(~np.isnan(matrix).any(axis=1)) for side, matrix in matrices.items()
        }
        empty = [side for side, mask in present.items() if not mask.any()]
        if empty:
            left_out[modality] = f"no {' and no '.join(empty)} has it"
            continue
        for side, mask in present.items():
            values = np.where(mask[:, None], matrices[side], 0.0).astype(np.float32)
            features[side][modality] = torch.from_numpy(values)
            masks[side][modality] = torch.from_numpy(mask)
    names = _vocabulary(frames, schema.ATTRIBUTES, training)
    sides = {}
    for side, frame in frames.items():
        unknown = pd.Series(np.nan, index=frame.index)
        followers = frame.get(schema.account_field(side, schema.FOLLOWERS), unknown)
        sides[side] = SideTable(
            features=features[side],
            masks=masks[side],
            attributes=_incidence(
                frame.get(schema.account_field(side, schema.ATTRIBUTES), ()), len(frame), names
            ),
            followers=np.asarray(followers, dtype=np.float64),
        )
    return AccountTables(
        sides=sides,
        dimensions={name: tensor.shape[1] for name, tensor in features[schema.BRAND].items()},
        attribute_names=tuple(names),
        left_out=left_out,
    )


def _modality(
    frames: Frames, modality: str, training: Mapping[schema.Side, NDArray[np.bool_]]
) -> dict[schema.Side, NDArray[np.float64]]:
    """Matrices (account, dimension) with NaN rows where missing; none where no column exists."""
    if all(schema.account_field(side, modality) in frames[side] for side in schema.SIDES):
        return {
            side: _dense(frame[schema.account_field(side, modality)])
            for side, frame in frames.items()
        }
    if all(schema.labels_field(side, modality) in frames[side] for side in schema.SIDES):
        names = _vocabulary(frames, f"{modality}_{schema.LABELS}", training)
        return {side: _from_labels(frames[side], side, modality, names) for side in schema.SIDES}
    return {}


def _dense(column: "pd.Series[Any]") -> NDArray[np.float64]:
    rows = {row: value for row, value in enumerate(column) if isinstance(value, np.ndarray)}
    width = len(next(iter(rows.values()), ()))
    matrix = np.full((len(column), max(width, 1)), np.nan)
    for row, value in rows.items():
        matrix[row] = value
    return matrix


def _from_labels(
    frame: pd.DataFrame, side: schema.Side, modality: str, names: Mapping[str, int]
) -> NDArray[np.float64]:
    matrix = np.full((len(frame), max(len(names), 1)), np.nan)
    labels = frame[schema.labels_field(side, modality)]
    weights = frame[schema.weights_field(side, modality)]
    for row, (label_list, weight_list) in enumerate(zip(labels, weights, strict=True)):
        if not _known(label_list, names):
            continue
        matrix[row] = 0.0
        for label, weight in zip(label_list, weight_list, strict=True):
            if label in names:
                matrix[row, names[label]] += weight
    return matrix


def _known(values: object, names: Mapping[str, int]) -> list[str]:
    return [value for value in values if value in names] if isinstance(values, list) else []


def _vocabulary(
    frames: Frames, column: str, training: Mapping[schema.Side, NDArray[np.bool_]]
) -> dict[str, int]:
    """Sorted names of a list column over the training accounts of both sides -> dimension."""
    lists = [
        values
        for side, frame in frames.items()
        for values in frame.get(schema.account_field(side, column), frame.index)[training[side]]
        if isinstance(values, list)
    ]
    return {name: place for place, name in enumerate(sorted(set().union(*lists)))}


def _incidence(
    lists: Iterable[object], n_accounts: int, names: Mapping[str, int]
) -> sparse.csr_array:
    cells = [
        (row, names[value])
        for row, values in enumerate(lists)
        for value in sorted(set(_known(values, names)))
    ]
    rows, columns = zip(*cells, strict=True) if cells else ((), ())
    ones = np.ones(len(cells), dtype=np.int64)
    return sparse.csr_array((ones, (rows, columns)), shape=(n_accounts, len(names)))


def check_perspectives(wanted: Any) -> tuple[str, ...]:
    """The list of perspectives, checked.

    Raises:
        UsageError: not a list, empty, a name twice or an unknown name.
    """
    is_list = isinstance(wanted, list | tuple) and len(wanted) > 0
    if not is_list or len(set(map(str, wanted))) < len(wanted):
        raise UsageError(
            "Key 'perspectives' must list one to three of content, audience, attribute, each "
            f"once, for example --perspectives=[content,attribute]. Received: {wanted!r}."
        )
    for name in wanted:
        if name not in schema.PERSPECTIVES:
            hint = nearest(str(name), schema.PERSPECTIVES)
            raise UsageError(f"Unknown perspective '{name}'.{hint}")
    return tuple(wanted)


def available_perspectives(accounts: AccountTables, wanted: Sequence[str]) -> tuple[str, ...]:
    """Those of the wanted perspectives that the data set has features for.

    Raises:
        UsageError: none of them.
    """
    have = tuple(
        name
        for name in wanted
        if any(modality in accounts.dimensions for modality in schema.PERSPECTIVES[name])
        or (name == "attribute" and accounts.attribute_names)
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
        UsageError: the choice is unknown, or the data set lacks what it asks for.
    """
    have = {
        LISTS: bool(accounts.attribute_names),
        VECTOR: schema.ATTRIBUTE_VECTOR in accounts.dimensions,
    }
    if choice == "auto":
        return LISTS if have[LISTS] else VECTOR
    if choice not in have:
        raise UsageError(
            f"Unknown attribute_input '{choice}'.{nearest(str(choice), ('auto', *have))}"
        )
    if not have[choice]:
        other = VECTOR if choice == LISTS else LISTS
        raise UsageError(
            f"attribute_input={choice} needs what the data set lacks; use attribute_input={other}."
        )
    return str(choice)


def incidence_features(accounts: AccountTables, side: schema.Side) -> tuple[Tensor, Tensor]:
    """Attribute lists as 0/1 rows: float32 (account, attribute) and the mask (account)."""
    rows = torch.from_numpy(accounts.sides[side].attributes.toarray()).float()
    return rows, rows.any(dim=1)


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
    """Where values stand among those of some accounts.

    Args:
        values: (account), NaN where unknown.
        fitted: (account), True for the accounts to compare with, at least one value among them.

    Returns:
        (account): the share of compared values below less the share above, in [-1, 1]; 0, the
        middle, where the value is unknown.
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
    known = interactions.set_index([schema.BRAND_ID, schema.INFLUENCER_ID])[schema.COMPETENCE]
    tokens = pd.MultiIndex.from_arrays(
        [
            dataset.id2token(dataset.uid_field, pairs[:, 0]),
            dataset.id2token(dataset.iid_field, pairs[:, 1]),
        ]
    )
    found: NDArray[np.float64] = known.reindex(tokens).to_numpy(dtype=np.float64)
    return found


def mean_competence(
    pairs: NDArray[np.int64], competence: NDArray[np.float64], n_influencers: int
) -> NDArray[np.float64]:
    """Mean competence of every influencer: float64 (influencer), NaN where none is known.

    Args:
        pairs: (pair, 2) collaborations in internal ids.
        competence: (pair), NaN where unknown.
        n_influencers: number of internal ids, padding included.
    """
    known = ~np.isnan(competence)
    influencers = pairs[known, 1]
    counts = np.bincount(influencers, minlength=n_influencers)
    sums = np.bincount(influencers, weights=competence[known], minlength=n_influencers)
    means = np.full(n_influencers, np.nan)
    np.divide(sums, counts, out=means, where=counts > 0)
    return means


def competence_weights(competence: NDArray[np.float64], power: float) -> NDArray[np.float64]:
    """Weights of training pairs: competence to a power, 1 on average, 1 where it is unknown.

    Args:
        competence: (pair), at least 0, NaN where unknown.
        power: 0 gives every pair the weight 1.
    """
    known = competence > 0
    weights = np.ones(len(competence))
    if power and known.any():
        raised = competence[known] ** power
        weights[known] = raised / raised.mean()
    return weights


@dataclass(frozen=True, eq=False)
class Buckets:
    """Each brand's influencers, cut into buckets of falling competence.

    Attributes:
        members: int64 (brand, bucket, slot) internal ids by internal id of the brand; 0 in slots
            beyond a bucket's size.
        sizes: int64 (brand, bucket).
    """

    members: NDArray[np.int64]
    sizes: NDArray[np.int64]


def competence_buckets(
    pairs: NDArray[np.int64], competence: NDArray[np.float64], n_brands: int, n_buckets: int
) -> Buckets:
    """Cut every brand's influencers into buckets as even as can be.

    Args:
        pairs: (pair, 2) collaborations in internal ids.
        competence: (pair), NaN where unknown, which counts as the least; equal ones keep the
            order of the pairs.
        n_brands: number of internal ids, padding included.
        n_buckets: at least 1.

    Returns:
        The buckets, the best first. A brand with fewer influencers than buckets has empty ones.
    """
    worth = np.where(np.isnan(competence), -np.inf, competence)
    ordered = pairs[np.lexsort((-worth, pairs[:, 0]))]
    degrees = np.bincount(ordered[:, 0], minlength=n_brands)
    brands = ordered[:, 0]
    rank = np.arange(len(ordered)) - (np.cumsum(degrees) - degrees)[brands]
    bucket = rank * n_buckets // degrees[brands]
    # less the first rank that falls into the bucket: bucket * degree / n_buckets, rounded up
    slot = rank + -bucket * degrees[brands] // n_buckets
    sizes = np.zeros((n_brands, n_buckets), dtype=np.int64)
    np.add.at(sizes, (brands, bucket), 1)
    members = np.zeros((n_brands, n_buckets, max(int(sizes.max()), 1)), dtype=np.int64)
    members[brands, bucket, slot] = ordered[:, 1]
    return Buckets(members, sizes)
