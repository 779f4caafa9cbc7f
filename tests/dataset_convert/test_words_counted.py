"""Words are counted by account, in blocks and processes that leave no trace in the result."""

import os
import random
import subprocess
import sys
import tracemalloc
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataset_convert.features import words as counting
from dataset_convert.features.parallel import map_in_order
from dataset_convert.features.text import MAX_CHARACTERS, BlockCounts, TextOptions
from dataset_convert.features.words import (
    AccountCounts,
    VocabularyOptions,
    count_words,
    learn_words,
)
from dataset_convert.problems import ConversionError
from dataset_convert.raw import Post

TEXT = TextOptions(languages=())
ALL = VocabularyOptions(min_share=0, max_share=1)

POSTS = [
    Post("a", "Bread bread #cake"),
    Post("b", "bread tea"),
    Post("a", "tea @someone"),
    Post("c", "bread"),
    Post("d", "cake only"),
    Post("e", "!!!"),
]


def learn(
    posts: Iterable[Post],
    training: Iterable[str] = "abcde",
    vocabulary: VocabularyOptions = ALL,
    **options: int,
) -> AccountCounts:
    return learn_words(posts, list(training), text=TEXT, vocabulary=vocabulary, **options)


def as_dicts(counts: AccountCounts) -> dict[str, dict[str, int]]:
    return {
        account: {counts.words[j]: int(n) for j, n in enumerate(row) if n}
        for account, row in zip(counts.accounts, counts.matrix.toarray(), strict=True)
    }


def shares(least: float, most: float, words: int = 10) -> VocabularyOptions:
    return VocabularyOptions(min_share=least, max_share=most, max_words=words)


def test_known_vocabulary() -> None:
    # bread: a b c; tea: a b; cake: a d; only: d alone. e has no word, so shares are of 4 accounts.
    assert learn(POSTS).words == ("bread", "cake", "tea")
    assert learn(POSTS, vocabulary=shares(0.6, 1)).words == ("bread",)
    assert learn(POSTS, vocabulary=shares(0, 0.5)).words == ("cake", "tea")
    assert learn(POSTS, vocabulary=shares(0, 1, 2)).words == ("bread", "cake")


def test_only_training_accounts_make_the_vocabulary_and_all_are_counted() -> None:
    counts = learn(POSTS, "abc")
    assert counts.words == ("bread", "tea")
    assert counts.accounts == ("a", "b", "c")
    posts = [*POSTS, Post("z", "tea zebra zebra"), Post("y", "zebra")]
    assert as_dicts(learn(posts, "abc")) == as_dicts(counts) | {"z": {"tea": 1}}


def test_a_share_that_is_a_whole_number_of_accounts_is_met() -> None:
    posts = [Post(str(i), "bread" if i < 3 else "cake") for i in range(30)]
    assert learn(posts, map(str, range(30)), shares(0.1, 0.9)).words == ("bread", "cake")


def test_known_counts() -> None:
    for counts in (learn(POSTS), count_words(POSTS, ("bread", "cake", "tea"), text=TEXT)):
        assert as_dicts(counts) == {
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
    for counts in (learn(posts), count_words(posts, ("tea",), text=TEXT)):
        assert counts.accounts == ()
        assert counts.matrix.shape == (0, len(counts.words))
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
    counts = learn(posts, min_members=2)
    assert (counts.words, counts.accounts) == (("bread", "cake"), ("a", "c"))
    # A member whose caption holds no word is a member nevertheless.
    assert count_words(posts, counts.words, text=TEXT, min_members=3).accounts == ("c",)


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
        patch.setattr(counting, "BLOCK_POSTS", block)
        patch.setattr(counting, "BUFFERED_PAIRS", buffered)
        patch.setattr(counting, "GROUP_ROWS", group)
        counts = learn(posts, "abcd")
        again = count_words(posts, counts.words, text=TEXT)
    said: dict[str, Counter[str]] = {}
    for post in posts:
        said.setdefault(post.account, Counter()).update(post.text.split())
    users = Counter(word for account in "abcd" for word in said.get(account, ()))
    assert counts.words == tuple(sorted(word for word, n in users.items() if n >= 2))
    expected = {
        account: {word: n for word, n in words.items() if word in counts.words}
        for account, words in said.items()
    }
    assert as_dicts(counts) == as_dicts(again) == {a: w for a, w in expected.items() if w}
    assert counts.known_share == again.known_share
    assert counts.matrix.has_canonical_format


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
    monkeypatch.setattr(counting, "BLOCK_POSTS", 13)
    posts = some_posts(151)
    training = [f"a{i}" for i in range(7)]
    shuffled = random.Random(5).sample(posts, len(posts))
    results = []
    for stream, n_jobs in ((posts, 1), (posts, 2), (shuffled, 1)):
        counts = learn(stream, training, min_members=3, n_jobs=n_jobs)
        results.append((counts.words, counts.accounts, counts.matrix.toarray().tolist()))
    assert results[0] == results[1] == results[2]
    assert len(results[0][0]) > 50


def test_rare_words_are_forgotten_above_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting, "BLOCK_POSTS", 2)
    monkeypatch.setattr(counting, "MAX_CANDIDATES", 6)
    monkeypatch.setattr(counting, "GROUP_ROWS", 3)
    # Each account says "bread", "tea" and a word of its own; "late" comes twice before and once
    # after the words of few accounts are forgotten.
    posts = [Post(f"a{i}", f"bread tea own{i}") for i in range(20)]
    posts[2:2] = [Post("a0", "late"), Post("a1", "late")]
    posts.append(Post("a2", "late"))
    training = [f"a{i}" for i in range(20)]
    counts = learn(posts, training)
    assert counts.words == ("bread", "late", "tea")
    # Words of one account were forgotten each time: so many accounts may be missing at most.
    assert counts.n_uncounted > 0
    monkeypatch.setattr(counting, "MAX_CANDIDATES", 100)
    whole = learn(posts, training)
    assert (whole.words, whole.n_uncounted) == (counts.words, 0)
    assert as_dicts(whole)["a0"] == {"bread": 1, "tea": 1, "late": 1}


def test_no_more_of_a_caption_than_needed_is_sent_to_a_process() -> None:
    (block,) = counting._Counted({}, 1)._cut([Post("a", "x" * 1_000_000)])
    assert len(block[0][1]) == MAX_CHARACTERS


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


def test_workers_end_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    code = """
import sys, time
from dataset_convert.features.parallel import map_in_order
if __name__ == "__main__":
    for _ in map_in_order(time.sleep, iter([0, 0, 0, 0, 0, 60, 60]), n_jobs=2):
        print("at work", flush=True)
"""
    (tmp_path / "parent.py").write_text(code)
    parent = subprocess.Popen([sys.executable, tmp_path / "parent.py"], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    parent.stdout.readline()
    workers = psutil.Process(parent.pid).children(recursive=True)
    assert len(workers) >= 2
    parent.kill()
    parent.communicate()
    _, alive = psutil.wait_procs(workers, timeout=20)
    assert alive == []


def test_no_second_copy_of_all_counts_is_made_while_adding(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(counting, "BUFFERED_PAIRS", 1_000)
    names = [f"w{i}" for i in range(101)]
    counted = counting._Counted({name: i for i, name in enumerate(names)}, 1)

    def add(account: str) -> None:
        places = array("i", range(101)), array("i", [1] * 101)
        counted.add(BlockCounts([account], names, array("i", [0] * 101), *places, 101))

    n_rows = 40 * counting.GROUP_ROWS
    for row in range(n_rows):
        add(f"a{row}")
    tracemalloc.start()
    for row in range(12):
        add(f"a{row}")
    _, highest = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    n_bytes = 8 * n_rows * 101  # a column number and a value for every pair
    assert highest < n_bytes / 8
    assert counted.counts(names, 0).matrix.sum() == (n_rows + 12) * 101
