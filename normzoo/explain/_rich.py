"""The explanation in the terminal."""

import textwrap
from collections.abc import Sequence
from typing import Final

from rich.columns import Columns
from rich.console import RenderableType
from rich.padding import Padding
from rich.style import Style
from rich.table import Table
from rich.text import Text

from normzoo.explain._layout import Layout, axes, channel_name, lay_out, sample_name
from normzoo.explain._sections import Section, pooled_over, sections
from normzoo.explain._style import INKS
from normzoo.explain._subject import Subject

LEAST_WIDTH: Final = 48
"""Of a picture beside others, for its sentences."""


def to_rich(subjects: Sequence[Subject], *, width: int = 80) -> list[RenderableType]:
    """Return what to print: the pictures, as many beside each other as fit, then what is said of each norm."""
    layouts = [lay_out(each, width=width) for each in subjects]
    pictures = [
        picture_to_rich(each, layout, width=width if len(subjects) == 1 else max(layout.width, LEAST_WIDTH))
        for each, layout in zip(subjects, layouts, strict=True)
    ]
    shown: list[RenderableType] = [Columns(pictures, padding=(0, 4))]
    for each in subjects:
        if len(subjects) > 1:
            shown.append(Text(each.title, style="bold"))
        shown.append(_text(sections(each)))
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


def _text(said: Sequence[Section]) -> Padding:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column(overflow="fold")
    for section in said:
        grid.add_row(section.heading, _lines(section.lines))
    return Padding(grid, (0, 0, 1, 0), expand=False)


def _lines(lines: Sequence[str]) -> RenderableType:
    """Set several sentences apart by a dash before each."""
    if len(lines) == 1:
        return Text(lines[0])
    grid = Table.grid(padding=(0, 1))
    grid.add_column(style="dim")
    grid.add_column(overflow="fold")
    for line in lines:
        grid.add_row("-", Text(line))
    return grid
