"""Intervals, paired differences and Holm's correction, against scipy called directly and by hand."""

import math

import pytest
from scipy import stats

from normzoo.report._statistics import half_width, holm, paired_difference


def test_the_half_width_is_that_of_scipys_t_interval() -> None:
    values = [0.91, 0.93, 0.92, 0.95, 0.90]
    low, high = stats.t.interval(0.95, df=4, loc=sum(values) / 5, scale=stats.sem(values))
    assert half_width(values) == pytest.approx((high - low) / 2)


def test_the_half_width_of_three_values_worked_by_hand() -> None:
    # Standard deviation 0.02, t(0.975, 2) = 4.3027: 4.3027 * 0.02 / sqrt(3).
    assert half_width([0.90, 0.92, 0.94]) == pytest.approx(0.04968, abs=1e-5)


@pytest.mark.parametrize("values", [[], [0.9]])
def test_fewer_than_two_values_have_no_interval(values: list[float]) -> None:
    assert half_width(values) is None


def test_a_paired_difference_uses_the_common_seeds_only() -> None:
    left = {0: 0.90, 1: 0.80, 2: 0.95, 7: 0.1}
    right = {0: 0.80, 1: 0.75, 2: 0.80, 8: 0.9}
    difference = paired_difference(left, right)
    assert difference is not None
    assert difference.pairs == 3
    assert difference.mean == pytest.approx(0.10)
    expected = stats.ttest_rel([0.90, 0.80, 0.95], [0.80, 0.75, 0.80])
    assert difference.p_value == pytest.approx(expected.pvalue)
    assert difference.half_width == pytest.approx(expected.confidence_interval(0.95).high - 0.10)


def test_no_common_seed_is_no_difference() -> None:
    assert paired_difference({0: 0.9}, {1: 0.9}) is None


def test_one_pair_has_a_mean_but_no_test() -> None:
    difference = paired_difference({0: 0.9}, {0: 0.4})
    assert difference is not None
    assert (difference.half_width, difference.p_value, difference.is_told_from_zero) == (None, None, False)


@pytest.mark.parametrize(
    ("step", "seeds", "told"),
    [(0.0, 5, False), (0.1, 2, False), (0.1, 3, True), (0.1, 5, True)],
)
def test_a_difference_the_same_in_every_pair_is_told_from_zero_from_three_pairs_on(
    step: float, seeds: int, told: bool
) -> None:
    # 0.7 + 0.1 and the like differ in their last bit, so the differences are equal up to rounding only.
    left = {seed: 0.3 + 0.1 * seed + step for seed in range(seeds)}
    right = {seed: 0.3 + 0.1 * seed for seed in range(seeds)}
    difference = paired_difference(left, right)
    assert difference is not None
    assert difference.p_value is not None
    assert math.isfinite(difference.p_value)
    assert difference.is_told_from_zero is told


def test_holm_worked_by_hand() -> None:
    # Sorted 0.01, 0.02, 0.04, 0.30 times 4, 3, 2, 1, then never falling.
    assert holm([0.04, 0.01, 0.30, 0.02]) == pytest.approx([0.08, 0.04, 0.30, 0.06])


def test_holm_of_nothing_is_nothing() -> None:
    assert holm([]) == []
