"""Names of synthetic dimensions, and the words that speak of them."""

import numpy as np
import pytest

from dataset_convert import schema
from dataset_convert.features.labels import SCENE_PREFIX
from dataset_convert.features.lexicon import load_lexicon
from dataset_convert.features.text import TextOptions, tokenise
from dataset_convert.synthetic import posts as vocabulary
from dataset_convert.synthetic.posts import NO_NICHE, Vocabulary


@pytest.mark.parametrize(
    ("made", "n_niches", "per_niche", "of_no_niche"),
    [
        (vocabulary.topics("content_topics", 9), 9, [1, -1], 4),
        (vocabulary.topics("audience_topics", 8), 8, [1, -1], 5),
        (vocabulary.topics("audience_topics", 3), 3, [1, -1], 5),
        (vocabulary.labels(18)[0], 18, [1, 1, 0, 0, -1, -1], 12),
        (vocabulary.labels(18)[1], 18, [1, 0, -1], 6),
        (vocabulary.attributes(36), 36, [1, 1, 1, 0, -1, -1, -1], 30),
        (vocabulary.attributes(7), 7, [1, 1, 1, 0, -1, -1, -1], 30),
    ],
)
def test_vocabulary(
    made: Vocabulary, n_niches: int, per_niche: list[int], of_no_niche: int
) -> None:
    assert made.n_niches == n_niches
    assert len(set(made.names)) == len(made.names) == n_niches * len(per_niche) + of_no_niche
    assert (made.niche == NO_NICHE).sum() == of_no_niche
    assert made.accent[made.niche == NO_NICHE].tolist() == [0] * of_no_niche
    for niche in range(n_niches):
        assert made.accent[made.niche == niche].tolist() == per_niche
    forbidden = schema.FORBIDDEN_IN_TOKENS + " \t"
    assert not any(character in name for name in made.names for character in forbidden)


def test_scenes_are_known_from_objects() -> None:
    assert all(name.startswith(SCENE_PREFIX) for name in vocabulary.labels(18)[1].names)
    assert not any(name.startswith(SCENE_PREFIX) for name in vocabulary.labels(18)[0].names)


def test_a_topic_pair_stands_in_one_niche() -> None:
    made = vocabulary.topics("content_topics", 9)
    niche = dict(zip(made.names, made.niche, strict=True))
    assert niche["product-launch"] == niche["unboxing"] == 1
    assert niche["weather"] == NO_NICHE


@pytest.mark.parametrize(
    "made", [vocabulary.topics("content_topics", 9), vocabulary.topics("audience_topics", 8)]
)
def test_every_topic_has_ten_words_of_its_own(made: Vocabulary) -> None:
    lists = vocabulary.topic_word_lists()
    words = [word for name in made.names for word in lists[name]]
    assert [len(lists[name]) for name in made.names] == [10] * len(made.names)
    common = list(vocabulary.words("common_words"))
    assert len({*words, *common}) == len(words) + len(common)


def test_captions_lose_none_of_their_words() -> None:
    words = [word for words in vocabulary.topic_word_lists().values() for word in words]
    words += list(vocabulary.words("common_words"))
    assert tokenise(" ".join(words), TextOptions()) == words
    assert tokenise(" ".join(f"#{word}" for word in words), TextOptions()) == words


def test_the_lexicon_knows_every_attribute_by_its_name() -> None:
    lexicon = load_lexicon()
    for name in vocabulary.attributes(36).names:
        found = lexicon.find(name.replace("-", " ").capitalize())
        assert (found.concepts, found.uncovered) == ({name}, frozenset())
    assert lexicon.find(" ".join(vocabulary.words("emoji"))).concepts == frozenset()


def test_an_account_is_told_by_more_than_one_word() -> None:
    # Otherwise the accents would leave nothing in common between brands and people.
    lexicon = load_lexicon()
    made = vocabulary.attributes(36)
    for niche in range(36):
        brand, personal = (
            lexicon.with_ancestors(
                np.array(made.names)[(made.niche == niche) & (made.accent == sign)].tolist()
            )
            for sign in (vocabulary.BRAND_WORD, vocabulary.PERSONAL_WORD)
        )
        assert len(brand) >= 3
        assert len(personal) >= 3
