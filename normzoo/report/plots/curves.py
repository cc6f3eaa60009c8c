"""Learning curves: the metric on the test set against epochs, and against seconds of training."""

from collections.abc import Callable
from itertools import chain
from math import ceil
from statistics import fmean

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from normzoo.metric import Metric
from normzoo.report.analysis.numbers import CellSummary, Summary, Table
from normzoo.report.plots import figure as page
from normzoo.report.plots import style
from normzoo.report.plots.against_size import clipped
from normzoo.report.plots.axes import axis_label, log_axis
from normzoo.report.render.captions import dataset
from normzoo.report.render.illustrations import averaged, curve_sizes, has_log_axis
from normzoo.report.statistics.differences import half_width

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
            _panel(axis, table, place, unit, summary.metric)
            axes.append(axis)
        for spare in own[len(places) :]:
            spare.remove()
    if has_log_axis(summary):
        drawn = [value for axis in axes for line in axis.lines for value in np.asarray(line.get_ydata()).tolist()]
        for axis in axes:
            log_axis(axis, "y", drawn)
    figure.supylabel(axis_label(summary.metric), fontsize=style.TEXT_SIZE)
    page.heading(figure, _heading(summary, note))
    page.legend(figure, page.norm_handles(summary.matrix.norms))
    return figure, axes


def _heading(summary: Summary, note: str) -> str:
    shown, sizes = len(curve_sizes(summary)), len(summary.matrix.batch_sizes)
    parts = [averaged(summary)]
    parts += ["95 % interval"] if summary.matrix.seeds > 1 else []
    parts += [f"{shown} of {sizes} batch sizes"] if shown < sizes else []
    return f"{dataset(summary.matrix)}: {', '.join(parts)}{note}"


def _panel(axis: Axes, table: Table, place: int, unit: Unit, metric: Metric) -> None:
    cells = table.at_batch_size(place)
    axis.set_title(_title(table, place))
    drawn = [_curve(axis, metric, cell, unit(cell), index) for index, (_, cell) in enumerate(cells)]
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


def _curve(axis: Axes, metric: Metric, cell: CellSummary, unit: float | None, index: int) -> bool:
    """Draw a norm's mean over seeds after every epoch with its interval, and say whether there was one."""
    length = min((len(epochs) for epochs in cell.epochs.values()), default=0)
    if not length or not unit:
        return False
    x = [unit * count for count in range(1, length + 1)]
    samples = [[epochs[place].test[metric.name] for epochs in cell.epochs.values()] for place in range(length)]
    means = np.array([fmean(sample) for sample in samples])
    axis.plot(x, metric.scale * means, markevery=ceil(length / MAX_MARKERS), zorder=3, **page.line_options(index))
    widths = [width for sample in samples if (width := half_width(sample)) is not None]
    if len(widths) == length:
        low, high = (
            [metric.scale * clipped(metric, mean + sign * width) for mean, width in zip(means, widths, strict=True)]
            for sign in (-1, 1)
        )
        axis.fill_between(x, low, high, color=style.line_style(index).color, alpha=style.BAND_ALPHA, linewidth=0)
    return True
