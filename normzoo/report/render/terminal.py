"""What is printed in the terminal: the tables, and what their numbers are.

A table is continued below itself where it is wider than the screen; no number is ever cut.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from rich import box
from rich.console import RenderableType
from rich.padding import Padding
from rich.table import Table as RichTable
from rich.text import Text

from normzoo.report.analysis.numbers import Summary, Table
from normzoo.report.render.cells import (
    BEST,
    NORM,
    PICK,
    SIGNIFICANT,
    TIED,
    Grid,
    TextColumn,
    baseline_grid,
    effect_grid,
    lr_grid,
    trend_column,
    value_grid,
)
from normzoo.report.render.legends import (
    baseline_legend,
    baseline_title,
    effect_legend,
    effect_title,
    legend,
    lr_title,
    metric_title,
    power_sentence,
    title,
    training,
    untested_note,
)

GAP = 2
"""Blanks between two columns."""

MAX_LABEL = 24
"""A longer name, such as an import path, is folded."""


def to_rich(summary: Summary, *, width: int = 80) -> list[RenderableType]:
    """Return what to print: per template its tables and notes, then what the numbers are.

    A table with more columns than fit in ``width`` characters is continued below itself.
    """
    shown: list[RenderableType] = []
    for table in summary.tables:
        shown += _template(summary, table, width)
    shown.append(_paragraph(legend(summary), "dim"))
    if _has_effect(summary):
        shown.append(
            _paragraph("trend: the means over the batch sizes, between the table's lowest and highest.", "dim")
        )
    if _has_baseline(summary):
        shown.append(_paragraph(baseline_legend(summary), "dim"))
    if _has_effect(summary):
        shown.append(_paragraph(effect_legend(summary), "dim"))
    return [*shown, _paragraph(training(summary), "dim")]


def _template(summary: Summary, table: Table, width: int) -> Iterator[RenderableType]:
    # Not the tables' own titles, which would wrap at the width of a narrow table.
    yield _paragraph(f"{title(summary.matrix, table.template)}: {metric_title(summary.metric)}", "bold")
    yield from _rich_tables(_with_trend(value_grid(summary, table), table, width), width)
    for note in table.notes:
        yield _paragraph(note, "yellow")
    if summary.matrix.lrs:
        yield _paragraph(f"{lr_title(summary, table.template)}; {PICK} chosen", "bold")
        yield from _rich_tables(lr_grid(summary, table), width)
    if _has_baseline(summary):
        yield _paragraph(baseline_title(summary.matrix, table.template), "bold")
        yield from _rich_tables(baseline_grid(summary, table), width)
        yield from _noted(untested_note(summary.vs_baseline, f"differences from {summary.matrix.reference}"), "yellow")
        yield from _noted(power_sentence(summary, table), "")
    if _has_effect(summary):
        yield _paragraph(effect_title(summary, table.template), "bold")
        yield from _rich_tables(effect_grid(summary, table), width)
        yield from _noted(untested_note(summary.contrasts, "contrasts"), "yellow")


def _with_trend(grid: Grid, table: Table, width: int) -> Grid:
    """Add the trend where it does not push a number off the table."""
    wider = replace(grid, columns=[trend_column(table), *grid.columns])
    return wider if len(table.rows[0].cells) > 1 and _min_width(wider) <= width else grid


def _has_baseline(summary: Summary) -> bool:
    """Whether there is a norm to compare with the baseline."""
    return len(summary.matrix.norms) > 1


def _has_effect(summary: Summary) -> bool:
    """Whether there is more than one batch size."""
    return len(summary.matrix.batch_sizes) > 1


def _noted(text: str | None, style: str) -> Iterator[RenderableType]:
    if text is not None:
        yield _paragraph(text, style)


def _paragraph(text: str, style: str) -> Padding:
    """Set a text off by a blank line above it."""
    return Padding(Text(text, style=style), (1, 0, 0, 0), expand=False)


def _rich_tables(grid: Grid, width: int) -> list[RichTable]:
    """Return the grid as one table, or as several below each other if its columns do not fit."""
    return [_table(grid, columns, width) for columns in _deal(grid, width)]


def _min_width(grid: Grid) -> int:
    """Return the width that the grid takes as one table."""
    return _label_width(grid) + sum(GAP + column.min_width for column in grid.columns)


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
            table.add_row(Text(grid.groups[index], style="bold"))
        table.add_row(Text(label), *(_styled(column.cells[index]) for column in columns))
    return table


def _styled(lines: Sequence[str]) -> Text:
    ending = lines[0][-1:]
    style = "bold green" if ending == BEST else "green" if ending == TIED else "bold" if ending == SIGNIFICANT else ""
    return Text("\n").join([Text(lines[0], style=style), *(Text(line, style="dim") for line in lines[1:])])
