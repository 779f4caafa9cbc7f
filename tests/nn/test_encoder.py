"""The account encoder, and both readings against the equations written out by loops."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny_network import DIMENSIONS, PAPER, REFERENCE, changed, random_accounts, tiny_encoder

from recbole_mirec.nn.objective import objective, perspective_scores, weight_matrices
from recbole_mirec.nn.settings import INPUTS, Modality, NetworkSettings


def test_an_account_depends_on_its_own_row_alone(settings: NetworkSettings) -> None:
    encoder = tiny_encoder(settings)
    accounts = random_accounts(23, seed=1, complete=False)
    together, present = encoder(*accounts)
    for rows in ([5], [1, 0], list(range(22, -1, -1)), []):
        vectors, part = encoder(*accounts.rows(rows))
        torch.testing.assert_close(vectors, together[rows], rtol=1e-12, atol=1e-12)
        assert torch.equal(part, present[rows])


def test_evaluation_is_deterministic_and_training_is_not(settings: NetworkSettings) -> None:
    encoder = tiny_encoder(settings)
    accounts = random_accounts(7, seed=1)
    assert torch.equal(encoder(*accounts)[0], encoder(*accounts)[0])
    quiet, noisy = encoder(*accounts)[0], encoder.train()(*accounts)[0]
    assert not torch.equal(encoder(*accounts)[0], noisy)
    # the attribute tower drops by its own switch
    assert torch.equal(quiet[:, 2], noisy[:, 2]) == (settings.attribute_dropout == "none")


def test_one_weight_mask_serves_brands_and_influencers() -> None:
    settings = REFERENCE.model_copy(update={"coattention_sides": "shared"})
    encoder = tiny_encoder(settings).train()
    twins = random_accounts(2, seed=1).rows([0, 0])
    brand, influencer = encoder(twins.modalities, torch.tensor([True, False]))[0]
    torch.testing.assert_close(brand, influencer)


@given(seed=st.integers(0, 1000))
@pytest.mark.parametrize("variant", [PAPER, REFERENCE], ids=["paper", "reference"])
def test_missing_rows_never_leak(variant: NetworkSettings, seed: int) -> None:
    encoder = tiny_encoder(variant)
    accounts = random_accounts(7, seed, complete=False)
    results = []
    for garbage in (0.0, 1e30, math.nan, math.inf):
        noisy = {
            name: Modality(torch.where(mask[:, None], values, garbage).requires_grad_(), mask)
            for name, (values, mask) in accounts.modalities.items()
        }
        vectors, present = encoder(noisy, accounts.is_brand)
        wanted = [*encoder.parameters(), *(values for values, _ in noisy.values())]
        gradients = torch.autograd.grad(vectors.square().sum(), wanted)
        for gradient, (_, mask) in zip(gradients[-5:], noisy.values(), strict=True):
            assert (gradient[~mask] == 0).all()
            assert (gradient[mask] != 0).all()
        results.append([vectors, *gradients])
        for column, modalities in enumerate(INPUTS.values()):
            masks = [accounts.modalities[x].mask for x in modalities if x in DIMENSIONS]
            expected = torch.stack(masks).any(dim=0)
            assert torch.equal(present[:, column], expected)
        assert (vectors[~present] == 0).all()
    for result in results[1:]:
        for value, clean in zip(result, results[0], strict=True):
            assert clean.isfinite().all()
            assert torch.equal(value, clean)


def test_every_parameter_gets_a_gradient(settings: NetworkSettings) -> None:
    encoder = tiny_encoder(settings)
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
    encoder = tiny_encoder(settings)
    accounts = random_accounts(3, seed=1, complete=False)
    masks = {name: mask for name, (_, mask) in accounts.modalities.items()}

    def vectors(*inputs: torch.Tensor) -> torch.Tensor:
        of = {x: Modality(rows, masks[x]) for x, rows in zip(masks, inputs, strict=True)}
        result: torch.Tensor = encoder(of, accounts.is_brand)[0]
        return result

    inputs = [values.requires_grad_() for values, _ in accounts.modalities.values()]
    assert torch.autograd.gradcheck(vectors, inputs)


@pytest.mark.parametrize("perspective", ["content", "audience", "attribute"])
def test_every_perspective_and_each_of_its_modalities_moves_the_score(
    settings: NetworkSettings, perspective: str
) -> None:
    encoder = tiny_encoder(settings)
    accounts = random_accounts(2, seed=5)
    whole = perspective_scores(*encoder(*accounts)[0].split(1)).sum()
    for name in DIMENSIONS.keys() & {*INPUTS[perspective]}:
        nobody = accounts.modalities[name]._replace(mask=torch.zeros(2, dtype=torch.bool))
        vectors = encoder(accounts.modalities | {name: nobody}, accounts.is_brand)[0]
        assert not torch.isclose(perspective_scores(*vectors.split(1)).sum(), whole)


def test_perspectives_come_in_the_order_of_the_settings() -> None:
    accounts = random_accounts(5, seed=1)
    straight = tiny_encoder(changed(perspectives=("content", "attribute")))
    turned = tiny_encoder(changed(perspectives=("attribute", "content")))
    turned.load_state_dict(straight.state_dict())
    torch.testing.assert_close(turned(*accounts)[0].flip(1), straight(*accounts)[0])


def test_one_perspective_of_one_modality(settings: NetworkSettings) -> None:
    encoder = tiny_encoder(
        settings.model_copy(update={"perspectives": ("content",)}), {"content_topics": 5}
    )
    accounts = random_accounts(3, seed=1)
    rows, mask = accounts.modalities["content_topics"].rows, torch.tensor([True, False, True])
    vectors, present = encoder({"content_topics": Modality(rows, mask)}, accounts.is_brand)
    expected = encoder.towers["content_topics"](rows)
    if settings.fusion == "low_rank":
        expected = encoder.fusions["content"].maps["content_topics"](expected)
    torch.testing.assert_close(vectors[:, 0], expected * mask[:, None])
    assert present.tolist() == [[True], [False], [True]]
    assert encoder.coattention is None


def test_a_seed_gives_one_network_whatever_the_order_of_the_data(
    settings: NetworkSettings,
) -> None:
    one = tiny_encoder(settings).state_dict()
    other = tiny_encoder(settings, dict(reversed(DIMENSIONS.items()))).state_dict()
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


def vectors_by_loops(
    weights: Weights, account: Account, reference: bool, side: str
) -> dict[str, Vector | None]:
    def perspective(name: str) -> Vector | None:
        branches = []
        for modality in (f"{name}_visual", f"{name}_topics"):
            if modality in account:
                e = tower(weights, modality, account[modality])  # (7), (8), (10), (11)
                mapped = f"fusions.{name}.maps.{modality}"
                branches.append(e if reference else linear(weights, mapped, e))
        if len(branches) == 2:
            return product(*branches)  # (9), (12)
        return branches[0] if branches else None

    e_c, e_u = perspective("content"), perspective("audience")
    if e_c is not None and e_u is not None:
        name = f"coattention.sides.{side if reference else 'account'}"
        left = linear(weights, f"{name}.content", e_c)
        right = linear(weights, f"{name}.audience", e_u)
        e_af = [sigmoid(a) * sigmoid(b) for a, b in zip(left, right, strict=True)]  # (20)
        read_c, read_u = ([sigmoid(x) if reference else x for x in e] for e in (e_c, e_u))
        w_c = softmax_times_dimension(product(read_c, e_af))  # (21)
        w_u = softmax_times_dimension(product(read_u, e_af))  # (22)
        e_c, e_u = product(e_c, w_c), product(e_u, w_u)  # (23), (24)
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
    ("settings", "loss_by_loops"),
    [(PAPER, paper_loss), (REFERENCE, reference_loss)],
    ids=["paper", "reference"],
)
def test_forward_and_loss_by_loops(
    settings: NetworkSettings,
    loss_by_loops: Callable[[Weights, list[tuple[Pair, Pair]]], float],
    complete: bool,
) -> None:
    n_pairs = 5
    encoder = tiny_encoder(settings)
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
            name: rows[row].tolist()
            for name, (rows, mask) in accounts.modalities.items()
            if mask[row]
        }
        side = "brand" if row < n_pairs else "influencer"
        by_loops.append(vectors_by_loops(weights, account, settings is REFERENCE, side))
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
