"""The power hint: what n seeds resolve, and how many a point needs."""

import math

import numpy as np
import pytest
from scipy import optimize, stats

from normzoo.report.statistics.family import (
    MAX_SEEDS,
    assess,
    effect_found,
    exact_power,
    pairs_for,
    power_hint,
    seeds_needed,
    t_power,
)

SPREAD = [-0.02, 0.02, -0.02, 0.02, 0.0, 0.02, -0.02, 0.0, 0.01, -0.01]


def two_sided(effect: float, pairs: int, alpha: float) -> float:
    """Return how often the t test finds an effect in either direction: both tails of scipy's noncentral t."""
    critical, shift = stats.t.isf(alpha / 2, pairs - 1), effect * math.sqrt(pairs)
    return float(stats.nct.sf(critical, pairs - 1, shift) + stats.nct.cdf(-critical, pairs - 1, shift))


def test_with_many_seeds_it_is_the_power_of_the_t_test() -> None:
    """By the noncentral t distribution of scipy, at the level of Holm's first step."""
    sample = [*SPREAD, *SPREAD]
    hint = power_hint(2, [sample], family_size=4, target=0.01)
    assert hint is not None
    assert hint.detectable is not None
    power = two_sided(hint.detectable / float(np.std(sample, ddof=1)), 20, 0.05 / 4)
    assert power == pytest.approx(0.8, abs=1e-4)


def test_where_all_signs_must_agree_it_is_the_chance_that_they_do() -> None:
    """Ten pairs in a family of 24 need ten equal signs: a shift of z standard deviations makes them so in cdf(z)^10."""
    effect = effect_found(10, 0.05 / 24)
    assert stats.norm.cdf(effect) ** 10 == pytest.approx(0.8, abs=0.05)
    by_t = optimize.brentq(lambda each: two_sided(each, 10, 0.05 / 24) - 0.8, 0.0, 10.0)
    assert effect > by_t + 0.2


def test_the_power_of_the_exact_test_comes_near_the_t_tests_where_its_p_values_are_fine() -> None:
    assert exact_power(1.0, 12, 0.05) == pytest.approx(two_sided(1.0, 12, 0.05), abs=0.06)


def test_the_seeds_for_target_are_the_first_to_have_a_power_of_80_percent() -> None:
    hint = power_hint(2, [SPREAD], family_size=4, target=0.01)
    assert hint is not None
    powers = [
        two_sided(0.01 / float(np.std(SPREAD, ddof=1)), hint.seeds_for_target - fewer, 0.05 / 4) for fewer in (0, 1)
    ]
    assert powers[0] >= 0.8 > powers[1]


def test_few_seeds_for_target_are_counted_by_the_exact_test() -> None:
    """By the t test nine would do; that all nine signs agree is not likely enough."""
    effect, alpha = 1.8, 0.05 / 12
    by_t = next(count for count in range(2, 20) if two_sided(effect, count, alpha) >= 0.8)
    found = pairs_for(effect, alpha, seeds_needed(12))
    assert by_t < found <= 12
    assert exact_power(effect, found, alpha) >= 0.8 > exact_power(effect, found - 1, alpha)


def test_a_true_difference_of_that_size_is_found_four_times_in_five() -> None:
    """By fresh simulation, from samples to the adjusted p value of a family of one."""
    hint = power_hint(2, [SPREAD], family_size=1, target=0.01)
    assert hint is not None
    assert hint.detectable is not None
    draws = np.random.default_rng(3).normal(hint.detectable, np.std(SPREAD, ddof=1), (400, 10))
    found = [assess({0: row})[0][0].is_significant for row in draws.tolist()]
    assert np.mean(found) == pytest.approx(0.8, abs=0.08)


def test_the_spread_is_the_median_over_norms() -> None:
    hint = power_hint(2, [[factor * value for value in SPREAD] for factor in (1, 10, 2)], family_size=3, target=0.01)
    assert hint is not None
    assert hint.spread == pytest.approx(2 * np.std(SPREAD, ddof=1))


def test_where_the_exact_test_can_show_nothing_nothing_is_resolved() -> None:
    hint = power_hint(2, [SPREAD[:5]], family_size=24, target=0.01)
    assert hint is not None
    assert hint.detectable is None
    assert hint.seeds_for_target >= 10


def test_few_seeds_for_target_are_never_fewer_than_the_test_needs() -> None:
    hint = power_hint(2, [[1e-5 * value for value in SPREAD]], family_size=24, target=0.01)
    assert hint is not None
    assert hint.seeds_for_target == 10


@pytest.mark.parametrize("samples", [[], [[]], [[0.1]], [[0.0] * 10, [0.1] * 10]])
def test_without_two_pairs_or_any_spread_there_is_no_hint(samples: list[list[float]]) -> None:
    assert power_hint(2, samples, family_size=1, target=0.01) is None


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
    hint = power_hint(2, [[-100.0, 100.0, -100.0]], family_size=1, target=0.01)
    assert hint is not None
    assert hint.seeds_for_target == MAX_SEEDS
