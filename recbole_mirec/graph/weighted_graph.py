"""The weighted undirected graph as a sparse matrix: its invariants and its isolated nodes."""

import numpy as np
from jaxtyping import Bool
from scipy.sparse import csr_array


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
