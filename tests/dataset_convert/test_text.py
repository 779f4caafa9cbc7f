# ruff: noqa: RUF001 - letters of other scripts look like Latin ones
"""Captions become the words that a person would read in them, in any script."""

import time
import unicodedata
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataset_convert.features import text
from dataset_convert.features.text import (
    MAX_CHARACTERS,
    TextOptions,
    WordCounts,
    fold,
    stop_words,
    tokenise,
)
from dataset_convert.raw import Post

PLAIN = TextOptions(languages=())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Fresh COFFEE, fresh bread!", ["fresh", "coffee", "fresh", "bread"]),
        ("#Coffee #summer_vibes rock-climbing", ["coffee", "summer", "vibes", "rock", "climbing"]),
        ("l'été à côté", ["été", "côté"]),
        ("Tom &amp; Jerry &#9749; &nbsp;", ["tom", "jerry", "☕"]),
        ("2024 24h 1st ½ ② ١٢٣", ["24h", "1st"]),
        ("a b c to", ["to"]),
        ("x" * 30 + " " + "y" * 31, ["x" * 30]),
        ("", []),
        ("!!! ... @ # _", []),
        # compatibility and case
        ("𝓑𝓮𝓪𝓾𝓽𝔂 ＳＡＬＥ ﬁne", ["beauty", "sale", "fine"]),
        ("Straße STRASSE", ["strasse", "strasse"]),
        ("İstanbul istanbul", ["istanbul", "istanbul"]),
        ("Acme™ Acme℠ Acme®", ["acme", "acme", "acme"]),
        ("cafe\u0301 café ca\u00adfé", ["café", "café", "café"]),
        # scripts with spaces
        ("Новая КОЛЛЕКЦИЯ", ["новая", "коллекция"]),
        ("हिन्दी फ़ैशन", ["हिन्दी", "फ़ैशन"]),
        ("كِتَاب كتاب جمـــيل", ["كتاب", "كتاب", "جميل"]),
        ("می\u200cخواهم", ["میخواهم"]),
        ("예쁜 가방", ["예쁜", "가방"]),
        ("தமிழ் உணவு", ["தமிழ்", "உணவு"]),
        # scripts without spaces: overlapping pairs
        ("東京タワー", ["東京", "タワー"]),
        ("美味料理", ["美味", "味料", "料理"]),
        ("猫", ["猫"]),
        ("おいしい", ["おい", "いし", "しい"]),
        ("ｶﾒﾗ camera写真", ["カメラ", "camera", "写真"]),
        ("สวัสดี", ["สวั", "วัส", "สดี"]),
        ("ก" + "็" * 50, ["ก" + "็" * 4]),
        ("ខ្មែរ", ["ខ្មែ", "មែរ"]),
    ],
)
def test_words_of_a_caption(text: str, words: list[str]) -> None:
    assert tokenise(text, PLAIN) == words


@pytest.mark.parametrize(
    "text",
    [
        "nice https://example.com/Path?q=1#NewYork shoes",
        "nice HTTP://EXAMPLE.COM shoes",
        "nice www.example.co shoes",
        "nice shop.example.com, shoes",
        "nice bit.ly/3aBcD shoes",
        "nice Example.ORG/a/b.html?x shoes",
        "nice https://example.com/写 shoes".replace("写", " "),
        "nice @brand.official shoes",
        "nice @brand_official: shoes",
        "nice ＠brand shoes",
        "nice hello.there+x@mail.example.org shoes",
        "nice @one@two shoes",
    ],
)
def test_addresses_and_names_are_removed(text: str) -> None:
    assert tokenise(text, PLAIN) == ["nice", "shoes"]


def test_what_only_looks_like_an_address_stays() -> None:
    assert tokenise("love it.So good and/or fine", PLAIN) == [
        *["love", "it", "so", "good", "and", "or", "fine"]
    ]
    assert tokenise("https://example.com/a写真", PLAIN) == ["写真"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("#NewYorkFashion", ["new", "york", "fashion"]),
        ("#NYCFashion", ["nyc", "fashion"]),
        ("#OOTD", ["ootd"]),
        ("#Summer2024Vibes", ["summer2024", "vibes"]),
        ("#НоваяМода", ["новая", "мода"]),
        ("iPhone NewYork", ["iphone", "newyork"]),
    ],
)
def test_camel_case_of_hashtags_is_split_where_asked(text: str, words: list[str]) -> None:
    together = TextOptions(languages=())
    assert tokenise(text, TextOptions(languages=(), split_camel_case=True)) == words
    assert "".join(tokenise(text, together)) == "".join(words)
    assert len(tokenise(text, together)) == len(text.split())


@pytest.mark.parametrize(
    ("text", "emoji"),
    [
        ("wow😍😍yes", ["😍", "😍"]),
        ("wow 👍🏽 yes", ["👍"]),
        ("wow ❤️yes", ["❤"]),
        ("wow👩🏽‍🍳yes", ["👩\u200d🍳"]),
        ("wow 🇩🇪🇫🇷 yes", ["🇩🇪", "🇫🇷"]),
        ("wow 🏃‍♀️ yes", ["🏃\u200d♀"]),
        ("wow 1️⃣ yes", []),
    ],
)
def test_emoji_are_words_or_nothing(text: str, emoji: list[str]) -> None:
    assert tokenise(text, PLAIN) == ["wow", *emoji, "yes"]
    assert tokenise(text, TextOptions(languages=(), keep_emoji=False)) == ["wow", "yes"]


def test_stop_words_of_the_chosen_languages_are_dropped() -> None:
    text = "Don't miss the bread und die Kekse, это хлеб, これは パン です"
    assert tokenise(text, TextOptions()) == [
        "miss",
        "bread",
        "kekse",
        "хлеб",
        "これ",
        "れは",
        "パン",
    ]
    english = tokenise(text, TextOptions(languages=("english",)))
    assert "the" not in english
    assert {"und", "это", "です"} <= set(english)


def test_no_language_takes_the_things_of_another() -> None:
    things = "car van hat door man men son ton pour come gift mode pain rock"
    assert tokenise(things, TextOptions()) == things.split()


def test_every_stop_word_is_one_that_a_caption_can_give() -> None:
    for language, words in stop_words().items():
        assert 20 <= len(words) <= 160, language
        for word in words:
            assert tokenise(word, TextOptions(languages=(), min_length=1)) in (
                [word],
                # Words of scripts without spaces that are longer than a pair.
                [word[i : i + 2] for i in range(len(word) - 1)],
            )


def test_lengths_are_of_words_and_not_of_emoji_and_characters() -> None:
    settings = TextOptions(languages=(), min_length=4, max_length=5)
    assert tokenise("sun moon stars comets 猫 ☕ 料理", settings) == [
        "moon",
        "stars",
        "猫",
        "☕",
        "料理",
    ]


def test_only_the_beginning_of_an_endless_caption_is_read() -> None:
    assert tokenise("word " * 2_000_000, PLAIN) == ["word"] * (MAX_CHARACTERS // 5)


@pytest.mark.parametrize(
    "unit",
    [
        *("a", "a.", "a@", "@", "@a", "@-", "#", "-.", "www.", "https://a.b/c ", "a.co/"),
        *("e\u0337", "\u0301", "👩\u200d", "&", "&#9", "&amp;", "+a", "\ufdfa"),
    ],
)
def test_time_is_linear_in_the_caption(unit: str) -> None:
    started = time.process_time()
    tokenise(unit * MAX_CHARACTERS, TextOptions(split_camel_case=True))
    assert time.process_time() - started < 0.5


def test_a_number_too_long_for_a_character_is_no_entity() -> None:
    assert tokenise("&#" + "9" * 5_000 + "; bread", PLAIN) == ["bread"]


@given(st.text("aB7é☕ _#", max_size=40))
def test_plain_and_other_text_is_cut_alike(text: str) -> None:
    # A word that nothing but its own letters decides stays the same beside a letter of any script.
    plain = "".join(letter if letter.isascii() else " " for letter in text)
    assert tokenise(f"{plain} ж", PLAIN) == tokenise(plain, PLAIN)


@given(st.text(max_size=80) | st.text("aA1#@._-/: \u200d👩☕é写の", max_size=60))
def test_words_are_clean_whatever_the_text(text: str) -> None:
    for word in tokenise(text, PLAIN):
        assert word == unicodedata.normalize("NFKC", word)
        assert fold(word) == word
        assert not any(letter.isspace() for letter in word)
        assert not set(word) & set("@#/.,;:|&_")
        assert not word.isnumeric()
        assert len(word) <= PLAIN.max_length


@given(st.text(max_size=60))
def test_words_give_themselves_again(text: str) -> None:
    words = [word for word in tokenise(text, PLAIN) if word.isascii()]
    assert tokenise(" ".join(words), PLAIN) == words


streams = st.lists(
    st.builds(
        Post,
        account=st.sampled_from("abcdefg"),
        member=st.sampled_from("xy"),
        text=st.lists(st.sampled_from(["tea", "bread", "cake", "salt", "milk"]), max_size=5).map(
            " ".join
        ),
    ),
    max_size=40,
)


def counted(posts: list[Post]) -> WordCounts:
    found = WordCounts(2)
    for post in posts:
        found.saw(post.account, post.member)
        if post.text:
            found.put(post.account, Counter(post.text.split()))
    return found


@given(streams, st.integers(1, 20), st.integers(0, 40))
def test_counts_are_those_of_a_plain_loop(posts: list[Post], waiting: int, cut: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text, "LEAST_WAITING", waiting)
        total = counted(posts[:cut])
        total.add(counted(posts[cut:]))
        words = ["bread", "cake", "never", "tea"]
        accounts, matrix = total.of(words)
    said: dict[str, Counter[str]] = {}
    members: dict[str, set[str]] = {}
    for post in posts:
        said.setdefault(post.account, Counter()).update(post.text.split())
        members.setdefault(post.account, set()).add(post.member)
    wanted = {
        account: [said[account][word] for word in words]
        for account in sorted(said)
        if len(members[account]) > 1 and any(said[account][word] for word in words)
    }
    assert dict(zip(accounts, matrix.toarray().tolist(), strict=True)) == wanted
    assert matrix.dtype == np.int32
    assert matrix.has_canonical_format
