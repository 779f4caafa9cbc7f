import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from recbole_mirec.model.base import TrainingPairs

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
    weighted = pairs.batch_weights(batch[:, 0], batch[:, 1], brands, influencers)
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
