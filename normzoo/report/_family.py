"""A family of tests: differences that are tested together, and adjusted for their number."""

import gc
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from statsmodels.stats.multitest import multipletests

from normzoo.report._statistics import LEVEL, MOST_EXACT, Difference, difference, least_p_value, p_values

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True)
class Family:
    """How many differences are tested together, and whether there are seeds enough for it.

    Attributes:
        size: how many differences are adjusted for one another.
        pairs: the most pairs that one of them has.
    """

    size: int
    pairs: int

    @property
    def needed(self) -> int:
        """The least number of seeds at which one of them could be told from zero."""
        return seeds_needed(self.size)

    @property
    def is_testable(self) -> bool:
        """Whether any difference could be told from zero, whatever the results are."""
        return self.size > 0 and self.pairs >= self.needed


def seeds_needed(size: int) -> int:
    """Return the least number of pairs at which the exact test can reach the level in a family of that size.

    >>> seeds_needed(1), seeds_needed(4), seeds_needed(24)
    (6, 8, 10)
    """
    enough = (count for count in range(2, MOST_EXACT + 1) if max(1, size) * least_p_value(count) <= LEVEL)
    return next(enough, MOST_EXACT + 1)


def assess(samples: Mapping[Key, Sequence[float]]) -> tuple[dict[Key, Difference], Family]:
    """Test samples of paired differences as one family, adjusted by Holm (1979); empty ones are left out.

    Those with fewer pairs than a single test needs are not tested, and belong to no family.
    """
    found = {key: measured for key, values in samples.items() if (measured := difference(values)) is not None}
    testable = [key for key, measured in found.items() if least_p_value(measured.pairs) <= LEVEL]
    size = len(testable) or len(found)
    family = Family(size, max((measured.pairs for measured in found.values()), default=0))
    if not testable or not family.is_testable:
        return found, family
    unadjusted = p_values([samples[key] for key in testable])
    for key, p_value, adjusted in zip(testable, unadjusted, holm(unadjusted), strict=True):
        found[key] = replace(found[key], p_value=p_value, adjusted=adjusted)
    return found, family


def holm(unadjusted: Sequence[float]) -> list[float]:
    """Adjust p values for their number (Holm 1979).

    >>> [round(p, 4) for p in holm([0.01, 0.04, 0.03])]
    [0.03, 0.06, 0.06]
    """
    if not unadjusted:
        return []
    gc.freeze()  # statsmodels collects garbage at every call, which takes long among ten thousand records
    try:
        return [float(p) for p in multipletests(unadjusted, alpha=LEVEL, method="holm")[1]]
    finally:
        gc.unfreeze()
