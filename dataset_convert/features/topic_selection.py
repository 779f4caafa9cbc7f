"""The choice of the number of topics, by perplexity on accounts that were held out."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from dataset_convert.features.parallel import map_in_order
from dataset_convert.features.topic_model import infer_topics, learn_topics, word_shares
from dataset_convert.features.topic_quality import (
    completion_perplexity,
    npmi_coherence,
    split_words,
)
from dataset_convert.problems import ConversionError

N_TOP_WORDS = 10


@dataclass(frozen=True)
class Trial:
    """How one number of topics did.

    Attributes:
        n_topics: The number.
        perplexity: Of the held-out accounts' hidden words; lower is better.
        coherence: Mean over the topics, in [-1, 1]; told beside, the choice does not depend on it.
    """

    n_topics: int
    perplexity: float
    coherence: float


@dataclass(frozen=True, eq=False)
class _Parts:
    learning: sparse.csr_matrix
    seen: sparse.csr_matrix
    hidden: sparse.csr_matrix


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
    parts = _Parts(counts[learning], *split_words(counts[held], rng))
    if parts.hidden.nnz == 0:
        raise ConversionError(
            f"Of {n_accounts} training accounts, the {n_held} held out to choose the number of "
            f"topics have too few words; raise held_out_share, or give one number as n_topics."
        )
    work = partial(_try_number, parts=parts, max_iter=max_iter, seed=seed)
    return list(map_in_order(work, sorted(set(candidates)), n_jobs=n_jobs))


def best_number(trials: Sequence[Trial]) -> int:
    """Returns the number with the lowest perplexity, the smallest of equals."""
    return min(trials, key=lambda trial: (trial.perplexity, trial.n_topics)).n_topics


def as_rows(trials: Sequence[Trial]) -> list[dict[str, Any]]:
    """Returns the trials ready for JSON."""
    return [asdict(trial) for trial in trials]


def top_words(components: npt.NDArray[np.float64], n_words: int) -> npt.NDArray[np.int64]:
    """Returns each topic's most probable words, topic x rank; equals in the vocabulary's order."""
    return np.argsort(-components, axis=1, kind="stable")[:, :n_words]


def _try_number(n_topics: int, *, parts: _Parts, max_iter: int, seed: int) -> Trial:
    components = learn_topics(parts.learning, n_topics, max_iter=max_iter, seed=seed)
    perplexity = completion_perplexity(
        parts.hidden, infer_topics(components, parts.seen), word_shares(components)
    )
    coherence = npmi_coherence(parts.learning, top_words(components, N_TOP_WORDS))
    return Trial(n_topics, perplexity, float(coherence.mean()))
