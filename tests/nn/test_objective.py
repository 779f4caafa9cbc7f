import math

import pytest
import torch
from tiny_network import PAPER, REFERENCE, changed
from torch import Tensor

from recbole_mirec.nn import (
    MLP,
    NetworkSettings,
    masked_mean,
    objective,
    pair_cross_entropy,
    perspective_scores,
    triplet_loss,
    weight_matrices,
)

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
    everything = ALL[:, 0]
    content = POSITIVE[:, 0], NEGATIVE[:, 0], everything, 4.0
    audience = POSITIVE[:, 1], NEGATIVE[:, 1], everything, 2.0
    assert triplet_loss(*content, "mean").item() == 2.0
    assert triplet_loss(*content, "mean_active").item() == 3.0
    assert triplet_loss(*audience, "mean").item() == pytest.approx(4 / 3)
    assert triplet_loss(*audience, "mean_active").item() == 2.0


def test_triplets_without_the_perspective_count_nowhere() -> None:
    mask = torch.tensor([False, True, True])
    scores = POSITIVE[:, 0], NEGATIVE[:, 0]
    assert triplet_loss(*scores, mask, 4.0, "mean").item() == 0.5
    assert triplet_loss(*scores, mask, 4.0, "mean_active").item() == 1.0


@pytest.mark.parametrize("reduction", ["mean", "mean_active"])
def test_no_triplet_to_average_gives_zero_loss_and_gradient(reduction: str) -> None:
    positive = torch.tensor([9.0, 8.0], requires_grad=True)
    keep, drop = torch.tensor([True, True]), torch.tensor([False, False])
    for negative, mask in ((torch.zeros(2), keep), (torch.full((2,), 99.0), drop)):
        loss = triplet_loss(positive, negative, mask, 4.0, reduction)
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
    tower = MLP(2, (3,), 5, dropout="none", dropout_rate=0.0, initialisation="uniform_0.1")
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


def test_score_shapes_are_checked() -> None:
    with pytest.raises(ValueError, match=r"at least one pair. Received: none"):
        objective(PAPER, POSITIVE[:0], NEGATIVE[:0], ALL[:0], ALL[:0], [])
    with pytest.raises(ValueError, match=r"content, audience, attribute. Received: 2 columns"):
        objective(PAPER, POSITIVE[:, :2], NEGATIVE[:, :2], ALL[:, :2], ALL[:, :2], [])


def test_gradcheck(settings: NetworkSettings) -> None:
    mask = ALL.clone()
    mask[1, 2] = False
    scores = [values.double().add(0.123).requires_grad_() for values in (POSITIVE, NEGATIVE * 1.1)]
    weight = torch.tensor([[0.3, -0.7]], dtype=torch.float64, requires_grad=True)

    def loss(positive: Tensor, negative: Tensor, weight: Tensor) -> Tensor:
        terms = objective(settings, positive, negative, mask, ALL, [weight])
        return torch.stack(list(terms.values())).sum()

    assert torch.autograd.gradcheck(loss, (*scores, weight))
