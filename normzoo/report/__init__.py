"""Reads stored records and says what they show: numbers, findings, terminal tables, markdown.

The plots are in :mod:`normzoo.report.plots`, so that importing this package does not import matplotlib.
"""

from normzoo.report.analysis.findings import findings
from normzoo.report.analysis.notes import Provenance, failure_lines, provenance, runs_without_result
from normzoo.report.analysis.numbers import (
    CellSummary,
    Contrast,
    Estimate,
    Row,
    Summary,
    Table,
    VsBaseline,
    summary_rows,
)
from normzoo.report.analysis.summary import summarize
from normzoo.report.render.illustrations import Plot, planned_plots
from normzoo.report.render.markdown import brief, to_markdown
from normzoo.report.render.terminal import to_rich
from normzoo.report.statistics.differences import PairedDifference
from normzoo.report.statistics.family import Family, Power

__all__ = [
    "CellSummary",
    "Contrast",
    "Estimate",
    "Family",
    "PairedDifference",
    "Plot",
    "Power",
    "Provenance",
    "Row",
    "Summary",
    "Table",
    "VsBaseline",
    "brief",
    "failure_lines",
    "findings",
    "planned_plots",
    "provenance",
    "runs_without_result",
    "summarize",
    "summary_rows",
    "to_markdown",
    "to_rich",
]
