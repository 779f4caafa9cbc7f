"""What every model of ours promises, whatever it is made of."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from little_data import settings
from recbole.data.interaction import Interaction
from small_models import SMALL
from torch import Tensor

from recbole_mirec.experiment import Experiment, prepare
from recbole_mirec.registry import MODELS, is_deterministic
from recbole_mirec.trainer import score_matrix

VARIANTS = {name: (name, SMALL.get(name, {})) for name in MODELS}
VARIANTS |= {
    f"MIRec-{name}": ("MIRec", {"variant": name, "schedule": "quick"})
    for name in ("reference", "paper")
}
# Of training, validation and test.
BRANDS = torch.tensor([1, 2, 7, 11, 36])


def given(folder: Path, variant: str, **changes: Any) -> Any:
    model, own = VARIANTS[variant]
    return settings(folder, model, **(own | changes))


def made(folder: Path, variant: str, **changes: Any) -> Experiment:
    """An experiment whose parameters are large enough to tell scores apart."""
    experiment = prepare(given(folder, variant, **changes))
    generator = torch.Generator().manual_seed(4)
    with torch.no_grad():
        for parameter in experiment.model.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.3)
    experiment.model.eval()
    return experiment


@pytest.fixture(scope="module", params=VARIANTS)
def experiment(workplace: Path, request: pytest.FixtureRequest) -> Iterator[Experiment]:
    yield made(workplace, request.param)


def every_pair(experiment: Experiment, brands: Tensor = BRANDS) -> Interaction:
    n_items = experiment.dataset.item_num
    return Interaction(
        {
            "brand_id": brands.repeat_interleave(n_items),
            "influencer_id": torch.arange(n_items).repeat(len(brands)),
        }
    )


@torch.no_grad()
def scores(experiment: Experiment) -> Tensor:
    """Scores of some brands for all influencers but padding."""
    found: Tensor = experiment.model.predict(every_pair(experiment))
    return found.reshape(len(BRANDS), -1)[:, 1:]


def full_ranking(experiment: Experiment) -> Tensor:
    found: Tensor = experiment.model.full_sort_predict(Interaction({"brand_id": BRANDS}))
    return found.reshape(len(BRANDS), -1)[:, 1:]


def learns(experiment: Experiment) -> bool:
    return "unused" not in dict(experiment.model.named_parameters())


def test_scores_are_finite_and_tell_influencers_apart(experiment: Experiment) -> None:
    found = scores(experiment)
    assert found.dtype == torch.float32
    assert found.isfinite().all()
    assert (found.std(dim=1) > 0.01).all()


def test_a_full_ranking_is_the_prediction_in_a_fresh_tensor(experiment: Experiment) -> None:
    if experiment.config["model"] == "CAMERA":
        with pytest.raises(NotImplementedError):
            full_ranking(experiment)
        return
    found, expected = full_ranking(experiment), scores(experiment)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-4)
    found.fill_(7.0)  # the caller may write into what it gets
    torch.testing.assert_close(full_ranking(experiment), expected, rtol=1e-5, atol=1e-4)


def test_scores_depend_on_no_batch_size(
    experiment: Experiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, data = experiment.model, experiment.dataset
    pairs, whole = every_pair(experiment), scores(experiment)
    for size in (1, 7, 64):
        rows = torch.arange(len(pairs)).split(size)[:9]
        with torch.no_grad():
            parts = torch.cat([model.predict(pairs[some]) for some in rows])
            expected = model.predict(pairs)[: len(parts)]
        torch.testing.assert_close(parts, expected, rtol=1e-5, atol=1e-5)
    brands = BRANDS.numpy()
    candidates = torch.arange(1, data.item_num).numpy()
    monkeypatch.setattr("recbole_mirec.model.base.ACCOUNTS_AT_ONCE", 7)
    monkeypatch.setattr("recbole_mirec.model.concepts.PAIRS_AT_ONCE", 3)
    for n_brands in (1, 64):
        monkeypatch.setattr("recbole_mirec.trainer.BRANDS_AT_ONCE", n_brands)
        forget(model)
        matrix = score_matrix(model, data, brands, candidates, pairs_at_once=100)
        torch.testing.assert_close(torch.from_numpy(matrix).float(), whole, rtol=1e-5, atol=1e-4)
    forget(model)


def forget(model: Any) -> None:
    """Drop what is computed once, as training does."""
    model.train()
    model.eval()


def test_padding_reaches_no_account(experiment: Experiment) -> None:
    model = experiment.model
    before = scores(experiment)
    kept = {name: buffer.clone() for name, buffer in model.named_buffers()}
    for name, buffer in model.named_buffers():
        if name.endswith(("_features", "_vectors")):
            assert not buffer[0].any()
            buffer[0] = 1e6
    forget(model)
    assert torch.equal(scores(experiment), before)
    for name, buffer in model.named_buffers():
        buffer.copy_(kept[name])
    forget(model)


def test_account_vectors_give_the_scores_and_perspectives_their_shares(
    experiment: Experiment,
) -> None:
    model = experiment.model
    by_perspective = bool(model.perspectives) and hasattr(model, "perspective_scores")
    assert by_perspective == (experiment.config["model"] in ("MIRec", "Cosine"))
    if not hasattr(model, "account_vectors"):
        assert not by_perspective
        return
    vectors = model.account_vectors()
    shares = torch.einsum(
        "bpd,ipd->bip", vectors["brand"][BRANDS].double(), vectors["influencer"].double()
    )
    torch.testing.assert_close(
        shares.sum(dim=2)[:, 1:].float(), scores(experiment), rtol=1e-4, atol=1e-4
    )
    if by_perspective:
        assert not any(rows[0].any() for rows in vectors.values())
        assert shares.shape[2] == len(model.perspectives)
        assert (shares.std(dim=(0, 1)) > 0.01).all()
        found = model.perspective_scores(every_pair(experiment)).reshape(shares.shape)
        torch.testing.assert_close(found.double(), shares, rtol=1e-4, atol=1e-4)


def batch_of(experiment: Experiment) -> Interaction:
    torch.manual_seed(3)
    return next(iter(experiment.trainer.train_data))


def test_every_parameter_learns_and_checkpoints_hold_nothing_else(experiment: Experiment) -> None:
    model = experiment.model
    parameters = dict(model.named_parameters())
    assert set(model.state_dict()) == set(parameters)
    loss = model.calculate_loss(batch_of(experiment))
    terms = loss if isinstance(loss, tuple) else (loss,)
    assert not isinstance(loss, tuple) or len(loss) == len(model.loss_names)
    if not learns(experiment):
        assert terms[0].item() == 0.0
        assert list(parameters) == ["unused"]
        return
    model.zero_grad()
    sum(terms).backward()
    for name, parameter in parameters.items():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        # a constant added to all logits of an account changes no softmax
        assert parameter.grad.any() or name == "network.rho.rest.0.bias", name
    model.zero_grad()


def test_what_is_computed_once_is_forgotten_when_parameters_change(experiment: Experiment) -> None:
    if not learns(experiment):
        return
    model = experiment.model
    before = scores(experiment)
    assert torch.equal(scores(experiment), before)
    state = {name: value.clone() for name, value in model.state_dict().items()}
    model.load_state_dict({name: 1.5 * value for name, value in state.items()})
    assert not torch.allclose(scores(experiment), before)
    model.train()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(state[name])
    if hasattr(model, "account_vectors"):
        # no dropout in vectors, in training too, and nothing is kept
        during = model.account_vectors()["brand"]
        assert model.training
        assert torch.equal(model.account_vectors()["brand"], during)
    model.eval()
    assert torch.equal(scores(experiment), before)
    if hasattr(model, "account_vectors"):
        assert model.account_vectors() is model.account_vectors() or not learns(experiment)


def test_it_says_what_its_scores_and_figures_are(experiment: Experiment) -> None:
    model, name = experiment.model, experiment.config["model"]
    assert model.score_meaning
    assert all(note.startswith(name) for note in model.figure_notes)
    assert MODELS[name].leaks == ("LEAK" in model.score_meaning)
    fingerprint = model.input_fingerprint()
    assert (fingerprint is not None) == learns(experiment)
    assert fingerprint is None or len(fingerprint) == 64


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_seed_gives_the_same_model(workplace: Path, variant: str) -> None:
    found = []
    for seed in (5, 5, 6):
        experiment = prepare(given(workplace, variant, seed=seed, epochs=1))
        experiment.trainer.fit(experiment.trainer.train_data, None, saved=False)
        experiment.model.eval()
        found.append(scores(experiment))
    assert torch.equal(found[0], found[1])
    same = torch.equal(found[0], found[2])
    assert same == is_deterministic(type(experiment.model))
