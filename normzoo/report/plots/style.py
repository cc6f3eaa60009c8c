"""How the plots look: distinct in print, in grey, and by colour-blind readers, on light pages and on dark ones."""

from dataclasses import dataclass
from typing import Any, Final, Literal

Dashes = Literal["-", "--", "-.", ":"]


@dataclass(frozen=True)
class LineStyle:
    """The colour, marker and dashes of one norm's line."""

    color: str
    marker: str
    dashes: Dashes


INK = "#111111"
"""Text, axes and black lines. A page may replace it, and nothing else has this colour."""

GRID_COLOR = "#dddddd"
"""Grid lines. A page may replace it, and nothing else has this colour."""

COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", INK, "#E69F00", "#56B4E9")
"""Okabe & Ito 2008, without the yellow, which is faint on white."""

MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")

DASHES: tuple[Dashes, ...] = ("-", "--", "-.", ":")

LINE_WIDTH, THIN_WIDTH = 1.6, 1.1
TEXT_SIZE, SMALL_SIZE, HEADING_SIZE = 9.0, 8.0, 10.0
"""In points."""

SETTINGS: Final[dict[Any, Any]] = {
    "axes.axisbelow": True,
    "axes.edgecolor": INK,
    "axes.grid": True,
    "axes.labelcolor": INK,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlecolor": INK,
    "axes.titlesize": TEXT_SIZE,
    "axes.unicode_minus": True,
    "figure.titlesize": HEADING_SIZE,
    "font.size": TEXT_SIZE,
    "grid.color": GRID_COLOR,
    "grid.linewidth": 0.6,
    "legend.fontsize": TEXT_SIZE,
    "legend.frameon": False,
    "legend.handlelength": 3.2,
    "lines.linewidth": LINE_WIDTH,
    "lines.markeredgecolor": "white",
    "lines.markeredgewidth": 0.6,
    "lines.markersize": 5.5,
    "svg.fonttype": "path",
    "svg.hashsalt": "normzoo",
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
}
"""What differs from matplotlib's defaults. Text becomes outlines, so that it looks the same everywhere."""

DPI = 150
"""Of the PNG files."""

WIDTH, NARROW_WIDTH = 8.8, 5.6
"""Of a figure, in inches: with panels side by side what a code host shows at its full size, and with a single one."""

PANEL_HEIGHT = 3.6
"""Of one plotted against batch size, in inches."""

CURVE_HEIGHT = 2.3
"""Of a learning curve's panel, in inches."""

LINE_HEIGHT = 0.2
"""Of a row in a list of norms, in inches; the axis below and the heading above are extra."""

LETTER_WIDTH = 0.075
"""Of a letter on average, in inches."""

ARROW_INSET = 0.02
"""How far from the edge arrows stand that point beyond it, as a part of the axis."""

FOREST_SIZE = 6.5
SEED_SIZE = 9.0
SEED_ALPHA = 0.45
MAX_DOTS = 10
"""With more seeds they are not drawn one by one: as many dots are a blot, and a large file."""

BAND_ALPHA = 0.16
BAR_ALPHA = 0.5
MARGIN, MIN_MARGIN = 0.04, 0.005
"""Above and below what is drawn: as a part of its range, and as a part of the greatest value at least."""

STEP, SPREAD = 0.06, 0.24
"""From one norm to the next around a batch size, and over all norms at most: as a part of the way to the next size."""


def line_style(index: int) -> LineStyle:
    """Return the style of the norm at that position of the matrix; no two of the first 56 are alike."""
    return LineStyle(COLORS[index % len(COLORS)], MARKERS[index % len(MARKERS)], DASHES[index % len(DASHES)])


def offset(index: int, norms: int) -> float:
    """Return how far from a batch size the norm at that position is drawn, as a part of the way to the next size."""
    return (index - (norms - 1) / 2) * min(STEP, SPREAD / norms)
