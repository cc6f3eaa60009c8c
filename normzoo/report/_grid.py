"""A table in the terminal, continued below itself where it is wider than the screen; no number is ever cut."""

from collections.abc import Sequence

from rich import box
from rich.table import Table as RichTable
from rich.text import Text

from normzoo.report._cells import BEST, TIED, TOLD
from normzoo.report._grids import NORM, Column, Grid

GAP = 2
"""Blanks between two columns."""

WIDEST_LABEL = 24
"""A longer name, such as an import path, is folded."""


def rich_tables(grid: Grid, width: int) -> list[RichTable]:
    """Return the grid as one table, or as several below each other if its columns do not fit."""
    return [_table(grid, columns, width) for columns in _deal(grid, width)]


def least_width(grid: Grid) -> int:
    """Return the width that the grid takes as one table."""
    return _label_width(grid) + sum(GAP + column.least for column in grid.columns)


def _label_width(grid: Grid) -> int:
    return min(WIDEST_LABEL, max(map(len, [NORM, *grid.labels, *grid.groups])))


def _deal(grid: Grid, width: int) -> list[list[Column]]:
    """Deal the columns out to as many tables as it takes for each to fit."""
    parts: list[list[Column]] = [[]]
    used = _label_width(grid)
    for column in grid.columns:
        used += GAP + column.least
        if used > width and parts[-1]:
            parts.append([])
            used = _label_width(grid) + GAP + column.least
        parts[-1].append(column)
    return parts


def _widths(columns: Sequence[Column], width: int) -> list[int]:
    """Widen the columns from the least towards the width of their longest line, as evenly as ``width`` allows."""
    widths = [column.least for column in columns]
    for _ in range(width - sum(widths)):
        lacking = [index for index, wide in enumerate(widths) if wide < columns[index].longest]
        if lacking:
            widths[min(lacking, key=widths.__getitem__)] += 1
    return widths


def _table(grid: Grid, columns: Sequence[Column], width: int) -> RichTable:
    table = RichTable(box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1), pad_edge=False, collapse_padding=True)
    table.add_column(NORM, width=_label_width(grid), overflow="fold")
    widths = _widths(columns, width - _label_width(grid) - GAP * len(columns))
    for column, column_width in zip(columns, widths, strict=True):
        table.add_column(column.header, justify="right", width=column_width)
    for index, label in enumerate(grid.labels):
        if grid.groups and grid.groups[index] not in grid.groups[:index]:
            table.add_row(Text(grid.groups[index], style="bold"))
        table.add_row(Text(label), *(_styled(column.cells[index]) for column in columns))
    return table


def _styled(lines: Sequence[str]) -> Text:
    ending = lines[0][-1:]
    style = "bold green" if ending == BEST else "green" if ending == TIED else "bold" if ending == TOLD else ""
    return Text("\n").join([Text(lines[0], style=style), *(Text(line, style="dim") for line in lines[1:])])
