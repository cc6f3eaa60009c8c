"""The power hint: what n seeds resolve, and how many a point needs."""

import math

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.power import TTestPower

from normzoo.report.statistics.family import assess, seeds_needed
from normzoo.report.statistics.power import MOST_SEEDS, effect_found, exact_power, pairs_for, power_hint, t_power

SPREAD = [-0.02, 0.02, -0.02, 0.02, 0.0, 0.02, -0.02, 0.0, 0.01, -0.01]


def test_with_many_seeds_it_is_the_power_of_the_t_test() -> None:
    """By the noncentral t distribution of scipy, at the level of Holm's first step."""
    sample = [*SPREAD, *SPREAD]
    hint = power_hint(2, [sample], family_size=4)
    assert hint is not None
    assert hint.resolvable is not None
    shift = hint.resolvable / np.std(sample, ddof=1) * math.sqrt(20)
    critical = stats.t.ppf(1 - 0.05 / 4 / 2, 19)
    power = stats.nct.sf(critical, 19, shift) + stats.nct.cdf(-critical, 19, shift)
    assert power == pytest.approx(0.8, abs=1e-4)


def test_where_all_signs_must_agree_it_is_the_chance_that_they_do() -> None:
    """Ten pairs in a family of 24 need ten equal signs: a shift of z standard deviations makes them so in cdf(z)^10."""
    effect = effect_found(10, 0.05 / 24)
    assert stats.norm.cdf(effect) ** 10 == pytest.approx(0.8, abs=0.05)
    by_t = TTestPower().solve_power(effect_size=None, nobs=10, alpha=0.05 / 24, power=0.8)
    assert effect > by_t + 0.2


def test_the_power_of_the_exact_test_comes_near_the_t_tests_where_its_p_values_are_fine() -> None:
    assert exact_power(1.0, 12, 0.05) == pytest.approx(TTestPower().power(1.0, 12, 0.05), abs=0.06)


def test_the_seeds_for_a_point_are_the_first_to_have_a_power_of_80_percent() -> None:
    hint = power_hint(2, [SPREAD], family_size=4)
    assert hint is not None
    powers = [
        TTestPower().power(0.01 / float(np.std(SPREAD, ddof=1)), hint.seeds_for_a_point - fewer, alpha=0.05 / 4)
        for fewer in (0, 1)
    ]
    assert powers[0] >= 0.8 > powers[1]


def test_few_seeds_for_a_point_are_counted_by_the_exact_test() -> None:
    """By the t test nine would do; that all nine signs agree is not likely enough."""
    effect, alpha = 1.8, 0.05 / 12
    by_t = next(count for count in range(2, 20) if TTestPower().power(effect, count, alpha) >= 0.8)
    found = pairs_for(effect, alpha, seeds_needed(12))
    assert by_t < found <= 12
    assert exact_power(effect, found, alpha) >= 0.8 > exact_power(effect, found - 1, alpha)


@pytest.mark.slow
def test_a_true_difference_of_that_size_is_found_four_times_in_five() -> None:
    """By fresh simulation, from samples to the adjusted p value of a family of one."""
    hint = power_hint(2, [SPREAD], family_size=1)
    assert hint is not None
    assert hint.resolvable is not None
    draws = np.random.default_rng(3).normal(hint.resolvable, np.std(SPREAD, ddof=1), (400, 10))
    found = [assess({0: row})[0][0].is_told_from_zero for row in draws.tolist()]
    assert np.mean(found) == pytest.approx(0.8, abs=0.08)


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


@pytest.mark.parametrize("samples", [[], [[]], [[0.1]], [[0.0] * 10, [0.1] * 10]])
def test_without_two_pairs_or_any_spread_there_is_no_hint(samples: list[list[float]]) -> None:
    assert power_hint(2, samples, family_size=1) is None


@pytest.mark.slow_but_one
@pytest.mark.parametrize("size", [1, 12, 24, 96, 300, 624])
def test_the_power_of_the_t_test_is_reached_at_every_number_of_seeds(size: int) -> None:
    """By scipy's noncentral t, both tails, from where the t test begins on."""
    for pairs in (*range(13, 121), 500):
        effect, alpha = effect_found(pairs, 0.05 / size), 0.05 / size
        assert t_power(effect, pairs, alpha) == pytest.approx(0.8, abs=1e-6), pairs
        approximate = (stats.norm.isf(alpha / 2) + stats.norm.isf(0.2)) / math.sqrt(pairs)
        assert 0.98 * approximate < effect < 2.5 * approximate, pairs


def test_more_differences_and_smaller_ones_need_more_seeds() -> None:
    effects, sizes = (0.01, 0.02, 0.05, 0.2, 0.5, 1.0, 2.0, 5.0), (1, 12, 24, 300, 5000)
    needed = [[pairs_for(effect, 0.05 / size, seeds_needed(size)) for size in sizes] for effect in effects]
    assert all(row == sorted(row) for row in needed)
    assert all(list(column) == sorted(column, reverse=True) for column in zip(*needed, strict=True))


def test_a_hopeless_spread_ends_at_the_most_seeds() -> None:
    hint = power_hint(2, [[-100.0, 100.0, -100.0]], family_size=1)
    assert hint is not None
    assert hint.seeds_for_a_point == MOST_SEEDS
