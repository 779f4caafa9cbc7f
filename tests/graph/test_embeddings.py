"""NetMF, random walks, node2vec and the cache: formulas, frequencies, planted communities."""

import dataclasses
import logging
import os
import subprocess
import sys
from importlib import metadata

import numpy as np
import pytest
from scipy.sparse import csr_array

from recbole_mirec.graph.cooccurrence import checked_weights
from recbole_mirec.graph.embeddings import (
    NetMFSettings,
    Node2VecSettings,
    _Steps,
    embedding_fingerprint,
    node_embeddings,
    random_walks,
)

NODE2VEC = Node2VecSettings(
    dimension=13,
    p=1.0,
    q=1.0,
    walk_length=23,
    n_walks=10,
    window=5,
    negative=5,
    subsample=0.0,
    epochs=3,
    seed=7,
)
# A weighted graph with cycles and a pendant node (5).
EDGES = [(0, 1, 2.0), (0, 2, 0.5), (1, 2, 1.5), (2, 3, 3.0), (3, 4, 0.7), (1, 4, 1.1), (4, 5, 5.0)]


def of_netmf(**changes):
    return NetMFSettings(**({"dimension": 3, "window": 3, "negative": 1} | changes))


def of_node2vec(**changes):
    return dataclasses.replace(NODE2VEC, **changes)


METHODS = [of_netmf(), of_node2vec(dimension=5, walk_length=7, n_walks=2)]


def weighted(edges, n_nodes):
    matrix = np.zeros((n_nodes, n_nodes))
    for i, j, weight in edges:
        matrix[i, j] = matrix[j, i] = weight
    return csr_array(matrix)


def two_blocks(n_per_block=17, seed=5):
    """Return a graph of two dense blocks with a few light edges between, and each node's block."""
    generator = np.random.default_rng(seed)
    block = generator.permutation(np.repeat([0, 1], n_per_block))
    same = block[:, None] == block
    edge = generator.random(same.shape) < np.where(same, 0.6, 0.1)
    weight = np.where(same, 2.0, 0.5) * generator.uniform(0.5, 1.5, same.shape)
    upper = np.triu(np.where(edge, weight, 0.0), k=1)
    return csr_array(upper + upper.T), block


def nearest_neighbour_purity(vectors, block):
    """Return the share of nodes whose nearest other node (cosine) is of their block."""
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    similarity = unit @ unit.T
    np.fill_diagonal(similarity, -np.inf)
    return np.mean(block[similarity.argmax(axis=1)] == block)


# --- both methods ---


@pytest.mark.parametrize("settings", METHODS)
def test_isolated_nodes_are_zero_and_no_edges_leave_nothing(settings):
    vectors, mask = node_embeddings(weighted(EDGES, 7), settings)
    np.testing.assert_array_equal(mask, [True] * 6 + [False])
    assert vectors[:6].any(axis=1).all()
    np.testing.assert_array_equal(vectors[6], 0)
    vectors, mask = node_embeddings(csr_array((5, 5)), settings)
    np.testing.assert_array_equal(vectors, np.zeros((5, settings.dimension)))
    assert not mask.any()


@pytest.mark.parametrize(
    ("settings", "least"),
    [
        (of_netmf(dimension=8, window=10), 1.0),
        (NODE2VEC, 0.97),
        (of_node2vec(p=0.5, q=2.0), 0.97),
    ],
)
def test_planted_communities_are_found_and_two_runs_are_equal(settings, least):
    graph, block = two_blocks()
    vectors, mask = node_embeddings(graph, settings)
    assert mask.all()
    assert nearest_neighbour_purity(vectors, block) >= least
    assert nearest_neighbour_purity(vectors, np.random.default_rng(3).permutation(block)) < 0.8
    np.testing.assert_array_equal(node_embeddings(graph, settings)[0], vectors)


@pytest.mark.parametrize(
    "matrix",
    [
        np.ones((2, 3)),
        np.array([[0.0, -1.0], [-1.0, 0.0]]),
        np.array([[0.0, np.inf], [np.inf, 0.0]]),
        np.array([[0.0, 1.0], [1.0, 2.0]]),
        np.array([[0.0, 1.0], [1.5, 0.0]]),
        np.array([[0, 1, 0], [0, 0, 1], [1, 0, 0]]),
    ],
    ids=["square", "negative", "infinite", "loop", "weight one way", "edge one way"],
)
def test_graph_must_be_weighted_undirected_without_loops(matrix, tmp_path):
    with pytest.raises(ValueError, match=r"square, symmetric .* Received: shape \(\d, \d\)"):
        node_embeddings(csr_array(matrix), of_netmf(), tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


# --- NetMF ---


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
    settings = of_netmf(dimension=dimension, window=window, negative=negative)
    vectors, mask = node_embeddings(graph, settings)

    left, singular, _ = np.linalg.svd(literal_log_matrix(graph.toarray()[:6, :6], window, negative))
    assert singular[2] > 0.01
    expected = left[:, :dimension] * np.sqrt(singular[:dimension])
    np.testing.assert_allclose(
        vectors[:6] @ vectors[:6].T, expected @ expected.T, rtol=1e-4, atol=1e-5
    )
    np.testing.assert_array_equal(mask, [True] * 6 + [False])


def test_columns_are_scaled_singular_vectors_with_positive_peak():
    graph = weighted(EDGES, 7)
    vectors, _ = node_embeddings(graph, of_netmf(dimension=3, window=2, negative=1))

    left, singular, _ = np.linalg.svd(literal_log_matrix(graph.toarray()[:6, :6], 2, 1))
    expected = left[:, :3] * np.sqrt(singular[:3])
    peak = np.argmax(np.abs(expected), axis=0)
    expected *= np.sign(expected[peak, range(3)])
    np.testing.assert_allclose(vectors[:6], expected, rtol=1e-4, atol=1e-5)
    assert (vectors[peak, range(3)] > 0).all()


def test_isolated_node_is_zero_and_changes_nobody():
    settings = of_netmf(dimension=3, window=3, negative=1)
    alone, alone_mask = node_embeddings(weighted(EDGES, 6), settings)
    shifted, mask = node_embeddings(weighted([(i + 1, j + 1, w) for i, j, w in EDGES], 7), settings)
    assert alone_mask.all()
    np.testing.assert_array_equal(mask, [False] + [True] * 6)
    np.testing.assert_array_equal(shifted[0], 0)
    np.testing.assert_array_equal(shifted[1:], alone)


def test_more_dimensions_than_nodes_pad_with_zeros():
    graph = weighted(EDGES, 6)
    full, _ = node_embeddings(graph, of_netmf(dimension=6, window=3, negative=1))
    padded, _ = node_embeddings(graph, of_netmf(dimension=11, window=3, negative=1))
    assert padded.shape == (6, 11)
    np.testing.assert_array_equal(padded[:, :6], full)
    np.testing.assert_array_equal(padded[:, 6:], 0)


def test_scaling_all_weights_changes_nothing():
    settings = of_netmf(dimension=2, window=4, negative=1)
    graph = weighted(EDGES, 6)
    one, _ = node_embeddings(graph, settings)
    eight, _ = node_embeddings(csr_array(graph * 8.0), settings)
    np.testing.assert_allclose(eight, one, atol=1e-5)


def test_permuting_nodes_permutes_inner_products():
    order = np.array([3, 0, 5, 1, 4, 2])
    settings = of_netmf(dimension=6, window=3, negative=1)
    graph = weighted(EDGES, 6)
    plain, _ = node_embeddings(graph, settings)
    moved, _ = node_embeddings(csr_array(graph[order][:, order]), settings)
    np.testing.assert_allclose(moved @ moved.T, (plain @ plain.T)[np.ix_(order, order)], atol=1e-4)


# --- random walks ---

# Triangle 0-1-2 with a tail 2-3-4 and a chord 1-3; node 5 is isolated.
TAILED = [(0, 1, 1.0), (0, 2, 2.0), (1, 2, 0.5), (2, 3, 1.5), (3, 4, 4.0), (1, 3, 0.3)]


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
    graph = weighted(TAILED, 6)
    generator = np.random.default_rng(11)
    walks = random_walks(graph, n_walks=3000, walk_length=23, p=p, q=q, generator=generator)

    triples = np.zeros((6, 6, 6), dtype=np.int64)
    np.add.at(triples, (walks[:, :-2].ravel(), walks[:, 1:-1].ravel(), walks[:, 2:].ravel()), 1)
    for previous, current in np.argwhere(graph.toarray() > 0):
        probability = exact_probabilities(graph.toarray(), previous, current, p, q)
        assert_frequencies(triples[previous, current], probability)


def test_first_order_frequencies():
    graph = weighted(TAILED, 6)
    generator = np.random.default_rng(13)
    walks = random_walks(graph, n_walks=3000, walk_length=19, p=1.0, q=1.0, generator=generator)

    couples = np.zeros((6, 6), dtype=np.int64)
    np.add.at(couples, (walks[:, :-1].ravel(), walks[:, 1:].ravel()), 1)
    adjacency = graph.toarray()
    for current in range(5):
        assert_frequencies(couples[current], adjacency[current] / adjacency[current].sum())


def test_first_step_of_a_biased_walk_is_by_weight():
    graph = weighted(TAILED, 6)
    generator = np.random.default_rng(17)
    walks = random_walks(graph, n_walks=4001, walk_length=2, p=0.01, q=9.0, generator=generator)
    adjacency = graph.toarray()
    for start in range(5):
        observed = np.bincount(walks[walks[:, 0] == start, 1], minlength=6)
        assert_frequencies(observed, adjacency[start] / adjacency[start].sum())


def test_every_connected_node_starts_each_round_once():
    generator = np.random.default_rng(1)
    walks = random_walks(
        weighted(TAILED, 6), n_walks=7, walk_length=3, p=2.0, q=1.0, generator=generator
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
            weighted(TAILED, 6), n_walks=3, walk_length=11, p=1.0, q=q, generator=generator
        )

    np.testing.assert_array_equal(walk(3), walk(3))
    assert (walk(3) != walk(4)).any()


def test_draw_that_rounds_up_to_the_next_node_stays_in_its_row():
    class AlmostOne:
        def random(self, n):
            return np.full(n, np.nextafter(1.0, 0.0))

    graph = weighted([(0, 1, 1.0), (1, 2, 1.0), (2, 3, 1.0)], 4)
    steps = _Steps(graph, 1.0, 1.0, np.random.default_rng(0))
    steps._generator = AlmostOne()
    np.testing.assert_array_equal(steps.by_weight(np.array([0, 1, 2, 3])), [1, 2, 3, 2])


# --- node2vec ---

PRINT_DIGEST = """
import hashlib
import numpy as np
from scipy.sparse import csr_array
from recbole_mirec.graph.embeddings import Node2VecSettings, node_embeddings
ring = np.roll(np.eye(11), 1, axis=1)
settings = Node2VecSettings(dimension=7, p=0.5, q=2.0, walk_length=13, n_walks=3, window=3,
                            negative=5, subsample=0.001, epochs=2, seed=5)
vectors, mask = node_embeddings(csr_array(ring + ring.T), settings)
print(hashlib.sha256(vectors.tobytes() + mask.tobytes()).hexdigest())
"""


def test_hash_seed_of_the_interpreter_does_not_matter():
    digests = {
        subprocess.run(
            [sys.executable, "-c", PRINT_DIGEST],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for hash_seed in ("1", "2")
    }
    assert len(digests) == 1
    assert len(digests.pop().strip()) == 64


@pytest.mark.parametrize(
    "change",
    [
        {"p": 0.1},
        {"q": 0.1},
        {"walk_length": 11},
        {"n_walks": 3},
        {"window": 2},
        {"negative": 1},
        {"subsample": 0.001},
        {"epochs": 1},
        {"seed": 8},
    ],
)
def test_every_setting_reaches_the_vectors(change):
    graph, _ = two_blocks(n_per_block=5)
    settings = of_node2vec(epochs=2)
    plain, _ = node_embeddings(graph, settings)
    changed, _ = node_embeddings(graph, dataclasses.replace(settings, **change))
    assert not np.allclose(plain, changed, atol=1e-4)


def test_vectors_stand_in_their_nodes_rows():
    # Eleven nodes and more: names that sort otherwise as text than as numbers.
    pairs = [(1, 12), (3, 10), (2, 11)]
    graph = weighted([(i, j, 1.0) for i, j in pairs], 13)
    settings = of_node2vec(epochs=40)
    vectors, mask = node_embeddings(graph, settings)

    connected = [1, 2, 3, 10, 11, 12]
    np.testing.assert_array_equal(np.flatnonzero(mask), connected)
    np.testing.assert_array_equal(vectors[~mask], 0)
    unit = vectors[mask] / np.linalg.norm(vectors[mask], axis=1, keepdims=True)
    similarity = unit @ unit.T - 2 * np.eye(6)
    nearest = {connected[i]: connected[j] for i, j in enumerate(similarity.argmax(axis=1))}
    assert nearest == {1: 12, 12: 1, 3: 10, 10: 3, 2: 11, 11: 2}


def test_walks_that_gensim_would_cut_off_are_refused():
    with pytest.raises(ValueError, match=r"graph_walk_length must be at most 10000.*: 10001"):
        of_node2vec(walk_length=10_001)


# --- cache ---


def stored_file(folder):
    (path,) = folder.iterdir()
    return path


@pytest.mark.parametrize("settings", METHODS)
def test_hit_returns_identical_arrays_without_computing(tmp_path, settings, monkeypatch):
    graph = weighted(EDGES, 7)
    folder = tmp_path / "made" / "on demand"
    computed = node_embeddings(graph, settings, folder)
    monkeypatch.delattr("recbole_mirec.graph.embeddings._embed")
    loaded = node_embeddings(graph, settings, folder)
    for mine, theirs in zip(loaded, computed, strict=True):
        np.testing.assert_array_equal(mine, theirs)
        assert mine.dtype == theirs.dtype


def fingerprint(graph, settings=METHODS[0]):
    return embedding_fingerprint(checked_weights(graph), settings)


def test_all_that_vectors_depend_on_is_in_the_fingerprint(monkeypatch):
    graph = weighted(EDGES, 6)
    other_weight = [*EDGES[:-1], (4, 5, 5.5)]
    other_edge = [*EDGES[:-1], (3, 5, 5.0)]
    prints = [fingerprint(weighted(edges, 6)) for edges in (EDGES, other_weight, other_edge)]
    prints.append(fingerprint(weighted(EDGES, 7)))
    for settings in METHODS:
        for field in dataclasses.fields(settings):
            value = getattr(settings, field.name) + 1
            prints.append(fingerprint(graph, dataclasses.replace(settings, **{field.name: value})))
    prints.append(fingerprint(graph, METHODS[1]))
    monkeypatch.setattr("recbole_mirec.graph.embeddings._FORMAT_VERSION", 2)
    prints.append(fingerprint(graph))
    monkeypatch.undo()
    version = metadata.version
    for package in ("numpy", "scipy", "gensim"):
        monkeypatch.setattr(
            metadata, "version", lambda name, p=package: "0.0.1" if name == p else version(name)
        )
        prints.append(fingerprint(graph))
    assert len(set(prints)) == len(prints) == 22


def test_fingerprint_sees_the_graph_and_not_its_storage():
    graph = weighted(EDGES, 7)
    entries = graph.tocoo()
    order = np.random.default_rng(1).permutation(graph.nnz)
    rows, columns = (
        np.append(ids[order], end) for ids, end in ((entries.row, 0), (entries.col, 3))
    )
    stored = csr_array((np.append(entries.data[order], 0.0), (rows, columns)), shape=(7, 7))
    assert stored.nnz == graph.nnz + 1
    assert fingerprint(stored) == fingerprint(graph)


@pytest.mark.parametrize("damage", ["empty", "truncated", "text", "bit", "pickle"])
def test_damaged_file_is_computed_anew_with_a_warning(tmp_path, caplog, damage):
    graph = weighted(EDGES, 7)
    expected, mask = node_embeddings(graph, METHODS[0], tmp_path)
    path = stored_file(tmp_path)
    content = path.read_bytes()
    middle = len(content) // 2
    if damage == "pickle":
        np.savez(path, vectors=np.array([{"a": 1}], dtype=object), mask=mask)
    else:
        broken = {
            "empty": b"",
            "truncated": content[:middle],
            "text": b"this is no archive",
            "bit": content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :],
        }
        path.write_bytes(broken[damage])
    with caplog.at_level(logging.WARNING):
        again, again_mask = node_embeddings(graph, METHODS[0], tmp_path)
    np.testing.assert_array_equal(again, expected)
    np.testing.assert_array_equal(again_mask, mask)
    assert f"{path} are computed anew" in caplog.text
    caplog.clear()
    node_embeddings(graph, METHODS[0], tmp_path)
    assert not caplog.records
