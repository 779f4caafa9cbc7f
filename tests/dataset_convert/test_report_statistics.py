"""Columns of histograms, shares and counts: round, few, and never nothing or all by rounding."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataset_convert.common.words import counted, part_of, percent
from dataset_convert.report import column_edges


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
