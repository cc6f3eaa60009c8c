"""How norms stand to each other at one batch size, seed by seed. Scores are the better the higher they are."""

import math
from collections.abc import Mapping, Sequence
from statistics import StatisticsError, correlation

from scipy import stats

DIVERGED = -math.inf
"""The score of a diverged run, behind every other."""

MIN_CORRELATED = 3
"""From how many pairs on a correlation says anything: two points always lie on a line."""


def wins(left: Mapping[int, float], right: Mapping[int, float]) -> float:
    """Return in how many of the common seeds ``left`` is ahead of ``right``; a tie counts a half.

    >>> wins({0: 0.9, 1: 0.5, 2: DIVERGED}, {0: 0.8, 1: 0.5, 2: 0.1})
    1.5
    """
    return sum(
        1.0 if left[seed] > right[seed] else 0.5 if left[seed] == right[seed] else 0.0
        for seed in left.keys() & right.keys()
    )


def mean_ranks(column: Sequence[Mapping[int, float]]) -> list[float | None]:
    """Return each norm's mean rank over the seeds in which all norms that have a result have one; 1 is the best.

    >>> mean_ranks([{0: 0.9, 1: 0.8}, {0: 0.7, 1: 0.8}, {}])
    [1.25, 1.75, None]
    """
    present = [index for index, norm in enumerate(column) if norm]
    seeds = sorted(set.intersection(*(set(column[index]) for index in present))) if present else []
    if not seeds:
        return [None for _ in column]
    ranks = stats.rankdata([[-column[index][seed] for index in present] for seed in seeds], axis=1).mean(axis=0)
    by_norm = dict(zip(present, map(float, ranks), strict=True))
    return [by_norm.get(index) for index in range(len(column))]


def seed_correlation(left: Mapping[int, float], right: Mapping[int, float]) -> float | None:
    """Return Pearson's correlation over the common seeds; None where it is not defined, or for fewer than three.

    >>> seed_correlation({0: 0.1, 1: 0.2, 2: 0.3}, {0: 0.2, 1: 0.4, 2: 0.6})
    1.0
    """
    seeds = sorted(left.keys() & right.keys())
    if len(seeds) < MIN_CORRELATED:
        return None
    try:
        found = correlation([left[seed] for seed in seeds], [right[seed] for seed in seeds])
    except StatisticsError:  # one of them is constant
        return None
    return max(-1.0, min(1.0, found))
