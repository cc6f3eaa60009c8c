"""What a number of seeds can resolve, and how many a given difference needs."""

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import fmean, median, stdev

import numpy as np
from scipy import optimize, stats

from normzoo.report.statistics.differences import LEVEL, MAX_EXACT, p_values
from normzoo.report.statistics.family import seeds_needed

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
