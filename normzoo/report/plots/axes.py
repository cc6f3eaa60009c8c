"""Axes: batch sizes by powers of two, and logarithmic ones that begin at zero."""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from math import ceil, floor, log2, log10

from matplotlib.axes import Axes
from matplotlib.axis import Axis

from normzoo.metric import Metric
from normzoo.report.analysis.wording import direction

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
