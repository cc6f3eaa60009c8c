"""The forest plot: how far every norm is from the baseline, and whether that is significant."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from normzoo.metric import Metric
from normzoo.report.analysis.numbers import CellSummary, Summary
from normzoo.report.analysis.wording import difference_text, difference_unit, direction
from normzoo.report.plots import figure as page
from normzoo.report.plots import style
from normzoo.report.plots.figure import Line, rows_figure
from normzoo.report.render.captions import dataset
from normzoo.report.render.cells import NOTHING, PARTIAL
from normzoo.report.render.illustrations import averaged
from normzoo.report.statistics.differences import PairedDifference

FAR = 2.5
"""What reaches further than so many times the reach of most others ends in an arrow."""

MIN_WITHIN = 2 / 3
"""Which part of the differences lie within the axis at least."""


@page.styled()
def forest(summary: Summary) -> Figure:
    """Draw every norm's difference from the baseline with its 95 % interval, by batch size.

    A marker is filled where the difference is significant after Holm's correction. One that lies far beyond most
    others is an arrow at the edge of the axis, with its number at the right as all others.
    """
    reference, metric = summary.matrix.reference, summary.metric
    norms = [norm for norm in summary.matrix.norms if norm != reference]
    figure, panels = rows_figure(
        summary, norms, partial(_number, metric), difference_unit(metric) or "difference", sharex=True
    )
    found = [each for _, lines in panels for line in lines if (each := _difference(line.cell)) is not None]
    low, high = limits(found, metric.scale)
    for axis, lines in panels:
        axis.set_xlim(low, high)
        axis.axvline(0, color=style.INK, linewidth=0.8)
        for line in lines:
            _draw(axis, line, low, high, metric.scale)
        if all(_difference(line.cell) is None for line in lines):
            page.say(axis, "no results")
    page.label_columns([axis for axis, _ in panels], _label(metric, reference))
    page.heading(figure, _heading(summary))
    page.legend(figure, _handles(found, low, high, metric.scale))
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
    most = FAR * reaches[int(MIN_WITHIN * (len(reaches) - 1))] or reaches[-1]
    ends = [0.0] + [end for each in differences for end in _ends(each, scale) if abs(end) <= most]
    margin = 0.05 * (max(ends) - min(ends))
    return min(ends) - margin, max(ends) + margin


def _ends(difference: PairedDifference, scale: float) -> tuple[float, float]:
    """Return the interval; the mean twice where there is none."""
    half = difference.half_width or 0.0
    return scale * (difference.mean - half), scale * (difference.mean + half)


def _difference(cell: CellSummary) -> PairedDifference | None:
    return cell.vs_baseline.difference if cell.vs_baseline is not None else None


def _number(metric: Metric, cell: CellSummary) -> str:
    difference = _difference(cell)
    if difference is None or cell.vs_baseline is None:
        return NOTHING
    few = f" n={difference.pairs}" if difference.pairs < cell.planned else ""
    return (
        f"{difference_text(metric, difference, cell.mean or 0.0)}{PARTIAL if cell.vs_baseline.is_partial else ''}{few}"
    )


def _label(metric: Metric, reference: str) -> str:
    unit = difference_unit(metric)
    better = "" if metric.higher_is_better else f", {direction(metric)}"
    return f"difference from {reference}{f' ({unit})' if unit else ''}{better}"


def _heading(summary: Summary) -> str:
    text = f"{dataset(summary.matrix)}, test {summary.metric.title} minus that of "
    text += f"{summary.matrix.reference}: {averaged(summary)}"
    text += ", paired, 95 % interval" if summary.matrix.seeds > 1 else ""
    if any(cell.vs_baseline and cell.vs_baseline.is_partial and _difference(cell) for cell in summary.cells):
        text += f"; {PARTIAL} completed runs only"
    return text


def _draw(axis: Axes, line: Line, low: float, high: float, scale: float) -> None:
    difference = _difference(line.cell)
    if difference is None:
        return
    look = style.line_style(line.norm)
    left, right = _ends(difference, scale)
    if left <= high and right >= low:
        ends = [max(left, low), min(right, high)]
        axis.plot(ends, [line.place] * 2, color=look.color, linewidth=style.THIN_WIDTH)
    inset = style.ARROW_INSET * (high - low)
    marks = {low + inset: (left < low, "<"), high - inset: (right > high, ">")}
    marks[scale * difference.mean] = (low <= scale * difference.mean <= high, look.marker)
    for place, (is_drawn, marker) in marks.items():
        if is_drawn:
            axis.plot(place, line.place, **_marker(marker, look.color, is_filled=difference.is_significant))


def _marker(marker: str, color: str, *, is_filled: bool) -> dict[str, Any]:
    return {
        "color": color,
        "linestyle": "none",
        "marker": marker,
        "markersize": style.FOREST_SIZE,
        "markerfacecolor": color if is_filled else "none",
        "markeredgecolor": color,
        "markeredgewidth": style.THIN_WIDTH,
    }


def _handles(found: Sequence[PairedDifference], low: float, high: float, scale: float) -> list[Line2D]:
    """Return what stands for the kinds of markers in the legend: those that occur."""
    significant = [each.is_significant for each in found]
    untested = [each.adjusted is None for each in found]
    hollow = "too few seeds for a test" if all(untested) else "not significant" + ", or untested" * any(untested)
    cut = [(each, left < low) for each in found for left, right in [_ends(each, scale)] if left < low or right > high]
    arrow = "<" if any(is_left for _, is_left in cut) else ">"
    kinds = {
        "significant (Holm)": (any(significant), "o", True),
        hollow: (not all(significant), "o", False),
        "beyond the axis": (bool(cut), arrow, any(each.is_significant for each, _ in cut)),
    }
    return [
        Line2D([], [], label=label, **_marker(marker, style.INK, is_filled=is_filled))
        for label, (occurs, marker, is_filled) in kinds.items()
        if occurs
    ]
