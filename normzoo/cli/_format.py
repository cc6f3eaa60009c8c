"""Formats single values and curves of runs as text."""

import math
from collections.abc import Sequence

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


def percent(fraction: float | None) -> str:
    """Format a fraction in percent, without the sign.

    >>> percent(0.93125), percent(None)
    ('93.12', '-')
    """
    return NOTHING if fraction is None else f"{100 * fraction:.2f}"


def moment(time: str) -> str:
    """Format an ISO 8601 time to the minute.

    >>> moment("2025-01-31T12:34:56+00:00")
    '2025-01-31 12:34'
    """
    return time[:16].replace("T", " ")


def duration(seconds: float) -> str:
    """Format seconds as minutes and seconds.

    >>> duration(7.4), duration(185)
    ('7 s', '3 min 05 s')
    """
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


def counted(number: int, noun: str) -> str:
    """Format a number of things.

    >>> counted(1, "run"), counted(10_000, "run")
    ('1 run', '10,000 runs')
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def shortened(name: str, width: int) -> str:
    """Cut the middle out of a name that is too long, since either end may distinguish it from others.

    >>> shortened("group:groups=4,eps=1e-3", 12)
    'group…s=1e-3'
    """
    if len(name) <= width:
        return name
    tail = width // 2
    return f"{name[: width - tail - 1]}\N{HORIZONTAL ELLIPSIS}{name[-tail:]}"


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
