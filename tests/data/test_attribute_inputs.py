"""Concepts of accounts: which attributes, in what order, and which rows of vectors they are."""

from pathlib import Path

import numpy as np
import pytest
from little_data import NAME, dataset, write_little
from scipy import sparse

from recbole_mirec.data.attributes import account_concepts, node_vectors, rarest_attributes


def test_concepts_are_the_attributes_that_fewest_training_accounts_have(tmp_path: Path) -> None:
    data = dataset(write_little(tmp_path), dataset=NAME)
    assert data.accounts is not None
    config = {
        **{"graph_method": "netmf", "graph_dimension": 3, "graph_window": 2, "graph_eta": 2.0},
        **{"graph_netmf_negative": 1, "attribute_graph_file": None, "node_embedding_file": None},
        **{"checkpoint_dir": str(tmp_path), "n_concepts": 2},
    }
    found = account_concepts(data.accounts, data.pairs["train"], config)
    vectors, known = node_vectors(data.accounts, data.pairs["train"], config)
    assert known.all()
    np.testing.assert_array_equal(found["vectors"], vectors)
    # baker, coach and runner stand with two training accounts each, vegan with three
    expected = {
        "brand": {"b1": ["baker", "vegan"], "b2": ["runner"], "b3": [], "b4": ["runner"], "b5": []},
        "influencer": {"i1": ["vegan"], "i2": ["coach", "vegan"], "i3": ["coach", "runner"]},
    }
    for side, accounts in expected.items():
        for account, names in accounts.items():
            row = data.token2id(f"{side}_id", account)
            ids = found[f"{side}_ids"][row][found[f"{side}_mask"][row]]
            assert [data.accounts.attribute_names[place] for place in ids] == names, account


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
