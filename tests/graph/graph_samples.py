"""Small graphs with known answers that several test files share."""

import numpy as np
from scipy.sparse import csr_array


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
