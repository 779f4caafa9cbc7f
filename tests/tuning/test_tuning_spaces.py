"""The search spaces that the project brings, each against its model."""

import re
from pathlib import Path
from typing import Any

import pytest
from recbole_mirec.tuning.space_checks import check_space

from recbole_mirec.config import MirecConfig, properties_folder
from recbole_mirec.tuning.space import read_space

FOLDER = properties_folder() / "tuning"
N_COMBINATIONS = {
    "BPR": 72,
    "CAMERA": 72,
    "CATR": 72,
    "ContentTwoTower": 72,
    "DeepFM": 54,
    "EASE": 8,
    "FM": 72,
    "HPTR": 72,
    "ItemKNN": 40,
    "LightGCN": 72,
    "MIR": 72,
    "MIRec": 72,
    "MIRec-paper": 72,
    "MIRec-reference": 72,
    "NeuMF": 72,
    "SimpleX": 81,
}


def settings(name: str) -> dict[str, Any]:
    """What a study of a file fixes: the model, and its variant where the name holds one."""
    model, _, variant = name.partition("-")
    return {"model": model, "dataset": "mirec-tiny"} | ({"variant": variant} if variant else {})


def test_the_files_are_those_of_the_table() -> None:
    assert sorted(path.stem for path in FOLDER.glob("*.hyper")) == sorted(N_COMBINATIONS)


@pytest.mark.parametrize("name", N_COMBINATIONS)
def test_a_file_fits_its_model_and_says_how_many_combinations_it_has(name: str) -> None:
    path = FOLDER / f"{name}.hyper"
    space = read_space(path)
    check_space(space, settings(name))
    assert space.n_combinations() == N_COMBINATIONS[name]
    first = path.read_text(encoding="utf-8").splitlines()[0]
    model, _, variant = name.partition("-")
    said = re.match(rf"# {model}\b(.*): (\d+) combinations", first)
    assert said is not None
    assert int(said[2]) == N_COMBINATIONS[name]
    assert not variant or f"--variant={variant}" in said[1]


@pytest.mark.parametrize("name", N_COMBINATIONS)
def test_the_model_s_default_lies_in_its_space(name: str) -> None:
    """So that a tuned model is no worse on validation than its default, where all is searched."""
    config = MirecConfig(config_dict=settings(name))
    missing = []
    for parameter in read_space(FOLDER / f"{name}.hyper").parameters:
        grid = parameter.grid()
        assert grid is not None
        if config[parameter.name] not in grid:
            missing.append(parameter.name)
    assert missing == []


@pytest.mark.parametrize("name", N_COMBINATIONS)
def test_each_parameter_follows_a_sentence_that_says_why(name: str) -> None:
    lines = Path(FOLDER / f"{name}.hyper").read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(lines):
        assert len(line) < 130
        if line and not line.startswith("#"):
            assert re.fullmatch(r"# [A-Z].{20,}\.", lines[number - 1])
