"""Both pages in Chromium: nothing is asked for, nothing runs over, and the first column stays."""

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path += [str(Path(__file__).parent / room) for room in ("benchmark", "tuning")]
from report_cases import portrait, write_folder
from test_tuning_page import FIVE, study_of

from recbole_mirec.benchmark.page import write_page
from recbole_mirec.tuning.page import write_report

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="browser: install chromium"),
]


@pytest.fixture(scope="module", params=["benchmark", "tuning"])
def opened(
    request: pytest.FixtureRequest, browser: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Any]:
    """A page of a telephone's width, and what it asked for or complained of."""
    folder = tmp_path_factory.mktemp("page")
    if request.param == "benchmark":
        path = write_page(write_folder(folder, failed=["BPR"]), "go", portrait())
    else:
        path = folder / "tuning.html"
        write_report(path, study_of(FIVE))
    page = browser.new_page(viewport={"width": 400, "height": 900})
    heard: list[str] = []
    page.on("console", lambda message: heard.append(message.text))
    page.on("pageerror", lambda error: heard.append(str(error)))
    page.on("request", lambda asked: heard.append(asked.url))
    page.goto(path.as_uri())
    yield page, heard, path.as_uri()
    page.close()


def test_the_page_asks_for_nothing_and_complains_of_nothing(opened: Any) -> None:
    _, heard, address = opened
    assert heard == [address]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_does_not_scroll_sideways_and_can_be_read(opened: Any, scheme: str) -> None:
    page, _, _ = opened
    page.emulate_media(color_scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") == 400
    # Contrast by WCAG 2 of letters on their ground, the strongest cells of heat maps among them.
    worst = page.evaluate(
        """() => {
          const canvas = document.createElement('canvas').getContext('2d');
          const light = colour => {
            canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
            const part = [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3).map(x => x / 255)
              .map(x => x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4);
            return 0.2126 * part[0] + 0.7152 * part[1] + 0.0722 * part[2];
          };
          const ground = one => {
            for (; one; one = one.parentElement) {
              const found = getComputedStyle(one).backgroundColor;
              if (!/, 0\\)$|transparent/.test(found)) return light(found);
            }
            return 1;
          };
          const texts = [...document.querySelectorAll('p, td, th, h2, dt, a, span')];
          return Math.min(...texts.map(one => {
            const pair = [light(getComputedStyle(one).color), ground(one)].sort((a, b) => b - a);
            return (pair[0] + 0.05) / (pair[1] + 0.05);
          }));
        }"""
    )
    assert worst >= 4.5


def test_the_first_column_stays_while_a_table_scrolls(opened: Any) -> None:
    page, _, _ = opened
    boxes = page.evaluate(
        """() => [...document.querySelectorAll('.scroll')].filter(box =>
             box.querySelector('table') && box.scrollWidth > box.clientWidth).map(box => {
          const first = box.querySelector('tbody th');
          const last = box.querySelector('tr > :last-child');
          const before = [first, last].map(one => one.getBoundingClientRect().left);
          box.scrollLeft = 60;
          const after = [first, last].map(one => one.getBoundingClientRect().left);
          return [box.tabIndex, before[0] - after[0], before[1] - after[1]];
        })"""
    )
    assert boxes
    for focusable, stayed, moved in boxes:
        assert focusable == 0
        assert stayed == 0 and moved > 0


def test_in_print_all_is_shown_on_white(opened: Any) -> None:
    page, _, _ = opened
    page.emulate_media(media="print", color_scheme="dark")
    ground, bars, boxes, folded = page.evaluate(
        """() => [getComputedStyle(document.body).backgroundColor,
          [...document.querySelectorAll('nav')].map(one => getComputedStyle(one).display),
          [...document.querySelectorAll('.scroll')].map(one => getComputedStyle(one).overflowX),
          [...document.querySelectorAll('details > .scroll')].map(one => one.clientHeight)]"""
    )
    page.emulate_media(media="screen", color_scheme="light")
    assert ground == "rgb(255, 255, 255)"
    assert set(bars) <= {"none"} and set(boxes) == {"visible"}
    assert all(folded)
