"""Node embeddings of a weighted graph: NetMF, node2vec, and their cache on disk."""

import hashlib
import io
import json
import logging
import zipfile
import zlib
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Float32, Int, Int64
from scipy.linalg import eigh
from scipy.sparse import csr_array

from dataset_convert.common.files import write_whole
from recbole_mirec.graph.cooccurrence import checked_weights, connected_mask

logger = logging.getLogger(__name__)

# gensim silently cuts longer sentences off.
_LONGEST_WALK = 10_000
# Raise it when what either method computes from its inputs changes.
_FORMAT_VERSION = 1
# Packages that compute the vectors: another version may round, or draw, in another way.
_PACKAGES = ("numpy", "scipy", "gensim")
_UNREADABLE = (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile, zlib.error)


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


@dataclass(frozen=True, kw_only=True)
class Node2VecSettings:
    """What node2vec needs to know beside the graph.

    Attributes:
        dimension: length of a node's vector, >= 1 (paper: 128).
        p: return parameter, > 0 (paper: 1).
        q: in-out parameter, > 0 (paper: 1).
        walk_length: nodes in a walk, from 2 to 10,000 (paper: 80).
        n_walks: walks from each node, >= 1 (paper: 10).
        window: largest distance in a walk that makes a context, >= 1 (paper: 10).
        negative: negative samples per positive, >= 1 (node2vec's own habit: 5).
        subsample: threshold above which frequent nodes are thinned out of the walks, >= 0; 0 keeps
            every step (node2vec's own habit: 0.001, which in a graph of a few hundred nodes thins
            out nearly all of them).
        epochs: passes over the walks, >= 1 (node2vec's own habit: 1).
        seed: of walks and skip-gram, from 0 to 2**32 - 1.
    """

    dimension: int
    p: float
    q: float
    walk_length: int
    n_walks: int
    window: int
    negative: int
    subsample: float
    epochs: int
    seed: int

    def __post_init__(self) -> None:
        if self.walk_length > _LONGEST_WALK:
            raise ValueError(
                f"graph_walk_length must be at most {_LONGEST_WALK}, which is as far as gensim "
                f"reads a walk. Received: {self.walk_length}."
            )


def node_embeddings(
    weights: csr_array,
    settings: NetMFSettings | Node2VecSettings,
    cache_folder: Path | None = None,
) -> tuple[Float32[np.ndarray, "node dimension"], Bool[np.ndarray, " node"]]:
    """Embed the nodes of a graph by the method that the settings name, or load what was kept.

    Node2vec takes seconds to minutes, and every trial of a study needs the same vectors. A cache
    file that cannot be read is computed anew with a warning in the log.

    Args:
        weights: node x node edge weights as `checked_weights` demands them.
        settings: of the method.
        cache_folder: where embeddings are kept, made if missing; None keeps nothing.

    Returns:
        The node vectors, and a mask that is False for isolated nodes, whose vectors are zero. Where
        NetMF has fewer connected nodes than dimensions, the last columns are zero.

    Raises:
        ValueError: the graph is not a weighted undirected graph without self loops.
        OSError: the folder cannot be made or written.
    """
    graph = checked_weights(weights)
    if cache_folder is None:
        return _embed(graph, settings)
    path = cache_folder / f"node-embeddings-{embedding_fingerprint(graph, settings)}.npz"
    if path.exists():
        try:
            # Opened here, because numpy leaves a file open whose archive is truncated.
            with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
                return archive["vectors"], archive["mask"]
        except _UNREADABLE as error:
            logger.warning("The cached node embeddings %s are computed anew: %s", path, error)
    vectors, mask = _embed(graph, settings)
    archive_bytes = io.BytesIO()
    np.savez(archive_bytes, vectors=vectors, mask=mask)
    write_whole(path, archive_bytes.getbuffer())
    return vectors, mask


def embedding_fingerprint(graph: csr_array, settings: NetMFSettings | Node2VecSettings) -> str:
    """Return the sha256 (hex) of everything that node embeddings depend on.

    `graph` is as `checked_weights` returns it.
    """
    head = {
        "format": _FORMAT_VERSION,
        "method": type(settings).__name__,
        "settings": asdict(settings),
        "versions": {package: metadata.version(package) for package in _PACKAGES},
        "n_nodes": graph.shape[0],
        "n_entries": graph.nnz,
    }
    digest = hashlib.sha256(json.dumps(head, sort_keys=True).encode())
    digest.update(graph.indptr.astype("<i8").tobytes())
    digest.update(graph.indices.astype("<i8").tobytes())
    digest.update(graph.data.astype("<f8").tobytes())
    return digest.hexdigest()


def _embed(
    graph: csr_array, settings: NetMFSettings | Node2VecSettings
) -> tuple[Float32[np.ndarray, "node dimension"], Bool[np.ndarray, " node"]]:
    mask = connected_mask(graph)
    vectors = np.zeros((len(mask), settings.dimension), dtype=np.float32)
    if mask.any():
        if isinstance(settings, NetMFSettings):
            rows = netmf(graph[mask][:, mask].toarray(), settings)
        else:
            rows = _node2vec(graph, np.flatnonzero(mask), settings)
        vectors[mask, : rows.shape[1]] = rows
    return vectors, mask


def netmf(
    adjacency: Float[np.ndarray, "node node"], settings: NetMFSettings
) -> Float[np.ndarray, "node column"]:
    """Embed the nodes of a weighted undirected graph by factorising DeepWalk's matrix.

    Source: Qiu et al., "Network Embedding as Matrix Factorization", WSDM 2018, algorithm for small
    windows: M = vol(G) / (b T) * (sum over r = 1..T of (D^-1 A)^r) D^-1, then the rank-d
    factor U sqrt(S) of log(max(M, 1)). It is what node2vec tends to for p = q = 1.

    The matrix is symmetric, so its singular vectors come from its eigenvectors, ordered by absolute
    eigenvalue. A vector's sign is arbitrary in that decomposition; here its entry of largest
    absolute value is positive. Equal inputs give equal outputs on one machine; where singular
    values coincide, another linear-algebra library may rotate their vectors. About 5 dense
    matrices: minutes from some five thousand nodes on.

    Args:
        adjacency: edge weights, symmetric, every node with an edge.
        settings: dimension, window, negative samples.

    Returns:
        As many columns as dimensions, or as nodes where those are fewer.
    """
    degree = adjacency.sum(axis=1)
    root = 1.0 / np.sqrt(degree)
    # D^-1/2 A D^-1/2 in place of D^-1 A: the same sum of powers, and symmetric throughout.
    normalised = root[:, None] * adjacency * root
    powers = normalised
    for _ in range(settings.window - 1):
        powers = normalised + normalised @ powers
    scale = degree.sum() / (settings.negative * settings.window)
    matrix = scale * root[:, None] * powers * root
    eigenvalues, eigenvectors = eigh(np.log(np.maximum((matrix + matrix.T) / 2, 1.0)))
    order = np.argsort(-np.abs(eigenvalues), kind="stable")
    vectors = eigenvectors[:, order]
    columns = np.arange(vectors.shape[1])
    sign = np.where(vectors[np.argmax(np.abs(vectors), axis=0), columns] < 0, -1.0, 1.0)
    factor: Float[np.ndarray, "node column"] = vectors * (
        sign * np.sqrt(np.abs(eigenvalues[order]))
    )
    return factor[:, : settings.dimension]


def _node2vec(
    graph: csr_array, nodes: Int[np.ndarray, " kept"], settings: Node2VecSettings
) -> Float32[np.ndarray, "kept dimension"]:
    """Embed nodes by node2vec: `random_walks`, then gensim's skip-gram with negative sampling.

    Equal graph and settings give equal vectors, whatever Python's hash seed.
    """
    # gensim takes a second to import, and whoever only reads the settings must not wait for it.
    from gensim.models import Word2Vec

    walks = random_walks(
        graph,
        n_walks=settings.n_walks,
        walk_length=settings.walk_length,
        p=settings.p,
        q=settings.q,
        generator=np.random.default_rng(settings.seed),
    )
    names = np.array([str(node) for node in range(int(nodes[-1]) + 1)], dtype=object)
    model = Word2Vec(
        sentences=names[walks].tolist(),
        vector_size=settings.dimension,
        window=settings.window,
        sg=1,
        hs=0,
        negative=settings.negative,
        sample=settings.subsample,
        epochs=settings.epochs,
        min_count=0,
        # More than one worker would make the order of the updates depend on the scheduler.
        workers=1,
        seed=settings.seed,
    )
    vectors: Float32[np.ndarray, "kept dimension"] = model.wv[names[nodes].tolist()]
    return vectors


def random_walks(
    graph: csr_array,
    *,
    n_walks: int,
    walk_length: int,
    p: float,
    q: float,
    generator: np.random.Generator,
) -> Int64[np.ndarray, "walk step"]:
    """Walk from every connected node, each step biased by the step before.

    Source: Grover and Leskovec, "node2vec: Scalable Feature Learning for Networks", KDD 2016. After
    the step from t to v, the next node x is drawn in proportion to w_vx * alpha, alpha = 1/p if
    x = t, 1 if x is a neighbour of t, 1/q otherwise. The first step, and every step with p = q = 1,
    is drawn in proportion to w_vx. Departure: no alias tables per edge. A next node is proposed by
    weight and accepted with probability alpha / max(alpha), which gives the same distribution; the
    expected number of proposals is at most max(alpha) / min(alpha), so extreme p or q are slow.

    Args:
        graph: as `checked_weights` returns it.
        n_walks: walks from each connected node, >= 1.
        walk_length: nodes in a walk, its start included, >= 1.
        p: return parameter, > 0.
        q: in-out parameter, > 0.
        generator: the only source of randomness.

    Returns:
        One row of node ids per walk; the starts of each of the `n_walks` rounds are shuffled. An
        undirected walk cannot end early. A graph without edges gives no rows.
    """
    starts = np.flatnonzero(connected_mask(graph))
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

    def __init__(
        self, graph: csr_array, p: float, q: float, generator: np.random.Generator
    ) -> None:
        rows = np.repeat(np.arange(graph.shape[0]), np.diff(graph.indptr))
        self._neighbours = graph.indices.astype(np.int64)
        self._row_ends = graph.indptr[1:].astype(np.int64)
        self._edge_keys = rows * graph.shape[0] + self._neighbours
        probability = graph.data / np.asarray(graph.sum(axis=1))[rows]
        running = np.cumsum(probability)
        first = graph.indptr[rows]
        within = running - running[first] + probability[first]
        # node + P(next node is at or before this edge's), so one sorted array serves all
        self._cumulative = rows + np.minimum(within, 1.0)
        self._bias_return, self._bias_out = 1.0 / p, 1.0 / q
        self._generator = generator

    def by_weight(self, current: Int[np.ndarray, " walk"]) -> Int64[np.ndarray, " walk"]:
        position = current + self._generator.random(len(current))
        edges = np.searchsorted(self._cumulative, position, side="right")
        # node + u can round up to node + 1, which is the next node's row.
        chosen: Int64[np.ndarray, " walk"] = self._neighbours[
            np.minimum(edges, self._row_ends[current] - 1)
        ]
        return chosen

    def biased(
        self, previous: Int[np.ndarray, " walk"], current: Int[np.ndarray, " walk"]
    ) -> Int64[np.ndarray, " walk"]:
        largest = max(self._bias_return, 1.0, self._bias_out)
        chosen = np.empty(len(current), dtype=np.int64)
        pending = np.arange(len(current))
        while pending.size:
            proposed = self.by_weight(current[pending])
            before = previous[pending]
            bias = np.where(self._are_adjacent(before, proposed), 1.0, self._bias_out)
            bias[proposed == before] = self._bias_return
            accepted = self._generator.random(len(pending)) * largest < bias
            chosen[pending[accepted]] = proposed[accepted]
            pending = pending[~accepted]
        return chosen

    def _are_adjacent(
        self, source: Int[np.ndarray, " walk"], target: Int[np.ndarray, " walk"]
    ) -> Bool[np.ndarray, " walk"]:
        keys = source * len(self._row_ends) + target
        found = np.minimum(np.searchsorted(self._edge_keys, keys), len(self._edge_keys) - 1)
        adjacent: Bool[np.ndarray, " walk"] = self._edge_keys[found] == keys
        return adjacent
