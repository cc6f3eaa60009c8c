"""The forest plot: how far every norm is from the baseline, and whether that is told from zero."""

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from normzoo.report._captions import dataset
from normzoo.report._cells import NOTHING, SURVIVORS, points
from normzoo.report._illustrations import averaged
from normzoo.report._numbers import Cell, Summary
from normzoo.report.plots import _figure
from normzoo.report.plots import _style as style
from normzoo.report.plots._rows import Line, rows_figure
from normzoo.report.statistics.differences import Difference

FAR = 2.5
"""What reaches further than so many times the reach of most others ends in an arrow."""

MOST = 2 / 3
"""How many of the differences lie within the axis at least."""


@_figure.styled()
def forest(summary: Summary) -> Figure:
    """Draw every norm's difference from the baseline in points with its 95 % interval, by batch size.

    A marker is filled where the difference is told from zero after Holm's correction. One that lies far beyond most
    others is an arrow at the edge of the axis, with its number beside it as all others.
    """
    reference = summary.matrix.reference
    norms = [norm for norm in summary.matrix.norms if norm != reference]
    figure, panels = rows_figure(summary, norms, _number, "points", sharex=True)
    found = [each for _, lines in panels for line in lines if (each := _difference(line.cell)) is not None]
    low, high = limits(found)
    for axis, lines in panels:
        axis.set_xlim(low, high)
        axis.axvline(0, color=style.INK, linewidth=0.8)
        for line in lines:
            _draw(axis, line, low, high)
        if all(_difference(line.cell) is None for line in lines):
            _figure.say(axis, "no results")
    _figure.label_columns([axis for axis, _ in panels], f"difference from {reference} (percentage points)")
    _figure.heading(figure, _heading(summary))
    _figure.legend(figure, _handles(found, low, high))
    return figure


def limits(differences: Sequence[Difference]) -> tuple[float, float]:
    """Return the range of the axis in points: zero and all intervals but those that reach far beyond most.

    >>> low, high = limits([Difference(-0.4, 0.05, 5), Difference(0.01, 0.01, 5), Difference(0.02, 0.01, 5)])
    >>> round(low, 2), round(high, 2)
    (-0.15, 3.15)
    """
    reaches = sorted(max(map(abs, _ends(each))) for each in differences)
    if not reaches or not reaches[-1]:
        return -1.0, 1.0
    most = FAR * reaches[int(MOST * (len(reaches) - 1))] or reaches[-1]
    ends = [0.0] + [end for each in differences for end in _ends(each) if abs(end) <= most]
    margin = 0.05 * (max(ends) - min(ends))
    return min(ends) - margin, max(ends) + margin


def _ends(difference: Difference) -> tuple[float, float]:
    """Return the interval in points; the mean twice where there is none."""
    half = difference.half_width or 0.0
    return 100 * (difference.mean - half), 100 * (difference.mean + half)


def _difference(cell: Cell) -> Difference | None:
    return cell.versus.difference if cell.versus is not None else None


def _number(cell: Cell) -> str:
    difference = _difference(cell)
    if difference is None or cell.versus is None:
        return NOTHING
    few = f" n={difference.pairs}" if difference.pairs < cell.planned else ""
    return f"{points(difference)}{SURVIVORS if cell.versus.lost else ''}{few}"


def _heading(summary: Summary) -> str:
    text = f"{dataset(summary.matrix)}, test accuracy minus that of {summary.matrix.reference}: {averaged(summary)}"
    text += ", paired, 95 % interval" if summary.matrix.seeds > 1 else ""
    if any(cell.versus is not None and cell.versus.lost for table in summary.tables for cell in table.cells):
        text += f"; {SURVIVORS} of those runs only that have a result"
    return text


def _draw(axis: Axes, line: Line, low: float, high: float) -> None:
    difference = _difference(line.cell)
    if difference is None:
        return
    look = style.line_style(line.norm)
    left, right = _ends(difference)
    if left <= high and right >= low:
        ends = [max(left, low), min(right, high)]
        axis.plot(ends, [line.place] * 2, color=look.color, linewidth=style.THIN_WIDTH)
    inset = style.ARROW_INSET * (high - low)
    marks = {low + inset: (left < low, "<"), high - inset: (right > high, ">")}
    marks[100 * difference.mean] = (low <= 100 * difference.mean <= high, look.marker)
    for place, (is_drawn, marker) in marks.items():
        if is_drawn:
            axis.plot(place, line.place, **_marker(marker, look.color, is_filled=difference.is_told_from_zero))


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


def _handles(found: Sequence[Difference], low: float, high: float) -> list[Line2D]:
    """Return what stands for the kinds of markers in the legend: those that occur."""
    told = [each.is_told_from_zero for each in found]
    untested = [each.adjusted is None for each in found]
    hollow = "too few seeds for a test" if all(untested) else "not told from zero" + ", or untested" * any(untested)
    cut = [(each, left < low) for each in found for left, right in [_ends(each)] if left < low or right > high]
    arrow = "<" if any(is_left for _, is_left in cut) else ">"
    kinds = {
        "told from zero (Holm)": (any(told), "o", True),
        hollow: (not all(told), "o", False),
        "beyond the axis": (bool(cut), arrow, any(each.is_told_from_zero for each, _ in cut)),
    }
    return [
        Line2D([], [], label=label, **_marker(marker, style.INK, is_filled=is_filled))
        for label, (occurs, marker, is_filled) in kinds.items()
        if occurs
    ]
