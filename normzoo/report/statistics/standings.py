"""Which norm of a block is best, which do not differ significantly from it, and how norms stand seed by seed."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import StatisticsError, correlation, fmean, median
from typing import Literal

import numpy as np

from normzoo.report.statistics.differences import PairedDifference
from normzoo.report.statistics.family import MIN_SEEDS

Mark = Literal["best", "leading", "tied", "untested", ""]
"""``best``: the best mean, tested against the others; ``leading``: the same where nothing could be tested;
``tied``: not significantly different from the best; ``untested``: not to be compared with it; empty: behind it, or with
runs that diverged or failed."""


@dataclass(frozen=True)
class Contender:
    """One norm at one batch size.

    Attributes:
        scores: by seed; the higher the better.
        is_whole: none of its runs diverged or failed.
    """

    scores: Mapping[int, float]
    is_whole: bool


@dataclass(frozen=True)
class Verdict:
    """What the block says of a contender.

    Attributes:
        mark: None where there is no score.
        behind: the best minus this one, paired by seed; None for the best itself and where no seed is shared.
    """

    mark: Mark | None
    behind: PairedDifference | None = None


Differences = Callable[[int, int], PairedDifference | None]
"""Makes, of two positions in a block, the first's scores minus the second's, paired by seed."""


def judge(block: Sequence[Contender], difference: Differences) -> list[Verdict]:
    """Mark the best of a block and those that do not differ significantly from it.

    The best has the highest mean among the whole contenders (no diverged or failed run) with scores enough for a test,
    if there are any, but for those that are significantly behind another of these on the seeds they share. One that is
    not whole ranks behind them whatever its completed runs reached. The others are tied unless the test shows them
    behind. Since the best is picked by the same results, all pairs of the block are to be in the family of the tests.
    """
    best = _best(block, difference)
    if best is None:
        return [Verdict(None) for _ in block]
    behind = [None if index == best else difference(best, index) for index in range(len(block))]
    marks = [_mark(each) if other.is_whole else "" for each, other in zip(behind, block, strict=True)]
    if not block[best].is_whole:
        marks = ["untested"] * len(block)
    others = [index for index, contender in enumerate(block) if index != best and contender.scores]
    tested = [index for index in others if block[index].is_whole or not block[best].is_whole] or others
    marks[best] = "leading" if all(marks[index] == "untested" for index in tested) else "best"
    return [
        Verdict(mark if other.scores else None, each) for mark, other, each in zip(marks, block, behind, strict=True)
    ]


def _best(block: Sequence[Contender], difference: Differences) -> int | None:
    present = [index for index, contender in enumerate(block) if contender.scores]
    ranks = {
        index: (block[index].is_whole, len(block[index].scores) >= MIN_SEEDS, fmean(block[index].scores.values()))
        for index in present
    }
    ordered = sorted(present, key=ranks.__getitem__, reverse=True)
    peers = [index for index in ordered if ranks[index][:2] == ranks[ordered[0]][:2]]
    ahead = (
        index for index in peers if not any(_is_ahead(difference(other, index)) for other in peers if other != index)
    )
    return next(ahead, peers[0] if peers else None)


def _is_ahead(difference: PairedDifference | None) -> bool:
    return difference is not None and difference.is_significant and difference.mean > 0


def _mark(behind: PairedDifference | None) -> Mark:
    if behind is None or behind.p_value is None:
        return "untested"
    if _is_ahead(behind):
        return ""
    return "untested" if behind.is_significant else "tied"  # a rival of too few scores may be ahead


MIN_CORRELATED = 3
"""From how many pairs on a correlation says anything: two points always lie on a line."""

FAR = 15.0
"""From how many median absolute deviations on a seed is far from the others: ten standard deviations of a normal."""


def collapse_scale(block: Sequence[Sequence[float]]) -> float:
    """Return the median over norms of how far seeds lie from their median: their median absolute deviation."""
    return median(map(_deviation, filter(None, block))) if any(block) else 0.0


def _deviation(values: Sequence[float]) -> float:
    center = median(values)
    return median(abs(value - center) for value in values)


def collapsed(scores: Sequence[float], scale: float, least: float = 0.0) -> int:
    """Return how many seeds lie far below their median, if the mean is below that of every other seed.

    Args:
        scores: of a cell; the higher the better.
        scale: that of the block.
        least: how far below the median is never far.

    >>> collapsed([0.95, 0.96, 0.94, 0.95, 0.31], scale=0.01)
    1
    """
    if len(scores) < MIN_CORRELATED:
        return 0
    center, reach = median(scores), max(least, FAR * max(_deviation(scores), scale))
    others = [score for score in scores if score >= center - reach]
    return len(scores) - len(others) if fmean(scores) < min(others) else 0


DIVERGED = -math.inf
"""The score of a diverged run, behind every other."""


def wins(left: Mapping[int, float], right: Mapping[int, float]) -> float:
    """Return in how many of the common seeds ``left`` is ahead of ``right``; a tie counts a half.

    >>> wins({0: 0.9, 1: 0.5, 2: DIVERGED}, {0: 0.8, 1: 0.5, 2: 0.1})
    1.5
    """
    return sum(
        1.0 if left[seed] > right[seed] else 0.5 if left[seed] == right[seed] else 0.0
        for seed in left.keys() & right.keys()
    )


def mean_ranks(block: Sequence[Mapping[int, float]]) -> list[float | None]:
    """Return each norm's mean rank over the seeds in which all norms that have a result have one; 1 is the best.

    >>> mean_ranks([{0: 0.9, 1: 0.8}, {0: 0.7, 1: 0.8}, {}])
    [1.25, 1.75, None]
    """
    present = [index for index, norm in enumerate(block) if norm]
    seeds = sorted(set.intersection(*(set(block[index]) for index in present))) if present else []
    if not seeds:
        return [None for _ in block]
    scores = np.array([[block[index][seed] for index in present] for seed in seeds])
    better, equal = (compare(scores[:, None], scores[:, :, None]).sum(axis=2) for compare in (np.greater, np.equal))
    ranks = (better + (equal + 1) / 2).mean(axis=0)
    by_norm = dict(zip(present, map(float, ranks), strict=True))
    return [by_norm.get(index) for index in range(len(block))]


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
