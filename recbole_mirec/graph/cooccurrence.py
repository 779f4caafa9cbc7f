"""Exact co-occurrence counts of attributes over training positives, and their edge weights."""

import math

import numpy as np
from jaxtyping import Int
from scipy.sparse import coo_array, csr_array

from recbole_mirec.graph.incidence import binary_incidence


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
        brand_attributes: brand x attribute incidence. An attribute repeated in a list counts once.
        influencer_attributes: influencer x attribute incidence over the same attributes.
        pairs: one row (brand row, influencer row) per training positive k. A brand or influencer
            may stand in many rows; a whole row given twice is two positives and counts twice.

    Returns:
        attribute x attribute counts, int64, symmetric, zero diagonal, only counts >= 1 stored.
        Without pairs nothing is stored.

    Raises:
        ValueError: the incidences have different numbers of attributes or invalid entries, or a
            pair names a row that does not exist.
    """
    if brand_attributes.shape[1] != influencer_attributes.shape[1]:
        raise ValueError(
            "The 'influencer_attributes' parameter of cooccurrence_counts must share the attribute "
            f"vocabulary of 'brand_attributes' ({brand_attributes.shape[1]} columns). "
            f"Received: {influencer_attributes.shape[1]} columns"
        )
    _check_rows(pairs[:, 0], brand_attributes.shape[0], "brand")
    _check_rows(pairs[:, 1], influencer_attributes.shape[0], "influencer")
    brand = binary_incidence(brand_attributes, "brand_attributes")[pairs[:, 0]]
    influencer = binary_incidence(influencer_attributes, "influencer_attributes")[pairs[:, 1]]
    either = csr_array(brand + influencer)
    both = csr_array(brand.multiply(influencer))
    return _without_diagonal(csr_array(either.T @ either - both.T @ both))


def edge_weights(counts: csr_array, eta: float = 2.0) -> csr_array:
    """Turn co-occurrence counts into edge weights w = sqrt(coocf / eta).

    Source: Wang et al., IEEE TMM 25 (2023), equation (17); the root covers the whole quotient, as
    the weights of the published edge list show (0.71 for one co-occurrence, 2.35 for eleven).

    Args:
        counts: attribute x attribute counts, >= 0, as `cooccurrence_counts` gives them.
        eta: the paper's divisor, > 0.

    Returns:
        float64 weights at the same places, >= 0, without unit.

    Raises:
        ValueError: eta is not positive and finite, or a count is negative or not finite.
    """
    if not (math.isfinite(eta) and eta > 0):
        raise ValueError(
            f"The 'eta' parameter of edge_weights must be positive and finite. Received: {eta}"
        )
    invalid = counts.data[~(np.isfinite(counts.data) & (counts.data >= 0))]
    if invalid.size:
        raise ValueError(
            "The 'counts' parameter of edge_weights must hold finite counts >= 0. "
            f"Received a count: {invalid[0]}"
        )
    weights = csr_array(counts, copy=True)
    weights.data = np.sqrt(weights.data / eta)
    return weights


def _check_rows(rows: Int[np.ndarray, " pair"], n_rows: int, side: str) -> None:
    outside = np.flatnonzero((rows < 0) | (rows >= n_rows))
    if outside.size:
        raise ValueError(
            f"The 'pairs' parameter of cooccurrence_counts must name {side} rows from 0 to "
            f"{n_rows - 1}. Received: {rows[outside[0]]} in pair {outside[0]}"
        )


def _without_diagonal(matrix: csr_array) -> csr_array:
    entries = coo_array(matrix)
    keep = (entries.row != entries.col) & (entries.data != 0)
    result = csr_array(
        (entries.data[keep], (entries.row[keep], entries.col[keep])), shape=matrix.shape
    )
    result.sort_indices()
    return result
