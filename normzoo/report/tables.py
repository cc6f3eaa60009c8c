"""The tables in the terminal."""

from collections.abc import Sequence

from rich import box
from rich.console import RenderableType
from rich.padding import Padding
from rich.table import Table as RichTable
from rich.text import Text

from normzoo.report._captions import legend, sweep_title, title, training
from normzoo.report._cells import (
    BEST,
    PICK,
    TIED,
    accuracy_lines,
    change_header,
    change_lines,
    seconds_range,
    tried_text,
)
from normzoo.report._numbers import Row, Summary, Table

NORM = "norm"
"""The header of the first column."""

GAP = 2
"""Blanks between two columns."""

WIDEST_NORM = 24
"""A longer name, such as an import path, is folded."""

Column = tuple[str, list[list[str]]]
"""A header, and the lines of one cell per row."""


def to_rich(summary: Summary, *, width: int = 80) -> list[RenderableType]:
    """Return what to print: per template its table and its notes, then what the numbers are.

    A table with more batch sizes than fit in ``width`` characters is continued below itself.
    """
    shown: list[RenderableType] = []
    for table in summary.tables:
        # Not the table's own title, which would wrap at the width of a narrow table.
        shown.append(_paragraph(title(summary.matrix, table.template), "bold"))
        parts = _fit(_columns(summary, table), _norm_width(table.rows), width)
        shown += [_rich_table(table.rows, columns, width) for columns in parts]
        if summary.matrix.lrs:
            shown += _sweep(summary, table)
        shown += [_paragraph(note, "yellow") for note in table.notes]
    return [*shown, _paragraph(legend(summary), "dim"), _paragraph(training(summary.matrix), "dim")]


def _sweep(summary: Summary, table: Table) -> list[RenderableType]:
    """Return the table of learning rates: a row per norm and batch size."""
    matrix = summary.matrix
    shown = RichTable(box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1), pad_edge=False, collapse_padding=True)
    shown.add_column(NORM, width=_norm_width(table.rows), overflow="fold")
    for header in ("batch", *(f"{rate:g}" for rate in matrix.rates)):
        shown.add_column(header, justify="right")
    for row in table.rows:
        for cell in row.cells:
            shown.add_row(Text(row.norm), str(cell.batch_size), *(tried_text(cell, tried) for tried in cell.tried))
    return [_paragraph(f"{sweep_title(matrix, table.template)}; {PICK} chosen", "bold"), shown]


def _paragraph(text: str, style: str) -> Padding:
    """Set a text off by a blank line above it."""
    return Padding(Text(text, style=style), (1, 0, 0, 0), expand=False)


def _columns(summary: Summary, table: Table) -> list[Column]:
    sizes = summary.matrix.batch_sizes
    columns = [
        (f"batch {size}", [accuracy_lines(row.cells[index]) for row in table.rows]) for index, size in enumerate(sizes)
    ]
    if len(sizes) > 1:
        columns.append((change_header(sizes), [change_lines(row) for row in table.rows]))
    return [*columns, ("s/epoch", [[seconds_range(row)] for row in table.rows])]


def _fit(columns: Sequence[Column], norm_width: int, width: int) -> list[list[Column]]:
    """Deal the columns out to as many tables as it takes for each to fit."""
    parts: list[list[Column]] = [[]]
    used = norm_width
    for column in columns:
        used += GAP + _least_width(column)
        if used > width and parts[-1]:
            parts.append([])
            used = norm_width + GAP + _least_width(column)
        parts[-1].append(column)
    return parts


def _norm_width(rows: Sequence[Row]) -> int:
    return min(WIDEST_NORM, max(len(NORM), *(len(row.norm) for row in rows)))


def _least_width(column: Column) -> int:
    """Return the width below which a number would wrap; the counts below the numbers may."""
    header, cells = column
    return max(len(header), *(len(lines[0]) for lines in cells))


def _widths(columns: Sequence[Column], width: int) -> list[int]:
    """Widen the columns from the least towards the width of their longest line, as evenly as ``width`` allows."""
    widths = [_least_width(column) for column in columns]
    longest = [
        max(least, *(len(line) for lines in cells for line in lines))
        for least, (_, cells) in zip(widths, columns, strict=True)
    ]
    for _ in range(width - sum(widths)):
        lacking = [index for index, wide in enumerate(widths) if wide < longest[index]]
        if lacking:
            widths[min(lacking, key=widths.__getitem__)] += 1
    return widths


def _rich_table(rows: Sequence[Row], columns: Sequence[Column], width: int) -> RichTable:
    table = RichTable(box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1), pad_edge=False, collapse_padding=True)
    norm_width = _norm_width(rows)
    table.add_column(NORM, width=norm_width, overflow="fold")
    widths = _widths(columns, width - norm_width - GAP * len(columns))
    for (header, _), column_width in zip(columns, widths, strict=True):
        table.add_column(header, justify="right", width=column_width)
    for index, row in enumerate(rows):
        table.add_row(Text(row.norm), *(_styled(cells[index]) for _, cells in columns))
    return table


def _styled(lines: Sequence[str]) -> Text:
    style = "bold green" if lines[0].endswith(BEST) else "green" if lines[0].endswith(TIED) else ""
    return Text("\n").join([Text(lines[0], style=style), *(Text(line, style="dim") for line in lines[1:])])
