"""Lists of a fitted model: whom they hold, whom they leave out, and accounts that are new."""

import string
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from list_cases import trained_scores

from dataset_convert import schema
from dataset_convert.common.errors import UsageError
from dataset_convert.privacy import Pseudonyms
from dataset_convert.raw import RawMaterial
from recbole_mirec.recommend.accounts import MOST_TEXT, Account, described
from recbole_mirec.recommend.bundle import Bundle
from recbole_mirec.recommend.recommender import Recommendation, Recommender

BRAND, INFLUENCER = schema.SIDES
TEXT = "vegan yoga and running shoes for travel, makeup and food lovers"


def names(found: Recommendation) -> list[str]:
    return list(found.frame["influencer_id"])


def partners(recommender: Recommender, brand: str) -> set[str]:
    pairs = recommender.bundle.partners
    return set(pairs.loc[pairs[BRAND] == brand, INFLUENCER])


def with_facts(recommender: Recommender, **columns: list[Any]) -> Recommender:
    """The same with facts of the first influencers; of the others they are not known."""
    side = recommender.bundle.sides[INFLUENCER]
    known = side.known.copy()
    for name, values in columns.items():
        known[name] = pd.Series(values, dtype=object).reindex(known.index)
        known[name] = known[name].infer_objects()
    return Recommender(recommender.bundle.with_side(INFLUENCER, replace(side, known=known)))


def copies(recommender: Recommender, n: int, **known: Any) -> list[Account]:
    """The first influencer under other names."""
    return [named(recommender, f"copy_{place}", **known) for place in range(n)]


def named(recommender: Recommender, name: str, **known: Any) -> Account:
    own = recommender._known(INFLUENCER, 0).own
    return Account(replace(own, known=own.known.assign(account=name, **known)))


def alone(material: RawMaterial, account: str) -> RawMaterial:
    """The material of one account."""
    rows = material.accounts
    return replace(
        material,
        accounts=rows[rows["account_id"] == account],
        collaborations=material.collaborations[:0],
        posts=lambda: (x for x in material.posts() if x.account == account),
        audience_posts=lambda: (x for x in material.audience_posts() if x.account == account),
    )


def test_a_score_is_that_of_the_trained_model(run: Path, recommender: Recommender) -> None:
    found, scores = trained_scores(run, recommender)
    np.testing.assert_allclose(found, scores, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("side", schema.SIDES)
def test_an_account_described_from_its_posts_is_what_it_is_inside(
    recommender: Recommender, material: RawMaterial, side: schema.Side
) -> None:
    ids = recommender.bundle.sides[side].known["account"]
    trained = {*recommender.bundle.about["precedents"]}
    name = next(str(x) for x in ids if x not in trained)
    found, refusals = described(recommender.bundle, alone(material, name))
    (new,) = found[side]
    assert not refusals
    known = recommender._known(side, list(ids).index(name))
    for part in recommender.parts:
        np.testing.assert_allclose(new.vector(part), known.vector(part), atol=1e-5)
    if side == BRAND:
        for with_partners in (True, False):
            lists = [recommender.recommend(x, 20, with_partners=with_partners) for x in (new, name)]
            assert names(lists[0]) == names(lists[1])
            np.testing.assert_allclose(*(x.frame["score"] for x in lists), atol=1e-4)
        assert new.notes == ()


def test_an_account_encoded_from_features_is_what_it_is_inside(recommender: Recommender) -> None:
    for side in schema.SIDES:
        known = recommender._known(side, 3)
        values = {x: of[0] for x, (of, mask) in known.own.table.items() if mask[0]}
        new = recommender.new_account(side, "new", values, known.own.known.loc[0].to_dict())
        for part in recommender.parts:
            np.testing.assert_allclose(new.vector(part), known.vector(part), atol=1e-5)


def test_no_known_partner_is_in_any_list(recommender: Recommender) -> None:
    n = len(recommender.influencers)
    for brand in recommender.brands:
        theirs = partners(recommender, brand)
        found = recommender.recommend(brand, n)
        assert not theirs & set(names(found))
        assert found.n_candidates == n - len(theirs)
        assert f"{len(theirs)} known partners of the brand are left out" in found.notes
        both = recommender.recommend(brand, n, with_partners=True)
        marked = both.frame.set_index("influencer_id")["partner"]
        assert set(marked[marked].index) == theirs
        assert [x for x in names(both) if x not in theirs] == names(found)


def test_lists_are_ordered_and_add_up(recommender: Recommender) -> None:
    frame = recommender.recommend("brand_01", 50).frame
    assert frame["rank"].tolist() == list(range(1, 51))
    assert frame["score"].is_monotonic_decreasing
    np.testing.assert_allclose(frame[list(recommender.parts)].sum(axis=1), frame["score"])


def test_who_is_included_excluded_and_whose_partners_are_left_out(recommender: Recommender) -> None:
    first = names(recommender.recommend("brand_01", 6))
    found = recommender.recommend("brand_01", 9, include=first[::-1], exclude=first[:2])
    assert names(found) == first[2:]
    assert found.notes[-1] == "there are 4 candidates, fewer than the 9 asked for"
    rival = next(
        brand
        for brand in recommender.brands
        if partners(recommender, brand) & set(first) and brand != "brand_01"
    )
    found = recommender.recommend("brand_01", 200, competitors=[rival])
    assert not partners(recommender, rival) & set(names(found))
    assert any("partners of competitors are left out" in note for note in found.notes)
    with pytest.raises(UsageError, match="Nobody is left"):
        recommender.recommend("brand_01", include=first[:1], exclude=first[:1])


@pytest.mark.parametrize(
    ("condition", "rows"),
    [
        ("followers>=2000", [1, 2]),
        ("followers > 2000", [2]),
        ("followers<=2e3", [0, 1]),
        ("followers<2000", [0]),
        ("followers=1000,3000", [0, 2]),
        ("followers!=1000", [1, 2]),
        ("country=DE, at", [0, 1]),
        ("country!=de", [1]),
        ("price<=20", [0, 1]),
    ],
)
def test_conditions(recommender: Recommender, condition: str, rows: list[int]) -> None:
    some = with_facts(
        recommender,
        followers=[1000.0, 2000.0, 3000.0],
        country=["DE", "AT", None],
        price=[10.0, 20.0, None],
    )
    found = some.recommend("brand_01", 500, where=[condition], with_partners=True)
    assert set(names(found)) == {recommender.influencers[row] for row in rows}


def test_conditions_on_features(recommender: Recommender) -> None:
    rows, mask = recommender.bundle.sides[INFLUENCER].table[schema.ATTRIBUTES]
    word = str(recommender.bundle.about["vocabulary"][schema.ATTRIBUTES][0])
    for condition, wanted in [
        ("attributes=known", mask),
        ("attributes=missing", ~mask),
        (f"attributes={word.upper()}", mask & (rows[:, 0] > 0)),
        (f"attributes!={word}", mask & (rows[:, 0] == 0)),
    ]:
        if wanted.any():
            found = recommender.recommend("brand_01", 500, where=[condition], with_partners=True)
            assert set(names(found)) == set(np.array(recommender.influencers)[wanted])
    about = {**recommender.bundle.about, "sensitive": [word]}
    hidden = Recommender(replace(recommender.bundle, about=about))
    for some, condition in ((recommender, "attributes=nope"), (hidden, f"attributes={word}")):
        with pytest.raises(UsageError, match="names that the data set knows"):
            some.recommend("brand_01", where=[condition])
    with pytest.raises(UsageError, match=r"content_topics=known or content_topics=missing\.$"):
        recommender.recommend("brand_01", where=["content_topics>3"])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"where": ["followers>=1", "followers<0"]}, "Nobody is left: .* fulfils 'followers<0'"),
        ({"where": ["height>3"]}, r"must read like .* The bundle knows followers, "),
        ({"where": ["followers>many"]}, "needs a number behind >"),
        ({"where": [""]}, "must read like"),
        ({"k": 0}, r"k must be at least 1\. Received: 0"),
        ({"diversity": float("nan")}, "diversity must be from 0 to 1"),
        ({"exclude": ["influencer_00"]}, "Unknown influencer 'influencer_00'.* Did you mean"),
        ({"competitors": ["brand_99"]}, "Unknown brand 'brand_99'.* Did you mean"),
        ({"include": []}, "Nobody is left"),
    ],
)
def test_wrong_wishes(recommender: Recommender, given: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message) as raised:
        recommender.recommend("brand_01", **given)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("name", ["@Brand_01", "https://www.instagram.com/brand_01/", "BRAND_01"])
def test_handles_are_ids(recommender: Recommender, name: str) -> None:
    assert recommender.account(name).name == "brand_01"


@pytest.mark.parametrize("name", ["brand_011", "", "[PAD]", "x" * 5000, "=1+1"])
def test_unknown_brands(recommender: Recommender, name: str) -> None:
    with pytest.raises(UsageError, match=r"^Unknown brand '"):
        recommender.account(name)


def test_of_a_known_brand_of_which_nothing_is_known_there_is_no_list(
    recommender: Recommender,
) -> None:
    own = recommender.account("brand_01").own
    table = {name: (rows * 0, mask & False) for name, (rows, mask) in own.table.items()}
    vectors = {part: rows * 0 for part, rows in own.vectors.items()}
    side = recommender.bundle.sides[BRAND]
    lost = side.take([0, 1]).joined([replace(own, vectors=vectors, table=table)])
    lost.known.loc[2, "account"] = "lost"
    some = Recommender(recommender.bundle.with_side(BRAND, lost))
    with pytest.raises(UsageError, match=r"^Nothing is known of 'lost' .* there is no list for it"):
        some.recommend("lost")


def test_ties_are_said_and_keep_their_order(recommender: Recommender) -> None:
    recommender.add_influencers(copies(recommender, 9))
    alike = [recommender.influencers[0], *(f"copy_{place}" for place in range(9))]
    found = recommender.recommend("brand_01", 3, include=alike, with_partners=True)
    assert names(found) == alike[:3]
    assert found.notes[-1].startswith("10 candidates share the last score, of whom 3 are shown")
    whole = recommender.recommend("brand_01", 10, include=alike, with_partners=True)
    assert not any("share" in note for note in whole.notes)


def test_diversity_costs_score_and_says_so(recommender: Recommender) -> None:
    recommender.add_influencers(copies(recommender, 5))
    pool = [*recommender.influencers[:20], *(f"copy_{place}" for place in range(5))]
    given: Any = {"include": pool, "with_partners": True}
    plain, varied, most = (
        recommender.recommend("brand_01", 8, diversity=x, **given) for x in (0.0, 0.9, 1.0)
    )
    assert names(varied)[0] == names(plain)[0]
    assert plain.frame["score"].mean() > varied.frame["score"].mean()
    assert any(note.startswith("diversity costs ") for note in varied.notes)
    assert sum(x.startswith("copy_") or x == pool[0] for x in names(most)) <= 1


def test_who_is_like_an_influencer(recommender: Recommender) -> None:
    recommender.add_influencers(copies(recommender, 1))
    found = recommender.similar(recommender.influencers[0], 5)
    assert found["influencer_id"][0] == "copy_0"
    assert found["cosine"][0] == pytest.approx(1.0, abs=1e-5)
    assert found["cosine"].is_monotonic_decreasing
    assert len(recommender.similar("copy_0", 10**6)) == len(recommender.influencers) - 1


def test_new_influencers_are_candidates(recommender: Recommender, tmp_path: Path) -> None:
    (new,) = copies(recommender, 1, followers=7.0, country="DE")
    recommender.add_influencers([new])
    assert recommender.recommend("brand_01", where=["country=de"]).frame["followers"].tolist() == [
        7
    ]
    recommender.export(tmp_path / "more")
    again = Recommender.load(tmp_path / "more")
    assert again.influencers[-1] == "copy_0"
    assert names(again.recommend("brand_01", 400)) == names(recommender.recommend("brand_01", 400))
    with pytest.raises(UsageError, match="'copy_0' is there already"):
        again.add_influencers([new])
    with pytest.raises(UsageError, match="vectors that are not finite"):
        own = named(again, "other").own
        wrong = {part: rows * np.nan for part, rows in own.vectors.items()}
        again.add_influencers([Account(replace(own, vectors=wrong))])


def test_nothing_but_numpy_is_needed(bundle_folder: Path) -> None:
    code = (
        "import sys\nfor name in ('torch', 'recbole', 'ray', 'sklearn'): sys.modules[name] = None\n"
        "from recbole_mirec import Recommender\n"
        "made = Recommender.load(sys.argv[1])\n"
        "found = made.recommend('brand_01', 3, diversity=0.3)\n"
        "print(made.explain('brand_01', found.frame.influencer_id[0]).sentence())"
    )
    command = [sys.executable, "-c", code, str(bundle_folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "content" in done.stdout


def test_ids_that_are_pseudonyms_are_found_where_the_key_is(
    recommender: Recommender, tmp_path: Path
) -> None:
    path, key = tmp_path / "key", Pseudonyms(bytes(32))
    path.write_text("00" * 32)
    path.chmod(0o600)
    side = recommender.bundle.sides[BRAND]
    known = side.known.assign(account=[key.of(BRAND, x) for x in side.known["account"]])
    bundle = recommender.bundle.with_side(BRAND, replace(side, known=known))
    bundle = replace(bundle, about={**bundle.about, "pseudonyms": key.settings()})
    found = Recommender(bundle, key_file=path).account("@Brand_03").name
    assert found == key.of(BRAND, "brand_03")
    with pytest.raises(UsageError, match=r"Its ids are pseudonyms, and the key .*--key"):
        Recommender(bundle, key_file=tmp_path / "none").account("brand_03")


# --- briefs


def test_a_brief_is_cut_and_what_is_missing_is_said(recommender: Recommender) -> None:
    long = recommender.brief(f"{TEXT}. " * 100)
    assert long.notes[-1] == f"only the first {MOST_TEXT:,} characters of the brief were read"
    short = recommender.brief(TEXT)
    assert short.notes[0].startswith("not known of brief: ")
    assert "category" in short.notes[0]
    assert len(recommender.recommend(short, 5).frame) == 5
    with pytest.raises(UsageError, match=r"Nothing is known of 'brief' that the model reads \("):
        recommender.brief("qqq zzz xxx")


def test_a_brand_far_from_all_is_warned_of(recommender: Recommender) -> None:
    known = recommender.account(recommender.bundle.about["precedents"][0])
    near = {x: of[0] for x, (of, mask) in known.own.table.items() if mask[0]}
    assert not any("is far" in x for x in recommender.new_account(BRAND, "near", near).notes[1:])
    topics = known.own.table[schema.CONTENT_TOPICS][0][0] * 0
    topics[0] = 1.0
    vector = {schema.CONTENT_TOPICS: topics}
    fitted = recommender.fitted
    marks = fitted.arrays["landmarks brand"]
    far = {**fitted.arrays, "landmarks brand": marks + 5}
    fitted.arrays.clear()
    fitted.arrays.update(far)
    new = recommender.new_account(BRAND, "far", vector)
    assert any("far is far from every brand that the model has learnt from" in x for x in new.notes)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.ones(3), r"content_topics must be \d+ numbers\. Received: float64 of shape \(3,\)"),
        ("nan", r"content_topics must be shares or weights of at least 0\. Received: nan to nan"),
        (1e300, "Received: inf to inf"),
        (-0.5, "Received: -0.5 to -0.5"),
    ],
)
def test_wrong_vectors(recommender: Recommender, value: Any, message: str) -> None:
    width = recommender.bundle.sides[BRAND].table[schema.CONTENT_TOPICS][0].shape[1]
    vector = value if isinstance(value, np.ndarray) else np.full(width, float(value))
    with pytest.raises(UsageError, match=message):
        recommender.new_account(BRAND, "new", {schema.CONTENT_TOPICS: vector})


def test_vectors_need_no_extractors_but_words_do(recommender: Recommender) -> None:
    bundle: Bundle = replace(recommender.bundle, extractors=None)
    with pytest.raises(UsageError, match="has no extractors, so texts and posts cannot be"):
        Recommender(bundle).brief(TEXT)


_ODD = st.text(st.characters() | st.sampled_from("=+-@<&>\x00\x1b\u202e\ud800🎗\r\n")) | st.text(
    string.printable
)
_WORDS = st.lists(st.sampled_from(TEXT.split()) | _ODD, max_size=30).map(" ".join)


def fuzz(n_examples: int) -> Callable[..., Any]:
    suppress = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
    return settings(max_examples=n_examples, suppress_health_check=suppress)


def answered(recommender: Recommender, text: str, values: dict[str, Any]) -> None:
    """A brief and an account get a list, or one sentence."""
    for make in (
        lambda: recommender.brief(text),
        lambda: recommender.new_account(BRAND, text, values, {"category": text}),
    ):
        try:
            found = recommender.recommend(make(), 3)
        except UsageError as error:
            assert len(str(error).splitlines()) == 1, error
            continue
        assert np.isfinite(found.frame["score"]).all()
        why = recommender.explain(found.brand, names(found)[0])
        assert sum(x.value for x in why.reasons) == pytest.approx(why.score, abs=1e-6, rel=1e-6)


_NUMBERS = st.lists(st.floats(width=32), min_size=1, max_size=10).map(np.array)
_VALUES = st.dictionaries(
    st.sampled_from(sorted(schema.MODALITIES)),
    st.none() | _NUMBERS | st.lists(_ODD, max_size=3),
    max_size=4,
)


@fuzz(30)
@given(text=_WORDS, values=_VALUES)
def test_fuzzed_briefs_and_accounts(
    recommender: Recommender, text: str, values: dict[str, Any]
) -> None:
    answered(recommender, text, values)


@pytest.mark.slow
@fuzz(1000)
@given(text=_WORDS, values=_VALUES)
def test_many_fuzzed_briefs_and_accounts(
    recommender: Recommender, text: str, values: dict[str, Any]
) -> None:
    answered(recommender, text, values)
