"""Test error against batch size, which shows what differs near an accuracy of 100 %."""

from matplotlib.figure import Figure

from normzoo.report._numbers import Summary
from normzoo.report.plots._against_size import against_size, drawn
from normzoo.report.plots._figure import styled
from normzoo.report.plots._scale import log_axis
from normzoo.report.statistics.differences import DIGITS


@styled()
def error(summary: Summary) -> Figure:
    """Draw test error in percent against batch size on a logarithmic axis, with zero at its foot where it occurs."""
    figure, axes = against_size(summary, _percent, "test error (%)")
    for axis in axes:
        log_axis(axis, "y", drawn(summary, _percent))
    return figure


def _percent(accuracy: float) -> float:
    return round(100 * (1 - accuracy), DIGITS - 2)
