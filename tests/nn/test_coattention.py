import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from recbole_mirec.nn import (
    AffinityMaps,
    CoAttention,
    affinity,
    attention_weights,
    co_attention,
)
from recbole_mirec.nn.settings import CoattentionInput, CoattentionSides


def random_vectors(n_accounts: int, dimension: int, seed: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    content, audience = torch.randn(
        2, n_accounts, dimension, dtype=torch.float64, generator=generator
    )
    return content, audience


def test_affinity_known_value() -> None:
    # sigmoid(ln 3) = 3/4, sigmoid(-ln 4) = 1/5, sigmoid(0) = 1/2
    result = affinity(
        torch.tensor([[math.log(3), 0.0]]), torch.tensor([[-math.log(4), math.log(3)]])
    )
    torch.testing.assert_close(result, torch.tensor([[3 / 20, 3 / 8]]))


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


def test_co_attention_reweights_each_side_by_its_own_weights() -> None:
    content = torch.tensor([[math.log(3) / 0.5, 0.0]])
    audience = torch.tensor([[0.0, math.log(4) / 0.25]])
    attended = co_attention(content, audience, torch.tensor([[0.5, 0.25]]), "raw")
    torch.testing.assert_close(attended[0], content * torch.tensor([[1.5, 0.5]]))
    torch.testing.assert_close(attended[1], audience * torch.tensor([[0.4, 1.6]]))


@given(
    seed=st.integers(0, 1000),
    dimension=st.integers(1, 13),
    scale=st.sampled_from([0.0, 1.0, 1e4]),
    softmax_input=st.sampled_from(["raw", "sigmoid"]),
)
def test_attention_weights_sum_to_the_dimension(
    seed: int, dimension: int, scale: float, softmax_input: CoattentionInput
) -> None:
    vectors, maps = random_vectors(5, dimension, seed)
    weights = attention_weights(vectors * scale, torch.sigmoid(maps), softmax_input)
    torch.testing.assert_close(weights.sum(dim=1), torch.full((5,), float(dimension)).double())
    assert (weights >= 0).all()


def test_zero_vectors_stay_zero() -> None:
    zeros = torch.zeros(3, 5)
    for attended in co_attention(zeros, zeros, zeros, "raw"):
        assert torch.equal(attended, zeros)


@pytest.mark.parametrize("sides", ["shared", "separate"])
def test_module_attends_only_where_both_are_present(sides: CoattentionSides) -> None:
    module = CoAttention(5, "raw", sides, "normal_0.1", torch.Generator().manual_seed(0)).double()
    content, audience = random_vectors(7, 5, seed=1)
    both = torch.tensor([True, False, True, True, False, True, True])
    is_brand = torch.tensor([True, True, True, False, False, False, True])
    attended = module(content, audience, both, is_brand)
    for row in range(7):
        side = ("brand" if is_brand[row] else "influencer") if sides == "separate" else "account"
        maps = module.sides[side]
        expected = content[row], audience[row]
        if both[row]:
            gate_content = torch.sigmoid(maps.content.weight @ content[row] + maps.content.bias)
            gate_audience = torch.sigmoid(maps.audience.weight @ audience[row] + maps.audience.bias)
            gate = gate_content * gate_audience
            expected = (
                content[row] * torch.softmax(content[row] * gate, dim=0) * 5,
                audience[row] * torch.softmax(audience[row] * gate, dim=0) * 5,
            )
        torch.testing.assert_close(attended[0][row], expected[0])
        torch.testing.assert_close(attended[1][row], expected[1])


def test_sides_matter_only_if_separate() -> None:
    content, audience = random_vectors(3, 5, seed=1)
    everywhere, nowhere = torch.ones(3, dtype=torch.bool), torch.zeros(3, dtype=torch.bool)
    for sides, same in (("shared", True), ("separate", False)):
        module = CoAttention(5, "sigmoid", sides, "normal_0.1", torch.Generator().manual_seed(0))
        module.double()
        as_brands = module(content, audience, everywhere, everywhere)[0]
        as_influencers = module(content, audience, everywhere, nowhere)[0]
        assert torch.allclose(as_brands, as_influencers) is same


def test_no_accounts_and_no_account_with_both() -> None:
    module = CoAttention(5, "raw", "separate", "uniform_0.1").double()
    content, audience = random_vectors(3, 5, seed=1)
    nowhere = torch.zeros(3, dtype=torch.bool)
    unchanged = module(content, audience, nowhere, nowhere)
    assert torch.equal(unchanged[0], content)
    assert torch.equal(unchanged[1], audience)
    assert module(content[:0], audience[:0], nowhere[:0], nowhere[:0])[0].shape == (0, 5)


def test_initialisation_of_the_biases() -> None:
    normal = AffinityMaps(997, "normal_0.1", torch.Generator().manual_seed(0))
    uniform = AffinityMaps(997, "uniform_0.1", torch.Generator().manual_seed(0))
    for name in ("content", "audience"):
        assert abs(getattr(normal, name).bias.std().item() - 1.0) < 0.1
        assert abs(getattr(normal, name).weight.std().item() - 0.1) < 0.001
        assert getattr(uniform, name).bias.abs().max() <= 0.1


def test_gradcheck() -> None:
    module = CoAttention(3, "sigmoid", "separate", "normal_0.1", torch.Generator().manual_seed(0))
    module.double()
    vectors = [values.requires_grad_() for values in random_vectors(5, 3, seed=1)]
    both = torch.tensor([True, True, False, True, True])
    is_brand = torch.tensor([True, False, True, False, True])
    assert torch.autograd.gradcheck(lambda c, u: module(c, u, both, is_brand), vectors)
