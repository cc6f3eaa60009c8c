"""The metric, and its error, against batch size: a line per norm through its means, intervals, and seeds as dots."""

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from math import nan

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from normzoo.metric import Metric
from normzoo.report.analysis.numbers import CellSummary, Row, Summary, Table
from normzoo.report.analysis.wording import counted
from normzoo.report.plots import figure as page
from normzoo.report.plots import style
from normzoo.report.plots.axes import axis_label, batch_size_axis, least_gap, log_axis
from normzoo.report.render.captions import dataset
from normzoo.report.render.illustrations import averaged, has_log_axis
from normzoo.report.statistics.differences import DIGITS, magnitude

Measure = Callable[[float], float]
"""From a value to what is drawn."""


@page.styled()
def values(summary: Summary) -> Figure:
    """Draw the metric on the test set against batch size: one panel per template, one line per norm."""
    metric = summary.metric
    figure, axes = _against_size(summary, scaled(metric), axis_label(metric))
    drawn = _drawn(summary, scaled(metric))
    if has_log_axis(summary):
        for axis in axes:
            log_axis(axis, "y", drawn)
    else:
        axes[0].set_ylim(*_limits(metric, drawn))
    return figure


@page.styled()
def error(summary: Summary) -> Figure:
    """Draw what lacks to the best value on a logarithmic axis, with zero at its foot where it occurs."""
    metric = summary.metric
    best = metric.highest or 0.0

    def lacking(value: float) -> float:
        return round(metric.scale * (best - value), DIGITS - 2)

    figure, axes = _against_size(summary, lacking, f"test error{f' ({metric.unit})' if metric.unit else ''}")
    for axis in axes:
        log_axis(axis, "y", _drawn(summary, lacking))
    return figure


def scaled(metric: Metric) -> Measure:
    """Return what makes a value what is drawn of it."""
    return lambda value: metric.scale * value


def _limits(metric: Metric, values: Sequence[float]) -> tuple[float, float]:
    """Return the range of the vertical axis: all that is drawn, and a little more."""
    if not values:
        lowest = 0.0 if metric.lowest is None else metric.lowest
        highest = lowest + 1.0 if metric.highest is None else metric.highest
        return metric.scale * lowest, metric.scale * highest
    low, high = min(values), max(values)
    margin = max(style.MIN_MARGIN * magnitude(values), style.MARGIN * (high - low)) or 1.0
    return low - margin, high + margin


def _against_size(summary: Summary, measure: Measure, label: str) -> tuple[Figure, list[Axes]]:
    """Draw one panel per template, on one vertical axis; return its panels, whose limits are left to set."""
    count = len(summary.tables)
    columns = min(count, 2)
    rows = -(-count // columns)
    size = (style.WIDTH if columns > 1 else style.NARROW_WIDTH, style.PANEL_HEIGHT * rows + 0.5)
    figure, grid = page.panels(rows, columns, size, sharey=True)
    axes = [axis for row in grid for axis in row]
    for axis, table in zip(axes, summary.tables, strict=False):
        _panel(axis, table, summary, measure)
    for spare in axes[count:]:
        spare.remove()
    for row in grid:
        row[0].set_ylabel(label)
    page.heading(figure, _heading(summary))
    page.legend(figure, page.norm_handles(summary.matrix.norms))
    return figure, axes[:count]


def interval_ends(metric: Metric, cell: CellSummary, measure: Measure) -> tuple[float, float] | None:
    """Return the interval as far as a value can lie in it, the lower end first."""
    if cell.mean is None or cell.half_width is None:
        return None
    ends = (measure(clipped(metric, cell.mean + sign * cell.half_width)) for sign in (-1, 1))
    low, high = sorted(ends)
    return low, high


def clipped(metric: Metric, value: float) -> float:
    """Return a value, or the bound that it lies beyond.

    >>> rmse = Metric(name="rmse", higher_is_better=False, lowest=0)
    >>> clipped(rmse, -0.5), clipped(rmse, 1.2)
    (0, 1.2)
    """
    value = value if metric.lowest is None else max(metric.lowest, value)
    return value if metric.highest is None else min(metric.highest, value)


def _drawn(summary: Summary, measure: Measure) -> list[float]:
    """Return all heights at which something is drawn."""
    found = [measure(value) for cell in summary.cells for value in _dots(cell)]
    found += [measure(cell.mean) for cell in summary.cells if cell.mean is not None]
    return found + [end for cell in summary.cells for end in interval_ends(summary.metric, cell, measure) or ()]


def _heading(summary: Summary) -> str:
    matrix = summary.matrix
    parts = [averaged(summary)]
    if matrix.seeds > 1:
        parts += ["95 % interval"] + ["every seed a dot"] * (matrix.seeds <= style.MAX_DOTS)
    return f"{dataset(matrix)}, after {counted(matrix.epochs, 'epoch')}: {', '.join(parts)}"


def _panel(axis: Axes, table: Table, summary: Summary, measure: Measure) -> None:
    metric, batch_sizes = summary.metric, summary.matrix.batch_sizes
    axis.set_title(table.template)
    batch_size_axis(axis, batch_sizes)
    for index, row in enumerate(table.rows):
        shift = 2 ** (style.offset(index, len(table.rows)) * least_gap(batch_sizes))
        places = [size * shift for size in batch_sizes]
        means = [nan if cell.mean is None else measure(cell.mean) for cell in row.cells]
        axis.plot(places, means, label=row.norm, zorder=3, **page.line_options(index))
        _intervals(
            axis, places, [interval_ends(metric, cell, measure) for cell in row.cells], style.line_style(index).color
        )
        _seeds(axis, row, places, measure, style.line_style(index).color)
    if not any(cell.ok for cell in table.cells):
        page.say(axis, "no results")


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


def _dots(cell: CellSummary) -> Iterator[float]:
    """Yield the values that are drawn one by one."""
    return iter(cell.values.values() if 1 < cell.planned <= style.MAX_DOTS else ())
