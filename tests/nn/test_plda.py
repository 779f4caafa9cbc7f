import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import multivariate_normal
from torch import Tensor

from recbole_mirec.nn.plda import TwoCovariance, fit_two_covariance, plda_vectors


def doubles(*rows: list[float]) -> Tensor:
    return torch.tensor(rows, dtype=torch.float64)


def covariance(width: int, seed: int, scale: float = 1.0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    root = torch.randn(width, 2 * width, generator=generator, dtype=torch.float64)
    return scale * root @ root.T / (2 * width)


def log_ratio(
    model: TwoCovariance, brand: NDArray[np.float64], other: NDArray[np.float64]
) -> float:
    """log N([b; m]) - log N(b) - log N(m), the shared latent vector against two of them."""
    between, total = model.between.numpy(), (model.between + model.within).numpy()
    joint = np.block([[total, between], [between, total]])
    alone = np.zeros(len(brand))
    together = multivariate_normal.logpdf(
        np.concatenate([brand, other]), np.zeros(2 * len(brand)), joint
    )
    return float(
        together
        - multivariate_normal.logpdf(brand, alone, total)
        - multivariate_normal.logpdf(other, alone, total)
    )


def test_one_dimension_by_hand() -> None:
    # B = 3 and W = 1: T = 4, S = 1 / (4 - 9/4) = 4/7, P = 3/4 * 4/7 = 3/7, Q = 1/4 - 4/7 = -9/28
    model = TwoCovariance(within=doubles([1.0]), between=doubles([3.0]))
    brands, influencers = plda_vectors(model, doubles([5.0], [0.0]), doubles([2.0], [-1.0], [0.0]))
    root = math.sqrt(3 / 7)
    torch.testing.assert_close(brands, doubles([5 * root, 1.0], [0.0, 1.0]), rtol=1e-12, atol=0)
    expected = doubles([2 * root, -9 / 14], [-root, -9 / 56], [0.0, 0.0])
    torch.testing.assert_close(influencers, expected, rtol=1e-12, atol=1e-12)


def test_two_dimensions_that_do_not_mix_are_two_of_one() -> None:
    within, between = doubles([1.0, 0.0], [0.0, 2.0]), doubles([3.0, 0.0], [0.0, 5.0])
    rows, others = doubles([5.0, -1.0]), doubles([2.0, 3.0])
    brand, influencer = plda_vectors(TwoCovariance(within=within, between=between), rows, others)
    alone = [
        plda_vectors(
            TwoCovariance(
                within=within[k : k + 1, k : k + 1], between=between[k : k + 1, k : k + 1]
            ),
            rows[:, k : k + 1],
            others[:, k : k + 1],
        )
        for k in range(2)
    ]
    expected = sum(float(left[0] @ right[0]) for left, right in alone)
    assert float(brand[0] @ influencer[0]) == pytest.approx(expected, rel=1e-12)


def test_the_product_is_the_log_likelihood_ratio_of_scipy() -> None:
    """All of it: with the brand's own part and the constant that the vectors leave out."""
    model = TwoCovariance(within=covariance(5, 1), between=covariance(5, 2, 3.0))
    generator = torch.Generator().manual_seed(3)
    brands = torch.randn(3, 5, generator=generator, dtype=torch.float64)
    influencers = torch.randn(7, 5, generator=generator, dtype=torch.float64)
    left, right = plda_vectors(model, brands, influencers)
    assert (left.shape, right.shape) == ((3, 6), (7, 6))
    products = (left @ right.T).numpy()
    # the ratio is symmetric, so a brand's own part is what an influencer's last entry would be
    own = plda_vectors(model, influencers[:0], brands)[1][:, -1].numpy()
    total = (model.between + model.within).numpy()
    joint = np.block([[total, model.between.numpy()], [model.between.numpy(), total]])
    constant = np.linalg.slogdet(total)[1] - np.linalg.slogdet(joint)[1] / 2
    for b in range(3):
        for m in range(7):
            expected = log_ratio(model, brands[b].numpy(), influencers[m].numpy())
            assert products[b, m] + own[b] + constant == pytest.approx(expected, abs=1e-9)


@given(st.integers(0, 10_000), st.integers(1, 5))
def test_the_ranking_is_that_of_the_exact_ratio(seed: int, width: int) -> None:
    model = TwoCovariance(within=covariance(width, seed), between=covariance(width, seed + 1, 2.0))
    generator = torch.Generator().manual_seed(seed)
    brand = torch.randn(1, width, generator=generator, dtype=torch.float64)
    influencers = 2 * torch.randn(11, width, generator=generator, dtype=torch.float64)
    left, right = plda_vectors(model, brand, influencers)
    exact = [log_ratio(model, brand[0].numpy(), row.numpy()) for row in influencers]
    assert np.argsort((left @ right.T)[0].numpy()).tolist() == np.argsort(exact).tolist()


def test_vectors_keep_the_type_of_their_rows() -> None:
    model = TwoCovariance(within=covariance(3, 1), between=covariance(3, 2))
    rows = torch.randn(5, 3, generator=torch.Generator().manual_seed(3))
    left, right = plda_vectors(model, rows[:2], rows)
    exact = plda_vectors(model, rows[:2].double(), rows.double())[1]
    assert left.dtype == right.dtype == torch.float32
    # computed in float64 and rounded once
    assert torch.equal(right, exact.float())


# Two brands with two influencers each: means 2 and -2, residuals 1, brands' own rows 1 and -1.
OWN = doubles([1.0], [-1.0])
MEMBERS = doubles([1.0], [3.0], [-1.0], [-3.0])
PAIRS = torch.tensor([[0, 0], [0, 1], [1, 2], [1, 3]])


@pytest.mark.parametrize(
    ("cross_share", "between"),
    [
        (0.0, 7.0),  # of the means 8, less what W = 4 / (4 - 2) adds to a mean of two
        (1.0, 4.0),  # (1 * 2 + -1 * -2) / 1
        (0.5, 5.5),
    ],
)
def test_moments_by_hand(cross_share: float, between: float) -> None:
    for order in ([0, 1, 2, 3], [3, 0, 2, 1]):
        model = fit_two_covariance(
            OWN, MEMBERS, PAIRS[order], shrinkage=0.0, cross_share=cross_share
        )
        assert float(model.within) == pytest.approx(2.0, rel=1e-5)
        assert float(model.between) == pytest.approx(between, rel=1e-5)
    assert model.within.dtype == model.between.dtype == torch.float64


def planted(n_brands: int, seed: int = 0) -> tuple[TwoCovariance, Tensor, Tensor, Tensor]:
    """Rows of the model itself: n brands, two to four influencers each."""
    truth = TwoCovariance(within=covariance(3, 7), between=covariance(3, 8, 4.0))
    rng = np.random.default_rng(seed)
    latent = rng.multivariate_normal(np.zeros(3), truth.between.numpy(), n_brands)

    def noise(n: int) -> NDArray[np.float64]:
        return rng.multivariate_normal(np.zeros(3), truth.within.numpy(), n)

    owners = np.repeat(np.arange(n_brands), rng.integers(2, 5, n_brands))
    pairs = np.column_stack([owners, rng.permutation(len(owners))])
    influencers = np.empty((len(owners), 3))
    influencers[pairs[:, 1]] = latent[owners] + noise(len(owners))
    brands = latent + noise(n_brands)
    return truth, *map(torch.from_numpy, (brands, influencers, pairs))


@pytest.mark.parametrize("cross_share", [0.0, 0.5, 1.0])
def test_planted_covariances_are_found(cross_share: float) -> None:
    truth, brands, influencers, pairs = planted(20_000)
    model = fit_two_covariance(brands, influencers, pairs, shrinkage=0.0, cross_share=cross_share)
    torch.testing.assert_close(model.within, truth.within, rtol=0, atol=0.03)
    torch.testing.assert_close(model.between, truth.between, rtol=0, atol=0.15)
    # without the correction of the means a third of W would be missed by far more
    assert float(torch.trace(truth.within)) / 3 > 0.3


def test_shrinkage_takes_away_what_is_off_the_diagonal() -> None:
    _, brands, influencers, pairs = planted(50)
    full, half, none = (
        fit_two_covariance(brands, influencers, pairs, shrinkage=shrinkage, cross_share=0.5).within
        for shrinkage in (0.0, 0.5, 1.0)
    )
    torch.testing.assert_close(half, (full + none) / 2)
    assert torch.equal(none, torch.diag(torch.diag(none)))
    torch.testing.assert_close(torch.diag(full), torch.diag(none))
    assert full[0, 1].abs() > 0.01


def test_the_between_covariance_stays_positive_definite() -> None:
    # Influencers that have nothing to do with their brand: moments alone would go below zero.
    generator = torch.Generator().manual_seed(2)
    brands = torch.randn(5, 7, generator=generator)
    influencers = torch.randn(10, 7, generator=generator)
    pairs = torch.stack([torch.arange(10) % 5, torch.arange(10)], dim=1)
    model = fit_two_covariance(brands, influencers, pairs, shrinkage=0.9, cross_share=1.0)
    assert float(torch.linalg.eigvalsh(model.between).min()) > 0
    assert float(torch.linalg.eigvalsh(model.within).min()) > 0
    assert all(vectors.isfinite().all() for vectors in plda_vectors(model, brands, influencers))


@pytest.mark.parametrize(
    ("pairs", "received"),
    [
        ([[0, 0], [0, 1]], "2 pairs of 1 brands"),
        ([[0, 0], [1, 2]], "2 pairs of 2 brands"),
        (np.zeros((0, 2), dtype=np.int64).tolist(), "0 pairs of 0 brands"),
    ],
)
def test_too_few_pairs_are_an_error(pairs: list[list[int]], received: str) -> None:
    with pytest.raises(ValueError, match=f"two brands or more, one of them .*: {received}"):
        fit_two_covariance(
            OWN,
            MEMBERS,
            torch.tensor(pairs, dtype=torch.int64).reshape(-1, 2),
            shrinkage=0.0,
            cross_share=0.0,
        )
