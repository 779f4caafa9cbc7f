"""Concepts of accounts: how many have an attribute, and which an account is told by."""

from pathlib import Path

import numpy as np
import pytest
from little_data import NAME, dataset, write_little
from scipy import sparse

from recbole_mirec.data.attributes import attribute_counts, rarest_attributes


def test_attributes_are_counted_over_training_accounts_of_both_sides(tmp_path: Path) -> None:
    data = dataset(write_little(tmp_path), dataset=NAME)
    assert data.accounts is not None
    counts = attribute_counts(data.accounts, data.pairs["train"])
    found = dict(zip(data.accounts.attribute_names, counts.tolist(), strict=True))
    # b4's runner, of validation, and i5's, who has no training pair, do not count
    assert found == {"baker": 2, "coach": 2, "runner": 2, "vegan": 3}


def test_the_rarest_attributes_come_first() -> None:
    incidence = sparse.csr_array(
        np.array([[1, 1, 1, 1, 0], [0, 0, 0, 1, 0], [0, 0, 0, 0, 0], [1, 0, 1, 0, 1]])
    )
    counts = np.array([7, 3, 3, 1, 0])
    usable = np.array([True, True, True, True, False])
    ids, mask = rarest_attributes(incidence, counts, usable, 3)
    assert ids.tolist() == [[3, 1, 2], [3, 0, 0], [0, 0, 0], [2, 0, 0]]
    expected = [[True] * 3, [True, False, False], [False] * 3, [True, True, False]]
    assert mask.tolist() == expected


@pytest.mark.parametrize("n_kept", [1, 10])
def test_no_more_attributes_than_asked_for(n_kept: int) -> None:
    incidence = sparse.csr_array(np.ones((2, 5), dtype=np.int64))
    ids, mask = rarest_attributes(incidence, np.arange(5), np.ones(5, dtype=bool), n_kept)
    assert ids.shape == mask.shape == (2, n_kept)
    assert mask.sum() == 2 * min(n_kept, 5)
