"""NetMF: node embeddings by the closed form of DeepWalk on a weighted graph."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float32
from scipy.linalg import eigh
from scipy.sparse import csr_array

from recbole_mirec.graph.weighted_graph import checked_weights, connected_mask


@dataclass(frozen=True, kw_only=True)
class NetMFSettings:
    """What NetMF needs to know beside the graph.

    Attributes:
        dimension: length of a node's vector, >= 1 (paper: 128).
        window: T, the longest distance in a walk that makes a context, >= 1 (paper: 10).
        negative: b, negative samples per positive, >= 1. A larger b shifts the matrix down before
            the logarithm is cut off at zero, and so leaves fewer entries.
    """

    dimension: int
    window: int
    negative: int

    def __post_init__(self) -> None:
        for name in ("dimension", "window", "negative"):
            if getattr(self, name) < 1:
                raise ValueError(
                    f"The '{name}' parameter of NetMFSettings must be at least 1. "
                    f"Received: {getattr(self, name)}"
                )


def embed_netmf(
    weights: csr_array, settings: NetMFSettings
) -> tuple[Float32[np.ndarray, "node dimension"], Bool[np.ndarray, " node"]]:
    """Embed the nodes of a weighted undirected graph by factorising DeepWalk's matrix.

    Source: Qiu et al., "Network Embedding as Matrix Factorization", WSDM 2018, algorithm for small
    windows: M = vol(G) / (b T) * (sum over r = 1..T of (D^-1 A)^r) D^-1, then the rank-d
    factor U sqrt(S) of log(max(M, 1)). It is what node2vec tends to for p = q = 1.

    The matrix is symmetric, so its singular vectors come from its eigenvectors, ordered by absolute
    eigenvalue. A vector's sign is arbitrary in that decomposition; here its entry of largest
    absolute value is positive. Equal inputs give equal outputs on one machine; where singular
    values coincide, another linear-algebra library may rotate their vectors.

    Dense: about 5 node x node float64 matrices, minutes from some five thousand nodes on.

    Args:
        weights: node x node edge weights as `checked_weights` demands them.
        settings: dimension, window, negative samples.

    Returns:
        The node vectors, and a mask that is False for isolated nodes, whose vectors are zero.
        Where the graph has fewer connected nodes than dimensions, the last columns are zero: they
        change no inner product.

    Raises:
        ValueError: the graph is not a weighted undirected graph without self loops.
    """
    graph = checked_weights(weights)
    mask = connected_mask(graph)
    vectors = np.zeros((len(mask), settings.dimension), dtype=np.float32)
    if mask.any():
        factor = _symmetric_factor(_log_deepwalk_matrix(graph[mask][:, mask].toarray(), settings))
        n_columns = min(settings.dimension, factor.shape[1])
        vectors[mask, :n_columns] = factor[:, :n_columns]
    return vectors, mask


def _log_deepwalk_matrix(
    adjacency: Float[np.ndarray, "node node"], settings: NetMFSettings
) -> Float[np.ndarray, "node node"]:
    degree = adjacency.sum(axis=1)
    root = 1.0 / np.sqrt(degree)
    # D^-1/2 A D^-1/2 in place of D^-1 A: the same sum of powers, and symmetric throughout.
    normalised = root[:, None] * adjacency * root
    powers = normalised
    for _ in range(settings.window - 1):
        powers = normalised + normalised @ powers
    scale = degree.sum() / (settings.negative * settings.window)
    matrix = scale * root[:, None] * powers * root
    logarithm: Float[np.ndarray, "node node"] = np.log(np.maximum((matrix + matrix.T) / 2, 1.0))
    return logarithm


def _symmetric_factor(
    matrix: Float[np.ndarray, "node node"],
) -> Float[np.ndarray, "node node"]:
    eigenvalues, eigenvectors = eigh(matrix)
    order = np.argsort(-np.abs(eigenvalues), kind="stable")
    vectors = eigenvectors[:, order]
    columns = np.arange(vectors.shape[1])
    sign = np.where(vectors[np.argmax(np.abs(vectors), axis=0), columns] < 0, -1.0, 1.0)
    factor: Float[np.ndarray, "node node"] = vectors * (sign * np.sqrt(np.abs(eigenvalues[order])))
    return factor
