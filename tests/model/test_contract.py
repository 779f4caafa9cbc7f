"""What every model of ours promises, whatever it is made of."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from model_cases import (
    ALL,
    SMALL,
    batch_of,
    every_pair,
    fitted,
    forget,
    full_scores,
    made,
    scores,
    shaken,
    shares,
)
from recbole.data.interaction import Interaction

from recbole_mirec.experiment import Experiment
from recbole_mirec.model.base import perspective_tables
from recbole_mirec.nn.settings import Modality
from recbole_mirec.registry import MODELS, is_deterministic
from recbole_mirec.trainer import score_matrix

VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {name: (name, {}) for name in MODELS}
VARIANTS |= {
    f"MIRec-{name}": ("MIRec", {"variant": name, "schedule": "quick"})
    for name in ("reference", "paper")
}
# CAMERA's vectors depend on the pair, and the others have none.
ENCODERS = ("MIRec", "Cosine", "ContentTwoTower", "MIR", "HPTR", "CATR")
# Of training, validation and test.
BRANDS = np.array([1, 2, 7, 11, 36])


@pytest.fixture(scope="module", params=VARIANTS)
def experiment(workplace: Path, request: pytest.FixtureRequest) -> Experiment:
    """An experiment whose parameters are large enough to tell scores apart."""
    model, own = VARIANTS[request.param]
    return shaken(made(workplace, model, **own), 0.3)


def learns(experiment: Experiment) -> bool:
    return experiment.config["model"] in (*SMALL, "MIRec")


def test_scores_are_finite_and_tell_influencers_apart(experiment: Experiment) -> None:
    assert experiment.model.predict(every_pair(experiment)).dtype == torch.float32
    found = scores(experiment)[1:, 1:]
    assert np.isfinite(found).all()
    assert (found[BRANDS - 1].std(axis=1) > 0.01).all()


def test_a_full_ranking_is_the_prediction_in_a_fresh_tensor(experiment: Experiment) -> None:
    brands = Interaction({"brand_id": torch.from_numpy(BRANDS)})
    if experiment.config["model"] == "CAMERA":
        with pytest.raises(NotImplementedError):
            experiment.model.full_sort_predict(brands)
        return
    expected = scores(experiment)[1:, 1:]
    np.testing.assert_allclose(full_scores(experiment)[1:, 1:], expected, rtol=1e-5, atol=1e-4)
    experiment.model.full_sort_predict(brands).fill_(7.0)  # the caller may write into what it gets
    np.testing.assert_allclose(full_scores(experiment)[1:, 1:], expected, rtol=1e-5, atol=1e-4)


def test_scores_depend_on_no_batch_size(
    experiment: Experiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, data = experiment.model, experiment.dataset
    pairs, whole = every_pair(experiment), scores(experiment)
    for size in (1, 7, 64):
        rows = torch.arange(len(pairs)).split(size)[:9]
        with torch.no_grad():
            parts = torch.cat([model.predict(pairs[some]) for some in rows]).numpy()
        np.testing.assert_allclose(parts, whole.ravel()[: len(parts)], rtol=1e-5, atol=1e-5)
    candidates = np.arange(1, data.item_num)
    monkeypatch.setattr("recbole_mirec.model.base.ACCOUNTS_AT_ONCE", 7)
    monkeypatch.setattr("recbole_mirec.model.concepts.PAIRS_AT_ONCE", 3)
    for n_brands in (1, 64):
        monkeypatch.setattr("recbole_mirec.trainer.BRANDS_AT_ONCE", n_brands)
        forget(model)
        matrix = score_matrix(model, data, BRANDS, candidates, pairs_at_once=100)
        np.testing.assert_allclose(matrix, whole[BRANDS][:, 1:], rtol=1e-5, atol=1e-4)
    forget(model)


def test_neither_padding_nor_what_is_missing_reaches_an_account(experiment: Experiment) -> None:
    model = experiment.model
    before = scores(experiment)[1:, 1:]
    kept = {name: buffer.clone() for name, buffer in model.named_buffers()}
    n_missing = 0
    for name, buffer in model.named_buffers():
        if not name.endswith(" features") or not buffer.is_floating_point():
            continue
        assert not buffer[0].any()
        buffer[0] = 1e6
        # those of concepts are ready-made, with zeros for what is missing
        if experiment.config["model"] not in ("CATR", "CAMERA"):
            mask = kept[name.replace(" features", " mask")]
            assert not mask[0]
            buffer[~mask] = 1e6
            n_missing += int((~mask).sum())
    # as from a checkpoint: nothing that was computed of the features stays
    model.load_state_dict(model.state_dict())
    assert np.array_equal(scores(experiment)[1:, 1:], before)
    for name, buffer in model.named_buffers():
        if not torch.equal(buffer, kept[name]):
            buffer.copy_(kept[name])
    model.load_state_dict(model.state_dict())
    assert (n_missing > 10 + 10) == (experiment.config["model"] in {*ENCODERS} - {"CATR"})


def test_account_vectors_give_the_scores_and_perspectives_their_shares(
    experiment: Experiment,
) -> None:
    model = experiment.model
    by_perspective = bool(model.perspectives) and hasattr(model, "perspective_scores")
    assert by_perspective == (experiment.config["model"] in ("MIRec", "Cosine"))
    if not hasattr(model, "account_vectors"):
        assert not by_perspective
        return
    vectors = {side: rows.detach().double() for side, rows in model.account_vectors().items()}
    found = torch.einsum("bpd,ipd->bip", vectors["brand"], vectors["influencer"]).numpy()
    expected = scores(experiment)
    np.testing.assert_allclose(found.sum(axis=2)[1:, 1:], expected[1:, 1:], rtol=1e-4, atol=1e-4)
    if by_perspective:
        assert found.shape[2] == len(model.perspectives)
        assert (found.std(axis=(0, 1)) > 0.01).all()
        np.testing.assert_allclose(shares(experiment), found, rtol=1e-4, atol=1e-4)


def test_accounts_are_encoded_from_their_features_alone(experiment: Experiment) -> None:
    """Of the test part: what no training has seen."""
    model, data = experiment.model, experiment.dataset
    assert hasattr(model, "encode") == (experiment.config["model"] in ENCODERS)
    if not hasattr(model, "encode"):
        return
    tables = perspective_tables(data.accounts, ALL)
    if experiment.config["model"] == "MIRec":
        tables["brand"] |= {
            name: both for name, both in model.inputs.table("brand").items() if name == "category"
        }
    whole = model.account_vectors()
    for side, column in (("brand", 0), ("influencer", 1)):
        ids = np.setdiff1d(data.pairs["test"][:, column], data.pairs["train"][:, column])[:5]
        assert len(ids) == 5
        some = {name: Modality(*(x[ids] for x in both)) for name, both in tables[side].items()}
        with torch.no_grad():
            found = model.encode(side, some)
        torch.testing.assert_close(found, whole[side][ids], rtol=1e-6, atol=1e-6)


def test_every_parameter_learns_and_checkpoints_hold_no_features(experiment: Experiment) -> None:
    model = experiment.model
    parameters, state = dict(model.named_parameters()), model.state_dict()
    assert set(parameters) <= set(state)
    assert set(parameters) == set(state) or experiment.config["model"] in (*ENCODERS, "CAMERA")
    for name in state:
        assert not name.endswith((" features", " mask", "scores")), name
        assert "input " not in name and "training_pairs" not in name, name
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
    assert np.array_equal(scores(experiment), before)
    state = {name: value.clone() for name, value in model.state_dict().items()}
    learnt = dict(model.named_parameters())
    model.load_state_dict(
        {name: 1.5 * value if name in learnt else value for name, value in state.items()}
    )
    assert not np.allclose(scores(experiment), before)
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
    assert np.array_equal(scores(experiment), before)
    if hasattr(model, "account_vectors"):
        assert model.account_vectors() is model.account_vectors()


def test_it_says_what_its_scores_and_figures_are(experiment: Experiment) -> None:
    model, name = experiment.model, experiment.config["model"]
    assert model.score_meaning
    assert all(note.startswith(name) for note in model.figure_notes)
    assert MODELS[name].leaks == ("LEAK" in model.score_meaning)
    fingerprint = model.input_fingerprint()
    assert (fingerprint is not None) == (learns(experiment) or name == "Cosine")
    assert fingerprint is None or len(fingerprint) == 64


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_seed_gives_the_same_model(workplace: Path, variant: str) -> None:
    model, own = VARIANTS[variant]
    experiments = [fitted(made(workplace, model, **own, seed=seed, epochs=1)) for seed in (5, 5, 6)]
    found = [scores(experiment) for experiment in experiments]
    assert np.array_equal(found[0], found[1])
    assert np.array_equal(found[0], found[2]) == is_deterministic(type(experiments[0].model))
