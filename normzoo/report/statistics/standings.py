"""Which norm of a column is best, which do not differ significantly from it, and how norms stand seed by seed."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import StatisticsError, correlation, fmean
from typing import Literal

from scipy import stats

from normzoo.report.statistics.differences import PairedDifference, difference, paired
from normzoo.report.statistics.family import Family, assess, seeds_needed

Mark = Literal["best", "leading", "tied", "untested", ""]
"""``best``: the best mean, tested against the others; ``leading``: the same where nothing could be tested;
``tied``: not significantly different from the best; ``untested``: not tested against it; empty: behind it."""


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
    """What the column says of a contender.

    Attributes:
        mark: None where there is no score.
        behind: the best minus this one, paired by seed; None for the best itself and where no seed is shared.
    """

    mark: Mark | None
    behind: PairedDifference | None = None


def judge(column: Sequence[Contender], *, after: Family | None = None) -> list[Verdict]:
    """Mark the best of a column and those that do not differ significantly from it.

    The best has the highest mean among the whole contenders (no diverged or failed run); one that is not whole ranks
    behind them whatever its completed runs reached. Where none is whole, nothing is tested. The others are tied
    unless the test over the common seeds shows them behind. Since the best is picked by the same results, the
    family of tests is that of all pairs of the column; ``after`` is the family that is tested before it.
    """
    best = _best(column)
    if best is None:
        return [Verdict(None) for _ in column]
    if not column[best].is_whole:
        return [
            Verdict(("leading" if index == best else "untested") if other.scores else None)
            for index, other in enumerate(column)
        ]
    rivals = [index for index, other in enumerate(column) if other.scores and other.is_whole]
    behind = _behind(column, best, rivals, after)
    marks: dict[int, Mark] = {rival: _mark(behind[rival]) for rival in rivals if rival != best}
    is_alone = sum(bool(other.scores) for other in column) == 1
    is_untested = is_alone or (bool(marks) and all(mark == "untested" for mark in marks.values()))
    marks[best] = "leading" if is_untested else "best"
    return [
        Verdict(marks.get(index, "") if other.scores else None, behind[index]) for index, other in enumerate(column)
    ]


def seeds_for(contenders: int) -> int:
    """Return how many seeds a column of so many norms needs before any could differ significantly from the best.

    >>> seeds_for(2), seeds_for(5)
    (6, 9)
    """
    return seeds_needed(contenders * (contenders - 1) // 2)


def _best(column: Sequence[Contender]) -> int | None:
    present = [index for index, contender in enumerate(column) if contender.scores]
    ranks = {index: (column[index].is_whole, fmean(column[index].scores.values())) for index in present}
    return max(present, key=ranks.__getitem__, default=None)


def _behind(
    column: Sequence[Contender], best: int, rivals: Sequence[int], after: Family | None
) -> list[PairedDifference | None]:
    """Return the best minus each contender, tested for the rivals."""
    scores = [contender.scores for contender in column]
    pairs = {pair: paired(*(scores[index] for index in pair)) for pair in combinations(rivals, 2)}
    found, _ = assess(pairs, after=after)
    behind: list[PairedDifference | None] = []
    for index, other in enumerate(scores):
        if (best, index) in found:
            behind.append(found[best, index])
        elif (index, best) in found:
            behind.append(found[index, best].reversed())
        else:
            behind.append(None if index == best else difference(paired(scores[best], other)))
    return behind


def _mark(behind: PairedDifference | None) -> Mark:
    if behind is None or behind.adjusted is None:
        return "untested"
    # Over the seeds they share, a rival may be ahead of a best whose other seeds are missing.
    return "" if behind.is_significant and behind.mean > 0 else "tied"


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
