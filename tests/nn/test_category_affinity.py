import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from torch import Tensor

from recbole_mirec.nn.metric import category_log_posterior

N_CATEGORIES = 5
MEMBERS = torch.tensor([0, 1, 2, 3, 4, 5, 6, 0, 3])
# categories 0, 2 and 4 are chosen by, 1 and 3 by no training brand
CATEGORIES = torch.tensor([0, 0, 2, 2, 4, 4, 4, 2, 2])


def rows() -> Tensor:
    return torch.randn(11, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def posterior(inverse_penalty: float = 2.0, **changes: Tensor) -> Tensor:
    given = {"rows": rows(), "members": MEMBERS, "categories": CATEGORIES} | changes
    return category_log_posterior(
        given["rows"],
        given["members"],
        given["categories"],
        N_CATEGORIES,
        inverse_penalty=inverse_penalty,
    )


def test_probabilities_are_those_of_a_softmax_regression_fitted_by_scipy() -> None:
    """Minimum of C times the log loss plus half the squared weights, intercepts left free."""
    known, values = [0, 2, 4], rows().numpy()
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
    assert posterior(rows=rows().float()).dtype == torch.float32


def test_only_influencers_of_training_pairs_are_learnt_from() -> None:
    other = rows()
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
