"""Families of tests, and what a number of seeds can resolve in them."""

import math
from bisect import bisect_left
from collections.abc import Container, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from statistics import fmean, median, stdev
from typing import TypeVar

import numpy as np
from scipy import optimize, stats

from normzoo.report.statistics.differences import (
    LEVEL,
    MAX_EXACT,
    PairedDifference,
    difference,
    least_p_value,
    p_values,
)

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True)
class Family:
    """How many differences are tested together, and whether there are seeds enough for it.

    Attributes:
        size: how many differences are adjusted for one another.
        pairs: the most pairs that one of them has.
        before: how many seeds a family needs that is tested before this one.
        least: the smallest adjusted p value; None where nothing was tested.
    """

    size: int
    pairs: int
    before: int = 0
    least: float | None = None

    @property
    def needed(self) -> int:
        """The least number of seeds at which one of them could be significant."""
        return max(self.before, seeds_needed(self.size))

    @property
    def is_tested(self) -> bool:
        """Whether there are p values."""
        return self.least is not None


def seeds_needed(size: int) -> int:
    """Return the least number of pairs at which the exact test can reach the level in a family of that size.

    >>> seeds_needed(1), seeds_needed(4), seeds_needed(24)
    (6, 8, 10)
    """
    enough = (count for count in range(2, MAX_EXACT + 1) if max(1, size) * least_p_value(count) <= LEVEL)
    return next(enough, MAX_EXACT + 1)


def assess(
    samples: Mapping[Key, Sequence[float]], *, after: Family | None = None, skip: Container[Key] = ()
) -> tuple[dict[Key, PairedDifference], Family]:
    """Test samples of paired differences as one family, adjusted by Holm (1979); empty ones are left out.

    Those with fewer pairs than a single test needs are not tested and belong to no family; none is tested if there are
    too few for the whole family.

    Args:
        samples: the paired differences.
        after: a family that is tested before this one: no p value here is below the least there, and nothing is
            tested if nothing was tested there. So a matrix in which no norm differs is said to show any difference no
            more often than the first family allows (serial gatekeeping, Westfall & Krishen 2001).
        skip: what is measured and not tested.
    """
    found = {key: measured for key, values in samples.items() if (measured := difference(values)) is not None}
    eligible = [key for key in found if key not in skip]
    testable = [key for key in eligible if least_p_value(found[key].pairs) <= LEVEL]
    pairs = max((found[key].pairs for key in eligible), default=0)
    family = Family(len(testable) or len(eligible), pairs, after.needed if after else 0)
    gate = 0.0 if after is None else after.least
    if not testable or pairs < family.needed or gate is None:
        return found, family
    unadjusted = p_values([samples[key] for key in testable])
    adjusted = [max(gate, value) for value in holm(unadjusted)]
    for key, p_value, value in zip(testable, unadjusted, adjusted, strict=True):
        found[key] = replace(found[key], p_value=p_value, adjusted=value)
    return found, replace(family, least=min(adjusted))


def holm(unadjusted: Sequence[float]) -> list[float]:
    """Adjust p values for their number (Holm 1979).

    The i-th smallest of m is multiplied by ``m - i + 1``; none is then below a smaller one's, or above 1. One that is
    no number counts to m, and stays what it is.

    >>> [round(p, 4) for p in holm([0.01, 0.04, 0.03])]
    [0.03, 0.06, 0.06]
    """
    given = np.array(unadjusted, dtype=np.float64)
    order = np.argsort(given)  # those that are no numbers come last
    multiplied = given[order] * np.arange(len(order), 0, -1)
    adjusted = np.empty_like(multiplied)
    adjusted[order] = np.minimum(np.maximum.accumulate(multiplied), 1.0)
    return [float(p) for p in adjusted]


POWER = 0.8
MAX_SEEDS = 100_000
"""Beyond which nobody will go."""

DRAWS = 400
"""By how many simulated samples the power of the exact test is known: to two percent."""
EFFECTS = [0.5 + 0.02 * step for step in range(200)]
"""In which effects, in standard deviations, the one that is found is looked for."""


@dataclass(frozen=True)
class Power:
    """What the number of seeds at a batch size can resolve, for a typical norm compared with the baseline.

    Attributes:
        spread: median over the norms of the standard deviation of the paired differences.
        pairs: the median number of pairs.
        detectable: the least true difference that the test finds with a power of 80 %; None where no test is possible.
        target: a small difference.
        seeds_for_target: how many seeds it would take to find that one with the same power.
    """

    batch_size: int
    spread: float
    pairs: int
    detectable: float | None
    target: float
    seeds_for_target: int


def power_hint(batch_size: int, samples: Sequence[Sequence[float]], family_size: int, target: float) -> Power | None:
    """Return the hint for a column: paired differences from the baseline, one sample per norm.

    None where no norm has two pairs, or where seeds do not differ, so that the spread is unknown.

    It is the power at the level that Holm's first step leaves, ``LEVEL / family_size``, for normal differences: that of
    the exact test, by simulation, or with more pairs that of the t test.
    """
    usable = [sample for sample in samples if len(sample) > 1]
    if not usable or not any(map(stdev, usable)):
        return None
    spread = median(value for value in map(stdev, usable) if value)
    pairs = round(median(map(len, usable)))
    least = seeds_needed(family_size)
    alpha = LEVEL / max(1, family_size)
    detectable = spread * effect_found(pairs, alpha) if pairs >= least else None
    return Power(batch_size, spread, pairs, detectable, target, pairs_for(target / spread, alpha, least))


@lru_cache
def effect_found(pairs: int, alpha: float) -> float:
    """Return the effect, in standard deviations, that so many pairs find with a power of 80 %."""
    if pairs > MAX_EXACT:
        return float(optimize.brentq(lambda effect: t_power(effect, pairs, alpha) - POWER, 0.0, 10.0))
    place = bisect_left(EFFECTS, POWER, key=lambda effect: exact_power(effect, pairs, alpha))
    return EFFECTS[min(place, len(EFFECTS) - 1)]


def t_power(effect: float, pairs: int, alpha: float) -> float:
    """Return how often the two-sided t test finds an effect in its direction, by the noncentral t distribution."""
    critical = stats.t.isf(alpha / 2, pairs - 1)
    return float(stats.nct.sf(critical, pairs - 1, effect * math.sqrt(pairs)))


def exact_power(effect: float, pairs: int, alpha: float) -> float:
    """Return how often the exact test finds an effect, by the same simulated samples every time."""
    draws = np.random.default_rng(pairs).standard_normal((DRAWS, pairs)) + effect
    return fmean(p_value <= alpha for p_value in p_values(draws.tolist()))


def pairs_for(effect: float, alpha: float, least: int) -> int:
    """Return the least number of pairs that find the effect with a power of 80 %: from ``least`` to ``MAX_SEEDS``."""
    counts = range(2, MAX_SEEDS)
    by_t = counts[0] + bisect_left(counts, POWER, key=lambda count: t_power(effect, count, alpha))
    if by_t > MAX_EXACT:
        return by_t
    exact = range(max(least, by_t), MAX_EXACT + 1)
    return next((count for count in exact if exact_power(effect, count, alpha) >= POWER), max(least, MAX_EXACT + 1))
