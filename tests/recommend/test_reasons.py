"""Reasons: they add up, they can be read, and they tell nothing that they must not."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from dataset_convert import schema
from dataset_convert.common.errors import UsageError
from recbole_mirec.nn.fitted import HUBNESS, PRECEDENT
from recbole_mirec.recommend.accounts import Account
from recbole_mirec.recommend.reasons import (
    Explanation,
    Reason,
    Words,
    contributions,
    with_rounding,
)
from recbole_mirec.recommend.recommender import Recommender

RIDGE = 0.3


def test_reasons_of_random_pairs_add_up(recommender: Recommender) -> None:
    rng, words = np.random.default_rng(0), Words(precedents=recommender.bundle.about["precedents"])
    influencers = [recommender._known("influencer", row) for row in range(200)]
    for name in rng.permutation(recommender.brands):
        brand = recommender.account(str(name))
        shares = recommender.shares(brand)
        for row in rng.integers(200, size=40):
            found = contributions(recommender.fitted, brand, influencers[row], words, RIDGE)
            parts = dict(zip(recommender.parts, map(float, shares[row]), strict=True))
            score = sum(parts.values())
            for part, value in parts.items():
                own = [x.value for x in found if x.part == part]
                # single precision of the stored vectors
                assert sum(own) == pytest.approx(value, abs=2e-5 * max(1.0, abs(score)))
            whole = with_rounding(found, parts, words)
            assert abs(sum(x.value for x in whole) - score) <= 1e-6 * max(1.0, abs(score))


def test_a_topic_that_she_has_is_told_apart_from_one_that_she_lacks(
    recommender: Recommender,
) -> None:
    brand = recommender.account("brand_03")
    rows = recommender.bundle.sides["influencer"].table[schema.CONTENT_TOPICS][0]
    she = recommender._known("influencer", int(rows.max(axis=1).argmax()))
    words = Words(precedents=recommender.bundle.about["precedents"])
    found = contributions(recommender.fitted, brand, she, words, RIDGE)
    topics = [x for x in found if x.modality == schema.CONTENT_TOPICS]
    assert len({x.name for x in topics}) == len(topics) > 3
    mean = recommender.fitted.arrays[f"mean influencer {schema.CONTENT_TOPICS}"]
    more = np.sqrt(she.own.table[schema.CONTENT_TOPICS][0][0]) > mean
    assert sorted(x.name for x in topics if x.has and x.name != words.say("average")) == sorted(
        words.of(schema.CONTENT_TOPICS, place) for place in np.flatnonzero(more)
    )
    assert all(x.name.startswith("little of ") for x in topics if not x.has)
    lacking = {**she.own.table, schema.CONTENT_TOPICS: (rows[:1] * 0, np.array([False]))}
    without = contributions(
        recommender.fitted, brand, Account(replace(she.own, table=lacking)), words, RIDGE
    )
    assert not [x for x in without if x.modality == schema.CONTENT_TOPICS]


def test_ranks_without_each_part(recommender: Recommender) -> None:
    brand, n = "brand_01", len(recommender.influencers)
    found = recommender.recommend(brand, n)
    for place in (0, 7, 60):
        name = found.frame["influencer_id"][place]
        why = recommender.explain(brand, name)
        assert (why.rank, why.n_candidates) == (place + 1, found.n_candidates)
        assert list(why.rank_without) == list(why.parts) == list(recommender.parts)
        for part, rank in why.rank_without.items():
            left = (found.frame["score"] - found.frame[part]).round(9)
            assert rank == 1 + (left > left[place]).sum()


def _explanation(**changes: Any) -> Explanation:
    words = Words(
        precedents=("a", "b", "c", "d"),
        category={"a": "auto", "b": "auto", "c": "faith", "d": None},
        sensitive={"faith"},
        own="me",
        partners=("x", "y"),
        **changes,
    )
    names = {"me": 5.0, "a": 2.0, "b": 2.0, "c": 1.0}
    given = [
        Reason("content", "content_topics", "shoes, trail, run", 3.0),
        Reason("content", "content_topics", "tea, cup, mug", 1.0),
        Reason("content", "profile_text", "tea, cup, mug", 0.5),
        Reason("content", "content_topics", words.say("average"), 0.5),
        Reason("content", "content_topics", words.say("little", "cars"), 1.0, has=False),
        Reason("audience", "audience_topics", "cats", -1.0),
        *(
            Reason(PRECEDENT, PRECEDENT, words.brand(x), value, worked=x in words.hers)
            for x, value in names.items()
        ),
        Reason(HUBNESS, HUBNESS, words.say(HUBNESS), -2.0),
    ]
    parts = {"content": 6.0, "audience": -1.0, PRECEDENT: 10.0, HUBNESS: -2.0}
    return Explanation("me", "she", 13.0, parts, tuple(given), 1, 9, dict.fromkeys(parts, 2), words)


def test_a_sentence_in_english_and_german() -> None:
    assert _explanation().sentence() == (
        "like your partners x, y; like the partners of a brand of category auto (2 such brands); "
        "content: shoes, trail, run / tea, cup, mug; audience: weak match"
    )
    assert _explanation(language="de").sentence(3) == (
        "ähnlich Ihren Partnern x, y; ähnlich den Partnern dieser Marken: eine Marke der Kategorie "
        "auto (2 solche Marken), eine andere Marke; Inhalte: shoes, trail, run / tea, cup, mug; "
        "Publikum: passt wenig"
    )
    assert "the partners of a, b" in _explanation(named={"a", "b"}).sentence(3)
    known = _explanation(hers={"b", "c"})
    assert (
        "has worked with a brand of category auto, another brand; like the partners of a brand of "
        "category auto; content"
    ) in known.sentence(4)
    assert [x.value for x in known.reasons if known.names(x)] == [3.0, 1.0, 0.5, 5.0, 2.0, 1.0]
    unknown = _explanation()
    assert [x.value for x in unknown.reasons if unknown.names(x)] == [3.0, 1.0, 0.5, 5.0]
    assert "   +2.0000  has worked with a brand of category auto" in str(known)
    lines = str(_explanation(language="de")).splitlines()
    assert lines[0] == "me, she: Wert 13.000, Rang 1 von 9"
    assert lines[1] == "   +6.000  Inhalte (Rang ohne: 2)"
    assert "      +1.0000  wenig cars" in lines
    assert len(lines) == 1 + 4 + 5 + 1 + 3


def test_names_that_must_not_be_told_are_not() -> None:
    words = Words(
        vocabulary={schema.ATTRIBUTES: ["yoga", "muslim"]},
        topics={schema.CONTENT_TOPICS: [["one", "two", "three", "four"], []]},
        sensitive={"muslim"},
    )
    assert words.of(schema.ATTRIBUTES, 0) == "yoga"
    assert words.of(schema.ATTRIBUTES, 1) == "an attribute that is not told"
    assert words.of(schema.CONTENT_TOPICS, 0) == "one, two, three"
    assert words.of(schema.CONTENT_TOPICS, 1) == "topic 2"


def test_other_brands_are_told_by_category_unless_they_may_be_named(
    recommender: Recommender,
) -> None:
    name = recommender.influencers[0]
    others = {x for x in recommender.bundle.about["precedents"] if x != "brand_03"}
    for named in (False, True):
        why = recommender.explain("brand_03", name, name_others=named)
        said = {x.name for x in why.reasons if x.part == PRECEDENT}
        assert "your own partners" in said
        assert (others <= said) is named
        assert named or not any("brand_" in x for x in said)
    own = [x for x in why.words.partners if x in why.sentence()]
    partners = recommender.bundle.partners
    theirs = set(partners.loc[partners["brand"] == "brand_03", "influencer"])
    assert set(why.words.partners) <= theirs
    assert len(own) in (0, 2)


def test_a_language_that_nobody_wrote(recommender: Recommender) -> None:
    with pytest.raises(UsageError, match=r"language must be one of en, de\. Received: 'fr'"):
        recommender.explain("brand_03", recommender.influencers[0], language="fr")


def test_attributes_are_told_with_the_training_pairs_that_have_them(
    recommender: Recommender,
) -> None:
    names = recommender.bundle.about["vocabulary"][schema.ATTRIBUTES]
    tables = {side: of.table[schema.ATTRIBUTES][0] for side, of in recommender._sides.items()}
    rows = {side: {x: i for i, x in enumerate(of)} for side, of in recommender._ids.items()}
    pairs = recommender.bundle.partners
    learnt = pairs[pairs["training"]]
    assert set(learnt["brand"]) == set(recommender.bundle.about["precedents"])
    told = 0
    for name in recommender.recommend("brand_01", 3).frame["influencer_id"]:
        why = recommender.explain("brand_01", name)
        own = np.flatnonzero(tables["brand"][rows["brand"]["brand_01"]])
        for reason in why.reasons:
            if reason.seen is None:
                continue
            place = [x.replace("_", " ") for x in names].index(reason.name)
            counts = dict.fromkeys(own, 0)
            for brand, influencer in learnt[["brand", "influencer"]].itertuples(index=False):
                if tables["influencer"][rows["influencer"][influencer], place]:
                    for a in own:
                        counts[a] += int(tables["brand"][rows["brand"][brand], a])
            a = max(counts, key=counts.__getitem__)
            assert reason.seen == (names[a].replace("_", " "), counts[a])
            assert f"{reason.name} ({counts[a]} training pairs with {reason.seen[0]})" in str(why)
            told += 1
    assert told > 3
