"""Whatever the tables hold, a conversion ends with a data set or with one line that says why."""

import importlib
from collections import Counter
from pathlib import Path

import pytest


@pytest.mark.parametrize("n_folders", [20, pytest.param(600, marks=pytest.mark.slow)])
def test_folders_with_faults_are_converted_or_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, n_folders: int
) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "benchmarks"))
    outcome = importlib.import_module("fuzz_conversion").outcome
    found = Counter(outcome(number, n_folders, tmp_path) for number in range(n_folders))
    assert found.keys() == {"converted", "refused"}
    assert min(found.values()) > 0.1 * n_folders, found
