"""Topics: planted ones are found, from training accounts alone, and stay the same when saved."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from little_material import material
from scipy import sparse
from sklearn.decomposition import LatentDirichletAllocation

from dataset_convert.features.base import Extractor
from dataset_convert.features.topics import (
    TopicExtractor,
    TopicOptions,
    Trial,
    best_number,
    completion_perplexity,
    infer_topics,
    learn_topics,
    npmi_coherence,
    top_words,
    try_numbers,
    word_shares,
)
from dataset_convert.problems import ConversionError
from dataset_convert.raw import Post

THEMES = (
    ["coffee", "espresso", "roast", "latte", "beans"],
    ["sneaker", "running", "marathon", "laces", "trail"],
    ["lipstick", "mascara", "blush", "foundation", "eyeliner", "☀"],
)
SETTINGS: dict[str, Any] = {
    "n_topics": 3,
    "max_iter": 10,
    "text": {"languages": []},
    "vocabulary": {"min_share": 0.05, "max_share": 0.9},
}


def new(of: str = "content", n_jobs: int = 1, **changes: Any) -> TopicExtractor:
    return TopicExtractor(f"{of}_topics", n_jobs=n_jobs, **{**SETTINGS, **changes})


def planted_posts(n_accounts: int = 41, n_posts: int = 5) -> list[Post]:
    """Account i speaks of theme i mod 3, with one word in six of any theme."""
    rng = np.random.default_rng(7)
    every = [word for theme in THEMES for word in theme]
    posts = []
    for account in range(n_accounts):
        theme = THEMES[account % 3]
        for member in range(n_posts):
            words = [*rng.choice(theme, 5), rng.choice(every)]
            posts.append(Post(f"a{account:02}", " ".join(words), member=f"m{member}"))
    return posts


POSTS = planted_posts()
TRAINING = sorted({post.account for post in POSTS})[:31]


def fitted(posts: Sequence[Post] = POSTS, **changes: Any) -> TopicExtractor:
    extractor = new(**changes)
    extractor.fit(material(posts, posts), TRAINING)
    return extractor


def same(left: dict[str, Any], right: dict[str, Any]) -> bool:
    return list(left) == list(right) and all(
        left[account].tobytes() == right[account].tobytes() for account in left
    )


def test_planted_topics_are_found_and_named_by_their_words() -> None:
    extractor: Extractor = fitted()
    assert extractor.modality == "content_topics"
    found = extractor.report()["topics"]
    themes = [
        next(
            i
            for i, theme in enumerate(THEMES)
            if {word for word, _ in topic["words"][:5]} <= set(theme)
        )
        for topic in found
    ]
    assert sorted(themes) == [0, 1, 2]
    for number, (name, topic) in enumerate(zip(extractor.dimensions(), found, strict=True)):
        assert name.split("-") == [str(number), *(word for word, _ in topic["words"][:3])]
        assert len(topic["words"]) == 10
        assert topic["coherence"] < 1
    assert sum(topic["share"] for topic in found) == pytest.approx(1)
    values = extractor.transform(material(POSTS))
    for account, topics in values.items():
        assert topics.dtype == np.float64
        assert topics.sum() == pytest.approx(1, abs=1e-12)
        assert themes[int(topics.argmax())] == int(account[1:]) % 3
    assert list(values) == [f"a{i:02}" for i in range(41)]


def test_report_tells_the_sizes_and_no_text() -> None:
    report = fitted().report()
    assert {key: value for key, value in report.items() if key != "topics"} == {
        "of": "content",
        "n_topics": 3,
        "n_accounts": 31,
        "n_words": 16,
        "known_share": 1.0,
        "trials": [],
    }
    report["topics"].clear()
    assert fitted().report()["topics"]


def test_an_account_without_known_words_is_absent() -> None:
    extractor = fitted()
    new = [Post("n1", "espresso roast"), Post("n2", "unheard words"), Post("n3", "")]
    assert list(extractor.transform(material(new))) == ["n1"]
    assert extractor.transform(material([])) == {}


def test_the_order_of_posts_changes_nothing_and_the_seed_does() -> None:
    values = fitted().transform(material(POSTS))
    assert same(fitted(POSTS[::-1]).transform(material(POSTS)), values)
    assert not same(fitted(seed=3).transform(material(POSTS)), values)


def test_an_account_is_inferred_without_regard_to_others() -> None:
    extractor = fitted()
    alone = extractor.transform(material([post for post in POSTS if post.account == "a05"]))
    np.testing.assert_array_equal(alone["a05"], extractor.transform(material(POSTS))["a05"])


def test_topics_of_the_audience_need_enough_members() -> None:
    few = [post for post in POSTS if post.account != "a00" or post.member in ("m0", "m1")]
    one = [replace(post, member="m0") if post.account == "a01" else post for post in few]
    extractor = fitted(one, of="audience", min_members=3)
    assert extractor.modality == "audience_topics"
    assert extractor.report()["n_accounts"] == 29
    assert sorted(set(TRAINING) - set(extractor.transform(material([], one)))) == ["a00", "a01"]
    assert extractor.transform(material(one, [])) == {}
    both = fitted(one, of="audience", min_members=2)
    assert sorted(set(TRAINING) - set(both.transform(material([], one)))) == ["a01"]
    assert len(fitted(one, min_members=3).transform(material(one))) == 41


def test_the_planted_number_of_topics_is_chosen() -> None:
    posts = planted_posts(n_accounts=61, n_posts=7)
    extractor = new(n_topics=[7, 3, 2], held_out_share=0.2, n_jobs=2)
    extractor.fit(material(posts), {post.account for post in posts})
    report = extractor.report()
    trials = report["trials"]
    assert [trial["n_topics"] for trial in trials] == [2, 3, 7]
    assert min(trials, key=lambda trial: trial["perplexity"])["n_topics"] == 3
    assert report["n_topics"] == len(extractor.dimensions()) == 3
    assert all(-1 <= trial["coherence"] <= 1 for trial in trials)
    alone = new(n_topics=[7, 3, 2], held_out_share=0.2)
    alone.fit(material(posts), {post.account for post in posts})
    assert alone.report() == report
    assert same(alone.transform(material(posts)), extractor.transform(material(posts)))


def test_equal_perplexities_give_the_fewest_topics() -> None:
    assert best_number([Trial(9, 5.0, 0.9), Trial(4, 5.0, 0.1), Trial(2, 6.0, 0.9)]) == 4


def test_held_out_accounts_with_too_few_words_are_told() -> None:
    one_word_each = sparse.csr_matrix(np.eye(2, 3, dtype=np.int32))
    with pytest.raises(ConversionError, match=r"1 held out .* one number as n_topics"):
        for seed in range(20):
            options = TopicOptions(n_topics=[2, 3], held_out_share=0.5, max_iter=1, seed=seed)
            try_numbers(one_word_each, options)


def _drop(folder: Path) -> None:
    (folder / "components.npy").unlink()


def _other_array(folder: Path) -> None:
    np.save(folder / "components.npy", np.ones((3, 16)))


def _cut(folder: Path) -> None:
    path = folder / "topics.json"
    path.write_text(path.read_text()[:-9])


@pytest.mark.parametrize(
    ("spoil", "found"),
    [
        (_drop, "No such file"),
        (_other_array, "belongs to another"),
        (_cut, "delimiter|Expecting|Unterminated"),
    ],
)
def test_spoilt_files_are_refused_in_one_line(
    tmp_path: Path, spoil: Callable[[Path], None], found: str
) -> None:
    fitted().save(tmp_path)
    spoil(tmp_path)
    with pytest.raises(ConversionError, match=f"found no saved extractor .*({found})") as told:
        TopicExtractor.load(tmp_path)
    assert "\n" not in str(told.value)


def test_too_little_text_is_told() -> None:
    posts = [Post("a00", "coffee latte"), Post("a01", "coffee latte")]
    with pytest.raises(ConversionError, match=r"content_topics: found \d training accounts"):
        fitted(posts)
    with pytest.raises(ConversionError, match=r"found 0 training accounts .* and 0 words"):
        fitted([])


def test_inference_is_that_of_scikit_learn() -> None:
    rng = np.random.default_rng(5)
    counts = sparse.csr_matrix(rng.poisson(0.7, (23, 13)).astype(np.int32))
    model = LatentDirichletAllocation(3, max_iter=7, random_state=2).fit(counts)
    components = learn_topics(counts, 3, max_iter=7, seed=2)
    np.testing.assert_array_equal(components, model.components_)
    np.testing.assert_allclose(infer_topics(components, counts), model.transform(counts), rtol=1e-6)
    np.testing.assert_allclose(word_shares(components).sum(axis=1), 1)


def test_known_perplexity() -> None:
    # Two accounts, two topics, three words. Account 0 (topics 1/2, 1/2) hides word 0 twice:
    # p = (1/2 + 1/4) / 2 = 3/8; account 1 (all topic 1) hides word 2 once: p = 1/4.
    hidden = sparse.csr_matrix([[2, 0, 0], [0, 0, 1]])
    topics = np.array([[0.5, 0.5], [0, 1]])
    shares = np.array([[0.5, 0.25, 0.25], [0.25, 0.5, 0.25]])
    expected = (3 / 8) ** (-2 / 3) * (1 / 4) ** (-1 / 3)
    assert completion_perplexity(hidden, topics, shares) == pytest.approx(expected)
    uniform = np.full((2, 3), 1 / 3)
    assert completion_perplexity(hidden, topics, uniform) == pytest.approx(3)


def test_known_coherence() -> None:
    # Five accounts. Words 0 and 1: used by 2 and 3 accounts, together by 2; word 2 never with 0;
    # words 3 and 4 by all.
    used = [[1, 1, 0, 4, 1], [2, 1, 0, 1, 1], [0, 3, 1, 1, 2], [0, 0, 1, 1, 1], [0, 0, 0, 1, 1]]
    counts = sparse.csr_matrix(used)
    first = np.log((2 / 5) / (2 / 5 * 3 / 5)) / -np.log(2 / 5)
    third = np.log((1 / 5) / (3 / 5 * 2 / 5)) / -np.log(1 / 5)
    np.testing.assert_allclose(npmi_coherence(counts, np.array([[0, 1]])), [first])
    np.testing.assert_allclose(npmi_coherence(counts, np.array([[0, 2], [3, 4]])), [-1, 0])
    three = npmi_coherence(counts, np.array([[0, 1, 2]]))
    np.testing.assert_allclose(three, [(first - 1 + third) / 3])


def test_top_words_are_the_most_probable_and_equals_keep_their_order() -> None:
    components = np.array([[1.0, 5, 5, 2], [3, 1, 1, 1]])
    assert top_words(components, 3).tolist() == [[1, 2, 3], [0, 1, 2]]


@pytest.mark.parametrize(
    ("vocabulary", "words"),
    [
        # bread: a b c; cake: a d; milk: a b d; tea: a b; only: d alone. e has no word.
        ({"min_share": 0, "max_share": 1}, ("bread", "cake", "milk", "tea")),
        ({"min_share": 0, "max_share": 0.5, "max_words": 2}, None),
        ({"min_share": 0, "max_share": 0.75, "max_words": 3}, ("bread", "cake", "milk")),
        ({"min_share": 0.51, "max_share": 1}, None),
    ],
)
def test_known_vocabulary(vocabulary: dict[str, Any], words: tuple[str, ...] | None) -> None:
    posts = [
        Post("a", "Bread bread #cake milk"),
        Post("b", "bread tea milk"),
        Post("a", "tea @someone"),
        Post("c", "bread"),
        Post("d", "cake only milk"),
        Post("e", "!!!"),
        Post("z", "only bread zebra zebra"),
    ]
    extractor = new(n_topics=2, vocabulary=vocabulary)
    if words is None:
        with pytest.raises(ConversionError, match=r"and [12] words"):
            extractor.fit(material(posts), "abcde")
        return
    extractor.fit(material(posts), "abcde")
    assert extractor.fitted.words == words
    said = "bread bread cake milk tea, bread tea milk, bread, cake milk".replace(",", "").split()
    assert extractor.report()["known_share"] == sum(word in words for word in said) / 12
    # All accounts are described by the words of some.
    assert set(extractor.transform(material(posts))) == {*"abcd", "z"}


def test_a_share_that_is_a_whole_number_of_accounts_is_met() -> None:
    posts = [Post(str(i), "bread milk tea" if i < 3 else "cake") for i in range(30)]
    extractor = new(vocabulary={"min_share": 0.1, "max_share": 0.5})
    extractor.fit(material(posts), [str(i) for i in range(30)])
    assert extractor.fitted.words == ("bread", "milk", "tea")


def test_processes_count_what_one_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TopicExtractor, "block_posts", 3)
    values = fitted().transform(material(POSTS))
    elsewhere = new(n_jobs=2)
    elsewhere.fit(material(POSTS), TRAINING)
    assert same(elsewhere.transform(material(POSTS)), values)


def test_no_more_of_a_caption_than_needed_is_sent_to_a_process() -> None:
    assert len(new().taken(Post("a", "x" * 1_000_000))[-1]) == 10_000
