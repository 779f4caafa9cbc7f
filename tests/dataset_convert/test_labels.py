"""Visual semantics: equations (4) to (6) by hand, against a double loop, and by their laws."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from little_material import material

from dataset_convert import schema
from dataset_convert.atomic import parse_table
from dataset_convert.features.labels import LabelExtractor, label_token, token_label
from dataset_convert.problems import ConversionError
from dataset_convert.raw import Post


def post(account: str, member: str = "", **labels: float) -> Post:
    named = {name.replace("scene_", "scene:"): score for name, score in labels.items()}
    return Post(account, "", member=member, labels=named)


POSTS = [
    post("ann", cup=0.5, plate=0.05, scene_bar=0.3),
    post("bob", hat=0.9),
    post("ann", cup=0.25, plate=0.1, scene_bar=0.2, scene_sea=0.1),
    post("ann"),
    post("ann", dog=0.15, cup=0.099),
    post("cleo", hat=0.4, dog=0.9, scene_sea=0.8),
    post("dan", hat=0.05),
    post("eve", lamp=0.7),
]


def fitted(**settings: float) -> LabelExtractor:
    extractor = LabelExtractor("content_visual", **settings)
    extractor.fit_transform(material(POSTS), ["ann", "bob"])
    return extractor


def test_the_sums_of_an_account_worked_by_hand() -> None:
    found = fitted().transform(material(POSTS))
    # Objects: cup .5 + .25 (.099 is below .1), plate .1, dog .15; scenes: bar .5, sea .1.
    assert found["ann"] == {
        "cup": pytest.approx(0.75),
        "dog": pytest.approx(0.15),
        "plate": pytest.approx(0.1),
        "scene:bar": pytest.approx(0.5 / 0.6),
        "scene:sea": pytest.approx(0.1 / 0.6),
    }
    assert list(found["ann"]) == ["cup", "dog", "plate", "scene:bar", "scene:sea"]


def test_accounts_outside_training_have_only_the_labels_of_training() -> None:
    extractor = fitted()
    assert extractor.dimensions() == ["cup", "dog", "hat", "plate", "scene:bar", "scene:sea"]
    found = extractor.transform(material(POSTS))
    assert found["cleo"] == {
        "dog": pytest.approx(0.9 / 1.3),
        "hat": pytest.approx(0.4 / 1.3),
        "scene:sea": 1.0,
    }
    # Dan shows nothing above the threshold and Eve nothing that is known: absent, never zeros.
    assert set(found) == {"ann", "bob", "cleo"}


def test_a_missing_block_is_absent_and_the_other_one_sums_to_one() -> None:
    assert fitted().transform(material(POSTS))["bob"] == {"hat": 1.0}


def test_each_block_has_its_threshold_and_the_threshold_itself_counts() -> None:
    found = fitted(object_threshold=0.5, scene_threshold=0.3).transform(material(POSTS))
    assert found["ann"] == {"cup": 1.0, "scene:bar": 1.0}


def test_a_score_of_zero_is_not_seen_even_without_threshold() -> None:
    extractor = LabelExtractor("content_visual", object_threshold=0)
    extractor.fit_transform(material([post("ann", cup=0.0, hat=1e-300)]), ["ann"])
    assert extractor.dimensions() == ["hat"]


def test_audiences_are_read_from_their_own_posts_and_need_enough_members() -> None:
    audience = [
        post("ann", member="x", cup=0.4),
        post("ann", member="x", cup=0.2, hat=0.2),
        post("bob", member="x", cup=0.3),
        post("bob", member="y", hat=0.1),
        # A third member, who shows nothing that is known, does not make the audience larger.
        post("bob", member="z", cup=0.01),
    ]
    whole = material([post("ann", sofa=1)], audience)
    for min_members, wanted in ((1, {"ann", "bob"}), (2, {"bob"}), (3, set())):
        extractor = LabelExtractor("audience_visual", min_members=min_members)
        extractor.fit_transform(whole, ["ann"])
        assert extractor.modality == schema.AUDIENCE_VISUAL
        assert set(extractor.transform(whole)) == wanted
        assert extractor.report()["min_members"] == min_members
    assert extractor.dimensions() == ["cup", "hat"]


def test_content_does_not_count_members() -> None:
    extractor = LabelExtractor("content_visual", min_members=7)
    extractor.fit_transform(material(POSTS), ["ann"])
    assert extractor.modality == schema.CONTENT_VISUAL
    assert "ann" in extractor.transform(material(POSTS))


def test_the_report_counts_what_was_learnt_from() -> None:
    assert fitted().report() == {
        "of": "content",
        "thresholds": {"object": 0.1, "scene": 0.1},
        "min_members": None,
        "training_accounts": 2,
        "training_accounts_with_labels": 2,
        "training_posts": 5,
        "training_posts_with_labels": 4,
        "labels": {"object": 4, "scene": 2},
        "labels_left_out_as_names": 0,
        "most_frequent_labels": {
            "object": [["cup", 2], ["dog", 1], ["hat", 1], ["plate", 1]],
            "scene": [["scene:bar", 2], ["scene:sea", 1]],
        },
    }


LABELS = ("a", "b", "c", "scene:a", "scene:d")
SCORES = st.integers(0, 100).map(lambda hundredths: hundredths / 100)
POST = st.builds(
    Post,
    st.sampled_from("xyz"),
    st.just(""),
    labels=st.dictionaries(st.sampled_from(LABELS), SCORES),
)


def double_loop(posts: Sequence[Post], account: str, known: set[str]) -> Mapping[str, float]:
    weights: dict[str, float] = {}
    for block in (False, True):
        sums = {}
        for label in LABELS:
            if label.startswith("scene:") != block or label not in known:
                continue
            score = 0.0
            for one in posts:
                if one.account == account and one.labels.get(label, 0) >= 0.1:
                    score += one.labels[label]
            if score:
                sums[label] = score
        weights |= {label: score / sum(sums.values()) for label, score in sums.items()}
    return weights


@given(st.lists(POST, max_size=13))
def test_any_posts_give_what_a_double_loop_gives(posts: list[Post]) -> None:
    known = {
        label
        for one in posts
        if one.account in "xy"
        for label, score in one.labels.items()
        if score >= 0.1
    }
    extractor = LabelExtractor("content_visual")
    if not known:
        with pytest.raises(ConversionError, match=r"none of the .* posts"):
            extractor.fit_transform(material(posts), "xy")
        return
    extractor.fit_transform(material(posts), "xy")
    found = extractor.transform(material(posts))
    wanted = {account: double_loop(posts, account, known) for account in "xyz"}
    assert found == {
        account: pytest.approx(weights) for account, weights in wanted.items() if weights
    }
    for weights in found.values():
        for is_scene in (False, True):
            block = [w for label, w in weights.items() if label.startswith("scene:") == is_scene]
            assert not block or sum(block) == pytest.approx(1)


@given(st.lists(POST, min_size=1, max_size=13), st.randoms(use_true_random=False))
def test_the_order_of_posts_says_nothing(posts: list[Post], random: object) -> None:
    posts = [replace(posts[0], account="x", labels={"a": 0.5}), *posts]
    shuffled = list(posts)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    first, second = LabelExtractor("content_visual"), LabelExtractor("content_visual")
    first.fit_transform(material(posts), "xy")
    second.fit_transform(material(shuffled), "xy")
    assert first.dimensions() == second.dimensions()
    assert second.transform(material(shuffled)) == {
        account: pytest.approx(weights)
        for account, weights in first.transform(material(posts)).items()
    }


@given(st.text(st.characters(exclude_categories=()), min_size=1))
def test_any_label_becomes_one_token_and_comes_back(label: str) -> None:
    token = label_token(label)
    assert token_label(token) == label
    assert not any(c.isspace() or c in '"' + schema.FORBIDDEN_IN_TOKENS for c in token)
    assert token.encode()


@pytest.mark.parametrize(
    ("label", "token"),
    [
        ("running shoe", "running+shoe"),
        ("scene:apartment_building/outdoor", "scene:apartment_building%2Foutdoor"),
        ("tench, Tinca tinca", "tench%2C+Tinca+tinca"),
        ("50%+", "50%25%2B"),
        ("café\tβ", "café%09β"),
    ],
)
def test_tokens_are_readable(label: str, token: str) -> None:
    assert label_token(label) == token


def test_tokens_pass_the_reader_of_atomic_files(tmp_path: Path) -> None:
    labels = ["running shoe", "a,b", "x|y/z;", '"', "β%"]
    field = "brand_content_visual_labels"
    rows = " ".join(map(label_token, labels))
    (tmp_path / "t.user").write_text(f"brand_id:token\t{field}:token_seq\nb1\t{rows}\n")
    table = parse_table(tmp_path / "t.user", schema.account_types("brand"), ["brand_id"])
    assert list(map(token_label, table.frame[field][0])) == labels


def test_nothing_to_learn_from_is_refused() -> None:
    with pytest.raises(ConversionError, match=r"content_visual: none of the 1 posts .* 0\.1 \(obj"):
        LabelExtractor("content_visual").fit_transform(material(POSTS), ["dan", "nobody"])


def test_an_empty_label_is_refused() -> None:
    with pytest.raises(ConversionError, match="label of a post is empty"):
        LabelExtractor("content_visual").fit_transform(
            material([Post("ann", "", labels={"": 1})]), ["ann"]
        )


SEEN = st.tuples(
    st.sampled_from("xy"),
    st.sampled_from("abcd"),
    st.dictionaries(st.sampled_from("pqr"), st.integers(1, 9).map(float), max_size=3),
)
