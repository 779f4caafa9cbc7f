"""The examples of docs/convert_features.md are configurations that extractors take."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from dataset_convert.extraction import KINDS, make_extractor
from dataset_convert.problems import Problems

PAGE = Path(__file__).parents[2] / "docs" / "convert_features.md"
EXAMPLES = [
    (modality, options)
    for block in re.findall(r"```yaml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    for modality, options in yaml.safe_load(block).get("features", {}).items()
    if options is not None
]


@pytest.mark.parametrize(("modality", "options"), EXAMPLES)
def test_examples_are_taken(modality: str, options: dict[str, Any]) -> None:
    made = make_extractor(modality, options, n_jobs=1, problems=Problems())
    assert made.modality == modality


def test_every_extractor_has_an_example() -> None:
    named = {options["extractor"] for _, options in EXAMPLES}
    assert named == set(KINDS)
