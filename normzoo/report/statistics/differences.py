"""Differences paired by seed with their intervals; slopes over the batch size, which are compared so, too.

Intervals are over seeds, or also cover other test samples (``two_way``).
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from statistics import fmean
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special  # not scipy.stats, which takes half a second to load

LEVEL = 0.05
"""The level of the tests; the intervals hold ``1 - LEVEL``."""

DIGITS = 12
"""Significant digits of a value that count: what differs only after so many is a rounding error of floating point."""


@dataclass(frozen=True)
class PairedDifference:
    """The mean of paired differences.

    Attributes:
        half_width: half the width of the 95 % t interval; None for fewer than two pairs.
        pairs: how many pairs there are.
        p_value: adjusted for the family that it was tested in; None where it was not tested.
    """

    mean: float
    half_width: float | None
    pairs: int
    p_value: float | None = None

    @property
    def is_significant(self) -> bool:
        """Whether the difference is significant in its family, at the level of ``LEVEL``."""
        return self.p_value is not None and self.p_value <= LEVEL

    @property
    def is_zero(self) -> bool:
        """Whether there is no difference in any of several pairs."""
        return self.mean == 0 and self.half_width == 0

    def reversed(self) -> "PairedDifference":
        """Return the same with left and right exchanged."""
        return replace(self, mean=-self.mean)

    def scaled(self, factor: float) -> "PairedDifference":
        """Return the difference in another unit, which is so many times as small."""
        half = None if self.half_width is None else abs(factor) * self.half_width
        return replace(self, mean=factor * self.mean, half_width=half)

    def upper_bound(self, bounds: int) -> float | None:
        """Return what the true mean is at most, with a confidence of 95 % for so many bounds together.

        A t interval with Bonferroni's correction; None for fewer than two pairs.
        """
        if self.half_width is None:
            return None
        wider = t_quantile(LEVEL / bounds, self.pairs - 1) / t_quantile(LEVEL / 2, self.pairs - 1)
        return self.mean + wider * self.half_width


def half_width(values: Sequence[float]) -> float | None:
    """Return half the width of the 95 % t interval of the mean; None for fewer than two values.

    >>> round(half_width([0.90, 0.92, 0.94]), 4)
    0.0497
    """
    count = len(values)
    if count < 2:
        return None
    return t_quantile(LEVEL / 2, count - 1) * deviation(values) / math.sqrt(count)


def deviation(values: Sequence[float]) -> float:
    """Return the standard deviation; ``statistics.stdev`` takes twenty times as long.

    >>> round(deviation([0.90, 0.92, 0.94]), 12)
    0.02
    """
    mean = fmean(values)
    return math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1))


@lru_cache
def t_quantile(level: float, degrees: float) -> float:
    """Return what Student's t exceeds with a probability.

    >>> round(t_quantile(0.025, 4), 3)
    2.776
    """
    return -float(special.stdtrit(degrees, level))


def normal_quantile(level: float) -> float:
    """Return what a standard normal number exceeds with a probability.

    >>> round(normal_quantile(0.025), 2)
    1.96
    """
    return -float(special.ndtri(level))


def share_interval(share: float, samples: int) -> tuple[float, float]:
    """Return the 95 % interval of a share of so many samples (Wilson 1927).

    >>> low, high = share_interval(0.9, 100)
    >>> round(low, 3), round(high, 3)
    (0.826, 0.945)
    """
    z = normal_quantile(LEVEL / 2)
    center = (share + z**2 / (2 * samples)) / (1 + z**2 / samples)
    half = z * math.sqrt(share * (1 - share) / samples + (z / (2 * samples)) ** 2) / (1 + z**2 / samples)
    return center - half, center + half


@dataclass(frozen=True)
class TwoWay:
    """How sure a mean over seeds and test samples is.

    Attributes:
        half_width: half the width of the 95 % interval over other seeds and other test samples.
        limit: half the width that is left however many seeds there are: that of the test samples alone.
    """

    half_width: float
    limit: float


def two_way(values: NDArray[Any]) -> TwoWay | None:
    """Return how sure the mean of values ``(seeds, samples)`` is; None for fewer than two seeds or samples.

    A model of crossed random effects: the variance of the mean is ``seed / n + sample / m + rest / (n m)``, of which
    the components are estimated from the mean squares; its degrees of freedom by Satterthwaite. Never less than the
    interval over seeds alone.
    """
    seeds, samples = values.shape
    if seeds < 2 or samples < 2:
        return None
    numbers = values.astype(np.float64)
    by_seed, by_sample = numbers.mean(axis=1), numbers.mean(axis=0)
    rest = numbers - by_seed[:, None] - by_sample + numbers.mean()
    squares = np.array([samples * by_seed.var(ddof=1), seeds * by_sample.var(ddof=1), 0.0])
    degrees = np.array([seeds - 1, samples - 1, (seeds - 1) * (samples - 1)])
    squares[2] = np.square(rest).sum() / degrees[2]
    of_samples = max(0.0, float(squares[1] - squares[2])) / seeds
    variance = float(squares[0]) / (seeds * samples) + of_samples / samples
    if not variance:
        return TwoWay(0.0, 0.0)
    used = squares if of_samples else squares * [1, 0, 0]
    freedom = used.dot([1, 1, -1]) ** 2 / np.sum(np.square(used) / degrees)
    half_width = t_quantile(LEVEL / 2, float(freedom)) * math.sqrt(variance)
    over_seeds = t_quantile(LEVEL / 2, seeds - 1) * math.sqrt(by_seed.var(ddof=1) / seeds)
    limit = normal_quantile(LEVEL / 2) * math.sqrt(of_samples / samples)
    return TwoWay(max(half_width, over_seeds), limit)


def paired(left: Mapping[int, float], right: Mapping[int, float], *, size: float | None = None) -> dict[int, float]:
    """Return ``left - right`` by seed, over the seeds that both have.

    Args:
        left: values by seed.
        right: the values to subtract.
        size: the magnitude of what the values were computed from, which their rounding errors go with; by default
            that of the largest of them.

    >>> paired({0: 0.75, 1: 0.5, 2: 0.5}, {2: 0.25, 0: 0.5})
    {0: 0.25, 2: 0.25}
    """
    seeds = sorted(left.keys() & right.keys())
    if size is None:
        size = magnitude(values[seed] for seed in seeds for values in (left, right))
    digits = DIGITS - (math.ceil(math.log10(size)) if size else 0)
    return {seed: round(left[seed] - right[seed], digits) for seed in seeds}


def magnitude(values: Iterable[float]) -> float:
    """Return the largest absolute value; zero of none."""
    return max(map(abs, values), default=0.0)


def difference(values: Iterable[float]) -> PairedDifference | None:
    """Return the mean of paired differences, without a test; None of none."""
    found = list(values)
    return PairedDifference(fmean(found), half_width(found), len(found)) if found else None


def slopes(batch_sizes: Sequence[int], values: Sequence[Mapping[int, float]]) -> dict[int, float]:
    """Return by seed the least-squares slope of a value against the base-2 logarithm of the batch size.

    It is the change with each doubling of the batch size. Only seeds that have a value at every batch size count.

    Args:
        batch_sizes: ascending.
        values: for each batch size, by seed.

    >>> slopes((2, 8, 32), [{0: 0.5, 1: 0.5}, {0: 0.75}, {0: 0.75, 1: 0.5}])
    {0: 0.0625}
    """
    seeds = sorted(set.intersection(*(set(by_seed) for by_seed in values)))
    if len(batch_sizes) < 2 or not seeds:
        return {}
    places = np.log2(np.array(batch_sizes, dtype=float))
    centered = places - places.mean()
    reached = np.array([[by_seed[seed] for seed in seeds] for by_seed in values])
    found = centered @ reached / (centered @ centered)
    return dict(zip(seeds, map(float, found), strict=True))
