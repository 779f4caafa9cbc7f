"""The numbers of a data report, worked by hand on five brands and seven influencers."""

import dataclasses
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataset_convert import findings
from dataset_convert.atomic import AtomicData
from dataset_convert.common.words import counted, part_of, percent
from dataset_convert.findings import Part
from dataset_convert.report import column_edges

TOPICS = np.array([0.25, 0.75])
PAIRS = [
    *[("b1", m) for m in ("m1", "m2", "m3", "m4")],
    *[("b2", m) for m in ("m1", "m2", "m5")],
    *[("b3", m) for m in ("m1", "m6")],
    *[("b4", m) for m in ("m1", "m3")],
]


def table_of(pairs: list[tuple[str, str]]) -> pd.DataFrame:
    return pd.DataFrame(pairs, columns=["brand_id", "influencer_id"])


def column(*cells: Any) -> "pd.Series[Any]":
    made = pd.Series([None] * len(cells), dtype=object)
    for row, cell in enumerate(cells):
        made[row] = cell
    return made


def little(**changes: Any) -> AtomicData:
    brands = pd.DataFrame({"brand_id": [f"b{n}" for n in range(1, 6)]})
    brands["brand_category"] = ["food", "food", "auto", "shoes", "auto"]
    brands["brand_followers"] = [2000.0, np.nan, 0.0, 30_000.0, np.nan]
    brands["brand_content_topics"] = column(TOPICS, TOPICS, None, None, TOPICS)
    brands["brand_attributes"] = column(["cake", "tea"], ["tea"], None, None, ["car"])
    influencers = pd.DataFrame({"influencer_id": [f"m{n}" for n in range(1, 8)]})
    influencers["influencer_content_topics"] = column(*[TOPICS] * 6, None)
    influencers["influencer_content_visual_labels"] = column(["cup"], *[None] * 6)
    influencers["influencer_content_visual_weights"] = column(np.ones(1), *[None] * 6)
    influencers["influencer_attributes"] = column(
        ["tea"], ["cake", "tea", "wine"], None, ["wine"], None, None, None
    )
    data = AtomicData(
        name="little",
        brands=brands,
        influencers=influencers,
        interactions=table_of(PAIRS),
        influencer_category=pd.Series(
            ["food", "food", "food", "shoes", "auto", "auto", "auto"],
            index=[f"m{n}" for n in range(1, 8)],
        ),
        splits={
            "new-brand": {
                "train": table_of(PAIRS[:7]),
                "valid": table_of(PAIRS[7:9]),
                "test": table_of(PAIRS[9:]),
            }
        },
        manifest={"synthetic": True},
    )
    return dataclasses.replace(data, **changes)


def test_degrees_count_accounts_without_pairs_too() -> None:
    assert findings.degrees(little(), "brand").tolist() == [4, 3, 2, 2, 0]
    assert findings.degrees(little(), "influencer").tolist() == [4, 2, 2, 1, 1, 1, 0]


def test_followers_are_those_known() -> None:
    assert findings.followers(little(), "brand").tolist() == [2000, 0, 30_000]
    assert findings.followers(little(), "influencer").tolist() == []


def test_categories_have_brands_pairs_and_influencers_the_largest_first() -> None:
    found = findings.categories(little())
    assert list(found.index) == ["auto", "food", "shoes"]
    assert found.to_numpy().tolist() == [[2, 2, 3], [2, 7, 3], [1, 2, 1]]
    unknown = findings.categories(little(influencer_category=None))
    assert list(unknown.columns) == ["brands", "collaborations"]
    assert findings.categories(little(brands=little().brands[["brand_id"]])).empty


def test_parts_tell_what_training_has_seen_of_them() -> None:
    train, valid, test = findings.parts(little().splits["new-brand"])
    assert train == Part("train", 2, 5, 7, 2, 5, 7, 7)
    # Of b3's m1 and m6 training knows m1; of b4's m1 and m3 both.
    assert valid == Part("valid", 1, 2, 2, 0, 1, 1, 0)
    assert test == Part("test", 1, 2, 2, 0, 2, 2, 0)
    leaking = {"train": table_of(PAIRS[:7]), "test": table_of(PAIRS[5:9])}
    assert findings.parts(leaking)[1] == Part("test", 2, 4, 4, 1, 3, 3, 2)


def test_presence_tells_which_account_has_what() -> None:
    found = findings.presence(little())
    names = ["content_topics", "content_visual", "attributes"]
    assert [list(has.columns) for has in found.values()] == [names, names]
    assert found["brand"].to_numpy(int).tolist() == [
        [1, 0, 1], [1, 0, 1], [0, 0, 0], [0, 0, 0], [1, 0, 1]
    ]  # fmt: skip
    assert found["influencer"].sum().tolist() == [6, 1, 3]
    bare = little(
        brands=little().brands[["brand_id"]], influencers=little().influencers[["influencer_id"]]
    )
    assert [has.shape for has in findings.presence(bare).values()] == [(5, 0), (7, 0)]


def test_attributes_are_counted_by_account_and_by_attribute() -> None:
    assert findings.attribute_lists(little(), "brand") == [["cake", "tea"], ["tea"], ["car"]]
    assert list(findings.attribute_accounts(little()).items()) == [
        ("tea", {"brand": 2, "influencer": 2}),
        ("cake", {"brand": 1, "influencer": 1}),
        ("wine", {"brand": 0, "influencer": 2}),
        ("car", {"brand": 1, "influencer": 0}),
    ]


@pytest.mark.parametrize(
    ("values", "first", "width", "n_columns"),
    [
        ([1, 1, 4, 2, 1], 0, 1, 8),
        ([0, 15], 0, 1, 16),
        ([0, 16, 17], 0, 2, 9),
        ([17, 90, 94, 95], 10, 10, 9),
        ([1_000_001], 1_000_001, 1, 8),
    ],
)
def test_whole_numbers_have_a_column_each_or_share_round_ones(
    values: list[int], first: int, width: int, n_columns: int
) -> None:
    found = column_edges(np.array(values))
    assert found[:2].tolist() == [first, first + width]
    assert len(found) == n_columns + 1


def test_logarithmic_columns_are_three_to_a_decade() -> None:
    found = column_edges(np.array([1000.0, 1999.0, 2000.0, 9999.0]), log=True)
    assert found.tolist() == [1000, 2000, 5000, 10_000]


@given(st.lists(st.integers(0, 10**9), min_size=1))
def test_columns_of_whole_numbers_hold_every_value_and_are_few(values: list[int]) -> None:
    found = column_edges(np.array(values))
    assert found[0] <= min(values) <= max(values) < found[-1]
    assert len(found) <= 17


@given(st.lists(st.floats(0.1, 1e12), min_size=1))
def test_logarithmic_columns_hold_every_value(values: list[float]) -> None:
    found = column_edges(np.array(values), log=True)
    assert found[0] <= min(values) * (1 + 1e-9)
    assert max(values) <= found[-1] * (1 + 1e-9)


@pytest.mark.parametrize(
    ("part", "whole", "text"),
    [(1, 2, "50"), (1, 3, "33"), (1, 30, "3.3"), (0, 5, "0"), (5, 5, "100"), (1, 10_000, "< 0.1"),
     (9_999, 10_000, "> 99.9"), (995, 1000, "99.5"), (0, 0, "0")],
)  # fmt: skip
def test_shares_are_never_rounded_to_nothing_or_all(part: int, whole: int, text: str) -> None:
    assert percent(part, whole) == f"{text}\u00a0%"


def test_numbers_stand_with_their_word() -> None:
    assert [counted(n, "category") for n in (0, 1, 1234)] == [
        "0 categories",
        "1 category",
        "1,234 categories",
    ]
    assert (part_of(1, 4), part_of(0, 0)) == ("1 (25\u00a0%)", "0")
