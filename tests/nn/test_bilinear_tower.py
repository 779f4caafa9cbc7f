"""MIR's representation, with weights set by hand."""

import pytest
import torch

from recbole_mirec.nn.towers import BilinearTower

WIDTHS = {"topics": 2, "visual": 3}
HIDDEN = {"topics": [5], "visual": [7]}


def tower(rate: float = 0.0) -> BilinearTower:
    torch.manual_seed(0)
    return BilinearTower(WIDTHS, HIDDEN, 11, rate)


def test_the_vector_is_the_product_of_the_branches_by_hand() -> None:
    made = tower()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.fill_(1.0)
    features = {"topics": torch.tensor([[1.0, 2.0]]), "visual": torch.tensor([[0.0, -3.0, 1.0]])}
    masks = {name: torch.tensor([True]) for name in WIDTHS}
    # topics: 5 * (1 + 2 + 1) + 1 = 21; visual: 7 * 0.01 * (-2 + 1) + 1 = 0.93
    expected = torch.full((1, 11), 21 * 0.93)
    torch.testing.assert_close(made(features, masks), expected)


def test_a_missing_modality_is_left_out_and_an_empty_account_is_zero() -> None:
    made = tower()
    features = {name: torch.randn(3, width) for name, width in WIDTHS.items()}
    masks = {
        "topics": torch.tensor([True, True, False]),
        "visual": torch.tensor([True, False, False]),
    }
    vectors = made(features, masks)
    topics = made.branches["topics"](features["topics"])
    visual = made.branches["visual"](features["visual"])
    torch.testing.assert_close(vectors[0], topics[0] * visual[0])
    torch.testing.assert_close(vectors[1], topics[1])
    assert vectors[2].tolist() == [0.0] * 11


def test_weights_are_dropped_in_training_only() -> None:
    made = tower(0.5)
    features = {name: torch.randn(2, width) for name, width in WIDTHS.items()}
    masks = {name: torch.ones(2, dtype=torch.bool) for name in WIDTHS}
    assert not torch.equal(made(features, masks), made(features, masks))
    made.eval()
    assert torch.equal(made(features, masks), made(features, masks))


def test_every_parameter_gets_a_gradient() -> None:
    made = tower()
    features = {name: torch.randn(4, width) for name, width in WIDTHS.items()}
    masks = {name: torch.ones(4, dtype=torch.bool) for name in WIDTHS}
    made(features, masks).square().sum().backward()
    for name, parameter in made.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
        assert parameter.grad.any(), name


def test_a_width_of_a_modality_must_fit() -> None:
    features = {"topics": torch.randn(2, 3), "visual": torch.randn(2, 3)}
    masks = {name: torch.ones(2, dtype=torch.bool) for name in WIDTHS}
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        tower()(features, masks)
