"""What there is to know of a metric to write it down and to say which of two values is better. Torch-free."""

import math
from dataclasses import dataclass

_FEW, _MANY = 1e-6, 1e7
"""Numbers below and from these are written with an exponent."""

_MAX_DECIMALS = 20

_LARGEST = 1e100


def _rounding(bound: float) -> float:
    """Return how far beyond a bound a metric may lie that is computed in float32."""
    return 1e-5 * max(1.0, abs(bound))


def is_comparable(value: float) -> bool:
    """Whether a result can be compared with others: it is a number, and its square is one, too.

    >>> is_comparable(-5.0), is_comparable(math.nan), is_comparable(1e200)
    (True, False, False)
    """
    return abs(value) <= _LARGEST


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A number that a network is judged by.

    Attributes:
        name: its key in records, such as ``accuracy``.
        label: as it is written in tables, such as ``RMSE``; the name where it is empty.
        unit: of a value as it is written, such as ``%``; may be empty.
        difference_unit: of a difference, such as ``points``; that of a value where it is empty.
        scale: what a value is multiplied with to be written: 100 for a fraction that is written in percent.
        decimals: digits behind the point; None: as many as make three significant ones. Very large numbers, and with
            None very small ones, are written as ``1.23e+08``.
        higher_is_better: the direction.
        lowest: the least value there can be, if there is one.
        highest: the greatest.
        is_share: it is the share of the samples for which something holds, so that it moves in steps of one sample.
    """

    name: str
    label: str = ""
    unit: str = ""
    difference_unit: str = ""
    scale: float = 1.0
    decimals: int | None = None
    higher_is_better: bool
    lowest: float | None = None
    highest: float | None = None
    is_share: bool = False

    @property
    def title(self) -> str:
        """The metric as it is written in tables and sentences."""
        return self.label or self.name

    @property
    def sign(self) -> int:
        """1 where higher is better, else -1; a value times this is the better the higher it is."""
        return 1 if self.higher_is_better else -1

    @property
    def is_sound(self) -> bool:
        """Whether values can be written with it."""
        return 0 < abs(self.scale) < math.inf and (self.decimals is None or 0 <= self.decimals <= _MAX_DECIMALS)

    def is_possible(self, value: float) -> bool:
        """Whether a value is within the bounds that there are, but for rounding.

        >>> share = Metric(name="f1", higher_is_better=True, lowest=0, highest=1)
        >>> percent = Metric(name="percent", higher_is_better=True, highest=100)
        >>> share.is_possible(1.0000001), share.is_possible(93.0), percent.is_possible(100.00003)
        (True, False, True)
        """
        return not (self.lowest is not None and value < self.lowest - _rounding(self.lowest)) and not (
            self.highest is not None and value > self.highest + _rounding(self.highest)
        )

    def write(self, value: float, *, like: float | None = None) -> str:
        """Write a value without its unit.

        Args:
            value: as it is recorded.
            like: a value with whose digits it is written, such as the mean that it is the interval of.

        >>> Metric(name="accuracy", scale=100, decimals=1, higher_is_better=True).write(0.9312)
        '93.1'
        >>> Metric(name="rmse", higher_is_better=False).write(0.0123456)
        '0.0123'
        """
        return self._written(value, value if like is None else like)

    def write_signed(self, difference: float, *, like: float | None = None) -> str:
        """Write a difference with its sign, without its unit; one that is written as zero has none.

        >>> Metric(name="accuracy", scale=100, decimals=1, higher_is_better=True).write_signed(-0.0123)
        '-1.2'
        """
        return self._written(difference, difference if like is None else like, "+")

    def _written(self, value: float, like: float, sign: str = "") -> str:
        scaled = self.scale * value
        text = f"{scaled:{sign}{'.2e' if _MANY <= abs(scaled) < math.inf else self._format(self.scale * like)}}"
        return text.lstrip("+-") if math.isnan(scaled) or float(text) == 0 else text

    def _format(self, scaled: float) -> str:
        size = abs(scaled)
        if not math.isfinite(size) or size == 0:
            return f".{2 if self.decimals is None else self.decimals}f"
        if size >= _MANY or (self.decimals is None and size < _FEW):
            return ".2e"
        exponent = int(f"{size:.2e}".partition("e")[2])  # of the rounded number: 9.999 is written as 10.0
        return f".{max(0, 2 - exponent) if self.decimals is None else self.decimals}f"


ACCURACY = Metric(
    name="accuracy",
    unit="%",
    difference_unit="points",
    scale=100,
    decimals=1,
    higher_is_better=True,
    lowest=0,
    highest=1,
    is_share=True,
)
CROSS_ENTROPY = Metric(name="cross-entropy", unit="nats", decimals=3, higher_is_better=False, lowest=0)
"""Of records that do not say what they were judged and trained by: those of older versions."""
