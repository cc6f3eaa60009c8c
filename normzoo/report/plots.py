"""The plots. The only file that imports matplotlib; it draws on figures of its own and changes no global state."""

from collections.abc import Sequence
from itertools import pairwise
from math import log2, nan
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from normzoo.report import _style as style
from normzoo.report._captions import counted, dataset
from normzoo.report._numbers import Cell, Row, Summary, Table


def accuracy_plot(summary: Summary, path: str | Path) -> Path:
    """Draw test accuracy against batch size as a PNG, one panel per template, and return its path.

    A line per norm goes through the means, with the 95 % t interval as a band (as a bar where a mean has no
    neighbour) and the seeds as dots. The same summary gives the same bytes.
    """
    panels = len(summary.tables)
    legend_width = style.LEGEND_WIDTH + style.LETTER_WIDTH * max(map(len, summary.matrix.norms))
    size = (style.PANEL_WIDTH * panels + legend_width, style.PANEL_HEIGHT)
    figure = Figure(figsize=size, dpi=style.DPI, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, panels, sharey=True, squeeze=False)[0]
    for axis, table in zip(axes, summary.tables, strict=True):
        _panel(axis, table, summary.matrix.batch_sizes)
    axes[0].set_ylabel("test accuracy (%)")
    axes[0].set_ylim(*_limits(summary))
    figure.suptitle(_heading(summary), fontsize=style.HEADING_SIZE)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside right center", frameon=False, handlelength=3.2)
    figure.savefig(path, format="png", dpi=style.DPI, metadata={"Software": None})
    return Path(path)


def _heading(summary: Summary) -> str:
    matrix = summary.matrix
    is_whole = all(cell.ok == cell.planned for table in summary.tables for cell in table.cells)
    seeds = f"{'' if is_whole else 'up to '}{counted(matrix.seeds, 'seed')}"
    shown = f"mean, 95 % interval and {seeds}" if matrix.seeds > 1 else seeds
    return f"{dataset(matrix)}, after {counted(matrix.epochs, 'epoch')}: {shown}"


def _panel(axis: Axes, table: Table, batch_sizes: Sequence[int]) -> None:
    _frame(axis, table.template, batch_sizes)
    for index, row in enumerate(table.rows):
        shift = 2 ** (style.offset(index, len(table.rows)) * _gap(batch_sizes))
        places = [size * shift for size in batch_sizes]
        line = style.line_style(index)
        _means(axis, row, places, line)
        _intervals(axis, row, places, line.color)
        _seeds(axis, row, places, line.color)
    if not any(cell.ok for cell in table.cells):
        axis.text(0.5, 0.5, "no results", transform=axis.transAxes, ha="center", va="center")


def _frame(axis: Axes, name: str, batch_sizes: Sequence[int]) -> None:
    axis.set_title(name, fontsize=style.HEADING_SIZE)
    axis.set_xlabel("batch size (samples)")
    axis.set_xscale("log", base=2)
    axis.set_xticks(batch_sizes, [str(size) for size in batch_sizes])
    axis.minorticks_off()
    margin = 2 ** (_gap(batch_sizes) / 2)
    axis.set_xlim(batch_sizes[0] / margin, batch_sizes[-1] * margin)
    axis.grid(color=style.GRID_COLOR, linewidth=0.6)
    axis.spines[["top", "right"]].set_visible(False)


def _gap(batch_sizes: Sequence[int]) -> float:
    """Return the least distance of two batch sizes in powers of two; 1 for a single one."""
    return min((log2(right / left) for left, right in pairwise(batch_sizes)), default=1.0)


def _means(axis: Axes, row: Row, places: Sequence[float], line: style.LineStyle) -> None:
    axis.plot(
        places,
        [nan if cell.mean is None else 100 * cell.mean for cell in row.cells],
        color=line.color,
        marker=line.marker,
        linestyle=line.dashes,
        linewidth=style.LINE_WIDTH,
        markersize=style.MARKER_SIZE,
        markeredgecolor="white",
        markeredgewidth=0.6,
        label=row.norm,
        zorder=3,
    )


def _intervals(axis: Axes, row: Row, places: Sequence[float], color: str) -> None:
    """Draw bands between neighbouring batch sizes, and a bar where an interval has no neighbour."""
    bounds = [_bounds(cell) for cell in row.cells]
    spans = list(zip(places, bounds, strict=True))
    joined: set[float] = set()
    for (left, first), (right, second) in pairwise(spans):
        if first and second:
            low, high = zip(first, second, strict=True)
            axis.fill_between([left, right], low, high, color=color, alpha=style.BAND_ALPHA, linewidth=0)
            joined |= {left, right}
    for place, span in spans:
        if span and place not in joined:
            axis.vlines(place, *span, color=color, linewidth=style.LINE_WIDTH, alpha=style.BAR_ALPHA)


def _bounds(cell: Cell) -> tuple[float, float] | None:
    """Return the interval in percent, as far as an accuracy can lie in it."""
    if cell.mean is None or cell.half_width is None:
        return None
    return 100 * max(0.0, cell.mean - cell.half_width), 100 * min(1.0, cell.mean + cell.half_width)


def _seeds(axis: Axes, row: Row, places: Sequence[float], color: str) -> None:
    dots = [
        (place, 100 * value)
        for place, cell in zip(places, row.cells, strict=True)
        for value in cell.accuracies.values()
    ]
    x, y = [place for place, _ in dots], [value for _, value in dots]
    axis.scatter(x, y, s=style.SEED_SIZE, color=color, alpha=style.SEED_ALPHA, linewidths=0, zorder=2)


def _limits(summary: Summary) -> tuple[float, float]:
    """Return the range of the vertical axis: all that is drawn, and a little more."""
    cells = [cell for table in summary.tables for cell in table.cells]
    drawn = [100 * value for cell in cells for value in cell.accuracies.values()]
    drawn += [bound for cell in cells for bound in _bounds(cell) or ()]
    if not drawn:
        return 0.0, 100.0
    low, high = min(drawn), max(drawn)
    margin = max(style.LEAST_MARGIN, style.MARGIN * (high - low))
    return low - margin, high + margin
