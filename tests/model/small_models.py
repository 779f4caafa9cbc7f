"""Widths that make a training of our baselines take a second."""

from typing import Any

GRAPH = {"graph_method": "netmf", "graph_dimension": 5}
SMALL: dict[str, dict[str, Any]] = {
    "ContentTwoTower": {"tower_hidden": [11], "tower_dimension": 7},
    "MIR": {"topic_tower": [11], "visual_tower": [13], "tower_dimension": 7},
    "HPTR": {"topic_tower": [11], "visual_tower": [13], "tower_dimension": 7},
    "CATR": {"fusion_tower": [11], "tower_dimension": 7, **GRAPH},
    "CAMERA": {"concept_tower": [13], "fusion_tower": [11], "tower_dimension": 7, **GRAPH},
}
