"""Atomic files come back as they were written, byte for byte, and never half."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataset_convert import atomic, schema
from dataset_convert.atomic import AtomicData, AtomicFileError, fingerprint, read_atomic

TOKENS = st.text("abcdefäß-_'#0123", min_size=1, max_size=8)
NUMBERS = st.floats(0.001, 1e6).map(lambda value: float(f"{value:.6g}"))


def vectors(length: int) -> st.SearchStrategy[Any]:
    return st.none() | st.lists(NUMBERS, min_size=length, max_size=length).map(np.array)


@st.composite
def accounts(draw: st.DrawFn, side: schema.Side, n: int, n_topics: int) -> pd.DataFrame:
    ids = draw(st.lists(TOKENS, min_size=n, max_size=n, unique=True))
    labels = [draw(st.none() | st.lists(TOKENS, min_size=1, unique=True)) for _ in ids]
    columns: dict[str, Any] = {
        f"{side}_id": ids,
        f"{side}_followers": [draw(st.just(np.nan) | st.integers(0, 10**9)) for _ in ids],
        f"{side}_content_topics": [draw(vectors(n_topics)) for _ in ids],
        f"{side}_content_visual_labels": labels,
        f"{side}_content_visual_weights": [
            None if names is None else np.array([draw(NUMBERS) for _ in names]) for names in labels
        ],
        f"{side}_attributes": [
            draw(st.none() | st.lists(TOKENS, min_size=1, unique=True)) for _ in ids
        ],
    }
    if side == "brand":
        columns["brand_category"] = [draw(st.sampled_from(["food", "shoes"])) for _ in ids]
    return pd.DataFrame(
        {
            name: pd.Series(cells, dtype=float if "followers" in name else object)
            for name, cells in columns.items()
        }
    )


@st.composite
def data_sets(draw: st.DrawFn) -> AtomicData:
    n_topics = draw(st.integers(1, 5))
    brands = draw(accounts("brand", draw(st.integers(2, 4)), n_topics))
    influencers = draw(accounts("influencer", draw(st.integers(2, 5)), n_topics))
    pairs = [(b, m) for b in brands["brand_id"] for m in influencers["influencer_id"]]
    interactions = pd.DataFrame(pairs, columns=["brand_id", "influencer_id"])
    interactions["competence"] = [draw(NUMBERS) for _ in pairs]
    interactions["timestamp"] = [draw(st.integers(0, 2**31)) for _ in pairs]
    interactions = interactions.astype({"timestamp": float})
    held = interactions["brand_id"] == brands["brand_id"][0]
    parts = {"train": interactions[~held], "valid": interactions[held]}
    names = sorted(set(brands["brand_category"]))
    # Every category of the brands needs an influencer.
    category = draw(st.booleans()) and len(names) <= len(influencers)
    return AtomicData(
        name="drawn",
        brands=brands,
        influencers=influencers,
        interactions=interactions,
        influencer_category=pd.Series(
            [names[row % len(names)] for row in range(len(influencers))],
            index=list(influencers["influencer_id"]),
            dtype=object,
        )
        if category
        else None,
        splits={"new-brand": {p: f.reset_index(drop=True) for p, f in parts.items()}},
        manifest={"synthetic": True, "source": "hypothesis"},
    )


def assert_same_table(read: pd.DataFrame, written: pd.DataFrame) -> None:
    assert sorted(read.columns) == sorted(written.columns)
    assert len(read) == len(written)
    for name in written.columns:
        for one, other in zip(read[name], written[name], strict=True):
            if other is None or isinstance(other, str | list):
                assert one == other
            else:
                np.testing.assert_array_equal(one, other)


@given(data_sets())
def test_round_trip(tmp_path_factory: pytest.TempPathFactory, data: AtomicData) -> None:
    folder = tmp_path_factory.mktemp("round") / "drawn"
    returned = atomic.write_atomic(data, folder)
    read = read_atomic(folder, "drawn")
    for one in (returned, read):
        assert_same_table(one.brands, data.brands)
        assert_same_table(one.influencers, data.influencers)
        assert_same_table(one.interactions, data.interactions)
        for part, frame in data.splits["new-brand"].items():
            assert_same_table(one.splits["new-brand"][part], frame)
        if data.influencer_category is None:
            assert one.influencer_category is None
        else:
            assert one.influencer_category is not None
            assert one.influencer_category.to_dict() == data.influencer_category.to_dict()
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    atomic.write_atomic(read, folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert [path.name for path in folder.parent.iterdir()] == ["drawn"]


def small(**changes: Any) -> AtomicData:
    def vector(*values: float) -> "np.ndarray[Any, Any]":
        return np.array(values)

    base = {
        "name": "small",
        "brands": pd.DataFrame(
            {
                "brand_id": ["b1", "b2"],
                "brand_followers": [1234567.0, np.nan],
                "brand_content_topics": pd.Series([vector(1 / 3, 2 / 3, 0), None], dtype=object),
                "brand_attributes": pd.Series([["cook", "chef"], None], dtype=object),
            }
        ),
        "influencers": pd.DataFrame(
            {
                "influencer_id": ["m1"],
                "influencer_content_topics": pd.Series([vector(1e-7, 0.5, 12345678)]),
                "influencer_attributes": pd.Series([["cook"]], dtype=object),
            }
        ),
        "interactions": pd.DataFrame(
            {"brand_id": ["b1"], "influencer_id": ["m1"], "timestamp": [1546300801.0]}
        ),
        "influencer_category": None,
        "splits": {},
        "manifest": {"synthetic": True},
    }
    return AtomicData(**{**base, **changes})


def test_files_are_recbole_atomic_files(tmp_path: Path) -> None:
    atomic.write_atomic(small(), tmp_path / "small")
    assert (tmp_path / "small" / "small.user").read_text() == (
        "brand_id:token\tbrand_followers:float\tbrand_content_topics:float_seq\t"
        "brand_attributes:token_seq\n"
        "b1\t1234567\t0.333333 0.666667 0\tcook chef\n"
        "b2\t\t\t\n"
    )
    assert (tmp_path / "small" / "small.item").read_text().split("\n")[1] == (
        "m1\t1e-07 0.5 1.23457e+07\tcook"
    )
    assert (tmp_path / "small" / "small.inter").read_text().split("\n")[1] == "b1\tm1\t1546300801"
    manifest = json.loads((tmp_path / "small" / "manifest.json").read_text())
    assert manifest["rows"] == {"brands": 2, "influencers": 1, "interactions": 1}
    assert manifest["fingerprint"] == fingerprint(tmp_path / "small")
    assert set(manifest["versions"]) == {"python", "numpy", "pandas"}


def test_fingerprint_covers_names_and_bytes_but_not_the_manifest(tmp_path: Path) -> None:
    folder = tmp_path / "small"
    atomic.write_atomic(small(), folder)
    seen = {fingerprint(folder)}
    (folder / "manifest.json").write_text("{}")
    seen.add(fingerprint(folder))
    assert len(seen) == 1
    (folder / "small.inter").rename(folder / "small.other")
    seen.add(fingerprint(folder))
    (folder / "small.other").write_text("changed")
    seen.add(fingerprint(folder))
    assert len(seen) == 3


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("step", ["fingerprint", "read_atomic", "_format_table"])
def test_interrupted_write_leaves_the_old_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    folder = tmp_path / "small"
    atomic.write_atomic(small(), folder)
    before = contents(folder)

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(atomic, step, interrupt)
    with pytest.raises(KeyboardInterrupt):
        atomic.write_atomic(small(manifest={"synthetic": False}), folder)
    assert contents(folder) == before
    assert [path.name for path in tmp_path.iterdir()] == ["small"]


def test_what_would_not_be_read_is_not_installed(tmp_path: Path) -> None:
    folder = tmp_path / "small"
    atomic.write_atomic(small(), folder)
    before = contents(folder)
    pairs = pd.DataFrame({"brand_id": ["b7"], "influencer_id": ["m1"]})
    with pytest.raises(AtomicFileError, match="unknown account 'b7'") as caught:
        atomic.write_atomic(small(interactions=pairs), folder)
    assert caught.value.path == folder / "small.inter"
    assert contents(folder) == before


def test_a_folder_of_something_else_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(ValueError, match=r"hold only files of 'small'.*thesis\.tex"):
        atomic.write_atomic(small(), tmp_path)
    with pytest.raises(ValueError, match="must be a folder"):
        atomic.write_atomic(small(), tmp_path / "thesis.tex")
    assert (tmp_path / "thesis.tex").read_text() == "years of work"


@pytest.mark.parametrize("name", ["", "../small", "a b", "a.b", "-a"])
def test_bad_name(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="The 'name' of a data set must be letters"):
        atomic.write_atomic(small(name=name), tmp_path / "small")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"brand_attributes": pd.Series([["a b"], None])}, "empty or hold a separator.*'a b'"),
        ({"brand_attributes": pd.Series([[""], None])}, "empty or hold a separator.*''"),
        ({"brand_id": ["b\t1", "b2"]}, "hold a separator"),
        ({"brand_id": ["b1", "b\n2"]}, "hold a separator"),
        (
            {"brand_content_topics": pd.Series([np.array([0.1, np.nan, 0]), None])},
            "written to small.user must be finite",
        ),
        ({"brand_hobby": ["x", "y"]}, "columns of the schema only. Received: brand_hobby"),
    ],
)
def test_values_that_cannot_be_written(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        atomic.write_atomic(small(brands=small().brands.assign(**changes)), tmp_path / "small")
    assert list(tmp_path.iterdir()) == []
