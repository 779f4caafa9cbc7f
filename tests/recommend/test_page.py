"""The page of a list: what stands on it, what cannot run on it, and what decisions do."""

import base64
import json
import re
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from list_cases import HOSTILE, KEY, hidden, view_of, with_chances, with_facts
from page_cases import Page
from test_recommend_command import Run, call  # noqa: F401

from dataset_convert.common.errors import UsageError
from dataset_convert.privacy import write_ids
from recbole_mirec.recommend.conditions import read_ids
from recbole_mirec.recommend.page import ListView, read_names, render_shortlist
from recbole_mirec.recommend.recommender import Recommender


def data_of(page: str) -> dict:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert found
    return json.loads(found[1])


def page_of(recommender: Recommender, k: int = 10, **how: object) -> tuple[str, Page]:
    text = render_shortlist(view_of(recommender, k, **how))
    return text, Page(text)


def test_a_page_shows_the_list(recommender: Recommender) -> None:
    recommender = with_facts(recommender)
    view = view_of(recommender, 12)
    page = Page(render_shortlist(view))
    rows = [row for row in page.rows if len(row) > 8][1:]
    assert [row[0] for row in rows] == list(view.found.frame["influencer_id"])
    assert [int(row[1]) for row in rows] == list(range(1, 13))
    followers = [f"{x:,}" for x in view.found.frame["followers"]]
    assert [row[4] for row in rows] == followers
    first = view.picks[0]
    assert first.why.sentence().split("; ")[0] in page.words
    assert "synthetic data" in page.words.lower()
    assert [x["score"] for x in data_of(page.text)["picks"]] == pytest.approx(
        view.found.frame["score"], abs=1e-6
    )


def test_fit_is_100_for_the_best_and_0_for_the_average(recommender: Recommender) -> None:
    brand = recommender.account(recommender.brands[0])
    scores = recommender.shares(brand).sum(axis=1)
    n = len(recommender.influencers)
    picks = view_of(recommender, n, asked={"with_partners": True}).picks
    assert picks[0].fit == pytest.approx(100)
    fits, known = np.array([x.fit for x in picks]), np.array([x.why.score for x in picks])
    np.testing.assert_allclose(fits * (scores.max() - scores.mean()) / 100 + scores.mean(), known)
    # whom conditions leave does not change what a fit is
    some = [picks[40].id, picks[60].id]
    fewer = view_of(recommender, 2, asked={"include": some, "with_partners": True}).picks
    assert [x.fit for x in fewer] == pytest.approx([picks[40].fit, picks[60].fit])


def test_nothing_runs_but_the_script_of_the_page(recommender: Recommender) -> None:
    for k in (20, 250):  # reasons inside, and as text for the script
        text, page = page_of(with_facts(recommender, HOSTILE), k, asked={"include": None})
        scripts = [found for tag, found in page.elements if tag == "script"]
        assert [x.get("type", "") for x in scripts if x.get("type") != "text/html"] == [
            "application/json",
            "",
        ]
        assert not page.tags() & {"img", "link", "iframe", "object", "form", "base", "b onerror"}
        assert all(not [x for x in found if x.startswith("on")] for _, found in page.elements)
        assert all(found.get("href", "#")[0] == "#" for _, found in page.elements)
        script = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
        assert len(script) == 1
        digest = base64.b64encode(sha256(script[0].encode()).digest()).decode()
        (policy,) = [x["content"] for tag, x in page.elements if "http-equiv" in x]
        assert policy.startswith("default-src 'none'; ")
        assert f"script-src 'sha256-{digest}'" in policy
        assert not re.search(r"(https?:|url\(|@import|//\w+\.)", text.replace("http-equiv", ""))


def test_hostile_names_are_what_they_were_for_the_script(recommender: Recommender) -> None:
    recommender = with_facts(recommender, HOSTILE)
    text, page = page_of(recommender, 20, asked={"include": HOSTILE, "with_partners": True})
    assert {x["id"] for x in data_of(text)["picks"]} == set(HOSTILE)
    for name in HOSTILE[:3]:
        assert name in page.words
    assert "\x1b" not in text
    assert "{{ 7 * 7 }}" in page.words


def test_in_german_all_is_german(recommender: Recommender) -> None:
    view = view_of(with_chances(with_facts(recommender)), 5, language="de")
    page = Page(render_shortlist(view))
    assert ("html", {"lang": "de"}) in page.elements
    for words in ("Wen fragen", "Wie sicher", "bekannte Partner der Marke fehlen hier", "Nein"):
        assert words in page.words
    for words in ("Whom", "known partners", "Followers", " and ", "score"):
        assert words not in page.words.split("Modell und Daten")[0]
    assert view.number(1234.5, 1) == "1.234,5"


@pytest.mark.parametrize(
    ("note", "german"),
    [
        ("there are 5 candidates, fewer than the 9 asked for", "es gibt nur 5 Kandidaten"),
        ("diversity costs 0.125 of the mean score", "die Vielfalt kostet 0.125"),
        ("not known of shop: content_text, attributes", "nicht bekannt von shop: was die Beiträge"),
        ("no chances are told: 8 brands are too few to calibrate on", "keine Chancen: 8 Marken"),
        ("something new", "something new"),
    ],
)
def test_notes_are_said_in_german(recommender: Recommender, note: str, german: str) -> None:
    view = view_of(recommender, 3, language="de")
    view.found = replace(view.found, notes=(note,))
    (said,) = view.notes
    assert said.startswith(german)
    assert view.cautions == [said]


def test_the_notes_of_real_lists_are_known_in_german(recommender: Recommender) -> None:
    brand, n = recommender.brands[0], len(recommender.influencers)
    for asked, k in (
        ({"diversity": 0.5, "competitors": recommender.brands[1:3]}, 5),
        ({"with_partners": True}, n + 1),
    ):
        view = view_of(recommender, k, brand=brand, asked=asked, language="de")
        assert len(view.notes) == len(view.found.notes) > 0
        assert not set(view.notes) & set(view.found.notes)


def test_who_is_left_out_and_why_adds_up(recommender: Recommender) -> None:
    recommender = with_facts(recommender)
    asked = {"where": ["country=DE"], "competitors": [recommender.brands[1]]}
    view = view_of(recommender, 7, asked=asked)
    told = " / ".join(view.left_out)
    known = recommender.bundle.sides["influencer"].known
    assert f"{(known['country'] != 'DE').sum()} do not fulfil country=DE" in told
    assert "known partners of the brand are left out" in told
    assert "partners of competitors are left out" in told
    assert f"{view.found.n_candidates - 7} who score less" in told
    both = {"include": recommender.influencers[:9], "exclude": recommender.influencers[:2]}
    told = " / ".join(view_of(recommender, 3, asked=both | {"with_partners": True}).left_out)
    assert "all but 9 who were asked for / 2 who were named" in told


def test_how_sure_is_said_where_it_is_known(recommender: Recommender) -> None:
    _, page = page_of(recommender)
    assert "no chances were computed" in page.words
    sure = with_chances(recommender)
    view = view_of(sure, 12)
    text = render_shortlist(view)
    page = Page(text)
    chances = view.found.frame["chance"][:10]
    assert f"about {chances.sum():.1f} would turn out" in page.words.replace("  ", " ")
    assert 'aria-label="Chances beside what happened"' in text
    assert "600 candidates of 30 brands" in page.words
    assert "off by 3.5 percentage points" in page.words  # (.01 * 300 + .06 * 300) / 600


def test_decisions_belong_to_a_brand_and_its_data(recommender: Recommender) -> None:
    first, second = recommender.brands[:2]
    keys = [
        view_of(recommender, k, brand).key for k, brand in ((3, first), (9, first), (3, second))
    ]
    assert keys[0] == keys[1] != keys[2]
    briefs = [recommender.brief(x) for x in ("vegan yoga and food", "running shoes and travel")]
    views = [ListView(recommender, recommender.recommend(x, 3)) for x in briefs]
    assert views[0].key != views[1].key


def test_names_take_the_place_of_pseudonyms(recommender: Recommender, tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("00" * 32)
    key.chmod(0o600)
    ids = tmp_path / "ids.csv"
    names = recommender.influencers
    write_ids(ids, pd.DataFrame({"account_id": names, "role": "influencer"}), KEY)
    listed = tmp_path / "list.csv"
    listed.write_text("handle\n" + "\n".join(f"@{x}" for x in names))
    unseen = hidden(recommender, tmp_path / "none")
    view = view_of(unseen)
    assert view.hides_names
    assert 'id="names"' in render_shortlist(view)
    for path, own in ((ids, unseen), (listed, hidden(recommender, key))):
        joined = view_of(own, names=read_names(path, own))
        assert not joined.hides_names
        text = render_shortlist(joined)
        assert 'id="names"' not in text
        shown = Page(text).words
        assert joined.picks[0].id not in shown
        assert not re.search("influencer-[0-9a-f]{16}", shown)
        assert joined.picks[0].name.removeprefix("@") in names
        assert data_of(text)["picks"][0]["id"] == joined.picks[0].id
    with pytest.raises(UsageError, match="names nobody of the data set"):
        read_names(listed, unseen)


def test_decisions_are_read_back(call: Run, tmp_path: Path) -> None:  # noqa: F811
    _, out, _ = call("--brand", "brand_01", "--top", 4)
    first, second, third, fourth = [line.split()[1] for line in out.splitlines()[2:6]]
    path = tmp_path / "decisions.csv"
    path.write_text(
        "\ufeffinfluencer_id,decision,note,rank,score,brand_id\n"
        f'{first},no,"not, ""us""\nat all",1,9,brand_01\n'
        f"{second},yes,,2,8,brand_01\n{third},maybe,'=1+1,3,7,brand_01\n{fourth},,a note,4,6,x\n"
    )
    code, out, err = call("--brand", "brand_01", "--top", 5, "--exclude", path)
    assert code == 0, err
    listed = [line.split()[1] for line in out.splitlines()[2:7]]
    assert first not in listed
    assert listed[:3] == [second, third, fourth]
    _, out, _ = call("--brand", "brand_01", "--top", 2, "--include", path)
    assert [line.split()[1] for line in out.splitlines()[2:4]] == [second, third]
    # what was decided on lists of one brand says nothing of another one's
    rows = [f"{first},no,brand_01", f"{second},yes,brand_01"]
    path.write_text("\n".join(["influencer_id,decision,brand_id", *rows]))
    _, alone, _ = call("--brand", "brand_02", "--top", 5)
    for kind in ("exclude", "include"):
        _, out, _ = call("--brand", "brand_01", "brand_02", "--top", 5, f"--{kind}", path)
        assert out.endswith(alone)
    # what a spreadsheet of another country saved
    path.write_text(f"influencer_id;decision;note\n{first};NO;\n{second};yes;\n")
    assert read_ids([str(path)], ("no",)) == [first]
    path.write_text(f"influencer_id,decision\n{first},perhaps\n")
    code, _, err = call("--brand", "brand_01", "--exclude", path)
    assert code == 2
    assert "must be yes, maybe, no or empty. Received: 'perhaps'" in err
    assert len(err.splitlines()) == 1


def test_pages_are_written(call: Run, tmp_path: Path) -> None:  # noqa: F811
    one, many = tmp_path / "one.html", tmp_path / "many"
    code, out, err = call("--text", "vegan <yoga> & travel", "--html", one)
    assert (code, err) == (0, "")
    assert f"Written to {one}" in out
    assert "Influencers for vegan <yoga> & travel" in Page(one.read_text()).words
    before = one.read_bytes()
    call("--text", "vegan <yoga> & travel", "--html", one)
    assert one.read_bytes() == before
    code, _, err = call("--brand", "brand_01", "@Brand_02", "--html", many)
    assert code == 0, err
    assert sorted(x.name for x in many.iterdir()) == ["brand_01.html", "brand_02.html"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--brand", "brand_01", "brand_02", "--html", "x.html"], "needs a folder for 2 brands"),
        (["--brand", "brand_01", "--explain", "influencer_003", "--html", "x"], "leave out --expl"),
        (["--brand", "brand_01", "--names", "nobody.csv"], "Check the path"),
        (["--brand", "brand_01", "--html", "/proc/none/x.html"], "Check the path"),
    ],
)
def test_wrong_wishes_for_pages(
    call: Run,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    arguments: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    code, _, err = call(*arguments)
    assert code == 2
    assert message in err
    assert len(err.splitlines()) == 1
