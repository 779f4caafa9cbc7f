"""Vectors brought down to two dimensions, the same for the same vectors."""

import numpy as np
from numpy.typing import NDArray

MOST_FOR_TSNE = 8000
"""Accounts beyond which neighbourhoods would take minutes."""
N_COMPONENTS = 50
_PERPLEXITY = 30.0


def flattened(vectors: NDArray[np.float64]) -> tuple[NDArray[np.float64], str]:
    """Places of vectors in a plane, by their directions, and how they were found, in words.

    Principal components, then t-SNE (L. van der Maaten and G. Hinton, JMLR 2008; scikit-learn's)
    of the first 50; the first two components alone for more than 8,000 vectors, or too few for a
    neighbourhood.

    Args:
        vectors: (vector, dimension); at least one. A zero vector has no direction and stays zero.

    Returns:
        float64 (vector, 2), without unit.
    """
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    directions = vectors / np.where(lengths > 0, lengths, 1.0)
    components = principal_components(directions, N_COMPONENTS)
    if not 3 * _PERPLEXITY < len(vectors) <= MOST_FOR_TSNE:
        return components[:, :2], "the first two principal components of the vectors' directions"
    # Imported here: it takes a second that other commands need not wait.
    from sklearn.manifold import TSNE

    start = components[:, :2] / components[:, 0].std() * 1e-4
    model = TSNE(2, perplexity=_PERPLEXITY, init=start, random_state=0, learning_rate="auto")
    places: NDArray[np.float64] = model.fit_transform(components).astype(np.float64)
    words = (
        f"t-SNE of the vectors' directions (perplexity {_PERPLEXITY:g}, after "
        f"{components.shape[1]} principal components): neighbours are alike, large distances and "
        f"the axes mean nothing"
    )
    return places, words


def principal_components(vectors: NDArray[np.float64], n_components: int) -> NDArray[np.float64]:
    """Coordinates along the directions of largest variance, the largest first.

    Args:
        vectors: (vector, dimension).
        n_components: columns wanted; at least 2. Fewer dimensions are filled up to two by zeros.

    Returns:
        (vector, component). A component's sign is such that its largest loading is positive.
    """
    centred = vectors - vectors.mean(axis=0)
    _, axes = np.linalg.eigh(centred.T @ centred)
    axes = axes[:, ::-1][:, :n_components]
    largest = np.abs(axes).argmax(axis=0)
    axes = axes * np.where(axes[largest, np.arange(axes.shape[1])] < 0, -1.0, 1.0)
    places: NDArray[np.float64] = centred @ axes
    return np.pad(places, ((0, 0), (0, max(0, 2 - places.shape[1]))))
