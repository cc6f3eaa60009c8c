"""The plots. Only here is matplotlib imported; figures are of their own, and no global state is changed."""

from normzoo.report.plots.files import draw, write_plots
from normzoo.report.render.illustrations import Plot, planned_plots

__all__ = ["Plot", "draw", "planned_plots", "write_plots"]
