"""One test for all differences of a comparison: joint sign flips of the seeds, adjusted for their number.

Where a norm makes no difference, the sign of a paired difference is chance, and flipping the signs of whole seeds gives
differences that were as likely. The test compares what was found with what flipping finds, for all differences at once:
the p value of the largest is the share of flips in which any is as large (step-down max-T, Westfall & Young 1993,
Winkler et al. 2014). So correlations between differences, which share norms and seeds, cost nothing, and the least p
value, 2^(1 - seeds), does not depend on how many differences there are.
"""

from collections.abc import Container, Hashable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy import special

from normzoo.report.statistics.differences import LEVEL, PairedDifference, difference

Key = TypeVar("Key", bound=Hashable)
Array = NDArray[np.float64]

MIN_SEEDS = 6
"""With fewer, the least p value is above the level."""

MAX_EXACT = 13
"""Up to how many seeds all flips are tried: 2^12 that differ."""

RANDOM_FLIPS = 4999
"""How many are drawn for more seeds; the same every time."""

MIN_MODERATED = 3
"""From how many differences on their spreads say what is common to them."""

DIGITS = 9
"""Digits of a statistic that count: sums of the same numbers in another order are the same."""

VALUES_AT_ONCE = 2**20


@dataclass(frozen=True)
class Family:
    """The differences that are tested together.

    Attributes:
        size: how many there are.
        seeds: how many seeds they are over, together.
        maxima: for every flip the largest statistic of those that are not significant; None where nothing was tested.
        prior: the squared spread that is common to the differences, and by how many seeds it counts.
    """

    size: int = 0
    seeds: int = 0
    maxima: Array | None = field(default=None, compare=False, repr=False)
    prior: tuple[float, float] = (0.0, 0.0)

    @property
    def is_tested(self) -> bool:
        """Whether there are p values."""
        return self.maxima is not None

    @property
    def least_p_value(self) -> float:
        """The least p value that so many seeds can give."""
        return 2.0 ** (1 - self.seeds) if self.seeds <= MAX_EXACT else 1 / (RANDOM_FLIPS + 1)


def assess(
    samples: Mapping[Key, Mapping[int, float]], *, skip: Container[Key] = ()
) -> tuple[dict[Key, PairedDifference], Family]:
    """Test paired differences as one family; empty ones are left out.

    Those with fewer than ``MIN_SEEDS`` pairs are not tested, and are no part of the family.

    Args:
        samples: the differences, by seed.
        skip: what is measured and not tested.
    """
    found = {key: each for key, sample in samples.items() if (each := difference(sample.values())) is not None}
    eligible = [key for key in found if key not in skip]
    tested = [key for key in eligible if found[key].pairs >= MIN_SEEDS]
    if not tested:
        return found, Family(len(eligible), max((found[key].pairs for key in eligible), default=0))
    seeds = sorted({seed for key in tested for seed in samples[key]})
    table = np.array([[samples[key].get(seed, np.nan) for key in tested] for seed in seeds])
    p_values, family = joint_sign_flips(table)
    for key, p_value in zip(tested, map(float, p_values), strict=True):
        found[key] = replace(found[key], p_value=p_value)
    return found, family


def joint_sign_flips(differences: Array) -> tuple[Array, Family]:
    """Return the adjusted p value of each column of paired differences ``(seeds, columns)``, and the family.

    A pair that is missing is NaN. A statistic is the sum of a column over its moderated spread about zero, which is
    the same whatever the signs, so that the test is exact.

    >>> p_values, _ = joint_sign_flips(np.array([[0.1, 0.1], [0.2, -0.1], [0.3, 0.1], [0.1, -0.1], [0.2, 0], [0.1, 0]]))
    >>> p_values.tolist()
    [0.03125, 1.0]
    """
    counts = np.sum(~np.isnan(differences), axis=0).astype(np.float64)
    values = np.nan_to_num(differences)
    squares = np.square(values).sum(axis=0) / np.maximum(counts, 1)
    prior = common_spread(squares, counts)
    spreads = np.sqrt(counts * moderated(squares, counts, prior))
    scale = np.where(spreads > 0, spreads, 1.0)
    observed = np.round(np.abs(values.sum(axis=0)) / scale, DIGITS)
    ascending = np.argsort(observed, kind="stable")
    reached, largest, flips = np.zeros(len(observed)), list[NDArray[np.float32]](), 0
    for signs in _blocks_of_flips(*values.shape):
        statistics = np.round(np.abs(signs @ values) / scale, DIGITS)[:, ascending]
        maxima = largest_so_far(statistics)
        reached += (maxima >= observed[ascending]).sum(axis=0)
        largest.append(maxima.astype(np.float32))
        flips += len(signs)
    p_values = np.empty_like(reached)
    p_values[ascending] = np.maximum.accumulate((reached / flips)[::-1])[::-1]
    others = int((p_values > LEVEL).sum())  # the first of ascending ones
    of_others = np.concatenate([maxima[:, others - 1] if others else np.zeros(len(maxima)) for maxima in largest])
    return p_values, Family(len(observed), len(values), of_others.astype(np.float64), prior)


def largest_so_far(statistics: Array) -> Array:
    """Return, of columns in ascending order of what was observed, the largest of each and all before it."""
    return np.maximum.accumulate(statistics, axis=1)


def _blocks_of_flips(seeds: int, columns: int) -> Iterator[Array]:
    signs = sign_flips(seeds)
    rows = max(1, VALUES_AT_ONCE // columns)
    return (signs[start : start + rows] for start in range(0, len(signs), rows))


@lru_cache(maxsize=4)
def sign_flips(seeds: int) -> Array:
    """Return signs ``(flips, seeds)``, the first of them as they are: all that differ, or some thousands at random.

    Flipping all seeds changes no statistic's size, so that the first seed keeps its sign where all flips are tried.

    >>> sign_flips(2).tolist()
    [[1.0, 1.0], [1.0, -1.0]]
    """
    if seeds > MAX_EXACT:
        drawn = np.random.default_rng(0).choice([-1.0, 1.0], (RANDOM_FLIPS, seeds))
        return np.vstack([np.ones(seeds), drawn])
    bits = (np.arange(2 ** (seeds - 1))[:, None] >> np.arange(seeds - 1)) & 1
    return np.hstack([np.ones((len(bits), 1)), 1.0 - 2.0 * bits])


def common_spread(squares: Array, counts: Array) -> tuple[float, float]:
    """Return the mean square that columns have in common, and by how many seeds it counts (Smyth 2004).

    Estimated from how far the logarithms of the mean squares ``(columns,)`` scatter beyond chance: the less, the more
    it counts. It counts nothing where there are too few columns to tell.
    """
    known = squares > 0
    if known.sum() < MIN_MODERATED:
        return 0.0, 0.0
    halves = counts[known] / 2
    logarithms = np.log(squares[known]) - special.digamma(halves) + np.log(halves)
    excess = float(logarithms.var(ddof=1) - special.polygamma(1, halves).mean())
    half = inverse_trigamma(max(excess, 1e-6))
    return float(np.exp(logarithms.mean() + special.digamma(half) - np.log(half))), 2 * half


def inverse_trigamma(value: float) -> float:
    """Return where the trigamma function has a value, by Newton's method on its reciprocal (Smyth 2004).

    >>> round(inverse_trigamma(float(special.polygamma(1, 2.5))), 9)
    2.5
    """
    found = 0.5 + 1 / value
    for _ in range(20):
        reached = float(special.polygamma(1, found))
        found += reached * (1 - reached / value) / float(special.polygamma(2, found))
    return found


def moderated(squares: Array, counts: Array, prior: tuple[float, float]) -> Array:
    """Return mean squares ``(columns,)`` moved towards what is common to them."""
    common, weight = prior
    averaged: Array = (weight * common + counts * squares) / np.maximum(weight + counts, 1)
    return averaged
