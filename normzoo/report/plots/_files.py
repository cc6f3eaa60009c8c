"""The plots of a report as files."""

from collections.abc import Callable
from pathlib import Path

from matplotlib.figure import Figure

from normzoo.report._illustrations import Plot, planned_plots
from normzoo.report._numbers import Summary
from normzoo.report.plots._accuracy import accuracy
from normzoo.report.plots._curves import curves, seconds
from normzoo.report.plots._error import error
from normzoo.report.plots._figure import save
from normzoo.report.plots._forest import forest
from normzoo.report.plots._gap import gap

FIGURES: dict[str, Callable[[Summary], Figure]] = {
    "accuracy": accuracy,
    "error": error,
    "curves": curves,
    "seconds": seconds,
    "forest": forest,
    "gap": gap,
}
"""What draws a plot, by its name."""


def write_plots(summary: Summary, stem: str | Path) -> list[Plot]:
    """Write the plots that a summary has, each as SVG and PNG, and return them.

    They are those of :func:`planned_plots`. The same summary gives the same bytes.

    Args:
        summary: the numbers.
        stem: the path of the report without its suffix: ``reports/digits`` makes ``reports/digits-accuracy.svg``.
    """
    plots = planned_plots(summary, stem)
    for plot in plots:
        save(FIGURES[plot.name](summary), plot.png, plot.svg)
    return plots
