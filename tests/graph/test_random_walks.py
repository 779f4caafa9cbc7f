"""Walks: only edges are walked, and as often as the exact transition probabilities say."""

import numpy as np
import pytest
from graph_samples import weighted
from scipy.sparse import csr_array

from recbole_mirec.graph.embeddings import random_walks

# Triangle 0-1-2 with a tail 2-3-4 and a chord 1-3; node 5 is isolated.
EDGES = [(0, 1, 1.0), (0, 2, 2.0), (1, 2, 0.5), (2, 3, 1.5), (3, 4, 4.0), (1, 3, 0.3)]


def exact_probabilities(adjacency, previous, current, p, q):
    """Write out node2vec's transition from `current` after the step from `previous`."""
    bias = np.full(len(adjacency), 1 / q)
    bias[adjacency[previous] > 0] = 1.0
    bias[previous] = 1 / p
    mass = adjacency[current] * bias
    return mass / mass.sum()


def assert_frequencies(observed, probability):
    """Every count lies within five standard errors of its expectation."""
    n = observed.sum()
    assert n > 1000
    assert (observed[probability == 0] == 0).all()
    error = np.sqrt(n * probability * (1 - probability))
    assert (np.abs(observed - n * probability) <= 5 * error + 1e-9).all()


@pytest.mark.parametrize(("p", "q"), [(0.25, 4.0), (3.0, 0.5), (1.0, 2.0), (0.5, 1.0)])
def test_second_order_frequencies(p, q):
    graph = weighted(EDGES, 6)
    generator = np.random.default_rng(11)
    walks = random_walks(graph, n_walks=3000, walk_length=23, p=p, q=q, generator=generator)

    triples = np.zeros((6, 6, 6), dtype=np.int64)
    np.add.at(triples, (walks[:, :-2].ravel(), walks[:, 1:-1].ravel(), walks[:, 2:].ravel()), 1)
    for previous, current in np.argwhere(graph.toarray() > 0):
        probability = exact_probabilities(graph.toarray(), previous, current, p, q)
        assert_frequencies(triples[previous, current], probability)


def test_first_order_frequencies():
    graph = weighted(EDGES, 6)
    generator = np.random.default_rng(13)
    walks = random_walks(graph, n_walks=3000, walk_length=19, p=1.0, q=1.0, generator=generator)

    couples = np.zeros((6, 6), dtype=np.int64)
    np.add.at(couples, (walks[:, :-1].ravel(), walks[:, 1:].ravel()), 1)
    adjacency = graph.toarray()
    for current in range(5):
        assert_frequencies(couples[current], adjacency[current] / adjacency[current].sum())


def test_first_step_of_a_biased_walk_is_by_weight():
    graph = weighted(EDGES, 6)
    generator = np.random.default_rng(17)
    walks = random_walks(graph, n_walks=4001, walk_length=2, p=0.01, q=9.0, generator=generator)
    adjacency = graph.toarray()
    for start in range(5):
        observed = np.bincount(walks[walks[:, 0] == start, 1], minlength=6)
        assert_frequencies(observed, adjacency[start] / adjacency[start].sum())


def test_every_connected_node_starts_each_round_once():
    generator = np.random.default_rng(1)
    walks = random_walks(
        weighted(EDGES, 6), n_walks=7, walk_length=3, p=2.0, q=1.0, generator=generator
    )
    starts = walks[:, 0].reshape(7, 5)
    np.testing.assert_array_equal(np.sort(starts, axis=1), np.tile(np.arange(5), (7, 1)))
    assert len({tuple(round_) for round_ in starts}) > 1


def test_graph_without_edges_has_no_walks():
    generator = np.random.default_rng(1)
    walks = random_walks(
        csr_array((3, 3)), n_walks=2, walk_length=5, p=1.0, q=2.0, generator=generator
    )
    assert walks.shape == (0, 5)


@pytest.mark.parametrize("q", [1.0, 0.5])
def test_seed_decides(q):
    def walk(seed):
        generator = np.random.default_rng(seed)
        return random_walks(
            weighted(EDGES, 6), n_walks=3, walk_length=11, p=1.0, q=q, generator=generator
        )

    np.testing.assert_array_equal(walk(3), walk(3))
    assert (walk(3) != walk(4)).any()


def test_draw_that_rounds_up_to_the_next_node_stays_in_its_row():
    class AlmostOne:
        def random(self, n):
            return np.full(n, np.nextafter(1.0, 0.0))

        def permutation(self, nodes):
            return nodes

    from recbole_mirec.graph.embeddings import _Steps

    graph = weighted([(0, 1, 1.0), (1, 2, 1.0), (2, 3, 1.0)], 4)
    steps = _Steps(graph, 1.0, 1.0, np.random.default_rng(0))
    steps._generator = AlmostOne()
    np.testing.assert_array_equal(steps.by_weight(np.array([0, 1, 2, 3])), [1, 2, 3, 2])
