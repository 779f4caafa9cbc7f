"""Competence of the training collaborations: how well an influencer did for a brand."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dataset_convert import schema


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
