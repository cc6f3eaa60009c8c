"""Intervals, paired differences and bounds, and slopes over the batch size, against scipy and by hand."""

import numpy as np
import pytest
from scipy import stats

from normzoo.experiment.config.spec import MatrixSpec
from normzoo.report import Summary, summarize
from normzoo.report.statistics.differences import PairedDifference, difference, half_width, paired, slopes

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
    assert list(paired(left, right).items()) == [(0, 0.1), (1, 0.05), (2, 0.15)]


def test_what_differs_by_rounding_alone_is_equal() -> None:
    assert paired({0: 0.7 + 0.1, 1: 0.3}, {0: 0.8, 1: 0.1 + 0.2}) == {0: 0.0, 1: 0.0}


def test_a_difference_is_the_mean_of_its_pairs_with_the_t_interval() -> None:
    found = difference([0.10, 0.05, 0.15])
    assert found is not None
    assert found.mean == pytest.approx(0.10)
    assert found.pairs == 3
    expected = stats.ttest_1samp([0.10, 0.05, 0.15], 0.0).confidence_interval(0.95)
    assert found.half_width == pytest.approx(expected.high - 0.10)


def test_no_common_seed_is_no_difference() -> None:
    assert difference(paired({0: 0.9}, {1: 0.9}).values()) is None


def test_a_difference_is_significant_up_to_the_level() -> None:
    assert not PairedDifference(0.1, 0.01, 10).is_significant
    assert not PairedDifference(0.1, 0.01, 10, p_value=0.051).is_significant
    assert PairedDifference(0.1, 0.01, 10, p_value=0.05).is_significant


def test_a_difference_reversed_changes_its_sign_only() -> None:
    assert PairedDifference(0.1, 0.02, 10, 0.04).reversed() == PairedDifference(-0.1, 0.02, 10, 0.04)


def test_a_difference_scaled_keeps_its_p_value() -> None:
    assert PairedDifference(0.1, 0.02, 10, 0.04).scaled(-0.5) == PairedDifference(-0.05, 0.01, 10, 0.04)
    assert PairedDifference(0.1, None, 1).scaled(2) == PairedDifference(0.2, None, 1)


def test_only_what_is_zero_in_every_one_of_several_pairs_is_zero() -> None:
    for values, expected in (([0.0, 0.0], True), ([0.1, -0.1], False), ([0.0], False), ([0.1, 0.1], False)):
        found = difference(values)
        assert found is not None
        assert found.is_zero is expected


def test_an_upper_bound_is_that_of_a_t_test_at_the_level_that_bonferroni_leaves() -> None:
    values = np.random.default_rng().normal(0.1, 1.0, 8).tolist()
    found = difference(values)
    assert found is not None
    for bounds in (1, 20):
        expected = stats.ttest_1samp(values, 0.0, alternative="less").confidence_interval(1 - 0.05 / bounds)
        assert found.upper_bound(bounds) == pytest.approx(expected.high)
    assert PairedDifference(0.1, None, 1).upper_bound(3) is None


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
    assert found.family.size == 9 + 3, "three pairs at each of three batch sizes, and three of slopes"


def test_batch_norm_loses_significantly_more_and_the_others_do_not_differ() -> None:
    significant = {(each.first, each.second): each.difference.is_significant for each in summary().tables[0].contrasts}
    assert significant == {("batch", "group"): True, ("batch", "none"): True, ("group", "none"): False}


def test_a_seed_that_lacks_a_batch_size_is_left_out_of_slope_and_contrast() -> None:
    table = summary({("batch", 8, 3): "diverged", ("group", 2, 0): None}).tables[0]
    assert [row.slope.pairs if row.slope else 0 for row in table.rows] == [7, 7, 8]
    assert [each.difference.pairs for each in table.contrasts] == [6, 7, 7]
    assert [row.is_partial for row in table.rows] == [True, False, False]


def test_a_norm_missing_at_one_batch_size_has_no_slope_and_no_contrast() -> None:
    table = summary({("group", 8, seed): None for seed in range(8)}).tables[0]
    assert [row.slope is None for row in table.rows] == [False, True, False]
    assert [(each.first, each.second) for each in table.contrasts] == [("batch", "none")]
