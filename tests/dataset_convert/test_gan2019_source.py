"""A miniature release with all its peculiarities, and everything that can be wrong with one."""

import shutil
import tempfile
import tracemalloc
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import openpyxl
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from written_release import write_release, write_workbook, write_xls

from dataset_convert import raw
from dataset_convert.problems import ConversionError, Problems
from dataset_convert.raw import MAX_TEXT, Post, RawMaterial
from dataset_convert.sources import find_source, gan2019, source_names
from dataset_convert.sources.gan2019 import CATEGORY_NAMES, unescaped
from dataset_convert.sources.gan2019_rows import keyed_hash

Rows = Iterable[Sequence[Any]]

PAIRS = [
    ("9gag", "ann", 0.5, 1, 1),
    ("9gag", "Bob.B", 0.25, 2, 2),
    ("All.Streetwear", "cleo", None, 3, 1),
    ("All.Streetwear", "ann", 0.125, 1, 2),
    ("nikon", "dan", 0.75, 4, 1),
]
CATEGORIES = [("9gag", "entertainment"), ("All.Streetwear", "clothing"), ("NIKON", "electronics")]
POST_HEADER = ("path1", "path2", "text", "timestamp", "#comments", "#likes")
BRAND_POSTS = [
    ("9GAG", 1, "_0.jpg", "funny 🍞\nday", 1500000000, 3, 11),
    ("9gag", 2, "_0.jpg", "=not a formula", 1500000001, 0, 0),
    ("NIKON", 1, "_0.jpg", None, datetime(2017, 7, 14, 2, 40), None, 5),
]
INFLUENCER_POSTS = [
    ("9gag", "ANN", 1, "_0.jpg", "hello", 1500000100, 1, 2),
    ("9gag", "bob.b", 1, "_1.jpg", "by bob", "2017-07-14T02:40:00+00:00", 1, 2),
    # Ann again, as a partner of another brand.
    ("all.streetwear", "ann", 1, "_0.jpg", "hello", 1500000100, 1, 2),
    ("all.streetwear", "cleo", None, None, "no image", None, None, None),
]
AUDIENCE = [
    ("ann", "fan1", 1, "_0.jpg", "wow", 1500000200),
    ("ANN", "fan2", 1, "_0.jpg", "nice", 1500000201),
    ("nikon", "fan1", None, None, "sharp", None),
]


def picture(path: Path, mode: str = "RGB") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, (7, 5)).save(path)


@pytest.fixture
def release(tmp_path: Path) -> Path:
    folder = tmp_path / "release"
    folder.mkdir()
    write_xls(folder / "pre_dataset.xls", PAIRS)
    train = [PAIRS[0], PAIRS[1], ("all.streetwear", "cleo", 0.375, 3, 1)]
    write_workbook(folder / "pre_dataset_train.xlsx", train)
    write_workbook(folder / "pre_dataset_test.xlsx", PAIRS[2:])
    write_workbook(folder / "brand_categories.xlsx", CATEGORIES, ("Brand", "category"))
    morning = [("nikon", "dan", 1), ("nikon", "ann", 0)]
    write_workbook(folder / "testset_r.xlsx", morning + morning[:1])
    gan = [("NIKON", "dan", 1), ("nikon", "cleo", 0), ("all.streetwear", "ann", 1)]
    write_workbook(folder / "test_set.xlsx", gan)
    write_workbook(
        folder / "brand_biography.xlsx",
        [("9GAG", r"Fun\nsince \u2764 \ud83d\ude00"), ("nikon", r"half \ud83d, all \U0001f600")],
        ("Brand", "biography"),
    )
    write_workbook(
        folder / "influencer_biography.xlsx",
        [
            ("9gag", "ANN", "I run", 5000),
            ("9gag", "bob.b", None, 6000),
            ("all.streetwear", "Ann", "I run", 5000),
            ("all.streetwear", "cleo", "first", 7000),
            ("nikon", "cleo", "second", 7100),
            ("nikon", "Cleo", "third", 7100),
        ],
    )
    write_posts(folder / "entertainment_post_v1.xlsx", BRAND_POSTS, ("Brand", *POST_HEADER))
    header = ("Brand", "Micro-influencer", *POST_HEADER)
    write_posts(folder / "clothing_in_post_v1.xlsx", INFLUENCER_POSTS, header)
    audience_header = ("account", "member", *POST_HEADER[:4])
    write_posts(folder / "audience_posts.xlsx", AUDIENCE, audience_header)
    picture(folder / "9gag/1/_0.jpg")
    picture(folder / "Nikon/1/_0.jpg", "L")
    picture(folder / "9gag/ann/1/_0.jpg")
    picture(folder / "audience/Ann/fan2/1/_0.jpg")
    return folder


def write_posts(path: Path, rows: Rows, header: Sequence[str] | None = None) -> None:
    written = openpyxl.Workbook()
    for row in [*([header] if header else []), *rows]:
        written.active.append(row)
    for cell in (cell for row in written.active.iter_rows() for cell in row):
        # openpyxl takes for a formula what a person would type with an apostrophe.
        cell.data_type = "s" if cell.data_type == "f" else cell.data_type
    written.save(path)


def read(folder: Path, **options: Any) -> tuple[RawMaterial, Problems]:
    problems = Problems()
    return gan2019.read(folder, options, problems), problems


def refusal(folder: Path, **options: Any) -> str:
    with pytest.raises(ConversionError) as caught:
        read(folder, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def rows_of(frame: pd.DataFrame) -> list[list[Any]]:
    return [[None if cell != cell else cell for cell in row] for row in frame.to_numpy().tolist()]


def test_it_is_a_source() -> None:
    assert "gan2019" in source_names()
    assert find_source("gan2019") is gan2019


def test_accounts_pairs_and_the_morning_split(release: Path) -> None:
    material, problems = read(release)
    assert rows_of(material.accounts) == [
        ["9gag", "brand", "", "Fun\nsince ❤ 😀", "entertainment", None],
        ["All.Streetwear", "brand", "", "", "clothing", None],
        ["nikon", "brand", "", "half ?, all 😀", "electronics", None],
        ["ann", "influencer", "", "I run", "entertainment", 5000],
        ["Bob.B", "influencer", "", "", "entertainment", 6000],
        ["cleo", "influencer", "", "first", "clothing", 7000],
        ["dan", "influencer", "", "", "electronics", None],
    ]
    assert rows_of(material.collaborations) == [
        ["9gag", "ann", 0.5, None],
        ["9gag", "Bob.B", 0.25, None],
        # pre_dataset.xls tells no competence of this pair, pre_dataset_train.xlsx does.
        ["All.Streetwear", "cleo", 0.375, None],
        ["All.Streetwear", "ann", 0.125, None],
        ["nikon", "dan", 0.75, None],
    ]
    assert material.brand_parts == {"9gag": "train", "All.Streetwear": "train", "nikon": "test"}
    assert not material.influencer_category_is_profile
    assert not material.synthetic
    assert set(material.fingerprints) == {
        *(raw.ACCOUNTS, raw.COLLABORATIONS, raw.POSTS, raw.AUDIENCE, raw.SPLITS)
    }
    assert problems.n_skipped == 0
    told = problems.lines(50)
    for line in (
        # Two rows contradict the first one of cleo: told once.
        "influencer_biography.xlsx, sheet 'Sheet', row 5, column 'influencer': found 'cleo'; "
        "wanted the same content in every row of an account: the first row stays",
        "influencer_biography.xlsx, sheet 'Sheet', row 3, column 'influencer': found 'Ann'; "
        "wanted one spelling of a name in a file: letter case makes no other account",
        "testset_r.xlsx, sheet 'Sheet', row 3: found '1 repeated rows from here on'; wanted every "
        "row once",
        "testset_r.xlsx, column 'brand': found 'All.Streetwear'; wanted every brand in training or "
        "in test: the test list decides",
        "clothing_in_post_v1.xlsx, sheet 'Sheet', row 4, column 'text': found '1 repeated rows "
        "from here on'; wanted every post once: repeated rows were merged",
    ):
        assert told.count(line) == 1, told
    assert sum("influencer_biography.xlsx" in line and "same content" in line for line in told) == 1


def test_the_older_split_keeps_a_brand_of_both_halves_for_the_test(release: Path) -> None:
    material, problems = read(release, split="gan2019")
    assert material.brand_parts == {"9gag": "train", "All.Streetwear": "test", "nikon": "test"}
    told = problems.lines(50)
    assert any("test_set.xlsx, column 'brand': found 'All.Streetwear'" in line for line in told)
    assert (
        "test_set.xlsx, column 'label': found '1 other pairs of its brands'; "
        "wanted every pair of a test brand as a positive row: the pairs stay"
    ) in told
    assert read(release, split="none")[0].brand_parts == {}


def test_posts_and_their_images(release: Path) -> None:
    material, problems = read(release)
    posts = list(material.posts())
    assert posts == [
        Post(
            "9gag",
            "funny 🍞\nday",
            timestamp=1500000000,
            n_comments=3,
            n_likes=11,
            image=release / "9gag/1/_0.jpg",
        ),
        Post("9gag", "=not a formula", timestamp=1500000001, n_comments=0, n_likes=0),
        Post("nikon", "", timestamp=1500000000, n_likes=5, image=release / "Nikon/1/_0.jpg"),
        Post(
            "ann",
            "hello",
            timestamp=1500000100,
            n_comments=1,
            n_likes=2,
            image=release / "9gag/ann/1/_0.jpg",
        ),
        Post("Bob.B", "by bob", timestamp=1500000000, n_comments=1, n_likes=2),
        Post("cleo", "no image"),
    ]
    assert list(material.audience_posts()) == [
        Post("ann", "wow", member="fan1", timestamp=1500000200),
        Post(
            "ann",
            "nice",
            member="fan2",
            timestamp=1500000201,
            image=release / "audience/Ann/fan2/1/_0.jpg",
        ),
        Post("nikon", "sharp", member="fan1"),
    ]
    assert (material.n_posts, material.n_audience_posts) == (6, 3)
    missing = [line for line in problems.lines(50) if "missing images" in line]
    wanted = (
        "column 'path2': found '1 missing images from here on'; wanted an image where path1 and "
        "path2 say; the posts stay, without image"
    )
    assert missing == [
        f"entertainment_post_v1.xlsx, sheet 'Sheet', row 3, {wanted}",
        f"clothing_in_post_v1.xlsx, sheet 'Sheet', row 3, {wanted}",
        f"audience_posts.xlsx, sheet 'Sheet', row 2, {wanted}",
    ]


def test_streams_can_be_read_in_turns_and_after_the_files_are_gone(release: Path) -> None:
    material, _ = read(release)
    expected = list(material.posts())
    shutil.rmtree(release)
    one, other = material.posts(), material.posts()
    in_turns = [(next(one), next(other)) for _ in expected]
    assert in_turns == [(post, post) for post in expected]
    assert next(one, None) is None
    assert len(list(material.audience_posts())) == 3


def test_other_names_and_folders(release: Path) -> None:
    expected, _ = read(release)
    (release / "old").mkdir()
    (release / "pre_dataset.xls").rename(release / "old/truth.xls")
    (release / "entertainment_post_v1.xlsx").rename(release / "a.xlsx")
    (release / "images").mkdir()
    for name in ("9gag", "Nikon"):
        (release / name).rename(release / "images" / name)
    found, _ = read(
        release,
        files={"pairs": "old/truth.xls", "brand_posts": ["a.xlsx"]},
        images={"brand_posts": "images", "influencer_posts": "images"},
        synthetic=True,
    )
    assert found.synthetic
    assert rows_of(found.accounts) == rows_of(expected.accounts)
    images = [post.image for post in found.posts()]
    assert images[0] == release / "images/9gag/1/_0.jpg"
    assert [image is None for image in images] == [p.image is None for p in expected.posts()]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"file": {}}, "Option 'source': Unknown key 'file'. Did you mean 'files'?"),
        ({"files": {"brand_post": "a"}}, "Received: 'brand_post'. Did you mean 'brand_posts'?"),
        ({"files": {"pairs": []}}, "hold a file's name, a pattern, or a list of them"),
        ({"files": {"pairs": 3}}, "hold a file's name, a pattern, or a list of them"),
        ({"files": {"pairs": "none.xls"}}, "files.pairs': found 'none.xls'; wanted the name of a"),
        ({"files": {"pairs": "../x"}}, "files.pairs': found '../x'; wanted a path within"),
        ({"images": {"posts": "a"}}, "Received: 'posts'. Did you mean 'brand_posts'?"),
        ({"images": {"brand_posts": "../a"}}, "'images.brand_posts': found '../a'; wanted a path"),
        ({"split": "mornin"}, "Key 'split' must be one of morning, gan2019, none. Received: 'morn"),
        ({"max_posts": 0}, "Key 'max_posts' must be at least 1. Received: 0."),
        ({"seed": -1}, "Key 'seed' must be at least 0. Received: -1."),
        ({"max_members": 2.0}, "Key 'max_members' must be a whole number. Received: 2.0."),
        ({"max_member_posts": True}, "Key 'max_member_posts' must be a whole number."),
        ({"synthetic": 1}, "Key 'synthetic' must be True or False. Received: 1."),
    ],
)
def test_wrong_options(release: Path, options: dict[str, Any], message: str) -> None:
    assert message in refusal(release, **options)


def test_missing_and_double_files(release: Path, tmp_path: Path) -> None:
    assert "found 'no such folder'; wanted the folder of a release" in refusal(tmp_path / "nowhere")
    (release / "testset_r.xlsx").unlink()
    wanted = "wanted testset_r.xlsx, the test list of the split 'morning', or another 'split'"
    assert wanted in refusal(release)
    assert read(release, split="gan2019")
    shutil.copy(release / "pre_dataset_train.xlsx", release / "pre_dataset.xlsx")
    reason = refusal(release)
    assert "found 'pre_dataset.xls, pre_dataset.xlsx'; wanted one file, or its name in" in reason
    (release / "pre_dataset.xls").unlink()
    (release / "pre_dataset.xlsx").unlink()
    reason = refusal(release)
    assert "wanted the ground truth pre_dataset.xls, or its name in option 'files.pairs'" in reason


def test_a_spreadsheets_lock_files_are_no_workbooks(release: Path) -> None:
    expected, _ = read(release)
    (release / "~$x_in_post_v1.xlsx").write_bytes(b"lock")
    assert list(read(release)[0].posts()) == list(expected.posts())


def test_only_the_ground_truth(release: Path) -> None:
    for path in release.iterdir():
        if path.is_file() and path.name not in ("pre_dataset.xls", "brand_categories.xlsx"):
            path.unlink()
    material, problems = read(release, split="none")
    assert len(problems) == 0
    assert len(material.collaborations) == 5
    assert list(material.posts()) == list(material.audience_posts()) == []


def test_categories_from_the_published_order(tmp_path: Path) -> None:
    pairs = [(f"b{n}", f"m{n % 7}", 0.5) for n in range(360)]
    write_xls(tmp_path / "pre_dataset.xls", pairs)
    material, _ = read(tmp_path, split="none")
    brands = material.accounts[material.accounts["role"] == "brand"]
    expected = [name for name in CATEGORY_NAMES for _ in range(30)]
    assert brands["category"].tolist() == expected
    write_xls(tmp_path / "pre_dataset.xls", pairs[:-1])
    message = "pre_dataset.xls: found '359 brands'; wanted 360 brands, 30 a category in the publ"
    assert message in refusal(tmp_path, split="none")


def test_an_influencers_category_is_that_of_most_of_its_brands(tmp_path: Path) -> None:
    pairs = [("a1", "m"), ("b1", "m"), ("b2", "m"), ("b1", "n"), ("a1", "n"), ("c", "o")]
    write_xls(tmp_path / "pre_dataset.xls", pairs)
    table = [("a1", "A"), ("b1", "B"), ("b2", "B"), ("b1", "C"), ("d", "D")]
    write_workbook(tmp_path / "brand_categories.xlsx", table)
    material, problems = read(tmp_path, split="none")
    found = dict(zip(material.accounts["account_id"], material.accounts["category"], strict=True))
    assert found == {"a1": "A", "b1": "B", "b2": "B", "c": None, "m": "B", "n": "B", "o": None}
    one, two = problems.lines()
    assert "row 4, column 'category': found 'C'; wanted one category a brand" in one
    assert "row 5, column 'brand': found 'd'; wanted brand of the ground truth" in two


def test_rows_of_the_ground_truth_that_are_left_out(release: Path) -> None:
    more: list[tuple[Any, ...]] = [
        ("9gag", "ann", 0.5),
        ("9GAG", "ann", 0.75),
        ("ann", "9gag", 1),
        ("9gag", "nikon", 1),
        ("solo", "Solo", 1),
        ("9gag", None, 1),
        ("9gag", "eve", "high"),
        (None, "eve", 1),
    ]
    write_xls(release / "pre_dataset.xls", [*PAIRS, *more])
    write_workbook(
        release / "pre_dataset_train.xlsx",
        [("9gag", "ann", 0.5000001), ("9gag", "dan", 1), ("new", "dan", 1)],
    )
    write_workbook(
        release / "testset_r.xlsx",
        [
            ("nikon", "dan", 1),
            ("nikon", "dan", 0),
            ("nikon", "ann", 1),
            ("nikon", "ann", 2),
            ("who", "ann", 0),
        ],
    )
    material, problems = read(release)
    # An optional value that cannot be read is missing, and its row stays.
    assert rows_of(material.collaborations)[5:] == [["9gag", "eve", None, None]]
    found = [
        line.partition("; ")[0] + "; " + line.partition("; wanted ")[2][:34]
        for line in problems.lines(99)
    ]
    truth = "pre_dataset.xls, sheet 'Sheet1', row"
    train, test = "pre_dataset_train.xlsx, sheet 'Sheet', row", "testset_r.xlsx, sheet 'Sheet', row"
    for line in (
        f"{truth} 6, column 'influencer': found 'ann'; every row once: an identical row w",
        f"{truth} 7, column 'influencer': found 'ann'; every pair once: the first row sta",
        f"{truth} 8, column 'brand': found 'ann'; one role an account, brand or infl",
        f"{truth} 9, column 'influencer': found 'nikon'; one role an account, brand or infl",
        f"{truth} 10, column 'influencer': found 'Solo'; two accounts, a brand and an influ",
        f"{truth} 11, column 'influencer': found ''; a value in every row",
        f"{truth} 12, column 'competence': found 'high'; a number such as 0.034, 3.4 % or 1",
        f"{truth} 13, column 'brand': found ''; a value in every row",
        f"{train} 1, column 'competence': found '0.5000001'; the competence of pre_dataset.xls,",
        f"{train} 2, column 'influencer': found 'dan'; a pair of the ground truth",
        f"{train} 3, column 'brand': found 'new'; brand of the ground truth",
        f"{test} 2, column 'label': found '0'; one label a pair: the first row st",
        f"{test} 3, column 'influencer': found 'ann'; a pair of the ground truth where t",
        f"{test} 4, column 'label': found '2'; 0 or 1",
        f"{test} 5, column 'brand': found 'who'; brand of the ground truth",
    ):
        assert line in found, found


def test_posts_that_are_left_out(release: Path) -> None:
    rows = [
        ("9gag", 1, "_0.jpg", "ok", 1, 1, 1),
        ("none", 1, "_0.jpg", "unknown", 1, 1, 1),
        ("ann", 1, "_0.jpg", "an influencer", 1, 1, 1),
        (None, 1, "_0.jpg", "nobody", 1, 1, 1),
        ("9gag", "..", "_0.jpg", "up", 1, 1, 1),
        ("9gag", 1, "../../../x.jpg", "up", 1, 1, 1),
        ("9gag", 1, "..\\x.jpg", "up", 1, 1, 1),
        ("9gag", 1, "C:\\x.jpg", "drive", 1, 1, 1),
        ("9gag", 1, "https://x/y.jpg", "address", 1, 1, 1),
    ]
    write_posts(release / "entertainment_post_v1.xlsx", rows, ("Brand", *POST_HEADER))
    material, problems = read(release)
    assert [post.text for post in material.posts() if post.account == "9gag"] == ["ok"]
    lines = [
        line for line in problems.lines(99) if "entertainment" in line and "missing" not in line
    ]
    columns = [line.split("'")[3] for line in lines]
    assert columns == [*["brand"] * 3, "path1", "path2", "path2", "path2", "path2"]
    assert all("row" in line and "wanted" in line for line in lines)


def test_values_as_people_write_them(release: Path) -> None:
    day = 1500000000 // 86400 * 86400
    rows = [
        ("9gag", 1, None, "milliseconds", 1.5e12, 1, 1),
        ("9gag", 1, None, "a date", "14.07.2017", "1.2K", 15.004),
        ("9gag", 1, None, "a day", datetime(2017, 7, 14), 7.0, "1,234"),
        ("9gag", 1, None, "hidden", "2017-07-14T02:40:00+00:00", "N/A", -1),
        ("9gag", 1, None, "no time", "soon", True, "many"),
    ]
    write_posts(release / "entertainment_post_v1.xlsx", rows, ("Brand", *POST_HEADER))
    material, problems = read(release)
    found = [(p.timestamp, p.n_comments, p.n_likes) for p in material.posts()][:5]
    assert found == [
        (1500000000, 1, 1),
        (day, 1200, 15004),
        (day, 7, 1234),
        (1500000000, None, None),
        (None, None, None),
    ]
    assert problems.n_skipped == 0
    told = [line for line in problems.lines(99) if "the row stays without it" in line]
    assert [line.split("'")[3] for line in told] == ["timestamp", "likes", "comments"]
    assert all("entertainment_post_v1.xlsx, sheet 'Sheet', row 6" in line for line in told)


def test_links_out_of_the_release(release: Path, tmp_path: Path) -> None:
    picture(tmp_path / "outside/1/_0.jpg")
    shutil.rmtree(release / "Nikon")
    (release / "Nikon").symlink_to(tmp_path / "outside")
    (release / "9gag/1/_0.jpg").unlink()
    (release / "9gag/1/_0.jpg").symlink_to(tmp_path / "outside/1/_0.jpg")
    rows = [*INFLUENCER_POSTS, ("nikon", "dan", 1, "_0.jpg", "x", 1, 1, 1)]
    write_posts(release / "clothing_in_post_v1.xlsx", rows)
    picture(tmp_path / "outside/dan/1/_0.jpg")
    material, problems = read(release)
    images = {post.account: post.image for post in material.posts()}
    assert images["nikon"] is None
    assert images["dan"] is None
    assert images["9gag"] is None
    assert problems.n_skipped == 0
    assert any("found '3 missing images" in line for line in problems.lines(99))


def test_a_folder_of_images_that_is_not_there(release: Path) -> None:
    expected, _ = read(release)
    material, problems = read(release, images={"brand_posts": "no/such"})
    assert [post.text for post in material.posts()] == [post.text for post in expected.posts()]
    assert all(post.image is None for post in material.posts() if post.account == "nikon")
    assert any("found '3 missing images" in line for line in problems.lines(99))


def test_folders_in_place_of_images(release: Path) -> None:
    (release / "9gag/1/_0.jpg").unlink()
    (release / "9gag/1/_0.jpg").mkdir()
    material, _ = read(release)
    assert next(material.posts()).image is None


def test_long_texts_are_cut(release: Path) -> None:
    rows = [("9gag", 1, None, "x" * 20_000, 1, 1, 1)]
    write_posts(release / "entertainment_post_v1.xlsx", rows, ("Brand", *POST_HEADER))
    write_workbook(release / "brand_biography.xlsx", [("9gag", "y" * 11_000)])
    material, problems = read(release)
    assert len(next(material.posts()).text) == MAX_TEXT
    assert len(material.accounts["biography"][0]) == MAX_TEXT
    told = problems.lines(99)
    assert any(
        "'1 texts that are too long from here on'; wanted at most 10,000" in line for line in told
    )
    assert any("'biography': found '11,000 characters'" in line for line in told)


def test_headers_in_any_order_or_none(release: Path) -> None:
    expected, _ = read(release)
    swapped = [(row[3], row[0], row[4], *row[1:3], row[6]) for row in BRAND_POSTS]
    header = ("Text", "brand ", "Timestamp", "path1", "path2", "likes")
    write_posts(release / "entertainment_post_v1.xlsx", swapped, header)
    found = list(read(release)[0].posts())
    assert [post.n_comments for post in found[:3]] == [None] * 3
    assert [(p.text, p.timestamp, p.image) for p in found] == [
        (p.text, p.timestamp, p.image) for p in expected.posts()
    ]
    write_posts(release / "entertainment_post_v1.xlsx", BRAND_POSTS)
    assert list(read(release)[0].posts()) == list(expected.posts())


def test_headers_that_lack_or_repeat_a_column(release: Path) -> None:
    path = release / "entertainment_post_v1.xlsx"
    write_posts(path, [("9gag", 1)], ("Brand", "path1"))
    reason = refusal(release)
    assert "sheet 'Sheet', row 1, column 'text': found 'Brand, path1'; wanted this column" in reason
    write_posts(path, [("9gag", "a", "b")], ("Brand", "text", "text"))
    assert "column 'text': found 'Brand, text, text'; wanted every column once" in refusal(release)


def test_workbooks_of_which_no_row_can_be_used(release: Path) -> None:
    path = release / "entertainment_post_v1.xlsx"
    write_posts(path, [("who", 1, 1, "x", 1, 1, 1)], ("Brand", *POST_HEADER))
    assert (
        "entertainment_post_v1.xlsx: found 'none'; wanted rows that can be used; the first problem "
        "is: entertainment_post_v1.xlsx, sheet 'Sheet', row 2, column 'brand': found 'who'"
    ) in refusal(release)
    write_posts(path, [], ("Brand", *POST_HEADER))
    reason = refusal(release)
    assert "entertainment_post_v1.xlsx: found 'none'; wanted rows that can be used." in reason


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (r"a\nb\r\tc", "a\nb\r\tc"),
        (r"\u2764\U0001f600\xe9", "❤😀é"),
        (r"\ud83d\ude00", "😀"),
        (r"\ud83d \ude00 \ude00\ud83d", "? ? ??"),
        (r"¯\_(ツ)_/¯ \o/ \u12 \U00110000 \xg \\n", r"¯\_(ツ)_/¯ \o/ \u12 \U00110000 \xg \n"),
        ("plain", "plain"),
        ("\ud83d" + r"\ude00" + "\ud83d", "😀?"),
    ],
)
def test_escapes(text: str, expected: str) -> None:
    assert unescaped(text) == expected


@given(st.text(alphabet=st.sampled_from("\\nuUdDx08e3\ud83d\ude00 a")))
def test_escapes_never_leave_half_a_character(text: str) -> None:
    found = unescaped(text + "\\ud83d")
    assert not any("\ud800" <= one <= "\udfff" for one in found)


cells = st.one_of(
    st.sampled_from(
        ["9gag", "ANN", "bob.b", "nikon", "brand", "text", "path1", "..", "a/b", "", " "]
    ),
    st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=5),
    st.integers(-2, 2**70),
    st.floats(-1e300, 1e300),
    st.booleans(),
    st.none(),
    st.datetimes(datetime(1901, 1, 1), datetime(2100, 1, 1)),
)
FUZZED = [
    *("pre_dataset.xlsx", "pre_dataset_train.xlsx", "testset_r.xlsx", "brand_categories.xlsx"),
    *("brand_biography.xlsx", "influencer_biography.xlsx", "a_post.xlsx", "a_in_post.xlsx"),
    "audience_posts.xlsx",
]


@pytest.mark.parametrize("name", FUZZED)
@settings(max_examples=12)
@given(rows=st.lists(st.lists(cells, min_size=1, max_size=8), max_size=5))
def test_any_cells_end_in_material_or_in_a_reason(name: str, rows: list[list[Any]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write_workbook(root / "pre_dataset.xlsx", PAIRS)
        write_workbook(root / "brand_categories.xlsx", CATEGORIES, ("Brand", "category"))
        write_workbook(root / "testset_r.xlsx", [("nikon", "dan", 1)])
        written = openpyxl.Workbook()
        for row in rows:
            written.active.append(row)
        written.save(root / name)
        try:
            material, _ = read(root)
        except ConversionError as error:
            assert "\n" not in str(error)
        else:
            assert all(
                post.account in set(material.accounts["account_id"]) for post in material.posts()
            )


def test_a_choice_of_posts_is_fair() -> None:
    # Every post is chosen as often as the others: 7 of 20.
    counts: Counter[int] = Counter()
    for seed in range(400):
        hash_of = keyed_hash(seed)
        counts.update(sorted(range(20), key=lambda n: hash_of(str(n)))[:7])
    shares = np.array([counts[post] for post in range(20)]) / 400
    assert np.abs(shares - 7 / 20).max() < 4.5 * np.sqrt(0.35 * 0.65 / 400)


@pytest.mark.parametrize("seed", [1, 2**70])
def test_the_posts_of_the_smallest_hashes_are_chosen(release: Path, seed: int) -> None:
    rows = [("ann", f"fan{n % 7}", n, None, f"said {n}", n) for n in range(40)]
    rows += [("dan", "fan0", 1, None, "alone", None)] * 3
    header = ("account", "member", *POST_HEADER[:4])
    write_posts(release / "audience_posts.xlsx", rows, header)
    material, _ = read(release, seed=seed, max_members=3, max_member_posts=4)
    hash_of, expected = keyed_hash(seed), []
    for account in ("ann", "dan"):
        own = {row for row in rows if row[0] == account}
        members = sorted({row[1] for row in own}, key=lambda member: hash_of(account, member))
        for member in members[:3]:
            posts = [row for row in own if row[1] == member]
            posts.sort(
                key=lambda row: hash_of(
                    *row[:2], row[4], repr(row[5] and float(row[5])), str(row[2]), ""
                )
            )
            expected += posts[:4]
    found = [(post.account, post.member, post.text) for post in material.audience_posts()]
    assert sorted(found) == sorted((row[0], row[1], row[4]) for row in expected)


def test_hashes_keep_their_texts_apart() -> None:
    hash_of = keyed_hash(0)
    assert len({hash_of("ab", "c"), hash_of("a", "bc"), hash_of("abc"), hash_of("abc", "")}) == 4
    assert hash_of("a") == keyed_hash(0)("a") != keyed_hash(2**70)("a")


def test_more_posts_and_members_than_the_paper_has(release: Path) -> None:
    posts = [("9gag", n, None, f"post {n}", n, 0, 0) for n in range(80)]
    audience = [("ann", f"fan{n % 40}", None, None, f"said {n}", n) for n in range(160)]
    header = ("Brand", *POST_HEADER)
    write_posts(release / "entertainment_post_v1.xlsx", posts, header)
    write_posts(release / "audience_posts.xlsx", audience, ("account", "member", *POST_HEADER[:4]))
    material, _ = read(release)
    texts = [post.text for post in material.posts() if post.account == "9gag"]
    assert len(texts) == len(set(texts)) == 50
    assert texts == sorted(texts, key=lambda text: int(text.split()[1]))
    members = Counter(post.member for post in material.audience_posts())
    assert len(members) == 25
    assert set(members.values()) == {2}
    other, _ = read(release, seed=7, max_posts=11, max_members=3, max_member_posts=4)
    assert sum(post.account == "9gag" for post in other.posts()) == 11
    assert set(Counter(p.member for p in other.audience_posts()).values()) == {4}
    # The same rows in two workbooks and in another order: the same choice.
    write_posts(release / "entertainment_post_v1.xlsx", posts[:9:-1], header)
    write_posts(release / "auto_post_v1.xlsx", posts[:10], header)
    again, _ = read(release)
    assert {p.text for p in again.posts() if p.account == "9gag"} == set(texts)
    assert read(release)[0].fingerprints == again.fingerprints
    assert read(release, seed=1)[0].fingerprints != again.fingerprints


def test_fingerprints_see_every_part(release: Path) -> None:
    before = read(release)[0].fingerprints
    assert read(release)[0].fingerprints == before
    changes = {
        "brand_biography.xlsx": {raw.ACCOUNTS},
        "pre_dataset_train.xlsx": {raw.COLLABORATIONS, raw.SPLITS},
        "testset_r.xlsx": {raw.SPLITS},
        "entertainment_post_v1.xlsx": {raw.POSTS},
        "audience_posts.xlsx": {raw.AUDIENCE},
    }
    for name, expected in changes.items():
        content = (release / name).read_bytes()
        # Another byte where a package ends, which nobody reads.
        (release / name).write_bytes(content[:-2] + b"\1\0!")
        after = read(release)[0].fingerprints
        assert {part for part in before if before[part] != after[part]} == expected, name
        (release / name).write_bytes(content)
    picture(release / "9gag/2/_0.jpg")
    after = read(release)[0].fingerprints
    assert {part for part in before if before[part] != after[part]} == {raw.POSTS}


def material_of(n_brands: int, n_posts: int) -> RawMaterial:
    brands = [f"b{n}" for n in range(n_brands)]
    influencers = [f"m{n}" for n in range(2 * n_brands)]
    accounts = pd.DataFrame(
        [
            (name, "brand", "", "a\\b\n😀", CATEGORY_NAMES[n % 2], np.nan)
            for n, name in enumerate(brands)
        ]
        + [
            (name, "influencer", "", "", CATEGORY_NAMES[n % 2], 9.0)
            for n, name in enumerate(influencers)
        ],
        columns=list(raw.ACCOUNT_COLUMNS),
    )
    pairs = [(brands[n % n_brands], name, n / 7, np.nan) for n, name in enumerate(influencers)]
    return RawMaterial(
        accounts=accounts,
        collaborations=pd.DataFrame(
            pairs, columns=["brand_id", "influencer_id", "competence", "timestamp"]
        ),
        posts=lambda: (
            Post(name, f"{name} {n}", timestamp=float(n), n_likes=1.0, n_comments=2.0)
            for name in brands + influencers
            for n in range(n_posts)
        ),
        audience_posts=lambda: iter([Post("b0", "hi", member="x")]),
        brand_parts={name: "test" if n % 3 == 0 else "train" for n, name in enumerate(brands)},
        influencer_category_is_profile=False,
        vectors={},
        fingerprints={},
        synthetic=True,
    )


def test_memory_of_python_does_not_grow_with_posts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dataset_convert.engine.BATCH", 64)
    monkeypatch.setattr("dataset_convert.workbooks._BLOCK", 2**12)
    peaks = []
    for n_posts in (60, 600):
        folder = tmp_path / str(n_posts)
        write_release(material_of(3, n_posts), folder)
        # What is imported and cached once is no matter of posts.
        read(folder)
        tracemalloc.start()
        material, _ = read(folder)
        assert sum(1 for _ in material.posts()) == 9 * 50
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.1 * peaks[0]
