import numpy as np
import pytest

from recbole_mirec.data.dataset import build_evaluation_split

TRAIN = np.array([(1, 1), (1, 2), (2, 2), (3, 4)])
VALID = np.array([(5, 6), (5, 2), (4, 6)])
TEST = np.array([(7, 6), (7, 1), (6, 3)])


def test_new_brand_ranks_the_influencers_of_the_parts_brands() -> None:
    split = build_evaluation_split(
        "new-brand", "test", TEST, np.concatenate([TRAIN, VALID]), TRAIN, 9
    )
    assert (split.protocol, split.part) == ("new-brand", "test")
    assert split.brands.tolist() == [6, 7]
    assert split.candidates.tolist() == [1, 3, 6]
    assert split.positives.tolist() == [[False, True, False], [True, False, True]]
    assert split.mask.all()
    # 1 stands in training; 6 only in validation, which no model has trained on
    assert split.unseen.tolist() == [False, True, True]
    assert split.brand_category is None
    assert split.candidate_category is None


def test_known_brand_ranks_all_influencers_but_earlier_collaborations() -> None:
    valid = np.array([(1, 4), (3, 1)])
    test = np.array([(1, 5)])
    split = build_evaluation_split(
        "known-brand", "test", test, np.concatenate([TRAIN, valid]), TRAIN, 7
    )
    assert split.brands.tolist() == [1]
    assert split.candidates.tolist() == [1, 2, 3, 4, 5, 6]  # 0 is padding
    assert split.positives.tolist() == [[False, False, False, False, True, False]]
    # brand 1: 1 and 2 in training, 4 in validation; pairs of other brands mask nothing
    assert split.mask.tolist() == [[False, False, True, False, True, True]]
    assert split.unseen.tolist() == [False, False, True, False, True, True]


@pytest.mark.parametrize("protocol", ["new-brand", "known-brand"])
def test_a_positive_always_counts_even_if_it_stood_in_an_earlier_part(protocol: str) -> None:
    again = np.array([(1, 2), (1, 3)])
    split = build_evaluation_split(protocol, "valid", again, TRAIN, TRAIN, 5)
    assert (split.mask | ~split.positives).all()
    assert split.positives.sum() == 2
