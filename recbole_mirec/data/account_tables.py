"""Account features of both sides as tensors, held once and looked up by internal id."""

from collections.abc import Mapping, Sequence
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

DENSE_MODALITIES = (schema.CONTENT_TOPICS, schema.AUDIENCE_TOPICS, schema.ATTRIBUTE_VECTOR)


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
    frames = {
        schema.BRAND: data.brands.set_index(schema.BRAND_ID),
        schema.INFLUENCER: data.influencers.set_index(schema.INFLUENCER_ID),
    }
    # Reindexing aligns rows with internal ids; the padding token gets a row of missing values.
    frames = {side: frame.reindex(list(tokens[side])) for side, frame in frames.items()}
    features: dict[schema.Side, dict[str, Tensor]] = {side: {} for side in schema.SIDES}
    masks: dict[schema.Side, dict[str, Tensor]] = {side: {} for side in schema.SIDES}
    left_out: dict[str, str] = {}
    for modality in (*DENSE_MODALITIES, *schema.VISUAL_MODALITIES):
        matrices = _modality(frames, modality, training)
        if matrices is None:
            continue
        empty = [side for side in schema.SIDES if not _present(matrices[side]).any()]
        if empty:
            left_out[modality] = f"no {' and no '.join(empty)} has it"
            continue
        for side in schema.SIDES:
            mask = _present(matrices[side])
            masks[side][modality] = torch.from_numpy(mask)
            features[side][modality] = torch.from_numpy(
                np.where(mask[:, None], matrices[side], 0.0).astype(np.float32)
            )
    names = _vocabulary(frames, _attributes_field, training)
    return AccountTables(
        sides={
            side: SideTable(
                features=features[side],
                masks=masks[side],
                attributes=_incidence(
                    frames[side], schema.account_field(side, schema.ATTRIBUTES), names
                ),
                followers=_followers(frames[side], side),
            )
            for side in schema.SIDES
        },
        dimensions={name: tensor.shape[1] for name, tensor in features[schema.BRAND].items()},
        attribute_names=tuple(names),
        left_out=left_out,
    )


def _present(matrix: NDArray[np.float64]) -> NDArray[np.bool_]:
    present: NDArray[np.bool_] = np.asarray(~np.isnan(matrix).any(axis=1))
    return present


def _attributes_field(side: schema.Side) -> str:
    return schema.account_field(side, schema.ATTRIBUTES)


def _modality(
    frames: Mapping[schema.Side, pd.DataFrame],
    modality: str,
    training: Mapping[schema.Side, NDArray[np.bool_]],
) -> dict[schema.Side, NDArray[np.float64]] | None:
    """Matrices (account, dimension) with NaN rows where missing; None where no column exists."""
    if all(schema.account_field(side, modality) in frames[side] for side in schema.SIDES):
        return {
            side: _dense(frames[side][schema.account_field(side, modality)])
            for side in schema.SIDES
        }
    if all(schema.labels_field(side, modality) in frames[side] for side in schema.SIDES):
        names = _vocabulary(frames, lambda side: schema.labels_field(side, modality), training)
        return {side: _from_labels(frames[side], side, modality, names) for side in schema.SIDES}
    return None


def _dense(column: "pd.Series[Any]") -> NDArray[np.float64]:
    present = [value for value in column if isinstance(value, np.ndarray)]
    width = len(present[0]) if present else 0
    matrix = np.full((len(column), max(width, 1)), np.nan)
    for row, value in enumerate(column):
        if isinstance(value, np.ndarray):
            matrix[row] = value
    return matrix


def _from_labels(
    frame: pd.DataFrame, side: schema.Side, modality: str, names: Mapping[str, int]
) -> NDArray[np.float64]:
    matrix = np.full((len(frame), max(len(names), 1)), np.nan)
    labels = frame[schema.labels_field(side, modality)]
    weights = frame[schema.weights_field(side, modality)]
    for row, (label_list, weight_list) in enumerate(zip(labels, weights, strict=True)):
        known = _known(label_list, names)
        if not known:
            continue
        matrix[row] = 0.0
        for label, weight in zip(label_list, weight_list, strict=True):
            if label in names:
                matrix[row, names[label]] += weight
    return matrix


def _known(values: object, names: Mapping[str, int]) -> list[str]:
    return [value for value in values if value in names] if isinstance(values, list) else []


def _vocabulary(
    frames: Mapping[schema.Side, pd.DataFrame],
    field: Any,
    training: Mapping[schema.Side, NDArray[np.bool_]],
) -> dict[str, int]:
    """Sorted names of a list column over the training accounts of both sides -> dimension."""
    found: set[str] = set()
    for side in schema.SIDES:
        if field(side) in frames[side]:
            for values in frames[side][field(side)][training[side]]:
                if isinstance(values, list):
                    found.update(values)
    return {name: position for position, name in enumerate(sorted(found))}


def _incidence(frame: pd.DataFrame, field: str, names: Mapping[str, int]) -> sparse.csr_array:
    rows, columns = [], []
    for row, values in enumerate(frame.get(field, ())):
        known = set(_known(values, names))
        rows += [row] * len(known)
        columns += sorted(names[value] for value in known)
    ones = np.ones(len(rows), dtype=np.int64)
    return sparse.csr_array((ones, (rows, columns)), shape=(len(frame), len(names)))


def _followers(frame: pd.DataFrame, side: schema.Side) -> NDArray[np.float64]:
    field = schema.account_field(side, schema.FOLLOWERS)
    if field not in frame:
        return np.full(len(frame), np.nan)
    return frame[field].to_numpy(dtype=np.float64)
