"""Node embeddings of a weighted graph: NetMF, node2vec, and their files."""

import hashlib
import io
import json
import logging
import math
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


def random_walks(
    weights: csr_array,
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
    `Node2VecSettings` checks the ranges given below.

    Args:
        weights: node x node edge weights as `checked_weights` demands them.
        n_walks: walks from each connected node, >= 1.
        walk_length: nodes in a walk, its start included, >= 1.
        p: return parameter, > 0.
        q: in-out parameter, > 0.
        generator: the only source of randomness.

    Returns:
        One row of node ids per walk; the starts of each of the `n_walks` rounds are shuffled. An
        undirected walk cannot end early. A graph without edges gives no rows.

    Raises:
        ValueError: the graph is not a weighted undirected graph without self loops.
    """
    graph = checked_weights(weights)
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
        self._cumulative = _cumulative_by_row(graph, rows)
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


def _cumulative_by_row(
    graph: csr_array, rows: Int[np.ndarray, " edge"]
) -> Float[np.ndarray, " edge"]:
    """Return node + P(next node is at or before this edge's), so one sorted array serves all."""
    probability = graph.data / np.asarray(graph.sum(axis=1))[rows]
    running = np.cumsum(probability)
    first = graph.indptr[rows]
    within = running - running[first] + probability[first]
    cumulative: Float[np.ndarray, " edge"] = rows + np.minimum(within, 1.0)
    return cumulative


# gensim silently cuts longer sentences off.
_LONGEST_WALK = 10_000
# gensim seeds a numpy.random.RandomState, which takes 32 bits.
_LARGEST_SEED = 2**32 - 1


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
            every step (node2vec's own habit: 0.001, the default of its skip-gram library, which in
            a graph of a few hundred nodes thins out nearly all of them).
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
        for name in ("dimension", "n_walks", "window", "negative", "epochs"):
            self._require(name, getattr(self, name) >= 1, "at least 1")
        for name in ("p", "q"):
            value = getattr(self, name)
            self._require(name, math.isfinite(value) and value > 0, "positive and finite")
        self._require(
            "walk_length", 2 <= self.walk_length <= _LONGEST_WALK, f"from 2 to {_LONGEST_WALK}"
        )
        self._require(
            "subsample",
            math.isfinite(self.subsample) and self.subsample >= 0,
            "finite and not negative",
        )
        self._require("seed", 0 <= self.seed <= _LARGEST_SEED, f"from 0 to {_LARGEST_SEED}")

    def _require(self, name: str, holds: bool, rule: str) -> None:
        if not holds:
            raise ValueError(
                f"The '{name}' parameter of Node2VecSettings must be {rule}. "
                f"Received: {getattr(self, name)}"
            )


def embed_node2vec(
    weights: csr_array, settings: Node2VecSettings
) -> tuple[Float32[np.ndarray, "node dimension"], Bool[np.ndarray, " node"]]:
    """Embed the nodes of a weighted undirected graph by node2vec.

    Source: Grover and Leskovec, "node2vec: Scalable Feature Learning for Networks", KDD 2016; walks
    as in `random_walks`, skip-gram with negative sampling by gensim on one worker. Equal graph and
    settings give equal vectors, whatever Python's hash seed.

    Args:
        weights: node x node edge weights as `checked_weights` demands them.
        settings: walks, skip-gram and seed.

    Returns:
        The node vectors, and a mask that is False for isolated nodes, whose vectors are zero.

    Raises:
        ValueError: the graph is not a weighted undirected graph without self loops.
    """
    graph = checked_weights(weights)
    mask = connected_mask(graph)
    vectors = np.zeros((len(mask), settings.dimension), dtype=np.float32)
    if mask.any():
        walks = random_walks(
            graph,
            n_walks=settings.n_walks,
            walk_length=settings.walk_length,
            p=settings.p,
            q=settings.q,
            generator=np.random.default_rng(settings.seed),
        )
        nodes = np.flatnonzero(mask)
        vectors[nodes] = _skip_gram(walks, nodes, settings)
    return vectors, mask


def _skip_gram(
    walks: Int[np.ndarray, "walk step"],
    nodes: Int[np.ndarray, " kept"],
    settings: Node2VecSettings,
) -> Float32[np.ndarray, "kept dimension"]:
    # gensim takes a second to import, and whoever only reads the settings must not wait for it.
    from gensim.models import Word2Vec

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


# Raise it when the arrays of the file, or what either method computes from its inputs, change.
_FORMAT_VERSION = 1

# Packages that compute the vectors: another version may round, or draw, in another way.
_PACKAGES = ("numpy", "scipy", "gensim")

_UNREADABLE = (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile, zlib.error)

logger = logging.getLogger(__name__)


def embedding_fingerprint(weights: csr_array, settings: NetMFSettings | Node2VecSettings) -> str:
    """Return the sha256 (hex) of everything that node embeddings depend on.

    Args:
        weights: node x node edge weights as `checked_weights` demands them.
        settings: the method and its parameters.

    Raises:
        ValueError: the graph is not a weighted undirected graph without self loops.
    """
    graph = checked_weights(weights)
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


def node_embeddings(
    weights: csr_array,
    settings: NetMFSettings | Node2VecSettings,
    cache_folder: Path | None = None,
) -> tuple[Float32[np.ndarray, "node dimension"], Bool[np.ndarray, " node"]]:
    """Embed the nodes of a graph by the method that the settings name, or load what was kept.

    A cache file that cannot be read, or belongs to other inputs, is computed anew with a warning in
    the log. A new file is written under a temporary name and renamed.

    Args:
        weights: node x node edge weights as `checked_weights` demands them.
        settings: `NetMFSettings` or `Node2VecSettings`.
        cache_folder: where embeddings are kept, made if missing; None keeps nothing.

    Returns:
        The node vectors, and a mask that is False for isolated nodes, whose vectors are zero.

    Raises:
        ValueError: the graph is not a weighted undirected graph without self loops.
        OSError: the folder cannot be made or written.
    """
    if cache_folder is None:
        return _embed(weights, settings)
    fingerprint = embedding_fingerprint(weights, settings)
    path = cache_folder / f"node-embeddings-{fingerprint}.npz"
    if path.exists():
        try:
            return _load(path, fingerprint, (weights.shape[0], settings.dimension))
        except _UNREADABLE as error:
            logger.warning("The cached node embeddings %s are computed anew: %s", path, error)
    vectors, mask = _embed(weights, settings)
    _save(path, fingerprint, vectors, mask)
    return vectors, mask


def _embed(
    weights: csr_array, settings: NetMFSettings | Node2VecSettings
) -> tuple[Float32[np.ndarray, "node dimension"], Bool[np.ndarray, " node"]]:
    if isinstance(settings, NetMFSettings):
        return embed_netmf(weights, settings)
    return embed_node2vec(weights, settings)


def _load(
    path: Path, fingerprint: str, shape: tuple[int, int]
) -> tuple[Float32[np.ndarray, "node dimension"], Bool[np.ndarray, " node"]]:
    # Opened here, because numpy leaves a file open whose archive turns out to be truncated.
    with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
        stored = str(archive["fingerprint"])
        vectors, mask = archive["vectors"], archive["mask"]
    if stored != fingerprint:
        raise ValueError(f"its fingerprint is {stored}, not that of the inputs")
    if (vectors.shape, vectors.dtype, mask.shape, mask.dtype) != (
        shape,
        np.dtype(np.float32),
        shape[:1],
        np.dtype(bool),
    ):
        raise ValueError(f"its arrays are not a float32 {shape} and a bool {shape[:1]} array")
    return vectors, mask


def _save(
    path: Path,
    fingerprint: str,
    vectors: Float32[np.ndarray, "node dimension"],
    mask: Bool[np.ndarray, " node"],
) -> None:
    archive = io.BytesIO()
    np.savez(archive, fingerprint=np.array(fingerprint), vectors=vectors, mask=mask)
    write_whole(path, archive.getbuffer())
