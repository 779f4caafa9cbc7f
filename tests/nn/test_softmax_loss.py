import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from recbole_mirec.nn.objective import multi_positive_softmax

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


def test_the_loss_is_that_of_a_plain_double_loop() -> None:
    found = multi_positive_softmax(SCORES, POSITIVES, WEIGHTS)
    assert float(found) == pytest.approx(by_loop(SCORES, POSITIVES, WEIGHTS), rel=1e-12)


def test_one_pair_by_hand() -> None:
    scores = torch.tensor([[math.log(3.0), 0.0, 0.0]])
    found = multi_positive_softmax(scores, torch.tensor([[True, False, False]]), torch.ones(1, 3))
    assert float(found) == pytest.approx(-math.log(3 / 5))


def test_another_positive_stands_in_no_denominator() -> None:
    louder = SCORES.clone()
    louder[0, 0] += 50.0
    alone = torch.zeros_like(WEIGHTS)
    alone[0, 2] = 1.0
    before = multi_positive_softmax(SCORES, POSITIVES, alone)
    assert torch.equal(multi_positive_softmax(louder, POSITIVES, alone), before)
    louder[0, 1] += 50.0
    assert float(multi_positive_softmax(louder, POSITIVES, alone)) > 40


def test_gradients() -> None:
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


def test_weights_of_negatives_count_for_nothing() -> None:
    zeroed = torch.where(POSITIVES, WEIGHTS, 0.0)
    loud = torch.where(POSITIVES, WEIGHTS, 1e6)
    found = [multi_positive_softmax(SCORES, POSITIVES, weights) for weights in (zeroed, loud)]
    assert torch.equal(found[0], found[1])


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
