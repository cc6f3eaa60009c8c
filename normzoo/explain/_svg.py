"""The explanation as SVG."""

import textwrap
from collections.abc import Sequence
from math import isfinite
from typing import Final
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from normzoo.explain._picture import INKS, Layout, axes, channel_name, lay_out, sample_name
from normzoo.explain._pools import Pools
from normzoo.explain._sections import formula, pools_in_numbers, summary
from normzoo.explain._subject import Curve, Subject

MARGIN: Final = 20
ROW: Final = 22
"""The height of a value."""

GAP: Final = 8
"""Between two cells."""

LETTER: Final = 9
"""The width of a letter, and of the blank beside it."""

LINE: Final = 18
"""The height of a line of text."""

CHARACTER: Final = 6.4
"""The width that a character of text takes at most, on average."""

MIN_PIXELS: Final = 560
PLOT: Final = (420, 160)
"""The size of a curve."""

TEXT, FAINT, PAPER, RIM = "#222222", "#595959", "#FFFFFF", "#CCCCCC"


def to_svg(subjects: Sequence[Subject]) -> str:
    """Return the pictures of some norms, one below the other, as the text of an SVG file.

    The same norms and shape give the same text, whatever the terminal.
    """
    pictures = [_Picture(each) for each in subjects]
    width = max(each.width for each in pictures) + 2 * MARGIN
    root = Element("svg", xmlns="http://www.w3.org/2000/svg", role="img")
    SubElement(root, "title").text = "What shares a statistic: " + "; ".join(each.title for each in subjects)
    SubElement(root, "desc").text = " ".join(pools_in_numbers(each) for each in subjects)
    paper = SubElement(root, "rect", x="0.5", y="0.5", rx="6", fill=PAPER, stroke=RIM)
    y = MARGIN
    for picture in pictures:
        y = picture.draw(root, y, width - 2 * MARGIN) + MARGIN
    root.attrib.update(width=str(width), height=str(y), viewBox=f"0 0 {width} {y}")
    paper.attrib.update(width=str(width - 1), height=str(y - 1))
    indent(root)
    return tostring(root, encoding="unicode") + "\n"


class _Picture:
    """One norm's part of the drawing."""

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._layout: Layout = lay_out(subject)
        columns = len(self._layout.rows[0])
        self._value = LETTER * (self._layout.letters + 1)
        names = max(len(channel_name(each)) for each in self._layout.channels)
        self._cell = max(columns * self._value, names * LETTER)
        self._left = MARGIN + LETTER * (self._layout.names_width + 1)

    @property
    def width(self) -> int:
        """The width without margins."""
        cells = len(self._layout.channels) * (self._cell + GAP) - GAP
        return max(MIN_PIXELS, self._left - MARGIN + cells)

    def draw(self, root: Element, y: int, width: int) -> int:
        """Draw it below ``y``, and return where it ends."""
        group = SubElement(root, "g")
        y = _lines(group, [self._subject.title], y, width, size=15, weight="bold")
        said = [summary(self._subject), pools_in_numbers(self._subject), formula(self._subject)]
        y = _lines(group, said, y, width) + GAP
        if self._subject.curve:
            return _curve(group, self._subject.curve, y)
        for name, pools in self._subject.parts.items():
            y = _lines(group, [name], y, width, weight="bold")
            y = self._grid(group, name, pools, y) + LINE - GAP
        return _lines(group, [axes(self._subject), self._layout.note], y - GAP, width, fill=FAINT)

    def _grid(self, group: Element, part: str, pools: Pools, y: int) -> int:
        y += LINE
        for index, channel in enumerate(self._layout.channels):
            center = self._x(index) + self._cell // 2
            _text(group, channel_name(channel), center, y - GAP, anchor="middle", fill=FAINT)
        for sample in self._layout.samples:
            rows = 1 if sample is None else len(self._layout.rows)
            _text(group, sample_name(sample), MARGIN, y + 15, fill=FAINT)
            for index, channel in enumerate(self._layout.channels):
                if sample is not None and channel is not None:
                    self._draw_cell(group, part, pools, (sample, channel), self._x(index), y)
                elif sample is not None:
                    _text(group, "...", self._x(index) + self._cell // 2, y + 15, anchor="middle", fill=FAINT)
            y += rows * ROW + GAP
        return y

    def _x(self, index: int) -> int:
        return self._left + index * (self._cell + GAP)

    def _draw_cell(self, group: Element, part: str, pools: Pools, cell: tuple[int, int], x: int, y: int) -> None:
        sample, channel = cell
        x += (self._cell - len(self._layout.rows[0]) * self._value) // 2
        for row, positions in enumerate(self._layout.rows):
            for column, position in enumerate(positions):
                color = pools.color(sample, channel, position, colors=len(INKS))
                paper, letter = (PAPER, TEXT) if color is None else INKS[color]
                value = SubElement(group, "g", {"data-value": f"{part} {sample} {channel} {position}".strip()})
                left, top = x + column * self._value, y + row * ROW
                box = {"x": str(left), "y": str(top), "width": str(self._value), "height": str(ROW)}
                SubElement(value, "rect", box, fill=paper, **({"stroke": RIM} if color is None else {}))
                label = pools.label(sample, channel, position)
                _text(value, label, left + self._value // 2, top + 15, anchor="middle", fill=letter, family="monospace")


def _curve(group: Element, curve: Curve, y: int) -> int:
    """Draw a curve below ``y``, with the ends of both axes, and return where it ends."""
    (left, _), (right, _) = curve[0], curve[-1]
    known = [(value, output) for value, output in curve if isfinite(output)]
    low, high = (end(output for _, output in known) for end in (min, max))
    x, span = MARGIN + 6 * LETTER, high - low or 1.0
    box = {"x": str(x), "y": str(y), "width": str(PLOT[0]), "height": str(PLOT[1])}
    SubElement(group, "rect", box, fill="none", stroke=RIM)
    points = [
        (x + PLOT[0] * (value - left) / (right - left), y + PLOT[1] * (high - output) / span) for value, output in known
    ]
    drawn = " ".join(f"{across:.1f},{down:.1f}" for across, down in points)
    SubElement(group, "polyline", {"points": drawn, "fill": "none", "stroke": INKS[1].paper, "stroke-width": "2"})
    for label, down in ((f"{high:.3g}", y + 12), (f"{low:.3g}", y + PLOT[1])):
        _text(group, label, x - 4, down, anchor="end", fill=FAINT)
    below = y + PLOT[1] + LINE
    for label, across in ((f"{left:g}", x), ("0", x + PLOT[0] // 2), (f"{right:g}", x + PLOT[0])):
        _text(group, label, across, below, anchor="middle", fill=FAINT)
    _text(group, "output for input, as it starts; each value for itself", MARGIN, below + LINE, fill=FAINT)
    return below + LINE + GAP


def _lines(
    group: Element,
    lines: Sequence[str],
    y: int,
    width: int,
    *,
    size: int = 12,
    weight: str = "normal",
    fill: str = TEXT,
) -> int:
    """Write some lines, wrapped, below ``y``, and return where they end."""
    for line in lines:
        for part in textwrap.wrap(line, int(width / CHARACTER)):
            _text(group, part, MARGIN, y + 13, size=size, weight=weight, fill=fill)
            y += LINE
    return y


def _text(
    group: Element,
    text: str,
    x: int,
    y: int,
    *,
    size: int = 12,
    weight: str = "normal",
    fill: str = TEXT,
    anchor: str = "start",
    family: str = "sans-serif",
) -> None:
    attributes = {"x": str(x), "y": str(y), "fill": fill, "font-family": family, "font-size": str(size)}
    attributes |= {"font-weight": weight} if weight != "normal" else {}
    attributes |= {"text-anchor": anchor} if anchor != "start" else {}
    SubElement(group, "text", attributes).text = text
