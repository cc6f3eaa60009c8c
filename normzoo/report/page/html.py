"""The report as one page that needs nothing else, made from its markdown, so that both say the same."""

from collections.abc import Mapping, Sequence
from importlib.resources import files
from string import Template
from urllib.parse import unquote

from markdown_it import MarkdownIt
from markdown_it.common.utils import escapeHtml
from markdown_it.token import Token

from normzoo.report.page._svg import inlined
from normzoo.report.page._tokens import Heading, for_a_page, label_of, with_anchors

CONTENTS_FROM = 4
"""How many sections a report has that lists them at its top."""


def to_html(markdown: str, *, images: Mapping[str, str]) -> str:
    r"""Write a markdown report as one HTML page that loads nothing and runs no script.

    Raw HTML in the markdown is shown as text, all but ``<details>`` with its ``<summary>``. An image that is not
    given becomes a link to its file. The same arguments give the same text.

    Args:
        markdown: the report; its first heading is also the title of the page.
        images: the text of SVG files, by their paths as the markdown has them.

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
        self._images = {unquote(path): svg for path, svg in images.items()}
        self._drawn: list[str] = []

    def __call__(self, image: Token) -> str | None:
        path = unquote(str(image.attrGet("src")))
        if path not in self._images:
            return None
        self._drawn.append(path)
        # The dots keep its ids apart from the anchors of headings, which have none.
        prefix = f"figure.{len(self._drawn)}."
        svg = inlined(self._images[path], name=path, prefix=prefix, label=label_of(image))
        return f'<span class="figure box" tabindex="0">{svg}</span>'

    def check(self) -> None:
        if lacking := [repr(path) for path in self._images if path not in self._drawn]:
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
