"""How good a topic model is: held-out perplexity, and the coherence of each topic's top words."""

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse


def split_words(
    counts: sparse.csr_matrix, rng: np.random.Generator
) -> tuple[sparse.csr_matrix, sparse.csr_matrix]:
    """Divides every account's words at random into two halves, for `completion_perplexity`.

    Args:
        counts: Account x word, whole numbers.
        rng: Of the draw.

    Returns:
        Two matrices of the same shape that sum to `counts`.
    """
    seen = counts.copy()
    seen.data = rng.binomial(counts.data, 0.5).astype(counts.dtype)
    hidden = counts - seen
    seen.eliminate_zeros()
    hidden.eliminate_zeros()
    return seen, hidden


def completion_perplexity(
    hidden: sparse.csr_matrix,
    topics: npt.NDArray[np.float64],
    word_shares: npt.NDArray[np.float64],
) -> float:
    """Returns the perplexity of hidden words under topics that were inferred from other words.

    exp(-sum_aw n_aw ln p(w | a) / sum_aw n_aw) with p(w | a) = sum_t topics_at word_shares_tw: the
    document completion of Wallach, Murray, Salakhutdinov and Mimno, "Evaluation methods for topic
    models", ICML 2009. In place of their average over samples the topics are point estimates.

    Args:
        hidden: Account x word, the words that the model has not seen.
        topics: Account x topic, rows sum to 1.
        word_shares: Topic x word, rows sum to 1, all positive.

    Returns:
        At least 1, lower is better; a model that knows nothing has the number of words.

    Raises:
        ValueError: No word is hidden.
    """
    words = hidden.tocoo()
    total = words.data.sum()
    if total == 0:
        raise ValueError(
            "The 'hidden' parameter of completion_perplexity must hold a word. Received: none"
        )
    log_likelihood = 0.0
    # In slices: one row of topics for each pair of account and word would be large.
    for start in range(0, words.nnz, 100_000):
        part = slice(start, start + 100_000)
        shares = np.einsum("nt,tn->n", topics[words.row[part]], word_shares[:, words.col[part]])
        log_likelihood += float(words.data[part] @ np.log(shares))
    return float(np.exp(-log_likelihood / total))


def npmi_coherence(
    counts: sparse.csr_matrix, top_words: npt.NDArray[np.int64]
) -> npt.NDArray[np.float64]:
    """Returns how much more often each topic's top words go together than by chance.

    The mean over the pairs of a topic's top words of the normalised pointwise mutual information
    ln(p(v, w) / p(v) p(w)) / -ln p(v, w) (Bouma, "Normalized (pointwise) mutual information in
    collocation extraction", GSCL 2009; as coherence: Lau, Newman and Baldwin, "Machine reading tea
    leaves", EACL 2014). Departure: probabilities are shares of accounts that use a word, and not
    of windows of an outside corpus. A pair that no account uses counts -1; a pair that all
    accounts use, which says nothing, counts 0.

    Args:
        counts: Account x word, at least one account; every top word is used by an account.
        top_words: Topic x rank, columns of `counts`, two ranks or more.

    Returns:
        A value in [-1, 1] for each topic.
    """
    return np.array([_npmi(counts, words) for words in top_words])


def _npmi(counts: sparse.csr_matrix, words: npt.NDArray[np.int64]) -> float:
    used: Any = (counts[:, words] > 0).astype(np.float64)
    together = (used.T @ used).toarray() / counts.shape[0]
    alone = np.diag(together)
    first, second = np.triu_indices(len(words), k=1)
    joint, product = together[first, second], alone[first] * alone[second]
    values = np.where(joint == 0, -1.0, 0.0)
    telling = (joint > 0) & (joint < 1)
    values[telling] = np.log(joint[telling] / product[telling]) / -np.log(joint[telling])
    return float(values.mean())
