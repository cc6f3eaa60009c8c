"""Reads stored records and says what they show: numbers, findings, terminal tables, markdown.

The plots are in :mod:`normzoo.report.plots`, so that importing this package does not import matplotlib.
"""

from normzoo.report._numbers import Cell, Row, Summary, Table
from normzoo.report._statistics import Difference
from normzoo.report.failures import failure_lines
from normzoo.report.findings import findings
from normzoo.report.markdown import to_markdown
from normzoo.report.provenance import Provenance, provenance
from normzoo.report.summary import summarize
from normzoo.report.tables import to_rich

__all__ = [
    "Cell",
    "Difference",
    "Provenance",
    "Row",
    "Summary",
    "Table",
    "failure_lines",
    "findings",
    "provenance",
    "summarize",
    "to_markdown",
    "to_rich",
]
