"""The page of a list in Chromium: every control once, nothing asked for, nothing complained of."""

import csv
import io
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from list_cases import HOSTILE, KEY, hidden, view_of, with_chances, with_facts

from recbole_mirec.recommend.conditions import read_ids
from recbole_mirec.recommend.page import render_shortlist
from recbole_mirec.recommend.recommender import Recommender

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="browser: install chromium"),
]


@pytest.fixture(scope="module")
def lists(bundle_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Written pages: a short list, one of 500, one under pseudonyms, one in German."""
    folder = tmp_path_factory.mktemp("lists")
    plain = with_chances(with_facts(Recommender.load(bundle_folder), HOSTILE))
    asked = {"include": [*HOSTILE, *plain.influencers[40:60]], "with_partners": True}
    many = Recommender.load(bundle_folder)
    copied = [many._known("influencer", row) for row in range(250)]
    views = {
        "short": view_of(plain, 28, asked=asked),
        "german": view_of(plain, 28, asked=asked, language="de"),
        "hidden": view_of(hidden(Recommender.load(bundle_folder)), 20),
    }
    named = [one.own.known.assign(account=f"copy_{n}") for n, one in enumerate(copied)]
    many.add_influencers(
        type(one)(type(one.own)(known, one.own.vectors, one.own.table))
        for one, known in zip(copied, named, strict=True)
    )
    views["long"] = view_of(with_facts(many), 500, asked={"with_partners": True})
    for name, view in views.items():
        (folder / f"{name}.html").write_text(render_shortlist(view))
    return {name: folder / f"{name}.html" for name in views}


@pytest.fixture
def opened(browser: Any, lists: dict[str, Path]) -> Iterator[Any]:
    """Opens a page of a width; at its end nothing was asked for or complained of."""
    heard: list[str] = []
    contexts = []

    def openly(name: str, width: int = 1280, scheme: str = "light") -> Any:
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme, accept_downloads=True
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(10_000)
        page.on("console", lambda message: heard.append(message.text))
        page.on("pageerror", lambda error: heard.append(str(error)))
        page.on(
            "request",
            lambda asked: (
                None if asked.url.startswith(("file:", "blob:")) else heard.append(asked.url)
            ),
        )
        page.on("dialog", lambda dialog: heard.append(dialog.message))
        page.goto(lists[name].as_uri())
        return page

    yield openly
    for context in contexts:
        context.close()
    assert heard == []


def shown(page: Any) -> list[int]:
    """Ranks of the cards that are shown, in their order."""
    cards = page.locator(".pick:not([hidden]) .rank")
    return [int(text) for text in cards.all_text_contents()]


def saved(page: Any, folder: Path) -> Path:
    with page.expect_download() as found:
        page.click("#save")
    path = folder / found.value.suggested_filename
    found.value.save_as(path)
    return path


def test_search_order_and_filters(opened: Any) -> None:
    page = opened("short")
    every = list(range(1, 29))
    assert shown(page) == every
    search = page.locator("[data-filter=search]")
    search.fill("__PROTO__")
    assert len(shown(page)) == 1
    assert page.locator("#status").inner_text().startswith("1 of 28 shown")
    search.fill("nobody at all")
    assert page.locator(".nobody").is_visible()
    search.fill("")
    for key in page.eval_on_selector_all("#order option", "all => all.map(one => one.value)"):
        page.select_option("#order", key)
        assert sorted(shown(page)) == every
        if key == "facts.price":
            prices = page.eval_on_selector_all(
                ".pick dd[data-compare=Price]", "all => all.map(one => parseFloat(one.textContent))"
            )
            known = [x for x in prices if x == x]
            assert known == sorted(known) == prices[: len(known)]
    page.select_option("#order", "rank")
    page.click(".filters summary")
    page.locator("[data-filter=fit]").fill("50")
    fits = page.locator(".pick:not([hidden]) .fit b").all_text_contents()
    assert 0 < len(fits) < 28
    assert min(map(float, fits)) >= 49.5
    assert page.locator("#active").inner_text() == "(1)"
    page.select_option("[data-fact=country]", "<b>CH</b>")
    countries = page.locator(".pick:not([hidden]) dd[data-compare=Country]").all_text_contents()
    assert set(countries) == {"<b>CH</b>"}
    page.click("#reset")
    assert shown(page) == every
    for name, value in (("price", "500"), ("engagement", "5"), ("followers", "10000")):
        page.fill(f"[data-filter=from][data-fact={name}]", value)
        above = shown(page)
        page.fill(f"[data-filter=from][data-fact={name}]", "")
        page.fill(f"[data-filter=to][data-fact={name}]", value)
        below = shown(page)
        page.fill(f"[data-filter=to][data-fact={name}]", "")
        assert above
        assert below
        assert not set(above) & set(below)
    page.fill("[data-filter=from][data-fact=last_post]", "2024-05-01")
    days = page.locator(".pick:not([hidden]) dd[data-compare='Last post']").all_text_contents()
    assert days
    assert min(days) >= "2024-05-01"


def test_decisions_stay_and_are_read_back(
    opened: Any, lists: dict[str, Path], tmp_path: Path
) -> None:
    page = opened("short")
    names = page.locator(".pick h3").all_text_contents()
    pick = page.locator(".pick")
    pick.nth(0).locator("[data-decision=no]").click()
    pick.nth(1).locator("[data-decision=yes]").click()
    pick.nth(2).locator("[data-decision=maybe]").click()
    pick.nth(2).locator("[data-note]").fill('=1+1, "zwei" für später')
    # pressed again it does not hold
    pick.nth(3).locator("[data-decision=no]").press("Enter")
    pick.nth(3).locator("[data-decision=no]").press("Space")
    assert "1 yes, 1 maybe, 1 no" in page.locator("#status").inner_text()
    page.reload()
    pressed = page.locator(".pick [aria-pressed=true]").all_text_contents()
    assert pressed == ["No", "Yes", "Maybe"]
    assert pick.nth(2).locator("[data-note]").input_value() == '=1+1, "zwei" für später'
    page.click(".filters summary")
    page.select_option("[data-filter=decision]", "maybe")
    assert shown(page) == [3]
    page.select_option("[data-filter=decision]", "open")
    assert shown(page) == list(range(4, 29))
    path = saved(page, tmp_path)
    rows = list(csv.reader(path.read_text(encoding="utf-8-sig").splitlines()))
    assert rows[0] == ["influencer_id", "decision", "note", "rank", "score", "brand_id"]
    assert rows[3][1:3] == ["maybe", '\'=1+1, "zwei" für später']
    assert read_ids([str(path)], ("no",)) == [names[0]]
    assert read_ids([str(path)], ("yes", "maybe")) == names[1:3]
    # the same brand's list in German knows them, another brand's does not
    german = page.context.new_page()
    german.goto(lists["german"].as_uri())
    assert german.locator(".pick [aria-pressed=true]").all_text_contents() == [
        "Nein",
        "Ja",
        "Vielleicht",
    ]


def test_hostile_ids_come_back_as_they_are(opened: Any, tmp_path: Path) -> None:
    page = opened("short")
    page.click("[data-view=table]")
    for button in page.locator(".list button[data-decision=no]").all():
        button.click()
    path = saved(page, tmp_path)
    found = set(read_ids([str(path)], ("no",)) or ())
    assert set(HOSTILE) <= found
    rows = csv.reader(io.StringIO(path.read_text(encoding="utf-8-sig"), newline=""))
    assert not [row for row in rows if row[0][:1] in ("=", "+", "-", "@")]


def test_without_storage_decisions_are_kept_until_the_page_is_closed(
    browser: Any, lists: dict[str, Path]
) -> None:
    page = browser.new_page()
    page.add_init_script(
        "Object.defineProperty(window, 'localStorage', { get() { throw new Error('no'); } });"
    )
    page.goto(lists["short"].as_uri())
    page.locator(".pick [data-decision=yes]").first.click()
    assert "This browser keeps nothing" in page.locator("#status").inner_text()
    assert "1 yes" in page.locator("#status").inner_text()
    page.close()


def test_table_reasons_and_two_beside_each_other(opened: Any) -> None:
    for name in ("short", "long"):
        page = opened(name)
        cards = page.locator(".pick")
        cards.nth(1).locator("summary").click()
        assert cards.nth(1).locator(".parts tr:not(.reason)").count() == 5
        assert cards.nth(1).locator(".parts .reason").first.is_visible()
        compare = page.locator("#compare")
        assert compare.is_disabled()
        for place in (0, 1, 2):  # the third takes the place of the first
            cards.nth(place).locator("[data-choose]").check()
        assert not cards.nth(0).locator("[data-choose]").is_checked()
        compare.focus()
        page.keyboard.press("Enter")
        heads = page.locator("dialog th[scope=col]").all_text_contents()
        assert heads == page.locator(".pick h3").all_text_contents()[1:3]
        assert page.locator("dialog .bar").count() == 10
        page.keyboard.press("Escape")
        assert not page.locator("dialog").is_visible()
        compare.click()
        page.click("#close")
        page.click("[data-view=table]")
        assert not cards.first.is_visible()
        head = page.locator("th[data-sort='parts.content'] button")
        head.click()
        values = page.evaluate("JSON.parse(document.querySelector('#data').textContent).picks")
        best = max(values, key=lambda one: one["parts"]["content"])["rank"]
        assert page.locator(".list tbody td").first.inner_text() == str(best)
        assert (
            page.locator("th[data-sort='parts.content']").get_attribute("aria-sort") == "descending"
        )
        head.click()
        assert (
            page.locator("th[data-sort='parts.content']").get_attribute("aria-sort") == "ascending"
        )
        page.locator(".list tbody a").first.click()
        assert cards.first.is_visible()


def test_names_are_shown_and_stay_out_of_files(opened: Any, tmp_path: Path) -> None:
    page = opened("hidden")
    first = page.locator(".pick h3").first.inner_text()
    assert first.startswith("influencer-")
    rows = [
        f"{KEY.of('influencer', f'influencer_{n:03}')},influencer,influencer_{n:03}"
        for n in range(301)
    ]
    path = tmp_path / "ids.csv"
    path.write_text(
        "pseudonym,role,account_id\n" + "\n".join([*rows[:-1], f'{first},influencer,"Ana, ""A"""'])
    )
    page.set_input_files("#names", path)
    page.locator("text=names shown").wait_for()
    assert page.locator(".pick h3").first.inner_text() == 'Ana, "A"'
    page.locator("[data-filter=search]").fill("ana,")
    assert shown(page) == [1]
    page.locator(".pick [data-decision=no]").first.click()
    assert read_ids([str(saved(page, tmp_path))], ("no",)) == [first]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_serious_for_who_uses_a_screen_reader(opened: Any, scheme: str) -> None:
    axe = pytest.importorskip("axe_playwright_python", reason="browser: axe-playwright-python")
    page = opened("short", scheme=scheme)
    page.evaluate((Path(axe.__file__).parent / "axe.min.js").read_text())
    steps = (
        (".filters summary", ".pick summary", ".pick [data-decision=maybe]"),
        ("[data-view=table]",),
        ("[data-view=cards]", "[data-choose] >> nth=0", "[data-choose] >> nth=1", "#compare"),
    )
    for clicks in steps:
        for selector in clicks:
            page.locator(selector).first.click()
        found = page.evaluate("axe.run()")["violations"]
        assert [(x["id"], x["nodes"][0]["html"]) for x in found] == []


def test_on_a_telephone_nothing_runs_over(opened: Any) -> None:
    page = opened("short", 360)
    for step in (".filters summary", ".pick summary", "[data-view=table]"):
        assert page.evaluate("document.documentElement.scrollWidth") == 360
        page.locator(step).first.click()
    assert page.evaluate("document.documentElement.scrollWidth") == 360


def test_a_page_of_500_opens_in_under_a_second(opened: Any) -> None:
    times = []
    for _ in range(3):
        page = opened("long")
        assert page.locator(".pick").count() == 500
        times.append(page.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd"))
    assert min(times) < 1000


def test_print_has_what_was_decided_and_no_controls(opened: Any) -> None:
    page = opened("short")
    page.locator(".pick").nth(0).locator("[data-decision=yes]").click()
    page.locator("[data-filter=search]").fill("")
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert not page.locator(".toolbar").is_visible()
    seen = [x.inner_text() for x in page.locator(".decide button").all() if x.is_visible()]
    assert seen == ["Yes"]
    assert page.pdf(format="A4").startswith(b"%PDF")
