"""Reads stored records and says what they show: numbers, findings, terminal tables, markdown.

The plots are in :mod:`normzoo.report.plots`, so that importing this package does not import matplotlib.
"""

from normzoo.report.analysis.findings import findings
from normzoo.report.analysis.notes import Provenance, failure_lines, provenance
from normzoo.report.analysis.numbers import (
    CellSummary,
    Contrast,
    Estimate,
    Row,
    Summary,
    Table,
    VsReference,
    summary_rows,
)
from normzoo.report.analysis.summary import summarize
from normzoo.report.render.illustrations import Plot, planned_plots
from normzoo.report.render.latex import to_latex
from normzoo.report.render.markdown import to_markdown
from normzoo.report.render.sections import Depth, Part, Section, heading, sections
from normzoo.report.render.terminal import to_rich
from normzoo.report.statistics.differences import PairedDifference
from normzoo.report.statistics.family import Family
from normzoo.report.statistics.power import Power

__all__ = [
    "CellSummary",
    "Contrast",
    "Depth",
    "Estimate",
    "Family",
    "PairedDifference",
    "Part",
    "Plot",
    "Power",
    "Provenance",
    "Row",
    "Section",
    "Summary",
    "Table",
    "VsReference",
    "failure_lines",
    "findings",
    "heading",
    "planned_plots",
    "provenance",
    "sections",
    "summarize",
    "summary_rows",
    "to_latex",
    "to_markdown",
    "to_rich",
]
