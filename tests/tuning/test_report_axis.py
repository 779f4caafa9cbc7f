"""Axes of parameters: places, ticks, and how values are read and written."""

import math
from typing import Any

import numpy as np
import pytest
from recbole_mirec.tuning.parameter import Parameter

from recbole_mirec.tuning.report.axis import (
    drawn_axis,
    key,
    plain,
    rank_axis,
    value_label,
)


def choice(*options: Any) -> Parameter:
    return Parameter("p", "choice", options, "here")


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("null", None),
        (math.nan, None),
        (np.float64("nan"), None),
        ("[64, 64]", [64, 64]),
        ("true", True),
        (np.int64(3), 3),
        ("0.5", 0.5),
        ("relu", "relu"),
        ("[64", "[64"),
    ],
)
def test_a_cell_is_read_as_what_was_written(cell: Any, value: Any) -> None:
    assert plain(cell) == value
    assert type(plain(cell)) is type(value)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0005, "0.0005"),
        (0.00005, "5e-5"),
        (1e12, "1e12"),
        (0.123456789, "0.1235"),
        (2048, "2048"),
        ([64, 0.5, None], "[64, 0.5, None]"),
        (None, "None"),
        (True, "True"),
        ("gelu", "gelu"),
    ],
)
def test_a_value_is_written_for_a_person(value: Any, text: str) -> None:
    assert value_label(value) == text


def test_spellings_of_one_value_have_one_key_and_others_have_another() -> None:
    assert len({key(1), key(1.0), key("1"), key(np.int64(1))}) == 1
    assert len({key([64, 64]), key("[64, 64]"), key((64.0, 64))}) == 1
    assert len({key(1), key(True), key("one"), key(None), key([1])}) == 5


def test_options_have_shares_of_the_same_width_numbers_in_their_order() -> None:
    axis = rank_axis(choice(300, 1, 20))
    assert [axis.place(value) for value in (1, 20, 300)] == pytest.approx([1 / 6, 1 / 2, 5 / 6])
    words = rank_axis(choice("tanh", None, [7], "relu"))
    assert [words.place(v) for v in ("tanh", None, [7], "relu")] == [0.125, 0.375, 0.625, 0.875]


def test_a_figure_draws_options_over_two_decades_on_a_log_axis() -> None:
    axis = drawn_axis(choice(0.1, 0.001, 0.01))
    assert axis.log
    assert [axis.place(value) for value in (0.001, 0.01, 0.1)] == pytest.approx([0.06, 0.5, 0.94])
    assert [label for _, label in axis.ticks] == ["0.001", "0.01", "0.1"]
    for options in ((0.01, 0.99), (0, 1e-5, 1e-1), ("a", 1, 1000), (-1, 1000)):
        assert not drawn_axis(choice(*options)).log


def test_continuous_axes_run_from_bound_to_bound_as_they_are_drawn() -> None:
    linear = rank_axis(Parameter("p", "uniform", (0.2, 0.7), "here"))
    assert [linear.place(x) for x in (0.2, 0.3, 0.7, 0.9, 0.0)] == pytest.approx([0, 0.2, 1, 1, 0])
    log = rank_axis(Parameter("p", "loguniform", (-9.0, -4.0), "here"))
    assert [log.place(math.exp(x)) for x in (-9, -8, -4)] == pytest.approx([0, 0.2, 1])
    stepped = rank_axis(Parameter("p", "quniform", (16, 128, 16), "here"))
    assert stepped.place(72) == pytest.approx(0.5)


def test_ticks_of_a_log_axis_are_round_numbers_at_their_places() -> None:
    axis = drawn_axis(Parameter("p", "loguniform", (math.log(1e-4), math.log(1e-2)), "here"))
    assert [label for _, label in axis.ticks] == ["0.0001", "0.0003", "0.001", "0.003", "0.01"]
    for place, label in axis.ticks:
        assert place == pytest.approx((math.log10(float(label)) + 4) / 2, abs=1e-6)
    narrow = drawn_axis(Parameter("p", "loguniform", (math.log(0.3), math.log(0.45)), "here"))
    assert [label for _, label in narrow.ticks] == ["0.3", "0.45"]
    wide = drawn_axis(Parameter("p", "loguniform", (-60.0, 60.0), "here"))
    assert 2 <= len(wide.ticks) <= 6


def test_a_value_that_is_no_option_is_refused() -> None:
    with pytest.raises(ValueError, match=r"one of 1\.0, relu\. Received: 7\."):
        rank_axis(choice(1, "relu")).place(7)


def test_a_word_on_a_continuous_axis_is_refused() -> None:
    with pytest.raises(ValueError, match=r"must be a number\. Received: 'relu'\."):
        rank_axis(Parameter("p", "uniform", (0.0, 1.0), "here")).place("relu")
