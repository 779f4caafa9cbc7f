"""How often each account, or its audience, uses each word: counted in one pass over a stream.

Memory: a block of posts for each process, the distinct pairs of account and word, and at most
`MAX_CANDIDATES` distinct words (plus those of one block). It does not grow with the number of posts
once the accounts' words have been seen.
"""

import math
from collections.abc import Collection, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Annotated, Any, Final, Self

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator
from scipy import sparse

from dataset_convert.features.base import Options, Share, Whole
from dataset_convert.features.parallel import map_in_order
from dataset_convert.features.text import MAX_CHARACTERS, BlockCounts, TextOptions, count_block
from dataset_convert.name_checks import MemberNames
from dataset_convert.raw import Post

BLOCK_POSTS: Final = 2_000
N_ALONE: Final = 24
"""Blocks that take about as long as it takes to start processes."""
MAX_CANDIDATES: Final = 300_000
"""Distinct words that are kept; above it, those of the fewest training accounts are forgotten."""
MIN_ACCOUNTS: Final = 2
"""Of any word: what one account alone says names it rather than its topics."""
BUFFERED_PAIRS: Final = 500_000
GROUP_ROWS: Final = 256
"""Accounts that are stored together."""


class VocabularyOptions(Options):
    """Which words are counted; shares are of the training accounts that have words.

    Attributes:
        min_share: Of the accounts that must use a word; never fewer than `MIN_ACCOUNTS` accounts.
        max_share: Of the accounts that may use a word.
        max_words: The words of the most accounts are kept.
    """

    min_share: Share = 0.01
    max_share: Annotated[Share, Field(gt=0)] = 0.5
    max_words: Whole = 10_000

    @model_validator(mode="after")
    def _admits_a_word(self) -> Self:
        if self.min_share >= self.max_share:
            raise ValueError("have a max_share that is larger than its min_share")
        return self


@dataclass(frozen=True, eq=False)
class AccountCounts:
    """What each account says.

    Attributes:
        words: The vocabulary, sorted.
        accounts: Those with enough members and at least one known word, sorted.
        matrix: Account x word, int32.
        known_share: Of all words in the stream, how many are in the vocabulary; 0 without any.
        n_uncounted: By at most so many training accounts may a word's frequency be too low; 0
            unless there were more than `MAX_CANDIDATES` distinct words.
    """

    words: tuple[str, ...]
    accounts: tuple[str, ...]
    matrix: sparse.csr_matrix
    known_share: float
    n_uncounted: int = 0

    def rows_of(self, accounts: Collection[str]) -> sparse.csr_matrix:
        """Returns the rows of those of the given accounts that are here, in the order here."""
        return self.matrix[np.flatnonzero([name in accounts for name in self.accounts])]


def learn_words(
    posts: Iterable[Post],
    training: Collection[str],
    *,
    text: TextOptions,
    vocabulary: VocabularyOptions,
    names: Container[str] = (),
    members: Iterable[Post] = (),
    min_members: int = 1,
    n_jobs: int = 1,
) -> AccountCounts:
    """Counts all words, and keeps those that the right number of training accounts use.

    Above `MAX_CANDIDATES` distinct words those of the fewest accounts so far are forgotten, as in
    lossy counting (Manku and Motwani, "Approximate frequency counts over data streams", VLDB
    2002); the possible error is in the result.

    Args:
        posts: The stream.
        training: The accounts whose words make the vocabulary; all are counted.
        text: How captions become words.
        vocabulary: Which words are kept.
        names: Words that are never kept; of all accounts, since a name says who, not what.
        members: Posts whose members' names leave the vocabulary, as if it had never held them.
        min_members: Distinct authors that an account's posts must have for them to count.
        n_jobs: Processes; the result does not depend on it.

    Returns:
        The counts; the same for any order of the stream unless words were forgotten.
    """
    chosen = frozenset(training)
    counted = _Counted(_Numbers(), min_members)
    n_uncounted = 0
    for _ in counted.blocks(posts, text, None, n_jobs):
        if len(counted.columns) > MAX_CANDIDATES:
            n_uncounted += counted.forget(chosen, keep=MAX_CANDIDATES // 2)
    of_training = [name for name in counted.enough() if name in chosen]
    n_with = counted.n_rows_with(of_training)
    # Rounded first: 0.1 * 30 is a little more than 3.
    lowest = max(MIN_ACCOUNTS, math.ceil(round(vocabulary.min_share * len(of_training), 9)))
    highest = math.floor(round(vocabulary.max_share * len(of_training), 9))
    columns = counted.columns
    fitting = [
        word for word, i in columns.items() if lowest <= n_with[i] <= highest and word not in names
    ]
    fitting.sort(key=lambda word: (-n_with[columns[word]], word))
    words = sorted(fitting[: vocabulary.max_words])
    borne = MemberNames(words)
    for _ in borne.watch(members):
        pass
    return counted.counts([word for word in words if word not in borne], n_uncounted)


def count_words(
    posts: Iterable[Post],
    words: Sequence[str],
    *,
    text: TextOptions,
    min_members: int = 1,
    n_jobs: int = 1,
) -> AccountCounts:
    """Counts the words of a vocabulary for every account.

    Args:
        posts: The stream.
        words: The vocabulary, sorted.
        text: How captions become words.
        min_members: Distinct authors that an account's posts must have; others are absent.
        n_jobs: Processes; the result does not depend on it.

    Returns:
        The counts, the same for any order of the stream.
    """
    columns = {word: column for column, word in enumerate(words)}
    counted = _Counted(columns, min_members)
    for _ in counted.blocks(posts, text, columns, n_jobs):
        pass
    return counted.counts(words, 0)


class _Numbers(dict[str, int]):
    """Numbers names in the order in which they are first asked for."""

    def __missing__(self, name: str) -> int:
        self[name] = len(self)
        return self[name]


class _Counted:
    """Counts of pairs of an account (row) and a word (column), and who wrote an account's posts.

    What is added waits in a buffer, so that adding is cheap. Rows are stored in groups, each a
    matrix of its own: adding to a group copies it, so never is there a second copy of everything.
    """

    def __init__(self, columns: Mapping[str, int], min_members: int) -> None:
        self.columns = columns
        self.n_tokens = 0
        self._rows = _Numbers()
        self._min_members = min_members
        self._members: dict[str, set[str]] = {}
        self._groups: list[sparse.csr_matrix] = []
        self._buffer: list[tuple[npt.NDArray[Any], ...]] = []

    def blocks(
        self, posts: Iterable[Post], text: TextOptions, known: Container[str] | None, n_jobs: int
    ) -> Iterator[None]:
        """Counts a stream, and stops after each block."""
        work = partial(count_block, settings=text, known=known)
        for block in map_in_order(work, self._cut(posts), n_jobs=n_jobs, n_alone=N_ALONE):
            self.add(block)
            yield

    def _cut(self, posts: Iterable[Post]) -> Iterator[list[tuple[str, str]]]:
        stream = iter(posts)
        while block := list(islice(stream, BLOCK_POSTS)):
            if self._min_members > 1:  # otherwise every post has an author
                for post in block:
                    seen = self._members.setdefault(post.account, set())
                    if len(seen) < self._min_members:  # no more are remembered
                        seen.add(post.member)
            # Cut here already: a block must stay small whatever a caption holds.
            yield [(post.account, post.text[:MAX_CHARACTERS]) for post in block]

    def add(self, block: BlockCounts) -> None:
        """Adds a block's counts in the rows of its accounts and the columns of its words."""
        row = np.array([self._rows[account] for account in block.accounts], np.int32)
        column = np.array([self.columns[word] for word in block.words], np.int32)
        self.n_tokens += block.n_tokens
        if block.times:
            times = np.asarray(block.times)
            places = np.asarray(block.account_of), np.asarray(block.word_of)
            self._buffer.append((row[places[0]], column[places[1]], times))
        if sum(len(times) for *_, times in self._buffer) > BUFFERED_PAIRS:
            self._merge()

    def enough(self) -> list[str]:
        """Returns the accounts with words whose posts come from enough members."""
        least = self._min_members
        return [name for name in self._rows if least == 1 or len(self._members[name]) >= least]

    def n_rows_with(self, accounts: Iterable[str]) -> npt.NDArray[np.int64]:
        """Returns for every word how many of some accounts use it."""
        self._merge()
        mask = np.zeros(len(self._groups) * GROUP_ROWS, np.bool_)
        mask[[self._rows[account] for account in accounts]] = True
        found = np.zeros(len(self.columns), np.int64)
        for group, part in zip(self._groups, mask.reshape(-1, GROUP_ROWS), strict=True):
            found += np.bincount(group[np.flatnonzero(part)].indices, minlength=len(found))
        return found

    def n_times(self, words: Sequence[str]) -> npt.NDArray[np.int64]:
        """Returns how often each word stands in the stream."""
        found = np.zeros(len(self.columns), np.int64)
        for group in self._groups:
            found += group.sum(axis=0).A1
        return found[np.array([self.columns[word] for word in words], np.int64)]

    def forget(self, training: Collection[str], *, keep: int) -> int:
        """Keeps the words of the most training accounts; returns how many had the first to go."""
        n_with = self.n_rows_with(name for name in self._rows if name in training)
        order = np.argsort(-n_with, kind="stable")
        kept = np.sort(order[:keep])
        words = list(self.columns)
        self.columns = _Numbers({words[column]: i for i, column in enumerate(kept)})
        self._groups = [group[:, kept] for group in self._groups]
        return int(n_with[order[keep]])

    def counts(self, words: Sequence[str], n_uncounted: int) -> AccountCounts:
        """Returns the counts of some words, of the accounts that have one and enough members."""
        self._merge()
        columns = np.array([self.columns[word] for word in words], np.int64)
        parts = [group[:, columns] for group in self._groups]
        whole = sparse.vstack([sparse.csr_matrix((0, len(words)), dtype=np.int32), *parts], "csr")
        used = np.diff(whole.indptr) > 0
        accounts = sorted(name for name in self.enough() if used[self._rows[name]])
        matrix = whole[np.array([self._rows[name] for name in accounts], np.int64)]
        matrix.sort_indices()
        share = float(self.n_times(words).sum() / self.n_tokens) if self.n_tokens else 0.0
        return AccountCounts(tuple(words), tuple(accounts), matrix, share, n_uncounted)

    def _merge(self) -> None:
        """Adds what waits; every group gets as many columns as there are words now."""
        for group in self._groups:
            group.resize(GROUP_ROWS, len(self.columns))
        if not self._buffer:
            return
        rows, columns, times = map(np.concatenate, zip(*self._buffer, strict=True))
        self._buffer = []
        shape = (GROUP_ROWS, len(self.columns))
        order = np.argsort(rows // GROUP_ROWS, kind="stable")
        n_groups = max(len(self._groups), int(rows.max()) // GROUP_ROWS + 1)
        ends = np.cumsum(np.bincount(rows // GROUP_ROWS, minlength=n_groups))
        for number, chosen in enumerate(np.split(order, ends[:-1])):
            if number == len(self._groups):
                self._groups.append(sparse.csr_matrix(shape, dtype=np.int32))
            if len(chosen):
                pairs = (times[chosen], (rows[chosen] % GROUP_ROWS, columns[chosen]))
                self._groups[number] += sparse.csr_matrix(pairs, shape=shape, dtype=np.int32)
