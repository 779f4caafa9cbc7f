"""Drawing from buckets and the listwise loss, by hand."""

from math import exp, log

import pytest
import torch

from recbole_mirec.nn.objective import draw_from_buckets, list_cross_entropy


def test_a_draw_takes_each_member_of_a_bucket_equally_often() -> None:
    members = torch.tensor([[[3, 5, 7], [11, 0, 0]]])
    sizes = torch.tensor([[3, 1]])
    n_draws = 600
    places = torch.linspace(0, 1 - 1e-7, n_draws).unsqueeze(1).expand(n_draws, 2)
    drawn = draw_from_buckets(members.expand(n_draws, 2, 3), sizes.expand(n_draws, 2), places)
    assert torch.bincount(drawn[:, 0], minlength=8).tolist() == [0, 0, 0, 200, 0, 200, 0, 200]
    assert set(drawn[:, 1].tolist()) == {11}


def test_the_largest_draw_stays_in_the_bucket_and_an_empty_bucket_gives_padding() -> None:
    members = torch.tensor([[[2, 4], [0, 0]]])
    places = torch.full((1, 2), 1 - 2**-24)
    # 2 * (1 - 2**-24) is 2 in float32 after rounding for larger sizes; the slot is bounded anyway
    assert draw_from_buckets(members, torch.tensor([[2, 0]]), places).tolist() == [[4, 0]]


def test_the_loss_by_hand() -> None:
    scores = torch.tensor([[1.0, 0.0, -1.0, 100.0], [0.5, 0.5, torch.nan, 0.5]])
    labels = torch.tensor([[2.0, 1.0, 0.0, 5.0], [1.0, 0.0, 3.0, 0.0]])
    mask = torch.tensor([[True, True, True, False], [True, True, False, True]])
    total = exp(1) + 1 + exp(-1)
    first = -(2 / 3 * log(exp(1) / total) + 1 / 3 * log(1 / total))
    second = log(3)
    found = list_cross_entropy(scores, labels, mask)
    assert found.item() == pytest.approx((first + second) / 2, rel=1e-6)


def test_one_positive_and_one_negative_are_the_pairwise_softmax() -> None:
    positive, negative = torch.randn(5), torch.randn(5)
    scores = torch.stack([positive, negative], dim=1)
    labels = torch.tensor([3.0, 0.0]).expand(5, 2)
    found = list_cross_entropy(scores, labels, torch.ones(5, 2, dtype=torch.bool))
    expected = torch.nn.functional.softplus(negative - positive).mean()
    torch.testing.assert_close(found, expected)


def test_gradients_reach_what_the_list_has_and_nothing_else() -> None:
    scores = torch.randn(3, 4, dtype=torch.float64, requires_grad=True)
    labels = torch.tensor([[3.0, 2.0, 1.0, 0.0]]).double().expand(3, 4)
    mask = torch.tensor([[True, True, True, True], [True, False, True, True], [True] * 4])

    def loss(values: torch.Tensor) -> torch.Tensor:
        return list_cross_entropy(values.float(), labels.float(), mask).double()

    loss(scores).backward()
    assert scores.grad is not None
    assert torch.isfinite(scores.grad).all()
    assert (scores.grad != 0).equal(mask)
    # shares less softmax, over the number of lists
    softmax = scores.detach()[0].softmax(dim=0)
    expected = (softmax - torch.tensor([3, 2, 1, 0]) / 6) / 3
    torch.testing.assert_close(scores.grad[0], expected, atol=1e-6, rtol=1e-5)
