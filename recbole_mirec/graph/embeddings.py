"""Node embeddings of a weighted graph: NetMF, node2vec, and their cache on disk."""

import hashlib
import io
import json
import logging
from collections.abc import Callable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Float32, Int, Int64
from scipy.linalg import eigh
from scipy.sparse import csr_array

from dataset_convert.common.files import write_whole

logger = logging.getLogger(__name__)

# gensim silently cuts longer sentences off.
_LONGEST_WALK = 10_000
# Raise it when what either method computes from its inputs changes.
_FORMAT_VERSION = 1
# Packages that compute the vectors: another version may round, or draw, in another way.
_PACKAGES = ("numpy", "scipy", "gensim")
# More than one worker would make the order of the updates depend on the scheduler.
_SKIP_GRAM = {"sg": 1, "hs": 0, "min_count": 0, "workers": 1}


def node_embeddings(
    graph: csr_array, method: str, settings: Mapping[str, Any], cache_folder: Path
) -> tuple[Float32[np.ndarray, "node dimension"], Bool[np.ndarray, " node"]]:
    """What `embed` gives, kept in a folder: every trial of a study needs the same vectors.

    A cache file that cannot be read is computed anew with a warning in the log. The folder is made
    if missing.

    Raises:
        ValueError: a walk that is too long.
        OSError: the folder cannot be made or written.
    """
    path = cache_folder / f"node-embeddings-{embedding_fingerprint(graph, method, settings)}.npz"
    if path.exists():
        try:
            # Opened here, because numpy leaves a file open whose archive is truncated.
            with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
                return archive["vectors"], archive["mask"]
        except Exception as error:  # whatever zip, zlib and NumPy make of a damaged file
            logger.warning("The cached node embeddings %s are computed anew: %s", path, error)
    vectors, mask = embed(graph, method, settings)
    archive_bytes = io.BytesIO()
    np.savez(archive_bytes, vectors=vectors, mask=mask)
    write_whole(path, archive_bytes.getbuffer())
    return vectors, mask


def embedding_fingerprint(graph: csr_array, method: str, settings: Mapping[str, Any]) -> str:
    """Return the sha256 (hex) of everything that node embeddings depend on."""
    head = {
        "format": _FORMAT_VERSION,
        "method": method,
        "settings": dict(settings),
        "versions": {package: metadata.version(package) for package in _PACKAGES},
        "n_nodes": graph.shape[0],
        "n_entries": graph.nnz,
    }
    digest = hashlib.sha256(json.dumps(head, sort_keys=True).encode())
    for values, kind in ((graph.indptr, "<i8"), (graph.indices, "<i8"), (graph.data, "<f8")):
        digest.update(values.astype(kind).tobytes())
    return digest.hexdigest()


def embed(
    graph: csr_array, method: str, settings: Mapping[str, Any]
) -> tuple[Float32[np.ndarray, "node dimension"], Bool[np.ndarray, " node"]]:
    """Embed the nodes of a graph.

    Args:
        graph: node x node edge weights, symmetric, > 0, no self loops; sorted indices and no stored
            zeros, as `edge_weights` and `read_edge_list` give them.
        method: key of `METHODS`.
        settings: the method's keyword arguments.

    Returns:
        The node vectors, and a mask that is False for isolated nodes, whose vectors are zero. Where
        NetMF has fewer connected nodes than dimensions, the last columns are zero.
    """
    mask = np.diff(graph.indptr) > 0
    vectors = np.zeros((len(mask), settings["dimension"]), dtype=np.float32)
    if mask.any():
        rows = METHODS[method](graph[mask][:, mask], **settings)
        vectors[mask, : rows.shape[1]] = rows
    return vectors, mask


def netmf(
    graph: csr_array, *, dimension: int, window: int, negative: int
) -> Float[np.ndarray, "node column"]:
    """Embed the nodes of a weighted undirected graph by factorising DeepWalk's matrix.

    Source: Qiu et al., "Network Embedding as Matrix Factorization", WSDM 2018, algorithm for small
    windows: M = vol(G) / (b T) * (sum over r = 1..T of (D^-1 A)^r) D^-1, then the rank-d
    factor U sqrt(S) of log(max(M, 1)). It is what node2vec tends to for p = q = 1.

    The matrix is symmetric, so its singular vectors come from its eigenvectors, ordered by absolute
    eigenvalue. A vector's sign is arbitrary in that decomposition; here its entry of largest
    absolute value is positive. Where singular values coincide, another linear-algebra library may
    rotate their vectors. About 5 dense matrices: minutes from some five thousand nodes on.

    Args:
        graph: as for `embed`, every node with an edge.
        dimension: d, length of a node's vector, >= 1 (paper: 128).
        window: T, the longest distance in a walk that makes a context, >= 1 (paper: 10).
        negative: b, negative samples per positive, >= 1. A larger b shifts the matrix down before
            the logarithm is cut off at zero, and so leaves fewer entries.

    Returns:
        As many columns as dimensions, or as nodes where those are fewer.
    """
    adjacency = graph.toarray()
    degree = adjacency.sum(axis=1)
    root = 1.0 / np.sqrt(degree)
    # D^-1/2 A D^-1/2 in place of D^-1 A: the same sum of powers, and symmetric throughout.
    normalised = root[:, None] * adjacency * root
    powers = normalised
    for _ in range(window - 1):
        powers = normalised + normalised @ powers
    scale = degree.sum() / (negative * window)
    matrix = scale * root[:, None] * powers * root
    eigenvalues, eigenvectors = eigh(np.log(np.maximum((matrix + matrix.T) / 2, 1.0)))
    order = np.argsort(-np.abs(eigenvalues), kind="stable")
    vectors = eigenvectors[:, order]
    peaks = vectors[np.argmax(np.abs(vectors), axis=0), np.arange(len(vectors))]
    sign = np.where(peaks < 0, -1.0, 1.0)
    scales = sign * np.sqrt(np.abs(eigenvalues[order]))
    factor: Float[np.ndarray, "node column"] = vectors * scales
    return factor[:, :dimension]


def node2vec(
    graph: csr_array,
    *,
    dimension: int,
    p: float,
    q: float,
    walk_length: int,
    n_walks: int,
    window: int,
    negative: int,
    subsample: float,
    epochs: int,
    seed: int,
) -> Float32[np.ndarray, "node dimension"]:
    """Embed nodes by node2vec: `random_walks`, then gensim's skip-gram with negative sampling.

    Equal arguments give equal vectors, whatever Python's hash seed.

    Args:
        graph: as for `embed`, every node with an edge.
        dimension: length of a node's vector, >= 1 (paper: 128).
        p: return parameter, > 0 (paper: 1).
        q: in-out parameter, > 0 (paper: 1).
        walk_length: nodes in a walk, its start included, from 2 to 10,000 (paper: 80).
        n_walks: walks from each node, >= 1 (paper: 10).
        window: largest distance in a walk that makes a context, >= 1 (paper: 10).
        negative: negative samples per positive, >= 1 (node2vec's own habit: 5).
        subsample: threshold above which frequent nodes are thinned out of the walks, >= 0; 0 keeps
            every step (node2vec's own habit: 0.001, which in a graph of a few hundred nodes thins
            out nearly all of them).
        epochs: passes over the walks, >= 1 (node2vec's own habit: 1).
        seed: of walks and skip-gram, from 0 to 2**32 - 1.
    """
    if walk_length > _LONGEST_WALK:
        raise ValueError(
            f"graph_walk_length must be at most {_LONGEST_WALK}, which is as far as gensim reads a "
            f"walk. Received: {walk_length}."
        )
    # gensim takes a second to import, and who needs no walks must not wait for it.
    from gensim.models import Word2Vec

    walks = random_walks(graph, n_walks=n_walks, walk_length=walk_length, p=p, q=q, seed=seed)
    model = Word2Vec(
        sentences=walks.astype(str).tolist(),
        vector_size=dimension,
        window=window,
        negative=negative,
        sample=subsample,
        epochs=epochs,
        seed=seed,
        **_SKIP_GRAM,
    )
    names = [str(node) for node in range(graph.shape[0])]
    vectors: Float32[np.ndarray, "node dimension"] = model.wv[names]
    return vectors


METHODS: dict[str, Callable[..., Any]] = {"node2vec": node2vec, "netmf": netmf}


def random_walks(
    graph: csr_array, *, n_walks: int, walk_length: int, p: float, q: float, seed: int
) -> Int64[np.ndarray, "walk step"]:
    """Walk from every node, each step biased by the step before.

    Source: Grover and Leskovec, "node2vec: Scalable Feature Learning for Networks", KDD 2016. After
    the step from t to v, the next node x is drawn in proportion to w_vx * alpha, alpha = 1/p if
    x = t, 1 if x is a neighbour of t, 1/q otherwise. The first step, and every step with p = q = 1,
    is drawn in proportion to w_vx. Departure: no alias tables per edge. A next node is proposed by
    weight and accepted with probability alpha / max(alpha), which gives the same distribution; the
    expected number of proposals is at most max(alpha) / min(alpha), so extreme p or q are slow.
    Arguments are those of `node2vec`.

    Returns:
        One row of node ids per walk; the starts of each of the `n_walks` rounds are shuffled. An
        undirected walk cannot end early.
    """
    generator = np.random.default_rng(seed)
    starts = np.arange(graph.shape[0])
    steps = _Steps(graph, p, q, generator)
    walks = np.empty((n_walks * len(starts), walk_length), dtype=np.int64)
    walks[:, 0] = np.concatenate([generator.permutation(starts) for _ in range(n_walks)])
    for step in range(1, walk_length):
        if step == 1 or p == q == 1:
            walks[:, step] = steps.by_weight(walks[:, step - 1])
        else:
            walks[:, step] = steps.biased(walks[:, step - 2], walks[:, step - 1])
    return walks


class _Steps:
    """Draws the next nodes of many walkers from one graph."""

    def __init__(self, graph: csr_array, p: float, q: float, generator: np.random.Generator):
        self._n_nodes = graph.shape[0]
        rows = np.repeat(np.arange(self._n_nodes), np.diff(graph.indptr))
        self._neighbours = graph.indices.astype(np.int64)
        self._row_starts = graph.indptr.astype(np.int64)
        # of (row, neighbour), ascending, and an end that no pair of nodes reaches
        self._edge_keys = np.append(rows * self._n_nodes + self._neighbours, self._n_nodes**2)
        # node + P(next node is at or before this edge's), so one sorted array serves all
        self._cumulative = np.cumsum(graph.data / np.asarray(graph.sum(axis=1))[rows])
        self._bias_return, self._bias_out = 1.0 / p, 1.0 / q
        self._generator = generator

    def by_weight(self, current: Int[np.ndarray, " walk"]) -> Int64[np.ndarray, " walk"]:
        position = current + self._generator.random(len(current))
        edges = np.searchsorted(self._cumulative, position, side="right")
        # what sums and draws round off must not lead to another node's row
        edges = edges.clip(self._row_starts[current], self._row_starts[current + 1] - 1)
        return np.asarray(self._neighbours[edges])

    def biased(
        self, previous: Int[np.ndarray, " walk"], current: Int[np.ndarray, " walk"]
    ) -> Int64[np.ndarray, " walk"]:
        largest = max(self._bias_return, 1.0, self._bias_out)
        chosen = np.empty(len(current), dtype=np.int64)
        pending = np.arange(len(current))
        while pending.size:
            proposed = self.by_weight(current[pending])
            before = previous[pending]
            keys = before * self._n_nodes + proposed
            adjacent = self._edge_keys[np.searchsorted(self._edge_keys, keys)] == keys
            bias = np.where(adjacent, 1.0, self._bias_out)
            bias[proposed == before] = self._bias_return
            accepted = self._generator.random(len(pending)) * largest < bias
            chosen[pending[accepted]] = proposed[accepted]
            pending = pending[~accepted]
        return chosen
