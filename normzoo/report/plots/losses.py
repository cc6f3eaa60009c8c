"""How far training, validation and test loss are apart at the end."""

from collections.abc import Sequence
from math import floor, log10
from statistics import fmean
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from normzoo.report.analysis.numbers import CellSummary, Summary
from normzoo.report.analysis.wording import PLUS_MINUS
from normzoo.report.plots import figure as page
from normzoo.report.plots import style
from normzoo.report.plots.axes import log_axis
from normzoo.report.plots.figure import Line, rows_figure
from normzoo.report.render.captions import dataset
from normzoo.report.render.cells import NOTHING
from normzoo.report.render.illustrations import averaged
from normzoo.report.statistics.differences import half_width

FAR = 10.0
"""A loss that is so many times that of most others ends in an arrow."""

MIN_WITHIN = 2 / 3
"""Which part of the rows lie within the axis at least."""

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
    figure, panels = rows_figure(summary, summary.matrix.norms, _number, column, sharex=False)
    is_cut = [_panel(axis, lines) for axis, lines in panels]
    for axis, _ in panels:
        axis.set_xlabel(f"loss{unit}")
    what = "losses after the last epoch (training: over its steps)"
    page.heading(figure, f"{dataset(summary.matrix)}, {what}: {averaged(summary)}")
    page.legend(figure, _handles(any(is_cut)))
    return figure


def _panel(axis: Axes, lines: Sequence[Line]) -> bool:
    """Draw the rows of a template, and say whether one of them reaches beyond the axis."""
    drawn = [(line, losses) for line in lines if (losses := _losses(line.cell))]
    if not drawn:
        page.say(axis, "no results")
        return False
    highest = sorted(max(losses.values()) for _, losses in drawn)
    most = FAR * highest[int(MIN_WITHIN * (len(highest) - 1))]
    log_axis(axis, "x", [loss for _, losses in drawn for loss in losses.values() if loss <= most])
    for line, losses in drawn:
        _draw(axis, line, losses)
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


def _number(cell: CellSummary) -> str:
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


def _draw(axis: Axes, line: Line, losses: dict[str, float]) -> None:
    color = style.line_style(line.norm).color
    edge = axis.get_xlim()[1]
    ends = [min(losses[name], edge) for name in ("training", "validation")]
    axis.plot(ends, [line.place] * 2, color=color, linewidth=style.THIN_WIDTH)
    for name, loss in losses.items():
        if loss <= edge:
            axis.plot(loss, line.place, label=name, **_marker(name, color))
    if max(losses.values()) > edge:
        place = axis.get_yaxis_transform()
        axis.plot(1 - style.ARROW_INSET, line.place, color=color, marker=">", linestyle="none", transform=place)


def _marker(name: str, color: str) -> dict[str, Any]:
    return {"color": color, "markeredgecolor": color, "linestyle": "none", **MARKERS[name]}


def _handles(is_cut: bool) -> list[Line2D]:
    handles = [Line2D([], [], label=name, **_marker(name, style.INK)) for name in MARKERS]
    beyond = Line2D([], [], label="beyond the axis", color=style.INK, marker=">", linestyle="none")
    return [*handles, *[beyond] * is_cut]
