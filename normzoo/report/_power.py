"""What a number of seeds can resolve, and how many a given difference needs."""

from bisect import bisect_left
from collections.abc import Sequence
from statistics import median, stdev

from statsmodels.stats.power import TTestPower

from normzoo.report._family import seeds_needed
from normzoo.report._numbers import Power
from normzoo.report._statistics import LEVEL

POWER = 0.8
POINT = 0.01
"""A percentage point of accuracy."""
MOST_SEEDS = 100_000
"""Beyond which nobody will go."""


def power_hint(batch_size: int, samples: Sequence[Sequence[float]], family_size: int) -> Power | None:
    """Return the hint for a column: paired differences from the baseline, one sample per norm; None without spread.

    By the power of the paired t test at the level that Holm's first step leaves, ``LEVEL / family_size``, since that
    is what the first difference to be found must pass.
    """
    usable = [sample for sample in samples if len(sample) > 1]
    if not usable:
        return None
    spread, pairs = median(map(stdev, usable)), round(median(map(len, usable)))
    least = seeds_needed(family_size)
    if spread == 0:
        return Power(batch_size, 0.0, pairs, 0.0 if pairs >= least else None, least)
    alpha = LEVEL / max(1, family_size)
    return Power(
        batch_size,
        spread,
        pairs,
        spread * _effect_found(pairs, alpha) if pairs >= least else None,
        max(least, _pairs_for(POINT / spread, alpha)),
    )


def _effect_found(pairs: int, alpha: float) -> float:
    """Return the effect, in standard deviations, that so many pairs find."""
    return float(TTestPower().solve_power(effect_size=None, nobs=pairs, alpha=alpha, power=POWER))


def _pairs_for(effect: float, alpha: float) -> int:
    """Return the least number of pairs that find the effect, at most ``MOST_SEEDS``."""
    counts = range(2, MOST_SEEDS)
    place = bisect_left(counts, POWER, key=lambda count: TTestPower().power(effect, count, alpha))
    return place + counts[0]
