"""The JSON API: its lists are the recommender's, and whatever is wrong is told."""

import io
import json
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from recbole_mirec.app.desk import Served, served
from recbole_mirec.app.store import Store
from recbole_mirec.recommend.conditions import NO, YES, read_ids

LISTS = "/api/bundles/shop/lists"
# `gone` needs an id that reads as one.
NONE = "0" * 24


def decide(client: Any, asked: dict[str, Any], place: int = 0, **said: str) -> Any:
    influencer = asked["candidates"][place]["id"]
    return client.post(
        f"/api/lists/{asked['id']}/decisions", json={"influencer": influencer} | said
    )


def test_a_list_is_the_recommenders(
    client: Any, asked: dict[str, Any], shop: Served, brand: str
) -> None:
    frame = shop.recommender.recommend(brand, 10).frame
    found = asked["candidates"]
    assert [x["id"] for x in found] == frame["influencer_id"].tolist()
    assert [x["score"] for x in found] == pytest.approx(frame["score"].tolist(), abs=1e-6)
    for one in found:
        assert sum(one["parts"].values()) == pytest.approx(one["score"], abs=1e-5)
    assert client.get(f"/api/lists/{asked['id']}").json() == asked


def test_filters_hold(client: Any, asked: dict[str, Any], brand: str) -> None:
    first, *others = [x["id"] for x in asked["candidates"]]
    answer = client.post(
        LISTS, json={"brand": brand, "include": [first, *others[:3]], "exclude": [first]}
    )
    assert [x["id"] for x in answer.json()["candidates"]] == others[:3]
    followers = sorted(x["facts"]["followers"] for x in asked["candidates"])[5]
    answer = client.post(LISTS, json={"brand": brand, "where": [f"followers>={followers}"]})
    assert all(x["facts"]["followers"] >= followers for x in answer.json()["candidates"])


def test_a_brief_in_any_alphabet_gets_a_list_or_a_sentence(client: Any) -> None:
    answer = client.post(LISTS, json={"brief": "yoga and travel for runners", "top": 3})
    assert answer.status_code == 201 and len(answer.json()["candidates"]) == 3
    answer = client.post(LISTS, json={"brief": "\u0441\u043f\u043e\u0440\u0442 \u6587\u5b57"})
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith("Nothing is known of 'brief'")


@pytest.mark.parametrize(
    ("asked_by", "status", "words"),
    [
        ({}, 422, "Say for whom"),
        ({"brand": "nobody"}, 422, "Unknown brand 'nobody'"),
        ({"brand": "brand_01", "brief": "yoga"}, 422, "not for both"),
        ({"brand": "brand_01", "top": 0}, 422, "body.top"),
        ({"brand": "brand_01", "topp": 1}, 422, "body.topp"),
        ({"brand": "brand_01", "where": ["followers"]}, 422, "must read like"),
        ({"brand": "brand_01", "upload": NONE}, 404, "upload them again"),
        ({"brand": "brand_01", "diversity": float("nan")}, 422, "body.diversity"),
        ({"brief": "\ud800"}, 422, "body.brief"),
    ],
)
def test_what_is_wrong_is_told(
    client: Any, asked_by: dict[str, Any], status: int, words: str
) -> None:
    kind = {"content-type": "application/json"}
    answer = client.post(LISTS, content=json.dumps(asked_by), headers=kind)
    assert answer.status_code == status
    assert words in answer.json()["detail"]


@pytest.mark.parametrize("content", [b"{", b"[" * 100_000, b"\xff", b'{"top": ' + b"9" * 5000])
def test_json_that_is_none_is_refused(client: Any, content: bytes) -> None:
    kind = {"content-type": "application/json"}
    assert client.post(LISTS, content=content, headers=kind).status_code in (400, 422)


@pytest.mark.parametrize("path", ["lists/none", "lists/none/decisions", "bundles/none/brands"])
def test_what_is_not_there_is_not_found(client: Any, path: str) -> None:
    assert client.get(f"/api/{path}").status_code == 404


def test_uploaded_influencers_become_candidates(client: Any, shop: Served) -> None:
    text = (
        "id,role,biography\nglow,brand,travel and yoga\nnewcomer,influencer,yoga travel running\n"
    )
    files = [("files", ("accounts.csv", text))]
    made = client.post("/api/bundles/shop/uploads", files=files).json()
    assert (made["brands"], made["influencers"]) == (["glow"], ["newcomer"])
    every = len(shop.recommender.influencers) + 1
    asked = {"upload": made["upload"], "top": 500}
    found = client.post(LISTS, json=asked).json()
    assert found["brand"] == "glow"
    assert found["n_candidates"] == every
    assert "newcomer" in [x["id"] for x in found["candidates"]]
    assert "newcomer" not in shop.recommender.influencers


def test_posts_alone_are_of_brands(client: Any, shop: Served) -> None:
    words = " ".join(shop.recommender.bundle.about["topics"]["content_topics"][0])
    files = [("files", ("posts.csv", "account,text\n" + f"glow,{words}\n" * 5))]
    made = client.post("/api/bundles/shop/uploads", files=files)
    assert made.json()["brands"] == ["glow"], made.text


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("other.csv", b"account,text\na,b\n", "wanted the table accounts"),
        ("accounts.zip", b"PK", "unpacked"),
        ("accounts.xlsx", b"no workbook", "accounts.xlsx"),
        ("accounts.parquet", b"PAR1", "accounts.parquet"),
        ("accounts.csv", b"\x00\x01\x02" * 99, "accounts"),
        ("../../accounts.exe", b"", "unpacked"),
    ],
)
def test_uploads_that_are_no_tables_are_told(
    client: Any, name: str, content: bytes, words: str
) -> None:
    answer = client.post("/api/bundles/shop/uploads", files=[("files", (name, content))])
    assert answer.status_code == 422
    assert words in answer.json()["detail"]
    assert "/tmp" not in answer.json()["detail"]


def test_decisions_of_several_people_are_kept_and_the_last_of_each_holds(
    client: Any, asked: dict[str, Any], brand: str
) -> None:
    for who, decision in (("Ann", "yes"), ("Ben", "no"), ("Ann", "maybe")):
        assert decide(client, asked, who=who, decision=decision).status_code == 201
    # Another list of the same brand shows them, too.
    other = client.post(LISTS, json={"brand": brand, "top": 20}).json()
    found = client.get(f"/api/lists/{other['id']}/decisions").json()
    assert [(x["who"], x["decision"]) for x in found] == [("Ann", "maybe"), ("Ben", "no")]
    assert decide(client, asked, who="Ann", decision="").status_code == 201
    found = client.get(f"/api/lists/{other['id']}/decisions").json()
    assert [x["who"] for x in found] == ["Ben"]


def test_decisions_are_read_back_by_the_command(
    client: Any, asked: dict[str, Any], tmp_path: Path
) -> None:
    ids = [x["id"] for x in asked["candidates"]]
    decide(client, asked, 0, decision="no", note='=cmd|" /C calc"!A0', who="@Ann")
    decide(client, asked, 1, decision="yes", note="x" * 1000)
    path = tmp_path / "decisions.csv"
    path.write_bytes(client.get(f"/api/lists/{asked['id']}/decisions.csv").content)
    assert read_ids([str(path)], (NO,)) == [ids[0]]
    assert read_ids([str(path)], (YES,)) == [ids[1]]
    table = pd.read_csv(path).set_index("influencer_id")
    assert table.loc[ids[0], "note"].startswith("'=") and table.loc[ids[0], "who"] == "'@Ann"


def test_only_candidates_of_the_list_can_be_decided_on(client: Any, asked: dict[str, Any]) -> None:
    address = f"/api/lists/{asked['id']}/decisions"
    assert client.post(address, json={"influencer": "nobody"}).status_code == 404
    said = {"influencer": asked["candidates"][0]["id"], "decision": "perhaps"}
    assert client.post(address, json=said).status_code == 422
    assert client.get(address).json() == []


def test_a_decision_that_cannot_be_kept_is_told(
    client: Any, asked: dict[str, Any], store: Store
) -> None:
    with sqlite3.connect(store.path) as other:
        other.execute("drop table decisions")
    other.close()
    answer = decide(client, asked, decision="yes")
    assert answer.status_code == 503 and "Nothing was kept" in answer.json()["detail"]


def test_bundles_of_one_name_are_told_apart(bundle_folder: Path) -> None:
    found = served([bundle_folder, bundle_folder])
    assert [*found] == ["bundle", "bundle-2"]


def test_files_hold_the_list(client: Any, asked: dict[str, Any], brand: str) -> None:
    def got(kind: str) -> bytes:
        content: bytes = client.get(f"/api/lists/{asked['id']}/file.{kind}").content
        return content

    workbook = pd.read_excel(io.BytesIO(got("xlsx")), engine="calamine")
    for table in (
        pd.read_csv(io.BytesIO(got("csv"))),
        workbook,
        pd.DataFrame(json.loads(got("json"))),
    ):
        assert table["influencer_id"].tolist() == [x["id"] for x in asked["candidates"]]
        assert set(table["brand_id"]) == {brand}
    assert got("html").startswith(b"<!DOCTYPE html>")
    assert client.get(f"/api/lists/{asked['id']}/file.exe").status_code == 422


def test_two_are_compared(client: Any, asked: dict[str, Any]) -> None:
    one, other = asked["candidates"][:2]
    address = f"/api/lists/{asked['id']}/compare"
    answer = client.get(address, params={"one": other["id"], "other": one["id"]})
    assert answer.json() == [other, one]
    assert client.get(address, params={"one": "x", "other": "y"}).status_code == 404


def test_a_bundle_that_changes_is_refused_until_it_is_loaded_again(
    bundle_folder: Path, tmp_path: Path, client_of: Callable[..., Any], brand: str
) -> None:
    folder = tmp_path / "shop"
    shutil.copytree(bundle_folder, folder)
    client = client_of(Served("shop", folder))
    made = client.post(LISTS, json={"brand": brand}).json()
    (folder / "bundle.json").touch()
    assert client.get(f"/api/lists/{made['id']}").json() == made
    about = json.loads((folder / "bundle.json").read_text())
    (folder / "bundle.json").write_text(json.dumps({**about, "dataset": "another"}))
    for answer in (
        client.get("/api/bundles"),
        client.post(LISTS, json={"brand": brand}),
        client.get(f"/api/lists/{made['id']}"),
    ):
        assert answer.status_code == 409
        assert "has changed" in answer.json()["detail"]
    page = client.get("/")
    assert page.status_code == 409 and 'action="/bundles/shop/reload"' in page.text
    assert client.post("/api/bundles/shop/reload").json()["dataset"] == "another"
    assert client.get(f"/api/lists/{made['id']}").json() == made | {"remade": True}
    (folder / "vectors.safetensors").write_bytes(b"damaged")
    answer = client.post("/api/bundles/shop/reload")
    assert answer.status_code == 422 and "is damaged" in answer.json()["detail"]


def test_the_description_tells_of_every_operation(client: Any) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    page = client.get("/api").text
    assert "/api/bundles/{bundle}/lists" in paths
    for path, of in paths.items():
        assert path in page
        assert all(one["description"] for one in of.values())
