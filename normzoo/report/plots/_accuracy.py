"""Test accuracy against batch size."""

from matplotlib.figure import Figure

from normzoo.report._numbers import Summary
from normzoo.report.plots import _style as style
from normzoo.report.plots._against_size import against_size, drawn
from normzoo.report.plots._figure import styled


@styled()
def accuracy(summary: Summary) -> Figure:
    """Draw test accuracy in percent against batch size: one panel per template, one line per norm."""
    figure, axes = against_size(summary, _percent, "test accuracy (%)")
    axes[0].set_ylim(*_limits(drawn(summary, _percent)))
    return figure


def _percent(accuracy: float) -> float:
    return 100 * accuracy


def _limits(values: list[float]) -> tuple[float, float]:
    """Return the range of the vertical axis: all that is drawn, and a little more."""
    if not values:
        return 0.0, 100.0
    low, high = min(values), max(values)
    margin = max(style.LEAST_MARGIN, style.MARGIN * (high - low))
    return low - margin, high + margin
