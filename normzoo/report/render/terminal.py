"""The sections in the terminal.

A table is continued below itself where it is wider than the screen; no number is ever cut.
"""

from collections.abc import Iterator, Sequence

from rich import box
from rich.console import RenderableType
from rich.padding import Padding
from rich.table import Table as RichTable
from rich.text import Text

from normzoo.report.render.cells import BEST, NORM, SIGNIFICANT, TIED, Grid, TextColumn
from normzoo.report.render.sections import Depth, Part, Section
from normzoo.visible import visible

GAP = 2
"""Blanks between two columns."""

MAX_LABEL = 24
"""A longer name, such as an import path, is folded."""


def to_rich(sections: Sequence[Section], *, width: int = 80, depth: Depth = Depth.BRIEF) -> list[RenderableType]:
    """Return what to print of the sections, down to a depth.

    A table with more columns than fit in ``width`` characters is continued below itself.
    """
    shown = [each for section in sections if section.depth <= depth for each in _section(section, width)]
    return [shown[0].renderable, *shown[1:]] if shown and isinstance(shown[0], Padding) else shown


def _section(section: Section, width: int) -> Iterator[RenderableType]:
    yield _paragraph(section.title, "bold")
    for part in section.parts:
        yield from _part(part, width)
    for bullet in section.bullets:
        yield _bullet(bullet)
    if section.code:
        yield Text(visible(section.code[1]))
    if section.legend:
        yield _paragraph(section.legend, "dim")


def _part(part: Part, width: int) -> Iterator[RenderableType]:
    if part.title:
        yield _paragraph(part.title, "bold")
    if part.grid:
        yield from (_table(part.grid, columns, width) for columns in _deal(part.grid, width))
    for finding in part.findings:
        yield _bullet(finding)
    for note in part.notes:
        yield _bullet(note, "yellow")


def _paragraph(text: str, style: str) -> RenderableType:
    """Set a text off by a blank line above it."""
    return Padding(Text(visible(text), style=style), (1, 0, 0, 0), expand=False)


def _bullet(text: str, style: str = "") -> RenderableType:
    """Indent the lines below the first."""
    item = RichTable.grid(padding=(0, 1, 0, 0))
    item.add_row("-", Text(visible(text), style=style))
    return item


def _label_width(grid: Grid) -> int:
    return min(MAX_LABEL, max(map(len, [NORM, *grid.labels, *grid.groups])))


def _deal(grid: Grid, width: int) -> list[list[TextColumn]]:
    """Deal the columns out to as many tables as it takes for each to fit."""
    parts: list[list[TextColumn]] = [[]]
    used = _label_width(grid)
    for column in grid.columns:
        used += GAP + column.min_width
        if used > width and parts[-1]:
            parts.append([])
            used = _label_width(grid) + GAP + column.min_width
        parts[-1].append(column)
    return parts


def _widths(columns: Sequence[TextColumn], width: int) -> list[int]:
    """Widen the columns from the least width towards the width of their longest line, as evenly as ``width`` allows."""
    widths = [column.min_width for column in columns]
    for _ in range(width - sum(widths)):
        lacking = [index for index, wide in enumerate(widths) if wide < columns[index].max_width]
        if lacking:
            widths[min(lacking, key=widths.__getitem__)] += 1
    return widths


def _table(grid: Grid, columns: Sequence[TextColumn], width: int) -> RichTable:
    table = RichTable(box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1), pad_edge=False, collapse_padding=True)
    table.add_column(NORM, width=_label_width(grid), overflow="fold")
    widths = _widths(columns, width - _label_width(grid) - GAP * len(columns))
    for column, column_width in zip(columns, widths, strict=True):
        table.add_column(column.header, justify="right", width=column_width)
    for index, label in enumerate(grid.labels):
        if grid.groups and grid.groups[index] not in grid.groups[:index]:
            table.add_row(Text(visible(grid.groups[index]), style="bold"))
        table.add_row(Text(visible(label)), *(_styled(column.cells[index]) for column in columns))
    return table


def _styled(lines: Sequence[str]) -> Text:
    ending = lines[0][-1:]
    style = "bold green" if ending == BEST else "green" if ending == TIED else "bold" if ending == SIGNIFICANT else ""
    return Text("\n").join([Text(lines[0], style=style), *(Text(line, style="dim") for line in lines[1:])])
