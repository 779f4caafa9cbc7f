"""Places of a graph's nodes: forces, boxes that do not overlap, communities. No randomness."""

import numpy as np
from numpy.typing import NDArray

_STEPS = 400
# To the centre; without it the parts of a graph would drift apart.
_PULL = 1.2


def spread(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Places nodes so that edges are short and other nodes keep away.

    T. Fruchterman and E. Reingold, "Graph drawing by force-directed placement", 1991, with an
    attraction in proportion to the edge's weight, from a circle in the order of the graph's
    second eigenvector, cooled linearly. A weak pull to the centre keeps parts together.

    Args:
        weights: (node, node), symmetric, at least 0, zero diagonal.

    Returns:
        float64 (node, 2), without unit, centred.
    """
    n = len(weights)
    if n == 0:
        return np.zeros((0, 2))
    scaled = weights / weights.max() if weights.any() else weights
    _, vectors = np.linalg.eigh(np.diag(scaled.sum(axis=1)) - scaled)
    # Rounded, so that the order does not hang on the last digit.
    turn = np.argsort(np.argsort(np.round(vectors[:, min(1, n - 1)], 9), kind="stable"))
    angle = 2 * np.pi * turn / n
    places = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    apart = 1.6 / np.sqrt(n)
    for step in range(_STEPS):
        gap = places[:, None] - places[None]
        distance = np.maximum(np.linalg.norm(gap, axis=2), 1e-6)
        push = apart**2 / distance - scaled * distance**2 / apart
        force = (gap / distance[..., None] * push[..., None]).sum(axis=1) - _PULL * places
        size = np.maximum(np.linalg.norm(force, axis=1, keepdims=True), 1e-9)
        places = places + force / size * np.minimum(size, 0.1 * (1 - step / _STEPS))
    centred: NDArray[np.float64] = places - places.mean(axis=0)
    return centred


def separated(
    places: NDArray[np.float64], sizes: NDArray[np.float64], *, gap: float, steps: int = 600
) -> NDArray[np.float64]:
    """Moves boxes apart until no two overlap, each pair along the way that is shorter.

    Args:
        places: (box, 2) centres.
        sizes: (box, 2) widths and heights in the same unit.
        gap: between two boxes.
        steps: the most rounds.

    Returns:
        float64 (box, 2) centres. Boxes in the same place part in their order.
    """
    moved = places.astype(np.float64)
    wanted = (sizes[:, None] + sizes[None]) / 2 + gap
    for _ in range(steps):
        apart = moved[:, None] - moved[None]
        overlap = wanted - np.abs(apart)
        pairs = np.argwhere(np.triu((overlap > 1e-9).all(axis=2), 1))
        if not len(pairs):
            break
        for i, j in pairs:
            between = moved[i] - moved[j]
            missing = wanted[i, j] - np.abs(between)
            if (missing <= 0).any():
                continue
            axis = int(missing.argmin())
            shift = missing[axis] / 2 * (-1.0 if between[axis] <= 0 else 1.0)
            moved[i, axis] += shift
            moved[j, axis] -= shift
    return moved


def communities(weights: NDArray[np.float64]) -> NDArray[np.int64]:
    """Groups of nodes that are tied more closely than chance would tie them.

    Greedy modularity: A. Clauset, M. Newman and C. Moore, "Finding community structure in very
    large networks", 2004; two groups are joined while that raises modularity, those first that
    raise it most, and within ties those of the first nodes.

    Args:
        weights: (node, node), symmetric, at least 0, zero diagonal.

    Returns:
        int64 (node) numbers of groups from 0, the largest group first; a node without edges is a
        group of its own.
    """
    n, total = len(weights), weights.sum()
    groups = [[node] for node in range(n)]
    if total > 0:
        share = weights / total
        degree = share.sum(axis=1)
        gains = 2 * (share - np.outer(degree, degree))
        while len(groups) > 1:
            np.fill_diagonal(gains, -np.inf)
            first, second = sorted(np.unravel_index(int(gains.argmax()), gains.shape))
            if gains[first, second] <= 1e-12:
                break
            groups[first] += groups.pop(second)
            # The gain of joining two groups is the sum of the gains of their parts.
            gains[first] += gains[second]
            gains[:, first] += gains[:, second]
            gains = np.delete(np.delete(gains, second, axis=0), second, axis=1)
    found = np.zeros(n, dtype=np.int64)
    ordered = sorted(groups, key=lambda group: (-len(group), min(group)))
    for number, group in enumerate(ordered):
        found[group] = number
    return found
