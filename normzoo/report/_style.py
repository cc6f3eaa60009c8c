"""How the plots look: told apart in print, in grey, and by colour-blind readers."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class LineStyle:
    """The colour, marker and dashes of one norm's line."""

    color: str
    marker: str
    dashes: Literal["-", "--", "-.", ":"]


COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#000000", "#E69F00", "#56B4E9")
"""Okabe & Ito 2008, without the yellow, which is faint on white."""

MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")

DASHES: tuple[Literal["-", "--", "-.", ":"], ...] = ("-", "--", "-.", ":")

PANEL_WIDTH, PANEL_HEIGHT, LEGEND_WIDTH, LETTER_WIDTH = 3.7, 4.2, 0.8, 0.085
"""In inches; the legend's width is without its letters."""

DPI = 150
LINE_WIDTH = 1.6
MARKER_SIZE = 5.5
SEED_SIZE = 9.0
SEED_ALPHA = 0.45
BAND_ALPHA = 0.16
BAR_ALPHA = 0.5
HEADING_SIZE = 10
MARGIN, LEAST_MARGIN = 0.04, 0.5
"""Above and below what is drawn: as a part of its range, and in points."""

GRID_COLOR = "#dddddd"
STEP, SPREAD = 0.06, 0.24
"""From one norm to the next beside a batch size, and over all norms at most: as a part of the way to the next size."""


def line_style(index: int) -> LineStyle:
    """Return the style of the norm at that position of the matrix; no two of the first 56 are alike."""
    return LineStyle(COLORS[index % len(COLORS)], MARKERS[index % len(MARKERS)], DASHES[index % len(DASHES)])


def offset(index: int, norms: int) -> float:
    """Return how far beside a batch size the norm at that position is drawn, as a part of the way to the next size."""
    return (index - (norms - 1) / 2) * min(STEP, SPREAD / norms)
