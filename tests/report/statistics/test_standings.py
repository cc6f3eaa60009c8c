"""Which norm of a column is best, which do not differ from it, and how norms stand seed by seed."""

import numpy as np
import pytest
from scipy import stats

from normzoo.report import VsBaseline, summarize
from normzoo.report.statistics.differences import p_values
from normzoo.report.statistics.family import Family
from normzoo.report.statistics.standings import (
    DIVERGED,
    Contender,
    Mark,
    Verdict,
    judge,
    mean_ranks,
    seed_correlation,
    seeds_for,
    wins,
)

from ..synthetic import Outcome, column

BEST = (0.95, 0.96, 0.94, 0.95, 0.96, 0.97, 0.95, 0.96)
CLOSE = (0.95, 0.95, 0.95, 0.94, 0.97, 0.96, 0.94, 0.96)
FAR = (0.80, 0.82, 0.79, 0.81, 0.80, 0.79, 0.81, 0.80)


def contender(values: tuple[float, ...], *, is_whole: bool = True, first: int = 0) -> Contender:
    return Contender(dict(enumerate(values, first)), is_whole)


def marks(*column: Contender) -> list[Mark | None]:
    return [verdict.mark for verdict in judge(column)]


def test_best_tied_and_behind() -> None:
    assert marks(contender(FAR), contender(BEST), contender(CLOSE)) == ["", "best", "tied"]


def test_the_differences_are_those_of_the_best_minus_the_other() -> None:
    far, best = judge([contender(FAR), contender(BEST)])
    assert best.behind is None
    assert far.behind is not None
    assert far.behind.mean == pytest.approx(0.1525)
    assert far.behind.p_value == p_values([[left - right for left, right in zip(BEST, FAR, strict=True)]])[0] == 2 / 256


def test_the_family_is_all_pairs_of_the_column_since_the_results_pick_the_best() -> None:
    """With seven seeds three pairs can be told apart (3 * 2/128), six cannot."""
    first, second, third, fourth = (tuple(0.9 - lag - 0.001 * seed for seed in range(7)) for lag in (0, 0.1, 0.2, 0.3))
    assert marks(contender(first), contender(second), contender(third)) == ["best", "", ""]
    column = [contender(values) for values in (first, second, third, fourth)]
    assert marks(*column) == ["leading", "untested", "untested", "untested"]


def test_a_column_says_how_many_seeds_would_do() -> None:
    assert [seeds_for(norms) for norms in (2, 3, 4, 5, 6)] == [6, 7, 8, 9, 10]


def test_equal_norms_are_best_and_tied() -> None:
    assert marks(contender(BEST), contender(BEST)) == ["best", "tied"]


@pytest.mark.parametrize(("seeds", "expected"), [(5, ["leading", "untested"]), (6, ["best", ""])])
def test_a_constant_lead_counts_from_six_seeds_on(seeds: int, expected: list[str]) -> None:
    lead = tuple(0.2 + 0.1 * seed for seed in range(seeds))
    assert marks(contender(lead), contender(tuple(value - 0.1 for value in lead))) == expected


def test_a_norm_with_a_lost_run_ranks_behind_the_whole_ones() -> None:
    assert marks(contender(BEST, is_whole=False), contender(FAR)) == ["", "best"]


def test_where_no_norm_is_whole_nothing_is_tested() -> None:
    """What survived is no fair picture of any of them."""
    column = [contender(BEST, is_whole=False), contender(FAR, is_whole=False), contender(())]
    assert judge(column) == [Verdict("leading"), Verdict("untested"), Verdict(None)]


def test_a_norm_by_itself_is_not_marked() -> None:
    assert marks(contender(BEST)) == ["leading"]


def test_no_norm_is_behind_where_the_family_before_shows_nothing() -> None:
    column = [contender(FAR), contender(BEST)]
    families = {least: Family(1, 8, least=least) for least in (0.04, 0.06, None)}
    shown = {least: [each.mark for each in judge(column, after=family)] for least, family in families.items()}
    assert shown == {0.04: ["", "best"], 0.06: ["tied", "best"], None: ["untested", "leading"]}


def test_one_seed_is_no_test() -> None:
    assert marks(contender((0.9,)), contender((0.5,)), contender((0.7,))) == ["leading", "untested", "untested"]


def test_one_norm_with_too_few_seeds_does_not_hinder_the_others() -> None:
    assert marks(contender(BEST), contender((0.5,)), contender(FAR)) == ["best", "untested", ""]


def test_seeds_not_in_common_are_no_test() -> None:
    assert marks(contender(BEST), contender(FAR, first=8)) == ["leading", "untested"]


def test_a_rival_ahead_over_the_common_seeds_is_not_behind() -> None:
    rival = contender((*(0.99 - 0.001 * seed for seed in range(6)), 0.10, 0.10))
    assert marks(contender(tuple(0.90 - 0.002 * seed for seed in range(6))), rival) == ["best", "tied"]


def test_no_accuracy_no_mark() -> None:
    assert marks(contender(()), contender((), is_whole=False)) == [None, None]


def test_a_norm_that_alone_has_results_is_best_of_nothing() -> None:
    assert marks(contender((), is_whole=False), contender(FAR)) == [None, "leading"]


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
