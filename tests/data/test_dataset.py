from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from little_data import (
    NAME,
    TEST,
    TINY,
    TRAIN,
    VALID,
    changed_positives,
    dataset,
    little,
    new_brand_parts,
    pairs,
    settings,
    write_little,
)

from dataset_convert import schema
from dataset_convert.atomic import AtomicData, write_atomic
from dataset_convert.common.errors import UsageError
from recbole_mirec.config import MirecConfig
from recbole_mirec.data.attributes import training_graph
from recbole_mirec.data.dataset import MirecDataset, build_evaluation_split
from recbole_mirec.data.sampling import training_loader


def in_tokens(data: Any, part: str) -> list[tuple[str, str]]:
    rows = data.pairs[part]
    brands = data.id2token(data.uid_field, rows[:, 0])
    return sorted(zip(brands, data.id2token(data.iid_field, rows[:, 1]), strict=True))


def test_split_files_are_used(tmp_path: Path) -> None:
    data = dataset(write_little(tmp_path), dataset=NAME)
    assert in_tokens(data, "train") == sorted(TRAIN)
    assert in_tokens(data, "valid") == sorted(VALID)
    assert in_tokens(data, "test") == sorted(TEST)
    # i7 works with nobody, and is a candidate under known-brand all the same
    assert (data.user_num, data.item_num) == (6, 8)


def test_new_brand_split_in_ids_and_categories(tmp_path: Path) -> None:
    ids = [f"i{k}" for k in range(1, 8)]
    categories = pd.Series(["food", "shoes", "shoes", "food", "food", "food", "shoes"], ids)
    data = dataset(write_little(tmp_path, influencer_category=categories), dataset=NAME)
    split = data.evaluation_split("test")
    assert split is not None
    assert data.id2token(data.uid_field, split.brands).tolist() == ["b5"]
    candidates = data.id2token(data.iid_field, split.candidates).tolist()
    assert sorted(candidates) == ["i1", "i6"]
    assert split.positives.all()
    assert dict(zip(candidates, split.unseen.tolist(), strict=True)) == {"i1": False, "i6": True}
    # food is 0 and shoes 1
    assert split.brand_category is not None
    assert split.brand_category.tolist() == [0]
    assert split.candidate_category is not None
    assert split.candidate_category.tolist() == [0, 0]
    valid = data.evaluation_split("valid")
    assert valid is not None
    assert valid.brand_category is not None
    assert valid.brand_category.tolist() == [1]


def test_without_split_files_the_split_is_drawn_by_the_seed(tmp_path: Path) -> None:
    write_little(tmp_path, splits={})
    changes = {"dataset": NAME, "valid_brands": 1, "test_brands": 1}
    first = dataset(tmp_path, **changes)
    counts = {part: len(set(first.pairs[part][:, 0])) for part in ("train", "valid", "test")}
    assert counts == {"train": 3, "valid": 1, "test": 1}
    again = dataset(tmp_path, **changes)
    assert in_tokens(first, "test") == in_tokens(again, "test")
    drawn = {tuple(in_tokens(dataset(tmp_path, split_seed=s, **changes), "test")) for s in range(9)}
    assert len(drawn) > 1


def test_a_share_of_the_brands_may_be_asked_for(tmp_path: Path) -> None:
    write_little(tmp_path, splits={})
    data = dataset(tmp_path, dataset=NAME, valid_brands=0.4, test_brands=0)
    assert len(set(data.pairs["valid"][:, 0])) == 2
    assert data.evaluation_split("test") is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"valid_brands": 4, "test_brands": 1}, r"no split files for new-brand, .*: 4 and 1\.$"),
        (
            {"protocol": "known-brand"},
            r"^Data set 'little' has no split of known-brand, and none can be drawn: no brand has "
            r"three collaborations\. Use protocol=new-brand\.$",
        ),
        ({"valid_brands": 1, "test_brands": 1, "folds": 9, "fold": 1}, r"for 9 folds, .*: 9\.$"),
    ],
)
def test_a_split_that_cannot_be_drawn_is_an_error(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    write_little(tmp_path, splits={})
    with pytest.raises(UsageError, match=message):
        dataset(tmp_path, dataset=NAME, **changes)


def test_known_brand_masks_what_was_known(data_path: Path) -> None:
    data = dataset(data_path, protocol="known-brand")
    split = data.evaluation_split("test")
    assert split is not None
    assert split.candidates.tolist() == list(range(1, data.item_num))
    known = {part: set(map(tuple, data.pairs[part].tolist())) for part in data.pairs}
    assert not known["train"] & known["valid"]
    assert not known["test"] & (known["train"] | known["valid"])
    assert sum(map(len, known.values())) == len(data.atomic.interactions)
    for brand, mask, positives in zip(split.brands, split.mask, split.positives, strict=True):
        left_out = {(brand, influencer) for influencer in split.candidates[~mask]}
        assert left_out == {p for p in known["train"] | known["valid"] if p[0] == brand}
        assert {(brand, i) for i in split.candidates[positives]} == {
            p for p in known["test"] if p[0] == brand
        }


def test_folds_cut_training_and_validation_and_leave_the_test_brands_out(data_path: Path) -> None:
    whole = dataset(data_path)
    own = {part: {brand for brand, _ in in_tokens(whole, part)} for part in schema.PARTS}
    tested: list[str] = []
    for fold in (1, 2, 3):
        data = dataset(data_path, folds=3, fold=fold)
        brands = {part: {brand for brand, _ in in_tokens(data, part)} for part in schema.PARTS}
        assert set.union(*brands.values()) == own["train"] | own["valid"]
        assert sum(map(len, brands.values())) == len(own["train"] | own["valid"])
        tested += brands["test"]
        # candidates are the influencers of the fold's own brands
        split = data.evaluation_split("test")
        assert split is not None
        assert set(split.candidates) == set(data.pairs["test"][:, 1])
        # nothing of the fold or of the test brands is drawn as a training account
        assert data.accounts is not None
        seen = set(data.id2token(data.uid_field, data.pairs["train"][:, 0]))
        assert seen.isdisjoint(brands["test"] | brands["valid"] | own["test"])
    assert sorted(tested) == sorted(own["train"] | own["valid"])


def test_ids_follow_the_account_files(tmp_path: Path) -> None:
    data = dataset(write_little(tmp_path), dataset=NAME)
    assert data.field2id_token["brand_id"].tolist() == ["[PAD]", "b5", "b1", "b2", "b3", "b4"]
    assert data.field2id_token["influencer_id"].tolist()[1:] == [
        *("i7", "i6", "i5", "i4", "i3", "i2", "i1")
    ]


def seen_by_training(data: Any, config: Any) -> Mapping[str, Any]:
    """Everything that training reads."""
    loader = training_loader(config, data.build()[0])
    torch.manual_seed(0)
    batches = [
        {name: batch[name].tolist() for name in sorted(batch.interaction)} for batch in loader
    ]
    accounts = data.accounts
    return {
        "batches": batches,
        "pairs": data.pairs["train"].tolist(),
        "ids": [data.field2id_token[field].tolist() for field in sorted(data.field2id_token)],
        "attributes": accounts.attribute_names,
        "graph": training_graph(accounts, data.pairs["train"], 2.0).toarray().tolist(),
        "features": {
            (side, name): rows.tolist()
            for side, table in accounts.sides.items()
            for name, rows in table.features.items()
        },
    }


@pytest.mark.parametrize("protocol", schema.PROTOCOLS)
@pytest.mark.parametrize("part", ["valid", "test"])
@pytest.mark.parametrize("model", ["MIRec", "FM"])
def test_a_held_out_positive_changes_nothing_that_training_sees(
    data_path: Path, tiny: AtomicData, tmp_path: Path, protocol: str, part: str, model: str
) -> None:
    write_atomic(changed_positives(tiny, protocol, part), tmp_path / TINY)
    seen = []
    for folder in (data_path, tmp_path):
        config = MirecConfig(config_dict=settings(folder, model, protocol=protocol))
        data = MirecDataset(config)
        seen.append(seen_by_training(data, config))
    assert data.evaluation_split(part) is not None
    before, after = seen
    assert before.keys() == after.keys()
    for name in before:
        assert before[name] == after[name], name


def test_an_influencers_category_is_no_field_of_any_model(data_path: Path) -> None:
    for model in ("MIRec", "BPR", "FM", "Cosine"):
        data = dataset(data_path, model=model)
        assert data.atomic.influencer_category is not None
        fields = [*data.item_feat.columns, *data.inter_feat.columns]
        assert not [name for name in fields if "category" in name]
        # The known categories of influencers reach no table either.
        assert data.accounts is not None
        assert not [name for name in data.accounts.dimensions if "category" in name]


def test_context_models_read_tokens_of_both_sides_and_ours_ids_only(data_path: Path) -> None:
    ours = dataset(data_path)
    assert set(ours.item_feat.columns) == {"influencer_id"}
    fm = dataset(data_path, model="FM")
    assert {"brand_id", "brand_category", "brand_attributes"} < set(fm.user_feat.columns)
    assert "influencer_attributes" in fm.item_feat.columns
    assert not [name for name in fm.user_feat.columns if "topics" in name or "weights" in name]


def test_training_rows_are_shuffled_by_the_seed(data_path: Path) -> None:
    one, two = dataset(data_path), dataset(data_path, seed=1)
    assert not np.array_equal(one.pairs["train"], two.pairs["train"])
    assert in_tokens(one, "train") == in_tokens(two, "train")


def test_fingerprint_follows_the_files(tmp_path: Path) -> None:
    write_little(tmp_path)
    before = dataset(tmp_path, dataset=NAME).fingerprint()
    assert dataset(tmp_path, dataset=NAME).fingerprint() == before
    data = little()
    data.brands.loc[0, "brand_followers"] = 51.0
    write_atomic(data, tmp_path / NAME)
    assert dataset(tmp_path, dataset=NAME).fingerprint() != before


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"Data set folder '.*nowhere' does not exist. Convert"):
        dataset(tmp_path, dataset="nowhere")


def test_an_empty_training_part_is_an_error(tmp_path: Path) -> None:
    data = dataset(write_little(tmp_path), dataset=NAME)
    data.pairs["train"] = data.pairs["train"][:0]
    with pytest.raises(UsageError, match="training part holds no collaboration"):
        training_loader(MirecConfig(config_dict=settings(tmp_path, dataset=NAME)), data)


def test_interactions_of_no_part_are_counted_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    dataset(write_little(tmp_path), dataset=NAME)
    assert "in no part of the split" not in caplog.text
    (tmp_path / "less").mkdir()
    less = new_brand_parts() | {"train": pairs(TRAIN[:-2])}
    data = dataset(write_little(tmp_path / "less", splits={"new-brand": less}), dataset=NAME)
    assert in_tokens(data, "train") == sorted(TRAIN[:-2])
    assert "2 of 9 interactions stand in no part of the split and are left out." in caplog.text


# --- evaluation splits, in internal ids ---

SEEN = np.array([(1, 1), (1, 2), (2, 2), (3, 4)])
HELD = np.array([(5, 6), (5, 2), (4, 6)])
LAST = np.array([(7, 6), (7, 1), (6, 3)])


def test_new_brand_ranks_the_influencers_of_the_parts_brands() -> None:
    split = build_evaluation_split("new-brand", "test", LAST, np.concatenate([SEEN, HELD]), SEEN, 9)
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
        "known-brand", "test", test, np.concatenate([SEEN, valid]), SEEN, 7
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
    split = build_evaluation_split(protocol, "valid", again, SEEN, SEEN, 5)
    assert (split.mask | ~split.positives).all()
    assert split.positives.sum() == 2
