"""Exports: vectors whose products are scores, encoders that do what NumPy does, lists in SQLite."""

import builtins
import json
import sqlite3
import warnings
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest
from list_cases import HOSTILE, view_of, with_chances, with_facts
from test_recommend_command import Run, call  # noqa: F401

from dataset_convert import schema
from recbole_mirec.recommend.export import vectors, write_results
from recbole_mirec.recommend.recommender import Recommender


def test_products_of_vectors_are_scores(
    call: Run,  # noqa: F811
    recommender: Recommender,
    tmp_path: Path,
) -> None:
    for name in ("all.npz", "all.parquet"):
        code, out, err = call("--vectors", tmp_path / name)
        assert code == 0, err
        assert f"Written to {tmp_path / name}" in out
    with np.load(tmp_path / "all.npz") as arrays:
        found = dict(arrays)
    rows = duckdb.sql(f"select * from '{tmp_path / 'all.parquet'}'").df()
    brand = recommender.account("brand_03")
    for side in schema.SIDES:
        own = rows[rows["side"] == side]
        assert own["account"].tolist() == found[f"{side}_ids"].tolist()
        np.testing.assert_array_equal(np.stack(own["vector"]), found[f"{side}_vectors"])
    row = found["brand_ids"].tolist().index("brand_03")
    assert found["influencer_ids"].tolist() == recommender.influencers
    scores = found["influencer_vectors"].astype(float) @ found["brand_vectors"][row].astype(float)
    np.testing.assert_allclose(scores, recommender.shares(brand).sum(axis=1), atol=1e-9)
    assert found["parts"].tolist() == list(recommender.parts)
    start = found["widths"][: recommender.parts.index("audience")].sum()
    own = recommender.bundle.sides["brand"].vectors["audience"]
    np.testing.assert_array_equal(found["brand_vectors"][:, start : start + own.shape[1]], own)


def test_encoders_do_what_numpy_does(
    call: Run,  # noqa: F811
    recommender: Recommender,
    tmp_path: Path,
) -> None:
    runtime = pytest.importorskip("onnxruntime", reason="needs the extra onnx")
    code, out, err = call("--onnx", tmp_path)
    assert code == 0, err
    assert "ONNX and NumPy are apart by" in out
    rng = np.random.default_rng(3)
    for side in schema.SIDES:
        # accounts that nobody has seen, some of whose modalities are missing and not numbers
        table: dict[str, Any] = {}
        for name, (rows, mask) in recommender.bundle.sides[side].table.items():
            some, known = rows[rng.permutation(len(rows))[:20]].copy(), rng.random(20) < 0.7
            some[~known] = np.nan
            table[name] = some, known & mask[: len(known)]
        session = runtime.InferenceSession(tmp_path / f"{side}.onnx")
        fed = {}
        for name in {x.name for x in session.get_inputs()}:
            rows, mask = table[name.removesuffix("_known")]
            fed[name] = mask if name.endswith("_known") else rows.astype(np.float32)
        (found,) = session.run(["vector"], fed)
        wanted = np.hstack([*recommender.fitted.encode(side, table).values()])
        np.testing.assert_allclose(found, wanted, atol=1e-9, rtol=0)
        assert wanted.any(axis=0).sum() > found.shape[1] / 2


def test_an_index_gives_whom_the_list_gives(
    call: Run,  # noqa: F811
    recommender: Recommender,
    tmp_path: Path,
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        faiss = pytest.importorskip("faiss", reason="needs the extra faiss")
    path = tmp_path / "index.faiss"
    code, out, err = call("--faiss", path)
    assert code == 0, err
    about = json.loads((tmp_path / "index.faiss.json").read_text())
    assert about["ids"] == recommender.influencers
    assert f"{about['recall']:.4f} of the exact first 10" in out
    index = faiss.read_index(str(path))
    asked = vectors(recommender, "brand")
    _, found = index.search(asked, 10)
    same = 0
    for brand, own in zip(recommender.brands, found, strict=True):
        best = recommender.recommend(brand, 10, with_partners=True).frame["influencer_id"]
        same += len({about["ids"][x] for x in own} & {*best})
    assert same / found.size == pytest.approx(about["recall"], abs=0.005)
    assert about["recall"] > 0.95


def test_lists_as_a_database(recommender: Recommender, tmp_path: Path) -> None:
    recommender = with_chances(with_facts(recommender, HOSTILE))
    asked = {"include": [*HOSTILE, *recommender.influencers[20:40]], "with_partners": True}
    views = [view_of(recommender, 20, brand, asked=asked) for brand in recommender.brands[:3]]
    path = tmp_path / "lists.sqlite"
    write_results(path, [*views, views[0]])
    with closing(sqlite3.connect(path)) as made:
        assert made.execute("pragma foreign_key_check").fetchall() == []
        assert made.execute("pragma integrity_check").fetchall() == [("ok",)]
        columns = "influencer_id", "rank", "score", "chance"
        for view in views:
            rows = made.execute(
                f"select {', '.join(columns)} from recommendations where brand_id = ? "
                "order by rank",
                [view.found.brand.name],
            ).fetchall()
            wanted = view.found.frame[[*columns]]
            assert [row[:2] for row in rows] == [
                *wanted.iloc[:, :2].itertuples(index=False, name=None)
            ]
            np.testing.assert_allclose([row[2:] for row in rows], wanted.iloc[:, 2:])
        apart = made.execute(
            "select max(abs(score - adds)) from recommendations join (select brand_id, "
            "influencer_id, sum(adds) as adds from reasons group by 1, 2) using "
            "(brand_id, influencer_id)"
        ).fetchone()[0]
        assert apart < 1e-9
        kinds = {row[1]: row[2].lower() for row in made.execute("pragma table_info(influencers)")}
        assert (kinds["country"], kinds["price"]) == ("text", "real")
        names = {row[0] for row in made.execute("select influencer_id from influencers")}
        assert set(HOSTILE) <= names
        assert dict(made.execute("select key, value from about"))["synthetic"] == "True"


@pytest.mark.parametrize(
    ("option", "library"), [("--onnx", "onnxruntime"), ("--faiss", "faiss"), ("--onnx", "onnx")]
)
def test_a_missing_library_is_one_line(
    call: Run,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    option: str,
    library: str,
) -> None:
    imported = builtins.__import__

    def refused(name: str, *given: Any) -> Any:
        if name == library:
            raise ImportError(name)
        return imported(name, *given)

    monkeypatch.setattr(builtins, "__import__", refused)
    code, _, err = call(option, tmp_path / "x")
    assert code == 2
    assert err == f"error: {option} needs a library: pip install 'recbole-mirec[{option[2:]}]'.\n"


def test_vectors_of_no_known_kind(call: Run, tmp_path: Path) -> None:  # noqa: F811
    code, _, err = call("--vectors", tmp_path / "x.csv")
    assert code == 2
    assert "must end in .npz or .parquet" in err
