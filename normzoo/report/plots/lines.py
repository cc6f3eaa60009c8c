"""A line per norm: the metric, and its error, against batch size; learning curves against epochs and seconds."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain, pairwise
from math import ceil, nan
from statistics import fmean

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from normzoo.errors import counted
from normzoo.metric import Metric
from normzoo.report.analysis.numbers import CellSummary, Row, Summary, Table
from normzoo.report.plots import figure as page
from normzoo.report.plots import style
from normzoo.report.plots.style import axis_label, batch_size_axis, least_gap, log_axis
from normzoo.report.render.illustrations import averaged, curve_sizes, has_log_axis
from normzoo.report.render.legends import dataset
from normzoo.report.statistics.differences import DIGITS, half_width, magnitude

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
        _size_panel(axis, table, summary, measure)
    for spare in axes[count:]:
        spare.remove()
    for row in grid:
        row[0].set_ylabel(label)
    page.heading(figure, _size_heading(summary))
    page.legend(figure, page.norm_handles(summary))
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


def _size_heading(summary: Summary) -> str:
    matrix = summary.matrix
    parts = [averaged(summary)]
    if matrix.seeds > 1:
        parts += ["95 % interval"] + ["every seed a dot"] * (matrix.seeds <= style.MAX_DOTS)
    return f"{dataset(matrix)}, after {counted(matrix.epochs, 'epoch')}: {', '.join(parts)}"


def _size_panel(axis: Axes, table: Table, summary: Summary, measure: Measure) -> None:
    metric, batch_sizes = summary.metric, summary.matrix.batch_sizes
    axis.set_title(table.template)
    batch_size_axis(axis, batch_sizes)
    styles = page.looks(summary)
    for index, row in enumerate(table.rows):
        line = styles[row.norm]
        shift = 2 ** (style.offset(index, len(table.rows)) * least_gap(batch_sizes))
        places = [size * shift for size in batch_sizes]
        means = [nan if cell.mean is None else measure(cell.mean) for cell in row.cells]
        axis.plot(places, means, label=row.norm, zorder=3, **page.line_options(line))
        _intervals(axis, places, [interval_ends(metric, cell, measure) for cell in row.cells], line.color)
        _seeds(axis, row, places, measure, line.color)
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


MAX_COLUMNS = 4
MAX_MARKERS = 8

Unit = Callable[[CellSummary], float | None]
"""How long an epoch is on the horizontal axis; None where it is not known."""

NOTE = "; epochs timed alone"


@page.styled()
def curves(summary: Summary) -> Figure:
    """Draw the metric on the test set against epochs: one panel per template and batch size, one line per norm."""
    figure, axes = _learning(summary, lambda _: 1.0)
    page.label_columns(axes, "epoch")
    for axis in axes:
        axis.xaxis.set_major_locator(MaxNLocator(nbins=5, steps=[1, 2, 5, 10], integer=True, min_n_ticks=1))
        axis.set_xlim(left=max(axis.get_xlim()[0], 0.1))  # there is no epoch 0
    return figure


@page.styled()
def seconds(summary: Summary) -> Figure:
    """Draw the metric on the test set against seconds of training, of norms whose epochs were timed alone."""
    figure, axes = _learning(summary, lambda cell: cell.seconds_per_epoch, NOTE)
    page.label_columns(axes, "training time (s)")
    for axis in axes:
        axis.xaxis.set_major_locator(MaxNLocator(nbins=4, steps=[1, 2, 5, 10]))
        axis.xaxis.set_major_formatter("{x:g}")
        axis.set_xlim(left=0)
    return figure


def _learning(summary: Summary, unit: Unit, note: str = "") -> tuple[Figure, list[Axes]]:
    places = curve_sizes(summary)
    lines = ceil(len(places) / MAX_COLUMNS)
    columns = ceil(len(places) / lines)
    rows = lines * len(summary.tables)
    size = (style.WIDTH if columns > 1 else style.NARROW_WIDTH, style.CURVE_HEIGHT * rows + 0.8)
    figure, grid = page.panels(rows, columns, size, sharey=True)
    axes = []
    for number, table in enumerate(summary.tables):
        own = list(chain(*grid[number * lines : (number + 1) * lines]))
        for axis, place in zip(own, places, strict=False):
            _curve_panel(axis, table, place, unit, summary.metric, page.looks(summary))
            axes.append(axis)
        for spare in own[len(places) :]:
            spare.remove()
    if has_log_axis(summary):
        drawn = [value for axis in axes for line in axis.lines for value in np.asarray(line.get_ydata()).tolist()]
        for axis in axes:
            log_axis(axis, "y", drawn)
    figure.supylabel(axis_label(summary.metric), fontsize=style.TEXT_SIZE)
    page.heading(figure, _curve_heading(summary, note))
    page.legend(figure, page.norm_handles(summary))
    return figure, axes


def _curve_heading(summary: Summary, note: str) -> str:
    shown, sizes = len(curve_sizes(summary)), len(summary.matrix.batch_sizes)
    parts = [averaged(summary)]
    parts += ["95 % interval"] if summary.matrix.seeds > 1 else []
    parts += [f"{shown} of {sizes} batch sizes"] if shown < sizes else []
    return f"{dataset(summary.matrix)}: {', '.join(parts)}{note}"


def _curve_panel(
    axis: Axes, table: Table, place: int, unit: Unit, metric: Metric, styles: Mapping[str, style.LineStyle]
) -> None:
    cells = table.at_batch_size(place)
    axis.set_title(_title(table, place))
    drawn = [_curve(axis, metric, cell, unit(cell), styles[norm]) for norm, cell in cells]
    if not any(drawn):
        page.say(axis, "never timed alone" if any(cell.epochs for _, cell in cells) else "no results")


def _title(table: Table, place: int) -> str:
    """Name the panel, and below it the norms whose curve is of fewer seeds than planned."""
    cells = table.at_batch_size(place)
    title = f"{table.template}, batch size {cells[0][1].batch_size}"
    few = [f"{norm} {len(cell.epochs)}/{cell.planned}" for norm, cell in cells if len(cell.epochs) < cell.planned]
    if not any(cell.epochs for _, cell in cells) or not few:
        return title
    return f"{title}\nseeds: {', '.join(few[:2])}{', ...' if len(few) > 2 else ''}"


def _curve(axis: Axes, metric: Metric, cell: CellSummary, unit: float | None, line: style.LineStyle) -> bool:
    """Draw a norm's mean over seeds after every epoch with its interval, and say whether there was one."""
    length = min((len(epochs) for epochs in cell.epochs.values()), default=0)
    if not length or not unit:
        return False
    x = [unit * count for count in range(1, length + 1)]
    samples = [[epochs[place].test[metric.name] for epochs in cell.epochs.values()] for place in range(length)]
    means = np.array([fmean(sample) for sample in samples])
    axis.plot(x, metric.scale * means, markevery=ceil(length / MAX_MARKERS), zorder=3, **page.line_options(line))
    widths = [width for sample in samples if (width := half_width(sample)) is not None]
    if len(widths) == length:
        low, high = (
            [metric.scale * clipped(metric, mean + sign * width) for mean, width in zip(means, widths, strict=True)]
            for sign in (-1, 1)
        )
        axis.fill_between(x, low, high, color=line.color, alpha=style.BAND_ALPHA, linewidth=0)
    return True
