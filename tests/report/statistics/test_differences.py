"""Intervals, paired differences and their test, and slopes over the batch size, against scipy and by hand."""

import math

import numpy as np
import pytest
from scipy import stats

from normzoo.experiment.config.spec import MatrixSpec
from normzoo.report import Summary, summarize
from normzoo.report.statistics.differences import (
    MAX_EXACT,
    PairedDifference,
    difference,
    half_width,
    least_p_value,
    p_values,
    paired,
    slopes,
)

from ..synthetic import Outcome, filled


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


def test_pairs_are_the_common_seeds_in_order() -> None:
    left = {0: 0.90, 7: 0.1, 2: 0.95, 1: 0.80}
    right = {2: 0.80, 0: 0.80, 8: 0.9, 1: 0.75}
    assert paired(left, right) == [0.1, 0.05, 0.15]


def test_what_differs_by_rounding_alone_is_equal() -> None:
    assert paired({0: 0.7 + 0.1, 1: 0.3}, {0: 0.8, 1: 0.1 + 0.2}) == [0.0, 0.0]


def test_a_difference_is_the_mean_of_its_pairs_with_the_t_interval() -> None:
    found = difference([0.10, 0.05, 0.15])
    assert found is not None
    assert found.mean == pytest.approx(0.10)
    assert found.pairs == 3
    expected = stats.ttest_1samp([0.10, 0.05, 0.15], 0.0).confidence_interval(0.95)
    assert found.half_width == pytest.approx(expected.high - 0.10)


def test_no_common_seed_is_no_difference() -> None:
    assert difference(paired({0: 0.9}, {1: 0.9})) is None


def test_a_difference_is_significant_by_its_adjusted_p_value_alone() -> None:
    assert not PairedDifference(0.1, 0.01, 10, p_value=0.002).is_significant
    assert not PairedDifference(0.1, 0.01, 10, p_value=0.002, adjusted=0.05).is_significant
    assert PairedDifference(0.1, 0.01, 10, p_value=0.002, adjusted=0.049).is_significant


def test_a_difference_reversed_changes_its_sign_only() -> None:
    assert PairedDifference(0.1, 0.02, 10, 0.002, 0.04).reversed() == PairedDifference(-0.1, 0.02, 10, 0.002, 0.04)


def test_the_exact_test_worked_by_hand() -> None:
    # Of the 8 ways to set the signs of 1, 2 and 4 points only two, all plus and all minus, reach a mean of 7/3;
    # of -1, 2 and 4 six of eight reach 5/3 in absolute value less than two: 7, 5, -5 and -7 over 3.
    assert p_values([[0.01, 0.02, 0.04], [-0.01, 0.02, 0.04]]) == [2 / 8, 4 / 8]


def test_the_exact_test_counts_every_way_to_set_the_signs() -> None:
    generator = np.random.default_rng()
    for count in (4, 6, 9):
        values = generator.normal(0.5, 1.0, count).round(6)
        signs = np.array(np.meshgrid(*[[1, -1]] * count)).reshape(count, -1)
        reached = np.abs(values @ signs).round(9) >= abs(values.sum().round(9))
        assert p_values([values.tolist()]) == [pytest.approx(reached.mean())]


def test_the_exact_test_is_scipys() -> None:
    values = np.random.default_rng().normal(0.3, 1.0, 8)
    expected = stats.permutation_test((values,), np.mean, permutation_type="samples", n_resamples=2**8)
    assert p_values([values.tolist()]) == [pytest.approx(expected.pvalue)]


@pytest.mark.parametrize("count", range(2, MAX_EXACT + 1))
def test_no_results_give_less_than_the_least_p_value(count: int) -> None:
    assert p_values([[0.1 + 0.01 * pair for pair in range(count)]]) == [least_p_value(count)] == [2 / 2**count]


def test_samples_of_different_lengths_are_tested_together_and_in_order() -> None:
    samples = [[0.1] * 6, [0.0] * 3, [], [0.1, -0.1], [0.2] * 3]
    assert p_values(samples) == [2 / 64, 1.0, 1.0, 1.0, 2 / 8]


def test_with_more_pairs_it_is_scipys_t_test() -> None:
    left, right = np.random.default_rng().normal([[0.2], [0.0]], 1.0, (2, MAX_EXACT + 1))
    (found,) = p_values([(left - right).tolist()])
    assert found == pytest.approx(stats.ttest_rel(left, right).pvalue)
    assert least_p_value(MAX_EXACT + 1) == 0.0


def test_where_the_exact_test_ends_the_t_test_agrees_with_it() -> None:
    values = np.random.default_rng(1).normal(0.6, 1.0, (200, MAX_EXACT))
    exact = np.array(p_values(values.tolist()))
    by_t = stats.ttest_1samp(values, 0.0, axis=1).pvalue
    assert np.median(np.abs(exact - by_t)) < 0.005


@pytest.mark.parametrize("count", [6, MAX_EXACT, MAX_EXACT + 1, 30])
def test_ties_and_constant_differences_have_a_p_value(count: int) -> None:
    tie, lead, late = p_values([[0.0] * count, [0.1] * count, [*[0.0] * (count - 1), 0.1]])
    assert tie == 1.0
    assert lead == 2.0 ** (1 - count)
    assert late > 0.3
    assert math.isfinite(late)


def test_equal_means_are_equal_whatever_the_order_of_their_sums() -> None:
    """0.1 + 0.2 and 0.3 differ in their last bit; a p value must not."""
    assert p_values([[0.1, 0.2, -0.3, 0.1, 0.2, -0.3]]) == [1.0]


def test_a_slope_worked_by_hand() -> None:
    # log2 of 2, 8, 32 is 1, 3, 5; around their mean -2, 0, 2: (-2 * 0.5 + 2 * 0.9) / 8.
    assert slopes((2, 8, 32), [{0: 0.5}, {0: 0.6}, {0: 0.9}]) == {0: pytest.approx(0.1)}


def test_a_slope_is_that_of_scipys_regression_for_every_seed() -> None:
    sizes = (2, 4, 16, 64)
    reached = np.random.default_rng().random((4, 5))
    found = slopes(sizes, [dict(enumerate(row)) for row in reached.tolist()])
    for seed in range(5):
        assert found[seed] == pytest.approx(stats.linregress(np.log2(sizes), reached[:, seed]).slope)


def test_only_seeds_with_every_batch_size_have_a_slope() -> None:
    assert slopes((2, 4), [{0: 0.5, 1: 0.5}, {1: 0.75, 2: 0.1}]) == {1: pytest.approx(0.25)}
    assert slopes((2, 4), [{0: 0.5}, {}]) == {}


def test_a_single_batch_size_has_no_slope() -> None:
    assert slopes((8,), [{0: 0.5}]) == {}


LOSS = {"batch": 0.10, "group": 0.001, "none": 0.0}
"""Accuracy lost with each halving."""

NOISE = (0.00, 0.01, -0.01, 0.02, -0.02, 0.03, -0.03, 0.01)


def fallen(norm: str, size: int, seed: int) -> float:
    halvings = {32: 0, 8: 2, 2: 4}[size]
    noise = NOISE[(seed * 3 + len(norm)) % 8] if size == 2 else 0.0
    return 0.95 - LOSS[norm] * halvings + noise


def summary(outcome: dict[tuple[str, int, int], Outcome] | None = None) -> Summary:
    lost = outcome or {}
    matrix = MatrixSpec(norms="batch,group,none", templates="cnn", seeds=8)
    return summarize(
        matrix, filled(matrix, lambda norm, size, seed: lost.get((norm, size, seed), fallen(norm, size, seed)))
    )


def test_the_slope_of_a_row_is_the_mean_over_seeds_with_its_t_interval() -> None:
    row = summary().tables[0].rows[0]
    by_seed = [(-2 * fallen("batch", 2, seed) + 2 * fallen("batch", 32, seed)) / 8 for seed in range(8)]
    assert row.slope is not None
    assert row.slope.mean == pytest.approx(np.mean(by_seed))
    assert row.slope.pairs == 8
    expected = stats.ttest_1samp(by_seed, 0.0).confidence_interval(0.95)
    assert row.slope.half_width == pytest.approx(expected.high - np.mean(by_seed))


def test_every_two_norms_have_a_contrast_paired_by_seed() -> None:
    found = summary()
    pairs = {(each.first, each.second): each.difference for each in found.tables[0].contrasts}
    assert list(pairs) == [("batch", "group"), ("batch", "none"), ("group", "none")]
    by_seed = [
        (-2 * (fallen("batch", 2, seed) - fallen("group", 2, seed)) + 2 * (0.95 - 0.95)) / 8 for seed in range(8)
    ]
    contrast = pairs["batch", "group"]
    assert contrast.mean == pytest.approx(np.mean(by_seed))
    expected = stats.permutation_test((by_seed,), np.mean, permutation_type="samples", n_resamples=2**8)
    assert contrast.p_value == pytest.approx(expected.pvalue)
    assert (found.contrasts.size, found.vs_baseline.size, found.contrasts.needed) == (3, 6, 8)


def test_batch_norm_is_shown_to_lose_more_and_the_others_are_not_told_apart() -> None:
    told = {(each.first, each.second): each.difference.is_significant for each in summary().tables[0].contrasts}
    assert told == {("batch", "group"): True, ("batch", "none"): True, ("group", "none"): False}


def test_a_seed_that_lacks_a_batch_size_is_left_out_of_slope_and_contrast() -> None:
    table = summary({("batch", 8, 3): "diverged", ("group", 2, 0): None}).tables[0]
    assert [row.slope.pairs if row.slope else 0 for row in table.rows] == [7, 7, 8]
    assert [each.difference.pairs for each in table.contrasts] == [6, 7, 7]
    assert [row.is_partial for row in table.rows] == [True, False, False]


def test_a_norm_missing_at_one_batch_size_has_no_slope_and_no_contrast() -> None:
    table = summary({("group", 8, seed): None for seed in range(8)}).tables[0]
    assert [row.slope is None for row in table.rows] == [False, True, False]
    assert [(each.first, each.second) for each in table.contrasts] == [("batch", "none")]
