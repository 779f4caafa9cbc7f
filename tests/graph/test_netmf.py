"""NetMF against its formula written out, its invariants and planted communities."""

import dataclasses

import numpy as np
import pytest
from graph_samples import nearest_neighbour_purity, two_blocks, weighted
from scipy.sparse import csr_array

from recbole_mirec.graph import NetMFSettings, embed_netmf

# A weighted graph with cycles, a pendant node (5) and an isolated one (6).
EDGES = [(0, 1, 2.0), (0, 2, 0.5), (1, 2, 1.5), (2, 3, 3.0), (3, 4, 0.7), (1, 4, 1.1), (4, 5, 5.0)]


def literal_log_matrix(adjacency, window, negative):
    """Write out Qiu et al. (2018) with explicit inverses and matrix powers."""
    inverse_degree = np.diag(1 / adjacency.sum(axis=1))
    powers = sum(
        np.linalg.matrix_power(inverse_degree @ adjacency, r) for r in range(1, window + 1)
    )
    matrix = adjacency.sum() / (negative * window) * powers @ inverse_degree
    return np.log(np.maximum(matrix, 1))


# Where singular values coincide (window 1), only the product over all of them is defined.
@pytest.mark.parametrize(
    ("window", "negative", "dimension"), [(1, 1, 6), (1, 2, 6), (2, 2, 2), (3, 1, 5), (10, 1, 3)]
)
def test_inner_products_are_those_of_the_literal_formula(window, negative, dimension):
    graph = weighted(EDGES, 7)
    settings = NetMFSettings(dimension=dimension, window=window, negative=negative)
    vectors, mask = embed_netmf(graph, settings)

    left, singular, _ = np.linalg.svd(literal_log_matrix(graph.toarray()[:6, :6], window, negative))
    assert singular[2] > 0.01
    expected = left[:, :dimension] * np.sqrt(singular[:dimension])
    np.testing.assert_allclose(
        vectors[:6] @ vectors[:6].T, expected @ expected.T, rtol=1e-4, atol=1e-5
    )
    np.testing.assert_array_equal(mask, [True] * 6 + [False])


def test_columns_are_scaled_singular_vectors_with_positive_peak():
    graph = weighted(EDGES, 7)
    vectors, _ = embed_netmf(graph, NetMFSettings(dimension=3, window=2, negative=1))

    left, singular, _ = np.linalg.svd(literal_log_matrix(graph.toarray()[:6, :6], 2, 1))
    expected = left[:, :3] * np.sqrt(singular[:3])
    peak = np.argmax(np.abs(expected), axis=0)
    expected *= np.sign(expected[peak, range(3)])
    np.testing.assert_allclose(vectors[:6], expected, rtol=1e-4, atol=1e-5)
    assert (vectors[peak, range(3)] > 0).all()


def test_isolated_node_is_zero_and_changes_nobody():
    settings = NetMFSettings(dimension=3, window=3, negative=1)
    alone, alone_mask = embed_netmf(weighted(EDGES, 6), settings)
    shifted, mask = embed_netmf(weighted([(i + 1, j + 1, w) for i, j, w in EDGES], 7), settings)
    assert alone_mask.all()
    np.testing.assert_array_equal(mask, [False] + [True] * 6)
    np.testing.assert_array_equal(shifted[0], 0)
    np.testing.assert_array_equal(shifted[1:], alone)


def test_graph_without_edges_is_all_zero():
    settings = NetMFSettings(dimension=2, window=3, negative=1)
    vectors, mask = embed_netmf(csr_array((5, 5)), settings)
    np.testing.assert_array_equal(vectors, np.zeros((5, 2)))
    assert not mask.any()


def test_more_dimensions_than_nodes_pad_with_zeros():
    graph = weighted(EDGES, 6)
    full, _ = embed_netmf(graph, NetMFSettings(dimension=6, window=3, negative=1))
    padded, _ = embed_netmf(graph, NetMFSettings(dimension=11, window=3, negative=1))
    assert padded.shape == (6, 11)
    np.testing.assert_array_equal(padded[:, :6], full)
    np.testing.assert_array_equal(padded[:, 6:], 0)


def test_scaling_all_weights_changes_nothing():
    settings = NetMFSettings(dimension=2, window=4, negative=1)
    graph = weighted(EDGES, 6)
    one, _ = embed_netmf(graph, settings)
    eight, _ = embed_netmf(csr_array(graph * 8.0), settings)
    np.testing.assert_allclose(eight, one, atol=1e-5)


def test_permuting_nodes_permutes_inner_products():
    order = np.array([3, 0, 5, 1, 4, 2])
    settings = NetMFSettings(dimension=6, window=3, negative=1)
    graph = weighted(EDGES, 6)
    plain, _ = embed_netmf(graph, settings)
    moved, _ = embed_netmf(csr_array(graph[order][:, order]), settings)
    np.testing.assert_allclose(moved @ moved.T, (plain @ plain.T)[np.ix_(order, order)], atol=1e-4)


def test_two_runs_are_equal():
    graph, _ = two_blocks()
    settings = NetMFSettings(dimension=13, window=10, negative=1)
    np.testing.assert_array_equal(embed_netmf(graph, settings)[0], embed_netmf(graph, settings)[0])


def test_planted_communities_are_found():
    graph, block = two_blocks()
    vectors, _ = embed_netmf(graph, NetMFSettings(dimension=8, window=10, negative=1))
    assert nearest_neighbour_purity(vectors, block) == 1.0


@pytest.mark.parametrize("name", ["dimension", "window", "negative"])
def test_settings_must_be_positive(name):
    good = NetMFSettings(dimension=2, window=3, negative=1)
    with pytest.raises(ValueError, match=rf"'{name}' parameter of NetMFSettings .* Received: 0"):
        dataclasses.replace(good, **{name: 0})


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        (np.ones((2, 3)), r"square .* Received shape: \(2, 3\)"),
        (np.array([[0.0, -1.0], [-1.0, 0.0]]), r"not negative\. Received a weight: -1\.0"),
        (np.array([[0.0, np.inf], [np.inf, 0.0]]), r"finite .* Received a weight: inf"),
        (np.array([[0.0, 1.0], [1.0, 2.0]]), r"self loops\. Received one at node 1"),
        (np.array([[0.0, 1.0], [0.0, 0.0]]), r"symmetric\. Received"),
        (np.array([[0.0, 1.0], [1.5, 0.0]]), r"symmetric\. Received"),
        (np.array([[0, 1, 0], [0, 0, 1], [1, 0, 0]]), r"symmetric\. Received"),
    ],
)
def test_graph_must_be_weighted_undirected_without_loops(matrix, message):
    with pytest.raises(ValueError, match=message):
        embed_netmf(csr_array(matrix), NetMFSettings(dimension=2, window=3, negative=1))
