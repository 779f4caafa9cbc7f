import dataclasses
import math
from typing import Any

import pytest

from recbole_mirec.nn.metric import MetricSettings

VALID: dict[str, Any] = {
    "square_roots": True,
    "centring": True,
    "input_dimension": 13,
    "tower": "linear",
    "identity_path": True,
    "dropout_rate": 0,
    "modality_dropout": 0.5,
    "temperature": 0.1,
    "n_negatives": 17,
    "competence_power": 0.5,
    "peer_weight": 0,
    "plda_weight": 0.5,
    "plda_dimension": 11,
    "plda_shrinkage": 1,
    "plda_cross_share": 0.0,
    "raw_weight": 2.0,
    "category_weight": 0.3,
    "category_inverse_penalty": 16.0,
    "hubness_weight": 0.25,
    "hubness_neighbours": 7,
    "csls": False,
}


def test_settings_are_frozen_and_complete() -> None:
    settings = MetricSettings(**VALID)
    assert dataclasses.asdict(settings) == VALID
    with pytest.raises(dataclasses.FrozenInstanceError):
        settings.csls = True  # type: ignore[misc]
    for name in VALID:
        with pytest.raises(TypeError, match=name):
            MetricSettings(**{key: value for key, value in VALID.items() if key != name})


SWITCHES = ("square_roots", "centring", "identity_path", "csls")
WHOLE = ("input_dimension", "n_negatives", "plda_dimension", "hubness_neighbours")
BELOW_ONE = ("dropout_rate", "modality_dropout")
SHARES = ("plda_shrinkage", "plda_cross_share")
WEIGHTS = (
    *("competence_power", "peer_weight", "plda_weight", "raw_weight"),
    *("category_weight", "hubness_weight"),
)
ABOVE_ZERO = ("temperature", "category_inverse_penalty")
WRONG = [
    *((name, value) for name in SWITCHES for value in (0, "True", None)),
    *((name, value) for name in WHOLE for value in (0, -1, 2.0, True, "3", None)),
    *((name, value) for name in BELOW_ONE for value in (-0.1, 1, 1.5, "x", math.nan)),
    *((name, value) for name in SHARES for value in (-0.1, 1.1, None)),
    *((name, value) for name in WEIGHTS for value in (-0.1, True, None, math.nan, math.inf)),
    *((name, value) for name in ABOVE_ZERO for value in (0, -1, None)),
    *(("tower", value) for value in ("Linear", "tree", None)),
]


def test_every_setting_is_checked() -> None:
    assert {name for name, _ in WRONG} == VALID.keys()


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_a_wrong_value_is_named(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"The '{name}' parameter must be ") as caught:
        MetricSettings(**(VALID | {name: value}))
    assert f"Received: {value!r}." in str(caught.value)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        *((name, (True, False)) for name in SWITCHES),
        *((name, (1, 9999)) for name in WHOLE),
        *((name, (0, 0.0, 0.99)) for name in BELOW_ONE),
        *((name, (0, 1, 1.0)) for name in SHARES),
        *((name, (0, 100)) for name in WEIGHTS),
        *((name, (0.001, 50)) for name in ABOVE_ZERO),
        ("tower", ("linear", "mlp")),
    ],
)
def test_the_ends_of_each_range_are_taken(name: str, values: tuple[Any, ...]) -> None:
    for value in values:
        assert getattr(MetricSettings(**(VALID | {name: value})), name) == value
