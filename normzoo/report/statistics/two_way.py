"""Intervals that also cover other test samples: seeds and samples are two sources of variation, crossed."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from normzoo.report.statistics.differences import LEVEL, normal_quantile, t_quantile


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
