"""A model trained once on mirec-tiny, and its bundle; tests leave both as they are."""

import contextlib
import shutil
from pathlib import Path

import pytest
from little_data import TINY, settings

from dataset_convert.raw import RawMaterial
from recbole_mirec.recommend.recommender import Recommender


@pytest.fixture(scope="session")
def run(data_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished run of MIRec, with its bundle."""
    from recbole_mirec.experiment import run_experiment

    folder = tmp_path_factory.mktemp("recommend")
    shutil.copytree(data_path / TINY, folder / TINY)
    with contextlib.chdir(folder):
        found = run_experiment(settings(folder, epochs=5)).run_folder
        Recommender.load(found)
    return found


@pytest.fixture(scope="session")
def bundle_folder(run: Path) -> Path:
    return run / "bundle"


@pytest.fixture
def recommender(bundle_folder: Path) -> Recommender:
    return Recommender.load(bundle_folder)


@pytest.fixture(scope="session")
def material() -> RawMaterial:
    """What mirec-tiny was made of: accounts and their posts."""
    from dataset_convert.synthetic import DEFAULT_SEED, SPECS
    from dataset_convert.synthetic.material import synthetic_material

    return synthetic_material(SPECS[TINY], seed=DEFAULT_SEED)
