"""MIRec's own method: what its scores are made of, and what must leave them as they are."""

from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from little_data import TINY, settings
from model_cases import ALL, batch_of, fitted, made, scores, shaken, shares
from torch import Tensor

from dataset_convert import schema
from dataset_convert.atomic import AtomicData, write_atomic
from recbole_mirec.checkpoint import load_state
from recbole_mirec.experiment import Experiment, open_run, prepare, run_experiment
from recbole_mirec.model.metric import TrainingPairs
from recbole_mirec.nn.fitted import Fitted, Layout
from recbole_mirec.trainer import BEST


def prepared(folder: Path, **changes: Any) -> Experiment:
    """An experiment whose learnt part is no longer the identity."""
    return shaken(made(folder, **changes), 0.1)


@pytest.fixture(scope="module")
def experiment(workplace: Path) -> Experiment:
    return prepared(workplace)


@pytest.mark.parametrize(
    "changes",
    [
        {"precedent": False},
        {"precedent_weight": 0.2},
        {"brand_kernel_width": 0.2},
        {"influencer_kernel_width": 0.1},
        {"brand_ridge": 2.0},
        {"influencer_ridge": 0.1},
        {"landmarks": 9},
        {"hubness_weight": 0},
        {"hubness_neighbours": 2},
        {"input_dimension": 5},
        {"seeds": 2},
        {"graph_dimension": 5},
    ],
)
def test_every_part_counts(
    workplace: Path, experiment: Experiment, changes: dict[str, Any]
) -> None:
    found = scores(prepared(workplace, **changes))
    order = np.argsort(found[1:, 1:], axis=1)
    assert not np.array_equal(order, np.argsort(scores(experiment)[1:, 1:], axis=1))


def test_without_precedent_the_other_parts_stay(workplace: Path, experiment: Experiment) -> None:
    without = prepared(workplace, precedent=False)
    assert experiment.model.perspectives == (*ALL, "precedent", "hubness")
    assert without.model.perspectives == (*ALL, "hubness")
    np.testing.assert_array_equal(shares(without)[:, :, :3], shares(experiment)[:, :, :3])


def test_kernels_see_only_perspectives_in_use(workplace: Path) -> None:
    for name in ALL:
        kernels = made(workplace, perspectives=[name]).model.layout["kernels"]
        for side in ("brand", "influencer"):
            assert {*kernels[side]} - {"category"} <= set(schema.PERSPECTIVES[name])
        assert "category" in kernels["brand"] and "category" not in kernels["influencer"]


def changed(data: AtomicData, **changes: Any) -> AtomicData:
    return type(data)(**(vars(data) | changes))


def written(folder: Path, data: AtomicData) -> Path:
    write_atomic(data, folder / TINY)
    return folder


# So few axes that whom they are fitted on shows.
FEW_AXES = {"input_dimension": 5, "hubness_neighbours": 3}


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


def test_a_test_brand_s_features_touch_no_other_brand(
    workplace: Path, tmp_path: Path, tiny: AtomicData
) -> None:
    names = sorted(set(tiny.splits["new-brand"]["test"]["brand_id"]))
    data = with_features_of_another(tiny, "brand", names[0], names[-1])
    one, two = (prepared(where, **FEW_AXES) for where in (workplace, written(tmp_path, data)))
    (row,) = np.flatnonzero(one.dataset.field2id_token["brand_id"] == names[0])
    before, after = scores(one), scores(two)
    others = np.arange(len(before)) != row
    assert not np.allclose(before[row], after[row])
    assert np.array_equal(before[others], after[others])


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


@pytest.mark.parametrize("column_weight", [0.0, 1.0])
@torch.no_grad()
def test_the_loss_is_that_of_a_plain_loop(workplace: Path, column_weight: float) -> None:
    experiment = prepared(workplace, column_weight=column_weight)
    method, batch = experiment.model.method, triplets(experiment, 23)
    known = set(map(tuple, experiment.dataset.pairs["train"].tolist()))
    brands = sorted(set(batch[0].tolist()))
    influencers = sorted({influencer for _, influencer in known})
    left, right = (
        method.encoder(side, method._inputs(side, torch.tensor(ids)))[0]
        for side, ids in (("brand", brands), ("influencer", influencers))
    )
    found = {
        pair: float(x.double().exp())
        for pair, x in zip(product(brands, influencers), (left @ right.T).flatten(), strict=True)
    }
    losses = []
    for pair in zip(batch[0].tolist(), batch[1].tolist(), strict=True):
        # the others of the brand, or the others of the influencer
        place = int(column_weight)
        row = [p for p in found if p[place] == pair[place] and p not in known]
        losses.append(-np.log(found[pair] / (found[pair] + sum(found[p] for p in row))))
    assert experiment.model.loss_names == ("softmax",)
    (loss,) = method.losses(*batch)
    assert float(loss) == pytest.approx(np.mean(losses), rel=1e-4)
    # the drawn negatives have no part in it
    assert torch.equal(method.losses(batch[0], batch[1], batch[1])[0], loss)
    if not column_weight:
        method.settings = method.settings.model_copy(update={"n_negatives": 30})
        torch.manual_seed(1)
        drawn = [float(method.losses(*batch)[0]) for _ in range(2)]
        assert drawn[0] != drawn[1]
        assert 0 < max(drawn) < float(loss) - 0.1


def test_a_reloaded_run_scores_as_the_trained_one(workplace: Path) -> None:
    given = settings(workplace, epochs=3, n_negatives=40, seeds=2)
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


# Brands 1 to 4 of 5 internal ids, influencers of 8; 3 and 6 are in no pair.
PAIRS = np.array([[1, 2], [1, 5], [2, 5], [4, 1], [4, 7], [4, 4]])


@pytest.fixture
def pairs() -> TrainingPairs:
    return TrainingPairs(PAIRS, (5, 8))


def test_matrices_against_a_plain_double_loop(pairs: TrainingPairs) -> None:
    assert not pairs.state_dict()
    assert pairs.ids("brand").tolist() == [1, 2, 4]
    assert pairs.ids("influencer").tolist() == [1, 2, 4, 5, 7]
    assert pairs.places().tolist() == [[0, 1], [0, 3], [1, 3], [2, 0], [2, 4], [2, 2]]
    brands, influencers = torch.tensor([1, 3, 4]), torch.tensor([1, 4, 5, 6])
    # of the batch (4, 4), (1, 5) and (1, 2); (1, 2) stands in no column
    batch = torch.tensor([[4, 4], [1, 5], [1, 2]])
    for shown, some in ((PAIRS, None), (batch.numpy(), batch)):
        found = pairs.matrix(brands, influencers, some)
        known = set(map(tuple, shown.tolist()))
        for row, brand in enumerate(brands.tolist()):
            for column, influencer in enumerate(influencers.tolist()):
                assert bool(found[row, column]) == ((brand, influencer) in known)


def test_all_influencers_where_there_are_no_more_than_asked_for(pairs: TrainingPairs) -> None:
    before = torch.get_rng_state()
    for most in (5, 8192):
        assert torch.equal(pairs.some_influencers(torch.tensor([7]), most), pairs.influencers)
    assert torch.equal(torch.get_rng_state(), before)  # nothing is drawn


@given(st.integers(0, 500), st.integers(1, 4), st.lists(st.sampled_from([1, 2, 4, 5, 7])))
def test_a_sample_keeps_all_that_are_wanted(seed: int, most: int, wanted: list[int]) -> None:
    pairs = TrainingPairs(PAIRS, (5, 8))
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


def test_the_arrays_of_a_checkpoint_alone_give_any_account_s_vectors(workplace: Path) -> None:
    run = run_experiment(settings(workplace, epochs=3, seeds=2))
    state = load_state(run.run_folder / BEST)
    arrays = {name.removeprefix("method."): x.numpy() for name, x in state["state_dict"].items()}
    arrays = {name.replace("encoder.maps.", "map "): array for name, array in arrays.items()}
    arrays["scale"] = np.exp(arrays.pop("encoder.log_scale").astype(np.float64))
    layout = Layout(**state["other_parameter"]["layout"])
    model = open_run(settings(workplace, epochs=3, seeds=2), run.run_folder).model
    whole = model.account_vectors()
    for side in ("brand", "influencer"):
        raw = model.inputs.table(side)
        table = {name: (rows.numpy()[7:9], mask.numpy()[7:9]) for name, (rows, mask) in raw.items()}
        for place, rows in enumerate(Fitted(arrays, layout).encode(side, table).values()):
            found = whole[side][7:9, place, : rows.shape[1]].numpy()
            np.testing.assert_allclose(rows, found, rtol=1e-5, atol=1e-6)
