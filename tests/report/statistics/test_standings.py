"""How norms stand to the baseline and among all, seed by seed; worked by hand and against scipy."""

import numpy as np
import pytest
from scipy import stats

from normzoo.report import VsBaseline, summarize
from normzoo.report.statistics.standings import DIVERGED, mean_ranks, seed_correlation, wins

from ..synthetic import Outcome, column


def versus(norms: dict[str, tuple[Outcome, ...]], norm: str) -> VsBaseline:
    matrix, records = column(norms)
    found = next(row.cells[0].vs_baseline for row in summarize(matrix, records).tables[0].rows if row.norm == norm)
    assert found is not None
    return found


def test_wins_count_ties_half_and_common_seeds_only() -> None:
    assert wins({0: 0.9, 1: 0.5, 2: 0.4, 3: 0.9}, {0: 0.8, 1: 0.5, 2: 0.6, 4: 0.1}) == 1.5


def test_of_two_diverged_runs_neither_wins() -> None:
    assert wins({0: DIVERGED, 1: DIVERGED}, {0: DIVERGED, 1: 0.1}) == 0.5


def test_the_probability_of_beating_the_baseline_is_over_seeds_with_a_result() -> None:
    found = versus({"none": (0.5, 0.5, "diverged", "failed", 0.5), "batch": (0.6, "diverged", 0.1, 0.9, None)}, "batch")
    assert (found.wins, found.seeds) == (2.0, 3)
    assert found.probability == pytest.approx(2 / 3)
    assert found.is_partial


def test_the_difference_is_the_norm_minus_the_baseline_over_common_seeds() -> None:
    found = versus({"none": (0.5, 0.6, 0.7), "batch": (0.6, 0.8, None)}, "batch")
    assert found.difference is not None
    assert found.difference.mean == pytest.approx(0.15)
    assert found.difference.pairs == 2
    assert not found.is_partial


def test_mean_ranks_share_ties_and_put_divergence_last() -> None:
    # Seed 0: 1, 2, 3. Seed 1: 2.5, 1, 2.5. Seed 2: 3, 1.5, 1.5.
    column = [{0: 0.9, 1: 0.5, 2: DIVERGED}, {0: 0.8, 1: 0.7, 2: 0.3}, {0: 0.7, 1: 0.5, 2: 0.3}]
    assert mean_ranks(column) == pytest.approx([6.5 / 3, 4.5 / 3, 7 / 3])


def test_mean_ranks_are_scipys() -> None:
    values = np.random.default_rng().random((4, 6))
    expected = stats.rankdata(-values, axis=0).mean(axis=1)
    assert mean_ranks([dict(enumerate(row)) for row in values.tolist()]) == pytest.approx(expected)


def test_ranks_are_over_the_seeds_that_all_have() -> None:
    assert mean_ranks([{0: 0.9, 1: 0.1}, {0: 0.8}, {}]) == [1.0, 2.0, None]
    assert mean_ranks([{0: 0.9}, {1: 0.8}]) == [None, None]
    assert mean_ranks([{}, {}]) == [None, None]


def test_the_correlation_is_scipys_over_common_seeds() -> None:
    left, right = np.random.default_rng().random((2, 8))
    by_seed = dict(enumerate(left.tolist())), dict(enumerate(right.tolist()))
    assert seed_correlation(*by_seed) == pytest.approx(stats.pearsonr(left, right).statistic)
    assert seed_correlation(by_seed[0], {**by_seed[1], 9: 0.5}) == seed_correlation(*by_seed)


@pytest.mark.parametrize(
    ("left", "right"), [({0: 0.1, 1: 0.2}, {0: 0.3, 1: 0.4}), ({0: 1.0, 1: 1.0, 2: 1.0}, {0: 0.1, 1: 0.2, 2: 0.3})]
)
def test_two_pairs_or_a_constant_have_no_correlation(left: dict[int, float], right: dict[int, float]) -> None:
    assert seed_correlation(left, right) is None
