import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from recbole_mirec.nn import metric as room
from recbole_mirec.nn.metric import hubness


def vectors(n: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, 5, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("n_neighbours", [1, 3, 7, 20])
def test_means_are_those_of_a_plain_double_loop(
    n_neighbours: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    brands, influencers = vectors(7, 1), vectors(11, 2)
    expected = []
    for influencer in influencers.tolist():
        scores = [
            sum(a * b for a, b in zip(brand, influencer, strict=True)) for brand in brands.tolist()
        ]
        best = sorted(scores, reverse=True)[:n_neighbours]
        expected.append(sum(best) / len(best))
    for at_once in (room._AT_ONCE, 3):
        monkeypatch.setattr(room, "_AT_ONCE", at_once)
        assert hubness(brands, influencers, n_neighbours).tolist() == pytest.approx(expected)


def test_without_reference_brands_nobody_is_a_hub() -> None:
    assert hubness(vectors(0, 1), vectors(3, 2), 10).tolist() == [0.0, 0.0, 0.0]


@given(st.integers(0, 1000))
def test_half_of_it_gives_the_ranking_of_csls(seed: int) -> None:
    """CSLS with both of its means, on cosines, by the definition."""
    brands, influencers = (torch.nn.functional.normalize(vectors(n, seed + n)) for n in (7, 11))
    cosines = (brands @ influencers.T).numpy()
    of_brands = np.sort(cosines, axis=1)[:, -3:].mean(axis=1)
    of_influencers = np.sort(cosines, axis=0)[-3:].mean(axis=0)
    csls = 2 * cosines - of_brands[:, None] - of_influencers[None, :]
    ours = cosines - 0.5 * hubness(brands, influencers, 3).numpy()
    np.testing.assert_array_equal(np.argsort(csls, axis=1), np.argsort(ours, axis=1))
