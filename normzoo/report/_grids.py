"""The tables as headers, labels and cells: the same in the terminal and in markdown."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from normzoo.report._cells import NOTHING, accuracy_lines, change_header, change_lines, seconds_range, trend, tried_text
from normzoo.report._detail_cells import (
    contrast_lines,
    correlation_text,
    count_lines,
    median_text,
    p_text,
    probability_text,
    range_text,
    rank_text,
    slope_lines,
    versus_lines,
)
from normzoo.report._numbers import Cell, Summary, Table

NORM = "norm"
"""The header of the rows' labels."""


@dataclass(frozen=True)
class Column:
    """A header, and the lines of one cell per row."""

    header: str
    cells: list[list[str]]

    @property
    def least(self) -> int:
        """The width below which a number would wrap; the counts below the numbers may."""
        return max(len(self.header), *(len(lines[0]) for lines in self.cells))

    @property
    def longest(self) -> int:
        """The width of the longest line."""
        return max(self.least, *(len(line) for lines in self.cells for line in lines))


@dataclass(frozen=True)
class Grid:
    """A table: rows labelled by norms, in groups where ``groups`` names one for every row, and columns of cells."""

    labels: Sequence[str]
    columns: Sequence[Column]
    groups: Sequence[str] = ()


def accuracy_grid(summary: Summary, table: Table) -> Grid:
    """Return the first table: accuracy at every batch size, the change between them, and time."""
    sizes = summary.matrix.batch_sizes
    columns = [
        Column(f"batch {size}", [accuracy_lines(row.cells[index]) for row in table.rows])
        for index, size in enumerate(sizes)
    ]
    if len(sizes) > 1:
        columns.append(Column(change_header(sizes), [change_lines(row) for row in table.rows]))
    columns.append(Column("s/epoch", [[seconds_range(row)] for row in table.rows]))
    return Grid([row.norm for row in table.rows], columns)


def trend_column(table: Table) -> Column:
    """Return a small picture of each norm's means over the batch sizes, all on one scale."""
    means = [cell.mean for cell in table.cells if cell.mean is not None]
    lowest, highest = min(means, default=0.0), max(means, default=0.0)
    return Column("trend", [[trend(row, lowest, highest)] for row in table.rows])


def versus_grid(summary: Summary, table: Table) -> Grid:
    """Return the table that holds every norm against the baseline, grouped by batch size."""
    cells = [(norm, cell) for index in range(len(summary.matrix.batch_sizes)) for norm, cell in table.column(index)]
    kinds: dict[str, Callable[[Cell], list[str]]] = {
        "n": count_lines,
        "median": lambda cell: [median_text(cell)],
        "range": lambda cell: [range_text(cell)],
        f"vs {summary.matrix.reference}": versus_lines,
        "p": lambda cell: [p_text(cell.versus.difference) if cell.versus else NOTHING],
        "beats": lambda cell: [probability_text(cell.versus)],
        "rank": lambda cell: [rank_text(cell)],
        "r": lambda cell: [correlation_text(cell.versus)],
    }
    columns = [Column(header, [write(cell) for _, cell in cells]) for header, write in kinds.items()]
    return Grid([norm for norm, _ in cells], columns, [f"batch {cell.batch_size}" for _, cell in cells])


def effect_grid(table: Table) -> Grid:
    """Return the table of slopes: each norm's own, and by how much it exceeds those of the norms below it."""
    found = {(contrast.first, contrast.second): contrast.difference for contrast in table.contrasts}
    columns = [Column("slope", [slope_lines(row) for row in table.rows])]
    seeds = table.rows[0].cells[0].planned
    for place, other in enumerate(table.rows[1:], 1):
        cells = [
            contrast_lines(found.get((row.norm, other.norm)), seeds, lost=row.is_of_survivors or other.is_of_survivors)
            for row in table.rows[:place]
        ]
        columns.append(Column(f"minus {other.norm}", [*cells, *([[""]] * (len(table.rows) - place))]))
    return Grid([row.norm for row in table.rows], columns)


def sweep_grid(summary: Summary, table: Table) -> Grid:
    """Return the table of learning rates: a row per norm and batch size."""
    cells = [(row.norm, cell) for row in table.rows for cell in row.cells]
    columns = [Column("batch", [[str(cell.batch_size)] for _, cell in cells])]
    columns += [
        Column(f"{rate:g}", [[tried_text(cell, cell.tried[index])] for _, cell in cells])
        for index, rate in enumerate(summary.matrix.rates)
    ]
    return Grid([norm for norm, _ in cells], columns)
