"""The learnt metric, its loss and statistics of products, against definitions worked by hand."""

from typing import Any, get_args

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny_network import LAYOUT, METRIC, SPACES, fitted_of
from torch import Tensor
from torch.nn import functional

from dataset_convert.schema import Side
from recbole_mirec.nn.fitted import Static
from recbole_mirec.nn.metric import (
    MOST_SCALE,
    MetricEncoder,
    product_deviation,
    product_statistics,
    two_way_softmax,
)
from recbole_mirec.nn.settings import Modality

N_ACCOUNTS = 11
SIDES: tuple[Side, ...] = get_args(Side)


def encoder(**changes: Any) -> MetricEncoder:
    torch.manual_seed(1)
    return MetricEncoder(LAYOUT, SPACES, METRIC.model_copy(update=changes))


def moved(made: MetricEncoder) -> MetricEncoder:
    """The encoder with parameters as after some steps."""
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.3)
    return made.eval()


def inputs(side: Side) -> dict[str, Tensor]:
    """Unit rows of a side; the first account has no modality but its topics."""
    generator = torch.Generator().manual_seed(2 + SIDES.index(side))
    found = {}
    for name in LAYOUT.modalities(side):
        rows = torch.randn(N_ACCOUNTS, SPACES[LAYOUT.spaces[name]], generator=generator)
        rows[0] *= name == "content_topics"
        found[name] = functional.normalize(rows)
    return found


@torch.no_grad()
def test_untrained_products_are_the_cosines_over_the_temperature() -> None:
    made = encoder().eval()
    brands, influencers = (inputs(side) for side in SIDES)
    expected = sum(brands[b] @ influencers[i].T / 0.25 for _, b, i in LAYOUT.pairs)
    left, right = (made(side, inputs(side))[0] for side in SIDES)
    torch.testing.assert_close(left @ right.T, expected, rtol=1e-5, atol=1e-5)


@torch.no_grad()
def test_a_map_and_a_scale_by_hand() -> None:
    made = encoder().eval()
    made.maps["text"].copy_(torch.tensor([[[0.0, 0.0, 2.0], [1.0, 0.0, 0.0], [0.0, 0.0, 0.0]]]))
    made.log_scale[0, 1] = torch.tensor(9.0).log()
    given = inputs("brand")
    given["content_text"][0] = torch.tensor([1.0, 1.0, 0.0])
    # x + Gx = [1, 1, 0] + [1, 0, 2] = [2, 1, 2], of length 3, times 9; the biography is missing
    assert made("brand", given)[0, 0, 5:8].tolist() == pytest.approx([6.0, 3.0, 6.0])
    made.log_scale.fill_(100.0)
    assert made.scale().max() == pytest.approx(MOST_SCALE)


@torch.no_grad()
def test_vectors_are_those_of_the_arrays_for_every_seed() -> None:
    made = moved(encoder(seeds=2))
    fitted = fitted_of(made)
    for side in SIDES:
        given = inputs(side)
        static = Static(
            {n: (x.double().numpy(), x.any(dim=1).numpy()) for n, x in given.items()},
            np.zeros((N_ACCOUNTS, 0)),
        )
        rows = [fitted.learnt_rows(side, p, static).values() for p in LAYOUT.perspectives]
        expected = np.concatenate([x for some in rows for x in some], axis=2) * 2**0.5
        found = made(side, given).transpose(0, 1).numpy()
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
        assert not found[0, :, 5:].any()


@torch.no_grad()
def test_modality_dropout_takes_pairs_of_brands_in_training_only() -> None:
    made = moved(encoder(modality_dropout=0.4))
    ones = {name: torch.ones(4000, rows.shape[1]) for name, rows in inputs("brand").items()}
    plain = made("brand", ones)
    assert torch.equal(made("brand", ones), plain)
    made.train()
    found = made("brand", ones)
    gone = ~found[0, :, :5].any(dim=1)
    # four standard deviations of a binomial share
    assert gone.float().mean() == pytest.approx(0.4, abs=0.031)
    torch.testing.assert_close(found[0, ~gone, :5], plain[0, ~gone, :5])
    influencers = inputs("influencer")
    assert torch.equal(made("influencer", influencers), made("influencer", influencers))


@torch.no_grad()
def test_dropout_in_training_only() -> None:
    made, given = moved(encoder(dropout_rate=0.5)), inputs("influencer")
    assert torch.equal(made("influencer", given), made("influencer", given))
    made.train()
    assert not torch.equal(made("influencer", given), made("influencer", given))


def test_every_parameter_learns_and_seeds_learn_nothing_of_each_other() -> None:
    made = moved(encoder(seeds=2))
    left, right = (made(side, inputs(side)) for side in SIDES)
    known = torch.eye(N_ACCOUNTS, dtype=torch.bool)
    two_way_softmax(left @ right.transpose(1, 2), known, known.float(), 0.5).backward()
    both = {name: x.grad for name, x in made.named_parameters() if x.grad is not None}
    assert len(both) == len(list(made.parameters()))
    assert all(of.isfinite().all() and of[0].any() and of[1].any() for of in both.values())
    alone = moved(encoder(seeds=2))
    scores = alone("brand", inputs("brand"))[:1] @ alone("influencer", inputs("influencer"))[:1].mT
    two_way_softmax(scores, known, known.float(), 0.5).backward()
    for name, parameter in alone.named_parameters():
        assert parameter.grad is not None
        torch.testing.assert_close(parameter.grad[0], both[name][0])
        assert not parameter.grad[1].any()


@pytest.mark.parametrize("column_weight", [0.0, 0.25, 1.0])
def test_the_loss_of_both_ways_by_hand(column_weight: float) -> None:
    scores = torch.tensor([[[1.0, 2.0, 0.5], [0.0, -1.0, 3.0]]])
    known = torch.tensor([[True, False, False], [False, True, True]])
    weights = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])  # the last pair is in no batch
    e = np.exp(scores[0].double().numpy())
    # a brand's other positives, and an influencer's other brands, stand in no denominator
    rows = -np.log(e[0, 0] / (e[0, 0] + e[0, 1] + e[0, 2])) - np.log(e[1, 1] / (e[1, 1] + e[1, 0]))
    columns = -np.log(e[0, 0] / (e[0, 0] + e[1, 0])) - np.log(e[1, 1] / (e[1, 1] + e[0, 1]))
    expected = ((1 - column_weight) * rows + column_weight * columns) / 2
    found = two_way_softmax(scores, known, weights, column_weight)
    assert float(found) == pytest.approx(expected, rel=1e-6)
    twice = two_way_softmax(scores.expand(2, -1, -1), known, weights, column_weight)
    assert float(twice) == pytest.approx(2 * expected, rel=1e-6)


@given(seed=st.integers(0, 10_000))
def test_means_and_deviations_are_those_of_the_pairs_that_are_there(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)

    def draw(n_accounts: int) -> tuple[Modality, Tensor]:
        present, fitted = (torch.rand(n_accounts, generator=generator) < x for x in (0.8, 0.6))
        return Modality(torch.randn(n_accounts, 3, generator=generator), present), fitted

    (brands, brand_fitted), (influencers, influencer_fitted) = draw(7), draw(11)
    mean, deviation = product_statistics(brands, influencers, brand_fitted, influencer_fitted)
    both = (brands.mask & brand_fitted)[:, None] & (influencers.mask & influencer_fitted)
    products = (brands.rows @ influencers.rows.T)[both].double().numpy()
    assert float(mean) == pytest.approx(products.mean() if len(products) else 0.0, abs=1e-5)
    expected = products.std() if len(products) > 1 else 1.0
    assert float(deviation) == pytest.approx(expected, rel=1e-4)


def test_products_that_do_not_vary_have_deviation_one() -> None:
    assert product_deviation(torch.full((5,), 0.1)).item() == 1.0
    assert product_deviation(torch.zeros(0)).item() == 1.0
    assert product_deviation(torch.tensor([5.0, 15.0])).item() == 5.0
