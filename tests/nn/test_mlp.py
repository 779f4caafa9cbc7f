import math

import pytest
import torch
from torch import Tensor

from recbole_mirec.nn import MLP
from recbole_mirec.nn.settings import DropoutPlace


def positive_tower(dropout: DropoutPlace, rate: float) -> tuple[MLP, Tensor]:
    """A tower 3 -> 5 -> 5 whose second layer is the identity, and its first weight matrix."""
    tower = MLP(3, (5,), 5, dropout=dropout, dropout_rate=rate, initialisation="uniform_0.1")
    weight = torch.arange(1.0, 16.0).reshape(5, 3)
    with torch.no_grad():
        tower.first.weight.copy_(weight)
        tower.first.bias.zero_()
        tower.rest[0].weight.copy_(torch.eye(5))
        tower.rest[0].bias.zero_()
    return tower, weight


def test_known_value_of_two_layers() -> None:
    tower = MLP(2, (3,), 1, dropout="none", dropout_rate=0.5, initialisation="uniform_0.1")
    with torch.no_grad():
        tower.first.weight.copy_(torch.tensor([[1.0, 2.0], [-1.0, 0.0], [0.0, 1.0]]))
        tower.first.bias.copy_(torch.tensor([0.0, 0.0, -5.0]))
        tower.rest[0].weight.copy_(torch.tensor([[1.0, 100.0, 10.0]]))
        tower.rest[0].bias.copy_(torch.tensor([-30.0]))
    # hidden (3, 4) -> (11, -3, -1) -> leaky (11, -.03, -.01); 11 - 3 - .1 - 30 stays negative
    output = tower(torch.tensor([[3.0, 4.0]]))
    torch.testing.assert_close(output, torch.tensor([[-22.1]]))


def test_weight_dropout_masks_single_weights_and_scales_the_rest() -> None:
    tower, weight = positive_tower("first_weights", 0.75)
    torch.manual_seed(0)
    masked = torch.stack([tower(torch.eye(3)).T for _ in range(2000)])
    dropped = masked == 0
    torch.testing.assert_close(masked, torch.where(dropped, 0.0, 4.0 * weight))
    share_error = math.sqrt(0.75 * 0.25 / dropped.numel())
    assert abs(dropped.double().mean().item() - 0.75) < 4 * share_error
    # single weights fall out, not whole rows or columns
    assert 0 < (dropped.any(dim=1) & ~dropped.all(dim=1)).double().mean() < 1


@pytest.mark.parametrize("dropout", ["first_weights", "first_activations"])
def test_dropout_keeps_the_expectation_of_the_first_layer(dropout: DropoutPlace) -> None:
    tower, weight = positive_tower(dropout, 0.5)
    inputs = torch.tensor([[1.0, 2.0, 3.0]])
    torch.manual_seed(0)
    outputs = torch.cat([tower(inputs) for _ in range(4000)])
    expected = (inputs @ weight.T)[0]
    error = outputs.std(dim=0) / math.sqrt(len(outputs))
    assert (error > 0).all()
    assert ((outputs.mean(dim=0) - expected).abs() < 4 * error).all()


def test_weight_mask_is_shared_by_the_rows_of_a_call_and_drawn_anew_by_the_next() -> None:
    tower, _ = positive_tower("first_weights", 0.5)
    inputs = torch.tensor([[1.0, 2.0, 3.0]]).repeat(7, 1)
    torch.manual_seed(0)
    one, other = tower(inputs), tower(inputs)
    torch.testing.assert_close(one, one[:1].expand_as(one))
    assert not torch.equal(one, other)


def test_activation_mask_is_drawn_for_every_row() -> None:
    tower, weight = positive_tower("first_activations", 0.5)
    inputs = torch.tensor([[1.0, 2.0, 3.0]]).repeat(7, 1)
    torch.manual_seed(0)
    outputs = tower(inputs)
    assert len(torch.unique(outputs, dim=0)) > 1
    torch.testing.assert_close(outputs, torch.where(outputs == 0, 0.0, 2.0 * (inputs @ weight.T)))


@pytest.mark.parametrize("dropout", ["none", "first_weights", "first_activations"])
def test_no_dropout_outside_training(dropout: DropoutPlace) -> None:
    tower, weight = positive_tower(dropout, 0.5)
    inputs = torch.tensor([[1.0, 2.0, 3.0]])
    tower.eval()
    torch.testing.assert_close(tower(inputs), inputs @ weight.T)
    if dropout == "none":
        torch.testing.assert_close(tower.train()(inputs), inputs @ weight.T)


def test_rate_of_zero_drops_nothing_in_training() -> None:
    tower, weight = positive_tower("first_weights", 0.0)
    torch.testing.assert_close(tower(torch.ones(1, 3)), weight.sum(dim=1)[None])


def test_initial_values_come_from_the_generator_alone() -> None:
    def tower(seed: int, scheme: str) -> MLP:
        return MLP(
            41,
            (43,),
            47,
            dropout="none",
            dropout_rate=0.5,
            initialisation=scheme,
            generator=torch.Generator().manual_seed(seed),
        )

    global_state = torch.get_rng_state()
    one, same, other = (tower(seed, "uniform_0.1").state_dict() for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), global_state)
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not any(torch.equal(one[name], other[name]) for name in one)

    uniform = torch.cat([values.flatten() for values in one.values()])
    assert uniform.abs().max() <= 0.1
    assert abs(uniform.std().item() - 0.1 / math.sqrt(3)) < 0.002
    normal = torch.cat(
        [values.flatten() for values in tower(1, "normal_0.1").state_dict().values()]
    )
    assert abs(normal.std().item() - 0.1) < 0.004
    assert abs(normal.mean().item()) < 0.007


def test_gradcheck() -> None:
    tower = MLP(
        3, (5, 7), 2, dropout="none", dropout_rate=0.0, initialisation="normal_0.1"
    ).double()
    inputs = torch.randn(
        2, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0)
    ).requires_grad_()
    assert torch.autograd.gradcheck(tower, (inputs,))
