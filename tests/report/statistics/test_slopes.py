"""The effect of the batch size: slopes, and contrasts between norms."""

import numpy as np
import pytest
from scipy import stats

from normzoo.experiment.config.spec import MatrixSpec
from normzoo.report import Summary, summarize
from normzoo.report.statistics.differences import slopes

from ..synthetic import Outcome, filled


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
