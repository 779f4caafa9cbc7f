"""The two protocols: exact, stratified, disjoint, and blind to the order of rows."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataset_convert.splits import (
    known_brand_split,
    largest_remainder,
    new_brand_fold,
    new_brand_split,
)


def made_up(n_per_category: list[int], n_pairs: int = 5) -> tuple[pd.DataFrame, pd.DataFrame]:
    categories = [f"c{i:02d}" for i, n in enumerate(n_per_category) for _ in range(n)]
    ids = [f"b{i:03d}" for i in range(len(categories))]
    brands = pd.DataFrame({"brand_id": ids, "brand_category": categories})
    pairs = [(b, f"m{(7 * i + j) % 97}") for i, b in enumerate(ids) for j in range(n_pairs)]
    return brands, pd.DataFrame(pairs, columns=["brand_id", "influencer_id"])


def brands_of(part: pd.DataFrame) -> set[str]:
    return set(part["brand_id"])


def counts_by_category(brands: pd.DataFrame, part: pd.DataFrame) -> list[int]:
    held = brands[brands["brand_id"].isin(brands_of(part))]
    return held["brand_category"].value_counts().sort_index().tolist()


def test_43_of_286_validation_brands() -> None:
    brands, interactions = made_up([24] * 10 + [23] * 2)
    split = new_brand_split(brands, interactions, n_valid=43, seed=11)
    assert set(split) == {"train", "valid"}
    assert len(brands_of(split["valid"])) == 43
    assert len(brands_of(split["train"])) == 243
    # 24 * 43 / 286 = 3.61 and 23 * 43 / 286 = 3.46: seven of the ten larger get a fourth.
    counts = counts_by_category(brands, split["valid"])
    assert sorted(counts[:10]) == [3] * 3 + [4] * 7
    assert counts[10:] == [3, 3]


def test_74_test_and_43_validation_brands_of_360() -> None:
    brands, interactions = made_up([30] * 12)
    split = new_brand_split(brands, interactions, n_valid=43, n_test=74, seed=11)
    sizes = {part: len(brands_of(frame)) for part, frame in split.items()}
    assert sizes == {"train": 243, "valid": 43, "test": 74}
    assert set(counts_by_category(brands, split["test"])) == {6, 7}
    assert set(counts_by_category(brands, split["valid"])) == {3, 4}


def test_shares_instead_of_numbers() -> None:
    brands, interactions = made_up([20, 20])
    split = new_brand_split(brands, interactions, n_valid=0.1, n_test=0.25, seed=3)
    assert [len(brands_of(split[p])) for p in ("train", "valid", "test")] == [26, 4, 10]


@given(
    st.lists(st.integers(1, 9), min_size=1, max_size=5),
    st.integers(0, 2**32),
    st.data(),
)
def test_new_brand_split_is_a_partition_blind_to_order(
    sizes: list[int], seed: int, data: st.DataObject
) -> None:
    sizes = [*sizes, 3]
    n_valid = data.draw(st.integers(1, sum(sizes) - 2))
    n_test = data.draw(st.integers(0, sum(sizes) - 1 - n_valid))
    brands, interactions = made_up(sizes)
    split = new_brand_split(brands, interactions, n_valid=n_valid, n_test=n_test, seed=seed)
    assert len(brands_of(split["valid"])) == n_valid
    assert ("test" in split) == (n_test > 0)
    together = pd.concat(split.values()).sort_values(["brand_id", "influencer_id"])
    pd.testing.assert_frame_equal(
        together.reset_index(drop=True),
        interactions.sort_values(["brand_id", "influencer_id"], ignore_index=True),
    )
    assert sum(len(brands_of(part)) for part in split.values()) == sum(sizes)
    again = new_brand_split(
        brands.sample(frac=1, random_state=5),
        interactions.sample(frac=1, random_state=6),
        n_valid=n_valid,
        n_test=n_test,
        seed=seed,
    )
    for part, frame in split.items():
        pd.testing.assert_frame_equal(frame, again[part])


def test_new_brand_split_follows_the_seed_and_needs_no_category() -> None:
    brands, interactions = made_up([12, 12])
    drawn = {
        frozenset(brands_of(new_brand_split(b, interactions, n_valid=6, seed=s)["valid"]))
        for s in range(4)
        for b in (brands, brands.drop(columns="brand_category"))
    }
    assert len(drawn) > 4


def test_all_brands_train_where_none_is_held_out() -> None:
    brands, interactions = made_up([3, 2])
    brands.loc[1, "brand_category"] = None
    split = new_brand_split(brands, interactions, n_valid=0, n_test=0, seed=1)
    assert list(split) == ["train"]
    assert brands_of(split["train"]) == set(brands["brand_id"])


def test_brands_without_pairs_are_not_held_out() -> None:
    brands, interactions = made_up([6, 6])
    interactions = interactions[~interactions["brand_id"].isin(["b000", "b006"])]
    for seed in range(20):
        split = new_brand_split(brands, interactions, n_valid=4, seed=seed)
        assert len(brands_of(split["valid"])) == 4


@pytest.mark.parametrize(
    ("n_valid", "n_test", "message"),
    [
        (0.1, 0, "at least one validation brand and leave one of 4"),
        (4, 0, "leave one of 4 for training. Received: 4 and 0"),
        (2, 2, "leave one of 4"),
        (-1, 0, "'n_valid' parameter of new_brand_split must not be negative. Received: -1"),
        (1, 1.5, "'n_test' parameter of new_brand_split must be a whole number or a share"),
    ],
)
def test_new_brand_split_refuses(n_valid: int, n_test: float, message: str) -> None:
    brands, interactions = made_up([4])
    with pytest.raises(ValueError, match=message):
        new_brand_split(brands, interactions, n_valid=n_valid, n_test=n_test, seed=1)


@given(st.lists(st.integers(1, 9), min_size=1, max_size=5), st.integers(0, 2**32), st.data())
def test_every_brand_is_tested_in_one_fold(
    sizes: list[int], seed: int, data: st.DataObject
) -> None:
    brands, interactions = made_up([*sizes, 5])
    n_folds = data.draw(st.integers(2, min(7, len(brands))))
    n_other = len(brands) - -(-len(brands) // n_folds)
    n_valid = data.draw(st.integers(1, n_other - 1))
    how = {"n_folds": n_folds, "n_valid": n_valid, "seed": seed}
    folds = [new_brand_fold(brands, interactions, fold=f + 1, **how) for f in range(n_folds)]
    tested = [brand for fold in folds for brand in brands_of(fold["test"])]
    assert sorted(tested) == sorted(brands["brand_id"])
    in_each = [brands[brands["brand_id"].isin(brands_of(fold["test"]))] for fold in folds]
    counts = [held["brand_category"].value_counts() for held in in_each]
    spread = pd.DataFrame(counts).fillna(0).agg(lambda column: column.max() - column.min())
    assert spread.max() <= 1
    assert max(map(len, in_each)) - min(map(len, in_each)) <= 1
    for position, fold in enumerate(folds):
        assert len(brands_of(fold["valid"])) == n_valid
        together = pd.concat(fold.values()).sort_values(["brand_id", "influencer_id"])
        pairs = interactions.sort_values(["brand_id", "influencer_id"], ignore_index=True)
        pd.testing.assert_frame_equal(together.reset_index(drop=True), pairs)
        assert sum(len(brands_of(part)) for part in fold.values()) == len(brands)
        again = new_brand_fold(
            brands.sample(frac=1, random_state=5),
            interactions.sample(frac=1, random_state=6),
            fold=position + 1,
            **how,
        )
        for part, frame in fold.items():
            pd.testing.assert_frame_equal(frame, again[part])


def test_folds_follow_the_seed_and_validation_is_a_stratified_share_of_the_rest() -> None:
    brands, interactions = made_up([24] * 10 + [23] * 2)
    how = {"n_folds": 5, "fold": 2, "n_valid": 0.12}
    fold = new_brand_fold(brands, interactions, seed=3, **how)
    sizes = {part: len(brands_of(frame)) for part, frame in fold.items()}
    # 286 brands: 57 or 58 a fold, and round(0.12 * 229) of the others
    assert sizes == {"train": 202, "valid": 27, "test": 57}
    assert set(counts_by_category(brands, fold["valid"])) == {2, 3}
    assert set(counts_by_category(brands, fold["test"])) == {4, 5}
    other = new_brand_fold(brands, interactions, seed=4, **how)
    assert brands_of(other["test"]) != brands_of(fold["test"])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"n_folds": 1}, "'fold' from 1 to 'n_folds'. Received: 1 and 1"),
        ({"fold": 0}, "Received: 3 and 0"),
        ({"fold": 4}, "Received: 3 and 4"),
        ({"n_folds": 5}, "must be at most the 4 brands with a pair. Received: 5"),
        ({"n_valid": 3}, "one of 2 for training"),
    ],
)
def test_new_brand_fold_refuses(changes: dict[str, int], message: str) -> None:
    brands, interactions = made_up([4])
    how = {"n_folds": 3, "fold": 1, "n_valid": 1, "seed": 1} | changes
    with pytest.raises(ValueError, match=message):
        new_brand_fold(brands, interactions, **how)  # type: ignore[arg-type]


def test_largest_remainder_by_hand() -> None:
    rng = np.random.default_rng(1)
    assert largest_remainder(np.array([1.2, 2.7, 3.1]), 7, rng).tolist() == [1, 3, 3]
    assert largest_remainder(np.array([0.5, 1.75, 2.75]), 5, rng).tolist() == [0, 2, 3]


def test_known_brand_split_by_hand() -> None:
    sizes = {"a": 1, "b": 2, "c": 3, "d": 12, "e": 27}
    pairs = [(b, f"m{j:02d}") for b, n in sizes.items() for j in range(n)]
    interactions = pd.DataFrame(pairs, columns=["brand_id", "influencer_id"])
    split = known_brand_split(interactions, seed=5)
    count = {part: frame.groupby("brand_id").size().to_dict() for part, frame in split.items()}
    assert count["valid"] == count["test"] == {"c": 1, "d": 1, "e": 3}
    assert count["train"] == {"a": 1, "b": 2, "c": 1, "d": 10, "e": 21}
    together = pd.concat(split.values()).sort_values(["brand_id", "influencer_id"])
    pd.testing.assert_frame_equal(together.reset_index(drop=True), interactions)
    again = known_brand_split(interactions.sample(frac=1, random_state=2), seed=5)
    for part, frame in split.items():
        pd.testing.assert_frame_equal(frame, again[part])
    assert not known_brand_split(interactions, seed=6)["valid"].equals(split["valid"])


def test_known_brand_split_refuses_brands_of_two() -> None:
    with pytest.raises(ValueError, match=r"three pairs or more\. Received: at most 2 a brand"):
        known_brand_split(made_up([2], n_pairs=2)[1], seed=1)
