"""The account encoder, and both readings against the equations written out by loops."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny_network import DIMENSIONS, PAPER, REFERENCE, changed, random_accounts, wide_encoder

from recbole_mirec.nn.encoder import AccountEncoder
from recbole_mirec.nn.objective import objective, perspective_scores, weight_matrices
from recbole_mirec.nn.settings import INPUTS, NetworkSettings


def encoder_of(settings: NetworkSettings, dimensions: dict[str, int]) -> AccountEncoder:
    generator = torch.Generator().manual_seed(0)
    return AccountEncoder(settings, dimensions, generator).double().eval()


def test_an_account_depends_on_its_own_row_alone(settings: NetworkSettings) -> None:
    encoder = wide_encoder(settings)
    accounts = random_accounts(23, seed=1, complete=False)
    together, present = encoder(*accounts)
    for rows in ([5], [1, 0], list(range(22, -1, -1)), []):
        vectors, part = encoder(*accounts.rows(rows))
        torch.testing.assert_close(vectors, together[rows], rtol=1e-12, atol=1e-12)
        assert torch.equal(part, present[rows])


def test_evaluation_is_deterministic_and_training_is_not(settings: NetworkSettings) -> None:
    encoder = wide_encoder(settings)
    accounts = random_accounts(7, seed=1)
    assert torch.equal(encoder(*accounts)[0], encoder(*accounts)[0])
    encoder.train()
    torch.manual_seed(0)
    assert not torch.equal(encoder(*accounts)[0], encoder(*accounts)[0])


def test_attribute_tower_drops_by_its_own_switch() -> None:
    accounts = random_accounts(7, seed=1)
    for settings, drops in ((PAPER, True), (REFERENCE, False)):
        encoder = wide_encoder(settings)
        quiet = encoder(*accounts)[0][:, 2]
        torch.manual_seed(0)
        noisy = encoder.train()(*accounts)[0][:, 2]
        assert torch.equal(quiet, noisy) is not drops


def test_one_weight_mask_serves_brands_and_influencers() -> None:
    settings = REFERENCE.model_copy(update={"coattention_sides": "shared"})
    encoder = wide_encoder(settings).train()
    accounts = random_accounts(2, seed=1)
    twins = accounts.rows([0, 0])._replace(is_brand=torch.tensor([True, False]))
    torch.manual_seed(0)
    brand, influencer = encoder(*twins)[0]
    torch.testing.assert_close(brand, influencer)


@given(seed=st.integers(0, 1000))
@pytest.mark.parametrize("variant", [PAPER, REFERENCE], ids=["paper", "reference"])
def test_missing_rows_never_leak(variant: NetworkSettings, seed: int) -> None:
    encoder = wide_encoder(variant)
    accounts = random_accounts(7, seed, complete=False)
    results = []
    for garbage in (0.0, 1e30, math.nan, math.inf):
        features = {
            name: torch.where(accounts.masks[name][:, None], values, garbage)
            for name, values in accounts.features.items()
        }
        vectors, present = encoder(features, accounts.masks, accounts.is_brand)
        gradients = torch.autograd.grad(vectors.square().sum(), list(encoder.parameters()))
        results.append([vectors, *gradients])
        for column, modalities in enumerate(INPUTS.values()):
            expected = torch.stack([accounts.masks[name] for name in modalities]).any(dim=0)
            assert torch.equal(present[:, column], expected)
        assert (vectors[~present] == 0).all()
    for result in results[1:]:
        for value, clean in zip(result, results[0], strict=True):
            assert clean.isfinite().all()
            assert torch.equal(value, clean)


def test_missing_features_get_no_gradient(settings: NetworkSettings) -> None:
    accounts = random_accounts(13, seed=3, complete=False)
    features = {name: values.requires_grad_() for name, values in accounts.features.items()}
    vectors, _ = wide_encoder(settings)(features, accounts.masks, accounts.is_brand)
    vectors.square().sum().backward()
    for name, values in features.items():
        assert values.grad is not None
        assert (values.grad[~accounts.masks[name]] == 0).all()
        assert (values.grad[accounts.masks[name]] != 0).all()


def test_every_parameter_gets_a_gradient(settings: NetworkSettings) -> None:
    encoder = wide_encoder(settings)
    brands = random_accounts(8, seed=1).rows([0, 2, 4, 6])
    influencers = random_accounts(16, seed=2).rows(list(range(1, 16, 2)))
    brand_vectors, brand_present = encoder(*brands)
    vectors, present = encoder(*influencers)
    masks = [brand_present & part for part in present.chunk(2)]
    scores = [perspective_scores(brand_vectors, part) for part in vectors.chunk(2)]
    # no L1: its gradient would hide a parameter that the scores do not reach
    terms = objective(settings, *scores, *masks, [])
    torch.stack(list(terms.values())).sum().backward()
    for name, parameter in encoder.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert (parameter.grad != 0).all(), name


def test_gradcheck(settings: NetworkSettings) -> None:
    encoder = wide_encoder(settings)
    accounts = random_accounts(3, seed=1, complete=False)
    names = list(DIMENSIONS)
    inputs = [accounts.features[name].requires_grad_() for name in names]

    def vectors(*inputs: torch.Tensor) -> torch.Tensor:
        features = dict(zip(names, inputs, strict=True))
        result: torch.Tensor = encoder(features, accounts.masks, accounts.is_brand)[0]
        return result

    assert torch.autograd.gradcheck(vectors, inputs)


@pytest.mark.parametrize("perspective", ["content", "audience", "attribute"])
def test_every_perspective_and_each_of_its_modalities_moves_the_score(
    settings: NetworkSettings, perspective: str
) -> None:
    encoder = wide_encoder(settings)
    accounts = random_accounts(2, seed=5)
    whole = perspective_scores(*encoder(*accounts)[0].split(1)).sum()
    for modality in INPUTS[perspective]:
        masks = {**accounts.masks, modality: torch.zeros(2, dtype=torch.bool)}
        vectors = encoder(accounts.features, masks, accounts.is_brand)[0]
        assert not torch.isclose(perspective_scores(*vectors.split(1)).sum(), whole)


def test_perspectives_come_in_the_order_of_the_settings() -> None:
    accounts = random_accounts(5, seed=1)
    straight = encoder_of(changed(perspectives=("content", "attribute")), DIMENSIONS)
    turned = encoder_of(changed(perspectives=("attribute", "content")), DIMENSIONS)
    turned.load_state_dict(straight.state_dict())
    torch.testing.assert_close(turned(*accounts)[0].flip(1), straight(*accounts)[0])


def test_one_perspective_of_one_modality(settings: NetworkSettings) -> None:
    encoder = encoder_of(
        settings.model_copy(update={"perspectives": ("content",)}), {"content_topics": 5}
    )
    accounts = random_accounts(3, seed=1)
    mask = torch.tensor([True, False, True])
    vectors, present = encoder(accounts.features, {"content_topics": mask}, accounts.is_brand)
    expected = encoder.towers["content_topics"](accounts.features["content_topics"])
    if settings.fusion == "low_rank":
        expected = encoder.fusions["content"].maps["content_topics"](expected)
    torch.testing.assert_close(vectors[:, 0], expected * mask[:, None])
    assert present.tolist() == [[True], [False], [True]]
    assert encoder.coattention is None


def test_same_seed_same_network(settings: NetworkSettings) -> None:
    one, other = (encoder_of(settings, DIMENSIONS).state_dict() for _ in range(2))
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_order_of_the_dimensions_changes_nothing(settings: NetworkSettings) -> None:
    one = encoder_of(settings, DIMENSIONS).state_dict()
    other = encoder_of(settings, dict(reversed(DIMENSIONS.items()))).state_dict()
    assert list(one) == list(other)
    assert all(torch.equal(one[name], other[name]) for name in one)


Vector = list[float]
Weights = dict[str, np.ndarray]
Account = dict[str, Vector]  # only the modalities that it has
N_DIMENSIONS = PAPER.dimension


def linear(weights: Weights, name: str, x: Vector) -> Vector:
    matrix, bias = weights[f"{name}.weight"], weights[f"{name}.bias"]
    outputs = []
    for j in range(matrix.shape[0]):
        total = float(bias[j])
        for i in range(matrix.shape[1]):
            total += x[i] * float(matrix[j, i])
        outputs.append(total)
    return outputs


def tower(weights: Weights, modality: str, x: Vector) -> Vector:
    n_further = {"visual": 3, "topics": 1, "attribute": 1}[modality.split("_")[-1]]
    x = linear(weights, f"towers.{modality}.first", x)
    for layer in range(n_further):
        x = [value if value > 0 else 0.01 * value for value in x]
        x = linear(weights, f"towers.{modality}.rest.{layer}", x)
    return x


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def softmax_times_dimension(x: Vector) -> Vector:
    total = sum(math.exp(value) for value in x)
    return [math.exp(value) / total * N_DIMENSIONS for value in x]


def product(x: Vector, y: Vector) -> Vector:
    return [a * b for a, b in zip(x, y, strict=True)]


def inner(x: Vector | None, y: Vector | None) -> float | None:
    return None if x is None or y is None else sum(product(x, y))


def affinity_by_loops(weights: Weights, side: str, e_c: Vector, e_u: Vector) -> Vector:
    left = linear(weights, f"coattention.sides.{side}.content", e_c)
    right = linear(weights, f"coattention.sides.{side}.audience", e_u)
    return [sigmoid(a) * sigmoid(b) for a, b in zip(left, right, strict=True)]


def paper_vectors(weights: Weights, account: Account, side: str) -> dict[str, Vector | None]:
    def perspective(name: str) -> Vector | None:
        visual, topics = None, None
        if f"{name}_visual" in account:
            e = tower(weights, f"{name}_visual", account[f"{name}_visual"])  # (7), (10)
            visual = linear(weights, f"fusions.{name}.maps.{name}_visual", e)
        if f"{name}_topics" in account:
            e = tower(weights, f"{name}_topics", account[f"{name}_topics"])  # (8), (11)
            topics = linear(weights, f"fusions.{name}.maps.{name}_topics", e)
        if visual is None or topics is None:
            return topics if visual is None else visual
        return product(visual, topics)  # (9), (12)

    e_c, e_u = perspective("content"), perspective("audience")
    if e_c is not None and e_u is not None:
        e_af = affinity_by_loops(weights, "account", e_c, e_u)  # (20), one set
        w_c = softmax_times_dimension(product(e_c, e_af))  # (21)
        w_u = softmax_times_dimension(product(e_u, e_af))  # (22)
        e_c, e_u = product(e_c, w_c), product(e_u, w_u)  # (23), (24)
    e_s = tower(weights, "attribute", account["attribute"]) if "attribute" in account else None
    return {"content": e_c, "audience": e_u, "attribute": e_s}


def reference_vectors(weights: Weights, account: Account, side: str) -> dict[str, Vector | None]:
    def perspective(name: str) -> Vector | None:
        modalities = [m for m in (f"{name}_visual", f"{name}_topics") if m in account]
        branches = [tower(weights, modality, account[modality]) for modality in modalities]
        if len(branches) == 2:
            return product(*branches)
        return branches[0] if branches else None

    e_c, e_u = perspective("content"), perspective("audience")
    if e_c is not None and e_u is not None:
        e_af = affinity_by_loops(weights, side, e_c, e_u)
        w_c = softmax_times_dimension(product([sigmoid(x) for x in e_c], e_af))
        w_u = softmax_times_dimension(product([sigmoid(x) for x in e_u], e_af))
        e_c, e_u = product(e_c, w_c), product(e_u, w_u)
    e_s = tower(weights, "attribute", account["attribute"]) if "attribute" in account else None
    return {"content": e_c, "audience": e_u, "attribute": e_s}


Pair = dict[str, float | None]


def mean(values: list[float]) -> float:
    return sum(values) / len(values) if values else 0.0


def hinges(pairs: list[tuple[Pair, Pair]], name: str, margin: float) -> list[float]:
    losses = []
    for positive, negative in pairs:
        pos, neg = positive[name], negative[name]
        if pos is not None and neg is not None:
            losses.append(max(neg - pos + margin, 0.0))
    return losses


def total(pair: Pair) -> float:
    return sum(score for score in pair.values() if score is not None)


def l1_by_loops(weights: Weights) -> float:
    names = [name for name in weights if name.endswith(".weight")]
    return 0.001 * sum(abs(float(value)) for name in names for value in weights[name].ravel())


def paper_loss(weights: Weights, pairs: list[tuple[Pair, Pair]]) -> float:
    loss = mean(hinges(pairs, "content", 4.0))  # (28)
    loss += mean(hinges(pairs, "audience", 2.0))  # (29)
    loss += mean(hinges(pairs, "attribute", 2.0))  # (30)
    loss += mean(
        [
            -math.log(sigmoid(total(positive))) - math.log(1 - sigmoid(total(negative)))
            for positive, negative in pairs
        ]
    )  # (31)
    return loss + l1_by_loops(weights)  # (32)


def reference_loss(weights: Weights, pairs: list[tuple[Pair, Pair]]) -> float:
    loss = 0.0
    for name, margin, penalty in (
        ("content", 4.0, 0.01),
        ("audience", 2.0, 0.02),
        ("attribute", 2.0, 0.01),
    ):
        loss += mean([value for value in hinges(pairs, name, margin) if value > 0])
        for side in (0, 1):
            scores = [pair[side][name] for pair in pairs]
            loss += penalty * mean([score for score in scores if score is not None])
    shares = [
        math.exp(total(positive)) / (math.exp(total(positive)) + math.exp(total(negative)))
        for positive, negative in pairs
    ]
    return loss + mean([-math.log(share) for share in shares]) + l1_by_loops(weights)


@pytest.mark.parametrize("complete", [True, False], ids=["complete", "missing"])
@pytest.mark.parametrize(
    ("settings", "vectors_by_loops", "loss_by_loops"),
    [(PAPER, paper_vectors, paper_loss), (REFERENCE, reference_vectors, reference_loss)],
    ids=["paper", "reference"],
)
def test_forward_and_loss_by_loops(
    settings: NetworkSettings,
    vectors_by_loops: Callable[[Weights, Account, str], dict[str, Vector | None]],
    loss_by_loops: Callable[[Weights, list[tuple[Pair, Pair]]], float],
    complete: bool,
) -> None:
    n_pairs = 5
    encoder = wide_encoder(settings, seed=7)
    weights = {name: values.numpy() for name, values in encoder.state_dict().items()}
    accounts = random_accounts(3 * n_pairs, seed=11, complete=complete)
    accounts = accounts._replace(is_brand=torch.arange(3 * n_pairs) < n_pairs)

    vectors, present = encoder(*accounts)
    brand, positive, negative = vectors.chunk(3)
    has_brand, has_positive, has_negative = present.chunk(3)
    terms = objective(
        settings,
        perspective_scores(brand, positive),
        perspective_scores(brand, negative),
        has_brand & has_positive,
        has_brand & has_negative,
        weight_matrices(encoder),
    )

    by_loops = []
    for row in range(3 * n_pairs):
        account = {
            name: accounts.features[name][row].tolist()
            for name in DIMENSIONS
            if accounts.masks[name][row]
        }
        side = "brand" if row < n_pairs else "influencer"
        by_loops.append(vectors_by_loops(weights, account, side))
        for column, vector in enumerate(by_loops[row].values()):
            assert present[row, column].item() is (vector is not None)
            expected = [0.0] * N_DIMENSIONS if vector is None else vector
            assert vectors[row, column].tolist() == pytest.approx(expected, rel=1e-9, abs=1e-12)
    assert present.all().item() is complete

    pairs = []
    for row in range(n_pairs):
        us, them, others = (by_loops[row + start * n_pairs] for start in range(3))
        pairs.append(
            (
                {name: inner(us[name], them[name]) for name in us},
                {name: inner(us[name], others[name]) for name in us},
            )
        )
    loss = torch.stack(list(terms.values())).sum().item()
    assert loss == pytest.approx(loss_by_loops(weights, pairs), rel=1e-9)
