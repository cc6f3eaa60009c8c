"""A row per norm and batch size: the forest plot, and how far training, validation and test loss are apart."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import floor, log10
from statistics import fmean
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from normzoo.metric import Metric
from normzoo.report.analysis.numbers import CellSummary, Summary, Table
from normzoo.report.analysis.wording import PLUS_MINUS, difference_text, difference_unit, direction
from normzoo.report.plots import figure as page
from normzoo.report.plots import style
from normzoo.report.plots.figure import panels
from normzoo.report.plots.style import log_axis
from normzoo.report.render.cells import NOTHING, PARTIAL
from normzoo.report.render.illustrations import averaged
from normzoo.report.render.legends import dataset
from normzoo.report.statistics.differences import PairedDifference, half_width

MIN_WITHIN = 2 / 3
"""Which part of the rows lie within the axis at least."""

MINUS = "\N{MINUS SIGN}"


@dataclass(frozen=True)
class Line:
    """A row: how far down it stands, and the norm that it is of."""

    place: int
    norm: str
    style: style.LineStyle
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
    has_same_rows = len({tuple(row.norm for row in table.rows) for table in summary.tables}) == 1
    figure, grid = panels(stacked, columns, size, sharex=sharex, sharey=has_same_rows)
    axes = [axis for row in grid for axis in row]
    found = [
        (axis, _lines(table, norms, page.looks(summary))) for axis, table in zip(axes, summary.tables, strict=False)
    ]
    for (axis, lines), table in zip(found, summary.tables, strict=True):
        axis.set_title(table.template)
        _label(axis, lines)
        _write(axis, lines, number, column)
    for spare in axes[count:]:
        spare.remove()
    for axis in axes[:1] if has_same_rows else axes[:count]:
        axis.set_ylim(length - 0.4, -0.6)
    return figure, found


def _lines(table: Table, norms: Sequence[str], styles: Mapping[str, style.LineStyle]) -> list[Line]:
    """Place the rows from the top; a batch size has a row of its own above those of its norms."""
    found = []
    for group in range(len(table.rows[0].cells)):
        cells = [(norm, cell) for norm, cell in table.at_batch_size(group) if norm in norms]
        first = group * (len(cells) + 1) + 1
        found += [Line(first + step, norm, styles[norm], cell) for step, (norm, cell) in enumerate(cells)]
    return found


def _label(axis: Axes, lines: Sequence[Line]) -> None:
    """Name the rows and the batch sizes at the left."""
    names = {line.place: line.norm for line in lines}
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


FAR_DIFFERENCE = 2.5
"""What reaches further than so many times the reach of most others ends in an arrow."""


@page.styled()
def forest(summary: Summary) -> Figure:
    """Draw every norm's difference from the reference with its 95 % interval, by batch size.

    A marker is filled where the difference is significant. One that lies far beyond most
    others is an arrow at the edge of the axis, with its number at the right as all others.
    """
    reference, metric = summary.reference, summary.metric
    norms = [norm for norm in summary.norms if norm != reference]
    figure, panels = rows_figure(
        summary, norms, partial(_difference_number, metric), difference_unit(metric) or "difference", sharex=True
    )
    found = [each for _, lines in panels for line in lines if (each := _difference(line.cell)) is not None]
    low, high = limits(found, metric.scale)
    for axis, lines in panels:
        axis.set_xlim(low, high)
        axis.axvline(0, color=style.INK, linewidth=0.8)
        for line in lines:
            _draw_difference(axis, line, low, high, metric.scale)
        if all(_difference(line.cell) is None for line in lines):
            page.say(axis, "no results")
    page.label_columns([axis for axis, _ in panels], _difference_label(metric, reference))
    page.heading(figure, _heading(summary))
    page.legend(figure, _difference_handles(found, low, high, metric.scale))
    return figure


def limits(differences: Sequence[PairedDifference], scale: float) -> tuple[float, float]:
    """Return the range of the axis: zero and all intervals but those that reach far beyond most.

    >>> means = (-0.4, 0.01, 0.02)
    >>> low, high = limits([PairedDifference(mean, abs(mean) / 2, 5) for mean in means], scale=100)
    >>> round(low, 2), round(high, 2)
    (-0.15, 3.15)
    """
    reaches = sorted(max(map(abs, _ends(each, scale))) for each in differences)
    if not reaches or not reaches[-1]:
        return -1.0, 1.0
    most = FAR_DIFFERENCE * reaches[int(MIN_WITHIN * (len(reaches) - 1))] or reaches[-1]
    ends = [0.0] + [end for each in differences for end in _ends(each, scale) if abs(end) <= most]
    margin = 0.05 * (max(ends) - min(ends))
    return min(ends) - margin, max(ends) + margin


def _ends(difference: PairedDifference, scale: float) -> tuple[float, float]:
    """Return the interval; the mean twice where there is none."""
    half = difference.half_width or 0.0
    return scale * (difference.mean - half), scale * (difference.mean + half)


def _difference(cell: CellSummary) -> PairedDifference | None:
    return cell.vs_reference.difference if cell.vs_reference is not None else None


def _difference_number(metric: Metric, cell: CellSummary) -> str:
    difference = _difference(cell)
    if difference is None or cell.vs_reference is None:
        return NOTHING
    few = f" n={difference.pairs}" if difference.pairs < cell.planned else ""
    return (
        f"{difference_text(metric, difference, cell.mean or 0.0)}{PARTIAL if cell.vs_reference.is_partial else ''}{few}"
    )


def _difference_label(metric: Metric, reference: str) -> str:
    unit = difference_unit(metric)
    better = "" if metric.higher_is_better else f", {direction(metric)}"
    return f"difference from {reference}{f' ({unit})' if unit else ''}{better}"


def _heading(summary: Summary) -> str:
    text = f"{dataset(summary.matrix)}, test {summary.metric.title} minus that of "
    text += f"{summary.reference}: {averaged(summary)}"
    text += ", paired, 95 % interval" if summary.matrix.seeds > 1 else ""
    if any(cell.vs_reference and cell.vs_reference.is_partial and _difference(cell) for cell in summary.cells):
        text += f"; {PARTIAL} completed runs only"
    return text


def _draw_difference(axis: Axes, line: Line, low: float, high: float, scale: float) -> None:
    difference = _difference(line.cell)
    if difference is None:
        return
    look = line.style
    left, right = _ends(difference, scale)
    if left <= high and right >= low:
        ends = [max(left, low), min(right, high)]
        axis.plot(ends, [line.place] * 2, color=look.color, linewidth=style.THIN_WIDTH)
    inset = style.ARROW_INSET * (high - low)
    marks = {low + inset: (left < low, "<"), high - inset: (right > high, ">")}
    marks[scale * difference.mean] = (low <= scale * difference.mean <= high, look.marker)
    for place, (is_drawn, marker) in marks.items():
        if is_drawn:
            axis.plot(place, line.place, **_difference_marker(marker, look.color, is_filled=difference.is_significant))


def _difference_marker(marker: str, color: str, *, is_filled: bool) -> dict[str, Any]:
    return {
        "color": color,
        "linestyle": "none",
        "marker": marker,
        "markersize": style.FOREST_SIZE,
        "markerfacecolor": color if is_filled else "none",
        "markeredgecolor": color,
        "markeredgewidth": style.THIN_WIDTH,
    }


def _difference_handles(found: Sequence[PairedDifference], low: float, high: float, scale: float) -> list[Line2D]:
    """Return what stands for the kinds of markers in the legend: those that occur."""
    significant = [each.is_significant for each in found]
    untested = [each.p_value is None for each in found]
    hollow = "too few seeds for a test" if all(untested) else "not significant" + ", or untested" * any(untested)
    cut = [(each, left < low) for each in found for left, right in [_ends(each, scale)] if left < low or right > high]
    arrow = "<" if any(is_left for _, is_left in cut) else ">"
    kinds = {
        "significant": (any(significant), "o", True),
        hollow: (not all(significant), "o", False),
        "beyond the axis": (bool(cut), arrow, any(each.is_significant for each, _ in cut)),
    }
    return [
        Line2D([], [], label=label, **_difference_marker(marker, style.INK, is_filled=is_filled))
        for label, (occurs, marker, is_filled) in kinds.items()
        if occurs
    ]


FAR_LOSS = 10.0
"""A loss that is so many times that of most others ends in an arrow."""

MARKERS: dict[str, dict[str, Any]] = {
    "training": {"marker": "o", "markersize": 7.0, "markerfacecolor": "none", "markeredgewidth": style.THIN_WIDTH},
    "validation": {"marker": "o", "markersize": 4.0, "markeredgewidth": 0.0},
    "test": {"marker": "|", "markersize": 9.0, "markeredgewidth": style.LINE_WIDTH},
}
"""Made to be seen where they lie on one another."""


@page.styled()
def gap(summary: Summary) -> Figure:
    """Draw training, validation and test loss after the last epoch, with a line from training to validation."""
    unit = f" ({summary.loss.unit})" if summary.loss.unit else ""
    column = f"validation -\ntraining{unit}"
    figure, panels = rows_figure(summary, summary.norms, _loss_gap, column, sharex=False)
    is_cut = [_loss_panel(axis, lines) for axis, lines in panels]
    for axis, _ in panels:
        axis.set_xlabel(f"loss{unit}")
    what = "losses after the last epoch (training: over its steps)"
    page.heading(figure, f"{dataset(summary.matrix)}, {what}: {averaged(summary)}")
    page.legend(figure, _loss_handles(any(is_cut)))
    return figure


def _loss_panel(axis: Axes, lines: Sequence[Line]) -> bool:
    """Draw the rows of a template, and say whether one of them reaches beyond the axis."""
    drawn = [(line, losses) for line in lines if (losses := _losses(line.cell))]
    if not drawn:
        page.say(axis, "no results")
        return False
    highest = sorted(max(losses.values()) for _, losses in drawn)
    most = FAR_LOSS * highest[int(MIN_WITHIN * (len(highest) - 1))]
    log_axis(axis, "x", [loss for _, losses in drawn for loss in losses.values() if loss <= most])
    for line, losses in drawn:
        _draw_losses(axis, line, losses)
    return highest[-1] > most


def _losses(cell: CellSummary) -> dict[str, float]:
    """Return the mean losses over seeds; nothing without a run."""
    last = [epochs[-1] for epochs in cell.epochs.values() if epochs]
    if not last:
        return {}
    return {
        "training": fmean(epoch.train_loss for epoch in last),
        "validation": fmean(epoch.validation["loss"] for epoch in last),
        "test": fmean(epoch.test["loss"] for epoch in last),
    }


def _loss_gap(cell: CellSummary) -> str:
    """Write validation minus training, paired by seed, with its interval; and how many seeds where some lack."""
    gaps = [epochs[-1].validation["loss"] - epochs[-1].train_loss for epochs in cell.epochs.values() if epochs]
    if not gaps:
        return NOTHING
    mean, half = fmean(gaps), half_width(gaps)
    digits = decimals(max(abs(mean), half or 0.0))
    few = f" n={len(gaps)}" if len(gaps) < cell.planned else ""
    return f"{mean:+.{digits}f}" + ("" if half is None else f" {PLUS_MINUS}{half:.{digits}f}") + few


def decimals(value: float) -> int:
    """Return how many decimals show a number of that size by about three digits, three at most.

    >>> decimals(0.01), decimals(1.5), decimals(483.6)
    (3, 2, 0)
    """
    return 3 if value < 0.1 else max(0, 2 - floor(log10(value)))


def _draw_losses(axis: Axes, line: Line, losses: dict[str, float]) -> None:
    color = line.style.color
    edge = axis.get_xlim()[1]
    ends = [min(losses[name], edge) for name in ("training", "validation")]
    axis.plot(ends, [line.place] * 2, color=color, linewidth=style.THIN_WIDTH)
    for name, loss in losses.items():
        if loss <= edge:
            axis.plot(loss, line.place, label=name, **_loss_marker(name, color))
    if max(losses.values()) > edge:
        place = axis.get_yaxis_transform()
        axis.plot(1 - style.ARROW_INSET, line.place, color=color, marker=">", linestyle="none", transform=place)


def _loss_marker(name: str, color: str) -> dict[str, Any]:
    return {"color": color, "markeredgecolor": color, "linestyle": "none", **MARKERS[name]}


def _loss_handles(is_cut: bool) -> list[Line2D]:
    handles = [Line2D([], [], label=name, **_loss_marker(name, style.INK)) for name in MARKERS]
    beyond = Line2D([], [], label="beyond the axis", color=style.INK, marker=">", linestyle="none")
    return [*handles, *[beyond] * is_cut]
