"""Latent Dirichlet allocation as arrays: topics learnt and inferred, their number chosen."""

from collections.abc import Sequence
from functools import partial
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.special import psi

from dataset_convert.features.parallel import map_in_order
from dataset_convert.problems import ConversionError

ACCOUNTS_AT_ONCE: Final = 512
"""Whose topics are inferred together."""
N_TOP_WORDS: Final = 10

Numbers = npt.NDArray[np.float64]


def learn_topics(counts: sparse.csr_matrix, n_topics: int, *, max_iter: int, seed: int) -> Numbers:
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
    n = counts.shape[0]
    # Steps without decay that see every account are those of `fit` to the last bit, which looks at
    # all accounts once more in the end, for a figure that nobody asks for.
    model = _model(n_topics, learning_decay=0.0, total_samples=n, batch_size=n, random_state=seed)
    for _ in range(max_iter):
        model.partial_fit(counts)
    return np.asarray(model.components_, dtype=np.float64)


def word_shares(components: Numbers) -> Numbers:
    """Returns each topic's expected distribution over words; rows sum to 1."""
    shares: Numbers = components / components.sum(axis=1, keepdims=True)
    return shares


def infer_topics(components: Numbers, counts: sparse.csr_matrix) -> Numbers:
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


def top_words(components: Numbers, n_words: int) -> npt.NDArray[np.int64]:
    """Returns each topic's most probable words, topic x rank; equals in the vocabulary's order."""
    return np.argsort(-components, axis=1, kind="stable")[:, :n_words]


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


def completion_perplexity(hidden: sparse.csr_matrix, topics: Numbers, shares: Numbers) -> float:
    """Returns the perplexity of hidden words under topics that were inferred from other words.

    exp(-sum_aw n_aw ln p(w | a) / sum_aw n_aw) with p(w | a) = sum_t topics_at shares_tw: the
    document completion of Wallach, Murray, Salakhutdinov and Mimno, "Evaluation methods for topic
    models", ICML 2009. In place of their average over samples the topics are point estimates.

    Args:
        hidden: Account x word, the words that the model has not seen; one at least.
        topics: Account x topic, rows sum to 1.
        shares: Topic x word, rows sum to 1, all positive.

    Returns:
        At least 1, lower is better; a model that knows nothing has the number of words.
    """
    words = hidden.tocoo()
    log_likelihood = 0.0
    # In slices: one row of topics for each pair of account and word would be large.
    for start in range(0, words.nnz, 100_000):
        part = slice(start, start + 100_000)
        found = np.einsum("nt,tn->n", topics[words.row[part]], shares[:, words.col[part]])
        log_likelihood += float(words.data[part] @ np.log(found))
    return float(np.exp(-log_likelihood / words.data.sum()))


def npmi_coherence(counts: sparse.csr_matrix, top: npt.NDArray[np.int64]) -> Numbers:
    """Returns how much more often each topic's top words go together than by chance.

    The mean over the pairs of a topic's top words of the normalised pointwise mutual information
    ln(p(v, w) / p(v) p(w)) / -ln p(v, w) (Bouma, "Normalized (pointwise) mutual information in
    collocation extraction", GSCL 2009; as coherence: Lau, Newman and Baldwin, "Machine reading tea
    leaves", EACL 2014). Departure: probabilities are shares of accounts that use a word, and not
    of windows of an outside corpus. A pair that no account uses counts -1; a pair that all
    accounts use, which says nothing, counts 0.

    Args:
        counts: Account x word, at least one account; every top word is used by an account.
        top: Topic x rank, columns of `counts`, two ranks or more.

    Returns:
        A value in [-1, 1] for each topic.
    """
    return np.array([_npmi(counts, words) for words in top])


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


class Trial(NamedTuple):
    """How one number of topics did.

    Attributes:
        n_topics: The number.
        perplexity: Of the held-out accounts' hidden words; lower is better.
        coherence: Mean over the topics, in [-1, 1]; told beside, the choice does not depend on it.
    """

    n_topics: int
    perplexity: float
    coherence: float


def best_number(trials: Sequence[Trial]) -> int:
    """Returns the number with the lowest perplexity, the smallest of equals."""
    return min(trials, key=lambda trial: (trial.perplexity, trial.n_topics)).n_topics


def try_numbers(
    counts: sparse.csr_matrix,
    candidates: Sequence[int],
    *,
    held_out_share: float,
    max_iter: int,
    seed: int,
    n_jobs: int,
) -> list[Trial]:
    """Learns topics without the held-out accounts, once for each number.

    Args:
        counts: Account x word of the training accounts, two accounts or more with words.
        candidates: Numbers of topics.
        held_out_share: Of the accounts, rounded; at least one, and at least one is learnt from.
        max_iter: Passes over the accounts.
        seed: Of the model, of the choice of accounts and of the words that are hidden.
        n_jobs: Processes, each with one number at a time; the result does not depend on it.

    Returns:
        One trial a number, in increasing order.

    Raises:
        ConversionError: The held-out accounts have too few words to hide some.
    """
    rng = np.random.default_rng(seed)
    n_accounts = counts.shape[0]
    n_held = min(max(1, round(held_out_share * n_accounts)), n_accounts - 1)
    order = rng.permutation(n_accounts)
    held, learning = np.sort(order[:n_held]), np.sort(order[n_held:])
    seen, hidden = split_words(counts[held], rng)
    if hidden.nnz == 0:
        raise ConversionError(
            f"Of {n_accounts} training accounts, the {n_held} held out to choose the number of "
            f"topics have too few words; raise held_out_share, or give one number as n_topics."
        )
    work = partial(
        _try_number, parts=(counts[learning], seen, hidden), max_iter=max_iter, seed=seed
    )
    return list(map_in_order(work, sorted(set(candidates)), n_jobs=n_jobs))


def _try_number(n_topics: int, *, parts: Any, max_iter: int, seed: int) -> Trial:
    learning, seen, hidden = parts
    components = learn_topics(learning, n_topics, max_iter=max_iter, seed=seed)
    topics = infer_topics(components, seen)
    perplexity = completion_perplexity(hidden, topics, word_shares(components))
    coherence = npmi_coherence(learning, top_words(components, N_TOP_WORDS))
    return Trial(n_topics, perplexity, float(coherence.mean()))
