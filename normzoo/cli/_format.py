"""Formats single values and curves of runs as text."""

import math
from collections.abc import Sequence

from normzoo.experiment.results.records import RunRecord

NOTHING = "-"
_BARS = (".:-=+*#@", "▁▂▃▄▅▆▇█")
_LONGEST_CURVE = 60


def format_value(value: object) -> str:
    """Format a value of a record.

    >>> format_value(0.1 + 0.2), format_value(None), format_value(True), format_value("cpu"), format_value("")
    ('0.3', '-', 'yes', 'cpu', '-')
    """
    if value is None or value == "":
        return NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def format_distinct(a: object, b: object) -> tuple[str, str]:
    """Format two different values, with as many digits as the difference needs.

    >>> format_distinct(0.5, 0.25), format_distinct(1.00000001, 1.00000002)
    (('0.5', '0.25'), ('1.00000001', '1.00000002'))
    """
    short = format_value(a), format_value(b)
    return short if short[0] != short[1] else (str(a), str(b))


def test_result(record: RunRecord) -> str:
    """Format the deciding metric on the test set with its unit; nothing where there is none."""
    value = record.test_value
    return NOTHING if value is None else f"{record.metric.write(value)} {record.metric.unit}".rstrip()


def moment(time: str) -> str:
    """Format an ISO 8601 time to the minute.

    >>> moment("2025-01-31T12:34:56+00:00")
    '2025-01-31 12:34'
    """
    return time[:16].replace("T", " ")


def counted(number: int, noun: str) -> str:
    """Format a number of things.

    >>> counted(1, "run"), counted(10_000, "run")
    ('1 run', '10,000 runs')
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def curve(values: Sequence[float], lowest: float, highest: float, *, ascii_only: bool = False) -> str:
    """Draw values as bars on the scale from ``lowest`` to ``highest``, with ``x`` for one that is not finite.

    Of more values than fit in a line, evenly spread ones are drawn, the first and the last among them.

    >>> curve([0.0, 0.5, 1.0, float("nan")], 0.0, 1.0)
    '▁▅█x'
    """
    bars = _BARS[0] if ascii_only else _BARS[1]
    if len(values) > _LONGEST_CURVE:
        step = (len(values) - 1) / (_LONGEST_CURVE - 1)
        values = [values[round(index * step)] for index in range(_LONGEST_CURVE)]
    scale = (len(bars) - 1) / (highest - lowest) if highest > lowest else 0.0
    return "".join(bars[int(scale * (value - lowest) + 0.5)] if math.isfinite(value) else "x" for value in values)
