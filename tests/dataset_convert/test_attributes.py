"""Attribute lists: known lists by hand, no label in disguise, no leak, nothing sensitive."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataset_convert import raw, schema
from dataset_convert.features.attributes import UNCOVERED_ACCOUNTS, AttributeExtractor
from dataset_convert.features.base import Extractor
from dataset_convert.features.lexicon import Concept, Lexicon, load_lexicon, load_sensitive
from dataset_convert.problems import ConversionError
from dataset_convert.raw import Post, RawMaterial

LEXICON = """
cosmetic:
makeup: {parents: [cosmetic]}
lipstick: {parents: [makeup]}
travel: {hashtags: [wanderlust]}
food:
"""
ACCOUNTS = [
    ("b1", "brand", "Lipsticks since 1970", "makeup"),
    ("b2", "brand", None, "food"),
    ("m1", "influencer", "makeup\\nTRAVEL", "food"),
    ("m2", "influencer", "Food! travel", "food"),
    ("m3", "influencer", "nothing", "makeup"),
]


@pytest.fixture
def lexicon(tmp_path: Path) -> Lexicon:
    (tmp_path / "own.yaml").write_text(LEXICON)
    return load_lexicon(tmp_path)


def material(
    accounts: Sequence[tuple[str, str, object, object]] = ACCOUNTS,
    posts: Sequence[Post] = (),
    *,
    is_profile: bool = False,
) -> RawMaterial:
    columns = [raw.ACCOUNT, raw.ROLE, raw.BIOGRAPHY, raw.CATEGORY]
    return RawMaterial(
        accounts=pd.DataFrame(accounts, columns=columns, dtype=object).assign(name=None),
        collaborations=pd.DataFrame(columns=list(schema.INTERACTION_TYPES)),
        posts=lambda: iter(posts),
        audience_posts=lambda: pytest.fail("the audience's posts are not read"),
        brand_parts={},
        influencer_category_is_profile=is_profile,
        vectors={},
        fingerprints={},
        synthetic=True,
    )


def fitted(
    lexicon: Lexicon,
    source: RawMaterial,
    training: Sequence[str] = ("b1", "b2", "m1", "m2", "m3"),
    *,
    minimum: int = 1,
    hashtag_posts: int | None = None,
) -> AttributeExtractor:
    extractor = AttributeExtractor(
        schema.ATTRIBUTES, minimum_accounts=minimum, hashtag_posts=hashtag_posts
    )
    extractor._lexicon = lexicon
    extractor.fit_transform(source, training)
    return extractor


def test_lists_worked_by_hand(lexicon: Lexicon) -> None:
    extractor: Extractor = fitted(lexicon, material())
    assert extractor.modality == schema.ATTRIBUTES
    assert extractor.transform(material()) == {
        "b1": ["cosmetic", "lipstick", "makeup"],
        "b2": ["food"],
        "m1": ["cosmetic", "makeup", "travel"],
        "m2": ["food", "travel"],
    }
    assert extractor.dimensions() == ["cosmetic", "food", "lipstick", "makeup", "travel"]


def test_rare_concepts_live_on_in_their_parents(lexicon: Lexicon) -> None:
    extractor = fitted(lexicon, material(), minimum=2)
    assert extractor.dimensions() == ["cosmetic", "food", "makeup", "travel"]
    assert extractor.transform(material())["b1"] == ["cosmetic", "makeup"]


def test_frequencies_are_those_of_training_accounts_alone(lexicon: Lexicon) -> None:
    extractor = fitted(lexicon, material(), ["b1", "b2", "m1"], minimum=2)
    assert extractor.dimensions() == ["cosmetic", "makeup"]  # food and travel: one account each
    spoilt = [*ACCOUNTS[:3], ("m2", "influencer", "lipstick " * 9, "x"), ACCOUNTS[4]]
    again = fitted(lexicon, material(spoilt), ["b1", "b2", "m1"], minimum=2)
    assert (again.dimensions(), again.report()) == (extractor.dimensions(), extractor.report())


def test_an_influencers_category_is_read_only_where_it_is_its_own(lexicon: Lexicon) -> None:
    lists = fitted(lexicon, material()).transform(material())
    assert "m3" not in lists
    assert "food" not in lists["m1"]
    # Whatever stands there changes nothing.
    shuffled = [(*row[:3], "travel" if row[1] == "influencer" else row[3]) for row in ACCOUNTS]
    assert fitted(lexicon, material(shuffled)).transform(material(shuffled)) == lists

    own = material(is_profile=True)
    lists = fitted(lexicon, own).transform(own)
    assert lists["m3"] == ["cosmetic", "makeup"]
    assert lists["m1"] == ["cosmetic", "food", "makeup", "travel"]


@pytest.mark.parametrize("missing", [None, np.nan, ""])
def test_an_account_that_says_nothing_is_absent(lexicon: Lexicon, missing: object) -> None:
    source = material([("b1", "brand", missing, missing), ("m1", "influencer", "food", missing)])
    assert fitted(lexicon, source, ["b1", "m1"]).transform(source) == {"m1": ["food"]}


def test_hashtags_count_by_posts_and_with_their_parents(lexicon: Lexicon) -> None:
    posts = [
        Post("m3", "#lipstick #Lipsticks #wanderlust"),
        Post("m3", "#makeup, food"),
        Post("m3", "#food"),
        Post("m1", "#lipstick"),
        Post("stranger", "#food"),
    ]
    source = material(posts=posts)
    assert "m3" not in fitted(lexicon, source).transform(source)
    two = fitted(lexicon, source, hashtag_posts=2).transform(source)
    assert two["m3"] == ["cosmetic", "makeup"]  # one post of lipstick, one of makeup itself
    assert two["m1"] == ["cosmetic", "makeup", "travel"]
    one = fitted(lexicon, source, hashtag_posts=1).transform(source)
    assert one["m3"] == ["cosmetic", "food", "lipstick", "makeup", "travel"]
    assert one["m1"] == ["cosmetic", "lipstick", "makeup", "travel"]
    assert "stranger" not in one


def test_sensitive_attributes_are_never_emitted() -> None:
    # A lexicon that went past the loader, which would have dropped these.
    names = ["church", "gay-men", "diabetes", "democrats", "latinas", "food"]
    concepts = {name: Concept((), (name.replace("-", " "),), (), ()) for name in names}
    lexicon = Lexicon(concepts, load_sensitive(), 0)
    text = ", ".join(name.replace("-", " ") for name in names)
    source = material([("m1", "influencer", text, None)])
    extractor = fitted(lexicon, source, ["m1"])
    assert extractor.dimensions() == ["food"]
    assert extractor.transform(source) == {"m1": ["food"]}
    assert not any(name in json.dumps(extractor.report()) for name in names[:-1])


def test_the_report(lexicon: Lexicon) -> None:
    accounts = [
        (f"m{i}", "influencer", f"Hiker of the {word}, church #OutThere 2day", None)
        for i, word in enumerate(["food"] * 2 + ["dunes"] * 4)
    ]
    source = material([*accounts, ("b1", "brand", None, "food"), ("b2", "brand", None, None)])
    training = [row[0] for row in accounts] + ["b1", "b2"]
    report = fitted(lexicon, source, training, minimum=2).report()
    assert report == {
        "coverage": {
            "brand": {"accounts": 2, "with_attributes": 1},
            "influencer": {"accounts": 6, "with_attributes": 2},
        },
        "n_concepts_of_lexicon": 5,
        "n_left_out_as_sensitive": 0,
        "n_rare_attributes": 0,
        # "dunes" has too few accounts to be told, "of" and "the" say nothing, "church" too much.
        "uncovered_words": {"#outthere": 6, "hiker": 6},
        "attributes": {"food": 3},
    }
    assert UNCOVERED_ACCOUNTS == 5
    json.dumps(report)


@given(st.integers(1, 12), st.integers(1, 12))
def test_no_word_of_few_accounts_is_told(n_accounts: int, minimum: int) -> None:
    lexicon = Lexicon({"food": Concept((), ("food",), (), ())}, load_sensitive(), 0)
    accounts = [(f"m{i}", "influencer", "Annabelle", None) for i in range(n_accounts)]
    source = material(accounts)
    told = fitted(lexicon, source, [row[0] for row in accounts], minimum=minimum).report()
    expected = {"annabelle": n_accounts} if n_accounts >= max(5, minimum) else {}
    assert told["uncovered_words"] == expected


def test_names_of_accounts_are_no_uncovered_words() -> None:
    lexicon = Lexicon({"food": Concept((), ("food",), (), ())}, load_sensitive(), 0)
    accounts = [(f"m{i}", "influencer", "Acme_Works dunes", None) for i in range(6)]
    source = material(accounts)
    training = [row[0] for row in accounts]
    assert fitted(lexicon, source, training).report()["uncovered_words"].keys() == {
        "acme",
        "dunes",
        "works",
    }
    source.accounts["name"] = ["Acme", None, "DUNES", None, None, None]
    assert fitted(lexicon, source, training).report()["uncovered_words"].keys() == {"works"}


def test_a_saved_extractor_comes_back(lexicon: Lexicon, tmp_path: Path) -> None:
    source = material(posts=[Post("m3", "#Lipstick 💄"), Post("m3", "#lipsticks")])
    extractor = fitted(lexicon, source, minimum=2, hashtag_posts=2)
    extractor.save(tmp_path / "deep" / "saved")
    folder = tmp_path / "deep" / "saved"
    assert sorted(path.name for path in folder.iterdir()) == ["attributes.json", "lexicon.json"]
    again = AttributeExtractor.load(folder)
    assert again.dimensions() == extractor.dimensions()
    assert again.report() == extractor.report()
    assert again.transform(source) == extractor.transform(source)
    again.save(tmp_path / "twice")
    for path in folder.iterdir():
        assert (tmp_path / "twice" / path.name).read_bytes() == path.read_bytes()


def test_what_was_not_saved_cannot_be_loaded(lexicon: Lexicon, tmp_path: Path) -> None:
    with pytest.raises(ConversionError, match=r"attributes.json: found no saved extractor"):
        AttributeExtractor.load(tmp_path)
    fitted(lexicon, material()).save(tmp_path)
    (tmp_path / "lexicon.json").unlink()
    with pytest.raises(ConversionError, match=r"lexicon.json: found .*wanted a saved lexicon"):
        AttributeExtractor.load(tmp_path)
    fitted(lexicon, material()).save(tmp_path)
    (tmp_path / "attributes.json").write_text("[]")
    with pytest.raises(ConversionError, match="found no saved extractor"):
        AttributeExtractor.load(tmp_path)
