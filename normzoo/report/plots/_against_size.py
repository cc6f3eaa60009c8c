"""What is plotted against batch size: a line per norm through its means, intervals, and seeds as dots."""

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from math import nan

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from normzoo.report._captions import counted, dataset
from normzoo.report._illustrations import averaged
from normzoo.report._numbers import Cell, Row, Summary, Table
from normzoo.report.plots import _figure
from normzoo.report.plots import _style as style
from normzoo.report.plots._scale import batch_size_axis, least_gap

Measure = Callable[[float], float]
"""From an accuracy in 0..1 to what is drawn."""


def against_size(summary: Summary, measure: Measure, label: str) -> tuple[Figure, list[Axes]]:
    """Draw one panel per template, on one vertical axis; return its panels, whose limits are left to set."""
    count = len(summary.tables)
    columns = min(count, 2)
    rows = -(-count // columns)
    size = (style.WIDTH if columns > 1 else style.NARROW_WIDTH, style.PANEL_HEIGHT * rows + 0.5)
    figure, grid = _figure.panels(rows, columns, size, sharey=True)
    axes = [axis for row in grid for axis in row]
    for axis, table in zip(axes, summary.tables, strict=False):
        _panel(axis, table, summary.matrix.batch_sizes, measure)
    for spare in axes[count:]:
        spare.remove()
    for row in grid:
        row[0].set_ylabel(label)
    _figure.heading(figure, _heading(summary))
    _figure.legend(figure, _figure.norm_handles(summary.matrix.norms))
    return figure, axes[:count]


def bounds(cell: Cell, measure: Measure) -> tuple[float, float] | None:
    """Return the interval as far as an accuracy can lie in it, the lower end first."""
    if cell.mean is None or cell.half_width is None:
        return None
    ends = (measure(max(0.0, cell.mean - cell.half_width)), measure(min(1.0, cell.mean + cell.half_width)))
    return min(ends), max(ends)


def drawn(summary: Summary, measure: Measure, *, intervals: bool = True) -> list[float]:
    """Return all heights at which something is drawn."""
    cells = [cell for table in summary.tables for cell in table.cells]
    found = [measure(value) for cell in cells for value in _dots(cell)]
    found += [measure(cell.mean) for cell in cells if cell.mean is not None]
    return found + [end for cell in cells if intervals for end in bounds(cell, measure) or ()]


def _heading(summary: Summary) -> str:
    matrix = summary.matrix
    parts = [averaged(summary)]
    if matrix.seeds > 1:
        parts += ["95 % interval"] + ["every seed a dot"] * (matrix.seeds <= style.MOST_DOTS)
    return f"{dataset(matrix)}, after {counted(matrix.epochs, 'epoch')}: {', '.join(parts)}"


def _panel(axis: Axes, table: Table, batch_sizes: Sequence[int], measure: Measure) -> None:
    axis.set_title(table.template)
    batch_size_axis(axis, batch_sizes)
    for index, row in enumerate(table.rows):
        shift = 2 ** (style.offset(index, len(table.rows)) * least_gap(batch_sizes))
        places = [size * shift for size in batch_sizes]
        means = [nan if cell.mean is None else measure(cell.mean) for cell in row.cells]
        axis.plot(places, means, label=row.norm, zorder=3, **_figure.line_options(index))
        _intervals(axis, places, [bounds(cell, measure) for cell in row.cells], style.line_style(index).color)
        _seeds(axis, row, places, measure, style.line_style(index).color)
    if not any(cell.ok for cell in table.cells):
        _figure.say(axis, "no results")


def _intervals(axis: Axes, places: Sequence[float], ends: Sequence[tuple[float, float] | None], color: str) -> None:
    """Draw bands between neighbouring batch sizes, and a bar where an interval has no neighbour."""
    spans = list(zip(places, ends, strict=True))
    joined: set[float] = set()
    for (left, first), (right, second) in pairwise(spans):
        if first and second:
            low, high = zip(first, second, strict=True)
            axis.fill_between([left, right], low, high, color=color, alpha=style.BAND_ALPHA, linewidth=0)
            joined |= {left, right}
    for place, span in spans:
        if span and place not in joined:
            axis.vlines(place, *span, color=color, linewidth=style.LINE_WIDTH, alpha=style.BAR_ALPHA)


def _seeds(axis: Axes, row: Row, places: Sequence[float], measure: Measure, color: str) -> None:
    dots = [(place, measure(value)) for place, cell in zip(places, row.cells, strict=True) for value in _dots(cell)]
    x, y = [place for place, _ in dots], [value for _, value in dots]
    axis.scatter(x, y, s=style.SEED_SIZE, color=color, alpha=style.SEED_ALPHA, linewidths=0, zorder=2)


def _dots(cell: Cell) -> Iterator[float]:
    """Yield the accuracies that are drawn one by one."""
    return iter(cell.accuracies.values() if 1 < cell.planned <= style.MOST_DOTS else ())
