"""How often each account, or its audience, uses each word: streamed, counted in two passes.

Memory: a block of posts for each process, the distinct pairs of account and word, and at most
`MAX_CANDIDATES` distinct words (plus those of one block) in the first pass. It does not grow with
the number of posts once the accounts' words have been seen.
"""

import math
from collections.abc import Collection, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy import sparse

from dataset_convert.features.block_words import Block, BlockCounts, count_block
from dataset_convert.features.pair_sums import PairSums
from dataset_convert.features.parallel import map_in_order
from dataset_convert.features.text import MAX_CHARACTERS, TextSettings
from dataset_convert.name_checks import MemberNames
from dataset_convert.raw import Post

BLOCK_POSTS: Final = 2_000
MAX_CANDIDATES: Final = 300_000
"""Distinct words that the first pass keeps; above it, the words of the fewest accounts go."""
MIN_ACCOUNTS: Final = 2
"""Of any word: what one account alone says names it rather than its topics."""


@dataclass(frozen=True)
class VocabularySettings:
    """Which words are counted; shares are of the training accounts that have words.

    Attributes:
        min_share: Of the accounts that must use a word, in [0, 1]; never fewer than
            `MIN_ACCOUNTS` accounts.
        max_share: Of the accounts that may use a word, in (0, 1].
        max_words: The words of the most accounts are kept.
    """

    min_share: float = 0.01
    max_share: float = 0.5
    max_words: int = 10_000

    def __post_init__(self) -> None:
        """Raises where a setting is out of its range.

        Raises:
            ValueError: Shares or a size that admit no word.
        """
        if not 0 <= self.min_share < self.max_share <= 1:
            raise ValueError(
                "The 'min_share' and 'max_share' parameters of VocabularySettings must be in "
                f"[0, 1], the minimum smaller. Received: {self.min_share} and {self.max_share}"
            )
        if self.max_words < 1:
            raise ValueError(
                "The 'max_words' parameter of VocabularySettings must be at least 1. "
                f"Received: {self.max_words}"
            )


@dataclass(frozen=True)
class Vocabulary:
    """The words that are counted.

    Attributes:
        words: Sorted.
        n_accounts: Training accounts with words, of which the shares are taken.
        n_uncounted: By at most so many accounts may a word's frequency be too low; 0 unless there
            were more than `MAX_CANDIDATES` distinct words.
    """

    words: tuple[str, ...]
    n_accounts: int
    n_uncounted: int


@dataclass(frozen=True, eq=False)
class AccountCounts:
    """What each account says.

    Attributes:
        words: The vocabulary, sorted; without names of members where these were left out.
        accounts: Those with enough members and at least one known word, sorted.
        matrix: Account x word, int32.
        known_share: Of all words in the stream, how many are in the vocabulary; 0 without any.
    """

    words: tuple[str, ...]
    accounts: tuple[str, ...]
    matrix: sparse.csr_matrix
    known_share: float

    def rows_of(self, accounts: Collection[str]) -> sparse.csr_matrix:
        """Returns the rows of those of the given accounts that are here, in the order here."""
        return self.matrix[np.flatnonzero([name in accounts for name in self.accounts])]


def learn_vocabulary(
    posts: Iterable[Post],
    training: Collection[str],
    *,
    text: TextSettings,
    settings: VocabularySettings,
    names: Container[str] = (),
    min_members: int = 1,
    n_jobs: int = 1,
) -> Vocabulary:
    """Chooses words by the number of training accounts that use them: the first pass.

    Above `MAX_CANDIDATES` distinct words those of the fewest accounts so far are forgotten, as in
    lossy counting (Manku and Motwani, "Approximate frequency counts over data streams", VLDB
    2002); the possible error is in the result.

    Args:
        posts: The stream.
        training: The accounts whose posts count; all others are passed over.
        text: How captions become words.
        settings: Which words are kept.
        names: Words that are never kept; of all accounts, since a name says who, not what.
        min_members: Distinct authors that an account's posts must have for them to count.
        n_jobs: Processes; the result does not depend on it.

    Returns:
        The vocabulary; the same for any order of the stream unless words were forgotten.
    """
    chosen = frozenset(training)
    members = _Members(min_members)
    rows, candidates, pairs = _Ids(), _Candidates(), PairSums(np.bool_)
    kept = (post for post in posts if post.account in chosen)
    work = partial(count_block, text=text, known=None)
    for counts in map_in_order(work, _blocks(kept, members), n_jobs=n_jobs):
        _add(pairs, counts, rows, candidates.ids)
        if len(candidates.ids) > MAX_CANDIDATES:
            candidates.forget(pairs, len(rows), keep=MAX_CANDIDATES // 2)
    mask = np.array([members.suffice(account) for account in rows], np.bool_)
    frequency = pairs.n_rows_with(mask, len(candidates.ids))
    n_accounts = int(mask.sum())
    chosen_words = _choose(list(candidates.ids), frequency, n_accounts, settings, names)
    return Vocabulary(chosen_words, n_accounts, candidates.n_uncounted)


def count_words(
    posts: Iterable[Post],
    words: Sequence[str],
    *,
    text: TextSettings,
    min_members: int = 1,
    n_jobs: int = 1,
    without_members: bool = False,
) -> AccountCounts:
    """Counts the words of a vocabulary for every account: the second pass.

    Args:
        posts: The stream.
        words: The vocabulary.
        text: How captions become words, as in the first pass.
        min_members: Distinct authors that an account's posts must have; others are absent.
        n_jobs: Processes; the result does not depend on it.
        without_members: Whether words that are names of the stream's members are left out of the
            vocabulary, as if it had never held them.

    Returns:
        The counts, the same for any order of the stream.
    """
    known = {word: column for column, word in enumerate(words)}
    members, names = _Members(min_members), MemberNames(words if without_members else ())
    rows, pairs = _Ids(), PairSums(np.int32)
    n_tokens, n_times = 0, np.zeros(len(words), np.int64)
    work = partial(count_block, text=text, known=known)
    for counts in map_in_order(work, _blocks(names.watch(posts), members), n_jobs=n_jobs):
        n_tokens += counts.n_tokens
        columns = np.array([known[word] for word in counts.words], np.int32)
        np.add.at(n_times, columns[np.asarray(counts.word_of)], np.asarray(counts.times))
        _add(pairs, counts, rows, known)
    accounts = sorted(account for account in rows if members.suffice(account))
    matrix = pairs.matrix([rows[account] for account in accounts], len(words))
    kept = [column for column, word in enumerate(words) if word not in names]
    if len(kept) < len(words):
        matrix = matrix[:, kept]
        used = np.flatnonzero(np.diff(matrix.indptr))
        accounts, matrix = [accounts[row] for row in used], matrix[used]
    share = float(n_times[kept].sum() / n_tokens) if n_tokens else 0.0
    return AccountCounts(tuple(words[column] for column in kept), tuple(accounts), matrix, share)


class _Ids(dict[str, int]):
    """Numbers names in the order in which they are first asked for."""

    def __missing__(self, name: str) -> int:
        self[name] = len(self)
        return self[name]


class _Members:
    """Whether enough distinct members wrote an account's posts; remembers no more than that."""

    def __init__(self, wanted: int) -> None:
        self._wanted = wanted
        self._seen: dict[str, set[str]] = {}

    def see(self, posts: Iterable[Post]) -> None:
        """Notes who wrote some posts."""
        if self._wanted == 1:  # every post has an author
            return
        for post in posts:
            seen = self._seen.setdefault(post.account, set())
            if len(seen) < self._wanted:
                seen.add(post.member)

    def suffice(self, account: str) -> bool:
        """Returns whether the posts of an account that has some come from enough members."""
        return self._wanted == 1 or len(self._seen[account]) >= self._wanted


class _Candidates:
    """The distinct words of the first pass, numbered; the rarest can be forgotten."""

    def __init__(self) -> None:
        self.ids = _Ids()
        self.n_uncounted = 0

    def forget(self, pairs: PairSums, n_rows: int, *, keep: int) -> None:
        """Keeps the words of the most accounts so far, and their pairs, and numbers them anew."""
        frequency = pairs.n_rows_with(np.ones(n_rows, np.bool_), len(self.ids))
        order = np.argsort(-frequency, kind="stable")
        self.n_uncounted += int(frequency[order[keep]])
        columns = np.sort(order[:keep])
        words = list(self.ids)
        self.ids = _Ids(zip((words[column] for column in columns), range(keep), strict=True))
        pairs.keep_columns(columns)


def _add(pairs: PairSums, counts: BlockCounts, rows: _Ids, columns: Mapping[str, int]) -> None:
    """Adds a block's counts in the rows of its accounts and the columns of its words."""
    row = np.array([rows[account] for account in counts.accounts], np.int32)
    column = np.array([columns[word] for word in counts.words], np.int32)
    pairs.add(
        row[np.asarray(counts.account_of)],
        column[np.asarray(counts.word_of)],
        np.asarray(counts.times),
    )


def _blocks(posts: Iterable[Post], members: _Members) -> Iterator[Block]:
    stream = iter(posts)
    while block := list(islice(stream, BLOCK_POSTS)):
        members.see(block)
        # Cut here already: a block must stay small whatever a caption holds.
        yield [(post.account, post.text[:MAX_CHARACTERS]) for post in block]


def _choose(
    words: Sequence[str],
    frequency: npt.NDArray[np.int64],
    n_accounts: int,
    settings: VocabularySettings,
    names: Container[str],
) -> tuple[str, ...]:
    # Rounded first: 0.1 * 30 is a little more than 3.
    lowest = max(MIN_ACCOUNTS, math.ceil(round(settings.min_share * n_accounts, 9)))
    highest = math.floor(round(settings.max_share * n_accounts, 9))
    fitting = [
        i for i, word in enumerate(words) if lowest <= frequency[i] <= highest and word not in names
    ]
    fitting.sort(key=lambda i: (-frequency[i], words[i]))
    return tuple(sorted(words[i] for i in fitting[: settings.max_words]))
