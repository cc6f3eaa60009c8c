"""Which norm of a column is best, and which cannot be told from it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import fmean
from typing import Literal

from normzoo.report.statistics.differences import Difference, difference, paired
from normzoo.report.statistics.family import Family, assess, seeds_needed

Mark = Literal["best", "highest", "tied", "untested", ""]
"""``best``: the highest mean, tested against the others; ``highest``: the same where nothing could be tested;
``tied``: cannot be told from the best; ``untested``: not tested against it; empty: behind it."""


@dataclass(frozen=True)
class Contender:
    """One norm at one batch size: its accuracies by seed, and whether each of its runs that ended is among them."""

    accuracies: Mapping[int, float]
    is_whole: bool


@dataclass(frozen=True)
class Verdict:
    """What the column says of a contender.

    Attributes:
        mark: None where there is no accuracy.
        behind: the best minus this one, paired by seed; None for the best itself and where no seed is shared.
    """

    mark: Mark | None
    behind: Difference | None = None


def judge(column: Sequence[Contender], *, after: Family | None = None) -> list[Verdict]:
    """Mark the best of a column and those that cannot be told from it.

    The best has the highest mean among the whole contenders (no diverged or failed run); beside it, one that is not
    whole ranks behind whatever its survivors reached. Where none is whole, nothing is tested. The others are tied
    unless the test over the common seeds shows them behind. Since the best is picked by the same results, the
    family of tests is that of all pairs of the column; ``after`` is the family that stands before it.
    """
    best = _best(column)
    if best is None:
        return [Verdict(None) for _ in column]
    if not column[best].is_whole:
        return [
            Verdict(("highest" if index == best else "untested") if other.accuracies else None)
            for index, other in enumerate(column)
        ]
    rivals = [index for index, other in enumerate(column) if other.accuracies and other.is_whole]
    behind = _behind(column, best, rivals, after)
    marks: dict[int, Mark] = {rival: _mark(behind[rival]) for rival in rivals if rival != best}
    is_alone = sum(bool(other.accuracies) for other in column) == 1
    is_untested = is_alone or (bool(marks) and all(mark == "untested" for mark in marks.values()))
    marks[best] = "highest" if is_untested else "best"
    return [
        Verdict(marks.get(index, "") if other.accuracies else None, behind[index]) for index, other in enumerate(column)
    ]


def seeds_for(contenders: int) -> int:
    """Return how many seeds a column of so many norms needs before any of them could be told from the best.

    >>> seeds_for(2), seeds_for(5)
    (6, 9)
    """
    return seeds_needed(contenders * (contenders - 1) // 2)


def _best(column: Sequence[Contender]) -> int | None:
    present = [index for index, contender in enumerate(column) if contender.accuracies]
    ranks = {index: (column[index].is_whole, fmean(column[index].accuracies.values())) for index in present}
    return max(present, key=ranks.__getitem__, default=None)


def _behind(
    column: Sequence[Contender], best: int, rivals: Sequence[int], after: Family | None
) -> list[Difference | None]:
    """Return the best minus each contender, tested for the rivals."""
    accuracies = [contender.accuracies for contender in column]
    pairs = {pair: paired(*(accuracies[index] for index in pair)) for pair in combinations(rivals, 2)}
    found, _ = assess(pairs, after=after)
    behind: list[Difference | None] = []
    for index, other in enumerate(accuracies):
        if (best, index) in found:
            behind.append(found[best, index])
        elif (index, best) in found:
            behind.append(found[index, best].reversed())
        else:
            behind.append(None if index == best else difference(paired(accuracies[best], other)))
    return behind


def _mark(behind: Difference | None) -> Mark:
    if behind is None or behind.adjusted is None:
        return "untested"
    # Over the seeds they share, a rival may be ahead of a best whose other seeds are missing.
    return "" if behind.is_told_from_zero and behind.mean > 0 else "tied"
