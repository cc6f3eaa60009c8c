"""The parsed markdown of a report made fit for a page: what is not the renderer's usual way, token by token."""

import re
from collections.abc import Callable, Iterator, Sequence
from html import unescape
from itertools import pairwise
from typing import NamedTuple

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
