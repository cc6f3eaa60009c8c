"""The HTML page: it says what the markdown says, nothing of a user's becomes markup, and it needs nothing else."""

import re
from collections import Counter
from html.parser import HTMLParser
from itertools import product

import pytest

from normzoo.experiment.config.spec import MatrixSpec
from normzoo.report.page.html import to_html

from ..synthetic import filled, markdown
from .markdowns import HOSTILE, Given, far_too_wide, of_the_repository, plot


class Page(HTMLParser):
    """A page taken apart.

    Attributes:
        tags: every tag opened, with its attributes.
        texts: the text within each element, by its tag, in order of their starts.
    """

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.texts: dict[str, list[str]] = {}
        self._open: list[tuple[str, int]] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        texts = self.texts.setdefault(tag, [])
        texts.append("")
        if tag not in ("meta", "link"):
            self._open.append((tag, len(texts) - 1))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self._open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop()[0] == tag

    def handle_data(self, data: str) -> None:
        for tag, index in self._open:
            self.texts[tag][index] += data

    def having(self, name: str) -> list[str]:
        """Return the values of an attribute, whatever the tag."""
        return [attributes[name] for _, attributes in self.tags if name in attributes]


@pytest.fixture(scope="module", params=[far_too_wide, pytest.param(of_the_repository, marks=pytest.mark.slow)])
def given(request: pytest.FixtureRequest) -> Given:
    made: Given = request.param()
    return made


@pytest.fixture(scope="module")
def text(given: Given) -> str:
    """Return the page of a report."""
    return to_html(given.markdown, images=given.images)


def page(markdown: str, images: dict[str, str] | None = None) -> Page:
    return Page(to_html(markdown, images=images or {}))


def plain(markdown: str) -> str:
    """Return the text of a line without its marks."""
    return re.sub(r"`|\\(?=\|)", "", markdown).strip()


@pytest.mark.slow
def test_every_cell_of_every_table_is_there_in_order(given: Given, text: str) -> None:
    found = Page(text)
    cells = [
        [plain(cell) for cell in re.split(r"(?<!\\)\|", line.strip()[1:-1])]
        for line in re.findall(r"^\|.*\|$", given.markdown, flags=re.MULTILINE)
    ]
    is_rule = [set("".join(line)) <= set(":-") for line in cells]
    headers = [text for line, below in zip(cells, is_rule[1:], strict=False) if below for text in line]
    assert found.texts["th"] + found.texts["td"] == headers + [
        text
        for line, own, below in zip(cells, is_rule, [*is_rule[1:], False], strict=True)
        if not own and not below
        for text in line
    ]
    assert len(found.texts["td"]) > 40


def test_headings_findings_and_fenced_blocks_are_there_in_order(given: Given, text: str) -> None:
    found = Page(text)
    fenced = re.findall(r"^```\w+\n(.*?\n)```$", given.markdown, flags=re.MULTILINE | re.DOTALL)
    outside = re.sub(r"^```\w+\n.*?\n```$", "", given.markdown, flags=re.MULTILINE | re.DOTALL)
    for tag, mark in {"h1": "#", "h2": "##", "h3": "###"}.items():
        expected = re.findall(rf"^{mark} (.*)$", outside, flags=re.MULTILINE)
        assert found.texts.get(tag, []) == list(map(plain, expected))
    assert found.texts["pre"] == fenced
    items = [plain(item) for item in re.findall(r"^- (.*)$", outside, flags=re.MULTILINE)]
    assert [text for text in found.texts["li"] if text not in found.texts["h2"]] == items


def test_the_title_is_the_first_heading_as_plain_text() -> None:
    assert page("# Norms in `a<b` & c\n\n# other").texts["title"] == ["Norms in a<b & c"]
    assert page("no heading").texts["title"] == ["Report"]


def test_numbers_stand_to_the_right() -> None:
    found = page("| norm | batch 2 |\n| :-- | --: |\n| `a` | 1.0 |")
    assert [attributes["style"] for tag, attributes in found.tags if tag in ("th", "td")] == [
        "text-align:left",
        "text-align:right",
    ] * 2


def test_sections_are_listed_once_there_are_many() -> None:
    sections = "# Title\n\n" + "".join(f"## Part `{part}`, so\n\n" for part in "abc")
    assert "nav" not in page(sections).texts
    found = page(sections + "## Part a so\n\n### Below\n")
    assert [attributes["href"] for tag, attributes in found.tags if tag == "a"] == [
        "#part-a-so",
        "#part-b-so",
        "#part-c-so",
        "#part-a-so-1",
    ]
    assert found.texts["a"] == found.texts["h2"]


def test_every_anchor_leads_somewhere_and_no_id_occurs_twice(text: str) -> None:
    """Also those of the images, of which each has glyphs and clip paths of the same names."""
    found = Page(text)
    ids = Counter(found.having("id"))
    targets = {href[1:] for href in found.having("href") if href.startswith("#")}
    targets |= set(re.findall(r"url\(#([^)]*)\)", text))
    targets |= set(found.having("aria-labelledby"))
    assert set(ids.values()) == {1}
    assert targets <= set(ids)
    assert sum(target.startswith("figure.1.") for target in targets) > 5


def test_an_image_is_drawn_where_it_stands_and_says_what_it_shows() -> None:
    found = page(*far_too_wide())
    drawn = [attributes for tag, attributes in found.tags if tag == "svg"]
    assert [attributes["aria-label"] for attributes in drawn] == ["one panel", "three panels"]
    assert [attributes["role"] for attributes in drawn] == ["img", "img"]
    # 5.5 and 13.5 inches of 72 points.
    assert [attributes["style"] for attributes in drawn] == ["--width: 396pt", "--width: 972pt"]
    assert all("viewbox" in attributes and "width" not in attributes for attributes in drawn)
    assert "img" not in found.texts


@pytest.mark.slow
def test_the_same_image_twice_has_ids_of_its_own_each_time() -> None:
    ids = page("![a](a.svg) ![b](a.svg)", {"a.svg": plot("a")}).having("id")
    assert len(ids) == len(set(ids)) > 10


@pytest.mark.slow
def test_the_text_axes_and_grid_of_a_plot_take_the_colours_of_the_page() -> None:
    """The lines keep theirs."""
    source = plot("batch")
    drawn = to_html("![a](a.svg)", images={"a.svg": source}).partition("<svg")[2]
    assert not re.search("#111111|#dddddd", drawn)
    assert drawn.count("currentColor") == source.count("#111111") + source.count("#000000") > 3
    assert drawn.count("var(--line)") == source.count("#dddddd") > 3
    assert drawn.count("#0072b2") == source.count("#0072b2") > 1


def test_a_plot_brings_no_metadata_style_or_script() -> None:
    svg = (
        '<?xml version="1.0"?><!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "http://www.w3.org/svg11.dtd">'
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="40pt" '
        'height="30pt" viewBox="0 0 40 30" onload="alert(1)"><metadata>m</metadata><!-- c --><style>*{fill:red}</style>'
        '<script>alert(1)</script><defs><path id="p" d="M 0 0"/></defs><g clip-path="url(#q)">'
        '<use xlink:href="#p" fill="#111111"/><use xlink:href="http://example.org/a.svg#p"/>'
        "<text>a &lt;b</text></g></svg>"
    )
    drawn = to_html("![x < y](a.svg)", images={"a.svg": svg}).partition('tabindex="0">')[2].partition("</span>")[0]
    assert drawn == (
        '<svg viewBox="0 0 40 30" role="img" aria-label="x &lt; y" style="--width: 40pt">'
        '<defs><path id="figure.1.p" d="M 0 0" /></defs><g clip-path="url(#figure.1.q)">'
        '<use href="#figure.1.p" fill="currentColor" /><use /><text>a &lt;b</text></g></svg>'
    )


def test_an_image_that_is_not_given_stays_a_link() -> None:
    found = page("![a plot](plots/a%20b.png)")
    assert ("a", {"href": "plots/a%20b.png"}) in found.tags
    assert found.texts["a"] == ["a plot"]
    assert not found.having("src")


@pytest.mark.slow
def test_an_image_that_the_markdown_does_not_show_is_refused() -> None:
    with pytest.raises(ValueError, match=r"to_html: the markdown does not show the images 'b\.svg'"):
        to_html("![a](a.svg)", images={"a.svg": plot("a"), "b.svg": plot("b")})


@pytest.mark.parametrize(("text", "why"), [("PNG", "syntax error"), ("<html/>", "but <html>")])
def test_what_is_no_svg_is_refused(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=rf"to_html: image 'a\.svg' is no SVG.*{why}"):
        to_html("![a](a.svg)", images={"a.svg": text})


MARKUP = ("<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "</details>", "<style>*{}</style>", "<!-- a")
PLACES = ("# {}", "- {}", "{}", "> {}", "- a\n\n  {}", "`{}`", "```text\n{}\n```", "| a |\n| :-- |\n| {} |", "[{}](a)")


OWN = ("</details>", "{}")
"""How the report itself ends a folded part: on a line of its own."""


@pytest.mark.parametrize(("markup", "place"), [pair for pair in product(MARKUP, PLACES) if pair != OWN])
def test_markup_of_others_is_text_wherever_it_stands(markup: str, place: str) -> None:
    found = page(f"# Title\n\n{place.format(markup)}\n\nafter")
    usual = page(f"# Title\n\n{place.format('harmless')}\n\nafter")
    assert markup in found.texts["main"][0]
    assert {tag for tag, _ in found.tags} <= {tag for tag, _ in usual.tags} | {"p"}
    assert not any(name.startswith("on") for _, attributes in found.tags for name in attributes)


def test_a_folded_part_is_folded_and_its_summary_is_text() -> None:
    found = page("<details>\n<summary>a &lt;b&gt; &amp; c</summary>\n\n- inside\n\n</details>\n")
    assert found.texts["summary"] == ["a <b> & c"]
    assert "inside" in found.texts["details"][0]


@pytest.mark.parametrize("opening", ["<details ontoggle=alert(1)>", "<details>\n<summary><b>a</b></summary>"])
def test_a_folded_part_of_another_form_is_text(opening: str) -> None:
    assert "details" not in page(opening).texts


def test_links_that_would_run_a_script_are_text() -> None:
    found = page("[a](javascript:alert(1)) [b](data:text/html,x) [c](records.sqlite)")
    assert found.having("href") == ["data:,", "records.sqlite"]


def test_a_norm_with_markup_in_its_name_is_text_in_a_real_report() -> None:
    matrix = MatrixSpec(norms=("batch", HOSTILE), seeds=2)
    records = filled(matrix, lambda norm, _, seed: 0.5 + 0.01 * len(norm) * seed, notes=("<b>note</b>",))
    found = page(markdown(matrix, records, command=f"compare {HOSTILE}"))
    assert HOSTILE in found.texts["td"]
    assert not {"script", "b"} & set(found.texts)


def test_the_page_asks_for_nothing_and_forbids_it() -> None:
    found = page(*far_too_wide())
    assert not {"script", "iframe", "object", "img", "base", "form"} & set(found.texts)
    assert not found.having("src")
    assert [href for href in found.having("href") if not href.startswith("#")] == [
        "data:,",
        "digits.sqlite",
        "https://arxiv.org/abs/1502.03167",
    ]
    policy = next(attributes["content"] for tag, attributes in found.tags if "http-equiv" in attributes)
    assert policy.startswith("default-src 'none'; style-src 'unsafe-inline'; img-src data:;")
    assert "url(" not in found.texts["style"][0]
    assert "@import" not in found.texts["style"][0]


def test_the_page_says_its_language_and_fits_a_phone_and_the_dark() -> None:
    found = page("# Title")
    assert ("html", {"lang": "en"}) in found.tags
    assert ("meta", {"name": "viewport", "content": "width=device-width, initial-scale=1"}) in found.tags
    assert ("meta", {"name": "color-scheme", "content": "light dark"}) in found.tags


def test_the_same_report_gives_the_same_page(given: Given, text: str) -> None:
    assert to_html(given.markdown, images=dict(reversed(given.images.items()))) == text
