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

from normzoo.explain._picture import INKS, ROWS, Layout, axes, channel_name, lay_out, plot, sample_name
from normzoo.explain._pools import Pools
from normzoo.explain._sections import LINES, MIN_ROOM, Section, brief, likeness, sections, summary
from normzoo.explain._subject import Subject

MIN_COLUMNS: Final = 48
"""Of a picture beside others, for its sentences."""

SCREEN: Final = 23
"""Rows of a screen of 24, in one of which one types what comes next."""

FEWEST: Final = 3
"""Rows of letters that a picture has at least."""

BESIDE: Final = 4
"""Blanks between pictures that stand side by side."""

MORE: Final = Section("all of it", ("--details",))


def to_rich(subjects: Sequence[Subject], *, width: int = 80) -> list[RenderableType]:
    """Return all there is to say: the pictures, as many beside each other as fit, then what is said of each norm."""
    pictures = []
    for each in subjects:
        layout = lay_out(each, width=width)
        own = width if len(subjects) == 1 else max(layout.width, MIN_COLUMNS)
        pictures.append(picture_to_rich(each, layout, width=own))
    shown: list[RenderableType] = [Columns(pictures, padding=(0, BESIDE))]
    for each in subjects:
        if len(subjects) > 1:
            shown.append(Text(each.title, style="bold"))
        shown.append(_grid(sections(each)))
    return shown


def brief_to_rich(subject: Subject, *, width: int = 80) -> Text:
    """Return what fits one screen: a picture, as large as there is room for, and what is said first."""
    said = _said([*brief(subject, width=width), *([MORE] if subject.about else [])], width)
    shown = said
    for height in range(ROWS, FEWEST - 1, -1):
        picture = [*_head(subject, width), *_beside(subject, width, height)]
        shown = [*picture, *_folded(likeness(subject), width, "yellow"), Text(), *said]
        if len(shown) <= SCREEN:
            break
    return Text("\n").join(shown)


def _said(said: Sequence[Section], width: int) -> list[Text]:
    """Return sentences in at most two lines each, under headings at the left."""
    indented = max(len(each.heading) for each in said) + 2
    lines = []
    for section in said:
        heading = section.heading.ljust(indented)
        for sentence in section.lines:
            for part in textwrap.wrap(sentence, max(width - indented, MIN_ROOM), max_lines=LINES, placeholder=" ..."):
                lines.append(Text(heading, style="bold").append(part, style="not bold"))
                heading = " " * indented
    return lines


def _head(subject: Subject, width: int) -> list[Text]:
    return [*_folded(subject.title, width, "bold"), *_folded(summary(subject), width)]


def _beside(subject: Subject, width: int, height: int) -> list[Text]:
    """Return the picture without blank rows; of several statistics one beside the other, as far as there is room."""
    if subject.curve:
        return _curve(subject, width, min(height, 9))
    parts = subject.parts
    apart = (width - BESIDE * (len(parts) - 1)) // len(parts)
    layout = lay_out(subject, width=apart, height=height, spaced=False)
    columns = [_part(name, pools, layout) for name, pools in parts.items()]
    fit = max(1, (width + BESIDE) // (layout.width + BESIDE))
    rows = []
    for first in range(0, len(columns), fit):
        for each in zip(*columns[first : first + fit], strict=True):
            row = Text()
            for index, line in enumerate(each):
                row.append(" " * (index * (layout.width + BESIDE) - len(row))).append_text(line)
            rows.append(row)
    return [*rows, *_below(subject, layout, width)]


def picture_to_rich(subject: Subject, layout: Layout, *, width: int = 80) -> Text:
    """Return the picture of the pools, under its title; sentences are folded at ``width`` characters."""
    lines = [*_head(subject, width), Text()]
    if subject.curve:
        lines += _curve(subject, width, 13)
    else:
        for name, pools in subject.parts.items():
            lines += [*_part(name, pools, layout), *([Text()] * (1 - layout.gap))]
        lines += _below(subject, layout, width)
    return Text("\n").join([*lines, Text()])


def _curve(subject: Subject, width: int, height: int) -> list[Text]:
    drawn = plot(subject.curve, width=min(width, 72), height=height)
    return [*map(Text, drawn), *_folded("output for input, as it starts; each value for itself", width, "dim")]


def _part(name: str, pools: Pools, layout: Layout) -> list[Text]:
    """Return the letters of one kind of pools, below its name if it has one."""
    lines = [Text(name, style="bold")] if name else []
    lines.append(_header(layout))
    for sample in layout.samples:
        if sample is None:
            lines.append(Text(sample_name(sample), style="dim"))
        else:
            lines += _sample(pools, layout, sample)
        lines += [Text()] * layout.gap
    return lines


def _below(subject: Subject, layout: Layout, width: int) -> list[Text]:
    return [*_folded(axes(subject), width, "dim"), *_folded(layout.note, width, "yellow")]


def _folded(sentence: str, width: int, style: str = "") -> list[Text]:
    return [Text(line, style=style) for line in textwrap.wrap(sentence, width)]


def _header(layout: Layout) -> Text:
    names = (channel_name(channel).center(layout.cell_width) for channel in layout.channels)
    return Text(f"{'':{layout.names_width}} {' '.join(names)}".rstrip(), style="dim")


def _sample(pools: Pools, layout: Layout, sample: int) -> list[Text]:
    lines = []
    for index, positions in enumerate(layout.rows):
        name = sample_name(sample) if index == 0 else ""
        line = Text().append(name.ljust(layout.names_width), style="dim")
        for channel in layout.channels:
            line.append(" ").append_text(_cell(pools, layout, sample, channel, positions))
        lines.append(line)
    return lines


def _cell(pools: Pools, layout: Layout, sample: int, channel: int | None, positions: Sequence[int]) -> Text:
    """Return a row of a cell; a blank before each letter and one at the end have its colour."""
    width = layout.cell_width
    if channel is None:
        return Text("...".center(width), style="dim")
    cell = Text()
    for position in positions:
        color = pools.color(sample, channel, position, colors=len(INKS))
        label = pools.label(sample, channel, position).ljust(layout.letters)
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
