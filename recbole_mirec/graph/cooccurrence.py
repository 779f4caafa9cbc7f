"""The attribute co-occurrence graph: counts, edge weights, means of its embeddings."""

import numpy as np
from jaxtyping import Bool, Float, Float32, Int
from scipy.sparse import coo_array, csr_array


def binary_incidence(incidence: csr_array) -> csr_array:
    """Return the 0/1 form of an incidence matrix: an attribute listed twice counts once.

    Args:
        incidence: account x attribute; a non-zero entry says that the account's list holds the
            attribute, a value above one that the list repeats it. Not modified.

    Returns:
        A new canonical int64 matrix of the same shape: sorted indices, no stored zeros, all ones.
    """
    binary = csr_array(incidence, copy=True)
    binary.sum_duplicates()
    binary.eliminate_zeros()
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
        ValueError: a pair names a row below 0, which NumPy would take for one from the end.
    """
    if (pairs < 0).any():
        raise ValueError(f"The 'pairs' parameter must name rows from 0 on. Received: {pairs.min()}")
    brand = binary_incidence(brand_attributes)[pairs[:, 0]]
    influencer = binary_incidence(influencer_attributes)[pairs[:, 1]]
    either = csr_array(brand + influencer)
    both = csr_array(brand.multiply(influencer))
    counts = coo_array(either.T @ either - both.T @ both)
    keep = (counts.row != counts.col) & (counts.data != 0)
    result = csr_array(
        (counts.data[keep], (counts.row[keep], counts.col[keep])), shape=counts.shape
    )
    result.sort_indices()
    return result


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


def checked_weights(weights: csr_array) -> csr_array:
    """Return a canonical copy of a weighted undirected graph.

    Args:
        weights: node x node edge weights, symmetric, finite, >= 0, no self loops. Not modified.

    Returns:
        The same graph as float64 with sorted indices and without stored zeros, so that equal
        graphs have equal arrays.

    Raises:
        ValueError: the matrix is none of an undirected graph without self loops.
    """
    graph: csr_array = csr_array(weights, copy=True).astype(np.float64)
    graph.sum_duplicates()
    graph.eliminate_zeros()
    positive = bool(np.all(np.isfinite(graph.data) & (graph.data > 0)))
    square = graph.shape[0] == graph.shape[1]
    if not (positive and square and not graph.diagonal().any() and (graph != graph.T).nnz == 0):
        raise ValueError(
            "The weights of a graph must be a square, symmetric matrix of finite numbers of at "
            f"least 0, with 0 from each node to itself. Received: shape {graph.shape}, values "
            f"from {graph.data.min(initial=0)} to {graph.data.max(initial=0)}"
        )
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
    """
    embedded = binary_incidence(incidence)[:, np.flatnonzero(node_mask)]
    count = np.asarray(embedded.sum(axis=1))
    total = embedded @ node_embeddings[node_mask].astype(np.float64)
    mean = (total / np.maximum(count, 1)[:, None]).astype(np.float32)
    return mean, count > 0
