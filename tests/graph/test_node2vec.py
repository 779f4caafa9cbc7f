"""node2vec: planted communities, determinism, isolated nodes and settings."""

import dataclasses
import os
import subprocess
import sys

import numpy as np
import pytest
from graph_samples import nearest_neighbour_purity, two_blocks, weighted
from scipy.sparse import csr_array

from recbole_mirec.graph import Node2VecSettings, embed_node2vec

SETTINGS = Node2VecSettings(
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

PRINT_DIGEST = """
import hashlib
import numpy as np
from scipy.sparse import csr_array
from recbole_mirec.graph import Node2VecSettings, embed_node2vec
ring = np.roll(np.eye(11), 1, axis=1)
settings = Node2VecSettings(dimension=7, p=0.5, q=2.0, walk_length=13, n_walks=3, window=3,
                            negative=5, subsample=0.001, epochs=2, seed=5)
vectors, mask = embed_node2vec(csr_array(ring + ring.T), settings)
print(hashlib.sha256(vectors.tobytes() + mask.tobytes()).hexdigest())
"""


@pytest.mark.parametrize(("p", "q"), [(1.0, 1.0), (0.5, 2.0)])
def test_planted_communities_are_found(p, q):
    graph, block = two_blocks()
    vectors, mask = embed_node2vec(graph, dataclasses.replace(SETTINGS, p=p, q=q))
    assert mask.all()
    assert nearest_neighbour_purity(vectors, block) >= 0.97


def test_shuffled_blocks_are_not_found():
    graph, block = two_blocks()
    vectors, _ = embed_node2vec(graph, SETTINGS)
    shuffled = np.random.default_rng(3).permutation(block)
    assert nearest_neighbour_purity(vectors, shuffled) < 0.8


def test_two_runs_are_equal_and_the_seed_matters():
    graph, _ = two_blocks()
    first, _ = embed_node2vec(graph, SETTINGS)
    again, _ = embed_node2vec(graph, SETTINGS)
    other, _ = embed_node2vec(graph, dataclasses.replace(SETTINGS, seed=8))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


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
    ],
)
def test_every_setting_reaches_the_vectors(change):
    graph, _ = two_blocks(n_per_block=5)
    settings = dataclasses.replace(SETTINGS, epochs=2)
    plain, _ = embed_node2vec(graph, settings)
    changed, _ = embed_node2vec(graph, dataclasses.replace(settings, **change))
    assert not np.allclose(plain, changed, atol=1e-4)


def test_vectors_stand_in_their_nodes_rows():
    # Eleven nodes and more: names that sort otherwise as text than as numbers.
    pairs = [(1, 12), (3, 10), (2, 11)]
    graph = weighted([(i, j, 1.0) for i, j in pairs], 13)
    settings = dataclasses.replace(SETTINGS, epochs=40)
    vectors, mask = embed_node2vec(graph, settings)

    connected = [1, 2, 3, 10, 11, 12]
    np.testing.assert_array_equal(np.flatnonzero(mask), connected)
    np.testing.assert_array_equal(vectors[~mask], 0)
    unit = vectors[mask] / np.linalg.norm(vectors[mask], axis=1, keepdims=True)
    similarity = unit @ unit.T - 2 * np.eye(6)
    nearest = {connected[i]: connected[j] for i, j in enumerate(similarity.argmax(axis=1))}
    assert nearest == {1: 12, 12: 1, 3: 10, 10: 3, 2: 11, 11: 2}


def test_graph_without_edges_is_all_zero():
    vectors, mask = embed_node2vec(csr_array((5, 5)), SETTINGS)
    np.testing.assert_array_equal(vectors, np.zeros((5, 13)))
    assert not mask.any()


@pytest.mark.parametrize(
    ("name", "value", "rule"),
    [
        ("dimension", 0, "at least 1"),
        ("n_walks", 0, "at least 1"),
        ("window", 0, "at least 1"),
        ("negative", 0, "at least 1"),
        ("epochs", 0, "at least 1"),
        ("p", 0.0, "positive and finite"),
        ("q", float("inf"), "positive and finite"),
        ("walk_length", 1, "from 2 to 10000"),
        ("walk_length", 10_001, "from 2 to 10000"),
        ("subsample", -0.1, "finite and not negative"),
        ("seed", -1, "from 0 to 4294967295"),
        ("seed", 2**32, "from 0 to 4294967295"),
    ],
)
def test_settings_are_checked(name, value, rule):
    message = rf"'{name}' parameter of Node2VecSettings must be {rule}\. Received: {value}"
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(SETTINGS, **{name: value})
