"""Synthetic raw material: posts that are drawn when they are read, and what they give away."""

import tracemalloc
from collections import Counter, defaultdict
from dataclasses import replace
from itertools import islice

import numpy as np
import pandas as pd
import pytest

from dataset_convert import raw, schema
from dataset_convert.features.lexicon import load_lexicon
from dataset_convert.features.text import TextOptions, tokenise
from dataset_convert.privacy import scrub
from dataset_convert.raw import RawMaterial
from dataset_convert.synthetic import SPECS, PostSpec
from dataset_convert.synthetic.material import (
    SIDE_SIGN,
    SyntheticMaterial,
    biography,
    synthetic_material,
)
from dataset_convert.synthetic.posts import (
    NO_NICHE,
    PostDraws,
    draw,
    topic_word_lists,
    vocabularies,
)
from dataset_convert.synthetic.posts import attributes as attributes_of
from dataset_convert.synthetic.posts import words as words_of

TINY = SPECS["mirec-tiny"]


@pytest.fixture(scope="module")
def material() -> RawMaterial:
    return synthetic_material(TINY, seed=3)


def draws(material: RawMaterial, *, audience: bool = False) -> PostDraws:
    found = material.audience_posts if audience else material.posts
    assert isinstance(found, PostDraws)
    return found


def test_the_same_posts_at_every_call(material: RawMaterial) -> None:
    first, second = list(material.posts()), list(material.posts())
    assert first == second == list(synthetic_material(TINY, seed=3).posts())
    other = list(synthetic_material(TINY, seed=4).posts())
    assert len(first) == len(other) == material.n_posts == 336 * 12
    assert sum(a == b for a, b in zip(first, other, strict=True)) == 0


def test_accounts_do_not_read_each_others_posts(material: RawMaterial) -> None:
    posts = draws(material)
    silent = np.ones(len(posts.accounts), dtype=bool)
    silent[[5, 77]] = False
    alone = list(replace(posts, silent=silent)())
    chosen = {posts.accounts[5], posts.accounts[77]}
    assert alone == [post for post in posts() if post.account in chosen]
    assert len(alone) == 24


def test_any_size_by_numbers_alone() -> None:
    content, audience = PostSpec(n_members=1, n_posts=50), PostSpec(n_members=25, n_posts=2)
    spec = replace(TINY, content=content, audience=audience)
    made = synthetic_material(spec, seed=3)
    assert made.n_posts == 336 * 50 == sum(1 for _ in made.posts())
    members = defaultdict(Counter)
    for post in made.audience_posts():
        members[post.account][post.member] += 1
    assert made.n_audience_posts == len(members) * 50
    assert 0.03 < 1 - len(members) / 336 < 0.17
    assert all(sorted(counts.values()) == [2] * 25 for counts in members.values())
    assert len({member for counts in members.values() for member in counts}) == len(members) * 25


def test_memory_does_not_grow_with_the_number_of_posts(material: RawMaterial) -> None:
    posts = draws(material)
    peaks = []
    for n_speaking in (4, 40):
        silent = np.arange(len(posts.accounts)) >= n_speaking
        stream = replace(posts, silent=silent, spec=PostSpec(n_members=1, n_posts=100))
        tracemalloc.start()
        assert sum(1 for _ in stream()) == len(stream) == 100 * n_speaking
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.2 * peaks[0]


def test_captions_speak_of_the_planted_topics(material: RawMaterial) -> None:
    posts = draws(material)
    topic_of = {word: topic for topic, words in enumerate(posts.words) for word in words}
    counts = np.zeros_like(posts.topics)
    row = {account: i for i, account in enumerate(posts.accounts)}
    n_topics, n_common, n_words = Counter(), 0, 0
    for post in posts():
        words = tokenise(post.text, TextOptions(keep_emoji=False))
        known = [topic_of[word] for word in words if word in topic_of]
        assert 4 <= len(words) <= 8
        assert set(words) <= topic_of.keys() | set(words_of("common_words"))
        n_topics[len(set(known))] += 1
        n_common += len(words) - len(known)
        n_words += len(words)
        for topic in known:
            counts[row[post.account], topic] += 1
    assert set(n_topics) <= {0, 1, 2}
    assert n_common / n_words == pytest.approx(0.2, abs=0.01)
    shares = counts / counts.sum(axis=1, keepdims=True)
    # 24 draws an account: the error of a share p is about sqrt(p (1 - p) / 24).
    error = np.sqrt((shares - posts.topics) ** 2).mean()
    assert error < 0.06
    np.testing.assert_allclose(shares.mean(axis=0), posts.topics.mean(axis=0), atol=0.015)


def test_captions_have_the_noise_of_captions(material: RawMaterial) -> None:
    captions = [post.text for post in material.posts()]
    for sign, share in (("#", 0.5), ("@friend_", 0.2), ("https://shop.example/", 0.14)):
        assert np.mean([sign in caption for caption in captions]) == pytest.approx(share, abs=0.03)
    assert np.mean([not caption.isascii() for caption in captions]) == pytest.approx(
        1 / 3, abs=0.03
    )


def test_labels_are_seen_in_proportion_and_some_by_mistake(material: RawMaterial) -> None:
    posts = draws(material)
    row = {account: i for i, account in enumerate(posts.accounts)}
    for block, n in ((0, 4), (1, 2)):
        number = {name: i for i, name in enumerate(posts.label_names[block])}
        weights = np.zeros_like(posts.labels[block])
        for post in posts():
            ours = {label: score for label, score in post.labels.items() if label in number}
            assert len(ours) <= n + 1
            for label, score in ours.items():
                assert 0.01 <= score <= 0.97
                # The threshold of equation (4).
                weights[row[post.account], number[label]] += score * (score >= 0.1)
        seen = ~posts.unseen
        assert (weights[seen].sum(axis=1) > 0).all()
        assert (weights[~seen] == 0).all()
        both = [
            np.corrcoef(a, b)[0, 1]
            for a, b in zip(weights[seen], posts.labels[block][seen], strict=True)
        ]
        assert np.mean(both) > 0.7
    scores = [score for post in posts() for score in post.labels.values()]
    assert 0.1 < np.mean(np.array(scores) < 0.1) < 0.25


def test_what_is_missing(material: RawMaterial) -> None:
    content, audience = draws(material), draws(material, audience=True)
    with_labels = {post.account for post in content() if post.labels}
    assert len({post.account for post in content()}) == 336
    assert 1 - len(with_labels) / 336 == pytest.approx(0.10, abs=0.05)
    heard = {post.account for post in audience()}
    assert 1 - len(heard) / 336 == pytest.approx(0.10, abs=0.05)
    without = heard - {post.account for post in audience() if post.labels}
    assert len(without) / 336 == pytest.approx(0.05, abs=0.04)
    lexicon = load_lexicon()
    silent = [not lexicon.find(text).concepts for text in material.accounts[raw.BIOGRAPHY]]
    assert np.mean(silent) == pytest.approx(0.06, abs=0.04)
    assert material.accounts[raw.FOLLOWERS].isna().mean() == pytest.approx(0.02, abs=0.02)


def test_own_posts_have_likes_and_posts_of_members_do_not(material: RawMaterial) -> None:
    for post in islice(material.posts(), 500):
        assert post.member == ""
        assert post.n_likes is not None
        assert post.n_likes >= 0
        assert post.n_comments is not None
        assert post.n_comments >= 0
    for post in islice(material.audience_posts(), 500):
        assert post.member.startswith(f"{post.account}_fan_")
        assert post.n_likes is None
        assert post.n_comments is None


def test_accounts_and_splits(material: RawMaterial) -> None:
    accounts = material.accounts.set_index(raw.ACCOUNT)
    assert list(accounts.index[[0, 35, 36, 335]]) == [
        "brand_01",
        "brand_36",
        "influencer_001",
        "influencer_300",
    ]
    assert accounts[raw.ROLE].value_counts().to_dict() == {"influencer": 300, "brand": 36}
    first = material.collaborations.groupby(schema.INFLUENCER_ID)[schema.BRAND_ID].first()
    assert (
        accounts.loc[first.index, raw.CATEGORY].tolist()
        == accounts.loc[first, raw.CATEGORY].tolist()
    )
    assert not material.influencer_category_is_profile
    assert Counter(material.brand_parts.values()) == {"train": 22, "valid": 6, "test": 8}
    assert material.synthetic


def test_biographies_name_their_attributes_and_nothing_else() -> None:
    lexicon = load_lexicon()
    attributes = ["coffee-shop", "yoga-teacher", "dog", "made-locally"]
    texts = [
        biography("brand_001", attributes, np.random.default_rng(number)) for number in range(40)
    ]
    assert len(set(texts)) > 30
    for text in texts:
        assert lexicon.find(scrub(text)).concepts == set(attributes)
    with_mail = sum("brand_001@mail.example" in text for text in texts)
    assert 5 < with_mail < 25
    for number in range(20):
        text = biography("brand_001", [], np.random.default_rng(number))
        assert text
        assert not lexicon.find(text).concepts


def test_brands_and_people_prefer_their_own_words(material: RawMaterial) -> None:
    made = vocabularies(TINY)[schema.ATTRIBUTES][0]
    accent_of = dict(zip(made.names, made.accent.tolist(), strict=True))
    lexicon = load_lexicon()
    said = {side: Counter() for side in schema.SIDES}
    for role, text in material.accounts[[raw.ROLE, raw.BIOGRAPHY]].to_numpy():
        said[role].update(accent_of[name] for name in lexicon.find(text).concepts)
    # The accent of .7 either way, of which a draw without replacement leaves less.
    for side, own in SIDE_SIGN.items():
        assert said[side][own] > 1.2 * said[side][-own] > 0


def test_causes_name_what_the_two_say(material: SyntheticMaterial) -> None:
    pairs = [schema.BRAND_ID, schema.INFLUENCER_ID]
    pd.testing.assert_frame_equal(material.causes[pairs], material.collaborations[pairs])
    made = vocabularies(TINY)
    for cause, modality in (("content", schema.CONTENT_TOPICS), ("attribute", schema.ATTRIBUTES)):
        words = made[modality][0]
        place = {name: i for i, name in enumerate(words.names)}
        for said in material.causes.loc[material.causes["cause"] == cause, "names"]:
            brand, person = (place[name] for name in said.split())
            assert words.niche[brand] == words.niche[person] != NO_NICHE
            assert (words.accent[brand], words.accent[person]) == (1, -1)
            # what does not matter to who works with whom is no reason
            assert words.niche[brand] % TINY.idle_every != TINY.idle_every - 1
    kinds = material.causes.loc[material.causes["cause"] == "precedent", "names"]
    assert len(kinds) > 5
    assert kinds.str.fullmatch(r"kind-[1-4]").all()


def test_texts_show_a_taste_and_some_lack_them(material: RawMaterial) -> None:
    assert material.vectors.keys() == {schema.CONTENT_TEXT, schema.PROFILE_TEXT}
    captions, profiles = (material.vectors[name] for name in material.vectors)
    for vectors in (captions, profiles):
        assert len(vectors) / 336 == pytest.approx(1 - TINY.missing.text, abs=0.05)
        assert {vector.shape for vector in vectors.values()} == {(TINY.text.dimension,)}
        lengths = [np.linalg.norm(vector) for vector in vectors.values()]
        np.testing.assert_allclose(lengths, 1, atol=1e-6)
    both = [account for account in captions if account in profiles]
    one, other = (np.array([vectors[a] for a in both]) for vectors in (captions, profiles))
    products = one @ other.T
    # an account's captions are nearer to its own biography than to another's
    assert np.diag(products).mean() > np.mean(products) + 0.2


def test_draw_follows_the_shares() -> None:
    found = draw(np.array([1.0, 0.0, 3.0]), (4000, 2), np.random.default_rng(1))
    assert found.shape == (4000, 2)
    assert np.bincount(found.ravel()) / 8000 == pytest.approx([0.25, 0.0, 0.75], abs=0.02)


def test_captions_lose_none_of_their_words() -> None:
    words = [word for words in topic_word_lists().values() for word in words]
    words += list(words_of("common_words"))
    assert tokenise(" ".join(words), TextOptions()) == words
    assert tokenise(" ".join(f"#{word}" for word in words), TextOptions()) == words


def test_the_lexicon_knows_every_attribute_by_its_name() -> None:
    lexicon = load_lexicon()
    for name in attributes_of(36).names:
        found = lexicon.find(name.replace("-", " ").capitalize())
        assert (found.concepts, found.uncovered) == ({name}, frozenset())
    assert lexicon.find(" ".join(words_of("emoji"))).concepts == frozenset()
