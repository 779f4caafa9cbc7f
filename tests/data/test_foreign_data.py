"""RecBole's own atomic files: what is loaded, what is refused, and how they are split."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from little_data import settings

from dataset_convert.common.errors import UsageError
from recbole_mirec.config import MirecConfig
from recbole_mirec.data.dataset import SplitDataset
from recbole_mirec.experiment import load_dataset, prepare

LOADED = {
    "inter": ["uid", "film"],
    "user": ["uid", "age", "city"],
    "item": ["film", "genres", "length"],
}


@pytest.fixture
def films(tmp_path: Path) -> Path:
    """Six users and twelve films in RecBole's format, with names of fields of their own."""
    folder = tmp_path / "films"
    folder.mkdir()
    pairs = [(user, film) for user in range(6) for film in range(12) if (user + film) % 6]
    write(folder / "films.inter", "uid:token film:token stars:float place:token", [
        (f"u{user}", f"f{film}", user % 5 + 1, "home") for user, film in pairs
    ])  # fmt: skip
    write(folder / "films.user", "uid:token age:token city:token", [
        (f"u{user}", 20 + user % 3, "ab"[user % 2]) for user in range(6)
    ])  # fmt: skip
    write(folder / "films.item", "film:token genres:token_seq length:float", [
        (f"f{film}", "war love"[: 3 + 5 * (film % 2)], 90 + film) for film in range(12)
    ])  # fmt: skip
    return tmp_path


def write(path: Path, header: str, rows: list[tuple[Any, ...]]) -> None:
    lines = [header.replace(" ", "\t"), *("\t".join(map(str, row)) for row in rows)]
    path.write_text("\n".join(lines) + "\n")


def given(folder: Path, model: str = "FM", **changes: Any) -> dict[str, Any]:
    own = {"USER_ID_FIELD": "uid", "ITEM_ID_FIELD": "film", "load_col": LOADED}
    made: dict[str, Any] = settings(folder, model, "films", **(own | changes))
    return made


def test_features_of_users_and_items_reach_a_context_aware_model(films: Path) -> None:
    model = prepare(given(films, numerical_features=["length"])).model
    assert model.token_field_names == ["uid", "film", "age", "city"]
    assert model.token_seq_field_names == ["genres"]
    assert model.float_field_names == ["length"]
    # padding and what stands in the files
    assert model.token_field_dims == [7, 13, 4, 3]
    assert model.token_seq_field_dims == [3]


def test_without_load_col_the_ids_by_their_own_names_are_loaded(films: Path) -> None:
    named = {"USER_ID_FIELD": "uid", "ITEM_ID_FIELD": "film"}
    data = load_dataset(MirecConfig(config_dict=settings(films, "BPR", "films", **named)))
    assert type(data) is SplitDataset
    assert sorted(data.field2type) == ["film", "uid"]
    assert (data.user_num, data.item_num, data.inter_num) == (7, 13, 60)


def test_recboles_names_of_users_and_items_need_not_be_said(films: Path) -> None:
    for path in (films / "films").iterdir():
        path.write_text(path.read_text().replace("uid:", "user_id:").replace("film:", "item_id:"))
    config = MirecConfig(config_dict=settings(films, "BPR", "films"))
    assert (config["USER_ID_FIELD"], config["ITEM_ID_FIELD"]) == ("user_id", "item_id")
    assert config["protocol"] == "known-brand"
    assert load_dataset(config).inter_num == 60
    half = MirecConfig(config_dict=settings(films, "BPR", "films", USER_ID_FIELD="someone"))
    assert (half["USER_ID_FIELD"], half["ITEM_ID_FIELD"]) == ("someone", "item_id")
    assert half["load_col"] == {"inter": ["someone", "item_id"]}


def given_plain(folder: Path, rows: list[tuple[str, str]], **changes: Any) -> SplitDataset:
    """The data set of some pairs of users and items, in one file."""
    (folder / "plain").mkdir()
    write(folder / "plain" / "plain.inter", "user_id:token item_id:token", rows)
    return load_dataset(MirecConfig(config_dict=settings(folder, "BPR", "plain", **changes)))


def test_any_data_set_is_split_by_user(tmp_path: Path) -> None:
    rows = [(f"u{user}", f"i{item}") for user in range(3) for item in range(user, 20)]
    data = given_plain(tmp_path, rows)
    assert len(data.build()) == 3
    per_user = {part: np.bincount(rows[:, 0])[1:].tolist() for part, rows in data.pairs.items()}
    # 20, 19 and 18 interactions: two each for validation and test
    assert per_user == {"train": [16, 15, 14], "valid": [2, 2, 2], "test": [2, 2, 2]}
    split = data.evaluation_split("valid")
    assert split is not None
    assert len(split.candidates) == 20


NINE = [("u", f"i{item}") for item in range(9)]


@pytest.mark.parametrize(
    ("rows", "changes", "message"),
    [
        ([*NINE, ("u", "i3")], {}, "interaction of u with i3 more than once; set rm_dup"),
        (NINE, {"protocol": "new-brand"}, r"'new-brand' needs atomic files of brands .* 'plain'"),
        (NINE[:2], {}, r"'plain' has no split files for known-brand, .* at most 2 a brand"),
        ([*NINE, ("[PAD]", "i3")], {}, r"has the user_id '\[PAD\]', which is RecBole's word for"),
        ([*NINE, ("u", "[PAD]")], {}, r"has the item_id '\[PAD\]'"),
        (NINE, {"user_inter_num_interval": "[10,inf)"}, "Some feat is empty"),
    ],
)
def test_what_cannot_be_split_or_filtered_is_told_in_a_line(
    tmp_path: Path, rows: list[tuple[str, str]], changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        given_plain(tmp_path, rows, **changes).build()
    assert "\n" not in str(caught.value)


def test_ids_and_words_that_pandas_takes_for_missing_are_kept(films: Path) -> None:
    names = {"u0": "NA", "u1": "null", "u2": "nan", "u3": "None", "f1": "N/A", "a": "NaN"}
    for path in (films / "films").iterdir():
        head, *lines = path.read_text().splitlines()
        rows = [[names.get(word, word) for word in line.split("\t")] for line in lines]
        text = "\n".join([head, *map("\t".join, rows)])
        path.write_text(text.replace("\twar\t", "\tNA\t"))
    data = load_dataset(MirecConfig(config_dict=given(films)))
    assert (data.user_num, data.item_num, data.inter_num) == (7, 13, 50 + 10)
    assert set(data.field2id_token["uid"]) == {"[PAD]", "NA", "null", "nan", "None", "u4", "u5"}
    assert "N/A" in data.field2id_token["film"]
    assert set(data.field2id_token["city"]) == {"[PAD]", "NaN", "b"}
    assert "NA" in data.field2id_token["genres"]
    # what is empty is missing all the same
    items = (films / "films" / "films.item").read_text()
    (films / "films" / "films.item").write_text(items.replace("\tNA\t", "\t\t"))
    data = load_dataset(MirecConfig(config_dict=given(films)))
    assert "NA" not in data.field2id_token["genres"]


def test_intervals_filter_data_that_are_not_ours(films: Path) -> None:
    kept = {"val_interval": {"length": "[95,inf)"}}
    assert load_dataset(MirecConfig(config_dict=given(films, "BPR", **kept))).item_num == 1 + 7


def test_a_threshold_is_read_where_it_is_set(films: Path) -> None:
    columns = LOADED | {"inter": ["uid", "film", "stars"]}
    data = load_dataset(
        MirecConfig(config_dict=given(films, load_col=columns, threshold={"stars": 3}))
    )
    # stars are 1 to 5, one for each user and 1 for the sixth, who have ten films each
    assert data.inter_feat["label"].sum() == 30


WITH_PLACE = LOADED | {"inter": ["uid", "film", "place"]}


@pytest.mark.parametrize(
    ("changes", "messages"),
    [
        (
            {"load_col": LOADED | {"user": ["uid", "aeg"]}},
            ["Key 'load_col': '", "films.user' has no column 'aeg'. Did you mean 'age'?"],
        ),
        (
            {"load_col": LOADED | {"kg": ["head"], "item": ["film", "genre"]}},
            ["2 settings", "columns of '", "films.kg', which does not", "no column 'genre'"],
        ),
        ({"load_col": None, "unload_col": {"inter": ["plaec"]}}, ["no column 'plaec'. Did you"]),
        ({"load_col": {"inter": ["uid", "stars"]}}, ["without 'film', which ITEM_ID_FIELD names"]),
        ({"USER_ID_FIELD": "udi"}, ["is loaded without 'udi', which USER_ID_FIELD names. Did you"]),
        ({"load_col": WITH_PLACE}, ["'place' is a feature of", "FM ranks all pairs. Leave it"]),
        (
            {"load_col": {"inter": ["uid", "film", "stars"]}, "numerical_features": ["stars"]},
            ["'stars' is a feature of interactions, which pairs that did not happen lack"],
        ),
        ({"threshold": {"stars": 3}}, ["'films' cannot be read by RecBole: ValueError('Field ["]),
        ({"data_path": "nowhere"}, ["films.inter' does not exist. Put RecBole's atomic files the"]),
    ],
)
def test_columns_that_cannot_be_loaded(
    films: Path, changes: dict[str, Any], messages: list[str]
) -> None:
    with pytest.raises(UsageError) as caught:
        load_dataset(MirecConfig(config_dict=given(films, **changes)))
    for message in messages:
        assert message in str(caught.value)


def test_a_model_without_features_takes_any_column(films: Path) -> None:
    config = MirecConfig(config_dict=given(films, "BPR", load_col=LOADED | {"inter": "*"}))
    assert load_dataset(config).inter_num == 60
