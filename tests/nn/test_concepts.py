"""CAMERA's attention and factors, by hand and by a double loop."""

from math import exp

import pytest
import torch

from recbole_mirec.nn.concepts import AdaptiveScore, ConceptAttention, weighted_concepts


def network() -> ConceptAttention:
    torch.manual_seed(1)
    return ConceptAttention(3, 5, [7], [11, 13], 17, 0.0)


def test_concepts_are_weighted_by_their_softmax_and_masked() -> None:
    logits = torch.tensor([[0.0, 2.0, 9.0], [0.0, 0.0, 0.0], [1.0, 1.0, 1.0]])
    concepts = torch.tensor([[1.0, 0.0], [0.0, 1.0], [50.0, 50.0]]).expand(3, 3, 2)
    mask = torch.tensor([[True, True, False], [False, False, False], [True, True, True]])
    made = weighted_concepts(logits, concepts, mask)
    share = 1 / (1 + exp(2))
    expected = torch.tensor([[share, 1 - share], [0.0, 0.0], [17.0, 17.0]])
    torch.testing.assert_close(made, expected)


def test_masked_concepts_reach_no_gradient() -> None:
    logits = torch.zeros(2, 3, requires_grad=True)
    concepts = torch.randn(2, 3, 5)
    mask = torch.tensor([[True, True, False], [False, False, False]])
    weighted_concepts(logits, concepts, mask).square().sum().backward()
    assert logits.grad is not None
    assert torch.isfinite(logits.grad).all()
    assert logits.grad[0, :2].all()
    assert not logits.grad[0, 2]
    assert not logits.grad[1].any()


def test_a_logit_is_the_mean_of_the_elementwise_product() -> None:
    made = network()
    histories, concepts = torch.randn(2, 3), torch.randn(4, 5)
    logits = made.logits(histories, concepts)
    for row in range(2):
        for column in range(4):
            product = made.psi(histories[row : row + 1]) * made.rho(concepts[column : column + 1])
            torch.testing.assert_close(logits[row, column], product.mean())


def test_a_vector_reads_history_and_the_concepts_that_the_other_weighs() -> None:
    made = network()
    histories, logits = torch.randn(2, 3), torch.tensor([[60.0, 0.0], [0.0, 60.0]])
    concepts, mask = torch.randn(2, 2, 5), torch.ones(2, 2, dtype=torch.bool)
    vectors = made.represent(histories, logits, concepts, mask)
    chosen = torch.stack([concepts[0, 0], concepts[1, 1]])
    torch.testing.assert_close(vectors, made.gamma(torch.cat([histories, chosen], dim=1)))
    assert vectors.shape == (2, 17)


def sigmoid(value: float) -> float:
    return 1 / (1 + exp(-value))


def test_a_factor_by_hand() -> None:
    made = AdaptiveScore(2, n_hidden=3)
    with torch.no_grad():
        made.hidden_weight.copy_(torch.tensor([[1.0] * 3, [-2.0] * 3]))
        made.hidden_bias.fill_(0.5)
        made.out_weight.fill_(0.25)
        made.out_bias.copy_(torch.tensor([0.0, 1.0]))
    one = sigmoid(0.75 * sigmoid(0.8 + 0.5))
    other = sigmoid(0.75 * sigmoid(-2 * -0.4 + 0.5) + 1.0)
    found = made(torch.tensor([[0.8, -0.4]]))
    assert found.item() == pytest.approx(sigmoid(one + other), rel=1e-6)


def test_factors_stay_between_a_half_and_one_and_all_parameters_learn() -> None:
    made = AdaptiveScore(3)
    factors = made(torch.randn(50, 3) * 10)
    assert float(factors.detach().min()) > 0.5
    assert float(factors.detach().max()) < sigmoid(3)
    factors.sum().backward()
    for name, parameter in made.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.any(), name
