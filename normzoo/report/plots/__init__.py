"""The plots of a report as files.

Only in this folder is matplotlib imported; figures are of their own, and no global state is changed.
"""

import io
from collections.abc import Callable, Sequence
from pathlib import Path

from matplotlib.figure import Figure

from normzoo.registry import find
from normzoo.report.analysis.numbers import Summary
from normzoo.report.plots.figure import drawn
from normzoo.report.plots.lines import curves, error, seconds, values
from normzoo.report.plots.rows import forest, gap
from normzoo.report.render.illustrations import Plot, planned_plots

__all__ = ["FIGURES", "as_png", "draw", "plot_files"]

FIGURES: dict[str, Callable[[Summary], Figure]] = {
    "values": values,
    "error": error,
    "curves": curves,
    "seconds": seconds,
    "forest": forest,
    "gap": gap,
}
"""What draws a plot, by its kind."""


def draw(summary: Summary, kind: str | None = None) -> Figure:
    """Draw one of the plots that a summary has; by default the first, which is of the values.

    Raises:
        UnknownNameError: it has no plot of that kind.
    """
    kinds = {plot.kind: plot for plot in planned_plots(summary, "plot")}
    chosen = next(iter(kinds), "values") if kind is None else kind
    return FIGURES[find("plot", kinds, chosen).kind](summary)


def as_png(figure: Figure) -> bytes:
    """Return a figure as a picture."""
    file = io.BytesIO()
    figure.savefig(file, format="png")
    return file.getvalue()


def plot_files(summary: Summary, plots: Sequence[Plot]) -> dict[Path, bytes]:
    """Return the files of plots, each as SVG and PNG. The same summary gives the same bytes.

    Args:
        summary: the numbers.
        plots: those of :func:`planned_plots`.
    """
    files: dict[Path, bytes] = {}
    for plot in plots:
        files[plot.svg], files[plot.png] = drawn(FIGURES[plot.kind](summary))
    return files
