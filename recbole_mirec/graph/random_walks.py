"""Biased second-order random walks over a weighted undirected graph, all walkers at once."""

import numpy as np
from jaxtyping import Bool, Float, Int, Int64
from scipy.sparse import csr_array

from recbole_mirec.graph.weighted_graph import checked_weights, connected_mask


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
