"""node2vec: node embeddings by skip-gram over biased random walks."""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Int
from scipy.sparse import csr_array

from recbole_mirec.graph.random_walks import random_walks
from recbole_mirec.graph.weighted_graph import checked_weights, connected_mask

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
