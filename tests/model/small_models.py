"""Widths that make a training of our baselines take a second."""

from typing import Any

from little_data import SHORT_GRAPH

SMALL: dict[str, dict[str, Any]] = {
    "ContentTwoTower": {"tower_hidden": [11], "tower_dimension": 7},
    "MIR": {"topic_tower": [11], "visual_tower": [13], "tower_dimension": 7},
    "HPTR": {"topic_tower": [11], "visual_tower": [13], "tower_dimension": 7},
    "CATR": {"fusion_tower": [11], "tower_dimension": 7, **SHORT_GRAPH},
    "CAMERA": {"concept_tower": [13], "fusion_tower": [11], "tower_dimension": 7, **SHORT_GRAPH},
}
