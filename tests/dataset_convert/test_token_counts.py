"""Words are counted by account, in blocks and processes that leave no trace in the result."""

import os
import random
import tracemalloc
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataset_convert.features import pair_sums, token_counts
from dataset_convert.features.parallel import map_in_order
from dataset_convert.features.text import TextSettings
from dataset_convert.features.token_counts import (
    AccountCounts,
    Vocabulary,
    VocabularySettings,
    count_words,
    learn_vocabulary,
)
from dataset_convert.problems import ConversionError
from dataset_convert.raw import Post

TEXT = TextSettings(languages=())
ALL = VocabularySettings(min_share=0, max_share=1)

POSTS = [
    Post("a", "Bread bread #cake"),
    Post("b", "bread tea"),
    Post("a", "tea @someone"),
    Post("c", "bread"),
    Post("d", "cake only"),
    Post("e", "!!!"),
]


def learn(
    posts: Sequence[Post],
    training: str = "abcde",
    settings: VocabularySettings = ALL,
    **options: int,
) -> Vocabulary:
    return learn_vocabulary(posts, training, text=TEXT, settings=settings, **options)


def as_dicts(counts: AccountCounts, words: Sequence[str]) -> dict[str, dict[str, int]]:
    return {
        account: {words[j]: int(n) for j, n in enumerate(row) if n}
        for account, row in zip(counts.accounts, counts.matrix.toarray(), strict=True)
    }


def test_known_vocabulary() -> None:
    # bread: a b c; tea: a b; cake: a d; only: d alone. e has no word, so shares are of 4 accounts.
    assert learn(POSTS) == Vocabulary(("bread", "cake", "tea"), n_accounts=4, n_uncounted=0)
    assert learn(POSTS, settings=VocabularySettings(0.6, 1)).words == ("bread",)
    assert learn(POSTS, settings=VocabularySettings(0, 0.5)).words == ("cake", "tea")
    assert learn(POSTS, settings=VocabularySettings(0, 1, 2)).words == ("bread", "cake")


def test_only_training_accounts_are_learnt_from() -> None:
    assert learn(POSTS, "abc") == Vocabulary(("bread", "tea"), n_accounts=3, n_uncounted=0)


def test_a_share_that_is_a_whole_number_of_accounts_is_met() -> None:
    posts = [Post(str(i), "bread" if i < 3 else "cake") for i in range(30)]
    settings = VocabularySettings(min_share=0.1, max_share=0.9)
    vocabulary = learn_vocabulary(posts, map(str, range(30)), text=TEXT, settings=settings)
    assert vocabulary.words == ("bread", "cake")


def test_known_counts() -> None:
    words = ("bread", "cake", "tea")
    counts = count_words(POSTS, words, text=TEXT)
    assert as_dicts(counts, words) == {
        "a": {"bread": 2, "cake": 1, "tea": 1},
        "b": {"bread": 1, "tea": 1},
        "c": {"bread": 1},
        "d": {"cake": 1},
    }
    assert counts.matrix.dtype == np.int32
    assert counts.known_share == 8 / 9  # all but "only"
    assert counts.rows_of({"d", "b", "zz"}).toarray().tolist() == [[1, 0, 1], [0, 1, 0]]


def test_an_account_without_known_words_is_absent() -> None:
    assert count_words(POSTS, ("tea",), text=TEXT).accounts == ("a", "b")


@pytest.mark.parametrize("posts", [[], [Post("a", "...")]])
def test_nothing_gives_nothing(posts: list[Post]) -> None:
    assert learn(posts) == Vocabulary((), n_accounts=0, n_uncounted=0)
    counts = count_words(posts, ("tea",), text=TEXT)
    assert counts.accounts == ()
    assert counts.matrix.shape == (0, 1)
    assert counts.known_share == 0


def test_too_few_members_make_no_document() -> None:
    posts = [
        Post("a", "bread", member="x"),
        Post("a", "cake", member="y"),
        Post("b", "bread cake", member="x"),
        Post("b", "bread tea", member="x"),
        Post("c", "cake", member="x"),
        Post("c", "...", member="z"),
        Post("c", "bread", member="y"),
    ]
    vocabulary = learn(posts, min_members=2)
    assert vocabulary == Vocabulary(("bread", "cake"), n_accounts=2, n_uncounted=0)
    assert count_words(posts, vocabulary.words, text=TEXT, min_members=2).accounts == ("a", "c")
    # A member whose caption holds no word is a member nevertheless.
    assert count_words(posts, vocabulary.words, text=TEXT, min_members=3).accounts == ("c",)


streams = st.lists(
    st.builds(
        Post,
        account=st.sampled_from("abcdefg"),
        text=st.lists(st.sampled_from(["tea", "bread", "cake", "salt", "milk"]), max_size=5).map(
            " ".join
        ),
    ),
    max_size=40,
)


@given(streams, st.integers(1, 7), st.integers(1, 20), st.integers(1, 5))
def test_counts_are_those_of_a_plain_loop(
    posts: list[Post], block: int, buffered: int, group: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(token_counts, "BLOCK_POSTS", block)
        patch.setattr(pair_sums, "BUFFERED_PAIRS", buffered)
        patch.setattr(pair_sums, "GROUP_ROWS", group)
        vocabulary = learn(posts, "abcd")
        counts = count_words(posts, vocabulary.words, text=TEXT)
    said: dict[str, Counter[str]] = {}
    for post in posts:
        said.setdefault(post.account, Counter()).update(post.text.split())
    users = Counter(word for account in "abcd" for word in said.get(account, ()))
    assert vocabulary.words == tuple(sorted(word for word, n in users.items() if n >= 2))
    assert vocabulary.n_accounts == sum(bool(said.get(account)) for account in "abcd")
    expected = {
        account: {word: n for word, n in words.items() if word in vocabulary.words}
        for account, words in said.items()
    }
    assert as_dicts(counts, vocabulary.words) == {a: w for a, w in expected.items() if w}


def some_posts(n_posts: int) -> list[Post]:
    rng = random.Random(3)
    words = [f"w{i}" for i in range(97)]
    return [
        Post(
            f"a{rng.randrange(11)}",
            " ".join(rng.choices(words, k=7)),
            member=f"m{rng.randrange(5)}",
        )
        for _ in range(n_posts)
    ]


def test_the_number_of_processes_and_the_order_change_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(token_counts, "BLOCK_POSTS", 13)
    posts = some_posts(151)
    training = [f"a{i}" for i in range(7)]
    shuffled = random.Random(5).sample(posts, len(posts))
    results = []
    for stream, n_jobs in ((posts, 1), (posts, 2), (shuffled, 1)):
        options = {"min_members": 3, "n_jobs": n_jobs}
        vocabulary = learn_vocabulary(stream, training, text=TEXT, settings=ALL, **options)
        counts = count_words(stream, vocabulary.words, text=TEXT, **options)
        results.append((vocabulary, counts.accounts, counts.matrix.toarray().tolist()))
    assert results[0] == results[1] == results[2]
    assert len(results[0][0].words) > 50


def test_rare_words_are_forgotten_above_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(token_counts, "BLOCK_POSTS", 2)
    monkeypatch.setattr(token_counts, "MAX_CANDIDATES", 6)
    monkeypatch.setattr(pair_sums, "GROUP_ROWS", 3)
    # Each account says "bread", "tea" and a word of its own; "late" comes twice before and once
    # after the words of few accounts are forgotten.
    posts = [Post(f"a{i}", f"bread tea own{i}") for i in range(20)]
    posts[2:2] = [Post("a0", "late"), Post("a1", "late")]
    posts.append(Post("a2", "late"))
    training = [f"a{i}" for i in range(20)]
    vocabulary = learn_vocabulary(posts, training, text=TEXT, settings=ALL)
    assert vocabulary.words == ("bread", "late", "tea")
    assert vocabulary.n_accounts == 20
    # Words of one account were forgotten each time: so many accounts may be missing at most.
    assert vocabulary.n_uncounted > 0
    monkeypatch.setattr(token_counts, "MAX_CANDIDATES", 100)
    assert learn_vocabulary(posts, training, text=TEXT, settings=ALL) == Vocabulary(
        ("bread", "late", "tea"), n_accounts=20, n_uncounted=0
    )


def test_no_more_of_a_caption_than_needed_is_sent_to_a_process() -> None:
    members = token_counts._Members(1)
    (block,) = token_counts._blocks([Post("a", "x" * 1_000_000)], members)
    assert len(block[0][1]) == token_counts.MAX_CHARACTERS


def test_a_stream_is_not_read_ahead_of_the_work() -> None:
    n_read = 0

    def stream() -> Iterator[int]:
        nonlocal n_read
        for number in range(1_000):
            n_read += 1
            yield -number

    results = map_in_order(abs, stream(), n_jobs=2)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    assert n_read <= 3 + 4
    results.close()
    assert list(map_in_order(abs, range(-5, 0), n_jobs=2)) == [5, 4, 3, 2, 1]


def test_a_process_that_was_ended_is_told_in_one_line() -> None:
    with pytest.raises(ConversionError, match="worker process was ended from outside"):
        list(map_in_order(os._exit, [1, 1], n_jobs=2))


def test_settings_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match=r"'min_share' and 'max_share' .* Received: 0.5 and 0.5"):
        VocabularySettings(min_share=0.5, max_share=0.5)
    with pytest.raises(ValueError, match=r"'max_words' parameter .* Received: 0"):
        VocabularySettings(max_words=0)
    with pytest.raises(ValueError, match=r"'n_jobs' parameter .* Received: 0"):
        list(map_in_order(abs, [1], n_jobs=0))


pairs = st.lists(st.tuples(st.integers(0, 12), st.integers(0, 6), st.integers(1, 5)), max_size=30)


@given(st.lists(pairs, max_size=6), st.integers(1, 20), st.integers(1, 5), st.data())
def test_sums_over_pairs_are_those_of_an_array(
    added: list[list[tuple[int, int, int]]], buffered: int, group: int, data: st.DataObject
) -> None:
    sums, array = pair_sums.PairSums(np.int32), np.zeros((13, 7), np.int32)
    kept = np.array(data.draw(st.lists(st.integers(0, 6), min_size=1, unique=True).map(sorted)))
    rows = data.draw(st.lists(st.integers(0, 12), unique=True))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pair_sums, "BUFFERED_PAIRS", buffered)
        patch.setattr(pair_sums, "GROUP_ROWS", group)
        # Every row is there: a row that nobody added to is no account.
        for block in [[(row, 0, 1) for row in range(13)], *added]:
            row, column, value = np.array(block, np.int32).reshape(-1, 3).T
            sums.add(row, column, value)
            np.add.at(array, (row, column), value)
        mask = np.isin(np.arange(13), rows)
        np.testing.assert_array_equal(sums.n_rows_with(mask, 7), (array[mask] > 0).sum(axis=0))
        np.testing.assert_array_equal(sums.matrix(rows, 7).toarray(), array[rows])
        sums.keep_columns(kept)
        found = sums.matrix(rows, len(kept))
    np.testing.assert_array_equal(found.toarray(), array[rows][:, kept])
    assert found.has_canonical_format


def test_no_second_copy_of_all_sums_is_made_while_adding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pair_sums, "BUFFERED_PAIRS", 1_000)
    sums = pair_sums.PairSums(np.int32)
    n_rows, n_columns = 40 * pair_sums.GROUP_ROWS, 101
    column = np.arange(n_columns, dtype=np.int32)
    for row in range(n_rows):
        sums.add(np.full_like(column, row), column, np.ones_like(column))
    tracemalloc.start()
    for row in range(12):
        sums.add(np.full_like(column, row), column, np.ones_like(column))
    _, highest = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    n_bytes = 8 * n_rows * n_columns  # a column number and a value for every pair
    assert highest < n_bytes / 8
    assert sums.matrix(range(n_rows), n_columns).sum() == (n_rows + 12) * n_columns
