"""A list of norms, grouped by batch size, as the vertical axis of a plot; with a column of numbers at its right."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from normzoo.report.analysis.numbers import CellSummary, Summary, Table
from normzoo.report.plots import figure as page
from normzoo.report.plots import style

MINUS = "\N{MINUS SIGN}"


@dataclass(frozen=True)
class Line:
    """A row: how far down it stands, and the norm that it is of, by its position in the matrix."""

    place: int
    norm: int
    cell: CellSummary


def rows_figure(
    summary: Summary, norms: Sequence[str], number: Callable[[CellSummary], str], column: str, *, sharex: bool
) -> tuple[Figure, list[tuple[Axes, list[Line]]]]:
    """Make a figure with one panel per template, side by side, and a row per batch size and norm.

    Args:
        summary: the numbers.
        norms: which of its norms have a row.
        number: what stands at the right of a row.
        column: what stands above those numbers.
        sharex: whether the panels have one horizontal axis.

    Returns:
        The figure, and its panels with the rows that are to be drawn in each.
    """
    count = len(summary.tables)
    columns = min(count, 2)
    stacked = -(-count // columns)
    length = len(summary.matrix.batch_sizes) * (len(norms) + 1)
    size = (style.WIDTH if columns > 1 else style.NARROW_WIDTH, stacked * (style.LINE_HEIGHT * length + 0.6) + 1.0)
    figure, grid = page.panels(stacked, columns, size, sharex=sharex, sharey=True)
    axes = [axis for row in grid for axis in row]
    found = [(axis, _lines(table, norms)) for axis, table in zip(axes, summary.tables, strict=False)]
    for (axis, lines), table in zip(found, summary.tables, strict=True):
        axis.set_title(table.template)
        _label(axis, lines, summary)
        _write(axis, lines, number, column)
    for spare in axes[count:]:
        spare.remove()
    axes[0].set_ylim(length - 0.4, -0.6)
    return figure, found


def _lines(table: Table, norms: Sequence[str]) -> list[Line]:
    """Place the rows from the top; a batch size has a row of its own above those of its norms."""
    found = []
    for group in range(len(table.rows[0].cells)):
        cells = [(index, cell) for index, (norm, cell) in enumerate(table.at_batch_size(group)) if norm in norms]
        first = group * (len(cells) + 1) + 1
        found += [Line(first + step, index, cell) for step, (index, cell) in enumerate(cells)]
    return found


def _label(axis: Axes, lines: Sequence[Line], summary: Summary) -> None:
    """Name the rows and the batch sizes at the left."""
    names = {line.place: summary.matrix.norms[line.norm] for line in lines}
    sizes = {line.place - 1: f"batch size {line.cell.batch_size}" for line in lines if line.place - 1 not in names}
    axis.set_yticks([*sizes, *names], [*sizes.values(), *names.values()])
    for label in axis.get_yticklabels()[: len(sizes)]:
        label.set_fontweight("bold")
    axis.tick_params(axis="y", length=0)
    axis.grid(visible=False, axis="y")
    axis.spines["left"].set_visible(False)


def _write(axis: Axes, lines: Sequence[Line], number: Callable[[CellSummary], str], column: str) -> None:
    """Write the numbers at the right, below what they are."""
    right = axis.get_yaxis_transform()
    axis.text(1.02, 0.3, column.replace("-", MINUS), transform=right, va="bottom", fontsize=style.SMALL_SIZE)
    for line in lines:
        text = number(line.cell).replace("-", MINUS)
        axis.text(1.02, line.place, text, transform=right, va="center", fontsize=style.SMALL_SIZE)
