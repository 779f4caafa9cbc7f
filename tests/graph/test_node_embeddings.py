"""NetMF, random walks, node2vec and the cache: formulas, frequencies, planted communities."""

import logging
import os
import subprocess
import sys
from importlib import metadata

import numpy as np
import pytest
from scipy.sparse import csr_array

from recbole_mirec.graph.embeddings import (
    _Steps,
    embed,
    embedding_fingerprint,
    node_embeddings,
    random_walks,
)

NODE2VEC = {
    **{"dimension": 13, "p": 1.0, "q": 1.0, "walk_length": 23, "n_walks": 10, "window": 5},
    **{"negative": 5, "subsample": 0.0, "epochs": 3, "seed": 7},
}
NETMF = {"dimension": 3, "window": 3, "negative": 1}
METHODS = [("netmf", NETMF), ("node2vec", NODE2VEC | {"dimension": 5, "walk_length": 7})]
# A weighted graph with cycles and a pendant node (5).
EDGES = [(0, 1, 2.0), (0, 2, 0.5), (1, 2, 1.5), (2, 3, 3.0), (3, 4, 0.7), (1, 4, 1.1), (4, 5, 5.0)]


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


@pytest.mark.parametrize(("method", "settings"), METHODS)
def test_isolated_nodes_are_zero_and_no_edges_leave_nothing(method, settings):
    vectors, mask = embed(weighted(EDGES, 7), method, settings)
    np.testing.assert_array_equal(mask, [True] * 6 + [False])
    assert vectors[:6].any(axis=1).all()
    np.testing.assert_array_equal(vectors[6], 0)
    vectors, mask = embed(csr_array((5, 5)), method, settings)
    np.testing.assert_array_equal(vectors, np.zeros((5, settings["dimension"])))
    assert not mask.any()


@pytest.mark.parametrize(
    ("method", "settings", "least"),
    [
        ("netmf", NETMF | {"dimension": 8, "window": 10}, 1.0),
        ("node2vec", NODE2VEC, 0.97),
        ("node2vec", NODE2VEC | {"p": 0.5, "q": 2.0}, 0.97),
    ],
)
def test_planted_communities_are_found_and_two_runs_are_equal(method, settings, least):
    graph, block = two_blocks()
    vectors, mask = embed(graph, method, settings)
    assert mask.all()
    assert nearest_neighbour_purity(vectors, block) >= least
    assert nearest_neighbour_purity(vectors, np.random.default_rng(3).permutation(block)) < 0.8
    np.testing.assert_array_equal(embed(graph, method, settings)[0], vectors)


# --- NetMF ---


def netmf(graph, **changes):
    return embed(graph, "netmf", NETMF | changes)


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
    vectors, mask = netmf(graph, dimension=dimension, window=window, negative=negative)
    left, singular, _ = np.linalg.svd(literal_log_matrix(graph.toarray()[:6, :6], window, negative))
    assert singular[2] > 0.01
    expected = left[:, :dimension] * np.sqrt(singular[:dimension])
    np.testing.assert_allclose(
        vectors[:6] @ vectors[:6].T, expected @ expected.T, rtol=1e-4, atol=1e-5
    )
    np.testing.assert_array_equal(mask, [True] * 6 + [False])


def test_columns_are_scaled_singular_vectors_with_positive_peak():
    graph = weighted(EDGES, 7)
    vectors, _ = netmf(graph, window=2)
    left, singular, _ = np.linalg.svd(literal_log_matrix(graph.toarray()[:6, :6], 2, 1))
    expected = left[:, :3] * np.sqrt(singular[:3])
    peak = np.argmax(np.abs(expected), axis=0)
    expected *= np.sign(expected[peak, range(3)])
    np.testing.assert_allclose(vectors[:6], expected, rtol=1e-4, atol=1e-5)
    assert (vectors[peak, range(3)] > 0).all()


def test_isolated_node_is_zero_and_changes_nobody():
    alone, alone_mask = netmf(weighted(EDGES, 6))
    shifted, mask = netmf(weighted([(i + 1, j + 1, w) for i, j, w in EDGES], 7))
    assert alone_mask.all()
    np.testing.assert_array_equal(mask, [False] + [True] * 6)
    np.testing.assert_array_equal(shifted[0], 0)
    np.testing.assert_array_equal(shifted[1:], alone)


def test_more_dimensions_than_nodes_pad_with_zeros():
    graph = weighted(EDGES, 6)
    full, padded = netmf(graph, dimension=6)[0], netmf(graph, dimension=11)[0]
    assert padded.shape == (6, 11)
    np.testing.assert_array_equal(padded[:, :6], full)
    np.testing.assert_array_equal(padded[:, 6:], 0)


# --- random walks ---

# Triangle 0-1-2 with a tail 2-3-4 and a chord 1-3.
TAILED = [(0, 1, 1.0), (0, 2, 2.0), (1, 2, 0.5), (2, 3, 1.5), (3, 4, 4.0), (1, 3, 0.3)]
GRAPH = weighted(TAILED, 5)


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
    walks = random_walks(GRAPH, n_walks=3000, walk_length=23, p=p, q=q, seed=11)
    triples = np.zeros((5, 5, 5), dtype=np.int64)
    np.add.at(triples, (walks[:, :-2].ravel(), walks[:, 1:-1].ravel(), walks[:, 2:].ravel()), 1)
    for previous, current in np.argwhere(GRAPH.toarray() > 0):
        probability = exact_probabilities(GRAPH.toarray(), previous, current, p, q)
        assert_frequencies(triples[previous, current], probability)


def test_first_order_frequencies():
    walks = random_walks(GRAPH, n_walks=3000, walk_length=19, p=1.0, q=1.0, seed=13)
    couples = np.zeros((5, 5), dtype=np.int64)
    np.add.at(couples, (walks[:, :-1].ravel(), walks[:, 1:].ravel()), 1)
    adjacency = GRAPH.toarray()
    for current in range(5):
        assert_frequencies(couples[current], adjacency[current] / adjacency[current].sum())


def test_first_step_of_a_biased_walk_is_by_weight():
    walks = random_walks(GRAPH, n_walks=4001, walk_length=2, p=0.01, q=9.0, seed=17)
    adjacency = GRAPH.toarray()
    for start in range(5):
        observed = np.bincount(walks[walks[:, 0] == start, 1], minlength=5)
        assert_frequencies(observed, adjacency[start] / adjacency[start].sum())


def test_every_node_starts_each_round_once():
    walks = random_walks(GRAPH, n_walks=7, walk_length=3, p=2.0, q=1.0, seed=1)
    starts = walks[:, 0].reshape(7, 5)
    np.testing.assert_array_equal(np.sort(starts, axis=1), np.tile(np.arange(5), (7, 1)))
    assert len({tuple(round_) for round_ in starts}) > 1


@pytest.mark.parametrize("q", [1.0, 0.5])
def test_seed_decides(q):
    def walk(seed):
        return random_walks(GRAPH, n_walks=3, walk_length=11, p=1.0, q=q, seed=seed)

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
from recbole_mirec.graph.embeddings import embed
ring = np.roll(np.eye(11), 1, axis=1)
settings = dict(dimension=7, p=0.5, q=2.0, walk_length=13, n_walks=3, window=3,
                negative=5, subsample=0.001, epochs=2, seed=5)
vectors, mask = embed(csr_array(ring + ring.T), "node2vec", settings)
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


CHANGES = {"p": 0.1, "q": 0.1, "walk_length": 11, "n_walks": 3, "window": 2, "negative": 1}
CHANGES |= {"subsample": 0.001, "epochs": 1, "seed": 8}


@pytest.mark.parametrize("name", CHANGES)
def test_every_setting_reaches_the_vectors(name):
    graph, _ = two_blocks(n_per_block=5)
    settings = NODE2VEC | {"epochs": 2}
    plain, _ = embed(graph, "node2vec", settings)
    changed, _ = embed(graph, "node2vec", settings | {name: CHANGES[name]})
    assert not np.allclose(plain, changed, atol=1e-4)


def test_vectors_stand_in_their_nodes_rows():
    # Eleven nodes and more: names that sort otherwise as text than as numbers.
    pairs = [(1, 12), (3, 10), (2, 11)]
    graph = weighted([(i, j, 1.0) for i, j in pairs], 13)
    vectors, mask = embed(graph, "node2vec", NODE2VEC | {"epochs": 40})
    connected = [1, 2, 3, 10, 11, 12]
    np.testing.assert_array_equal(np.flatnonzero(mask), connected)
    np.testing.assert_array_equal(vectors[~mask], 0)
    unit = vectors[mask] / np.linalg.norm(vectors[mask], axis=1, keepdims=True)
    similarity = unit @ unit.T - 2 * np.eye(6)
    nearest = {connected[i]: connected[j] for i, j in enumerate(similarity.argmax(axis=1))}
    assert nearest == {1: 12, 12: 1, 3: 10, 10: 3, 2: 11, 11: 2}


def test_walks_that_gensim_would_cut_off_are_refused():
    with pytest.raises(ValueError, match=r"graph_walk_length must be at most 10000.*: 10001"):
        embed(weighted(EDGES, 6), "node2vec", NODE2VEC | {"walk_length": 10_001})


# --- cache ---


@pytest.mark.parametrize(("method", "settings"), METHODS)
def test_hit_returns_identical_arrays_without_computing(tmp_path, method, settings, monkeypatch):
    graph = weighted(EDGES, 7)
    folder = tmp_path / "made" / "on demand"
    computed = node_embeddings(graph, method, settings, folder)
    monkeypatch.delattr("recbole_mirec.graph.embeddings.embed")
    loaded = node_embeddings(graph, method, settings, folder)
    for mine, theirs in zip(loaded, computed, strict=True):
        np.testing.assert_array_equal(mine, theirs)
        assert mine.dtype == theirs.dtype


def test_all_that_vectors_depend_on_is_in_the_fingerprint(monkeypatch):
    graph = weighted(EDGES, 6)
    other_weight = [*EDGES[:-1], (4, 5, 5.5)]
    other_edge = [*EDGES[:-1], (3, 5, 5.0)]
    graphs = [weighted(edges, 6) for edges in (EDGES, other_weight, other_edge)]
    prints = [embedding_fingerprint(one, *METHODS[0]) for one in (*graphs, weighted(EDGES, 7))]
    for method, settings in METHODS:
        for name, value in settings.items():
            prints.append(embedding_fingerprint(graph, method, settings | {name: value + 1}))
    prints.append(embedding_fingerprint(graph, *METHODS[1]))
    monkeypatch.setattr("recbole_mirec.graph.embeddings._FORMAT_VERSION", 2)
    prints.append(embedding_fingerprint(graph, *METHODS[0]))
    monkeypatch.undo()
    version = metadata.version
    for package in ("numpy", "scipy", "gensim"):
        monkeypatch.setattr(
            metadata, "version", lambda name, p=package: "0.0.1" if name == p else version(name)
        )
        prints.append(embedding_fingerprint(graph, *METHODS[0]))
    assert len(set(prints)) == len(prints) == 22


@pytest.mark.parametrize("damage", ["empty", "truncated", "text", "bit", "pickle"])
def test_damaged_file_is_computed_anew_with_a_warning(tmp_path, caplog, damage):
    call = weighted(EDGES, 7), *METHODS[0], tmp_path
    expected, mask = node_embeddings(*call)
    (path,) = tmp_path.iterdir()
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
        again, again_mask = node_embeddings(*call)
    np.testing.assert_array_equal(again, expected)
    np.testing.assert_array_equal(again_mask, mask)
    assert f"{path} are computed anew" in caplog.text
    caplog.clear()
    node_embeddings(*call)
    assert not caplog.records
