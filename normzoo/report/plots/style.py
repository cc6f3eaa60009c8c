"""How the plots look, axes included: distinct in print, in grey, by colour-blind readers, on light and dark pages."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from math import ceil, floor, lcm, log2, log10
from typing import Any, Final, Literal
from zlib import crc32

from matplotlib.axes import Axes
from matplotlib.axis import Axis

from normzoo.metric import Metric
from normzoo.registry import NORMS
from normzoo.report.analysis.wording import direction

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
    "text.parse_math": False,
    "xtick.color": INK,
    "ytick.color": INK,
}
"""What differs from matplotlib's defaults. Text becomes outlines, so that it looks the same everywhere, and a dollar in
it is one."""

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


STYLES = tuple(
    LineStyle(COLORS[index % len(COLORS)], MARKERS[index % len(MARKERS)], DASHES[index % len(DASHES)])
    for index in range(lcm(len(COLORS), len(MARKERS)))
)
"""All that differ, the first of which are those of the norms of :mod:`normzoo.registry`."""

_FIRST = ("batch", "layer", "instance", "group", "rms", "none")
"""Norms whose styles stay what they were, wherever others come to stand in the registry."""


@lru_cache
def line_styles(norms: tuple[str, ...]) -> dict[str, LineStyle]:
    """Return the style of every norm, which does not depend on their order.

    One of the registry's, with its default options, always has the same. Any other has one by its name, or the next
    one if another of them has its colour, or, once all colours are taken, if another of them has it.
    """
    named = dict(zip(dict.fromkeys((*_FIRST, *NORMS)), STYLES, strict=False))
    found = {norm: named[norm] for norm in norms if norm in named}
    for norm in sorted(set(norms) - set(found)):
        start = crc32(norm.encode())
        candidates = [STYLES[(start + step) % len(STYLES)] for step in range(len(STYLES))]
        colors = {each.color for each in found.values()}
        free = [each for each in candidates if each.color not in colors] or candidates
        found[norm] = next((each for each in free if each not in found.values()), free[0])
    return {norm: found[norm] for norm in norms}


def offset(index: int, norms: int) -> float:
    """Return how far from a batch size the norm at that position is drawn, as a part of the way to the next size."""
    return (index - (norms - 1) / 2) * min(STEP, SPREAD / norms)


ZERO_PART = 0.35
"""How long the way from zero to the least value is, as a part of a decade's."""

MAX_TICKS = 7


def axis_label(metric: Metric) -> str:
    """Name the axis of a metric on the test set; say so where lower is better.

    >>> axis_label(Metric(name="rmse", label="RMSE", unit="K", higher_is_better=False))
    'test RMSE (K), lower is better'
    """
    unit = f" ({metric.unit})" if metric.unit else ""
    return f"test {metric.title}{unit}{'' if metric.higher_is_better else f', {direction(metric)}'}"


def batch_size_axis(axis: Axes, batch_sizes: Sequence[int]) -> None:
    """Make the horizontal axis that of the batch sizes, with each of them as a tick."""
    axis.set_xlabel("batch size (samples)")
    axis.set_xscale("log", base=2)
    axis.set_xticks(batch_sizes, [str(size) for size in batch_sizes])
    axis.minorticks_off()
    margin = 2 ** (least_gap(batch_sizes) / 2)
    axis.set_xlim(batch_sizes[0] / margin, batch_sizes[-1] * margin)


def least_gap(batch_sizes: Sequence[int]) -> float:
    """Return the least distance of two batch sizes in powers of two; 1 for a single one."""
    return min((log2(right / left) for left, right in pairwise(batch_sizes)), default=1.0)


def log_axis(axes: Axes, name: str, drawn: Iterable[float]) -> None:
    """Make the axis ``x`` or ``y`` logarithmic down to the least positive value drawn, and linear from there to zero.

    It shows zero where zero is drawn; without a zero it is an ordinary logarithmic axis.
    """
    values = list(drawn)
    positive = [value for value in values if value > 0]
    least, most = (min(positive), max(positive)) if positive else (1.0, 1.0)
    has_zero = len(positive) < len(values)
    most = max(most, 3 * least) if has_zero else most
    margin = max(1.08, (most / least) ** 0.04)
    limits = (-0.1 * least if has_zero else least / margin, most * margin)
    axis: Axis = getattr(axes, f"{name}axis")
    getattr(axes, f"set_{name}scale")("symlog", linthresh=least / margin, linscale=ZERO_PART)
    getattr(axes, f"set_{name}lim")(*limits)
    ticks = log_ticks(least / margin, most * margin)
    axis.set_ticks([0.0] * has_zero + ticks, labels=["0"] * has_zero + [f"{tick:g}" for tick in ticks])
    axis.set_ticks([], minor=True)


def log_ticks(low: float, high: float) -> list[float]:
    """Return round numbers from ``low`` to ``high``, not too many; as they are without a power of ten between.

    >>> log_ticks(0.8, 60), log_ticks(0.001, 100), log_ticks(31, 38)
    ([1.0, 2.0, 5.0, 10.0, 20.0, 50.0], [0.001, 0.01, 0.1, 1.0, 10.0, 100.0], [32.0, 34.0, 36.0, 38.0])
    """
    powers = range(floor(log10(low)), ceil(log10(high)) + 1)
    for steps in ((1, 1.5, 2, 3, 5, 7), (1, 2, 5), (1, 3), (1,)):
        ticks = [float(f"{step}e{power}") for power in powers for step in steps]
        ticks = [tick for tick in ticks if low <= tick <= high]
        if len(ticks) <= MAX_TICKS:
            break
    return ticks[:: ceil(len(ticks) / MAX_TICKS)] if len(ticks) > 2 else _even_ticks(low, high)


def _even_ticks(low: float, high: float) -> list[float]:
    """Return about four ticks at even distances."""
    power = floor(log10((high - low) / 3))
    step = next(step for step in (1, 2, 5, 10) if (high - low) / (step * 10.0**power) <= MAX_TICKS - 2)
    unit = step * 10.0**power
    return [round(count * unit, 12) for count in range(ceil(low / unit), floor(high / unit) + 1)]
