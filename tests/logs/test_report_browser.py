"""The report in a browser: what a reader sees, reads and does.

Screenshots are left in the folder `REPORT_SHOTS`, where that is set, to be looked at.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from logs.chromium import Browser
from logs.reported import STATUS, data, spread
from regionfast.logs.report import html
from regionfast.logs.worldmap import worldmap

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]  # the browser may have to be installed

HOURS = 24 * 60
CODES = tuple(dict.fromkeys(("US", "CN", "HK", "DE", "SG", *worldmap().shapes)))
REGIONS = {code: 60_000 // (at + 1) ** 2 + 1 for at, code in enumerate(CODES)}
NUMBERS = "[...document.querySelectorAll('{} [data-n]:nth-child(2)')].map((cell) => Number(cell.dataset.n))"
WIDE = "document.documentElement.scrollWidth"
POINTED = "document.getElementById('pointed').textContent"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with Browser(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Reports of all kinds, as files."""
    folder = tmp_path_factory.mktemp("pages")
    long = {name: rows * HOURS for name, rows in REGIONS.items()}
    unknown = {"unknown": 40 * HOURS}
    made = {
        "usual": data(REGIONS, warnings=["the table is of 2026-06-17, the log of 2026-01-01"]),
        "long": data(long, unknown, series=spread(long | unknown, HOURS)),
        "few": data(REGIONS, min_count=50),
        "states": data({f"US-{'X' * 60}{at}": at + 1 for at in range(300)}),
        "nothing": data({}, {}, lines=0, unparsed=0, skipped=0),
        "hostile": data(title="<script>document.title='bad'</script>" * 5, files=["w" * 400], command="x" * 900),
    }
    for name, report in made.items():
        (folder / f"{name}.html").write_text(html(report), "utf-8")
    return {name: folder / f"{name}.html" for name in made}


@pytest.mark.parametrize("name", ["usual", "long", "few", "states", "nothing", "hostile"])
@pytest.mark.parametrize("width", [360, 768, 1280])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_a_page_is_sound_on_any_screen(
    browser: Browser, pages: dict[str, Path], name: str, width: int, dark: bool
) -> None:
    browser.open(pages[name], width, dark=dark)
    assert browser.complaints() == []
    assert browser.loads() == [pages[name].as_uri()]
    assert browser.ask("window.innerWidth") == width
    assert browser.ask(WIDE) == width
    browser.ask("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    assert browser.ask(WIDE) == width
    assert browser.ask("document.title !== 'bad'")
    if folder := os.environ.get("REPORT_SHOTS"):
        browser.open(pages[name], width, dark=dark)
        browser.screenshot(Path(folder) / f"{name}-{width}-{'dark' if dark else 'light'}.png")


def test_numbers_in_the_page_add_up(browser: Browser, pages: dict[str, Path]) -> None:
    browser.open(pages["usual"], 1280)
    rows = sum(REGIONS.values()) + sum(STATUS.values())
    numbers = browser.ask(NUMBERS.format("#countries tbody"))
    assert sorted(numbers) == sorted(REGIONS.values())
    assert browser.ask(NUMBERS.format("#countries tfoot")) == [sum(STATUS.values()), rows]
    assert browser.ask(NUMBERS.format("#sum tfoot")) == [rows + 11]
    assert sum(browser.ask(NUMBERS.format("#sum tr[data-status]"))) == rows + 11
    shown = browser.ask("document.querySelector('#map [data-c=\"HK\"] title').textContent")
    assert shown.startswith(f"Hong Kong (HK): {REGIONS['HK']:,} rows")


def test_places_of_the_map_can_be_told_apart(browser: Browser, pages: dict[str, Path]) -> None:
    fill = "getComputedStyle(document.querySelector('{}')).{}"
    for dark in (False, True):
        browser.open(pages["usual"], 360, dark=dark)
        shades = [browser.ask(fill.format(f".legend .s{at}", "fill")) for at in range(8)]
        assert len(set(shades)) == 8
        assert browser.ask(fill.format("body", "backgroundColor")) != shades[0]
        # A place that is smaller than a pixel has a dot that is not.
        wide = "document.querySelector('#map g[data-c=\"MO\"] .ring')"
        assert float(browser.ask(f"getComputedStyle({wide}).strokeWidth").removesuffix("px")) >= 6
        assert browser.ask(f"getComputedStyle({wide}).vectorEffect") == "non-scaling-stroke"


def test_a_keyboard_is_enough(browser: Browser, pages: dict[str, Path]) -> None:
    browser.open(pages["usual"], 1280)
    browser.press("Tab")
    assert browser.ask("document.activeElement.textContent") == "To the regions"
    assert browser.ask("document.activeElement.getBoundingClientRect().left") >= 0  # skip links are seen when reached
    browser.press("Enter")
    assert browser.ask("location.hash") == "#places"
    reached = []
    for _ in range(8):
        browser.press("Tab")
        reached.append(browser.ask("document.activeElement.dataset.c ?? document.activeElement.localName"))
    assert reached[:6] == ["input", "div", "button", "button", "button", "US"]
    assert browser.ask(POINTED).startswith("United States (US): ")
    browser.ask("document.querySelector('#countries tbody tr').focus()")
    browser.press("ArrowDown")
    assert browser.ask(POINTED).startswith("China (mainland) (CN): ")
    assert browser.ask("document.querySelectorAll('#map .pointed').length") == 1
    browser.press("End")
    last = browser.ask("document.activeElement.dataset.c")
    assert last == browser.ask("document.querySelector('#countries tbody').lastChild.dataset.c")
    # Headings sort, and say so.
    browser.ask("document.querySelector('#countries thead button').focus()")
    browser.press("Enter")
    assert browser.ask("document.querySelector('#countries th').getAttribute('aria-sort')") == "ascending"
    assert browser.ask("document.querySelector('#countries tbody tr').dataset.c") == "AF"


def test_finding_a_region(browser: Browser, pages: dict[str, Path]) -> None:
    browser.open(pages["usual"], 360)
    browser.ask(
        "(() => { const field = document.querySelector('[data-filters=countries] input'); field.value = 'hong'; "
        "field.dispatchEvent(new Event('input')); })()"
    )
    assert browser.ask(
        "[...document.querySelectorAll('#countries tbody tr')].filter((row) => !row.hidden).map((row) => row.dataset.c)"
    ) == ["HK"]


def test_no_script_no_loss(browser: Browser, pages: dict[str, Path]) -> None:
    browser.send("Emulation.setScriptExecutionDisabled", value=True)
    try:
        browser.open(pages["usual"], 360)
    finally:
        browser.send("Emulation.setScriptExecutionDisabled", value=False)
    assert browser.ask("document.querySelectorAll('th button').length") == 0
    assert browser.ask("document.querySelector('[data-filters]').checkVisibility()") is False
    assert browser.ask("document.querySelectorAll('#countries tbody tr').length") == len(REGIONS)


def test_on_paper(browser: Browser, pages: dict[str, Path]) -> None:
    browser.open(pages["usual"], 720, dark=True, media="print")
    assert browser.ask("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert browser.ask("getComputedStyle(document.body).color") == "rgb(0, 0, 0)"
    whole = "(({scrollHeight, clientHeight}) => scrollHeight - clientHeight)(document.querySelector('.list'))"
    assert browser.ask(whole) <= 1  # nothing of the table is scrolled away
    browser.send("Emulation.setEmulatedMedia", media="")
    printed = browser.send("Page.printToPDF", printBackground=False)
    assert len(printed["data"]) > 10_000
