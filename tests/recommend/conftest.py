"""A recommender of the model of mirec-tiny, and the material that it was made of."""

from pathlib import Path

import pytest
from little_data import TINY

from dataset_convert.raw import RawMaterial
from recbole_mirec.recommend.recommender import Recommender


@pytest.fixture
def recommender(bundle_folder: Path) -> Recommender:
    return Recommender.load(bundle_folder)


@pytest.fixture(scope="session")
def material() -> RawMaterial:
    """What mirec-tiny was made of: accounts and their posts."""
    from dataset_convert.synthetic import DEFAULT_SEED, SPECS
    from dataset_convert.synthetic.material import synthetic_material

    return synthetic_material(SPECS[TINY], seed=DEFAULT_SEED)
