"""Every loss by hand or by a loop, with gradients and what is missing."""

import math
from math import exp, log

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny_network import PAPER, REFERENCE, changed
from torch import Tensor

from recbole_mirec.nn.objective import (
    draw_from_buckets,
    list_cross_entropy,
    masked_mean,
    multi_positive_softmax,
    objective,
    pair_cross_entropy,
    perspective_scores,
    triplet_loss,
    weight_matrices,
)
from recbole_mirec.nn.settings import NetworkSettings
from recbole_mirec.nn.towers import MLP

# three pairs, scores of content, audience and attribute
POSITIVE = torch.tensor([[1.0, 2.0, 3.0], [5.0, 0.0, -1.0], [7.0, 1.0, 0.0]])
NEGATIVE = torch.tensor([[2.0, 1.0, 2.0], [0.0, 1.0, 2.0], [4.0, -2.0, 1.0]])
ALL = torch.ones(3, 3, dtype=torch.bool)


def softplus(x: float) -> float:
    return math.log1p(math.exp(x))


def test_scores_are_inner_products_by_perspective() -> None:
    brands = torch.tensor([[[1.0, 2.0, 3.0, 0.0, 1.0], [0.0] * 5]])
    influencers = torch.tensor([[[2.0, -1.0, 5.0, 9.0, 7.0], [1.0] * 5]])
    assert perspective_scores(brands, influencers).tolist() == [[22.0, 0.0]]


def test_masked_mean_of_nothing_is_zero_with_zero_gradient() -> None:
    values = torch.tensor([math.nan, 3.0, 5.0], requires_grad=True)
    mean = masked_mean(values, torch.tensor([False, True, True]))
    mean.backward()
    assert mean.item() == 4.0
    assert values.grad is not None
    assert values.grad.tolist() == [0.0, 0.5, 0.5]
    assert masked_mean(values, torch.zeros(3, dtype=torch.bool)).item() == 0.0


def test_triplet_loss_of_both_reductions() -> None:
    # margins 4 and 2: content losses 5, 0, 1; audience losses 1, 3, 0
    content = POSITIVE[:, 0], NEGATIVE[:, 0], 4.0
    audience = POSITIVE[:, 1], NEGATIVE[:, 1], 2.0
    assert triplet_loss(*content, "mean").item() == 2.0
    assert triplet_loss(*content, "mean_active").item() == 3.0
    assert triplet_loss(*audience, "mean").item() == pytest.approx(4 / 3)
    assert triplet_loss(*audience, "mean_active").item() == 2.0


def test_triplets_without_the_perspective_count_nowhere() -> None:
    mask = torch.tensor([False, True, True])
    scores = POSITIVE[:, 0], NEGATIVE[:, 0]
    assert triplet_loss(*scores, 4.0, "mean", mask).item() == 0.5
    assert triplet_loss(*scores, 4.0, "mean_active", mask).item() == 1.0


@pytest.mark.parametrize("reduction", ["mean", "mean_active"])
def test_no_triplet_to_average_gives_zero_loss_and_gradient(reduction: str) -> None:
    positive = torch.tensor([9.0, 8.0], requires_grad=True)
    keep, drop = torch.tensor([True, True]), torch.tensor([False, False])
    for negative, mask in ((torch.zeros(2), keep), (torch.full((2,), 99.0), drop)):
        loss = triplet_loss(positive, negative, 4.0, reduction, mask)
        (gradient,) = torch.autograd.grad(loss, positive)
        assert loss.item() == 0.0
        assert gradient.tolist() == [0.0, 0.0]


def test_cross_entropy_of_both_readings() -> None:
    positive = torch.tensor([math.log(3), 0.0])
    negative = torch.tensor([0.0, math.log(4)])
    # shares of the positive 3/4 and 1/5
    shares = pair_cross_entropy(positive, negative, "softmax_pair").item()
    assert shares == pytest.approx(-(math.log(3 / 4) + math.log(1 / 5)) / 2)
    # sigmoid(F(pos)) 3/4, 1/2; 1 - sigmoid(F(neg)) 1/2, 1/5
    logistic = pair_cross_entropy(positive, negative, "softplus").item()
    assert logistic == pytest.approx(-math.log(3 / 4 * 1 / 2 * 1 / 2 * 1 / 5) / 2)


@pytest.mark.parametrize("reading", ["softplus", "softmax_pair"])
def test_cross_entropy_is_finite_and_falls_in_the_right_direction(reading: str) -> None:
    far = torch.tensor([1e4], requires_grad=True)
    loss = pair_cross_entropy(-far, far, reading)
    (gradient,) = torch.autograd.grad(loss, far)
    assert loss.item() == pytest.approx(2e4)
    assert gradient.item() == pytest.approx(2.0)
    positive = torch.zeros(1, requires_grad=True)
    negative = torch.zeros(1, requires_grad=True)
    gradients = torch.autograd.grad(
        pair_cross_entropy(positive, negative, reading), (positive, negative)
    )
    assert [value.item() for value in gradients] == [-0.5, 0.5]


def test_weight_matrices_are_all_but_the_biases() -> None:
    tower = MLP(2, (3,), 5, dropout_rate=0.0)
    assert [tuple(weight.shape) for weight in weight_matrices(tower)] == [(3, 2), (5, 3)]
    assert weight_matrices(tower)[0] is tower.first.weight


def test_terms_of_the_paper_by_hand() -> None:
    weights = [torch.tensor([[1.0, -2.0]]), torch.tensor([[-3.0], [4.0], [5.0]])]
    terms = objective(PAPER, POSITIVE, NEGATIVE, ALL, ALL, weights)
    # F(pos) 6, 4, 8; F(neg) 5, 3, 3; attribute losses 1, 5, 3
    assert {name: term.item() for name, term in terms.items()} == pytest.approx(
        {
            "content_triplet": 2.0,
            "audience_triplet": 4 / 3,
            "attribute_triplet": 3.0,
            "cross_entropy": sum(map(softplus, (-6, -4, -8, 5, 3, 3))) / 3,
            "score_penalty": 0.0,
            "l1": 0.015,
        }
    )


def test_terms_of_the_reference_by_hand() -> None:
    terms = objective(REFERENCE, POSITIVE, NEGATIVE, ALL, ALL, [])
    # sums of scores: positive 13, 3, 2; negative 6, 0, 5
    assert {name: term.item() for name, term in terms.items()} == pytest.approx(
        {
            "content_triplet": 3.0,
            "audience_triplet": 2.0,
            "attribute_triplet": 3.0,
            "cross_entropy": sum(map(softplus, (-1, -1, -5))) / 3,
            "score_penalty": (0.01 * 19 + 0.02 * 3 + 0.01 * 7) / 3,
            "l1": 0.0,
        }
    )


def test_penalty_weighs_positives_and_negatives_apart() -> None:
    settings = changed(perspectives=("audience",), score_penalties={"audience": (0.3, 0.5)})
    audience = slice(1, 2)
    terms = objective(
        settings,
        POSITIVE[:, audience],
        NEGATIVE[:, audience] + 2.0,
        ALL[:, audience],
        ALL[:, audience],
        [],
    )
    assert list(terms) == ["audience_triplet", "cross_entropy", "score_penalty", "l1"]
    assert terms["score_penalty"].item() == pytest.approx(0.3 * 1.0 + 0.5 * 2.0)


def test_missing_perspectives_leave_the_means_and_not_the_cross_entropy() -> None:
    positive_mask, negative_mask = ALL.clone(), ALL.clone()
    positive_mask[0, 0] = False
    negative_mask[2, 1] = False
    positive = POSITIVE.masked_fill(~positive_mask, math.nan).requires_grad_()
    negative = NEGATIVE.masked_fill(~negative_mask, math.nan).requires_grad_()
    terms = objective(REFERENCE, positive, negative, positive_mask, negative_mask, [])
    # content losses 0, 1; audience losses 1, 3; F(pos) 5, 4, 8; F(neg) 5, 3, 5
    assert {name: term.item() for name, term in terms.items()} == pytest.approx(
        {
            "content_triplet": 1.0,
            "audience_triplet": 2.0,
            "attribute_triplet": 3.0,
            "cross_entropy": sum(map(softplus, (0, -1, -3))) / 3,
            "score_penalty": 0.01 * (6 + 2) + 0.02 * (1 + 1) + 0.01 * (2 + 5) / 3,
            "l1": 0.0,
        }
    )
    sum(terms.values()).backward()
    for scores, mask in ((positive, positive_mask), (negative, negative_mask)):
        assert scores.grad is not None
        assert scores.grad.isfinite().all()
        assert (scores.grad[~mask] == 0).all()


def test_gradcheck(settings: NetworkSettings) -> None:
    mask = ALL.clone()
    mask[1, 2] = False
    scores = [values.double().add(0.123).requires_grad_() for values in (POSITIVE, NEGATIVE * 1.1)]
    weight = torch.tensor([[0.3, -0.7]], dtype=torch.float64, requires_grad=True)

    def loss(positive: Tensor, negative: Tensor, weight: Tensor) -> Tensor:
        terms = objective(settings, positive, negative, mask, ALL, [weight])
        return torch.stack(list(terms.values())).sum()

    assert torch.autograd.gradcheck(loss, (*scores, weight))


SCORES = torch.randn(3, 7, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
POSITIVES = torch.tensor(
    [
        [True, False, True, False, False, False, False],
        [False, False, False, False, False, True, False],
        [True, True, True, True, False, True, True],
    ]
)
WEIGHTS = torch.rand(3, 7, generator=torch.Generator().manual_seed(2), dtype=torch.float64)


def by_loop(scores: Tensor, positives: Tensor, weights: Tensor) -> float:
    total = weight = 0.0
    for row, known, worth in zip(
        scores.tolist(), positives.tolist(), weights.tolist(), strict=True
    ):
        against = sum(math.exp(s) for s, is_known in zip(row, known, strict=True) if not is_known)
        for score, is_known, w in zip(row, known, worth, strict=True):
            if is_known:
                total += -w * math.log(math.exp(score) / (math.exp(score) + against))
                weight += w
    return total / weight


def test_the_softmax_loss_is_that_of_a_plain_double_loop() -> None:
    found = multi_positive_softmax(SCORES, POSITIVES, WEIGHTS)
    assert float(found) == pytest.approx(by_loop(SCORES, POSITIVES, WEIGHTS), rel=1e-12)


def test_one_pair_by_hand() -> None:
    scores = torch.tensor([[math.log(3.0), 0.0, 0.0]])
    found = multi_positive_softmax(scores, torch.tensor([[True, False, False]]), torch.ones(1, 3))
    assert float(found) == pytest.approx(-math.log(3 / 5))


def test_gradients_of_the_softmax_loss() -> None:
    scores = SCORES.clone().requires_grad_()
    assert torch.autograd.gradcheck(
        lambda s: multi_positive_softmax(s, POSITIVES, WEIGHTS), (scores,)
    )


def test_a_brand_without_negatives_adds_nothing_and_breaks_nothing() -> None:
    scores = SCORES.clone().requires_grad_()
    positives = POSITIVES.clone()
    positives[2] = True
    loss = multi_positive_softmax(scores, positives, torch.ones_like(WEIGHTS))
    loss.backward()
    expected = by_loop(SCORES[:2], POSITIVES[:2], torch.ones(2, 7)) * 3 / 10
    assert float(loss.detach()) == pytest.approx(expected, rel=1e-12)
    assert scores.grad is not None
    assert scores.grad.isfinite().all()
    assert scores.grad[:2].any()
    assert not scores.grad[2].any()


def test_a_positive_of_weight_zero_is_still_no_negative() -> None:
    weights = WEIGHTS.clone()
    weights[0, 0] = 0.0
    assert float(multi_positive_softmax(SCORES, POSITIVES, weights)) == pytest.approx(
        by_loop(SCORES, POSITIVES, weights), rel=1e-12
    )


@pytest.mark.parametrize("positives", [POSITIVES, torch.zeros_like(POSITIVES)])
def test_without_positive_weight_the_loss_is_zero(positives: Tensor) -> None:
    scores = SCORES.clone().requires_grad_()
    loss = multi_positive_softmax(scores, positives, torch.where(positives, 0.0, WEIGHTS))
    loss.backward()
    assert float(loss.detach()) == 0.0
    assert scores.grad is not None
    assert not scores.grad.any()


@given(st.floats(-50, 50), st.floats(0.01, 100))
def test_neither_a_brand_s_constant_nor_the_unit_of_weights_counts(
    constant: float, unit: float
) -> None:
    moved = SCORES.clone()
    moved[1] += constant
    found = multi_positive_softmax(moved, POSITIVES, WEIGHTS * unit)
    assert float(found) == pytest.approx(by_loop(SCORES, POSITIVES, WEIGHTS), rel=1e-9)


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


def test_the_listwise_loss_by_hand() -> None:
    scores = torch.tensor([[1.0, 0.0, -1.0, 100.0], [0.5, 0.5, torch.nan, 0.5]])
    labels = torch.tensor([[2.0, 1.0, 0.0, 5.0], [1.0, 0.0, 3.0, 0.0]])
    mask = torch.tensor([[True, True, True, False], [True, True, False, True]])
    total = exp(1) + 1 + exp(-1)
    first = -(2 / 3 * log(exp(1) / total) + 1 / 3 * log(1 / total))
    second = log(3)
    found = list_cross_entropy(scores, labels, mask)
    assert found.item() == pytest.approx((first + second) / 2, rel=1e-6)


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
