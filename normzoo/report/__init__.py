"""Reads stored records and says what they show: numbers, findings, terminal tables, markdown.

The plots are in :mod:`normzoo.report.plots`, so that importing this package does not import matplotlib.
"""

from normzoo.report._illustrations import Plot, planned_plots
from normzoo.report._numbers import Cell, Contrast, Row, Summary, Table, Versus
from normzoo.report.failures import failure_lines, lost_runs
from normzoo.report.findings import findings
from normzoo.report.markdown import to_markdown
from normzoo.report.provenance import Provenance, provenance
from normzoo.report.statistics.differences import Difference
from normzoo.report.statistics.family import Family
from normzoo.report.statistics.power import Power
from normzoo.report.summary import summarize
from normzoo.report.tables import to_rich

__all__ = [
    "Cell",
    "Contrast",
    "Difference",
    "Family",
    "Plot",
    "Power",
    "Provenance",
    "Row",
    "Summary",
    "Table",
    "Versus",
    "failure_lines",
    "findings",
    "lost_runs",
    "planned_plots",
    "provenance",
    "summarize",
    "to_markdown",
    "to_rich",
]
