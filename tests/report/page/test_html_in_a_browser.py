"""Does the page hold in a browser: no error, no sideways scrolling, no request, and text that can be read?"""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest

from normzoo.report.page.html import to_html

from .browser import NAMES, Browser, find
from .markdowns import far_too_wide, of_the_repository

WIDTHS = (360, 1200)
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
ENOUGH = 4.5
"""The contrast of text that WCAG 2.2 asks for at level AA."""

STICKING_OUT = """(() => {
    document.querySelectorAll('details').forEach(folded => folded.open = true);
    const width = document.documentElement.clientWidth;
    const sticks = node => node.getBoundingClientRect().right > width + 1;
    const holdsMore = node => !node.matches('.box') && node.clientWidth && node.scrollWidth > node.clientWidth + 1;
    const outside = [...document.querySelectorAll('html, body, body *')].filter(
        node => !node.parentElement?.closest('.box')
    );
    return outside.filter(node => sticks(node) || holdsMore(node)).map(node => node.tagName);
})()"""
"""The elements that are wider than the page or than what they stand in, all but those in boxes that scroll."""

FAINTEST = """(() => {
    const parts = color => color.match(/[\\d.]+/g).map(Number);
    const linear = part => part <= 10.31475 ? part / 3294.6 : ((part / 255 + 0.055) / 1.055) ** 2.4;
    const luminance = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
    const behind = node => {
        const color = parts(getComputedStyle(node).backgroundColor);
        return color.length < 4 ? color : node.parentElement ? behind(node.parentElement) : [255, 255, 255];
    };
    const contrast = node => {
        const [low, high] = [parts(getComputedStyle(node).color), behind(node)].map(luminance).sort((a, b) => a - b);
        return (high + 0.05) / (low + 0.05);
    };
    const holdsText = node => [...node.childNodes].some(child => child.nodeType === 3 && child.data.trim());
    return Math.min(...[...document.querySelectorAll('body, body *')].filter(holdsText).map(contrast));
})()"""


LETTERS = 'svg [id*=".text_"] use'
"""matplotlib draws a text as a group of glyphs."""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    program = find()
    if program is None:
        pytest.skip(f"no browser on the path: none of {', '.join(NAMES)}")
    with Browser(program, tmp_path_factory.mktemp("profile")) as running:
        yield running


@pytest.fixture(scope="module", params=[of_the_repository, far_too_wide], ids=lambda make: make.__name__)
def page(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    given = request.param()
    return written(tmp_path_factory.mktemp("page"), to_html(given.markdown, images=given.images))


def written(folder: Path, text: str) -> Path:
    path = folder / "report.html"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", WIDTHS)
def test_it_opens_without_an_error_and_asks_for_nothing(
    browser: Browser, page: Path, width: int, scheme: Literal["light", "dark"]
) -> None:
    browser.open(page, width=width, scheme=scheme)
    assert browser.errors == []
    assert browser.requests == [page.as_uri()]
    assert browser.ask("document.querySelectorAll('table').length") >= 2


@pytest.mark.parametrize("width", WIDTHS)
def test_it_never_scrolls_sideways(browser: Browser, page: Path, width: int) -> None:
    """With everything unfolded; what is wider scrolls in a box of its own."""
    browser.open(page, width=width)
    assert browser.ask("innerWidth") == width
    assert browser.ask(STICKING_OUT) == []


@pytest.mark.parametrize("scheme", SCHEMES)
def test_its_text_stands_out_from_what_is_behind_it(
    browser: Browser, page: Path, scheme: Literal["light", "dark"]
) -> None:
    browser.open(page, scheme=scheme)
    assert browser.ask(FAINTEST) >= ENOUGH


def test_it_is_dark_where_the_reader_wants_it_dark_and_so_are_its_plots(browser: Browser, page: Path) -> None:
    """The letters of a plot have the colour of the page's text."""
    seen = {}
    for scheme in SCHEMES:
        browser.open(page, scheme=scheme)
        background = browser.ask("getComputedStyle(document.body).backgroundColor")
        letters = f"[...document.querySelectorAll('{LETTERS}')].map(letter => getComputedStyle(letter).fill)"
        seen[scheme] = (background, browser.ask(f"[...new Set({letters})]"))
        assert seen[scheme][1] == [browser.ask("getComputedStyle(document.body).color")]
    assert seen["light"][0] == "rgb(255, 255, 255)"
    assert seen["dark"][0] != seen["light"][0]
    assert seen["dark"][1] != seen["light"][1]


def test_a_wide_table_scrolls_in_its_box_under_a_first_column_that_stays(browser: Browser, tmp_path: Path) -> None:
    given = far_too_wide()
    browser.open(written(tmp_path, to_html(given.markdown, images=given.images)), width=360)
    boxes = "[...document.querySelectorAll('div.box')]"
    assert browser.ask(f"{boxes}.every(box => box.scrollWidth > 2 * box.clientWidth)")
    browser.ask(f"{boxes}.forEach(box => box.scrollLeft = 200)")
    assert browser.ask(f"{boxes}.every(box => box.scrollLeft === 200)")
    first = "document.querySelector('tbody td').getBoundingClientRect()"
    assert browser.ask(f"{first}.left") == browser.ask("document.querySelector('div.box').getBoundingClientRect().left")
    assert browser.ask(f"{first}.width") < 180


BROKEN = {
    "a wide block": "<div style='width: 900px'>wide</div>",
    "a long word": f"<p style='overflow-wrap: normal'>{'x' * 300}</p>",
    "a wide block that is cut off": "<div style='overflow: hidden; width: 900px'>wide</div>",
}


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN)
@pytest.mark.parametrize("cut", ["", "<style>html, body { overflow-x: hidden }</style>"], ids=["plain", "hidden"])
def test_what_sticks_out_is_found(browser: Browser, tmp_path: Path, broken: str, cut: str) -> None:
    """So a page that passes is one that fits."""
    text = to_html("# Title", images={})
    browser.open(written(tmp_path, text.replace("</main>", f"{broken}{cut}</main>")), width=360)
    assert browser.ask(STICKING_OUT) != []


def test_an_error_of_a_script_is_found(browser: Browser, tmp_path: Path) -> None:
    """Also one that is only logged."""
    browser.open(written(tmp_path, "<!doctype html><script>console.error('logged'); missing()</script>"))
    assert browser.errors[0] == "logged"
    assert "missing is not defined" in browser.errors[1]


def test_a_request_is_found_and_the_policy_of_the_page_refuses_it(browser: Browser, tmp_path: Path) -> None:
    """Neither an image nor a script gets through."""
    wanted = "<img src='other.png'><script src='other.js'></script><script>document.title = 'changed'</script>"
    browser.open(written(tmp_path, f"<!doctype html>{wanted}"))
    assert len(browser.requests) == 3
    browser.open(written(tmp_path, to_html("# Title", images={}).replace("</main>", f"{wanted}</main>")))
    assert sum("Content Security Policy" in error for error in browser.errors) == 3
    assert browser.ask("document.title") == "Title"


def test_faint_text_is_found(browser: Browser, tmp_path: Path) -> None:
    """Grey 119 on white is the darkest grey that is too faint: 4.48."""
    text = to_html("# Title", images={}).replace("</main>", "<p style='color: rgb(119, 119, 119)'>faint</p></main>")
    browser.open(written(tmp_path, text))
    assert browser.ask(FAINTEST) == pytest.approx(4.48, abs=0.005)
