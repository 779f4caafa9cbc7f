from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from recbole_mirec.nn.metric import MetricEncoder

WIDTHS = {"topics": 5, "labels": 7, "words": 3}
PERSPECTIVES = {"content": ("topics", "labels"), "attribute": ("words",)}
N_ACCOUNTS = 11


def encoder(**changes: Any) -> MetricEncoder:
    torch.manual_seed(1)
    given = {"tower": "linear", "dropout_rate": 0.0, "modality_dropout": 0.0, "temperature": 0.25}
    return MetricEncoder(WIDTHS, PERSPECTIVES, **(given | changes))


def accounts(
    seed: int = 2, *, complete: bool = True
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    generator = torch.Generator().manual_seed(seed)
    masks = {
        name: torch.rand(N_ACCOUNTS, generator=generator) < (2.0 if complete else 0.5)
        for name in WIDTHS
    }
    features = {
        name: torch.randn(N_ACCOUNTS, width, generator=generator) * masks[name][:, None]
        for name, width in WIDTHS.items()
    }
    return features, masks


def moved(made: MetricEncoder) -> MetricEncoder:
    """The encoder with parameters as after some steps."""
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.3)
    return made.eval()


@pytest.mark.parametrize("tower", ["linear", "mlp"])
@torch.no_grad()
def test_untrained_products_are_the_cosines_over_the_temperature(tower: str) -> None:
    features, masks = accounts()
    content, attribute = encoder(tower=tower).eval()(features, masks)
    assert content.shape == (N_ACCOUNTS, 5 + 7)
    unit = {name: functional.normalize(rows) for name, rows in features.items()}
    expected = (unit["topics"] @ unit["topics"].T + unit["labels"] @ unit["labels"].T) / 0.25
    torch.testing.assert_close(content @ content.T, expected, rtol=1e-5, atol=1e-5)
    expected = unit["words"] @ unit["words"].T / 0.25
    torch.testing.assert_close(attribute @ attribute.T, expected, rtol=1e-5, atol=1e-5)


@torch.no_grad()
def test_the_linear_tower_and_its_temperatures_by_hand() -> None:
    made = encoder()
    made.towers["words"][1].weight.copy_(
        torch.tensor([[0.0, 1.0, 0.0], [0.0, 0.0, 0.0], [2.0, 0.0, 0.0]])
    )
    made.log_inverse_temperature["words"].fill_(torch.tensor(9.0).log())
    features, masks = accounts()
    features["words"][0] = torch.tensor([1.0, 1.0, 0.0])
    # x + Wx = [1, 1, 0] + [1, 0, 2] = [2, 1, 2], of length 3, times the root of 9
    assert made.eval()(features, masks)[1][0].tolist() == pytest.approx([2.0, 1.0, 2.0])


@pytest.mark.parametrize("tower", ["linear", "mlp"])
@pytest.mark.parametrize("identity", [True, False])
def test_what_is_missing_is_zero_and_gets_no_gradient(tower: str, identity: bool) -> None:
    made = moved(encoder(tower=tower, identity=identity))
    features, masks = accounts(complete=False)
    noisy = {
        name: torch.where(masks[name][:, None], rows, 1e3).requires_grad_()
        for name, rows in features.items()
    }
    content, attribute = made(noisy, masks)
    for block, name in zip((content[:, :5], content[:, 5:], attribute), WIDTHS, strict=True):
        assert not block[~masks[name]].any()
        assert (block[masks[name]].norm(dim=1) > 0.1).all()
    ((content @ content.T).sum() + (attribute @ attribute.T).sum()).backward()
    for name, rows in noisy.items():
        assert rows.grad is not None
        assert not rows.grad[~masks[name]].any()
        assert rows.grad[masks[name]].any()
    with torch.no_grad():
        for block, plain in zip(made(features, masks), (content, attribute), strict=True):
            torch.testing.assert_close(block, plain)


@torch.no_grad()
def test_a_perspective_reads_its_modalities_only() -> None:
    made = moved(encoder())
    features, masks = accounts()
    content, attribute = made(features, masks)
    other = dict(features, words=features["words"].flip(0))
    again = made(other, masks)
    assert torch.equal(again[0], content)
    assert not torch.equal(again[1], attribute)


@torch.no_grad()
def test_modality_dropout_takes_whole_modalities_in_training_only() -> None:
    made = moved(encoder(modality_dropout=0.4))
    rows = {name: torch.ones(4000, width) for name, width in WIDTHS.items()}
    masks = {name: torch.ones(4000, dtype=torch.bool) for name in WIDTHS}
    plain = made(rows, masks)
    assert all((block.norm(dim=1) > 0).all() for block in plain)
    made.train()
    content, attribute = made(rows, masks)
    gone = [~block.any(dim=1) for block in (content[:, :5], content[:, 5:], attribute)]
    for missing in gone:
        # four standard deviations of a binomial share
        assert missing.float().mean() == pytest.approx(0.4, abs=0.031)
    assert (gone[0] & gone[1]).float().mean() == pytest.approx(0.16, abs=0.024)
    kept = ~gone[0]
    torch.testing.assert_close(content[kept][:, :5], plain[0][kept][:, :5])


@pytest.mark.parametrize("tower", ["linear", "mlp"])
@torch.no_grad()
def test_dropout_in_training_only(tower: str) -> None:
    made = moved(encoder(tower=tower, dropout_rate=0.5))
    given = accounts()
    assert torch.equal(made(*given)[0], made(*given)[0])
    made.train()
    assert not torch.equal(made(*given)[0], made(*given)[0])


@pytest.mark.parametrize("tower", ["linear", "mlp"])
@pytest.mark.parametrize("identity", [True, False])
def test_every_parameter_learns_from_the_second_step_on(tower: str, identity: bool) -> None:
    """From the first one the last layers, which start at 0; then those before them too."""
    made = encoder(tower=tower, identity=identity)
    features, masks = accounts()
    target = torch.randn(N_ACCOUNTS, N_ACCOUNTS, generator=torch.Generator().manual_seed(4))
    steps = torch.optim.SGD(made.parameters(), lr=0.01)
    for step in range(2):
        steps.zero_grad()
        sum((block @ block.T * target).sum() for block in made(features, masks)).backward()
        for name, parameter in made.named_parameters():
            assert parameter.grad is not None, name
            assert parameter.grad.isfinite().all(), name
            starts_at_zero = identity and tower == "mlp" and ".0." in name
            assert parameter.grad.any() or (step == 0 and starts_at_zero), (step, name)
        steps.step()


@torch.no_grad()
def test_without_the_identity_the_towers_start_at_random() -> None:
    features, masks = accounts()
    made = encoder(identity=False).eval()
    attribute = made(features, masks)[1]
    expected = functional.normalize(features["words"] @ made.towers["words"][1].weight.T) * 2.0
    torch.testing.assert_close(attribute, expected)
    unit = functional.normalize(features["words"])
    assert (attribute @ attribute.T - unit @ unit.T / 0.25).abs().max() > 0.5


def test_a_hidden_layer_has_no_bias_at_its_end() -> None:
    names = {name for name, _ in encoder(tower="mlp").towers["words"].named_parameters()}
    assert names == {"0.weight", "0.bias", "3.weight"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dropout_rate": 1.0}, r"'dropout_rate' .* at least 0 and below 1\. Received: 1\.0"),
        ({"modality_dropout": -0.1}, r"'modality_dropout' .* Received: -0\.1"),
        ({"temperature": 0}, r"'temperature' .* at least 0\.001 .* Received: 0"),
    ],
)
def test_wrong_values_are_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        encoder(**changes)
