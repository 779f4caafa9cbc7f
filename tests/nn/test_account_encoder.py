import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny_network import DIMENSIONS, PAPER, REFERENCE, changed, random_accounts, wide_encoder

from recbole_mirec.nn import (
    PERSPECTIVE_MODALITIES,
    AccountEncoder,
    NetworkSettings,
    objective,
    perspective_scores,
)


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
    settings = replace(REFERENCE, coattention_sides="shared")
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
        for column, modalities in enumerate(PERSPECTIVE_MODALITIES.values()):
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
    for modality in PERSPECTIVE_MODALITIES[perspective]:
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
    encoder = encoder_of(replace(settings, perspectives=("content",)), {"content_topics": 5})
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


def test_bad_dimensions_are_refused() -> None:
    with pytest.raises(ValueError, match=r"'dimensions' .* nearest valid name is 'content_topics'"):
        AccountEncoder(PAPER, {"content_topic": 5})
    with pytest.raises(ValueError, match=r"'dimensions\[attribute\]' .* Received: 0"):
        AccountEncoder(PAPER, {"attribute": 0})
    with pytest.raises(ValueError, match=r"one of audience_visual, audience_topics.*\['attribute'"):
        AccountEncoder(PAPER, {"content_topics": 5, "attribute": 13})


def test_bad_inputs_are_refused() -> None:
    encoder = encoder_of(PAPER, DIMENSIONS)
    features, masks, is_brand = random_accounts(5, seed=1)
    fewer = {name: values for name, values in features.items() if name != "attribute"}
    with pytest.raises(ValueError, match=r"'features' .* must hold 'attribute'"):
        encoder(fewer, masks, is_brand)
    with pytest.raises(ValueError, match=r"'masks' .* must hold 'audience_topics'"):
        encoder(features, {k: v for k, v in masks.items() if k != "audience_topics"}, is_brand)
    for wrong in (torch.zeros(5, 11), torch.zeros(3, 13)):
        with pytest.raises(ValueError, match=r"'attribute' must have the shapes \(5, 13\) and"):
            encoder({**features, "attribute": wrong}, masks, is_brand)
