"""Competences, buckets and standings of training collaborations."""

from itertools import chain
from pathlib import Path

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st
from little_data import NAME, dataset, little, write_little

from recbole_mirec.data.accounts import (
    competence_buckets,
    influence_numbers,
    mean_competence,
    standing,
    training_competence,
)

VALUES = {
    ("b1", "i1"): 0.5,
    ("b1", "i2"): 0.25,
    ("b2", "i2"): 0.75,
    ("b2", "i3"): 0.1,
    ("b3", "i4"): 0.2,
    ("b4", "i5"): 9.0,
    ("b4", "i2"): 9.0,
    ("b5", "i6"): 9.0,
    ("b5", "i1"): 9.0,
}


def write_with_competence(folder: Path) -> Path:
    data = little()
    pairs = data.interactions[["brand_id", "influencer_id"]].itertuples(index=False)
    competence = pd.Series([VALUES[tuple(pair)] for pair in pairs])
    return write_little(folder, interactions=data.interactions.assign(competence=competence))


def test_competences_stand_beside_their_training_pairs(tmp_path: Path) -> None:
    data = dataset(write_with_competence(tmp_path), dataset=NAME)
    found = training_competence(data)
    brands = data.id2token("brand_id", data.pairs["train"][:, 0])
    influencers = data.id2token("influencer_id", data.pairs["train"][:, 1])
    expected = [VALUES[pair] for pair in zip(brands, influencers, strict=True)]
    assert found.tolist() == expected
    # the 9.0 of validation and test stay out
    means = mean_competence(data.pairs["train"], found, data.item_num)
    of = {token: means[data.token2id("influencer_id", token)] for token in ("i1", "i2", "i3")}
    assert of == {"i1": 0.5, "i2": 0.5, "i3": 0.1}
    assert np.isnan(means[data.token2id("influencer_id", "i5")])


def test_unknown_competences_are_unknown(tmp_path: Path) -> None:
    data = dataset(write_little(tmp_path), dataset=NAME)
    found = training_competence(data)
    assert found.shape == (5,)
    assert np.isnan(found).all()
    assert np.isnan(mean_competence(data.pairs["train"], found, 8)).all()
    assert list(influence_numbers(data)) == ["followers"]


def test_influence_is_the_standing_among_training_influencers(tmp_path: Path) -> None:
    data = dataset(write_with_competence(tmp_path), dataset=NAME)
    found = influence_numbers(data)
    assert list(found) == ["followers", "competence"]

    def of(name: str, token: str) -> float:
        return float(found[name][data.token2id("influencer_id", token)])

    # training influencers i1 to i4 have 1 to 4 followers; i5 to i7 have more
    assert [of("followers", f"i{k}") for k in range(1, 8)] == [-0.75, -0.25, 0.25, 0.75, 1, 1, 1]
    # competences .5 .5 .1 .2 of i1 to i4, and none of the others
    assert [of("competence", f"i{k}") for k in range(1, 8)] == [0.5, 0.5, -0.75, -0.25, 0, 0, 0]


def test_a_standing_between_and_among_equals() -> None:
    values = np.array([1.0, 2.0, 2.0, 5.0, np.nan, 3.0])
    fitted = np.array([True, True, True, True, True, False])
    assert standing(values, fitted).tolist() == [-0.75, 0.0, 0.0, 0.75, 0.0, 0.5]


def test_buckets_by_hand() -> None:
    pairs = np.array([(2, 11), (2, 12), (2, 13), (2, 14), (2, 15), (1, 13), (2, 16), (2, 17)])
    competence = np.array([0.1, 0.7, np.nan, 0.3, 0.9, 5.0, 0.3, 0.2])
    members, sizes = competence_buckets(pairs, competence, 4, 3)
    assert members[2].tolist() == [[15, 12, 14], [16, 17, 0], [11, 13, 0]]
    assert sizes.tolist() == [[0, 0, 0], [1, 0, 0], [3, 2, 2], [0, 0, 0]]
    assert members[1].tolist() == [[13, 0, 0], [0, 0, 0], [0, 0, 0]]


@given(
    degrees=st.lists(st.integers(0, 9), min_size=1, max_size=4),
    n_buckets=st.integers(1, 5),
    seed=st.integers(0, 1000),
)
def test_buckets_hold_everyone_once_evenly_and_in_order(
    degrees: list[int], n_buckets: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    pairs = np.array(
        [(b, 1 + i) for b, degree in enumerate(degrees) for i in range(degree)], dtype=np.int64
    ).reshape(-1, 2)
    competence = rng.integers(0, 4, len(pairs)).astype(float)
    members, sizes = competence_buckets(pairs, competence, len(degrees), n_buckets)
    for brand, degree in enumerate(degrees):
        own = dict(
            zip(pairs[pairs[:, 0] == brand, 1], competence[pairs[:, 0] == brand], strict=True)
        )
        rows = zip(members[brand], sizes[brand], strict=True)
        buckets = [ids[:size].tolist() for ids, size in rows]
        assert sorted(chain.from_iterable(buckets)) == sorted(own)
        if degree >= n_buckets:
            assert max(map(len, buckets)) - min(map(len, buckets)) <= 1
        values = [own[influencer] for bucket in buckets for influencer in bucket]
        assert values == sorted(values, reverse=True)
        assert not members[brand][np.arange(members.shape[2]) >= sizes[brand][:, None]].any()
