"""The attribute co-occurrence graph: counts, edge weights, means of its embeddings."""

import math

import numpy as np
from jaxtyping import Bool, Float, Float32, Int
from scipy.sparse import coo_array, csr_array


def binary_incidence(incidence: csr_array, name: str) -> csr_array:
    """Return the 0/1 form of an incidence matrix, so that an attribute listed twice counts once.

    Args:
        incidence: account x attribute; a non-zero entry says that the account's list holds the
            attribute, a value above one that the list repeats it. Not modified.
        name: the caller's name for the matrix, for the error message.

    Returns:
        A new canonical int64 matrix of the same shape: sorted indices, no stored zeros, all ones.

    Raises:
        ValueError: an entry is negative or not finite.
    """
    binary = csr_array(incidence, copy=True)
    binary.sum_duplicates()
    binary.eliminate_zeros()
    if not np.all(np.isfinite(binary.data) & (binary.data > 0)):
        received = binary.data[~(np.isfinite(binary.data) & (binary.data > 0))][0]
        raise ValueError(
            f"The '{name}' parameter must hold zeros and ones (or counts of repeated attributes). "
            f"Received an entry: {received}"
        )
    binary.data = np.ones(binary.nnz, dtype=np.int64)
    return binary


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


def checked_weights(weights: csr_array) -> csr_array:
    """Return a canonical copy of a weighted undirected graph, or say what is wrong with it.

    Args:
        weights: node x node edge weights, symmetric, finite, >= 0, no self loops. Not modified.

    Returns:
        The same graph as float64 with sorted indices and without stored zeros, so that equal
        graphs have equal arrays.

    Raises:
        ValueError: the matrix is not square, has an invalid weight, a self loop, or is not exactly
            symmetric.
    """
    rule = "The 'weights' parameter of a graph embedding must be"
    if weights.shape[0] != weights.shape[1]:
        raise ValueError(f"{rule} square (node x node). Received shape: {weights.shape}")
    graph: csr_array = csr_array(weights, copy=True).astype(np.float64)
    graph.sum_duplicates()
    graph.eliminate_zeros()
    invalid = graph.data[~(np.isfinite(graph.data) & (graph.data > 0))]
    if invalid.size:
        raise ValueError(f"{rule} finite and not negative. Received a weight: {invalid[0]}")
    loops = np.flatnonzero(graph.diagonal())
    if loops.size:
        raise ValueError(f"{rule} free of self loops. Received one at node {loops[0]}")
    transposed = csr_array(graph.T)
    transposed.sort_indices()
    same = np.array_equal(graph.indptr, transposed.indptr)
    same = same and np.array_equal(graph.indices, transposed.indices)
    if not (same and np.array_equal(graph.data, transposed.data)):
        raise ValueError(f"{rule} symmetric. Received weights that differ from their transpose")
    return graph


def connected_mask(graph: csr_array) -> Bool[np.ndarray, " node"]:
    """Return True for the nodes that have an edge; `graph` comes from `checked_weights`."""
    connected: Bool[np.ndarray, " node"] = np.diff(graph.indptr) > 0
    return connected


def account_mean(
    incidence: csr_array,
    node_embeddings: Float[np.ndarray, "node dimension"],
    node_mask: Bool[np.ndarray, " node"],
) -> tuple[Float32[np.ndarray, "account dimension"], Bool[np.ndarray, " account"]]:
    """Average the embeddings of each account's attributes.

    Source: Wang et al., IEEE TMM 25 (2023), the input of equation (18). The paper does not say what
    becomes of an attribute that is no node of the graph: it is left out of sum and count here.

    Args:
        incidence: account x node; an attribute repeated in a list counts once.
        node_embeddings: one row per attribute.
        node_mask: True where the attribute has an embedding; other rows are never read.

    Returns:
        The means, and a mask that is True where an account has at least one embedded attribute;
        the other accounts' rows are zero.

    Raises:
        ValueError: the incidence has another number of attributes than there are embeddings, or
            invalid entries.
    """
    if incidence.shape[1] != len(node_embeddings):
        raise ValueError(
            "The 'incidence' parameter of account_mean must have one column per node embedding "
            f"({len(node_embeddings)}). Received shape: {incidence.shape}"
        )
    embedded = binary_incidence(incidence, "incidence")[:, np.flatnonzero(node_mask)]
    count = np.asarray(embedded.sum(axis=1))
    total = embedded @ node_embeddings[node_mask].astype(np.float64)
    mean = (total / np.maximum(count, 1)[:, None]).astype(np.float32)
    return mean, count > 0
