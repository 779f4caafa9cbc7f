import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from recbole_mirec.data.sampling import TrainInfluencerSampler

# Influencers 1, 4 and 6 are of validation or test; counts of 2, 3, 5, 7: 3, 2, 1, 1.
PAIRS = np.array([(1, 2), (1, 3), (2, 3), (2, 2), (2, 5), (3, 2), (3, 7)])
N_DRAWS = 20_000


def draws(sampler: TrainInfluencerSampler, brand: int, n_draws: int = N_DRAWS) -> np.ndarray:
    brands = np.full(n_draws, brand)
    return sampler.sample_by_user_ids(brands, np.zeros(n_draws, np.int64), 1).numpy()


@pytest.mark.parametrize(
    ("arguments", "probabilities"),
    [
        ({"distribution": "uniform"}, {5: 1 / 2, 7: 1 / 2}),
        ({"distribution": "uniform", "alpha": 3.0}, {5: 1 / 2, 7: 1 / 2}),
    ],
)
def test_uniform_draws_every_other_training_influencer_alike(
    arguments: dict[str, object], probabilities: dict[int, float]
) -> None:
    check_frequencies(1, arguments, probabilities)


@pytest.mark.parametrize(
    ("brand", "alpha", "probabilities"),
    [
        # Brand 3 worked with 2 and 7, so 3 (two collaborations) and 5 (one) remain.
        (3, 1.0, {3: 2 / 3, 5: 1 / 3}),
        (3, 2.0, {3: 4 / 5, 5: 1 / 5}),
        (3, 0.0, {3: 1 / 2, 5: 1 / 2}),
        (1, 1.0, {5: 1 / 2, 7: 1 / 2}),
    ],
)
def test_popularity_draws_by_training_collaborations_to_the_power_alpha(
    brand: int, alpha: float, probabilities: dict[int, float]
) -> None:
    check_frequencies(brand, {"distribution": "popularity", "alpha": alpha}, probabilities)


def check_frequencies(brand: int, arguments: object, probabilities: dict[int, float]) -> None:
    drawn = draws(TrainInfluencerSampler(PAIRS, seed=1, **arguments), brand)  # type: ignore[arg-type]
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
    sampler = TrainInfluencerSampler(rows, distribution=distribution, seed=seed, static=static)
    drawn = sampler.sample_by_user_ids(rows[:, 0], rows[:, 1], num)
    assert drawn.dtype == torch.int64
    assert set(drawn.tolist()) <= influencers
    assert not set(zip(np.tile(rows[:, 0], num), drawn.tolist(), strict=True)) & set(pairs)


@pytest.mark.parametrize("static", [False, True])
def test_order_is_all_first_negatives_then_all_second_ones(static: bool) -> None:
    # Brand 1 can only draw 5 or 7, brand 2 only 7: the brand of each place shows.
    sampler = TrainInfluencerSampler(PAIRS, seed=3, static=static)
    drawn = sampler.sample_by_user_ids(np.array([2, 1, 2]), np.array([3, 2, 5]), 40)
    by_pair = drawn.reshape(40, 3)
    assert set(by_pair[:, 0].tolist()) == set(by_pair[:, 2].tolist()) == {7}
    assert set(by_pair[:, 1].tolist()) == {5, 7}


def test_static_negatives_stay_and_depend_on_no_order_of_batches() -> None:
    # Brands with several possible negatives, so that equality is no accident.
    pairs = np.array([(brand, brand * 10 + k) for brand in range(1, 8) for k in range(4)])
    whole = TrainInfluencerSampler(pairs, seed=5, static=True)
    expected = whole.sample_by_user_ids(pairs[:, 0], pairs[:, 1], 2).reshape(2, -1)
    shuffled = np.random.default_rng(0).permutation(len(pairs))
    batched = TrainInfluencerSampler(pairs, seed=5, static=True)
    for rows in np.array_split(shuffled, 5):
        drawn = batched.sample_by_user_ids(pairs[rows, 0], pairs[rows, 1], 2)
        assert torch.equal(drawn.reshape(2, -1), expected[:, rows])
    again = whole.sample_by_user_ids(pairs[:, 0], pairs[:, 1], 2).reshape(2, -1)
    assert torch.equal(again, expected)
    other = TrainInfluencerSampler(pairs, seed=6, static=True)
    assert not torch.equal(other.sample_by_user_ids(*pairs.T, 2).reshape(2, -1), expected)


def test_drawn_negatives_change_from_call_to_call_and_repeat_by_seed() -> None:
    first, second = (TrainInfluencerSampler(PAIRS, seed=7) for _ in range(2))
    drawn = draws(first, 1, 50)
    assert (drawn == draws(second, 1, 50)).all()
    assert (drawn != draws(first, 1, 50)).any()


@pytest.mark.parametrize("distribution", ["uniform", "popularity"])
@pytest.mark.parametrize("static", [False, True])
def test_state_goes_on_where_it_was(distribution: str, static: bool) -> None:
    pairs = np.array([(brand, brand * 10 + k) for brand in range(1, 8) for k in range(4)])

    def make() -> TrainInfluencerSampler:
        return TrainInfluencerSampler(pairs, distribution=distribution, seed=8, static=static)

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
        TrainInfluencerSampler(pairs, seed=1)
