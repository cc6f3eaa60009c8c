"""Means with their intervals, paired differences, and Holm's correction. Numbers in, numbers out; never NaN."""

import gc
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from scipy import stats
from statsmodels.stats.multitest import multipletests

LEVEL = 0.05
"""The level of every test; the intervals hold ``1 - LEVEL``."""

ROUNDING = 1e-9
"""Accuracies are counts over counts: values that differ by less than this are equal."""

SMALLEST_CONSTANT = 3
"""From how many pairs on a difference that is the same in every pair is told from zero; no t test exists for it."""


@dataclass(frozen=True)
class Difference:
    """The mean of paired differences.

    Attributes:
        half_width: half the width of the 95 % t interval; None for fewer than two pairs.
        pairs: how many pairs there are.
        p_value: of the paired t test that the mean is zero, unadjusted; None for fewer than two pairs.
    """

    mean: float
    half_width: float | None
    pairs: int
    p_value: float | None

    @property
    def is_told_from_zero(self) -> bool:
        """Whether the difference, taken alone, is told from zero at the level of ``LEVEL``."""
        return self.p_value is not None and self.p_value < LEVEL


def half_width(values: Sequence[float]) -> float | None:
    """Return half the width of the 95 % t interval of the mean; None for fewer than two values.

    >>> round(half_width([0.90, 0.92, 0.94]), 4)
    0.0497
    """
    count = len(values)
    if count < 2:
        return None
    return float(stats.t.ppf(1 - LEVEL / 2, count - 1)) * stdev(values) / math.sqrt(count)


def paired_difference(left: Mapping[int, float], right: Mapping[int, float]) -> Difference | None:
    """Return ``left - right`` over the seeds that both have; None where they share none."""
    differences = [left[seed] - right[seed] for seed in sorted(left.keys() & right.keys())]
    if not differences:
        return None
    return Difference(fmean(differences), half_width(differences), len(differences), _p_value(differences))


def _p_value(differences: Sequence[float]) -> float | None:
    """Return the p value of the two-sided t test of mean zero, and a defined answer where all values are equal."""
    if len(differences) < 2:
        return None
    if max(differences) - min(differences) < ROUNDING:
        is_zero = abs(differences[0]) < ROUNDING
        return 1.0 if is_zero or len(differences) < SMALLEST_CONSTANT else 0.0
    return float(stats.ttest_1samp(differences, 0.0).pvalue)


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjust p values for their number (Holm 1979).

    >>> [round(p, 4) for p in holm([0.01, 0.04, 0.03])]
    [0.03, 0.06, 0.06]
    """
    if not p_values:
        return []
    gc.freeze()  # statsmodels collects garbage at every call, which takes long among ten thousand records
    try:
        return [float(p) for p in multipletests(p_values, alpha=LEVEL, method="holm")[1]]
    finally:
        gc.unfreeze()
