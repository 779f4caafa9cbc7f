"""The pages: a list without a script, escaped whatever it says, and honest messages."""

import re
from typing import Any

import pytest

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>\x07\u202e\"'={{7*7}}"


def test_the_main_path_needs_no_script(client: Any, brand: str) -> None:
    form = {"bundle": "shop", "brand": brand, "top": "5", "who": "Ann"}
    page = client.post("/lists", data=form)
    assert page.status_code == 200
    name = page.url.path.removeprefix("/lists/")
    ids = re.findall(r'<option value="(influencer_\d+)">', page.text)[:5]
    assert len(set(ids)) == 5
    said = {"influencer": ids[0], "decision": "yes", "note": "first"}
    page = client.post(f"/lists/{name}/decisions", data=said)
    assert page.url.path == f"/lists/{name}"
    found = client.get(f"/api/lists/{name}/decisions").json()
    assert [(x["influencer"], x["who"], x["note"]) for x in found] == [(ids[0], "Ann", "first")]
    assert f'<th scope="row">{ids[0]}</th><td>Ann</td><td>yes</td><td>first</td>' in page.text
    page = client.get(f"/lists/{name}/compare", params={"one": ids[0], "other": ids[1]})
    assert ids[0] in page.text and ids[1] in page.text
    assert f'href="/lists/{name}"' in client.get("/").text


def test_fields_of_facts_become_conditions(client: Any, brand: str) -> None:
    form = {"bundle": "shop", "brand": brand, "from.followers": "3000", "to.followers": "1e4"}
    name = client.post("/lists", data=form).url.path.removeprefix("/lists/")
    found = client.get(f"/api/lists/{name}").json()["candidates"]
    assert found and all(3000 <= x["facts"]["followers"] <= 10_000 for x in found)
    answer = client.post("/lists", data=form | {"from.followers": "many"})
    assert answer.status_code == 422 and "needs a number" in answer.text


def test_a_brand_of_an_uploaded_table_gets_a_list(client: Any) -> None:
    files = [("files", ("brands.csv", "id,biography\nglow,yoga and travel\n"))]
    page = client.post("/lists", data={"bundle": "shop", "top": "3"}, files=files)
    assert page.status_code == 200 and "Influencers for glow" in page.text


def test_hostile_words_stay_words(client: Any, asked: dict[str, Any]) -> None:
    said = {"influencer": asked["candidates"][0]["id"], "note": HOSTILE, "who": HOSTILE[:80]}
    assert client.post(f"/api/lists/{asked['id']}/decisions", json=said).status_code == 201
    brief = {"bundle": "shop", "brief": f"yoga travel {HOSTILE}", "who": HOSTILE[:80]}
    pages = [
        client.get(f"/lists/{asked['id']}"),
        client.post("/lists", data=brief),
        client.get("/"),
        client.get("/lists/<script>"),
        client.get(f"/lists/{asked['id']}/compare", params={"one": HOSTILE, "other": HOSTILE}),
        client.post("/lists", data={"bundle": HOSTILE}),
    ]
    for page in pages:
        assert "alert" in page.text or page.status_code == 404
        assert "<img" not in page.text and "<script>alert" not in page.text
        assert "\x07" not in page.text and "49" not in re.findall(r"\{\{.*?\}\}", page.text)


def test_only_named_scripts_may_run(client: Any, asked: dict[str, Any]) -> None:
    page = client.get(f"/lists/{asked['id']}")
    policy = page.headers["content-security-policy"]
    assert len(re.findall(r"'sha256-[^']+'", policy)) == 2
    assert "script-src 'none'" in client.get("/").headers["content-security-policy"]
    # Nothing is loaded: no address of another host stands in any attribute.
    assert not re.search(r'(src|href|action)="(https?:)?//', page.text)


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ({"bundle": "none"}, "No bundle"),
        ({"bundle": "shop"}, "Say for whom"),
        ({"bundle": "shop", "brand": "nobody"}, "Unknown brand"),
        ({"bundle": "shop", "brand": "brand_01", "top": "many"}, "top: "),
        ({"bundle": "shop", "brand": "brand_01", "language": "fr"}, "language: "),
    ],
)
def test_what_is_wrong_is_told_on_a_page(client: Any, form: dict[str, str], words: str) -> None:
    answer = client.post("/lists", data=form)
    assert answer.status_code in (404, 422)
    assert answer.headers["content-type"].startswith("text/html")
    assert words in answer.text.replace("&#39;", "'")
