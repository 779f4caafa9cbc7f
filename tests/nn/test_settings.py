"""Every setting of both networks: the ends of its range are taken, and what lies beyond is not."""

import json
import math
from typing import Any, get_args

import pytest
from pydantic import ValidationError
from tiny_network import METRIC, PAPER

from dataset_convert import schema
from recbole_mirec.nn.settings import INPUTS, MetricSettings, NetworkSettings, Perspective

SWITCHES = ("precedent",)
WHOLE = ("input_dimension", "n_negatives", "landmarks", "hubness_neighbours")
BELOW_ONE = ("dropout_rate", "modality_dropout")
SHARES = ("column_weight",)
WEIGHTS = ("precedent_weight", "hubness_weight")
ABOVE_ZERO = ("temperature", "brand_kernel_width", "influencer_kernel_width", "brand_ridge")
# Names -> values that are taken, and values that are refused.
METRIC_VALUES: dict[tuple[str, ...], tuple[tuple[Any, ...], tuple[Any, ...]]] = {
    SWITCHES: ((True, False), (0, "True", None)),
    WHOLE: ((1, 9999), (0, -1, 2.5, True, "3", None)),
    BELOW_ONE: ((0, 0.0, 0.99), (-0.1, 1, 1.5, "x", math.nan)),
    SHARES: ((0, 1, 1.0), (-0.1, 1.1, None)),
    WEIGHTS: ((0, 100), (-0.1, True, None, math.nan, math.inf)),
    ABOVE_ZERO: ((0.001, 50), (0, -1, None)),
    ("influencer_ridge",): ((1e-6, 50), (0, -1, None)),
    ("seeds",): ((1, 16), (0, 17, 2.5, True)),
}
NETWORK_VALUES: dict[tuple[str, ...], tuple[tuple[Any, ...], tuple[Any, ...]]] = {
    ("fusion",): (("low_rank", "product"), ("lowrank",)),
    ("coattention_input",): (("raw", "sigmoid"), ("sigmoids",)),
    ("coattention_sides",): (("shared", "separate"), ("seperate",)),
    ("dropout", "attribute_dropout"): (
        ("none", "first_activations", "first_weights"),
        ("first_weight", None),
    ),
    ("initialisation",): (("uniform_0.1", "normal_0.1"), ("normal",)),
    ("triplet_reduction",): (("mean", "mean_active"), ("active",)),
    ("cross_entropy",): (("softplus", "softmax_pair"), ("softmax",)),
    ("dimension",): ((1, 512), (0, True, 3.5)),
    ("visual_hidden", "topic_hidden", "attribute_hidden"): (
        ((7,), [7, 5]),
        ((), 31, (37, -1), (3.5,), "7"),
    ),
    ("dropout_rate",): ((0, 0.5), (1.0, -0.1)),
    ("l1_weight",): ((0, 3), (math.nan, math.inf, "0.001", True)),
    ("perspectives",): (
        (("attribute",), ["content", "audience"]),
        (("content", "atribute"), (), "content"),
    ),
    ("margins",): (
        ({"content": 0, "audience": 1.5, "attribute": 2},),
        ({"content": 4.0}, {"contents": 4.0}, {"content": -2.0}, 3),
    ),
    ("score_penalties",): (
        ({key: [0, 0.5] for key in schema.PERSPECTIVES},),
        tuple(dict.fromkeys(schema.PERSPECTIVES, pair) for pair in ((0.1,), 1, (0.1, -0.1))),
    ),
}
TABLES = [(METRIC, METRIC_VALUES), (PAPER, NETWORK_VALUES)]
CASES = [
    (settings, name, values)
    for settings, table in TABLES
    for names, values in table.items()
    for name in names
]


def test_every_setting_is_in_the_tables() -> None:
    for settings, table in TABLES:
        assert {name for names in table for name in names} == set(type(settings).model_fields)


@pytest.mark.parametrize(("settings", "name", "values"), CASES)
def test_a_range_ends_where_it_should(
    settings: MetricSettings | NetworkSettings, name: str, values: tuple[Any, Any]
) -> None:
    good, bad = values
    given = settings.model_dump()
    for value in good:
        made = type(settings)(**(given | {name: value}))
        assert made.model_dump(mode="json")[name] == json.loads(json.dumps(value))
    for value in bad:
        with pytest.raises(ValidationError, match=name):
            type(settings)(**(given | {name: value}))


@pytest.mark.parametrize("settings", [METRIC, PAPER])
def test_every_setting_is_asked_for_and_none_can_change(
    settings: MetricSettings | NetworkSettings,
) -> None:
    given = settings.model_dump()
    for name in given:
        with pytest.raises(ValidationError, match=name):
            type(settings)(**{key: value for key, value in given.items() if key != name})
        with pytest.raises(ValidationError, match="frozen"):
            setattr(settings, name, given[name])
    with pytest.raises(ValidationError, match="unheard"):
        type(settings)(**given, unheard=1)


def test_entries_of_perspectives_not_in_use_may_stay() -> None:
    given = PAPER.model_dump() | {"perspectives": ("attribute",)}
    assert NetworkSettings(**given).margins["content"] == 4.0


def test_data_and_networks_mean_the_same_perspectives() -> None:
    assert tuple(INPUTS) == tuple(schema.PERSPECTIVES) == get_args(Perspective)
    assert INPUTS["content"] == schema.PERSPECTIVES["content"]
    # lists and vector of the data are two ways to the one input of the attribute tower
    assert INPUTS["attribute"] == ("attribute",)
