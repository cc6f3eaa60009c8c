"""A plot's SVG made fit to stand within an HTML page, where it takes on the page's colours."""

import re
from typing import Final
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

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
