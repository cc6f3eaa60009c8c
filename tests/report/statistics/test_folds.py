"""Does the test keep its level where seeds have folds of the data in turn?"""

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.inference import limit
from normzoo.report.statistics.family import joint_sign_flips

COMPARISONS, NORMS = 200, 3


def share_with_claims(seeds: int, folds: int, *, of_norms: float) -> float:
    """Return how many comparisons find a difference between norms that have the same mean over many folds.

    Args:
        seeds: how many.
        folds: how many; seed s has fold s mod folds.
        of_norms: by how much a norm suits one fold better than another, in units of the noise of a seed.
    """
    random = np.random.default_rng(0)
    turns = np.arange(seeds) % folds
    found = 0
    for _ in range(COMPARISONS):
        hard = 3 * random.standard_normal((folds, 1))
        suited = of_norms * random.standard_normal((folds, NORMS))
        values = (hard + suited)[turns] + random.standard_normal((seeds, NORMS))
        p_values, _ = joint_sign_flips(_differences(values))
        found += bool((p_values <= 0.05).any())
    return found / COMPARISONS


def _differences(values: NDArray[np.float64]) -> NDArray[np.float64]:
    first, second = np.triu_indices(NORMS, 1)
    return values[:, first] - values[:, second]


@pytest.mark.slow
def test_that_some_folds_are_harder_than_others_makes_no_norm_differ() -> None:
    """All norms of a seed share its fold, which drops out."""
    assert share_with_claims(10, 5, of_norms=0.0) <= limit(COMPARISONS)


@pytest.mark.slow
def test_with_a_fold_for_each_seed_the_test_covers_the_split() -> None:
    """Norms that suit some samples better than others do not differ over many."""
    assert share_with_claims(10, 10, of_norms=1.0) <= limit(COMPARISONS)


@pytest.mark.slow
def test_seeds_that_share_a_fold_are_too_sure_of_the_split() -> None:
    """As the limitations of a report say, with the way out; where this is no more, they need not."""
    assert share_with_claims(12, 3, of_norms=1.0) > 2 * limit(COMPARISONS)
