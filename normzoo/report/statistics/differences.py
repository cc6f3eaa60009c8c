"""Differences paired by seed and how sure they are; the slopes over the batch size, which are compared so, too."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

import numpy as np
from numpy.typing import NDArray
from scipy import stats

LEVEL = 0.05
"""The level of every family of tests; the intervals hold ``1 - LEVEL``."""

DIGITS = 12
"""Significant digits of a value that count: what differs only after so many is a rounding error of floating point."""

MEAN_DIGITS = 10
"""Significant digits of a mean of differences that count, two fewer than those of the differences themselves."""

MAX_EXACT = 12
"""Up to how many pairs every sign is flipped; 2^12 ways. With more, the t test is as good and has no least p."""

MAX_VALUES = 2**22
"""How many values the exact test holds in memory at once."""


@dataclass(frozen=True)
class PairedDifference:
    """The mean of paired differences.

    Attributes:
        half_width: half the width of the 95 % t interval; None for fewer than two pairs.
        pairs: how many pairs there are.
        p_value: of the test that the mean is zero, unadjusted; None where there are too few pairs for any test.
        adjusted: the p value adjusted for its family; None where the family is too large for so few pairs.
    """

    mean: float
    half_width: float | None
    pairs: int
    p_value: float | None = None
    adjusted: float | None = None

    @property
    def is_significant(self) -> bool:
        """Whether the difference is significant in its family, at the level of ``LEVEL``."""
        return self.adjusted is not None and self.adjusted < LEVEL

    def reversed(self) -> "PairedDifference":
        """Return the same with left and right exchanged."""
        return PairedDifference(-self.mean, self.half_width, self.pairs, self.p_value, self.adjusted)


def half_width(values: Sequence[float]) -> float | None:
    """Return half the width of the 95 % t interval of the mean; None for fewer than two values.

    >>> round(half_width([0.90, 0.92, 0.94]), 4)
    0.0497
    """
    count = len(values)
    if count < 2:
        return None
    return float(stats.t.ppf(1 - LEVEL / 2, count - 1)) * stdev(values) / math.sqrt(count)


def paired(left: Mapping[int, float], right: Mapping[int, float], *, size: float | None = None) -> list[float]:
    """Return ``left - right`` over the seeds that both have.

    Args:
        left: values by seed.
        right: the values to subtract.
        size: the magnitude of what the values were computed from, which their rounding errors go with; by default
            that of the largest of them.

    >>> paired({0: 0.75, 1: 0.5, 2: 0.5}, {2: 0.25, 0: 0.5})
    [0.25, 0.25]
    """
    seeds = sorted(left.keys() & right.keys())
    if size is None:
        size = magnitude([values[seed] for seed in seeds for values in (left, right)])
    digits = DIGITS - (math.ceil(math.log10(size)) if size else 0)
    return [round(left[seed] - right[seed], digits) for seed in seeds]


def magnitude(values: Iterable[float]) -> float:
    """Return the largest absolute value; zero of none."""
    return max(map(abs, values), default=0.0)


def difference(values: Sequence[float]) -> PairedDifference | None:
    """Return the mean of paired differences, without a test; None of none."""
    return PairedDifference(fmean(values), half_width(values), len(values)) if values else None


def least_p_value(pairs: int) -> float:
    """Return the smallest p value that the test of so many pairs can give: two of all ways to set their signs.

    >>> least_p_value(5), least_p_value(6)
    (0.0625, 0.03125)
    """
    return 2.0 ** (1 - pairs) if pairs <= MAX_EXACT else 0.0


def p_values(samples: Sequence[Sequence[float]]) -> list[float]:
    """Return for each sample of paired differences the two-sided p value that their mean is zero.

    Up to 12 pairs by the exact sign-flip test (Fisher 1935): the share of all ways to set the signs of the
    differences that make the mean at least as far from zero. With more pairs by the paired t test.

    >>> p_values([[0.1, 0.2, 0.3, 0.1, 0.2, 0.1]])
    [0.03125]
    """
    found = dict.fromkeys(range(len(samples)), 1.0)
    for count in {len(sample) for sample in samples} - {0}:
        places = [place for place, sample in enumerate(samples) if len(sample) == count]
        rows = _scaled(np.array([samples[place] for place in places]))
        found.update(zip(places, map(float, _exact(rows) if count <= MAX_EXACT else _by_t(rows)), strict=True))
    return list(found.values())


def _scaled(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return rows whose largest difference is near 1, divided by powers of two so that no digit changes."""
    _, exponents = np.frexp(np.abs(rows).max(axis=1, keepdims=True))
    scaled: NDArray[np.float64] = np.ldexp(rows, -exponents)
    return scaled


def _exact(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    ways = 2 ** rows.shape[1]
    batch = max(1, MAX_VALUES // rows.size)
    test = stats.permutation_test(
        (rows,), _mean, permutation_type="samples", vectorized=True, n_resamples=ways, batch=batch, axis=-1
    )
    return np.atleast_1d(np.asarray(test.pvalue))


def _mean(rows: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
    """Return means in which equal ones are equal to the last bit, whatever the order of their sums."""
    means: NDArray[np.float64] = np.round(rows.mean(axis=axis), MEAN_DIGITS)
    return means


def _by_t(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the t test's p values; for a difference that is the same in every pair those of the exact test."""
    constant = np.ptp(rows, axis=1) < 10.0**-MEAN_DIGITS
    found = np.where(np.abs(rows[:, 0]) < 10.0**-MEAN_DIGITS, 1.0, 2.0 ** (1 - rows.shape[1]))
    if not constant.all():
        found[~constant] = stats.ttest_1samp(rows[~constant], 0.0, axis=1).pvalue
    return found


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
