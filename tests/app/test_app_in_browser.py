"""The app in Chromium: every control once, with a script and without; no other host is asked."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from app_server import serving

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="browser: install chromium"),
]
pytest.importorskip("uvicorn", reason="app: install the extra [app]")
TOKEN = "a token of more than sixteen letters"


@pytest.fixture(scope="module")
def address(bundle_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving(bundle_folder, tmp_path_factory.mktemp("app")) as (found, _):
        yield found


@pytest.fixture
def opened(browser: Any, address: str) -> Iterator[Any]:
    """Opens the app; at its end nothing was complained of, and no other host was asked."""
    heard: list[str] = []
    contexts = []

    def openly(width: int = 1280, at: str = address, **options: Any) -> Any:
        context = browser.new_context(viewport={"width": width, "height": 900}, **options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(20_000)
        # what a test itself lets fail is no complaint of the page
        page.on(
            "console",
            lambda told: None if "ERR_FAILED" in told.text else heard.append(told.text),
        )
        page.on("pageerror", lambda error: heard.append(str(error)))
        page.on(
            "request",
            lambda asked: None if asked.url.startswith((at, "blob:")) else heard.append(asked.url),
        )
        page.goto(at)
        return page

    yield openly
    for context in contexts:
        context.close()
    assert heard == []


def make_list(page: Any, brand: str = "brand_01", who: str = "Ann", top: str = "12") -> None:
    page.fill("[name=brand]", brand)
    page.fill("[name=who]", who)
    page.fill("[name=top]", top)
    page.click("text=Make the list")


def test_a_list_is_asked_for_decided_on_and_kept_for_all(opened: Any, tmp_path: Path) -> None:
    page = opened()
    page.click("summary")
    page.fill("[name='from.followers']", "100")
    page.fill("[name=exclude]", "influencer_001")
    page.check("[name=with_partners]")
    make_list(page)
    assert page.locator(".pick").count() == 12
    names = page.locator(".pick h3").all_text_contents()
    pick = page.locator(".pick")
    pick.nth(0).locator("[data-decision=yes]").click()
    pick.nth(1).locator("[data-decision=no]").click()
    pick.nth(1).locator("[data-note]").fill("<b>zu teuer</b> =1+1")
    page.locator("#kept", has_text=re.compile("^Kept$")).wait_for()
    page.reload()
    assert page.locator(".cards [aria-pressed=true]").all_text_contents() == ["Yes", "No"]
    # a colleague decides for herself and sees what was decided
    other = opened()
    make_list(other, who="Ben", top="5")
    rows = other.locator("#team tbody tr")
    assert {x.split("\t")[0] for x in rows.all_inner_texts()} == set(names[:2])
    assert "<b>zu teuer</b> =1+1" in rows.all_inner_texts()[0]
    assert other.locator(".cards [aria-pressed=true]").count() == 0
    other.locator(".pick [data-decision=maybe]").first.click()
    other.locator("#team td", has_text="Ben").wait_for()
    for kind in ("Page", "Excel", "CSV", "JSON"):
        with page.expect_download() as found:
            page.click(f".menu >> text='{kind}'")
        assert Path(found.value.path()).stat().st_size > 500
    with page.expect_download() as found:
        page.click("#team a")
    assert "zu teuer" in Path(found.value.path()).read_text()
    page.locator("[data-choose]").nth(0).check()
    page.locator("[data-choose]").nth(1).check()
    page.click("#compare")
    assert page.locator("#beside").is_visible()
    page.click("#close")
    page.fill(".menu [name=who]", "Cem")
    page.click("text=That is me")
    assert page.locator(".cards [aria-pressed=true]").count() == 0
    page.click("text=New list")
    page.click(".lists a >> nth=0")
    page.go_back()
    page.click("text=API")
    assert page.locator("code", has_text="POST /api/bundles/{bundle}/lists").count() == 1


def test_what_the_server_does_not_keep_is_told_and_sent_again(opened: Any) -> None:
    page = opened()
    make_list(page, "brand_02")
    page.route("**/decisions", lambda route: route.abort())
    page.locator(".pick [data-decision=yes]").first.click()
    page.locator("#kept", has_text="Not kept yet").wait_for()
    page.unroute("**/decisions")
    page.locator("#kept", has_text=re.compile("^Kept$")).wait_for()
    page.reload()
    assert page.locator(".cards [aria-pressed=true]").count() == 1


def test_a_brief_and_an_upload_get_lists(opened: Any, tmp_path: Path) -> None:
    page = opened()
    page.fill("[name=brief]", "yoga and travel for runners")
    page.select_option("[name=language]", "de")
    page.fill("[name=diversity]", "0.3")
    page.check("[name=name_others]")
    page.click("text=Make the list")
    assert page.locator("h1").inner_text() == "yoga and travel for runners"
    assert page.locator("html").get_attribute("lang") == "de"
    page.go_back()
    page.fill("[name=brief]", "")
    path = tmp_path / "accounts.csv"
    path.write_text("id,role,biography\nglow,brand,yoga travel\nnew,influencer,travel yoga\n")
    page.set_input_files("[name=files]", path)
    page.click("text=Make the list")
    assert page.locator("h1").inner_text() == "glow"


def test_the_main_path_works_without_a_script(opened: Any) -> None:
    page = opened(java_script_enabled=False)
    make_list(page, who="Dee", top="3")
    page.select_option("[name=decision]", "maybe")
    page.fill("[name=note]", "later")
    page.click("#team button:has-text('Keep')")
    assert page.locator("#team tbody tr", has_text="Dee").inner_text().split("\t")[1:4] == [
        "Dee",
        "maybe",
        "later",
    ]
    page.select_option("[name=other]", index=1)
    page.click("#team button:has-text('Compare')")
    assert page.locator(".ways section").count() == 2


def test_with_a_token_a_login_comes_first(opened: Any, bundle_folder: Path, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text(TOKEN)
    with serving(bundle_folder, tmp_path, "--token-file", str(token)) as (address, _):
        page = opened(at=address)
        assert page.url == f"{address}login"
        page.fill("[name=token]", TOKEN)
        page.click("text=Enter")
        make_list(page)
        assert page.locator(".pick").count() == 12


@pytest.mark.parametrize("path", ["", "list", "api"])
def test_pages_fit_a_telephone_and_a_screen_reader(opened: Any, address: str, path: str) -> None:
    axe = pytest.importorskip("axe_playwright_python", reason="browser: axe-playwright-python")
    page = opened(360)
    if path == "":
        page.click("summary")
    elif path == "list":
        make_list(page)
    else:
        page.goto(address + path)
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    page.evaluate((Path(axe.__file__).parent / "axe.min.js").read_text())
    found = page.evaluate("axe.run()")["violations"]
    assert [(x["id"], x["nodes"][0]["html"]) for x in found] == []
