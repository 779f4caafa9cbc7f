from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from little_data import TRAIN, lists, little, vectors
from scipy import sparse

from dataset_convert import schema
from dataset_convert.atomic import AtomicData, read_atomic, write_atomic
from recbole_mirec.data.accounts import (
    AccountTables,
    SideTable,
    build_account_tables,
    compared,
)

# Internal ids in no order of the files, padding first.
TOKENS: dict[schema.Side, Sequence[str]] = {
    "brand": ["[PAD]", "b4", "b1", "b3", "b5", "b2"],
    "influencer": ["[PAD]", "i2", "i7", "i1", "i6", "i3", "i5", "i4"],
}
TRAINING = {
    side: np.isin(TOKENS[side], [pair[column] for pair in TRAIN])
    for column, side in enumerate(schema.SIDES)
}


def tables(data: AtomicData | None = None) -> AccountTables:
    return build_account_tables(data or little(), TOKENS, TRAINING)


def row(built: AccountTables, account: str, modality: str) -> tuple[list[float], bool]:
    side: schema.Side = "brand" if account.startswith("b") else "influencer"
    position = TOKENS[side].index(account)
    table = built.sides[side]
    return (
        [round(value, 6) for value in table.features[modality][position].tolist()],
        bool(table.masks[modality][position]),
    )


def test_rows_follow_the_internal_ids() -> None:
    built = tables()
    assert row(built, "b1", "content_topics") == ([0.5, 0.3, 0.2], True)
    assert row(built, "b4", "content_topics") == ([0.2, 0.2, 0.6], True)
    assert row(built, "i3", "content_topics") == ([0.1, 0.0, 0.9], True)
    assert row(built, "i7", "audience_topics") == ([1.0, 0.0], True)
    followers = built.sides["influencer"].followers
    assert followers[1:].tolist() == [2.0, 7.0, 1.0, 6.0, 3.0, 5.0, 4.0]
    assert np.isnan(followers[0])
    assert np.isnan(built.sides["brand"].followers[TOKENS["brand"].index("b2")])


def test_what_is_missing_stays_missing() -> None:
    built = tables()
    assert row(built, "b3", "content_topics") == ([0.0, 0.0, 0.0], False)
    assert row(built, "i4", "content_topics") == ([0.0, 0.0, 0.0], False)
    assert row(built, "i2", "audience_topics") == ([0.0, 0.0], False)
    assert row(built, "i2", "content_visual")[1] is False
    # 19 accounts with topics of content, the three without them aside
    masks = [built.sides[side].masks["content_topics"][1:] for side in schema.SIDES]
    assert torch.cat(masks).tolist().count(False) == 2


def test_padding_has_nothing() -> None:
    built = tables()
    for table in built.sides.values():
        for modality, features in table.features.items():
            assert features.dtype == torch.float32
            assert not features[0].any(), modality
            assert not table.masks[modality][0]
        assert table.attributes[[0]].nnz == 0


def test_labels_are_those_of_training_accounts_in_sorted_order() -> None:
    # Training accounts are b1 b2 b3 and i1 i2 i3 i4: 'plate' and 'sneaker' are unknown to them.
    built = tables()
    assert built.dimensions == {"content_topics": 3, "audience_topics": 2, "content_visual": 3}
    assert row(built, "b1", "content_visual") == ([0.75, 0.0, 0.25], True)  # cup road tree
    assert row(built, "i3", "content_visual") == ([0.0, 0.5, 0.5], True)
    assert row(built, "i6", "content_visual") == ([0.5, 0.0, 0.0], True)  # its plate is dropped
    # Nothing that is known is left of b4, b5 and i7, so they lack the modality.
    for account in ("b4", "b5", "i5", "i7"):
        assert row(built, account, "content_visual") == ([0.0, 0.0, 0.0], False)


def test_attributes_share_one_vocabulary_from_training_accounts() -> None:
    built = tables()
    assert built.attribute_names == ("baker", "coach", "runner", "vegan")
    brands = built.sides["brand"].attributes.toarray()
    assert brands.tolist() == [
        [0, 0, 0, 0],  # padding
        [0, 0, 1, 0],  # b4: 'early' stands in no training account
        [1, 0, 0, 1],  # b1
        [0, 0, 0, 0],  # b3 has none
        [0, 0, 0, 0],  # b5: 'late'
        [0, 0, 1, 0],  # b2
    ]
    influencers = built.sides["influencer"].attributes.toarray()
    assert influencers[TOKENS["influencer"].index("i2")].tolist() == [0, 1, 0, 1]
    assert influencers.sum() == 1 + 2 + 1 + 2 + 1  # i4, i3, i5, i2, i1


def test_a_test_accounts_labels_change_no_other_row() -> None:
    data = little()
    data.brands.loc[data.brands["brand_id"] == "b5", "brand_content_visual_labels"] = "x"
    changed = little()
    changed.brands.at[0, "brand_content_visual_labels"] = ["anvil"]
    changed.brands.at[0, "brand_attributes"] = ["anvil", "zebra"]
    before, after = tables(), tables(changed)
    assert before.attribute_names == after.attribute_names
    assert before.dimensions == after.dimensions
    for side in schema.SIDES:
        for modality, features in before.sides[side].features.items():
            assert torch.equal(features, after.sides[side].features[modality])


@pytest.mark.parametrize(
    ("empty", "reason"),
    [
        (["influencer"], "no influencer has it"),
        (["brand", "influencer"], "no brand and no influencer has it"),
    ],
)
def test_a_modality_without_values_on_a_side_is_left_out(
    empty: list[str], reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    data = little()
    for side, frame in (("brand", data.brands), ("influencer", data.influencers)):
        if side in empty:
            frame[f"{side}_audience_topics"] = vectors(*[None] * len(frame))
    built = tables(data)
    assert caplog.messages == [f"Modality audience_topics is not used: {reason}."]
    assert "audience_topics" not in built.dimensions
    assert "audience_topics" not in built.sides["brand"].features


def test_captions_of_brands_stand_beside_biographies_of_influencers(tmp_path: Path) -> None:
    data = little()
    data.brands["brand_content_text"] = vectors([1.0, 0.0], None, None, [0.6, 0.8], [0.0, 1.0])
    data.influencers["influencer_profile_text"] = vectors([0.0, 1.0], *[None] * 6)
    write_atomic(data, tmp_path / "little")
    built = tables(read_atomic(tmp_path / "little", "little"))
    assert row(built, "b3", "content_text") == ([0.6, 0.8], True)
    assert row(built, "b1", "content_text") == ([0.0, 0.0], False)
    assert row(built, "i7", "profile_text") == ([0.0, 1.0], True)
    assert not {"content_text", "profile_text"} & set(built.dimensions)
    assert "content_text" not in built.sides["influencer"].features
    data.influencers["influencer_profile_text"] = vectors(*[None] * 7)
    assert "content_text" not in tables(data).sides["brand"].features


def test_columns_that_are_not_there_are_no_features(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    data = little()
    brands = data.brands[["brand_id", "brand_content_topics"]]
    influencers = data.influencers[["influencer_id", "influencer_content_topics"]]
    built = tables(little(brands=brands, influencers=influencers))
    assert built.dimensions == {"content_topics": 3}
    assert built.attribute_names == ()
    assert caplog.messages == []
    assert built.sides["brand"].attributes.shape == (6, 0)
    assert np.isnan(built.sides["brand"].followers).all()


def test_attribute_vectors_are_read_as_they_stand() -> None:
    data = little()
    brands = data.brands.drop(columns="brand_attributes")
    influencers = data.influencers.drop(columns="influencer_attributes")
    brands["brand_attribute_vector"] = vectors([1.0, -2.0], None, [3.0, 4.0], [5.0, 6.0], None)
    values = [[float(k), -1.0] for k in range(1, 8)]
    influencers["influencer_attribute_vector"] = vectors(*values)
    built = tables(little(brands=brands, influencers=influencers))
    assert row(built, "b5", "attribute_vector") == ([1.0, -2.0], True)
    assert row(built, "b4", "attribute_vector") == ([0.0, 0.0], False)
    assert row(built, "i6", "attribute_vector") == ([2.0, -1.0], True)
    assert built.attribute_names == ()


def test_an_empty_list_is_no_list_and_a_name_given_twice_counts_once() -> None:
    data = little()
    data.brands["brand_attributes"] = lists("", None, "runner vegan runner", None, None)
    attributes = tables(data).sides["brand"].attributes
    assert attributes.has_canonical_format
    assert attributes.data.tolist() == [1, 1]


@pytest.mark.parametrize(
    ("brand", "influencer", "expected"),
    [
        ("c", "c", "cc"),
        ("c", "p", "cp"),
        ("cp", "c", "cc pc"),
        ("p", "c", "pc"),
        ("p", "cp", "pp"),
        ("cp", "cp", "cc cp pp"),
        ("", "cp", ""),
    ],
)
def test_a_biography_faces_captions_only_where_influencers_have_no_biographies(
    brand: str, influencer: str, expected: str
) -> None:
    names = {"c": schema.CONTENT_TEXT, "p": schema.PROFILE_TEXT}
    nothing = sparse.csr_array((2, 0), dtype=np.int64)
    sides = {
        side: SideTable({names[x]: torch.ones(2, 3) for x in some}, {}, nothing, np.full(2, np.nan))
        for side, some in zip(schema.SIDES, (brand, influencer), strict=True)
    }
    found = compared(AccountTables(sides, {}, ()), ["content"])
    assert found == tuple(("content", names[b], names[i]) for b, i in expected.split())
