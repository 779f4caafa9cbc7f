"""MIRec's own method: what its scores are made of, and what must leave them as they are."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from little_data import NAME, TINY, settings, write_little
from model_cases import ALL, batch_of, fitted, made, scores, shaken, shares
from numpy.typing import NDArray
from torch import Tensor

from dataset_convert.atomic import AtomicData, write_atomic
from dataset_convert.synthetic import generate
from recbole_mirec.experiment import Experiment, prepare, run_experiment
from recbole_mirec.model.metric import TrainingPairs, peer_loss

# Nothing but the learnt metric, and the learnt metric and one part more.
BARE = {"plda_weight": 0, "raw_weight": 0, "category_weight": 0, "hubness_weight": 0}


def prepared(folder: Path, **changes: Any) -> Experiment:
    """An experiment whose learnt part is no longer the identity."""
    return shaken(made(folder, **changes), 0.1)


@pytest.fixture(scope="module")
def experiment(workplace: Path) -> Experiment:
    return prepared(workplace)


def present(experiment: Experiment, side: str, perspective: str) -> NDArray[np.bool_]:
    table = experiment.model.method.accounts.table(side)
    parts = experiment.model.method.perspectives[perspective]
    return np.any([table[part].mask.numpy() for part in parts], axis=0)


def test_a_perspective_that_is_missing_adds_exactly_zero(experiment: Experiment) -> None:
    parts = shares(experiment)
    n_missing = 0
    for place, name in enumerate(ALL):
        brands, influencers = (present(experiment, side, name) for side in ("brand", "influencer"))
        assert not parts[~brands, :, place].any()
        assert not parts[:, ~influencers, place].any()
        assert (np.abs(parts[brands][:, influencers, place]) > 0).mean() > 0.99
        n_missing += int((~brands[1:]).sum()) + int((~influencers[1:]).sum())
    assert n_missing > 20


@pytest.mark.parametrize(
    "changes",
    [
        {"plda_weight": 0},
        {"raw_weight": 0},
        {"category_weight": 0},
        {"hubness_weight": 0},
        {"csls": True},
        {"centring": False},
        {"square_roots": False},
        {"input_dimension": 5},
        {"plda_dimension": 5},
        {"plda_shrinkage": 0.1},
        {"plda_cross_share": 0.0},
        {"category_inverse_penalty": 0.1},
        {"hubness_neighbours": 2},
        {"temperature": 0.5},
        {"identity_path": False},
        {"tower": "mlp"},
        {"graph_dimension": 5},
    ],
)
def test_every_part_counts(
    workplace: Path, experiment: Experiment, changes: dict[str, Any]
) -> None:
    found = scores(prepared(workplace, **changes))
    order = np.argsort(found[1:, 1:], axis=1)
    assert not np.array_equal(order, np.argsort(scores(experiment)[1:, 1:], axis=1))


@pytest.mark.parametrize("part", ["plda_weight", "raw_weight", "category_weight"])
def test_a_part_adds_to_scores_in_proportion_to_its_weight(workplace: Path, part: str) -> None:
    none, one, three = (
        scores(prepared(workplace, **(BARE | {part: weight}))) for weight in (0, 0.5, 1.5)
    )
    assert (one - none)[1:, 1:].std() > 0.01
    np.testing.assert_allclose(three - none, 3 * (one - none), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("csls", [False, True])
def test_hubness_takes_a_share_of_the_mean_score_for_the_nearest_brands(
    workplace: Path, csls: bool
) -> None:
    given = {"perspectives": ["audience"], "hubness_neighbours": 3, "csls": csls}
    experiment = prepared(workplace, **given, hubness_weight=0.75)
    without = prepared(workplace, **(given | {"csls": False}), hubness_weight=0)
    # the last entry of a vector takes the brand's mean away, which hubness does not know of
    left, right = (rows[:, 0, :-1] for rows in without.model.account_vectors().values())
    plain = (left @ right.T).double().numpy()
    brands = present(experiment, "brand", "audience")
    influencers = present(experiment, "influencer", "audience")
    reference = brands.copy()
    if not csls:
        reference &= np.isin(np.arange(len(brands)), experiment.dataset.pairs["train"][:, 0])
        assert reference.sum() < brands.sum()
    nearest = np.sort(plain[reference], axis=0)[-3:].mean(axis=0)
    expected = (plain - (0.5 if csls else 0.75) * nearest)[brands][:, influencers]
    difference = scores(experiment)[brands][:, influencers] - expected
    # up to a brand's constant, which ranks nobody
    assert expected.std() > 0.1
    assert np.ptp(difference, axis=1).max() < 1e-3


def changed(data: AtomicData, **changes: Any) -> AtomicData:
    return type(data)(**(vars(data) | changes))


@pytest.fixture(scope="module")
def tiny() -> AtomicData:
    return generate(TINY)


def written(folder: Path, data: AtomicData) -> Path:
    write_atomic(data, folder / TINY)
    return folder


# So few axes that whom they are fitted on shows.
FEW_AXES = {"input_dimension": 5, "plda_dimension": 3, "hubness_neighbours": 3}


def with_features_of_another(data: AtomicData, side: str, account: str, other: str) -> AtomicData:
    """The data with the features of one account replaced by those of another."""
    frame = data.brands if side == "brand" else data.influencers
    rows = frame.set_index(f"{side}_id")
    for column in rows.columns:
        if not column.endswith(("_category", "_followers")):
            rows.at[account, column] = rows.at[other, column]
    return changed(data, **{f"{side}s": rows.reset_index()[frame.columns]})


def test_an_influencer_s_features_touch_no_other_where_no_training_brand_has_it(
    workplace: Path, tmp_path: Path, tiny: AtomicData
) -> None:
    train = set(tiny.splits["new-brand"]["train"]["influencer_id"])
    held = tiny.splits["new-brand"]["test"]["influencer_id"]
    account, other = [name for name in held if name not in train][:2]
    data = with_features_of_another(tiny, "influencer", account, other)
    one, two = (prepared(where, **FEW_AXES) for where in (workplace, written(tmp_path, data)))
    (column,) = np.flatnonzero(one.dataset.field2id_token["influencer_id"] == account)
    before, after = scores(one), scores(two)
    others = np.arange(before.shape[1]) != column
    assert not np.allclose(before[:, column], after[:, column])
    assert np.array_equal(before[:, others], after[:, others])


@pytest.mark.parametrize("csls", [False, True])
def test_a_test_brand_s_features_touch_no_other_brand_unless_asked(
    workplace: Path, tmp_path: Path, tiny: AtomicData, csls: bool
) -> None:
    names = sorted(set(tiny.splits["new-brand"]["test"]["brand_id"]))
    brand = names[0]
    data = with_features_of_another(tiny, "brand", brand, names[-1])
    given = FEW_AXES | {"csls": csls}
    one, two = prepared(workplace, **given), prepared(written(tmp_path, data), **given)
    (row,) = np.flatnonzero(one.dataset.field2id_token["brand_id"] == brand)
    before, after = scores(one), scores(two)
    others = np.arange(len(before)) != row
    assert not np.allclose(before[row], after[row])
    assert np.array_equal(before[others], after[others]) != csls


def test_influencers_categories_touch_nothing(
    workplace: Path, tmp_path: Path, tiny: AtomicData
) -> None:
    assert tiny.influencer_category is not None
    other = tiny.influencer_category.copy()
    other[:] = np.roll(other.to_numpy(), 7)
    assert not other.equals(tiny.influencer_category)
    folder = written(tmp_path, changed(tiny, influencer_category=other))
    found = [scores(fitted(made(where))) for where in (workplace, folder)]
    assert np.array_equal(*found)


def test_training_pairs_touch_the_closed_form_and_the_training(
    workplace: Path, tmp_path: Path, tiny: AtomicData
) -> None:
    """What the tests above must be able to see."""
    train = tiny.splits["new-brand"]["train"].copy()
    brand = train["brand_id"].iloc[0]
    rows = train["brand_id"] == brand
    taken = set(tiny.interactions.loc[tiny.interactions["brand_id"] == brand, "influencer_id"])
    # influencers that other training brands have, so that the training accounts stay
    fresh = [name for name in train["influencer_id"].unique() if name not in taken]
    moved = dict(zip(train.loc[rows, "influencer_id"], fresh, strict=False))
    inter = tiny.interactions.copy()
    for frame in (train, inter):
        here = frame["brand_id"] == brand
        frame.loc[here, "influencer_id"] = frame.loc[here, "influencer_id"].replace(moved)
    splits = {"new-brand": tiny.splits["new-brand"] | {"train": train}}
    folder = written(tmp_path, changed(tiny, interactions=inter, splits=splits))
    assert not np.allclose(scores(made(workplace)), scores(made(folder)))


def triplets(experiment: Experiment, n_pairs: int | None = None) -> tuple[Tensor, Tensor, Tensor]:
    batch = batch_of(experiment)
    names = ("brand_id", "influencer_id", "neg_influencer_id")
    return tuple(batch[name][:n_pairs] for name in names)  # type: ignore[return-value]


def loss_by_loop(
    experiment: Experiment, batch: tuple[Tensor, Tensor, Tensor], power: float
) -> float:
    """The softmax loss of a batch, pair by pair, on scores of encoder vectors."""
    method, data = experiment.model.method, experiment.dataset
    tables = (method.encoder(method.accounts.table(side)) for side in ("brand", "influencer"))
    brands, influencers = (torch.cat(list(table.values()), dim=1) for table in tables)
    found = (brands @ influencers.T).double()
    known = set(map(tuple, data.pairs["train"].tolist()))
    candidates = {influencer for _, influencer in known}
    competence = data.atomic.interactions.set_index(["brand_id", "influencer_id"])["competence"]
    losses, weights = [], []
    for brand, positive in zip(batch[0].tolist(), batch[1].tolist(), strict=True):
        against = sum(found[brand, i].exp() for i in candidates if (brand, i) not in known)
        score = found[brand, positive].exp()
        names = data.id2token("brand_id", brand), data.id2token("influencer_id", positive)
        weights.append(float(competence[names]) ** power)
        losses.append(weights[-1] * -float((score / (score + against)).log()))
    return sum(losses) / sum(weights)


@pytest.mark.parametrize("power", [0.0, 0.5])
@torch.no_grad()
def test_the_loss_is_that_of_a_plain_loop(workplace: Path, power: float) -> None:
    experiment = prepared(workplace, competence_power=power)
    batch = triplets(experiment, 23)
    assert experiment.model.loss_names == ["softmax"]
    (found,) = experiment.model.method.losses(*batch)
    assert float(found) == pytest.approx(loss_by_loop(experiment, batch, power), rel=1e-4)
    # the drawn negatives have no part in it
    (again,) = experiment.model.method.losses(batch[0], batch[1], batch[1])
    assert torch.equal(again, found)


@torch.no_grad()
def test_competence_moves_the_loss(workplace: Path) -> None:
    methods, found = [], []
    for power in (0.0, 1.0):
        experiment = prepared(workplace, competence_power=power)
        methods.append(experiment.model.method)
        found.append(float(methods[-1].losses(*triplets(experiment))[0]))
    assert abs(found[0] - found[1]) > 1e-3
    assert float(methods[1].pairs.weights.mean()) == pytest.approx(1.0)


@torch.no_grad()
def test_a_sample_of_negatives_makes_the_loss_smaller(workplace: Path) -> None:
    experiment = prepared(workplace, n_negatives=40)
    batch = triplets(experiment, 17)
    torch.manual_seed(1)
    drawn = [float(experiment.model.method.losses(*batch)[0]) for _ in range(2)]
    whole = loss_by_loop(experiment, batch, 0.0)
    assert drawn[0] != drawn[1]
    assert 0 < max(drawn) < whole - 0.1


def test_peers_are_influencers_of_one_brand() -> None:
    vectors = torch.randn(5, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    # brands choose 0, 1 and 2; 2 and 3; 4
    shared = torch.zeros(3, 5)
    shared[0, :3] = shared[1, 2:4] = shared[2, 4] = 1
    peers = {0: [1, 2], 1: [0, 2], 2: [0, 1, 3], 3: [2]}
    products = vectors @ vectors.T
    expected = []
    for influencer, friends in peers.items():
        others = [k for k in range(5) if k not in (*friends, influencer)]
        against = sum(float(products[influencer, k].exp()) for k in others)
        terms = [
            -float(
                (products[influencer, k].exp() / (products[influencer, k].exp() + against)).log()
            )
            for k in friends
        ]
        expected.append(sum(terms) / len(terms))
    found = float(peer_loss(vectors, shared))
    assert found == pytest.approx(sum(expected) / len(expected), rel=1e-6)


def test_peer_weight_adds_a_term_in_proportion(workplace: Path) -> None:
    terms = []
    for weight in (0.25, 0.5):
        experiment = prepared(workplace, peer_weight=weight)
        assert experiment.model.loss_names == ["softmax", "peers"]
        with torch.no_grad():
            losses = experiment.model.method.losses(*triplets(experiment))
            terms.append([float(term) for term in losses])
    assert terms[0][0] == terms[1][0]
    assert 0 < 2 * terms[0][1] == pytest.approx(terms[1][1], rel=1e-6)


def test_a_reloaded_run_scores_as_the_trained_one(workplace: Path) -> None:
    given = settings(workplace, epochs=3, n_negatives=40, modality_dropout=0.2, peer_weight=0.1)
    run = run_experiment(given)
    found = []
    for _ in range(2):
        experiment = prepare(given, run_folder=run.run_folder)
        fresh = scores(experiment)
        experiment.trainer.load_best()
        found.append(scores(experiment))
        assert not np.allclose(found[-1], fresh)
    assert np.array_equal(*found)
    split = experiment.dataset.evaluation_split("test")
    assert split is not None
    assert run.test is not None
    pd.testing.assert_frame_equal(
        experiment.trainer.evaluate_split(split).per_brand, run.test.per_brand, check_exact=True
    )


@pytest.mark.parametrize("protocol", ["new-brand", "known-brand"])
def test_ours_finds_more_than_chance_under_both_protocols(workplace: Path, protocol: str) -> None:
    result = run_experiment(settings(workplace, protocol=protocol, epochs=20, train_batch_size=512))
    assert result.test is not None
    assert result.test.summary["AUC"] > 0.75


def test_a_perspective_s_closed_form_is_the_same_alone_and_beside_others(workplace: Path) -> None:
    whole = shares(made(workplace))
    for place, name in enumerate(ALL):
        alone = scores(made(workplace, perspectives=[name]))
        np.testing.assert_allclose(alone, whole[:, :, place], rtol=1e-4, atol=1e-4)


def test_plda_is_left_out_where_a_perspective_has_too_few_pairs(
    workplace: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    given: dict[str, Any] = {"dataset": NAME, "perspectives": ["audience"]}
    experiment = made(write_little(tmp_path), **given)
    assert "Perspective audience: PLDA is left out." in caplog.text
    assert "Received: 2 pairs of 2 brands." in caplog.text
    without = made(tmp_path, **given, plda_weight=0)
    np.testing.assert_array_equal(scores(experiment), scores(without))


@pytest.mark.parametrize("wide", [3, 8192])
def test_inputs_are_unit_rows_no_wider_than_asked(workplace: Path, wide: int) -> None:
    accounts = made(workplace, input_dimension=wide).model.method.accounts
    for side in ("brand", "influencer"):
        for rows, mask in accounts.table(side).values():
            assert rows.shape[1] <= wide
            norms = rows.norm(dim=1)
            assert not norms[~mask].any()
            assert (norms <= 1 + 1e-5).all()
            if wide == 8192:
                torch.testing.assert_close(norms[mask], torch.ones(int(mask.sum())))


# Brands 1 to 4 of 5 internal ids, influencers of 8; 3 and 6 are in no pair.
PAIRS = np.array([[1, 2], [1, 5], [2, 5], [4, 1], [4, 7], [4, 4]])
WEIGHTS = np.array([0.5, 1.5, 2.0, 0.25, 0.75, 1.0])


@pytest.fixture
def pairs() -> TrainingPairs:
    return TrainingPairs(PAIRS, WEIGHTS, (5, 8))


def test_who_takes_part(pairs: TrainingPairs) -> None:
    assert pairs.is_training("brand").tolist() == [False, True, True, False, True]
    assert pairs.is_training("influencer").nonzero().flatten().tolist() == [1, 2, 4, 5, 7]
    assert pairs.influencers.tolist() == [1, 2, 4, 5, 7]
    assert not pairs.state_dict()


def test_matrices_against_a_plain_double_loop(pairs: TrainingPairs) -> None:
    brands, influencers = torch.tensor([1, 3, 4]), torch.tensor([1, 4, 5, 6])
    # of the batch (4, 4), (1, 5) and (1, 2); (1, 2) stands in no column
    batch = torch.tensor([[4, 4], [1, 5], [1, 2]])
    found = pairs.matrix(brands, influencers)
    weighted = pairs.matrix(brands, influencers, pairs.batch_weights(batch[:, 0], batch[:, 1]))
    known = {tuple(pair): weight for pair, weight in zip(PAIRS.tolist(), WEIGHTS, strict=True)}
    shown = set(map(tuple, batch.tolist()))
    for row, brand in enumerate(brands.tolist()):
        for column, influencer in enumerate(influencers.tolist()):
            pair = (brand, influencer)
            assert float(found[row, column]) == (pair in known)
            assert float(weighted[row, column]) == (known[pair] if pair in shown else 0.0)
    assert weighted.sum() == 1.0 + 1.5


def test_all_influencers_where_there_are_no_more_than_asked_for(pairs: TrainingPairs) -> None:
    before = torch.get_rng_state()
    for most in (5, 8192):
        assert torch.equal(pairs.some_influencers(torch.tensor([7]), most), pairs.influencers)
    assert torch.equal(torch.get_rng_state(), before)  # nothing is drawn


@given(st.integers(0, 500), st.integers(1, 4), st.lists(st.sampled_from([1, 2, 4, 5, 7])))
def test_a_sample_keeps_all_that_are_wanted(seed: int, most: int, wanted: list[int]) -> None:
    pairs = TrainingPairs(PAIRS, WEIGHTS, (5, 8))
    torch.manual_seed(seed)
    found = pairs.some_influencers(torch.tensor(wanted, dtype=torch.int64), most).tolist()
    assert found == sorted(set(found))
    assert set(wanted) <= set(found) <= {1, 2, 4, 5, 7}
    assert len(found) == max(most, len(set(wanted)))


def test_every_other_influencer_is_drawn_as_often(pairs: TrainingPairs) -> None:
    torch.manual_seed(1)
    counts = np.zeros(8)
    for _ in range(2000):
        counts[pairs.some_influencers(torch.tensor([5]), 3).numpy()] += 1
    assert counts[5] == 2000
    # two of the four others: 1,000 each, give or take four standard deviations
    np.testing.assert_allclose(counts[[1, 2, 4, 7]], 1000, atol=90)
    assert counts[[0, 3, 6]].sum() == 0
