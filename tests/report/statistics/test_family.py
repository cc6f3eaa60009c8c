"""Families of tests: Holm's correction, how many seeds a family needs, and what n seeds resolve."""

import math

import numpy as np
import pytest
from scipy import optimize, stats

from normzoo.report.statistics.differences import p_values
from normzoo.report.statistics.family import (
    MAX_SEEDS,
    Family,
    assess,
    effect_found,
    exact_power,
    holm,
    pairs_for,
    power_hint,
    seeds_needed,
    t_power,
)

CLEAR = [0.05, 0.06, 0.07, 0.05, 0.06, 0.07, 0.08, 0.05]
NOISE = [0.01, -0.01, 0.02, -0.02, 0.01, -0.02, 0.01, 0.02]


def test_holm_worked_by_hand() -> None:
    # Sorted 0.01, 0.02, 0.04, 0.30 times 4, 3, 2, 1, then never falling.
    assert holm([0.04, 0.01, 0.30, 0.02]) == pytest.approx([0.08, 0.04, 0.30, 0.06])


def test_holm_of_nothing_is_nothing() -> None:
    assert holm([]) == []


def by_definition(unadjusted: list[float]) -> list[float]:
    """Holm (1979): the greatest, over all p values up to this one, of each times how many are not below it."""
    return [
        min(1.0, max(each * sum(other >= each for other in unadjusted) for each in unadjusted if each <= p))
        for p in unadjusted
    ]


def rejected(unadjusted: list[float], alpha: float) -> set[int]:
    """Step down from the smallest p value; the first that is above its share of the level ends it."""
    found: set[int] = set()
    for place in sorted(range(len(unadjusted)), key=lambda place: unadjusted[place]):
        if unadjusted[place] > alpha / (len(unadjusted) - len(found)):
            break
        found.add(place)
    return found


def random_p_values(seed: int) -> list[float]:
    """Some families with ties, zeros and ones; most of them small, so that not all are adjusted to 1."""
    random = np.random.default_rng(seed)
    values: list[float] = (random.random(int(random.integers(1, 60))) ** random.integers(1, 9)).tolist()
    if seed % 2:
        values = [round(value, 2) for value in values] + [0.0, 1.0]
    return values


@pytest.mark.parametrize("seed", range(200))
def test_holm_is_what_its_definition_says(seed: int) -> None:
    # To the last bit: by the formula, and by what is rejected at a level that is no p value's own.
    unadjusted = random_p_values(seed)
    adjusted = holm(unadjusted)
    assert adjusted == by_definition(unadjusted)
    for alpha in (0.0123, 0.0497, 0.207):
        assert {place for place, p in enumerate(adjusted) if p <= alpha} == rejected(unadjusted, alpha)


def test_holm_counts_what_is_no_number_and_leaves_it_so() -> None:
    first, none, second = holm([0.01, math.nan, 0.02])
    assert (first, second) == (0.03, 0.04)
    assert math.isnan(none)


@pytest.mark.parametrize(
    ("size", "seeds"),
    [
        (0, 6),
        (1, 6),
        (2, 7),
        (3, 7),
        (4, 8),
        (6, 8),
        (7, 9),
        (12, 9),
        (24, 10),
        (25, 10),
        (26, 11),
        (102, 12),
        (103, 13),
    ],
)
def test_a_family_needs_so_many_seeds(size: int, seeds: int) -> None:
    # The least p value of n pairs is 2 / 2^n; times the size it must not exceed 0.05.
    assert seeds_needed(size) == seeds
    if size > 0 and seeds <= 12:
        assert size * 2 / 2**seeds <= 0.05 < size * 2 / 2 ** (seeds - 1) or seeds == 6


def test_a_family_is_adjusted_for_all_its_differences() -> None:
    samples = {"clear": CLEAR, "noise": NOISE, "half": [*CLEAR[:4], *NOISE[:4]]}
    found, family = assess(samples)
    unadjusted = p_values(list(samples.values()))
    assert [each.p_value for each in found.values()] == unadjusted
    assert [each.adjusted for each in found.values()] == by_definition(unadjusted)
    assert (family.size, family.pairs, family.needed) == (3, 8, 7)
    assert family.least == min(each.adjusted or 0.0 for each in found.values())
    assert [name for name, each in found.items() if each.is_significant] == ["clear"]


def test_below_the_seeds_it_needs_a_family_is_not_tested() -> None:
    found, family = assess(dict.fromkeys("ab", CLEAR[:6]))
    assert (family.needed, family.is_tested) == (7, False)
    assert {each.adjusted for each in found.values()} == {None}
    assert {round(each.mean, 4) for each in found.values()} == {0.06}


def test_a_single_difference_is_tested_with_six_seeds_and_not_with_five() -> None:
    assert assess({0: CLEAR[:6]})[0][0].adjusted == 2 / 64
    found, family = assess({0: CLEAR[:5]})
    assert (found[0].adjusted, family.needed) == (None, 6)


def test_a_difference_with_too_few_pairs_belongs_to_no_family() -> None:
    found, family = assess({"whole": CLEAR, "few": CLEAR[:5], "none": []})
    assert family.size == 1
    assert found["whole"].adjusted == 2 / 256
    assert found["few"].adjusted is None
    assert "none" not in found


def test_nothing_to_test_is_no_family() -> None:
    found, family = assess({0: [], 1: []})
    assert (found, family.size, family.is_tested) == ({}, 0, False)


def test_no_p_value_is_less_than_the_least_of_the_family_before() -> None:
    samples = {"clear": CLEAR, "noise": NOISE}
    alone = {name: each.adjusted for name, each in assess(samples)[0].items()}
    found, family = assess(samples, after=Family(1, 8, least=0.03))
    assert {name: each.adjusted for name, each in found.items()} == {"clear": 0.03, "noise": alone["noise"]}
    assert family.least == 0.03


def test_where_the_family_before_was_not_tested_nothing_is_and_its_seeds_are_needed_too() -> None:
    found, family = assess({0: CLEAR}, after=Family(24, 8))
    assert found[0].adjusted is None
    assert (family.needed, family.is_tested) == (10, False)


def test_what_is_to_be_skipped_is_measured_and_belongs_to_no_family() -> None:
    found, family = assess({"whole": CLEAR, "partial": CLEAR}, skip={"partial"})
    assert family.size == 1
    assert found["whole"].adjusted == 2 / 256
    assert (found["partial"].mean, found["partial"].adjusted) == (found["whole"].mean, None)


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


@pytest.mark.slow
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
    hint = power_hint(2, [[-100.0, 100.0, -100.0]], family_size=1, target=0.01)
    assert hint is not None
    assert hint.seeds_for_target == MAX_SEEDS
