"""Untrained similarities against their definitions, computed pair by pair."""

from math import sqrt

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from recbole_mirec.nn.metric import (
    centred_product,
    centred_rows,
    hellinger_rows,
    product_deviation,
    standardise_product,
    unit_rows,
)


def test_the_hellinger_product_is_one_less_the_squared_distance() -> None:
    rows = torch.tensor([[4.0, 0.0, 12.0], [0.2, 0.3, 0.5], [0.0, 0.0, 0.0]])
    p, q = (0.25, 0.0, 0.75), (0.2, 0.3, 0.5)
    distance = sum((sqrt(a) - sqrt(b)) ** 2 for a, b in zip(p, q, strict=True)) / 2
    made = hellinger_rows(rows)
    assert float(made[0] @ made[1]) == pytest.approx(1 - distance)
    assert made[0].norm().item() == pytest.approx(1.0)
    assert made[2].tolist() == [0.0, 0.0, 0.0]


def test_a_negative_entry_has_no_hellinger_similarity() -> None:
    with pytest.raises(ValueError, match=r"must hold no negative entry\. Received: -0\.5\."):
        hellinger_rows(torch.tensor([[1.0, -0.5]]))


def test_the_mean_is_of_present_and_fitted_accounts() -> None:
    rows = torch.tensor([[1.0, 2.0], [3.0, 6.0], [50.0, -50.0], [3.0, 0.0]])
    present = torch.tensor([True, True, False, True])
    fitted = torch.tensor([True, True, True, False])
    made = centred_rows(rows, present, fitted)
    # the mean of the first two is (2, 4)
    expected = torch.tensor([[-1.0, -2.0], [1.0, 2.0], [0.0, 0.0], [1.0, -4.0]])
    torch.testing.assert_close(made, unit_rows(expected))
    none = centred_rows(rows, present, torch.zeros(4, dtype=torch.bool))
    torch.testing.assert_close(none[3], torch.tensor([1.0, 0.0]))


@given(seed=st.integers(0, 10_000))
def test_products_become_z_scores_and_what_is_missing_the_mean(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)

    def draw(n_accounts: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        rows = torch.randn(n_accounts, 3, generator=generator)
        return rows, *(torch.rand(n_accounts, generator=generator) < share for share in (0.8, 0.6))

    brands, brand_present, brand_fitted = draw(7)
    influencers, influencer_present, influencer_fitted = draw(11)
    made = standardise_product(
        brands, influencers, brand_present, influencer_present, brand_fitted, influencer_fitted
    )
    assert [vectors.shape for vectors in made] == [(7, 4), (11, 4)]
    counted = [
        float(brands[b] @ influencers[i])
        for b in range(7)
        for i in range(11)
        if brand_present[b] and brand_fitted[b] and influencer_present[i] and influencer_fitted[i]
    ]
    products = torch.tensor(counted).double()
    many = len(counted) > 1
    mean = products.mean() if counted else torch.tensor(0.0)
    deviation = products.std(correction=0) if many else torch.tensor(1.0)
    for b in range(7):
        for i in range(11):
            expected = 0.0
            if brand_present[b] and influencer_present[i]:
                expected = float((brands[b] @ influencers[i] - mean) / deviation)
            assert float(made[0][b] @ made[1][i]) == pytest.approx(expected, abs=2e-3, rel=1e-3)


def test_products_that_do_not_vary_keep_their_scale() -> None:
    yes = torch.ones(2, dtype=torch.bool)
    ones = torch.full((2, 3), 0.1)
    brands, influencers = standardise_product(ones, ones, yes, yes, yes, yes)
    torch.testing.assert_close(brands @ influencers.T, torch.zeros(2, 2), atol=1e-6, rtol=0)
    every = torch.ones(2, 2, dtype=torch.bool)
    assert product_deviation(ones, ones, every).item() == 1.0
    assert product_deviation(ones, ones, ~every).item() == 1.0


def test_the_deviation_is_of_the_pairs_that_count() -> None:
    brands, influencers = torch.tensor([[1.0], [3.0], [9.0]]), torch.tensor([[1.0], [2.0]])
    counted = torch.tensor([[True, False], [True, False], [False, False]])
    assert product_deviation(brands, influencers, counted).item() == pytest.approx(1.0)
    assert product_deviation(5 * brands, influencers, counted).item() == pytest.approx(5.0)


def test_a_centred_product_is_zero_on_average_and_where_one_is_missing() -> None:
    generator = torch.Generator().manual_seed(5)
    brands = torch.rand(5, 3, generator=generator, dtype=torch.float64)
    influencers = torch.rand(7, 3, generator=generator, dtype=torch.float64)
    brand_present = torch.tensor([True, True, False, True, True])
    influencer_present = torch.tensor([True, False, True, True, True, True, True])
    influencer_fitted = torch.tensor([True, True, True, True, False, True, True])
    left, right = centred_product(
        brands, influencers, brand_present, influencer_present, influencer_fitted
    )
    products = left @ right.T
    for b in range(5):
        mean = sum(float(brands[b] @ influencers[i]) for i in (0, 2, 3, 5, 6)) / 5
        for i in range(7):
            there = bool(brand_present[b]) and bool(influencer_present[i])
            expected = float(brands[b] @ influencers[i]) - mean if there else 0.0
            assert float(products[b, i]) == pytest.approx(expected, abs=1e-12)


def test_nothing_to_centre_on_takes_nothing_away() -> None:
    everyone, nobody = torch.ones(2, dtype=torch.bool), torch.zeros(2, dtype=torch.bool)
    rows = torch.tensor([[1.0, 2.0], [3.0, 5.0]])
    left, right = centred_product(rows, rows, everyone, everyone, nobody)
    torch.testing.assert_close(left @ right.T, rows @ rows.T)
