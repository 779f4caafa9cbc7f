"""Names of accounts and of audiences' members are no words: not in topics, labels or reports."""

import json
import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tiny_models
from PIL import Image

from dataset_convert import raw
from dataset_convert.__main__ import main
from dataset_convert.features.attributes import AttributeExtractor
from dataset_convert.features.labels import LabelExtractor
from dataset_convert.features.lexicon import Concept, Lexicon, load_sensitive
from dataset_convert.features.pictures import ImageLabelExtractor
from dataset_convert.features.topics import TopicExtractor
from dataset_convert.name_checks import AccountNames, MemberNames, find_names, phrases
from dataset_convert.problems import ConversionError
from dataset_convert.raw import Post, RawMaterial

THEMES = (["coffee", "roast", "latte", "beans"], ["sneaker", "laces", "trail", "marathon"])
TRAINING = [f"acc{i}" for i in range(11)]
TOPICS: dict[str, Any] = {
    "n_topics": 2,
    "max_iter": 5,
    "min_members": 2,
    "vocabulary": {"min_share": 0, "max_share": 1},
}


def accounts(ids: Sequence[str], names: Sequence[str | None] = ()) -> pd.DataFrame:
    table = pd.DataFrame(columns=list(raw.ACCOUNT_COLUMNS), dtype=object)
    table[raw.ACCOUNT] = list(ids)
    table[raw.ROLE] = "influencer"
    table[raw.NAME] = [*names, *[None] * (len(ids) - len(names))]
    return table


def material(
    ids: Sequence[str], posts: Sequence[Post] = (), audience: Sequence[Post] = ()
) -> RawMaterial:
    return RawMaterial(
        accounts=accounts(ids),
        collaborations=pd.DataFrame(),
        posts=lambda: iter(posts),
        audience_posts=lambda: iter(audience),
        brand_parts={},
        influencer_category_is_profile=True,
        vectors={},
        fingerprints={},
        synthetic=True,
    )


def captions(more: str = "", members: Sequence[str] = ("mo", "lu")) -> list[Post]:
    """Every training account speaks of one of two themes, each post with some words more."""
    draw = np.random.default_rng(3)
    return [
        Post(account, f"{' '.join(draw.choice(THEMES[i % 2], 5))} {more}", member=member)
        for i, account in enumerate(TRAINING)
        for member in members
    ]


# --- account names ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "influ3xx",
        "#Influ3XX",
        "influ.3_xx",
        "the influ3xx logo",
        "allstreetwear",
        "all street wear",
        "bmw",
        "BMW",
        "vw",
        "\uff22\uff2d\uff37",
        "élodie",
        "E\u0301lodie",
        "İstanbulshop",
        "4711",
        "no 4711",
    ],
)
def test_a_name_is_a_name_however_it_is_written(text: str) -> None:
    ids = ["influ.3.xx", "all.street.wear", "bmw", "v_w", "istanbul.shop", "4711"]
    assert text in AccountNames(accounts(ids, ["ÉLODIE"]))


@pytest.mark.parametrize(
    "text", ["influ3", "xx", "influ3xxl", "mybmw", "my bmw", "street wear", "4711", "12", "", "☕"]
)
def test_what_is_part_of_a_word_or_a_short_part_of_a_text_is_no_name(text: str) -> None:
    names = AccountNames(accounts(["influ.3.xx", "bmw", "all.street.wear", "47.11", "12", "☕"]))
    assert text not in names
    assert 12 not in names


def test_looking_names_up_takes_no_longer_for_more_of_them() -> None:
    names = AccountNames(accounts([f"all.street.{i}" for i in range(20_000)]))
    started = time.process_time()
    assert all(f"allstreet{i}" in names for i in range(20_000))
    assert not any(f"street{i}" in names for i in range(20_000))
    assert time.process_time() - started < 2


def test_files_are_searched_in_one_pass_over_their_words(tmp_path: Path) -> None:
    (tmp_path / "report.html").write_text("all street " * 100_000)
    (tmp_path / "topics.json").write_text(json.dumps([f"street {i} all" for i in range(30_000)]))
    started = time.process_time()
    assert list(find_names(tmp_path, [f"all.street.{i}" for i in range(20_000)])) == []
    assert time.process_time() - started < 5


def test_the_runs_of_words_of_a_text() -> None:
    assert list(phrases("Acoustic-guitar")) == ["acoustic", "acoustic guitar", "guitar"]
    assert list(phrases("a b c", n_words=2)) == ["a b", "a b c", "b c"]


# --- members ---------------------------------------------------------------------------------


def test_the_words_that_are_members_names() -> None:
    posts = [Post("a", "x", member=name) for name in ("tea.fan", "tea.fan", "l_u", "", "☕")]
    names = MemberNames(["teafan", "fan", "lu", "mo", "☕", "tea"])
    assert "teafan" not in names
    assert list(names.watch(posts)) == posts
    assert [word for word in ("teafan", "fan", "lu", "mo", "☕", "tea") if word in names] == [
        "teafan",
        "lu",
    ]


# --- topics ----------------------------------------------------------------------------------


def saved_words(extractor: TopicExtractor, folder: Path) -> list[str]:
    extractor.save(folder)
    return list(json.loads((folder / "topics.json").read_text())["fitted"]["words"])


@pytest.mark.parametrize("name", ["influ.3.xx", "bmw", "all.streetwear"])
def test_no_name_is_a_topic_word_even_of_an_account_that_teaches_nothing(
    tmp_path: Path, name: str
) -> None:
    tag = name.replace(".", "")
    extractor = TopicExtractor("content_topics", **TOPICS)
    extractor.fit(material([*TRAINING, name], captions(f"#{tag} cozy")), TRAINING)
    assert "cozy" in saved_words(extractor, tmp_path / "named")
    assert tag not in (tmp_path / "named" / "topics.json").read_text()
    # The name is all that a fit takes from an account that is not among the training accounts.
    without = TopicExtractor("content_topics", **TOPICS)
    without.fit(material(TRAINING, captions("cozy")), TRAINING)
    assert without.dimensions() == extractor.dimensions()
    unnamed = TopicExtractor("content_topics", **TOPICS)
    unnamed.fit(material(TRAINING, captions(f"#{tag} cozy")), TRAINING)
    assert tag in saved_words(unnamed, tmp_path / "unnamed")


def test_no_member_of_an_audience_is_a_topic_word_of_audiences(tmp_path: Path) -> None:
    n_read = 0
    posts = captions("#teafan77 cozy", ("mo", "tea.fan_77"))

    def stream() -> Iterator[Post]:
        nonlocal n_read
        n_read += 1
        return iter(posts)

    heard = replace(material(TRAINING), audience_posts=stream)
    extractor = TopicExtractor("audience_topics", **TOPICS)
    extractor.fit(heard, TRAINING)
    values = extractor.transform(heard)
    assert n_read == 3  # for the words, for the members' names, and to describe
    assert "cozy" in saved_words(extractor, tmp_path)
    assert "teafan77" not in (tmp_path / "topics.json").read_text()
    clean = material(TRAINING, audience=captions("cozy"))
    other = TopicExtractor("audience_topics", **TOPICS)
    other.fit(clean, TRAINING)
    for account, topics in other.transform(clean).items():
        np.testing.assert_array_equal(values[account], topics)
    # The same extractor, loaded, says the same of the same posts.
    again = TopicExtractor.load(tmp_path).transform(heard)
    np.testing.assert_array_equal(list(again.values()), list(values.values()))


def test_what_accounts_say_themselves_is_not_held_against_their_audience() -> None:
    posts = captions("#teafan77")
    extractor = TopicExtractor("content_topics", **TOPICS)
    silent = replace(material(TRAINING, posts), audience_posts=lambda: pytest.fail("is not read"))
    extractor.fit(silent, TRAINING)
    assert "teafan77" in json.dumps(extractor.report())


def test_a_topics_words_that_look_like_a_name_together() -> None:
    extractor = TopicExtractor("content_topics", **TOPICS)
    extractor.fit(material(TRAINING, captions()), TRAINING)
    own = extractor.own_words()
    first, second, third = (word for word, _ in extractor.report()["topics"][0]["words"][:3])
    assert {f"{first} {second}", f"{second} {third}", f"{first} {second} {third}"} <= own
    assert first not in own


# --- labels ----------------------------------------------------------------------------------


def labelled(account: str, *labels: str, member: str = "") -> Post:
    return Post(account, "", member=member, labels=dict.fromkeys(labels, 0.5))


def fitted(posts: Sequence[Post], training: Collection[str], of: str) -> LabelExtractor:
    extractor = LabelExtractor(f"{of}_visual")
    whole = material(["acc0", "acc1", "brand.name4", "bmw"], posts, posts)
    extractor.fit_transform(whole, training)
    return extractor


def test_a_label_that_is_an_account_is_left_out_and_counted(tmp_path: Path) -> None:
    posts = [
        labelled("acc0", "brandname4", "cup", "scene:bmw"),
        labelled("acc0", "brandname4-logo"),
        labelled("acc1", "cup", "BMW"),
    ]
    extractor = fitted(posts, ["acc0"], "content")
    assert extractor.dimensions() == ["cup"]
    assert extractor.transform(material([], posts)) == {"acc0": {"cup": 1}, "acc1": {"cup": 1}}
    report = extractor.report()
    # Three of the training account's; what the other one shows is not counted.
    assert report["labels_left_out_as_names"] == 3
    assert report["training_posts_with_labels"] == 1
    assert report["most_frequent_labels"] == {"object": [["cup", 1]], "scene": []}
    extractor.save(tmp_path)
    assert "brandname4" not in (tmp_path / "labels.json").read_text().casefold()


def test_a_label_that_is_a_member_is_left_out_of_audiences_alone() -> None:
    posts = [
        labelled("acc0", "cup", "teafan77", member="mo"),
        labelled("acc0", "scene:teafan77", member="Tea.Fan_77"),
        labelled("acc1", "teafan77", member="lu"),
    ]
    extractor = fitted(posts, ["acc0"], "audience")
    assert extractor.dimensions() == ["cup"]
    assert set(extractor.transform(material([], audience=posts))) == {"acc0"}
    assert extractor.report()["labels_left_out_as_names"] == 2
    assert extractor.report()["training_posts_with_labels"] == 1
    assert fitted(posts, ["acc0"], "content").dimensions() == ["cup", "teafan77", "scene:teafan77"]


def test_a_dropped_label_makes_no_audience_larger() -> None:
    posts = [
        labelled("acc0", "cup", member="mo"),
        labelled("acc0", "bmw", "teafan77", member="lu"),
        labelled("acc1", "cup", member="mo"),
        labelled("acc1", "cup", member="teafan77"),
    ]
    whole = material(["acc0", "acc1", "bmw"], audience=posts)
    extractor = LabelExtractor("audience_visual", min_members=2)
    extractor.fit_transform(whole, ["acc0", "acc1"])
    assert set(extractor.transform(whole)) == {"acc1"}


def test_labels_of_images_stay_and_those_of_tables_beside_them_do_not(tmp_path: Path) -> None:
    tiny_models.colour_model(tmp_path / "o.onnx", np.diag([3.0, 3.0, 3.0]))
    tiny_models.labels(tmp_path / "o.txt", ["bmw", "acoustic guitar", "cup"])
    Image.new("RGB", (11, 13), (255, 0, 0)).save(tmp_path / "red.png")
    posts = [
        Post("acc0", "", member="mo", image=tmp_path / "red.png"),
        labelled("acc0", "brandname4", "hat", "teafan77", member="lu"),
        labelled("acc0", "hat", member="tea.fan_77"),
    ]
    whole = material(["acc0", "bmw", "brand.name4"], audience=posts)
    objects = {"model": str(tmp_path / "o.onnx"), "labels": str(tmp_path / "o.txt")}
    extractor = ImageLabelExtractor(
        "audience_visual", objects=objects, object_threshold=0.4, min_members=3
    )
    extractor.fit_transform(whole, ["acc0"])
    assert extractor.dimensions() == ["bmw", "hat"]
    assert set(extractor.transform(whole)) == {"acc0"}
    assert extractor.report()["labels_left_out_as_names"] == 2
    assert extractor.report()["images"] == {"used": 1, "skipped": {}}
    own = extractor.own_words()
    assert own == {"bmw", "acoustic", "guitar", "acoustic guitar", "cup"}
    extractor.save(tmp_path)
    assert ImageLabelExtractor.load(tmp_path).own_words() == own


def test_nothing_but_names_is_told() -> None:
    with pytest.raises(ConversionError, match=r"none of the 1 posts .* or more that is no name"):
        fitted([labelled("acc0", "bmw")], ["acc0"], "content")


# --- attributes ------------------------------------------------------------------------------


def test_no_name_run_together_is_an_uncovered_word() -> None:
    ids = ["all.street.wear", "bmw", *TRAINING]
    source = material(ids)
    source.accounts[raw.BIOGRAPHY] = "guitar of #allstreetwear or bmw, cozy"
    words = ("acoustic guitar", "guitar")
    lexicon = Lexicon({"acoustic-guitar": Concept((), words, (), ())}, load_sensitive(), 0)
    extractor = AttributeExtractor("attributes", minimum_accounts=1)
    extractor._lexicon = lexicon
    extractor.fit_transform(source, ids)
    assert extractor.report()["uncovered_words"] == {"cozy": 13}
    assert extractor.own_words() == {"acoustic", "guitar", "acoustic guitar"}


# --- the whole conversion --------------------------------------------------------------------


def test_no_name_reaches_any_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    draw = np.random.default_rng(5)
    brands = [f"label.house.{i}" for i in range(9)] + ["zqw"]
    influencers = [f"qreator.{i}.xx" for i in range(20)]
    ids = [*brands, *influencers]
    members = [f"fan.{i}.yy" for i in range(3)]
    (tmp_path / "raw").mkdir()

    def write(table: str, rows: list[dict[str, object]]) -> None:
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        (tmp_path / "raw" / f"{table}.jsonl").write_text(lines)

    write(
        "accounts",
        [
            {"id": one, "role": "brand" if one in brands else "influencer", "category": "food"}
            for one in ids
        ],
    )
    posts: list[dict[str, object]] = [
        {
            "account": one,
            "text": f"{' '.join(draw.choice(THEMES[i % 2], 5))} #qreator3xx zqw #fan1yy",
            "labels": {"cup": 0.5, "labelhouse4": 0.9, "scene:zqw": 0.9, "fan2yy": 0.9},
        }
        for i, one in enumerate(ids)
    ]
    write("audience", [{**post, "member": member} for post in posts for member in members])
    for post in posts:
        post["text"] = str(post["text"]).replace("#fan1yy", "")
        post["labels"] = {"cup": 0.5, "labelhouse4": 0.9, "scene:zqw": 0.9}
    write("posts", posts)
    write(
        "collaborations",
        [
            {"brand": brand, "influencer": influencers[i + j]}
            for i, brand in enumerate(brands)
            for j in range(3)
        ],
    )
    topics = "{n_topics: 2, min_members: 2, vocabulary: {max_share: 1}}"
    (tmp_path / "convert.yaml").write_text(
        f"features: {{content_topics: {topics}, audience_topics: {topics}, "
        "audience_visual: {min_members: 2}, attributes: ~}\nkey_file: key\nn_jobs: 1\n"
    )
    known = ["--source", "tables", "--input", "raw", "--name", "own", "--config", "convert.yaml"]
    assert main(known) == 0
    files = [path for path in (tmp_path / "dataset" / "own").rglob("*") if path.is_file()]
    assert {"labels.json", "topics.json", "report.html", "own.item"} <= {one.name for one in files}
    for path in files:
        content = path.read_bytes()
        for word in (b"qreator", b"zqw", b"labelhouse", b"fan1yy", b"fan2yy"):
            assert word not in content.lower(), path
