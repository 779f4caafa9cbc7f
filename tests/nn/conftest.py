"""Every test that asks for ``settings`` runs in both readings of the paper."""

import pytest
from tiny_network import PAPER, REFERENCE

from recbole_mirec.nn.settings import NetworkSettings


@pytest.fixture(params=[PAPER, REFERENCE], ids=["paper", "reference"])
def settings(request: pytest.FixtureRequest) -> NetworkSettings:
    variant: NetworkSettings = request.param
    return variant
