"""The attribute co-occurrence graph: counts and edge weights."""

import numpy as np
from jaxtyping import Int
from scipy.sparse import csr_array, diags_array


def cooccurrence_counts(
    brand_attributes: csr_array,
    influencer_attributes: csr_array,
    pairs: Int[np.ndarray, "pair 2"],
) -> csr_array:
    """Count how often two attributes meet in the training positives.

    Source: Wang et al., IEEE TMM 25 (2023), equations (13)-(16). With B and M the 0/1 rows of the
    brand S_b and the influencer S_m of each pair k, and i != j,
    q_b sums to B'B, q_m to M'M and q_bm to B'M + M'B - (B o M)'(B o M): the last term takes back
    the second count where i and j stand in both lists, because q_bm is an indicator. Together
    coocf = (B + M)'(B + M) - (B o M)'(B o M).

    Args:
        brand_attributes: 0/1 incidence brand x attribute, whole numbers.
        influencer_attributes: influencer x attribute over the same attributes, likewise.
        pairs: one row (brand row, influencer row) per training positive k. A brand or influencer
            may stand in many rows; a whole row given twice is two positives and counts twice.

    Returns:
        attribute x attribute counts, int64, symmetric, zero diagonal, sorted indices, only counts
        >= 1 stored. Without pairs nothing is stored.
    """
    brand = brand_attributes[pairs[:, 0]]
    influencer = influencer_attributes[pairs[:, 1]]
    either = csr_array(brand + influencer)
    both = csr_array(brand.multiply(influencer))
    counts = csr_array(either.T @ either - both.T @ both)
    counts = csr_array(counts - diags_array(counts.diagonal(), dtype=np.int64))
    counts.eliminate_zeros()
    counts.sort_indices()
    return counts


def edge_weights(counts: csr_array, eta: float = 2.0) -> csr_array:
    """Turn co-occurrence counts into edge weights w = sqrt(coocf / eta).

    Source: Wang et al., IEEE TMM 25 (2023), equation (17); the root covers the whole quotient, as
    the weights of the published edge list show (0.71 for one co-occurrence, 2.35 for eleven).

    Args:
        counts: attribute x attribute counts, >= 0, as `cooccurrence_counts` gives them.
        eta: the paper's divisor, > 0.

    Returns:
        float64 weights at the same places, >= 0, without unit.
    """
    weights = csr_array(counts, copy=True)
    weights.data = np.sqrt(weights.data / eta)
    return weights
