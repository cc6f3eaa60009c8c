"""How values of a metric, differences and p values are written, and small pieces of sentences."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from math import ceil

from normzoo.metric import Metric
from normzoo.report.statistics.differences import LEVEL, PairedDifference

PLUS_MINUS = "\N{PLUS-MINUS SIGN}"
AT_MOST = "\N{LESS-THAN OR EQUAL TO}"

WIDE = 9.95
"""Half the width, in written units, from which an interval has no decimals."""

MIN_P = 0.001
"""Below which a p value is not written out."""


_ROUNDING = 1e-6
"""Of the last digit that is written: what a bound may be below what it was computed as."""


def value_text(metric: Metric, value: float, half_width: float | None = None, *, like: float | None = None) -> str:
    """Write a value without its unit, with half the width of its interval where there is one.

    >>> from normzoo.metric import ACCURACY
    >>> value_text(ACCURACY, 0.9312, 0.008)
    '93.1 ±0.8'
    """
    like = value if like is None else like
    metric = _fitting(metric, half_width)
    return _with_interval(metric.write(value, like=like), metric, half_width, like)


def difference_text(metric: Metric, difference: PairedDifference, like: float) -> str:
    """Write a signed difference without its unit, with its interval.

    Args:
        metric: what it is a difference of.
        difference: what to write.
        like: the value that it stands next to, whose decimals it gets unless it is larger itself.

    >>> from normzoo.metric import ACCURACY
    >>> difference_text(ACCURACY, PairedDifference(-0.0123, 0.004, 5), 0.9)
    '-1.2 ±0.4'
    >>> difference_text(Metric(name="rmse", higher_is_better=False), PairedDifference(-0.0123, 0.004, 5), 0.512)
    '-0.012 ±0.004'
    """
    like = max(abs(difference.mean), abs(like))
    metric = _fitting(metric, difference.half_width)
    return _with_interval(metric.write_signed(difference.mean, like=like), metric, difference.half_width, like)


def amount_text(metric: Metric, difference: PairedDifference, like: float) -> str:
    """Write a difference as :func:`difference_text` does, without its sign."""
    like = max(abs(difference.mean), abs(like))
    return value_text(metric, abs(difference.mean), difference.half_width, like=like)


def bound_text(metric: Metric, bound: float) -> str:
    """Write what a difference is at most, rounded up in its last digit, without its unit.

    >>> from normzoo.metric import ACCURACY
    >>> bound_text(ACCURACY, 0.0081), bound_text(Metric(name="rmse", higher_is_better=False), 0.01231)
    ('0.9', '0.0124')
    """
    text = metric.write(bound, like=bound)
    digits = Decimal(text)
    exponent = digits.as_tuple().exponent
    if not isinstance(exponent, int):  # it is infinite
        return text
    last = Decimal(1).scaleb(exponent)
    is_less = float(digits) < metric.scale * bound - _ROUNDING * float(last)
    return metric.write(float(digits + last) / metric.scale, like=bound) if is_less else text


def _fitting(metric: Metric, half_width: float | None) -> Metric:
    """Return the metric without decimals where the interval is that wide."""
    is_wide = half_width is not None and metric.scale * half_width >= WIDE
    return replace(metric, decimals=0) if is_wide and metric.decimals else metric


def _with_interval(text: str, metric: Metric, half_width: float | None, like: float) -> str:
    return text if half_width is None else f"{text} {interval_text(metric, half_width, like)}"


def interval_text(metric: Metric, half_width: float, like: float) -> str:
    """Write half the width of an interval with its sign; one of half of all possible values as at least that."""
    if metric.lowest is not None and metric.highest is not None:
        most = (metric.highest - metric.lowest) / 2
        if half_width > most:
            return f"{PLUS_MINUS}>{metric.write(most, like=like)}"
    return f"{PLUS_MINUS}{_fitting(metric, half_width).write(half_width, like=like)}"


def with_unit(metric: Metric, text: str) -> str:
    """Put a value's unit behind it, or the metric's name before it if it has no unit.

    >>> from normzoo.metric import ACCURACY
    >>> with_unit(ACCURACY, "93.1"), with_unit(Metric(name="rmse", label="RMSE", higher_is_better=False), "0.512")
    ('93.1 %', 'RMSE 0.512')
    """
    return f"{text} {metric.unit}" if metric.unit else f"{metric.title} {text}"


def with_difference_unit(metric: Metric, text: str) -> str:
    """Put a difference's unit behind it, if it has one.

    >>> from normzoo.metric import ACCURACY
    >>> with_difference_unit(ACCURACY, "1.2")
    '1.2 points'
    """
    return f"{text} {difference_unit(metric)}".rstrip()


def difference_unit(metric: Metric) -> str:
    """Return the unit of a difference, which may be empty."""
    return metric.difference_unit or metric.unit


def in_unit(unit: str) -> str:
    """Say in which unit something is; nothing without one.

    >>> in_unit("%"), in_unit("")
    (' in %', '')
    """
    return f" in {unit}" if unit else ""


def direction(metric: Metric) -> str:
    """Say which of two values is better."""
    return "higher is better" if metric.higher_is_better else "lower is better"


def p_value_text(p_value: float) -> str:
    """Write a p value.

    >>> p_value_text(0.0471), p_value_text(0.00001), p_value_text(1.0)
    ('0.047', '<0.001', '1')
    """
    return f"<{MIN_P}" if p_value < MIN_P else "1" if p_value > 0.999 else f"{_rounded(p_value):.3f}"


def _rounded(p_value: float) -> float:
    """Return a p value with three digits; one above the level is not written as the level."""
    rounded = round(p_value, 3)
    return rounded + 0.001 if rounded <= LEVEL < p_value else rounded


def at_most(p_values: Sequence[float]) -> str:
    """Write the highest of several p values.

    >>> at_most([0.047]), at_most([0.008, 0.03125]), at_most([0.0001, 0.0002])
    ('= 0.047', '≤ 0.032', '< 0.001')
    """
    highest = max(p_values)
    if highest < MIN_P:
        return f"< {MIN_P}"
    if len(p_values) == 1:
        return f"= {_rounded(highest):.3f}"
    return f"{AT_MOST} {ceil(round(1000 * highest, 6)) / 1000:.3f}"


def enumerated(names: Sequence[str]) -> str:
    """Write names one after the other.

    >>> enumerated(["batch"]), enumerated(["batch", "layer", "none"])
    ('batch', 'batch, layer and none')
    """
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
