"""Which norm of a column is best, and which cannot be told from it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Literal

from normzoo.report._statistics import LEVEL, Difference, holm, paired_difference

Mark = Literal["best", "highest", "tied", "untested", ""]
"""``best``: the highest mean, tested against the others; ``highest``: the same where nothing could be tested;
``tied``: cannot be told from the best; ``untested``: fewer than two pairs with it; empty: behind it."""


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


def judge(column: Sequence[Contender]) -> list[Verdict]:
    """Mark the best of a column and those that cannot be told from it.

    The best has the highest mean among the whole contenders (no diverged or failed run), or among all if none is
    whole. Beside a whole best, one that is not whole ranks behind whatever its survivors reached. The others are
    tied unless a paired t test over the common seeds, adjusted by Holm over the column, shows them behind.
    """
    best = _best(column)
    if best is None:
        return [Verdict(None) for _ in column]
    behind = [paired_difference(column[best].accuracies, other.accuracies) for other in column]
    rivals = [
        index
        for index, other in enumerate(column)
        if index != best and other.accuracies and (other.is_whole or not column[best].is_whole)
    ]
    marks = _test({index: behind[index] for index in rivals})
    is_untested = bool(rivals) and all(mark == "untested" for mark in marks.values())
    marks[best] = "highest" if is_untested else "best"
    return [
        Verdict(marks.get(index, "") if other.accuracies else None, None if index == best else behind[index])
        for index, other in enumerate(column)
    ]


def _best(column: Sequence[Contender]) -> int | None:
    present = [index for index, contender in enumerate(column) if contender.accuracies]
    ranks = {index: (column[index].is_whole, fmean(column[index].accuracies.values())) for index in present}
    return max(present, key=ranks.__getitem__, default=None)


def _test(behind: Mapping[int, Difference | None]) -> dict[int, Mark]:
    """Mark each rival by the test of its difference from the best."""
    marks: dict[int, Mark] = dict.fromkeys(behind, "untested")
    tested = {
        index: (difference.mean, difference.p_value)
        for index, difference in behind.items()
        if difference is not None and difference.p_value is not None
    }
    adjusted = holm([p_value for _, p_value in tested.values()])
    for (index, (mean, _)), p_value in zip(tested.items(), adjusted, strict=True):
        # Over the seeds they share, a rival may be ahead of a best whose other seeds are missing.
        marks[index] = "" if p_value < LEVEL and mean > 0 else "tied"
    return marks
