"""Towers, fusion and co-attention: values by hand, masks, dropout and first values."""

import math
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny_network import changed
from torch import Tensor

from recbole_mirec.nn.settings import DropoutPlace, Initialisation, Modality
from recbole_mirec.nn.towers import (
    MLP,
    CoAttention,
    Fusion,
    attention_weights,
    linear,
)


def positive_tower(dropout: DropoutPlace, rate: float) -> tuple[MLP, Tensor]:
    """A tower 3 -> 5 -> 5 whose second layer is the identity, and its first weight matrix."""
    tower = MLP(3, (5,), 5, dropout=dropout, dropout_rate=rate)
    weight = torch.arange(1.0, 16.0).reshape(5, 3)
    with torch.no_grad():
        tower.first.weight.copy_(weight)
        tower.first.bias.zero_()
        tower.rest[0].weight.copy_(torch.eye(5))
        tower.rest[0].bias.zero_()
    return tower, weight


def test_known_value_of_two_layers() -> None:
    tower = MLP(2, (3,), 1, dropout="none", dropout_rate=0.5)
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


def test_first_values_are_of_the_seed_and_of_the_scheme() -> None:
    def values(seed: int, scheme: Initialisation) -> Tensor:
        torch.manual_seed(seed)
        tower = MLP(41, (43,), 47, dropout_rate=0.5, initialisation=scheme)
        return torch.cat([parameter.detach().flatten() for parameter in tower.parameters()])

    uniform, normal = values(1, "uniform_0.1"), values(1, "normal_0.1")
    assert torch.equal(uniform, values(1, "uniform_0.1"))
    assert not (uniform == values(2, "uniform_0.1")).any()
    assert uniform.abs().max() <= 0.1
    assert abs(uniform.std().item() - 0.1 / math.sqrt(3)) < 0.002
    assert abs(normal.std().item() - 0.1) < 0.004
    assert abs(normal.mean().item()) < 0.007
    # torch's own first values, which ours replace, draw nothing
    torch.manual_seed(1)
    first = torch.empty(43, 41).uniform_(-0.1, 0.1)
    assert torch.equal(uniform[: 43 * 41], first.flatten())


VISUAL = torch.tensor([[1.0, -2.0, 3.0]] * 5)
TOPICS = torch.tensor([[5.0, 7.0, -11.0]] * 5)
HAS_VISUAL = torch.tensor([True, True, False, False, True])
HAS_TOPICS = torch.tensor([True, False, True, False, True])
EMBEDDINGS = {"visual": Modality(VISUAL, HAS_VISUAL), "topics": Modality(TOPICS, HAS_TOPICS)}


def fusion(rule: str, modalities: tuple[str, ...] = ("visual", "topics")) -> Fusion:
    if rule == "product":
        return Fusion({name: torch.nn.Identity() for name in modalities})
    maps = {name: linear(3, 3, "uniform_0.1") for name in modalities}
    with torch.no_grad():
        for name, layer in maps.items():
            # a shift of the axes shows a transposed matrix, which a diagonal one hides
            layer.weight.copy_((2.0 if name == "visual" else -1.0) * torch.eye(3).roll(1, dims=1))
            layer.bias.copy_(torch.tensor([0.5, 0.0, 0.0]))
    return Fusion(maps)


def test_plain_product_of_what_is_present() -> None:
    vectors, present = fusion("product")(EMBEDDINGS)
    both = [5.0, -14.0, -33.0]
    expected = torch.tensor([both, [1.0, -2.0, 3.0], [5.0, 7.0, -11.0], [0.0] * 3, both])
    torch.testing.assert_close(vectors, expected)
    assert present.tolist() == [True, True, True, False, True]


def test_low_rank_maps_each_branch_that_is_present() -> None:
    vectors, present = fusion("low_rank")(EMBEDDINGS)
    # row i of the stored matrix reads entry i + 1, the last one entry 0
    visual = torch.tensor([2 * -2.0 + 0.5, 2 * 3.0, 2 * 1.0])
    topics = torch.tensor([-7.0 + 0.5, 11.0, -5.0])
    expected = torch.stack([visual * topics, visual, topics, torch.zeros(3), visual * topics])
    torch.testing.assert_close(vectors, expected)
    assert present.tolist() == [True, True, True, False, True]


@pytest.mark.parametrize("rule", ["product", "low_rank"])
def test_fusion_of_one_modality_treats_it_as_one_with_another_missing(rule: str) -> None:
    alone, _ = fusion(rule, ("topics",))(EMBEDDINGS)
    nobody = Modality(VISUAL, torch.zeros(5, dtype=torch.bool))
    beside, _ = fusion(rule)(EMBEDDINGS | {"visual": nobody})
    torch.testing.assert_close(alone, beside)
    assert alone[0].abs().sum() > 0


@given(
    masks=st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=7),
    seed=st.integers(0, 1000),
)
def test_missing_branches_never_leak(masks: list[tuple[bool, bool]], seed: int) -> None:
    keep = torch.tensor(masks)
    values = torch.randn(2, len(masks), 3, generator=torch.Generator().manual_seed(seed))
    branches = {
        name: Modality(
            torch.where(keep[:, side, None], values[side], torch.nan).requires_grad_(),
            keep[:, side],
        )
        for side, name in enumerate(("visual", "topics"))
    }
    vectors, present = fusion("product")(branches)
    for row, (first, second) in enumerate(masks):
        expected = torch.ones(3) if first or second else torch.zeros(3)
        expected = expected * (values[0, row] if first else 1.0)
        expected = expected * (values[1, row] if second else 1.0)
        torch.testing.assert_close(vectors[row], expected)
    assert torch.equal(present, keep.any(dim=1))
    vectors.sum().backward()
    for branch, mask in branches.values():
        assert branch.grad is not None
        assert branch.grad.isfinite().all()
        assert (branch.grad[~mask] == 0).all()


def test_attention_weights_known_value_of_both_readings() -> None:
    # raw: exp(e o e_af) = (2, 1, 5), of 8, times 3 dimensions
    vectors = torch.tensor([[math.log(2) / 0.5, 0.0, math.log(5) / 0.25]])
    affinities = torch.tensor([[0.5, 0.9, 0.25]])
    weights = attention_weights(vectors, affinities, "raw")
    torch.testing.assert_close(weights, torch.tensor([[6 / 8, 3 / 8, 15 / 8]]))
    # sigmoid: sigmoid(e) = (3/4, 1/2), times e_af: (ln 3, 0), softmax (3/4, 1/4), times 2
    vectors = torch.tensor([[math.log(3), 0.0]])
    affinities = torch.tensor([[math.log(3) / 0.75, 0.0]])
    weights = attention_weights(vectors, affinities, "sigmoid")
    torch.testing.assert_close(weights, torch.tensor([[1.5, 0.5]]))


def coattention(dimension: int, sides: str, **changes: Any) -> CoAttention:
    torch.manual_seed(0)
    given = {"initialisation": "normal_0.1", "coattention_input": "raw"} | changes
    settings = changed(dimension=dimension, coattention_sides=sides, **given)
    return CoAttention(settings).double()


def both_perspectives(n: int, dimension: int, mask: list[bool] | None = None) -> list[Modality]:
    generator = torch.Generator().manual_seed(1)
    rows = torch.randn(2, n, dimension, dtype=torch.float64, generator=generator)
    has = torch.ones(n, dtype=torch.bool) if mask is None else torch.tensor(mask)
    return [Modality(rows[0], has), Modality(rows[1], torch.ones(n, dtype=torch.bool))]


@pytest.mark.parametrize("sides", ["shared", "separate"])
def test_module_attends_only_where_both_are_present(sides: str) -> None:
    module = coattention(5, sides)
    both = [True, False, True, True, False, True, True]
    given = both_perspectives(7, 5, both)
    is_brand = torch.tensor([True, True, True, False, False, False, True])
    attended = module(*given, is_brand)
    for row in range(7):
        side = ("brand" if is_brand[row] else "influencer") if sides == "separate" else "account"
        expected = [some.rows[row] for some in given]
        if both[row]:
            maps = module.sides[side].values()
            gates = [
                torch.sigmoid(m.weight @ e + m.bias) for m, e in zip(maps, expected, strict=True)
            ]
            expected = [e * torch.softmax(e * gates[0] * gates[1], dim=0) * 5 for e in expected]
        for found, rows in zip(attended, expected, strict=True):
            torch.testing.assert_close(found.rows[row], rows)
    for found, some in zip(attended, given, strict=True):
        assert torch.equal(found.mask, some.mask)


def test_sides_matter_only_if_separate() -> None:
    given, brands = both_perspectives(3, 5), torch.ones(3, dtype=torch.bool)
    for sides, same in (("shared", True), ("separate", False)):
        module = coattention(5, sides, coattention_input="sigmoid")
        found = [module(*given, is_brand)[0].rows for is_brand in (brands, ~brands)]
        assert torch.allclose(*found) is same


def test_no_accounts_and_no_account_with_both() -> None:
    module, brands = coattention(5, "separate"), torch.zeros(3, dtype=torch.bool)
    given = both_perspectives(3, 5, [False] * 3)
    for found, some in zip(module(*given, brands), given, strict=True):
        assert torch.equal(found.rows, some.rows)
    nobody = [Modality(rows[:0], mask[:0]) for rows, mask in given]
    assert module(*nobody, brands[:0])[0].rows.shape == (0, 5)


def test_first_biases_of_co_attention_are_wide_in_the_reference_alone() -> None:
    for scheme, spread in (("normal_0.1", 1.0), ("uniform_0.1", 0.1 / math.sqrt(3))):
        module = coattention(997, "shared", initialisation=scheme)
        for layer in module.sides["account"].values():
            assert layer.bias.std().item() == pytest.approx(spread, rel=0.1)
            expected = 0.1 if scheme == "normal_0.1" else spread
            assert layer.weight.std().item() == pytest.approx(expected, rel=0.01)


def test_the_product_of_two_towers_by_hand() -> None:
    made = Fusion(
        {"topics": MLP(2, [5], 11, dropout_rate=0.0), "visual": MLP(3, [7], 11, dropout_rate=0.0)}
    )
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.fill_(1.0)
    has, topics, visual = (
        torch.tensor([True]),
        torch.tensor([[1.0, 2.0]]),
        torch.tensor([[0.0, -3.0, 1.0]]),
    )
    # topics: 5 * (1 + 2 + 1) + 1 = 21; visual: 7 * 0.01 * (-2 + 1) + 1 = 0.93
    vectors, _ = made({"topics": Modality(topics, has), "visual": Modality(visual, has)})
    torch.testing.assert_close(vectors, torch.full((1, 11), 21 * 0.93))
