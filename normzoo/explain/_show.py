"""The explanation in the terminal and as SVG."""

import textwrap
from collections.abc import Sequence
from typing import Final
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from rich.columns import Columns
from rich.console import RenderableType
from rich.padding import Padding
from rich.style import Style
from rich.table import Table
from rich.text import Text

from normzoo.explain._picture import INKS, Layout, axes, channel_name, lay_out, sample_name
from normzoo.explain._subject import Section, Subject, formula, pooled_over, pools_in_numbers, sections

LEAST_COLUMNS: Final = 48
"""Of a picture beside others, for its sentences."""


def to_rich(subjects: Sequence[Subject], *, width: int = 80) -> list[RenderableType]:
    """Return what to print: the pictures, as many beside each other as fit, then what is said of each norm."""
    layouts = [lay_out(each, width=width) for each in subjects]
    pictures = [
        picture_to_rich(each, layout, width=width if len(subjects) == 1 else max(layout.width, LEAST_COLUMNS))
        for each, layout in zip(subjects, layouts, strict=True)
    ]
    shown: list[RenderableType] = [Columns(pictures, padding=(0, 4))]
    for each in subjects:
        if len(subjects) > 1:
            shown.append(Text(each.title, style="bold"))
        shown.append(_grid(sections(each)))
    return shown


def picture_to_rich(subject: Subject, layout: Layout, *, width: int = 80) -> Text:
    """Return the picture of the pools, under its title; sentences are folded at ``width`` characters."""
    lines = [*_folded(subject.title, width, "bold"), *_folded(pooled_over(subject), width), Text(), _header(layout)]
    for sample in layout.samples:
        if sample is None:
            lines.append(Text(sample_name(sample), style="dim"))
        else:
            lines += _sample(subject, layout, sample)
        lines += [Text()] * layout.gap
    lines += [Text()] * (1 - layout.gap)
    lines += [*_folded(axes(subject), width, "dim"), *_folded(layout.note, width, "yellow")]
    return Text("\n").join([*lines, Text()])


def _folded(sentence: str, width: int, style: str = "") -> list[Text]:
    return [Text(line, style=style) for line in textwrap.wrap(sentence, width)]


def _header(layout: Layout) -> Text:
    names = (channel_name(channel).center(layout.cell_width) for channel in layout.channels)
    return Text(f"{'':{layout.names_width}} {' '.join(names)}".rstrip(), style="dim")


def _sample(subject: Subject, layout: Layout, sample: int) -> list[Text]:
    lines = []
    for index, positions in enumerate(layout.rows):
        name = sample_name(sample) if index == 0 else ""
        line = Text().append(name.ljust(layout.names_width), style="dim")
        for channel in layout.channels:
            line.append(" ").append_text(_cell(subject, layout, sample, channel, positions))
        lines.append(line)
    return lines


def _cell(subject: Subject, layout: Layout, sample: int, channel: int | None, positions: Sequence[int]) -> Text:
    """Return a row of a cell; a blank before each letter and one at the end have its colour."""
    width = layout.cell_width
    if channel is None:
        return Text("...".center(width), style="dim")
    cell = Text()
    for position in positions:
        color = subject.pools.color(sample, channel, position, colors=len(INKS))
        label = subject.pools.label(sample, channel, position).ljust(layout.letters)
        is_last = position == positions[-1]
        cell.append(f" {label}{' ' * is_last}", style=Style.null() if color is None else _style(color))
    blanks = width - len(cell)
    return Text(" " * (blanks // 2)).append_text(cell).append(" " * (blanks - blanks // 2))


def _style(color: int) -> Style:
    return Style(color=INKS[color].letter, bgcolor=INKS[color].paper)


def _grid(said: Sequence[Section]) -> Padding:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column(overflow="fold")
    for section in said:
        grid.add_row(section.heading, _listed(section.lines))
    return Padding(grid, (0, 0, 1, 0), expand=False)


def _listed(lines: Sequence[str]) -> RenderableType:
    """Set several sentences apart by a dash before each."""
    if len(lines) == 1:
        return Text(lines[0])
    grid = Table.grid(padding=(0, 1))
    grid.add_column(style="dim")
    grid.add_column(overflow="fold")
    for line in lines:
        grid.add_row("-", Text(line))
    return grid


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

LEAST_PIXELS: Final = 560
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
        return max(LEAST_PIXELS, self._left - MARGIN + cells)

    def draw(self, root: Element, y: int, width: int) -> int:
        """Draw it below ``y``, and return where it ends."""
        group = SubElement(root, "g")
        y = _lines(group, [self._subject.title], y, width, size=15, weight="bold")
        said = [pooled_over(self._subject), pools_in_numbers(self._subject), formula(self._subject)]
        y = _lines(group, said, y, width) + GAP
        y = self._grid(group, y) + LINE - GAP
        return _lines(group, [axes(self._subject), self._layout.note], y - GAP, width, fill=FAINT)

    def _grid(self, group: Element, y: int) -> int:
        y += LINE
        for index, channel in enumerate(self._layout.channels):
            center = self._x(index) + self._cell // 2
            _text(group, channel_name(channel), center, y - GAP, anchor="middle", fill=FAINT)
        for sample in self._layout.samples:
            rows = 1 if sample is None else len(self._layout.rows)
            _text(group, sample_name(sample), MARGIN, y + 15, fill=FAINT)
            for index, channel in enumerate(self._layout.channels):
                if sample is not None and channel is not None:
                    self._draw_cell(group, sample, channel, self._x(index), y)
                elif sample is not None:
                    _text(group, "...", self._x(index) + self._cell // 2, y + 15, anchor="middle", fill=FAINT)
            y += rows * ROW + GAP
        return y

    def _x(self, index: int) -> int:
        return self._left + index * (self._cell + GAP)

    def _draw_cell(self, group: Element, sample: int, channel: int, x: int, y: int) -> None:
        pools = self._subject.pools
        x += (self._cell - len(self._layout.rows[0]) * self._value) // 2
        for row, positions in enumerate(self._layout.rows):
            for column, position in enumerate(positions):
                color = pools.color(sample, channel, position, colors=len(INKS))
                paper, letter = (PAPER, TEXT) if color is None else INKS[color]
                value = SubElement(group, "g", {"data-value": f"{sample} {channel} {position}"})
                left, top = x + column * self._value, y + row * ROW
                box = {"x": str(left), "y": str(top), "width": str(self._value), "height": str(ROW)}
                SubElement(value, "rect", box, fill=paper, **({"stroke": RIM} if color is None else {}))
                label = pools.label(sample, channel, position)
                _text(value, label, left + self._value // 2, top + 15, anchor="middle", fill=letter, family="monospace")


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
