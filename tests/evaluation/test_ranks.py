"""Counts above and within a tie: by hand, and against a double loop."""

import numpy as np
import pytest
from hypothesis import given
from ranking_cases import rankings

from recbole_mirec.evaluation.ranks import tie_ranks


def test_counts_worked_by_hand():
    # brand 0 ranks column 4, then the tie {0, 2, 3}, then 1; brand 1 masks column 0 out;
    # brand 2 has no positive
    scores = np.array([[2.0, 1.0, 2.0, 2.0, 3.0], [9.0, 7.0, 7.0, 8.0, 1.0], [1.0] * 5])
    positives = np.array([[1, 0, 1, 0, 1], [0, 1, 0, 0, 0], [0] * 5], dtype=bool)
    candidates = np.array([[1] * 5, [0, 1, 1, 1, 1], [1] * 5], dtype=bool)
    ranks = tie_ranks(scores, positives, candidates)
    assert ranks.brand.tolist() == [0, 0, 0, 1]
    assert ranks.candidate.tolist() == [4, 0, 2, 1]
    assert ranks.n_above.tolist() == [0, 1, 1, 1]
    assert ranks.n_tied.tolist() == [1, 3, 3, 2]
    assert ranks.n_positives_above.tolist() == [0, 1, 1, 0]
    assert ranks.n_positives_tied.tolist() == [1, 2, 2, 1]
    assert ranks.n_candidates.tolist() == [5, 4, 5]
    assert ranks.n_positives.tolist() == [3, 1, 0]


@given(rankings())
def test_counts_against_a_double_loop(case):
    ranks = tie_ranks(case.scores, case.positives, case.candidates)
    seen = set()
    for entry, (brand, candidate) in enumerate(zip(ranks.brand, ranks.candidate, strict=True)):
        row, keep, hit = case.scores[brand], case.candidates[brand], case.positives[brand]
        above, tied = keep & (row > row[candidate]), keep & (row == row[candidate])
        assert ranks.n_above[entry] == above.sum()
        assert ranks.n_tied[entry] == tied.sum()
        assert ranks.n_positives_above[entry] == (above & hit).sum()
        assert ranks.n_positives_tied[entry] == (tied & hit).sum()
        seen.add((brand, candidate))
    assert seen == set(zip(*np.nonzero(case.positives), strict=True))
    assert len(seen) == len(ranks.brand)
    assert (np.diff(ranks.brand) >= 0).all()


def test_a_candidate_at_minus_infinity_does_not_tie_with_masked_columns():
    scores = np.full((1, 3), -np.inf)
    positives = np.array([[False, True, False]])
    candidates = np.array([[False, True, True]])
    assert tie_ranks(scores, positives, candidates).n_tied.tolist() == [2]


def test_signed_zeros_tie():
    ranks = tie_ranks(np.array([[0.0, -0.0]]), np.array([[False, True]]), np.ones((1, 2), bool))
    assert ranks.n_tied.tolist() == [2]


def test_single_precision_keeps_its_ties_and_its_order():
    scores = np.array([[0.1, 0.1, np.nextafter(np.float32(0.1), np.float32(1))]], dtype=np.float32)
    ranks = tie_ranks(scores, np.array([[True, False, False]]), np.ones((1, 3), bool))
    assert (ranks.n_above.tolist(), ranks.n_tied.tolist()) == ([1], [2])


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (0, 0), (2, 3)])
def test_no_brand_no_candidate_or_no_positive(shape):
    none = np.zeros(shape, dtype=bool)
    ranks = tie_ranks(np.zeros(shape), none, none)
    assert ranks.brand.size == ranks.n_above.size == ranks.n_tied.size == 0
    assert ranks.n_candidates.tolist() == ranks.n_positives.tolist() == [0] * shape[0]


def test_nan_is_named_by_row_and_column_also_outside_the_candidates():
    scores = np.zeros((3, 5))
    scores[1, 4] = scores[2, 0] = np.nan
    none = np.zeros((3, 5), dtype=bool)
    with pytest.raises(ValueError, match=r"NaN.*2 such cells.*brand row 1, candidate column 4"):
        tie_ranks(scores, none, none)


def test_a_positive_has_to_be_a_candidate():
    positives = np.array([[False, False, True]])
    with pytest.raises(ValueError, match=r"must be a candidate.*brand row 0, candidate column 2"):
        tie_ranks(np.zeros((1, 3)), positives, ~positives)
