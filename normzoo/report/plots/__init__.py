"""The plots. Only here is matplotlib imported; figures are of their own, and no global state is changed."""

from normzoo.report.plots.files import write_plots
from normzoo.report.render.illustrations import Plot, planned_plots

__all__ = ["Plot", "planned_plots", "write_plots"]
