"""The tables as headers, labels and cells: the same in the terminal and in markdown."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from normzoo.metric import Metric
from normzoo.report.analysis.numbers import CellSummary, Summary, Table
from normzoo.report.render import cells as text

NORM = "norm"
"""The header of the rows' labels."""


@dataclass(frozen=True)
class TextColumn:
    """A header, and the lines of one cell per row."""

    header: str
    cells: list[list[str]]

    @property
    def min_width(self) -> int:
        """The width below which a number would wrap; the counts below the numbers may, between two words."""
        below = (len(word) for lines in self.cells for line in lines[1:] for word in line.split())
        return max(len(self.header), *(len(lines[0]) for lines in self.cells), *below)

    @property
    def max_width(self) -> int:
        """The width of the longest line."""
        return max(self.min_width, *(len(line) for lines in self.cells for line in lines))


@dataclass(frozen=True)
class Grid:
    """A table: rows labelled by norms, in groups where ``groups`` names one for every row, and columns of cells."""

    labels: Sequence[str]
    columns: Sequence[TextColumn]
    groups: Sequence[str] = ()


def value_grid(summary: Summary, table: Table) -> Grid:
    """Return the first table: the metric at every batch size, the change between them, and time."""
    sizes, metric = summary.matrix.batch_sizes, summary.metric
    columns = [
        TextColumn(f"batch {size}", [text.value_lines(metric, row.cells[index]) for row in table.rows])
        for index, size in enumerate(sizes)
    ]
    if len(sizes) > 1:
        columns.append(TextColumn(text.change_header(sizes), [text.change_lines(metric, row) for row in table.rows]))
    columns.append(TextColumn("s/epoch", [[text.seconds_range(row)] for row in table.rows]))
    return Grid([row.norm for row in table.rows], columns)


def trend_column(table: Table) -> TextColumn:
    """Return a small picture of each norm's means over the batch sizes, all on one scale."""
    means = [cell.mean for cell in table.cells if cell.mean is not None]
    lowest, highest = min(means, default=0.0), max(means, default=0.0)
    return TextColumn("trend", [[text.trend(row, lowest, highest)] for row in table.rows])


def baseline_grid(summary: Summary, table: Table) -> Grid:
    """Return the table that compares every norm with the baseline, grouped by batch size."""
    metric = summary.metric
    rows = [each for index in range(len(summary.matrix.batch_sizes)) for each in table.at_batch_size(index)]
    kinds: dict[str, Callable[[CellSummary], list[str]]] = {
        "n": text.count_lines,
        "median": lambda cell: [text.median_text(metric, cell)],
        "range": lambda cell: [text.range_text(metric, cell)],
        f"vs {summary.matrix.reference}": lambda cell: text.vs_baseline_lines(metric, cell),
        "p": lambda cell: [text.p_text(cell.vs_baseline.difference) if cell.vs_baseline else text.NOTHING],
        "beats": lambda cell: [text.probability_text(cell.vs_baseline)],
        "rank": lambda cell: [text.rank_text(cell)],
        "r": lambda cell: [text.correlation_text(cell.vs_baseline)],
    }
    columns = [TextColumn(header, [write(cell) for _, cell in rows]) for header, write in kinds.items()]
    return Grid([norm for norm, _ in rows], columns, [f"batch {cell.batch_size}" for _, cell in rows])


def effect_grid(summary: Summary, table: Table) -> Grid:
    """Return the table of slopes: each norm's own, and by how much it exceeds those of the norms below it."""
    metric = summary.metric
    found = {(contrast.first, contrast.second): contrast.difference for contrast in table.contrasts}
    columns = [TextColumn("slope", [text.slope_lines(metric, row) for row in table.rows])]
    for place, other in enumerate(table.rows[1:], 1):
        lines = [
            text.contrast_lines(metric, found.get((row.norm, other.norm)), row, other) for row in table.rows[:place]
        ]
        columns.append(TextColumn(f"minus {other.norm}", [*lines, *([[""]] * (len(table.rows) - place))]))
    return Grid([row.norm for row in table.rows], columns)


def lr_grid(summary: Summary, table: Table) -> Grid:
    """Return the table of learning rates: a row per norm and batch size."""
    rows = [(row.norm, cell) for row in table.rows for cell in row.cells]
    columns = [TextColumn("batch", [[str(cell.batch_size)] for _, cell in rows])]
    columns += [
        TextColumn(f"{rate:g}", [[text.trial_text(summary.metric, cell, cell.tried[index])] for _, cell in rows])
        for index, rate in enumerate(summary.matrix.rates)
    ]
    return Grid([norm for norm, _ in rows], columns)


def further_grid(summary: Summary, table: Table, metric: Metric) -> Grid:
    """Return the table of a further metric at every batch size."""
    columns = [
        TextColumn(
            f"batch {size}",
            [[text.estimate_text(metric, row.cells[index].further.get(metric.name))] for row in table.rows],
        )
        for index, size in enumerate(summary.matrix.batch_sizes)
    ]
    return Grid([row.norm for row in table.rows], columns)
