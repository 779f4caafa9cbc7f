"""The learnt metric, its inputs and its corrections, against definitions computed pair by pair."""

from math import sqrt
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize
from tiny_network import METRIC
from torch import Tensor
from torch.nn import functional

from recbole_mirec.nn import metric as room
from recbole_mirec.nn.metric import (
    MetricEncoder,
    category_log_posterior,
    centred_product,
    hubness,
    principal_axes,
    product_deviation,
    standardise_product,
    standardised_rows,
)
from recbole_mirec.nn.settings import Modality

WIDTHS = {"topics": 5, "labels": 7, "words": 3}
N_ACCOUNTS = 11


def encoder(**changes: Any) -> MetricEncoder:
    torch.manual_seed(1)
    return MetricEncoder(WIDTHS, METRIC.model_copy(update=changes))


def accounts(*, complete: bool = True) -> dict[str, Modality]:
    generator = torch.Generator().manual_seed(2)
    found = {}
    for name, width in WIDTHS.items():
        mask = torch.rand(N_ACCOUNTS, generator=generator) < (2.0 if complete else 0.5)
        rows = torch.randn(N_ACCOUNTS, width, generator=generator) * mask[:, None]
        found[name] = Modality(rows, mask)
    return found


def moved(made: MetricEncoder) -> MetricEncoder:
    """The encoder with parameters as after some steps."""
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.3)
    return made.eval()


BOTH_TOWERS = pytest.mark.parametrize("tower", ["linear", "mlp"])
WITH_AND_WITHOUT_IDENTITY = pytest.mark.parametrize("identity", [True, False])


@BOTH_TOWERS
@torch.no_grad()
def test_untrained_products_are_the_cosines_over_the_temperature(tower: str) -> None:
    given = accounts()
    for name, vectors in encoder(tower=tower).eval()(given).items():
        unit = functional.normalize(given[name].rows)
        torch.testing.assert_close(vectors @ vectors.T, unit @ unit.T / 0.25, rtol=1e-5, atol=1e-5)


@torch.no_grad()
def test_the_linear_tower_and_its_temperatures_by_hand() -> None:
    made = encoder()
    made.towers["words"][1].weight.copy_(
        torch.tensor([[0.0, 1.0, 0.0], [0.0, 0.0, 0.0], [2.0, 0.0, 0.0]])
    )
    made.log_inverse_temperature["words"].fill_(torch.tensor(9.0).log())
    given = accounts()
    given["words"].rows[0] = torch.tensor([1.0, 1.0, 0.0])
    # x + Wx = [1, 1, 0] + [1, 0, 2] = [2, 1, 2], of length 3, times the root of 9
    assert made.eval()(given)["words"][0].tolist() == pytest.approx([2.0, 1.0, 2.0])


@BOTH_TOWERS
@WITH_AND_WITHOUT_IDENTITY
def test_what_is_missing_is_zero_and_gets_no_gradient(tower: str, identity: bool) -> None:
    made = moved(encoder(tower=tower, identity_path=identity))
    given = accounts(complete=False)
    noisy = {
        name: Modality(torch.where(mask[:, None], rows, 1e3).requires_grad_(), mask)
        for name, (rows, mask) in given.items()
    }
    found = made(noisy)
    sum((vectors @ vectors.T).sum() for vectors in found.values()).backward()
    for name, (rows, mask) in noisy.items():
        assert not found[name][~mask].any()
        assert (found[name][mask].norm(dim=1) > 0.1).all()
        assert rows.grad is not None
        assert not rows.grad[~mask].any()
        assert rows.grad[mask].any()
    with torch.no_grad():
        for name, vectors in made(given).items():
            torch.testing.assert_close(vectors, found[name])


@torch.no_grad()
def test_modality_dropout_takes_whole_modalities_in_training_only() -> None:
    made = moved(encoder(modality_dropout=0.4))
    everyone = torch.ones(4000, dtype=torch.bool)
    given = {name: Modality(torch.ones(4000, width), everyone) for name, width in WIDTHS.items()}
    plain = made(given)
    assert all((vectors.norm(dim=1) > 0).all() for vectors in plain.values())
    made.train()
    found = made(given)
    gone = [~vectors.any(dim=1) for vectors in found.values()]
    for missing in gone:
        # four standard deviations of a binomial share
        assert missing.float().mean() == pytest.approx(0.4, abs=0.031)
    assert (gone[0] & gone[1]).float().mean() == pytest.approx(0.16, abs=0.024)
    torch.testing.assert_close(found["topics"][~gone[0]], plain["topics"][~gone[0]])


@BOTH_TOWERS
@torch.no_grad()
def test_dropout_in_training_only(tower: str) -> None:
    made, given = moved(encoder(tower=tower, dropout_rate=0.5)), accounts()
    assert torch.equal(made(given)["topics"], made(given)["topics"])
    made.train()
    assert not torch.equal(made(given)["topics"], made(given)["topics"])


@BOTH_TOWERS
@WITH_AND_WITHOUT_IDENTITY
def test_every_parameter_learns_from_the_second_step_on(tower: str, identity: bool) -> None:
    """From the first one the last layers, which start at 0; then those before them too."""
    made = encoder(tower=tower, identity_path=identity)
    target = torch.randn(N_ACCOUNTS, N_ACCOUNTS, generator=torch.Generator().manual_seed(4))
    steps = torch.optim.SGD(made.parameters(), lr=0.01)
    for step in range(2):
        steps.zero_grad()
        sum((rows @ rows.T * target).sum() for rows in made(accounts()).values()).backward()
        for name, parameter in made.named_parameters():
            assert parameter.grad is not None, name
            assert parameter.grad.isfinite().all(), name
            starts_at_zero = identity and tower == "mlp" and ".0." in name
            assert parameter.grad.any() or (step == 0 and starts_at_zero), (step, name)
        steps.step()


@torch.no_grad()
def test_without_the_identity_the_towers_start_at_random() -> None:
    made, rows = encoder(identity_path=False).eval(), accounts()["words"].rows
    found = made(accounts())["words"]
    expected = functional.normalize(rows @ made.towers["words"][1].weight.T) * 2.0
    torch.testing.assert_close(found, expected)
    unit = functional.normalize(rows)
    assert (found @ found.T - unit @ unit.T / 0.25).abs().max() > 0.5


def test_a_hidden_layer_has_no_bias_at_its_end() -> None:
    names = {name for name, _ in encoder(tower="mlp").towers["words"].named_parameters()}
    assert names == {"0.weight", "0.bias", "3.weight"}


# Five accounts of three shares; the fourth lacks the modality, the last is in no training pair.
ROWS = torch.tensor(
    [[0.36, 0.64, 0.0], [0.04, 0.0, 0.96], [0.25, 0.5, 0.25], [0.0, 0.0, 0.0], [1.0, 0.0, 0.0]]
)
PRESENT = torch.tensor([True, True, True, False, True])
FITTED = torch.tensor([True, True, False, True, False])


def rows_made(rows: Tensor = ROWS, *, square_root: bool = True, centred: bool = True) -> Tensor:
    given = Modality(rows, PRESENT)
    return standardised_rows(given, FITTED, square_root=square_root, centred=centred)


@pytest.mark.parametrize("square_root", [True, False])
@pytest.mark.parametrize("centred", [True, False])
def test_rows_are_those_of_a_plain_loop(square_root: bool, centred: bool) -> None:
    values = ROWS.double().numpy()
    if square_root:
        values = np.sqrt(values)
    mean = (values[0] + values[1]) / 2 if centred else np.zeros(3)
    found = rows_made(square_root=square_root, centred=centred)
    for account in range(5):
        moved = values[account] - mean
        expected = moved / np.linalg.norm(moved) if PRESENT[account] else np.zeros(3)
        np.testing.assert_allclose(found[account].numpy(), expected, atol=1e-6)


def test_what_is_missing_is_zero_and_in_no_mean() -> None:
    noisy = ROWS.clone()
    noisy[3] = 1e6
    assert torch.equal(rows_made(noisy), rows_made())
    assert not rows_made(noisy)[3].any()
    # an account outside the training pairs moves nobody else
    noisy[4] = torch.tensor([0.0, 0.0, 7.0])
    assert torch.equal(rows_made(noisy)[:4], rows_made()[:4])


def test_a_row_at_the_mean_is_zero() -> None:
    rows = torch.tensor([[1.0, 3.0], [3.0, 5.0], [2.0, 4.0]])
    everyone = torch.tensor([True, True, True])
    found = standardised_rows(Modality(rows, everyone), everyone, square_root=False, centred=True)
    assert found[2].tolist() == [0.0, 0.0]
    assert found[0].tolist() == pytest.approx([-(0.5**0.5)] * 2)


def test_axes_are_right_singular_vectors_with_their_largest_entry_positive() -> None:
    rows = torch.randn(13, 7, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    axes = principal_axes(rows, 3)
    _, _, right = np.linalg.svd(rows.numpy())
    for place in range(3):
        expected = right[place]
        expected = expected * np.sign(expected[np.abs(expected).argmax()])
        np.testing.assert_allclose(axes[:, place].numpy(), expected, atol=1e-10)
    np.testing.assert_allclose((axes.T @ axes).numpy(), np.eye(3), atol=1e-12)


def test_narrow_rows_are_left_as_they_are() -> None:
    rows = torch.randn(11, 3, generator=torch.Generator().manual_seed(5))
    for n_axes in (3, 5):
        assert torch.equal(principal_axes(rows, n_axes), torch.eye(3))


def test_rows_of_few_dimensions_lose_nothing() -> None:
    generator = torch.Generator().manual_seed(6)
    rows = torch.randn(11, 2, generator=generator) @ torch.randn(2, 7, generator=generator)
    axes = principal_axes(rows, 2)
    assert axes.dtype == torch.float32
    torch.testing.assert_close(rows @ axes @ axes.T, rows, rtol=1e-5, atol=1e-5)


@given(st.integers(0, 1000))
def test_neither_order_nor_missing_rows_change_the_axes(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randn(17, 5, generator=generator) * torch.tensor([5.0, 4.0, 3.0, 2.0, 1.0])
    order = torch.randperm(17, generator=generator)
    padded = torch.cat([torch.zeros(4, 5), rows[order]])
    torch.testing.assert_close(
        principal_axes(padded, 2), principal_axes(rows, 2), rtol=1e-4, atol=1e-4
    )


def test_the_hellinger_product_is_one_less_the_squared_distance() -> None:
    rows = torch.tensor([[4.0, 0.0, 12.0], [0.2, 0.3, 0.5], [0.0, 0.0, 0.0]])
    p, q = (0.25, 0.0, 0.75), (0.2, 0.3, 0.5)
    distance = sum((sqrt(a) - sqrt(b)) ** 2 for a, b in zip(p, q, strict=True)) / 2
    everyone = torch.ones(3, dtype=torch.bool)
    found = standardised_rows(Modality(rows, everyone), everyone, square_root=True, centred=False)
    assert float(found[0] @ found[1]) == pytest.approx(1 - distance)
    assert found[0].norm().item() == pytest.approx(1.0)
    assert found[2].tolist() == [0.0, 0.0, 0.0]


@given(seed=st.integers(0, 10_000))
def test_products_become_z_scores_and_what_is_missing_the_mean(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)

    def draw(n_accounts: int) -> tuple[Modality, Tensor]:
        rows = torch.randn(n_accounts, 3, generator=generator)
        present, fitted = (torch.rand(n_accounts, generator=generator) < x for x in (0.8, 0.6))
        return Modality(rows, present), fitted

    (brands, brand_fitted), (influencers, influencer_fitted) = draw(7), draw(11)
    made = standardise_product(brands, influencers, brand_fitted, influencer_fitted)
    plain = (brands.rows @ influencers.rows.T).double()
    both = brands.mask[:, None] & influencers.mask
    products = plain[both & brand_fitted[:, None] & influencer_fitted]
    mean = products.mean() if len(products) else torch.tensor(0.0)
    deviation = products.std(correction=0) if len(products) > 1 else torch.tensor(1.0)
    expected = torch.where(both, (plain - mean) / deviation, 0.0)
    torch.testing.assert_close((made[0] @ made[1].T).double(), expected, atol=2e-3, rtol=1e-3)


def test_products_that_do_not_vary_keep_their_scale() -> None:
    yes = torch.ones(2, dtype=torch.bool)
    ones = Modality(torch.full((2, 3), 0.1), yes)
    brands, influencers = standardise_product(ones, ones, yes, yes)
    torch.testing.assert_close(brands @ influencers.T, torch.zeros(2, 2), atol=1e-6, rtol=0)
    assert product_deviation(torch.full((5,), 0.1)).item() == 1.0
    assert product_deviation(torch.zeros(0)).item() == 1.0
    assert product_deviation(torch.tensor([1.0, 3.0])).item() == 1.0
    assert product_deviation(torch.tensor([5.0, 15.0])).item() == 5.0


def test_a_centred_product_is_zero_on_average_and_where_one_is_missing() -> None:
    generator = torch.Generator().manual_seed(5)
    brands = torch.rand(5, 3, generator=generator, dtype=torch.float64)
    influencers = torch.rand(7, 3, generator=generator, dtype=torch.float64)
    brand_mask = torch.tensor([True, True, False, True, True])
    mask = torch.tensor([True, False, True, True, True, True, True])
    fitted = torch.tensor([True, True, True, True, False, True, True])
    left, right = centred_product(Modality(brands, brand_mask), Modality(influencers, mask), fitted)
    plain = brands @ influencers.T
    less_mean = plain - plain[:, [0, 2, 3, 5, 6]].mean(dim=1, keepdim=True)
    expected = torch.where(brand_mask[:, None] & mask, less_mean, 0.0)
    torch.testing.assert_close(left @ right.T, expected, rtol=0, atol=1e-12)


def test_nothing_to_centre_on_takes_nothing_away() -> None:
    everyone, nobody = torch.ones(2, dtype=torch.bool), torch.zeros(2, dtype=torch.bool)
    rows = torch.tensor([[1.0, 2.0], [3.0, 5.0]])
    left, right = centred_product(Modality(rows, everyone), Modality(rows, everyone), nobody)
    torch.testing.assert_close(left @ right.T, rows @ rows.T)


def normal_rows(n: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, 5, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("n_neighbours", [1, 3, 7, 20])
def test_means_are_those_of_a_plain_double_loop(
    n_neighbours: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    brands, influencers = normal_rows(7, 1), normal_rows(11, 2)
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
    assert hubness(normal_rows(0, 1), normal_rows(3, 2), 10).tolist() == [0.0, 0.0, 0.0]


@given(st.integers(0, 1000))
def test_half_of_it_gives_the_ranking_of_csls(seed: int) -> None:
    """CSLS with both of its means, on cosines, by the definition."""
    brands, influencers = (torch.nn.functional.normalize(normal_rows(n, seed + n)) for n in (7, 11))
    cosines = (brands @ influencers.T).numpy()
    of_brands = np.sort(cosines, axis=1)[:, -3:].mean(axis=1)
    of_influencers = np.sort(cosines, axis=0)[-3:].mean(axis=0)
    csls = 2 * cosines - of_brands[:, None] - of_influencers[None, :]
    ours = cosines - 0.5 * hubness(brands, influencers, 3).numpy()
    np.testing.assert_array_equal(np.argsort(csls, axis=1), np.argsort(ours, axis=1))


N_CATEGORIES = 5
MEMBERS = torch.tensor([0, 1, 2, 3, 4, 5, 6, 0, 3])
# categories 0, 2 and 4 are chosen by, 1 and 3 by no training brand
CATEGORIES = torch.tensor([0, 0, 2, 2, 4, 4, 4, 2, 2])


def known_rows() -> Tensor:
    return torch.randn(11, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def posterior(inverse_penalty: float = 2.0, **changes: Tensor) -> Tensor:
    given = {"rows": known_rows(), "members": MEMBERS, "categories": CATEGORIES} | changes
    return category_log_posterior(
        given["rows"],
        given["members"],
        given["categories"],
        N_CATEGORIES,
        inverse_penalty=inverse_penalty,
    )


def test_probabilities_are_those_of_a_softmax_regression_fitted_by_scipy() -> None:
    """Minimum of C times the log loss plus half the squared weights, intercepts left free."""
    known, values = [0, 2, 4], known_rows().numpy()
    x, y = values[MEMBERS.numpy()], np.searchsorted(known, CATEGORIES.numpy())

    def logits(parameters: np.ndarray, of: np.ndarray) -> np.ndarray:
        weights = parameters.reshape(3, 4)
        found = of @ weights[:, :3].T + weights[:, 3]
        return found - np.log(np.exp(found).sum(axis=1, keepdims=True))

    def loss(parameters: np.ndarray) -> float:
        fit = -logits(parameters, x)[np.arange(len(y)), y].sum()
        return float(2.0 * fit + (parameters.reshape(3, 4)[:, :3] ** 2).sum() / 2)

    fitted = minimize(loss, np.zeros(12), tol=1e-12).x
    np.testing.assert_allclose(posterior()[:, known].numpy(), logits(fitted, values), atol=2e-3)


def test_chosen_categories_share_the_probability_and_others_get_the_least() -> None:
    found = posterior()
    known = found[:, [0, 2, 4]]
    torch.testing.assert_close(known.exp().sum(dim=1), torch.ones(11, dtype=torch.float64))
    for category in (1, 3):
        assert torch.equal(found[:, category], known.min(dim=1).values)
    assert posterior(rows=known_rows().float()).dtype == torch.float32


def test_only_influencers_of_training_pairs_are_learnt_from() -> None:
    other = known_rows()
    other[7:] = 50.0
    torch.testing.assert_close(posterior(rows=other)[:7], posterior()[:7])
    shuffled = torch.tensor([3, 0, 8, 1, 7, 5, 2, 6, 4])
    again = posterior(members=MEMBERS[shuffled], categories=CATEGORIES[shuffled])
    torch.testing.assert_close(again, posterior(), rtol=1e-3, atol=1e-3)


def test_a_weaker_penalty_is_surer() -> None:
    sure = [float(posterior(c)[:7].exp().max(dim=1).values.mean()) for c in (0.01, 1.0, 100.0)]
    assert sure == sorted(sure)
    assert sure[2] > sure[0] + 0.2


@pytest.mark.parametrize("n_pairs", [0, 1, 2])
def test_where_fewer_than_two_categories_choose_nothing_is_told(n_pairs: int) -> None:
    found = posterior(members=MEMBERS[:n_pairs], categories=CATEGORIES[:n_pairs])
    assert torch.equal(found, torch.zeros(11, N_CATEGORIES, dtype=torch.float64))
