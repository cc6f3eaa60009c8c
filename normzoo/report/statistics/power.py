"""What a number of seeds can show: the least difference that is found, and how many seeds a small one needs."""

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np

from normzoo.report.statistics.differences import LEVEL, deviation
from normzoo.report.statistics.family import DIGITS, MIN_SEEDS, Family, moderated, sign_flips

POWER = 0.8

DRAWS = 400
"""Simulated samples, the same every time: the power is known to two percent."""

FLIPS = 500
"""Of the family's flips, so many are tried at most: p values near the level are known to one percent."""

EFFECTS = [0.02 * step for step in range(1, 1001)]
"""In standard deviations. What is not found at the last of them is never found."""

MAX_SEEDS = 1000
"""Beyond which nobody will go."""


@dataclass(frozen=True)
class Power:
    """What the number of seeds at a batch size can resolve, for a typical norm compared with the reference.

    Attributes:
        detectable: the least true difference that is found with a power of 80 %.
        target: a small difference.
        seeds_for_target: about how many seeds it would take to find that one with the same power; None where those
            there are will do.
    """

    batch_size: int
    detectable: float
    target: float
    seeds_for_target: int | None


def power_hint(batch_size: int, samples: Sequence[Sequence[float]], family: Family, target: float) -> Power | None:
    """Return the hint for a block: paired differences from the reference, one sample per norm.

    It is for a norm whose differences scatter as those of the median norm. None where no difference is detectable,
    and where seeds do not differ, so that the spread is unknown.
    """
    spreads = [spread for sample in samples if len(sample) > 1 and (spread := deviation(sample))]
    if not spreads:
        return None
    pairs = round(median(len(sample) for sample in samples if len(sample) > 1))
    found = detectable(median(spreads), pairs, family)
    return None if found is None else Power(batch_size, found, target, seeds_for(target, found, pairs))


def detectable(spread: float, pairs: int, family: Family) -> float | None:
    """Return the least difference that is found four times in five when it is tested with the family.

    By simulated normal differences of that spread, on the family's moderated scale: each is tested by the flips of
    itself and of those of the family that are not significant, as the last steps of its test do. None where none is
    found so often.
    """
    if family.maxima is None or pairs < MIN_SEEDS:
        return None
    pairs = min(pairs, family.seeds)  # what lost runs is not tested, and may have more than anything that is
    generator = np.random.default_rng(pairs)
    noise = spread * generator.standard_normal((DRAWS, pairs))
    signs, maxima = sign_flips(family.seeds)[:, :pairs], family.maxima
    if len(signs) > FLIPS:
        chosen = generator.choice(len(signs), FLIPS, replace=False)
        signs, maxima = signs[chosen], maxima[chosen]
    flipped, shifts = noise @ signs.T, signs.sum(axis=1)

    def power(effect: float) -> float:
        shifted = noise + effect * spread
        squares = moderated(np.square(shifted).mean(axis=1), np.full(DRAWS, float(pairs)), family.prior)
        scale = np.sqrt(pairs * squares)
        observed = np.abs(shifted.sum(axis=1)) / scale * (1 - 10.0**-DIGITS)  # or rounding would decide
        own = np.abs(flipped + effect * spread * shifts) / scale[:, None]
        p_values = (np.maximum(own, maxima) >= observed[:, None]).mean(axis=1)
        return float((p_values <= LEVEL).mean())

    effect = bisect_left(EFFECTS, POWER, key=power)
    return spread * EFFECTS[effect] if effect < len(EFFECTS) else None


def seeds_for(target: float, found: float, pairs: int) -> int | None:
    """Return about how many seeds find a difference, if so many find another one; to two digits.

    As the spread of a mean goes with the root of their number. None where the seeds there are will do.

    >>> seeds_for(0.01, found=0.028, pairs=8), seeds_for(0.01, found=0.009, pairs=8)
    (63, None)
    """
    if target >= found:
        return None
    count = min(MAX_SEEDS, pairs * (found / target) ** 2)
    step: int = 10 ** max(0, math.floor(math.log10(count)) - 1)
    return math.ceil(count / step) * step
