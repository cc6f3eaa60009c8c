"""The report as one page that needs nothing else, made from its markdown, so that both say the same."""

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from html import unescape
from importlib.resources import files
from itertools import pairwise
from string import Template
from typing import Final, NamedTuple
from urllib.parse import unquote_to_bytes
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from markdown_it import MarkdownIt
from markdown_it.common.utils import escapeHtml
from markdown_it.token import Token

FOLDED = re.compile(r"<details>\s*<summary>([^<]*)</summary>\s*")
"""The raw HTML that a report holds, with its end below; any other is text that looks like HTML."""

FOLDED_END = "</details>"

PROSE = 40
"""A cell of more characters than that is no number and may take several lines."""


class Heading(NamedTuple):
    """A heading of the report: its tag, its text without marks, and the anchor that leads to it."""

    tag: str
    text: str
    anchor: str


def with_anchors(tokens: Sequence[Token]) -> list[Heading]:
    """Give every heading the anchor that a code host would give it, and return them."""
    headings: list[Heading] = []
    counts: dict[str, int] = {}
    for token, inline in pairwise(tokens):
        if token.type == "heading_open":
            text = "".join(child.content for child in inline.children or ())
            name = re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")
            counts[name] = counts.get(name, -1) + 1
            headings.append(Heading(token.tag, text, f"{name}-{counts[name]}" if counts[name] else name))
            token.attrSet("id", headings[-1].anchor)
    return headings


def for_a_page(tokens: Sequence[Token], draw: Callable[[Token], str | None]) -> Iterator[Token]:
    """Show raw HTML as text, put tables in boxes of their own in which they scroll, and draw images.

    Args:
        tokens: a report's, whose headings have anchors. They are changed.
        draw: returns the HTML of an image, or None for one that becomes a link to its file.
    """
    section = ""
    for token, after in zip(tokens, [*tokens[1:], None], strict=True):
        if token.type == "heading_open":
            section = str(token.attrGet("id"))
        elif token.type == "html_block":
            token.content = _folded(token) or f"<p>{escapeHtml(token.content.strip())}</p>\n"
        elif token.type == "th_open":
            token.attrSet("scope", "col")
        elif token.type == "td_open" and after and len(after.content) > PROSE:
            token.attrSet("class", "prose")
        elif token.type == "inline":
            token.children = [_inline(child, draw) for child in token.children or ()]
        if token.type == "table_open":
            # It takes the focus, so that keys can scroll it, and is named after its section.
            named = f' aria-labelledby="{escapeHtml(section)}"' if section else ""
            yield _html(f'<div class="box" role="region" tabindex="0"{named}>\n')
        yield token
        if token.type == "table_close":
            yield _html("</div>\n")


def _folded(token: Token) -> str | None:
    """Return the HTML of what opens or closes a folded part, where the report itself does so; otherwise None."""
    if token.level > 0:
        return None
    if opened := FOLDED.fullmatch(token.content):
        return f"<details>\n<summary>{escapeHtml(unescape(opened[1]))}</summary>\n"
    return f"{FOLDED_END}\n" if token.content.strip() == FOLDED_END else None


def _inline(token: Token, draw: Callable[[Token], str | None]) -> Token:
    if token.type == "html_inline":
        return _html(escapeHtml(token.content))
    if token.type == "image":
        link = f'<a href="{escapeHtml(str(token.attrGet("src")))}">{escapeHtml(label_of(token))}</a>'
        return _html(draw(token) or link)
    return token


def label_of(image: Token) -> str:
    """Return what an image is said to show, without marks."""
    return "".join(child.content for child in image.children or ())


def _html(content: str) -> Token:
    return Token("html_block", "", 0, content=content)


DRAWING: Final = {
    *("svg", "g", "defs", "use", "symbol", "clipPath", "mask", "pattern", "marker"),
    *("path", "rect", "circle", "ellipse", "line", "polyline", "polygon", "text", "tspan", "image"),
    *("linearGradient", "radialGradient", "stop"),
}
"""The elements that are kept: those that draw. Left out are metadata, scripts, and styles, which would hold for all."""

COLORS: Final = {
    r"#(?:111111|000000)\b": "currentColor",
    r"#dddddd\b": "var(--line)",
    r"(?<=stroke: )#ffffff\b": "var(--paper)",
}
"""Text, axes and black lines; the grid; and rims, which set what is drawn apart from the page."""


def inlined(svg: str, *, name: str, prefix: str, label: str) -> str:
    """Rewrite an SVG file as an element of a page.

    Its size is left to the style of the page, which finds its width in ``--width``.

    Args:
        svg: the text of the file.
        name: what to call it in errors.
        prefix: what to put before all its ids, so that they differ from those of other images.
        label: what it shows, for those who do not see it.

    Raises:
        ValueError: it is no SVG.
    """
    try:
        source = ElementTree.fromstring(svg)  # noqa: S314  (the report itself has drawn it)
    except ElementTree.ParseError as error:
        raise ValueError(f"to_html: image '{name}' is no SVG: {error}") from error
    if _local(source.tag) != "svg":
        raise ValueError(f"to_html: image '{name}' is no SVG but <{_local(source.tag)}>")
    root = _rewritten(source, prefix)
    root.attrib.pop("height", None)
    root.set("role", "img")
    root.set("aria-label", label)
    root.set("style", f"--width: {_width(root.attrib.pop('width', ''), root.get('viewBox', ''))}")
    root.tail = None
    return ElementTree.tostring(root, encoding="unicode")


def _width(stated: str, box: str) -> str:
    if size := re.fullmatch(r"([\d.]+)(pt|px|)", stated):
        return f"{size[1]}{size[2] or 'px'}"
    size = re.fullmatch(r"[-\d.]+[ ,]+[-\d.]+[ ,]+([\d.]+)[ ,]+[\d.]+", box)
    return f"{size[1]}px" if size else "100%"


def _rewritten(source: Element, prefix: str) -> Element:
    """Copy an element without its namespace, with what is kept of its attributes and children."""
    attributes = (_attribute(name, value, prefix) for name, value in source.attrib.items())
    made = Element(_local(source.tag), dict(filter(None, attributes)))
    made.text, made.tail = source.text, source.tail
    made.extend(_rewritten(child, prefix) for child in source if _local(child.tag) in DRAWING)
    return made


def _attribute(name: str, value: str, prefix: str) -> tuple[str, str] | None:
    """Return an attribute as the page has it, or None for one that means nothing there or does something."""
    if _local(name) == "href":
        if value.startswith("#"):
            return "href", f"#{prefix}{value[1:]}"
        return ("href", value) if value.startswith("data:image/") else None
    if name != _local(name) or name.lower().startswith("on"):
        return None
    if name == "id":
        return name, prefix + value
    value = re.sub(r"url\(([\"']?)#", rf"url(\1#{prefix}", value)
    for color, name_in_page in COLORS.items():
        value = re.sub(color, name_in_page, value, flags=re.IGNORECASE)
    return name, value


def _local(name: str) -> str:
    return name.rpartition("}")[2]


CONTENTS_FROM = 4
"""How many sections a report has that lists them at its top."""


def to_html(markdown: str, *, images: Mapping[str, str]) -> str:
    r"""Write a markdown report as one HTML page that loads nothing and runs no script.

    Raw HTML in the markdown is shown as text, all but ``<details>`` with its ``<summary>``. An image that is not
    given becomes a link to its file. The same arguments give the same text.

    Args:
        markdown: the report; its first heading is also the title of the page.
        images: the text of SVG files, by their names, which are quoted in the markdown as in a URL.

    Raises:
        ValueError: an image does not occur in the markdown, or is no SVG.

    >>> page = to_html("# Norms on digits\n\n![accuracy](a.svg)", images={"a.svg": '<svg viewBox="0 0 4 3"/>'})
    >>> "<title>Norms on digits</title>" in page
    True
    >>> '<svg viewBox="0 0 4 3" role="img" aria-label="accuracy"' in page
    True
    """
    parser = MarkdownIt("commonmark").enable("table")
    parsed = parser.parse(markdown)
    headings = with_anchors(parsed)
    drawing = _Drawing(images)
    tokens = list(for_a_page(parsed, drawing))
    drawing.check()
    top = next((index + 1 for index, token in enumerate(tokens) if token.type == "heading_close"), 0)
    head, rest = (parser.renderer.render(part, parser.options, {}) for part in (tokens[:top], tokens[top:]))
    return Template(_file("page.html")).substitute(
        title=escapeHtml(headings[0].text if headings else "Report"),
        style=_file("page.css"),
        body=f"{head}{_contents(headings)}{rest}",
    )


def fragment(markdown: str) -> str:
    """Write markdown as HTML to be put into somebody else's page, such as a notebook; raw HTML in it is text.

    >>> fragment("# Norms").strip()
    '<h1>Norms</h1>'
    """
    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    return str(parser.render(markdown))


class _Drawing:
    """Draws images, each with a number of its own, and knows in the end which were not asked for."""

    def __init__(self, images: Mapping[str, str]) -> None:
        self._images = {os.fsencode(path): svg for path, svg in images.items()}
        self._drawn: list[bytes] = []

    def __call__(self, image: Token) -> str | None:
        path = unquote_to_bytes(str(image.attrGet("src")))
        if path not in self._images:
            return None
        self._drawn.append(path)
        # The dots keep its ids apart from the anchors of headings, which have none.
        prefix = f"figure.{len(self._drawn)}."
        svg = inlined(self._images[path], name=os.fsdecode(path), prefix=prefix, label=label_of(image))
        return f'<span class="figure box" tabindex="0">{svg}</span>'

    def check(self) -> None:
        if lacking := [repr(os.fsdecode(path)) for path in self._images if path not in self._drawn]:
            raise ValueError(f"to_html: the markdown does not show the images {', '.join(lacking)}")


def _file(name: str) -> str:
    return files("normzoo.report.page").joinpath(name).read_text(encoding="utf-8")


def _contents(headings: Sequence[Heading]) -> str:
    sections = [heading for heading in headings if heading.tag == "h2"]
    if len(sections) < CONTENTS_FROM:
        return ""
    links = (f'<a href="#{escapeHtml(section.anchor)}">{escapeHtml(section.text)}</a>' for section in sections)
    items = "\n".join(f"<li>{link}</li>" for link in links)
    return f"<nav>\n<details>\n<summary>Contents</summary>\n<ol>\n{items}\n</ol>\n</details>\n</nav>\n"
