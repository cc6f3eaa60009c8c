"""What a number of seeds can show: the least difference that is found, and how many seeds a small one needs."""

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np

from normzoo.report.statistics.differences import LEVEL, deviation, normal_quantile
from normzoo.report.statistics.family import MIN_SEEDS, Family, moderated

POWER = 0.8

DRAWS = 500
"""Simulated samples, the same every time: the power is known to two percent."""

EFFECTS = [0.02 * step for step in range(1, 1001)]
"""In standard deviations. What is not found at the last of them is never found."""

MAX_SEEDS = 1000
"""Beyond which nobody will go."""


@dataclass(frozen=True)
class Power:
    """What the number of seeds at a batch size can resolve, for a typical norm compared with the reference.

    Attributes:
        spread: median over the norms of the standard deviation of the paired differences.
        pairs: the median number of pairs.
        detectable: the least true difference that is found with a power of 80 %; None where there is none.
        target: a small difference.
        seeds_for_target: about how many seeds it would take to find that one with the same power.
    """

    batch_size: int
    spread: float
    pairs: int
    detectable: float | None
    target: float
    seeds_for_target: int


def power_hint(batch_size: int, samples: Sequence[Sequence[float]], family: Family, target: float) -> Power | None:
    """Return the hint for a block: paired differences from the reference, one sample per norm.

    None where no norm has two pairs, or where seeds do not differ, so that the spread is unknown.
    """
    spreads = [spread for sample in samples if len(sample) > 1 and (spread := deviation(sample))]
    if not spreads:
        return None
    spread, pairs = median(spreads), round(median(len(sample) for sample in samples if len(sample) > 1))
    return Power(
        batch_size, spread, pairs, detectable(spread, pairs, family), target, seeds_for(target / spread, family)
    )


def detectable(spread: float, pairs: int, family: Family) -> float | None:
    """Return the least difference that reaches the family's critical value four times in five.

    By simulated normal differences of that spread, on the family's moderated scale; None where none does.
    """
    critical = family.critical
    if critical is None or pairs < MIN_SEEDS:
        return None
    noise = spread * np.random.default_rng(pairs).standard_normal((DRAWS, pairs))

    def power(effect: float) -> float:
        shifted = noise + effect * spread
        squares = moderated(np.square(shifted).mean(axis=1), np.full(DRAWS, float(pairs)), family.prior)
        statistics = np.abs(shifted.sum(axis=1)) / np.sqrt(pairs * squares)
        return float((statistics >= critical).mean())

    effect = bisect_left(EFFECTS, POWER, key=power)
    return spread * EFFECTS[effect] if effect < len(EFFECTS) else None


def seeds_for(effect: float, family: Family) -> int:
    """Return about how many seeds find an effect, in standard deviations, with a power of 80 %; to two digits.

    By the normal distribution, at the level that Bonferroni's correction leaves one of the family.

    >>> seeds_for(0.5, Family(size=80))
    73
    """
    needed = (normal_quantile(LEVEL / (2 * max(1, family.size))) + normal_quantile(1 - POWER)) / effect
    count = min(float(MAX_SEEDS), max(float(MIN_SEEDS), needed**2))
    digits = max(0, math.floor(math.log10(count)) - 1)
    step: int = 10**digits
    return math.ceil(count / step) * step
