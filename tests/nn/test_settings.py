from dataclasses import FrozenInstanceError
from typing import Any

import pytest
from tiny_network import changed

from recbole_mirec.nn import MODALITIES, PERSPECTIVES, NetworkSettings


def test_names_of_modalities_follow_the_perspectives() -> None:
    assert PERSPECTIVES == ("content", "audience", "attribute")
    assert MODALITIES == (
        "content_visual",
        "content_topics",
        "audience_visual",
        "audience_topics",
        "attribute",
    )


@pytest.mark.parametrize(
    ("switch", "wrong", "nearest"),
    [
        ("fusion", "lowrank", "low_rank"),
        ("coattention_input", "sigmoids", "sigmoid"),
        ("coattention_sides", "seperate", "separate"),
        ("dropout", "first_weight", "first_weights"),
        ("attribute_dropout", "activations", "first_activations"),
        ("initialisation", "normal", "normal_0.1"),
        ("triplet_reduction", "active", "mean_active"),
        ("cross_entropy", "softmax", "softmax_pair"),
    ],
)
def test_unknown_switch_value_names_the_nearest(switch: str, wrong: str, nearest: str) -> None:
    message = f"'{switch}' parameter must be one of .* Received: '{wrong}'.* name is '{nearest}'"
    with pytest.raises(ValueError, match=message):
        changed(**{switch: wrong})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"perspectives": ("content", "atribute")}, "'perspectives'.* name is 'attribute'"),
        ({"perspectives": ("content", "content")}, "each perspective once. Received: .'content'"),
        ({"perspectives": ()}, r"'perspectives' parameter must be a tuple .* Received: \(\)"),
        ({"perspectives": "content"}, "'perspectives' parameter must be a tuple"),
        ({"dimension": 0}, "'dimension' parameter must be a positive integer. Received: 0"),
        ({"dimension": True}, "'dimension' parameter must be a positive integer. Received: True"),
        ({"visual_hidden": ()}, "'visual_hidden' parameter must be a tuple"),
        ({"topic_hidden": 31}, "'topic_hidden' parameter must be a tuple"),
        ({"attribute_hidden": (37, -1)}, "'attribute_hidden' .* positive integer. Received: -1"),
        ({"topic_hidden": (3.5,)}, "'topic_hidden' .* positive integer. Received: 3.5"),
        ({"dropout_rate": 1.0}, "'dropout_rate' .* at least 0 and below 1. Received: 1.0"),
        ({"dropout_rate": -0.1}, "'dropout_rate' .* Received: -0.1"),
        ({"l1_weight": float("nan")}, "'l1_weight' .* Received: nan"),
        ({"l1_weight": float("inf")}, "'l1_weight' .* Received: inf"),
        ({"l1_weight": "0.001"}, "'l1_weight' parameter must be a number .* Received: '0.001'"),
        ({"l1_weight": True}, "'l1_weight' parameter must be a number .* Received: True"),
        ({"margins": {"content": 4.0}}, "'margins' .* add audience, attribute. Received"),
        ({"margins": {"contents": 4.0}}, "'margins' .* name is 'content'"),
    ],
)
def test_bad_settings_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        changed(**changes)


def test_bad_loss_weights_are_refused() -> None:
    margins = {"content": 4.0, "audience": -2.0, "attribute": 2.0}
    with pytest.raises(ValueError, match=r"'margins\[audience\]' .* Received: -2.0"):
        changed(margins=margins)
    for wrong in [(0.1,), [0.1, 0.2]]:
        with pytest.raises(ValueError, match=r"score_penalties\[content\].* tuple of two weights"):
            changed(perspectives=("content",), score_penalties={"content": wrong})
    with pytest.raises(ValueError, match=r"'score_penalties\[content\]' .* Received: -0.1"):
        changed(perspectives=("content",), score_penalties={"content": (0.1, -0.1)})


def test_entries_of_perspectives_not_in_use_may_stay() -> None:
    assert changed(perspectives=("attribute",)).margins["content"] == 4.0


def test_every_setting_is_asked_for_and_none_can_change() -> None:
    with pytest.raises(TypeError, match="missing 17 required keyword-only arguments"):
        NetworkSettings()  # type: ignore[call-arg]
    with pytest.raises(FrozenInstanceError):
        changed().dimension = 2  # type: ignore[misc]
