"""MIRec's own method: what its scores are made of, and what must leave them as they are."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from little_data import NAME, TINY, changed_positives, settings, write_little
from numpy.typing import NDArray
from recbole.data.interaction import Interaction
from torch import Tensor

from dataset_convert.atomic import AtomicData, write_atomic
from dataset_convert.common.errors import UsageError
from dataset_convert.synthesize import generate
from recbole_mirec.experiment import Experiment, prepare, run_experiment
from recbole_mirec.model.metric import TrainingPairs, _peer_loss

ALL = ("content", "audience", "attribute")
# Nothing but the learnt metric, and the learnt metric and one part more.
BARE = {"plda_weight": 0, "raw_weight": 0, "category_weight": 0, "hubness_weight": 0}


def prepared(folder: Path, **changes: Any) -> Experiment:
    """An experiment whose learnt part is no longer the identity."""
    made = prepare(settings(folder, **changes))
    generator = torch.Generator().manual_seed(4)
    with torch.no_grad():
        for parameter in made.model.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.1)
    made.model.eval()
    return made


@pytest.fixture(scope="module")
def experiment(workplace: Path) -> Experiment:
    return prepared(workplace)


def every_pair(made: Experiment) -> Interaction:
    n_brands, n_influencers = made.dataset.user_num, made.dataset.item_num
    return Interaction(
        {
            "brand_id": torch.arange(n_brands).repeat_interleave(n_influencers),
            "influencer_id": torch.arange(n_influencers).repeat(n_brands),
        }
    )


def scores(made: Experiment) -> NDArray[np.float64]:
    """Scores of all accounts by internal id, padding included: (brand, influencer)."""
    made.model.eval()
    brands = Interaction({"brand_id": torch.arange(made.dataset.user_num)})
    found: NDArray[np.float64] = made.model.full_sort_predict(brands).double().numpy()
    return found.reshape(made.dataset.user_num, made.dataset.item_num)


def shares(made: Experiment) -> NDArray[np.float64]:
    """What each perspective adds: (brand, influencer, perspective)."""
    found = made.model.perspective_scores(every_pair(made)).double().numpy()
    shaped: NDArray[np.float64] = found.reshape(made.dataset.user_num, made.dataset.item_num, -1)
    return shaped


def present(made: Experiment, side: str, perspective: str) -> NDArray[np.bool_]:
    accounts = made.model.method.accounts
    masks = accounts.masks(side, accounts.ids(side))
    parts = made.model.method.perspectives[perspective]
    return np.any([masks[part].numpy() for part in parts], axis=0)


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


def test_what_stands_where_a_modality_is_missing_changes_nothing(workplace: Path) -> None:
    made = prepared(workplace)
    before = scores(made)
    for name, rows in made.model.method.accounts.named_buffers():
        if name.endswith("_features"):
            mask = made.model.method.accounts.get_buffer(name.replace("_features", "_mask"))
            rows[~mask] = 1e6
    made.model.train()
    assert np.array_equal(scores(made), before)


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
    made = prepared(workplace, **given, hubness_weight=0.75)
    without = prepared(workplace, **(given | {"csls": False}), hubness_weight=0)
    # the last entry of a vector takes the brand's mean away, which hubness does not know of
    left, right = (rows[:, 0, :-1] for rows in without.model.account_vectors().values())
    plain = (left @ right.T).double().numpy()
    brands, influencers = (present(made, side, "audience") for side in ("brand", "influencer"))
    reference = brands.copy()
    if not csls:
        reference &= np.isin(np.arange(len(brands)), made.dataset.pairs["train"][:, 0])
        assert reference.sum() < brands.sum()
    nearest = np.sort(plain[reference], axis=0)[-3:].mean(axis=0)
    expected = (plain - (0.5 if csls else 0.75) * nearest)[brands][:, influencers]
    difference = scores(made)[brands][:, influencers] - expected
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
    found = [trained_scores(where) for where in (workplace, folder)]
    assert np.array_equal(*found)


def trained_scores(folder: Path, **changes: Any) -> NDArray[np.float64]:
    made = prepare(settings(folder, **changes))
    made.trainer.fit(made.trainer.train_data, None, saved=False)
    return scores(made)


@pytest.mark.parametrize("part", ["valid", "test"])
def test_held_out_positives_touch_nothing(workplace: Path, tmp_path: Path, part: str) -> None:
    folder = written(tmp_path, changed_positives("known-brand", part))
    found = [trained_scores(where, protocol="known-brand") for where in (workplace, folder)]
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
    assert not np.allclose(scores(prepare(settings(workplace))), scores(prepare(settings(folder))))


def batch_of(made: Experiment, n_pairs: int | None = None) -> tuple[Tensor, Tensor, Tensor]:
    torch.manual_seed(3)
    batch = next(iter(made.trainer.train_data))
    names = ("brand_id", "influencer_id", "neg_influencer_id")
    return tuple(batch[name][:n_pairs] for name in names)  # type: ignore[return-value]


def loss_by_loop(made: Experiment, batch: tuple[Tensor, Tensor, Tensor], power: float) -> float:
    """The softmax loss of a batch, pair by pair, on scores of encoder vectors."""
    method, pairs = made.model.method, made.dataset.pairs["train"]
    vectors = {
        side: torch.cat(
            method.encoder(
                *(
                    read(side, method.accounts.ids(side))
                    for read in (method.accounts.features, method.accounts.masks)
                )
            ),
            dim=1,
        )
        for side in ("brand", "influencer")
    }
    found = (vectors["brand"] @ vectors["influencer"].T).double()
    known = set(map(tuple, pairs.tolist()))
    influencers = sorted(set(pairs[:, 1].tolist()))
    data = made.dataset
    competence = data.atomic.interactions.set_index(["brand_id", "influencer_id"])["competence"]
    raised = {
        (brand, influencer): float(
            competence[data.id2token("brand_id", brand), data.id2token("influencer_id", influencer)]
        )
        ** power
        for brand, influencer in known
    }
    losses, weights = [], []
    for brand, positive in zip(batch[0].tolist(), batch[1].tolist(), strict=True):
        against = [found[brand, i].exp() for i in influencers if (brand, i) not in known]
        score = found[brand, positive]
        weights.append(raised[brand, positive])
        losses.append(weights[-1] * -float((score.exp() / (score.exp() + sum(against))).log()))
    return sum(losses) / sum(weights)


@pytest.mark.parametrize("power", [0.0, 0.5])
@torch.no_grad()
def test_the_loss_is_that_of_a_plain_loop(workplace: Path, power: float) -> None:
    made = prepared(workplace, competence_power=power)
    batch = batch_of(made, 23)
    assert made.model.loss_names == ["softmax"]
    (found,) = made.model.method.losses(*batch)
    assert float(found) == pytest.approx(loss_by_loop(made, batch, power), rel=1e-4)
    # the drawn negatives have no part in it
    (again,) = made.model.method.losses(batch[0], batch[1], batch[1])
    assert torch.equal(again, found)


@torch.no_grad()
def test_competence_moves_the_loss(workplace: Path) -> None:
    made = [prepared(workplace, competence_power=power) for power in (0.0, 1.0)]
    found = [float(some.model.method.losses(*batch_of(some))[0]) for some in made]
    assert abs(found[0] - found[1]) > 1e-3
    assert float(made[1].model.method.pairs.weights.mean()) == pytest.approx(1.0)


@torch.no_grad()
def test_a_sample_of_negatives_makes_the_loss_smaller(workplace: Path) -> None:
    made = prepared(workplace, n_negatives=40)
    batch = batch_of(made, 17)
    torch.manual_seed(1)
    drawn = [float(made.model.method.losses(*batch)[0]) for _ in range(2)]
    whole = loss_by_loop(made, batch, 0.0)
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
    found = float(_peer_loss(vectors, shared))
    assert found == pytest.approx(sum(expected) / len(expected), rel=1e-6)


def test_peer_weight_adds_a_term_in_proportion(workplace: Path) -> None:
    terms = []
    for weight in (0.25, 0.5):
        made = prepared(workplace, peer_weight=weight)
        assert made.model.loss_names == ["softmax", "peers"]
        with torch.no_grad():
            terms.append([float(term) for term in made.model.method.losses(*batch_of(made))])
    assert terms[0][0] == terms[1][0]
    assert 0 < 2 * terms[0][1] == pytest.approx(terms[1][1], rel=1e-6)


def test_a_reloaded_run_scores_as_the_trained_one(workplace: Path) -> None:
    given = settings(workplace, epochs=3, n_negatives=40, modality_dropout=0.2, peer_weight=0.1)
    run = run_experiment(given)
    found = []
    for _ in range(2):
        made = prepare(given, run_folder=run.run_folder)
        fresh = scores(made)
        made.trainer.load_best()
        found.append(scores(made))
        assert not np.allclose(found[-1], fresh)
    assert np.array_equal(*found)
    split = made.dataset.evaluation_split("test")
    assert split is not None
    assert run.test is not None
    pd.testing.assert_frame_equal(
        made.trainer.evaluate_split(split).per_brand, run.test.per_brand, check_exact=True
    )


@pytest.mark.parametrize("protocol", ["new-brand", "known-brand"])
def test_ours_finds_more_than_chance_under_both_protocols(workplace: Path, protocol: str) -> None:
    result = run_experiment(settings(workplace, protocol=protocol, epochs=20, train_batch_size=512))
    assert result.test is not None
    assert result.test.summary["AUC"] > 0.75


@pytest.mark.parametrize("perspectives", [[name] for name in ALL] + [list(ALL[::-1])])
def test_any_perspectives_run(workplace: Path, perspectives: list[str]) -> None:
    made = prepared(workplace, perspectives=perspectives)
    assert made.model.perspectives == tuple(perspectives)
    found = shares(made)
    assert found.shape[2] == len(perspectives)
    for place, name in enumerate(perspectives):
        assert found[:, :, place].std() > 0.01, name


def test_a_perspective_s_closed_form_is_the_same_alone_and_beside_others(workplace: Path) -> None:
    whole = shares(prepare(settings(workplace)))
    for place, name in enumerate(ALL):
        alone = scores(prepare(settings(workplace, perspectives=[name])))
        np.testing.assert_allclose(alone, whole[:, :, place], rtol=1e-4, atol=1e-4)


def test_plda_is_left_out_where_a_perspective_has_too_few_pairs(
    workplace: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_little(tmp_path)
    made = prepare(settings(tmp_path, dataset=NAME, perspectives=["audience"]))
    assert "Perspective audience: PLDA is left out." in caplog.text
    assert "Received: 2 pairs of 2 brands." in caplog.text
    without = settings(tmp_path, dataset=NAME, perspectives=["audience"], plda_weight=0)
    np.testing.assert_array_equal(scores(made), scores(prepare(without)))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tower": "tree"}, "Key 'tower': Input should be 'linear' or 'mlp'. Received: 'tree'."),
        ({"temperature": 0}, "Key 'temperature': Input should be greater than or equal to 0.001."),
        ({"csls": "yes"}, "Key 'csls': Input should be a valid boolean. Received: 'yes'."),
        ({"plda_dimension": 0}, "Key 'plda_dimension': Input should be greater than or equal to 1"),
    ],
)
def test_wrong_values_are_named_before_any_work(
    workplace: Path, changes: dict[str, Any], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def untimely(*_: Any) -> None:
        raise AssertionError("inputs were computed before the settings were checked")

    monkeypatch.setattr("recbole_mirec.model.mirec.perspective_tables", untimely)
    with pytest.raises(UsageError) as caught:
        prepare(settings(workplace, **changes))
    assert message in str(caught.value)


@pytest.mark.parametrize("wide", [3, 8192])
def test_inputs_are_unit_rows_no_wider_than_asked(workplace: Path, wide: int) -> None:
    made = prepare(settings(workplace, input_dimension=wide))
    accounts = made.model.method.accounts
    for side in ("brand", "influencer"):
        masks = accounts.masks(side, accounts.ids(side))
        for name, rows in accounts.features(side, accounts.ids(side)).items():
            assert rows.shape[1] <= wide
            norms = rows.norm(dim=1)
            assert not norms[~masks[name]].any()
            assert (norms <= 1 + 1e-5).all()
            if wide == 8192:
                torch.testing.assert_close(norms[masks[name]], torch.ones(int(masks[name].sum())))


# Brands 1 to 4 of 5 internal ids, influencers of 8; 3 and 6 are in no pair.
PAIRS = np.array([[1, 2], [1, 5], [2, 5], [4, 1], [4, 7], [4, 4]])
WEIGHTS = np.array([0.5, 1.5, 2.0, 0.25, 0.75, 1.0])


@pytest.fixture
def pairs() -> TrainingPairs:
    return TrainingPairs(PAIRS, WEIGHTS, {"brand": 5, "influencer": 8})


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
    made = TrainingPairs(PAIRS, WEIGHTS, {"brand": 5, "influencer": 8})
    torch.manual_seed(seed)
    found = made.some_influencers(torch.tensor(wanted, dtype=torch.int64), most).tolist()
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
