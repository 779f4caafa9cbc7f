"""Towers, fusion and co-attention: values by hand, masks, dropout and first values."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from recbole_mirec.nn.settings import CoattentionSides, DropoutPlace, FusionRule
from recbole_mirec.nn.towers import (
    MLP,
    BilinearTower,
    CoAttention,
    Fusion,
    attention_weights,
    masked_product,
)


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


def test_gradients_of_an_mlp() -> None:
    tower = MLP(
        3, (5, 7), 2, dropout="none", dropout_rate=0.0, initialisation="normal_0.1"
    ).double()
    inputs = torch.randn(
        2, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0)
    ).requires_grad_()
    assert torch.autograd.gradcheck(tower, (inputs,))


VISUAL = torch.tensor([[1.0, -2.0, 3.0]] * 5)
TOPICS = torch.tensor([[5.0, 7.0, -11.0]] * 5)
HAS_VISUAL = torch.tensor([True, True, False, False, True])
HAS_TOPICS = torch.tensor([True, False, True, False, True])


def fusion(rule: FusionRule, modalities: tuple[str, ...] = ("visual", "topics")) -> Fusion:
    module = Fusion(rule, modalities, 3, "uniform_0.1", torch.Generator().manual_seed(0))
    if rule == "low_rank":
        with torch.no_grad():
            for modality, factor in (("visual", 2.0), ("topics", -1.0)):
                if modality in modalities:
                    # a shift of the axes shows a transposed matrix, which a diagonal one hides
                    module.maps[modality].weight.copy_(factor * torch.eye(3).roll(1, dims=1))
                    module.maps[modality].bias.copy_(torch.tensor([0.5, 0.0, 0.0]))
    return module


def test_plain_product_of_what_is_present() -> None:
    vectors, present = fusion("product")(
        {"visual": VISUAL, "topics": TOPICS}, {"visual": HAS_VISUAL, "topics": HAS_TOPICS}
    )
    both = [5.0, -14.0, -33.0]
    expected = torch.tensor([both, [1.0, -2.0, 3.0], [5.0, 7.0, -11.0], [0.0] * 3, both])
    torch.testing.assert_close(vectors, expected)
    assert present.tolist() == [True, True, True, False, True]
    assert not list(fusion("product").parameters())


def test_low_rank_maps_each_branch_that_is_present() -> None:
    vectors, present = fusion("low_rank")(
        {"visual": VISUAL, "topics": TOPICS}, {"visual": HAS_VISUAL, "topics": HAS_TOPICS}
    )
    # row i of the stored matrix reads entry i + 1, the last one entry 0
    visual = torch.tensor([2 * -2.0 + 0.5, 2 * 3.0, 2 * 1.0])
    topics = torch.tensor([-7.0 + 0.5, 11.0, -5.0])
    expected = torch.stack([visual * topics, visual, topics, torch.zeros(3), visual * topics])
    torch.testing.assert_close(vectors, expected)
    assert present.tolist() == [True, True, True, False, True]


def test_fusion_of_one_modality_treats_it_as_one_with_another_missing() -> None:
    for rule in ("product", "low_rank"):
        alone, _ = fusion(rule, ("topics",))({"topics": TOPICS}, {"topics": HAS_TOPICS})
        nothing = torch.zeros(5, dtype=torch.bool)
        beside, _ = fusion(rule)(
            {"visual": VISUAL, "topics": TOPICS}, {"visual": nothing, "topics": HAS_TOPICS}
        )
        torch.testing.assert_close(alone, beside)
        assert alone[0].abs().sum() > 0


@given(
    masks=st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=7),
    seed=st.integers(0, 1000),
)
def test_missing_branches_never_leak(masks: list[tuple[bool, bool]], seed: int) -> None:
    keep = torch.tensor(masks)
    values = torch.randn(2, len(masks), 3, generator=torch.Generator().manual_seed(seed))
    branches = [
        torch.where(keep[:, side, None], values[side], torch.nan).requires_grad_()
        for side in range(2)
    ]
    vectors, present = masked_product(branches, [keep[:, 0], keep[:, 1]])
    for row, (first, second) in enumerate(masks):
        expected = torch.ones(3) if first or second else torch.zeros(3)
        expected = expected * (values[0, row] if first else 1.0)
        expected = expected * (values[1, row] if second else 1.0)
        torch.testing.assert_close(vectors[row], expected)
    assert torch.equal(present, keep.any(dim=1))
    vectors.sum().backward()
    for side, branch in enumerate(branches):
        assert branch.grad is not None
        assert branch.grad.isfinite().all()
        assert (branch.grad[~keep[:, side]] == 0).all()


def test_gradients_of_fusion() -> None:
    module = fusion("low_rank").double()
    visual, topics = (v.double().requires_grad_() for v in (VISUAL, TOPICS))
    masks = {"visual": HAS_VISUAL, "topics": HAS_TOPICS}

    def fused(visual: torch.Tensor, topics: torch.Tensor) -> torch.Tensor:
        vectors: torch.Tensor = module({"visual": visual, "topics": topics}, masks)[0]
        return vectors

    assert torch.autograd.gradcheck(fused, (visual, topics))


def random_vectors(n_accounts: int, dimension: int, seed: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    content, audience = torch.randn(
        2, n_accounts, dimension, dtype=torch.float64, generator=generator
    )
    return content, audience


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


@pytest.mark.parametrize("sides", ["shared", "separate"])
def test_module_attends_only_where_both_are_present(sides: CoattentionSides) -> None:
    module = CoAttention(5, "raw", sides, "normal_0.1", torch.Generator().manual_seed(0)).double()
    content, audience = random_vectors(7, 5, seed=1)
    both = torch.tensor([True, False, True, True, False, True, True])
    is_brand = torch.tensor([True, True, True, False, False, False, True])
    attended = module(content, audience, both, is_brand)
    for row in range(7):
        side = ("brand" if is_brand[row] else "influencer") if sides == "separate" else "account"
        content_map, audience_map = module.sides[side].values()
        expected = content[row], audience[row]
        if both[row]:
            gate_content = torch.sigmoid(content_map.weight @ content[row] + content_map.bias)
            gate_audience = torch.sigmoid(audience_map.weight @ audience[row] + audience_map.bias)
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


def test_gradients_of_co_attention() -> None:
    module = CoAttention(3, "sigmoid", "separate", "normal_0.1", torch.Generator().manual_seed(0))
    module.double()
    vectors = [values.requires_grad_() for values in random_vectors(5, 3, seed=1)]
    both = torch.tensor([True, True, False, True, True])
    is_brand = torch.tensor([True, False, True, False, True])
    assert torch.autograd.gradcheck(lambda c, u: module(c, u, both, is_brand), vectors)


def test_first_biases_of_co_attention_are_wide_in_the_reference_alone() -> None:
    for scheme, spread in (("normal_0.1", 1.0), ("uniform_0.1", 0.1 / math.sqrt(3))):
        module = CoAttention(997, "raw", "shared", scheme, torch.Generator().manual_seed(0))
        for linear in module.sides["account"].values():
            assert linear.bias.std().item() == pytest.approx(spread, rel=0.1)
            expected = 0.1 if scheme == "normal_0.1" else spread
            assert linear.weight.std().item() == pytest.approx(expected, rel=0.01)


WIDTHS = {"topics": 2, "visual": 3}
HIDDEN = {"topics": [5], "visual": [7]}


def bilinear(rate: float = 0.0) -> BilinearTower:
    torch.manual_seed(0)
    return BilinearTower(WIDTHS, HIDDEN, 11, rate)


def test_the_vector_is_the_product_of_the_branches_by_hand() -> None:
    made = bilinear()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.fill_(1.0)
    features = {"topics": torch.tensor([[1.0, 2.0]]), "visual": torch.tensor([[0.0, -3.0, 1.0]])}
    masks = {name: torch.tensor([True]) for name in WIDTHS}
    # topics: 5 * (1 + 2 + 1) + 1 = 21; visual: 7 * 0.01 * (-2 + 1) + 1 = 0.93
    expected = torch.full((1, 11), 21 * 0.93)
    torch.testing.assert_close(made(features, masks), expected)


def test_a_missing_modality_is_left_out_and_an_empty_account_is_zero() -> None:
    made = bilinear()
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
