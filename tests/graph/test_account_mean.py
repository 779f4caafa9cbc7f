"""The mean over an account's embedded attributes, and who has none."""

import numpy as np
import pytest
from scipy.sparse import csr_array

from recbole_mirec.graph import cooccurrence as account_mean

# Three accounts, five attributes, two dimensions; attributes 1 and 4 are no nodes of the graph.
EMBEDDINGS = np.array([[1, 2], [np.nan, 9], [3, -4], [5, 6], [7, 7]], dtype=np.float32)
MASK = np.array([True, False, True, True, False])


def test_mean_over_the_embedded_attributes_only():
    incidence = csr_array(np.array([[1, 1, 1, 0, 0], [0, 1, 0, 0, 1], [1, 0, 1, 1, 1]]))
    mean, present = account_mean(incidence, EMBEDDINGS, MASK)
    np.testing.assert_allclose(mean, [[2, -1], [0, 0], [3, 4 / 3]], rtol=1e-6)
    np.testing.assert_array_equal(present, [True, False, True])
    assert mean.dtype == np.float32


def test_attribute_listed_twice_counts_once():
    mean, _ = account_mean(csr_array(np.array([[3, 0, 1, 0, 0]])), EMBEDDINGS, MASK)
    np.testing.assert_array_equal(mean, [[2, -1]])


def test_account_without_attributes_is_missing():
    mean, present = account_mean(csr_array((2, 5), dtype=np.int64), EMBEDDINGS, MASK)
    np.testing.assert_array_equal(mean, np.zeros((2, 2)))
    assert not present.any()


def test_no_embedded_attribute_at_all():
    nobody = np.zeros(5, dtype=bool)
    mean, present = account_mean(csr_array(np.ones((3, 5))), EMBEDDINGS, nobody)
    np.testing.assert_array_equal(mean, np.zeros((3, 2)))
    assert not present.any()


def test_one_column_per_embedding():
    with pytest.raises(ValueError, match=r"'incidence' .* \(5\)\. Received shape: \(2, 3\)"):
        account_mean(csr_array(np.ones((2, 3))), EMBEDDINGS, MASK)


def test_entries_are_checked():
    with pytest.raises(ValueError, match=r"'incidence' .* Received an entry: -1"):
        account_mean(csr_array(np.array([[0, -1, 0, 0, 0]])), EMBEDDINGS, MASK)
