"""The plots. Only here is matplotlib imported; figures are of their own, and no global state is changed."""

from normzoo.report._illustrations import Plot, planned_plots
from normzoo.report.plots._files import write_plots

__all__ = ["Plot", "planned_plots", "write_plots"]
