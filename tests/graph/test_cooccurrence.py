"""Counts and weights against the paper's example and a literal count of equations (13) to (16)."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import coo_array, csr_array

from recbole_mirec.graph.cooccurrence import cooccurrence_counts, edge_weights


def incidence(lists, n_attributes):
    rows = [row for row, attributes in enumerate(lists) for _ in attributes]
    columns = [attribute for attributes in lists for attribute in attributes]
    ones = np.ones(len(rows), dtype=np.int64)
    return csr_array(coo_array((ones, (rows, columns)), shape=(len(lists), n_attributes)))


def literal_counts(brand_lists, influencer_lists, pairs, n_attributes):
    counts = np.zeros((n_attributes, n_attributes), dtype=np.int64)
    for brand, influencer in pairs:
        of_brand, of_influencer = set(brand_lists[brand]), set(influencer_lists[influencer])
        for i in range(n_attributes):
            for j in range(n_attributes):
                if i == j:
                    continue
                q_b = i in of_brand and j in of_brand
                q_m = i in of_influencer and j in of_influencer
                q_bm = (i in of_brand and j in of_influencer) or (
                    j in of_brand and i in of_influencer
                )
                counts[i, j] += int(q_b) + int(q_m) + int(q_bm)
    return counts


@st.composite
def collaborations(draw):
    n_attributes = draw(st.integers(1, 7))
    attributes = st.lists(st.integers(0, n_attributes - 1), max_size=6, unique=True)
    brand_lists = draw(st.lists(attributes, min_size=1, max_size=3))
    influencer_lists = draw(st.lists(attributes, min_size=1, max_size=5))
    pair = st.tuples(
        st.integers(0, len(brand_lists) - 1), st.integers(0, len(influencer_lists) - 1)
    )
    pairs = np.array(draw(st.lists(pair, max_size=8)), dtype=np.int64).reshape(-1, 2)
    return brand_lists, influencer_lists, pairs, n_attributes


def count(case):
    brand_lists, influencer_lists, pairs, n_attributes = case
    return cooccurrence_counts(
        incidence(brand_lists, n_attributes), incidence(influencer_lists, n_attributes), pairs
    )


def test_worked_example_of_the_paper():
    # S_m = {s1, s2}, S_b = {s1, s4, s6}; columns are s1..s7, and s3, s5, s7 stay alone.
    counts = count(([[0, 3, 5]], [[0, 1]], np.array([[0, 0]]), 7)).toarray()

    expected = np.zeros((7, 7), dtype=np.int64)
    for i, j, n in ((1, 2, 2), (1, 4, 2), (1, 6, 2), (2, 4, 1), (2, 6, 1), (4, 6, 1)):
        expected[i - 1, j - 1] = expected[j - 1, i - 1] = n
    np.testing.assert_array_equal(counts, expected)


def test_cross_pair_in_both_lists_counts_once_for_both_ways():
    # Both lists hold both attributes: q_b + q_m + q_bm = 3, never 4.
    assert count(([[0, 1]], [[0, 1]], np.array([[0, 0]]), 2)).toarray()[0, 1] == 3


def test_every_positive_counts_again():
    lists = ([[0, 1], [2]], [[1, 2], [0], [2]])
    one = count((*lists, np.array([[0, 0]]), 3)).toarray()
    other = count((*lists, np.array([[1, 1]]), 3)).toarray()
    together = count((*lists, np.array([[0, 0], [1, 1], [0, 0]]), 3)).toarray()
    np.testing.assert_array_equal(together, 2 * one + other)


def test_no_pairs_give_no_edges():
    counts = count(([[0, 1]], [[1, 2]], np.empty((0, 2), dtype=np.int64), 3))
    assert counts.shape == (3, 3)
    assert counts.nnz == 0


@given(collaborations())
def test_equals_the_literal_count(case):
    np.testing.assert_array_equal(count(case).toarray(), literal_counts(*case))


@given(collaborations())
def test_symmetric_without_loops_or_stored_zeros(case):
    counts = count(case)
    np.testing.assert_array_equal(counts.toarray(), counts.toarray().T)
    assert not counts.diagonal().any()
    assert (counts.data >= 1).all()
    assert counts.dtype == np.int64


def test_weights_of_one_and_eleven_cooccurrences_are_the_published_ones():
    weights = edge_weights(csr_array(np.array([[0, 1, 11], [1, 0, 0], [11, 0, 0]]))).toarray()
    assert weights[0, 1] == pytest.approx(0.70710678, abs=1e-8)
    assert weights[0, 2] == pytest.approx(2.34520788, abs=1e-8)
    assert f"{weights[0, 1]:.2f}" == "0.71"
    assert weights[1, 2] == 0
    np.testing.assert_array_equal(weights, weights.T)


def test_eta_divides_under_the_root():
    weights = edge_weights(csr_array(np.array([[0, 27], [27, 0]])), eta=3.0)
    np.testing.assert_allclose(weights.toarray(), [[0, 3], [3, 0]])
