"""Round numbers along an axis, and how they are written."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataset_convert.page.ticks import nice_ticks, number_label, tick_labels


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.0, 0.5, [0, 0.1, 0.2, 0.3, 0.4, 0.5]),
        (0.143, 0.251, [0.16, 0.18, 0.2, 0.22, 0.24]),
        (0.5, 30.5, [5, 10, 15, 20, 25, 30]),
        (-3.0, 4.0, [-2, 0, 2, 4]),
        (12.0, 9000.0, [2000, 4000, 6000, 8000]),
    ],
)
def test_ticks_are_round(low: float, high: float, expected: list[float]) -> None:
    assert list(nice_ticks(low, high)) == expected


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6), st.integers(3, 8))
def test_ticks_are_few_inside_and_evenly_apart(low: float, width: float, most: int) -> None:
    ticks = nice_ticks(low, low + width, most)
    slack = 1e-6 * (abs(low) + width)
    assert 1 <= len(ticks) <= most
    assert low - slack <= ticks[0] <= ticks[-1] <= low + width + slack
    assert np.ptp(np.diff(ticks)) <= slack if len(ticks) > 2 else True


@pytest.mark.parametrize(
    ("ticks", "labels"),
    [
        ([0, 0.05, 0.1], ["0.00", "0.05", "0.10"]),
        ([0, 500, 1000], ["0", "500", "1,000"]),
        ([1e-9, 2e-9], ["1e-9", "2e-9"]),
        ([], []),
    ],
)
def test_ticks_of_an_axis_have_the_same_decimals(ticks: list[float], labels: list[str]) -> None:
    assert tick_labels(ticks) == labels


@pytest.mark.parametrize(
    ("value", "label"), [(0.0005, "0.0005"), (0.00005, "5e-5"), (1e12, "1e12"), (-2.5, "-2.5")]
)
def test_a_number_has_four_digits_and_a_short_exponent(value: float, label: str) -> None:
    assert number_label(value) == label
