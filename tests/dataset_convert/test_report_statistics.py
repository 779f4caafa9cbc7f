"""The numbers of a data report, worked by hand on five brands and seven influencers."""

import dataclasses
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataset_convert.atomic import AtomicData
from dataset_convert.report import statistics
from dataset_convert.report.bins import Bins, count_log, count_whole, place
from dataset_convert.report.statistics import Category, OddRows, Part
from dataset_convert.report.words import counted, part_of, percent

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
    assert statistics.degrees(little(), "brand").tolist() == [4, 3, 2, 2, 0]
    assert statistics.degrees(little(), "influencer").tolist() == [4, 2, 2, 1, 1, 1, 0]


def test_the_largest_share_is_of_the_most_popular_influencer() -> None:
    assert statistics.largest_share(little()) == (4, pytest.approx(4 / 11))
    assert statistics.largest_share(little(interactions=table_of([]))) == (0, 0.0)


def test_followers_are_those_known() -> None:
    assert statistics.followers(little(), "brand").tolist() == [2000, 0, 30_000]
    assert statistics.followers(little(), "influencer").tolist() == []


def test_categories_have_brands_pairs_and_influencers_the_largest_first() -> None:
    assert statistics.categories(little()) == [
        Category("auto", brands=2, pairs=2, influencers=3),
        Category("food", brands=2, pairs=7, influencers=3),
        Category("shoes", brands=1, pairs=2, influencers=1),
    ]
    unknown = statistics.categories(little(influencer_category=None))
    assert [category.influencers for category in unknown] == [None] * 3
    assert statistics.categories(little(brands=little().brands[["brand_id"]])) == []


def test_parts_tell_what_training_has_seen_of_them() -> None:
    train, valid, test = statistics.parts(little().splits["new-brand"])
    assert train == Part("train", 2, 5, 7, 2, 5, 7, 7)
    # Of b3's m1 and m6 training knows m1; of b4's m1 and m3 both.
    assert valid == Part("valid", 1, 2, 2, 0, 1, 1, 0)
    assert test == Part("test", 1, 2, 2, 0, 2, 2, 0)
    leaking = {"train": table_of(PAIRS[:7]), "test": table_of(PAIRS[5:9])}
    assert statistics.parts(leaking)[1] == Part("test", 2, 4, 4, 1, 3, 3, 2)


def test_presence_counts_modalities_and_their_combinations() -> None:
    brands, influencers = statistics.presence(little())
    assert brands.present == {"content_topics": 3, "content_visual": 0, "attributes": 3}
    assert influencers.present == {"content_topics": 6, "content_visual": 1, "attributes": 3}
    assert brands.combinations == {("content_topics", "attributes"): 3, (): 2}
    assert list(influencers.combinations.items()) == [
        (("content_topics",), 3),
        (("content_topics", "attributes"), 2),
        (("content_topics", "content_visual", "attributes"), 1),
        ((), 1),
    ]
    assert (brands.n_without_any, influencers.n_without_any) == (2, 1)


def test_without_features_there_are_no_modalities() -> None:
    bare = little(
        brands=little().brands[["brand_id"]], influencers=little().influencers[["influencer_id"]]
    )
    assert [found.present for found in statistics.presence(bare)] == [{}, {}]
    assert [found.combinations for found in statistics.presence(bare)] == [{(): 5}, {(): 7}]


def test_attributes_are_counted_by_account_and_by_attribute() -> None:
    assert statistics.attribute_counts(little(), "brand").tolist() == [2, 1, 1]
    assert statistics.attribute_counts(little(), "influencer").tolist() == [1, 3, 1]
    assert list(statistics.attribute_accounts(little()).items()) == [
        ("tea", {"brand": 2, "influencer": 2}),
        ("cake", {"brand": 1, "influencer": 1}),
        ("wine", {"brand": 0, "influencer": 2}),
        ("car", {"brand": 1, "influencer": 0}),
    ]


def test_odd_rows_come_by_file_those_left_out_first() -> None:
    manifest = {
        "skipped": {"b.csv: wanted a date: not a time": 2, "a.csv: wanted x": 3, "b.csv": 5},
        "noted": {"a.csv: wanted y": 70},
    }
    assert statistics.odd_rows(manifest) == [
        OddRows("a.csv", "x", 3, kept=False),
        OddRows("a.csv", "y", 70, kept=True),
        OddRows("b.csv", "", 5, kept=False),
        OddRows("b.csv", "a date: not a time", 2, kept=False),
    ]
    assert statistics.odd_rows({}) == []


def test_few_whole_numbers_have_a_bin_each_from_0_on() -> None:
    found = count_whole(np.array([1, 1, 4, 2, 1]))
    assert found == Bins(tuple(map(float, range(9))), (0, 3, 1, 0, 1, 0, 0, 0))
    assert found.single
    assert place(2.0, found) == 0.25


@pytest.mark.parametrize(
    ("values", "first", "width", "counts"),
    [
        ([0, 29], 0, 1, {0: 1, 29: 1}),
        ([0, 30, 31], 0, 2, {0: 1, 15: 2}),
        ([17, 90, 94, 95], 15, 5, {0: 1, 15: 2, 16: 1}),
        ([1_000_001], 1_000_001, 1, {0: 1}),
    ],
)
def test_many_whole_numbers_share_round_bins(
    values: list[int], first: int, width: int, counts: dict[int, int]
) -> None:
    found = count_whole(np.array(values))
    assert found.edges[:2] == (first, first + width)
    assert {place: n for place, n in enumerate(found.counts) if n} == counts


def test_logarithmic_bins_are_five_to_a_decade_and_hold_their_lower_edge() -> None:
    found = count_log(np.array([1000.0, 1584.0, 1585.0, 9999.0]))
    assert found.edges == pytest.approx([1000, 1584.893, 2511.886, 3981.072, 6309.573, 10_000])
    assert found.counts == (2, 1, 0, 0, 1)
    assert place(10 ** (3 + 2 / 5), found) == pytest.approx(2 / 5)
    assert not found.single


@given(st.lists(st.integers(0, 10**9), min_size=1))
def test_bins_of_whole_numbers_hold_every_value_and_are_few(values: list[int]) -> None:
    found = count_whole(np.array(values))
    assert sum(found.counts) == len(values)
    assert found.edges[0] <= min(values) <= max(values) < found.edges[-1]
    assert len(found.edges) == len(found.counts) + 1 <= 31


@given(st.lists(st.floats(0.1, 1e12), min_size=1))
def test_logarithmic_bins_hold_every_value(values: list[float]) -> None:
    found = count_log(np.array(values))
    assert sum(found.counts) == len(values)
    assert found.edges[0] <= min(values) * (1 + 1e-9)
    assert max(values) <= found.edges[-1] * (1 + 1e-9)


@pytest.mark.parametrize("values", [[], [-1, 2]])
def test_whole_numbers_must_be_there_and_not_negative(values: list[int]) -> None:
    with pytest.raises(ValueError, match=r"'values' parameter of count_whole .* Received: \["):
        count_whole(np.array(values, dtype=np.int64))


@pytest.mark.parametrize("values", [[], [0.0, 1.0], [np.nan]])
def test_logarithms_need_numbers_above_0(values: list[float]) -> None:
    with pytest.raises(ValueError, match=r"'values' parameter of count_log .* Received: \["):
        count_log(np.array(values, dtype=np.float64))


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
