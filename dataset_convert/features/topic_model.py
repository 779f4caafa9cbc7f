"""Latent Dirichlet allocation as an array: learning it, and inferring topics with it."""

from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.special import psi

ACCOUNTS_AT_ONCE: Final = 512
"""Whose topics are inferred together."""


def learn_topics(
    counts: sparse.csr_matrix, n_topics: int, *, max_iter: int, seed: int
) -> npt.NDArray[np.float64]:
    """Learns topics by batch variational inference.

    D. Blei, A. Ng and M. Jordan, "Latent Dirichlet allocation", JMLR 2003, with Dirichlet priors
    of 1 / `n_topics` on both sides; scikit-learn's implementation, in one thread because the order
    of its sums depends on their number.

    Args:
        counts: Account x word, whole numbers.
        n_topics: Their number.
        max_iter: Passes over the accounts.
        seed: Of the start.

    Returns:
        Topic x word: the parameters of each topic's Dirichlet distribution over words, positive.
    """
    model = _model(n_topics, max_iter=max_iter, random_state=seed)
    model.fit(counts)
    return np.asarray(model.components_, dtype=np.float64)


def word_shares(components: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Returns each topic's expected distribution over words; rows sum to 1."""
    shares: npt.NDArray[np.float64] = components / components.sum(axis=1, keepdims=True)
    return shares


def infer_topics(
    components: npt.NDArray[np.float64], counts: sparse.csr_matrix
) -> npt.NDArray[np.float64]:
    """Infers every account's distribution over topics; accounts do not influence each other.

    Args:
        components: Topic x word, from `learn_topics`.
        counts: Account x word.

    Returns:
        Account x topic; rows are positive and sum to 1.
    """
    n_topics, n_words = components.shape
    model = _model(n_topics)
    # What a fit leaves behind and a transform reads, all of it documented by scikit-learn.
    model.components_ = components
    model.exp_dirichlet_component_ = np.exp(
        psi(components) - psi(components.sum(axis=1, keepdims=True))
    )
    model.doc_topic_prior_ = 1 / n_topics
    model.n_features_in_ = n_words
    topics = np.empty((counts.shape[0], n_topics))
    # In parts: a transform makes wider copies of what it gets.
    for start in range(0, counts.shape[0], ACCOUNTS_AT_ONCE):
        part = slice(start, start + ACCOUNTS_AT_ONCE)
        topics[part] = model.transform(counts[part].astype(np.float64))
    return topics


def _model(n_topics: int, **settings: Any) -> Any:
    # Imported here: it takes a second that a run without topics need not wait.
    from sklearn.decomposition import LatentDirichletAllocation

    return LatentDirichletAllocation(n_topics, learning_method="batch", n_jobs=1, **settings)
