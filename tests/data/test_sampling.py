"""Negatives: who is drawn, how often, and in what order; and the batches that they come in."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from little_data import dataset, settings

from dataset_convert import schema
from recbole_mirec.config import MirecConfig
from recbole_mirec.data.dataset import MirecDataset
from recbole_mirec.data.sampling import TrainInfluencerSampler, evaluation_loader, training_loader

# Influencers 1, 4 and 6 are of validation or test; counts of 2, 3, 5, 7: 3, 2, 1, 1.
PAIRS = np.array([(1, 2), (1, 3), (2, 3), (2, 2), (2, 5), (3, 2), (3, 7)])
N_DRAWS = 20_000


def make_sampler(pairs: np.ndarray, **named: Any) -> TrainInfluencerSampler:
    plain: dict[str, Any] = {"distribution": "uniform", "alpha": 1.0, "static": False}
    return TrainInfluencerSampler(pairs, **(plain | named))


def draws(sampler: TrainInfluencerSampler, brand: int, n_draws: int = N_DRAWS) -> np.ndarray:
    brands = np.full(n_draws, brand)
    return sampler.sample_by_user_ids(brands, np.zeros(n_draws, np.int64), 1).numpy()


@pytest.mark.parametrize(
    ("brand", "distribution", "alpha", "probabilities"),
    [
        (1, "uniform", 1.0, {5: 1 / 2, 7: 1 / 2}),
        (1, "uniform", 3.0, {5: 1 / 2, 7: 1 / 2}),
        # Brand 3 worked with 2 and 7, so 3 (two collaborations) and 5 (one) remain.
        (3, "popularity", 1.0, {3: 2 / 3, 5: 1 / 3}),
        (3, "popularity", 2.0, {3: 4 / 5, 5: 1 / 5}),
        (3, "popularity", 0.0, {3: 1 / 2, 5: 1 / 2}),
        (1, "popularity", 1.0, {5: 1 / 2, 7: 1 / 2}),
    ],
)
def test_others_are_drawn_alike_or_by_training_collaborations_to_the_power_alpha(
    brand: int, distribution: str, alpha: float, probabilities: dict[int, float]
) -> None:
    sampler = make_sampler(PAIRS, seed=1, distribution=distribution, alpha=alpha)
    drawn = draws(sampler, brand)
    assert set(drawn) == set(probabilities)
    for influencer, probability in probabilities.items():
        error = np.sqrt(probability * (1 - probability) / N_DRAWS)
        assert abs((drawn == influencer).mean() - probability) < 4 * error


@given(
    pairs=st.sets(st.tuples(st.integers(1, 6), st.integers(1, 9)), min_size=1).map(sorted),
    distribution=st.sampled_from(["uniform", "popularity"]),
    static=st.booleans(),
    num=st.integers(1, 3),
    seed=st.integers(0, 99),
)
def test_negatives_are_training_influencers_and_never_positives(
    pairs: list[tuple[int, int]], distribution: str, static: bool, num: int, seed: int
) -> None:
    rows = np.array(pairs)
    influencers = set(rows[:, 1])
    if any((rows[:, 0] == brand).sum() == len(influencers) for brand in rows[:, 0]):
        return
    sampler = make_sampler(rows, distribution=distribution, seed=seed, static=static)
    drawn = sampler.sample_by_user_ids(rows[:, 0], rows[:, 1], num)
    assert drawn.dtype == torch.int64
    assert set(drawn.tolist()) <= influencers
    assert not set(zip(np.tile(rows[:, 0], num), drawn.tolist(), strict=True)) & set(pairs)


@pytest.mark.parametrize("static", [False, True])
def test_order_is_all_first_negatives_then_all_second_ones(static: bool) -> None:
    # Brand 1 can only draw 5 or 7, brand 2 only 7: the brand of each place shows.
    sampler = make_sampler(PAIRS, seed=3, static=static)
    drawn = sampler.sample_by_user_ids(np.array([2, 1, 2]), np.array([3, 2, 5]), 40)
    by_pair = drawn.reshape(40, 3)
    assert set(by_pair[:, 0].tolist()) == set(by_pair[:, 2].tolist()) == {7}
    assert set(by_pair[:, 1].tolist()) == {5, 7}


def test_static_negatives_stay_and_depend_on_no_order_of_batches() -> None:
    # Brands with several possible negatives, so that equality is no accident.
    pairs = np.array([(brand, brand * 10 + k) for brand in range(1, 8) for k in range(4)])
    whole = make_sampler(pairs, seed=5, static=True)
    expected = whole.sample_by_user_ids(pairs[:, 0], pairs[:, 1], 2).reshape(2, -1)
    shuffled = np.random.default_rng(0).permutation(len(pairs))
    batched = make_sampler(pairs, seed=5, static=True)
    for rows in np.array_split(shuffled, 5):
        drawn = batched.sample_by_user_ids(pairs[rows, 0], pairs[rows, 1], 2)
        assert torch.equal(drawn.reshape(2, -1), expected[:, rows])
    again = whole.sample_by_user_ids(pairs[:, 0], pairs[:, 1], 2).reshape(2, -1)
    assert torch.equal(again, expected)
    other = make_sampler(pairs, seed=6, static=True)
    assert not torch.equal(other.sample_by_user_ids(*pairs.T, 2).reshape(2, -1), expected)


def test_drawn_negatives_change_from_call_to_call_and_repeat_by_seed() -> None:
    first, second = (make_sampler(PAIRS, seed=7) for _ in range(2))
    drawn = draws(first, 1, 50)
    assert (drawn == draws(second, 1, 50)).all()
    assert (drawn != draws(first, 1, 50)).any()


@pytest.mark.parametrize("distribution", ["uniform", "popularity"])
@pytest.mark.parametrize("static", [False, True])
def test_state_goes_on_where_it_was(distribution: str, static: bool) -> None:
    pairs = np.array([(brand, brand * 10 + k) for brand in range(1, 8) for k in range(4)])

    def make() -> TrainInfluencerSampler:
        return make_sampler(pairs, distribution=distribution, seed=8, static=static)

    running = make()
    running.sample_by_user_ids(pairs[:, 0], pairs[:, 1], 1)
    state = running.state()
    assert all(isinstance(value, int | str) for value in state.values())
    expected = running.sample_by_user_ids(pairs[:, 0], pairs[:, 1], 1)
    resumed = make()
    resumed.load_state(state)
    assert torch.equal(resumed.sample_by_user_ids(pairs[:, 0], pairs[:, 1], 1), expected)


def test_a_brand_without_possible_negative_is_an_error() -> None:
    pairs = np.array([(1, 2), (2, 2), (2, 3), (2, 5), (1, 5), (1, 7), (2, 7)])
    with pytest.raises(ValueError, match="internal id 2, which has worked with all 4"):
        make_sampler(pairs, seed=1)


# --- batches ---


def batches(folder: Path, model: str = "BPR", **changes: Any) -> list[Any]:
    config = MirecConfig(config_dict=settings(folder, model, **changes))
    loader = training_loader(config, MirecDataset(config).build()[0])
    found = list(loader)
    assert len(found) == len(loader)
    return found


def positives(found: list[Any]) -> list[tuple[int, int]]:
    rows = [
        torch.stack([batch["brand_id"], batch["influencer_id"]], dim=1).tolist() for batch in found
    ]
    return [(brand, influencer) for batch in rows for brand, influencer in batch]


def test_every_training_pair_once_an_epoch(data_path: Path) -> None:
    found = batches(data_path, train_batch_size=32)
    everything = positives(found)
    data = dataset(data_path, model="BPR")
    assert sorted(everything) == sorted(map(tuple, data.pairs["train"].tolist()))
    assert {len(batch) for batch in found[:-1]} == {32}
    # A negative is a training influencer that the brand has not worked with.
    known, influencers = set(everything), {influencer for _, influencer in everything}
    for batch in found:
        negatives = batch["neg_influencer_id"].tolist()
        assert set(negatives) <= influencers
        assert not set(zip(batch["brand_id"].tolist(), negatives, strict=True)) & known


@pytest.mark.parametrize(("size", "n_batches"), [(32, None), (10_000, 1)])
def test_the_last_partial_batch_is_dropped_unless_it_is_the_only_one(
    data_path: Path, size: int, n_batches: int | None
) -> None:
    whole = batches(data_path, train_batch_size=size, shuffle=False)
    cut = batches(data_path, train_batch_size=size, shuffle=False, drop_last=True)
    expected = whole[:-1] if n_batches is None else whole
    assert len(cut) == len(expected)
    assert positives(cut) == positives(expected)


def test_the_negatives_of_a_dropped_batch_are_drawn_all_the_same(data_path: Path) -> None:
    """So that every other batch, of later epochs too, is what it is without `drop_last`."""
    found = []
    for drop_last in (False, True):
        given = settings(data_path, "BPR", train_batch_size=32, shuffle=False, drop_last=drop_last)
        config = MirecConfig(config_dict=given)
        loader = training_loader(config, MirecDataset(config).build()[0])
        found.append([[batch["neg_influencer_id"] for batch in loader] for _ in range(2)])
    for whole, cut in zip(*found, strict=True):
        assert len(whole[-1]) < 32
        assert len(cut) == len(whole) - 1
        assert torch.equal(torch.cat(cut), torch.cat(whole[:-1]))


def test_pairs_are_shuffled_on_request_only(data_path: Path) -> None:
    plain = positives(batches(data_path, shuffle=False))
    shuffled = positives(batches(data_path, shuffle=True))
    assert plain != shuffled
    assert sorted(plain) == sorted(shuffled)
    assert plain == positives(batches(data_path, shuffle=False))


def test_several_negatives_a_pair(data_path: Path) -> None:
    arguments = {"distribution": "popularity", "sample_num": 3}
    found = batches(data_path, shuffle=False, train_neg_sample_args=arguments)
    one = positives(batches(data_path, shuffle=False))
    assert sorted(positives(found)) == sorted(one * 3)


def test_pointwise_models_get_labels(data_path: Path) -> None:
    for batch in batches(data_path, "FM"):
        half = len(batch) // 2
        assert batch["label"].tolist() == [1.0] * half + [0.0] * half
        assert torch.equal(batch["brand_id"][:half], batch["brand_id"][half:])


# --- parts to evaluate on ---


@pytest.mark.parametrize("protocol", schema.PROTOCOLS)
def test_the_history_of_a_brand_is_what_does_not_count_for_it(
    data_path: Path, protocol: str
) -> None:
    data = dataset(data_path, protocol=protocol)
    loader = evaluation_loader(data, "test")
    assert loader is not None
    split = loader.split
    assert len(loader) == len(split.brands)
    for brand, mask in zip(split.brands, split.mask, strict=True):
        (gone,) = loader.uid2history_item[[brand]]
        assert sorted({*range(data.item_num)} - {*gone.tolist()}) == split.candidates[mask].tolist()
    # of whatever brand: what it was known to have worked with before
    for brand, influencer in [*data.pairs["train"][:5], *data.pairs["valid"][:5]]:
        assert influencer in loader.uid2history_item[[brand]][0]
