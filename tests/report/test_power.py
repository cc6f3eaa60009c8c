"""The power hint: what n seeds resolve, and how many a point needs."""

import math

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.power import TTestPower

from normzoo.report._power import MOST_SEEDS, power_hint

SPREAD = [-0.02, 0.02, -0.02, 0.02, 0.0, 0.02, -0.02, 0.0, 0.01, -0.01]


def test_the_difference_that_is_resolved_has_a_power_of_80_percent() -> None:
    """By the noncentral t distribution of scipy, at the level of Holm's first step."""
    hint = power_hint(2, [SPREAD], family_size=4)
    assert hint is not None
    assert hint.resolvable is not None
    shift = hint.resolvable / np.std(SPREAD, ddof=1) * math.sqrt(10)
    critical = stats.t.ppf(1 - 0.05 / 4 / 2, 9)
    power = stats.nct.sf(critical, 9, shift) + stats.nct.cdf(-critical, 9, shift)
    assert power == pytest.approx(0.8, abs=1e-4)


def test_the_seeds_for_a_point_are_the_first_to_have_a_power_of_80_percent() -> None:
    hint = power_hint(2, [SPREAD], family_size=4)
    assert hint is not None
    powers = [
        TTestPower().power(0.01 / float(np.std(SPREAD, ddof=1)), hint.seeds_for_a_point - fewer, alpha=0.05 / 4)
        for fewer in (0, 1)
    ]
    assert powers[0] >= 0.8 > powers[1]


def test_a_true_difference_of_that_size_is_found_four_times_in_five() -> None:
    """By simulation, with the t test at the level of a family of one."""
    generator = np.random.default_rng(3)
    hint = power_hint(2, [SPREAD], family_size=1)
    assert hint is not None
    assert hint.resolvable is not None
    draws = generator.normal(hint.resolvable, np.std(SPREAD, ddof=1), (4000, 10))
    found = np.mean(np.asarray(stats.ttest_1samp(draws, 0.0, axis=1).pvalue) < 0.05)
    assert found == pytest.approx(0.8, abs=0.025)


def test_the_spread_is_the_median_over_norms() -> None:
    hint = power_hint(2, [SPREAD, [10 * value for value in SPREAD], [2 * value for value in SPREAD]], family_size=3)
    assert hint is not None
    assert hint.spread == pytest.approx(2 * np.std(SPREAD, ddof=1))


def test_where_the_exact_test_can_show_nothing_nothing_is_resolved() -> None:
    hint = power_hint(2, [SPREAD[:5]], family_size=24)
    assert hint is not None
    assert hint.resolvable is None
    assert hint.seeds_for_a_point >= 10


def test_few_seeds_for_a_point_are_never_fewer_than_the_test_needs() -> None:
    hint = power_hint(2, [[1e-5 * value for value in SPREAD]], family_size=24)
    assert hint is not None
    assert hint.seeds_for_a_point == 10


def test_differences_without_spread_need_what_the_test_needs() -> None:
    hint = power_hint(2, [[0.0] * 10, [0.1] * 10], family_size=24)
    assert hint is not None
    assert (hint.spread, hint.resolvable, hint.seeds_for_a_point) == (0.0, 0.0, 10)


@pytest.mark.parametrize("samples", [[], [[]], [[0.1]]])
def test_without_two_pairs_there_is_no_hint(samples: list[list[float]]) -> None:
    assert power_hint(2, samples, family_size=1) is None


def test_a_hopeless_spread_ends_at_the_most_seeds() -> None:
    hint = power_hint(2, [[-100.0, 100.0, -100.0]], family_size=1)
    assert hint is not None
    assert hint.seeds_for_a_point == MOST_SEEDS
