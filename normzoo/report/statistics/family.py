"""A family of tests: differences that are tested together, and adjusted for their number."""

from collections.abc import Container, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from normzoo.report.statistics.differences import (
    LEVEL,
    MAX_EXACT,
    PairedDifference,
    difference,
    least_p_value,
    p_values,
)

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True)
class Family:
    """How many differences are tested together, and whether there are seeds enough for it.

    Attributes:
        size: how many differences are adjusted for one another.
        pairs: the most pairs that one of them has.
        before: how many seeds a family needs that is tested before this one.
        least: the smallest adjusted p value; None where nothing was tested.
    """

    size: int
    pairs: int
    before: int = 0
    least: float | None = None

    @property
    def needed(self) -> int:
        """The least number of seeds at which one of them could be significant."""
        return max(self.before, seeds_needed(self.size))

    @property
    def is_tested(self) -> bool:
        """Whether there are p values."""
        return self.least is not None


def seeds_needed(size: int) -> int:
    """Return the least number of pairs at which the exact test can reach the level in a family of that size.

    >>> seeds_needed(1), seeds_needed(4), seeds_needed(24)
    (6, 8, 10)
    """
    enough = (count for count in range(2, MAX_EXACT + 1) if max(1, size) * least_p_value(count) <= LEVEL)
    return next(enough, MAX_EXACT + 1)


def assess(
    samples: Mapping[Key, Sequence[float]], *, after: Family | None = None, skip: Container[Key] = ()
) -> tuple[dict[Key, PairedDifference], Family]:
    """Test samples of paired differences as one family, adjusted by Holm (1979); empty ones are left out.

    Those with fewer pairs than a single test needs are not tested and belong to no family; none is tested if there are
    too few for the whole family.

    Args:
        samples: the paired differences.
        after: a family that is tested before this one: no p value here is below the least there, and nothing is
            tested if nothing was tested there. So a matrix in which no norm differs is said to show any difference no
            more often than the first family allows (serial gatekeeping, Westfall & Krishen 2001).
        skip: what is measured and not tested.
    """
    found = {key: measured for key, values in samples.items() if (measured := difference(values)) is not None}
    eligible = [key for key in found if key not in skip]
    testable = [key for key in eligible if least_p_value(found[key].pairs) <= LEVEL]
    pairs = max((found[key].pairs for key in eligible), default=0)
    family = Family(len(testable) or len(eligible), pairs, after.needed if after else 0)
    gate = 0.0 if after is None else after.least
    if not testable or pairs < family.needed or gate is None:
        return found, family
    unadjusted = p_values([samples[key] for key in testable])
    adjusted = [max(gate, value) for value in holm(unadjusted)]
    for key, p_value, value in zip(testable, unadjusted, adjusted, strict=True):
        found[key] = replace(found[key], p_value=p_value, adjusted=value)
    return found, replace(family, least=min(adjusted))


def holm(unadjusted: Sequence[float]) -> list[float]:
    """Adjust p values for their number (Holm 1979).

    The i-th smallest of m is multiplied by ``m - i + 1``; none is then below a smaller one's, or above 1. One that is
    no number counts to m, and stays what it is.

    >>> [round(p, 4) for p in holm([0.01, 0.04, 0.03])]
    [0.03, 0.06, 0.06]
    """
    given = np.array(unadjusted, dtype=np.float64)
    order = np.argsort(given)  # those that are no numbers come last
    multiplied = given[order] * np.arange(len(order), 0, -1)
    adjusted = np.empty_like(multiplied)
    adjusted[order] = np.minimum(np.maximum.accumulate(multiplied), 1.0)
    return [float(p) for p in adjusted]
