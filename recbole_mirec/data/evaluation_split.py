"""What one part of a split asks of a model: which brands rank which candidates."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dataset_convert import schema


@dataclass(frozen=True, eq=False)
class EvaluationSplit:
    """Brands, candidates and truth of one part, in internal ids.

    Attributes:
        protocol: `new-brand` or `known-brand`.
        part: `valid` or `test`.
        brands: internal ids (brand), each with at least one positive.
        candidates: internal ids (candidate) that every brand ranks.
        positives: bool (brand, candidate), the part's collaborations.
        mask: bool (brand, candidate), True = the candidate counts for the brand; collaborations
            of earlier parts are left out.
        unseen: bool (candidate), True = no training collaboration.
        brand_category: int (brand), or None where the data set has no categories.
        candidate_category: int (candidate), -1 unknown, or None; a label in disguise, for cAUC.
    """

    protocol: str
    part: str
    brands: NDArray[np.int64]
    candidates: NDArray[np.int64]
    positives: NDArray[np.bool_]
    mask: NDArray[np.bool_]
    unseen: NDArray[np.bool_]
    brand_category: NDArray[np.int64] | None = None
    candidate_category: NDArray[np.int64] | None = None


def build_evaluation_split(
    protocol: str,
    part: str,
    pairs: NDArray[np.int64],
    earlier_pairs: NDArray[np.int64],
    training_pairs: NDArray[np.int64],
    n_influencers: int,
) -> EvaluationSplit:
    """Lay out one part of a split for ranking.

    Args:
        protocol: `new-brand`: candidates are the influencers of the part's brands; `known-brand`:
            all influencers, each brand's collaborations of earlier parts masked.
        part: `valid` or `test`.
        pairs: (pair, 2) internal ids of the part's collaborations.
        earlier_pairs: (pair, 2) collaborations that were known before, masked per brand.
        training_pairs: (pair, 2), which say what influencers have been seen.
        n_influencers: number of internal ids, padding included.

    Returns:
        The split without categories; brands and candidates ascend by internal id.
    """
    brands = np.unique(pairs[:, 0])
    if protocol == schema.NEW_BRAND:
        candidates = np.unique(pairs[:, 1])
    else:
        candidates = np.arange(1, n_influencers, dtype=np.int64)
    positives = _cells(pairs, brands, candidates)
    mask = ~_cells(earlier_pairs, brands, candidates) | positives
    unseen = ~np.isin(candidates, training_pairs[:, 1])
    return EvaluationSplit(protocol, part, brands, candidates, positives, mask, unseen)


def _cells(
    pairs: NDArray[np.int64], brands: NDArray[np.int64], candidates: NDArray[np.int64]
) -> NDArray[np.bool_]:
    inside = np.isin(pairs[:, 0], brands) & np.isin(pairs[:, 1], candidates)
    cells = np.zeros((len(brands), len(candidates)), dtype=bool)
    rows = np.searchsorted(brands, pairs[inside, 0])
    cells[rows, np.searchsorted(candidates, pairs[inside, 1])] = True
    return cells
