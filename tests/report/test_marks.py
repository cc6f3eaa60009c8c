"""Which norm of a column is best, and which cannot be told from it."""

import pytest
from scipy import stats

from normzoo.report._marks import Contender, Mark, judge

BEST = (0.95, 0.96, 0.94, 0.95, 0.96)
CLOSE = (0.95, 0.95, 0.94, 0.95, 0.95)
FAR = (0.80, 0.82, 0.79, 0.81, 0.80)


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
    assert far.behind.mean == pytest.approx(0.148)
    assert far.behind.p_value == pytest.approx(stats.ttest_rel(BEST, FAR).pvalue)


def test_holm_ties_what_a_single_test_would_tell_apart() -> None:
    near = (0.94, 0.94, 0.94, 0.94, 0.94)
    assert 0.025 < stats.ttest_rel(BEST, near).pvalue < 0.05
    assert marks(contender(BEST), contender(near)) == ["best", ""]
    assert marks(contender(BEST), contender(near), contender(CLOSE)) == ["best", "tied", "tied"]


def test_equal_norms_are_best_and_tied() -> None:
    assert marks(contender(BEST), contender(BEST)) == ["best", "tied"]


@pytest.mark.parametrize(("seeds", "expected"), [(2, "tied"), (3, "")])
def test_a_constant_lead_counts_from_three_seeds_on(seeds: int, expected: str) -> None:
    lead = tuple(0.5 + 0.1 * seed for seed in range(seeds))
    assert marks(contender(lead), contender(tuple(value - 0.1 for value in lead))) == ["best", expected]


def test_a_norm_with_a_lost_run_ranks_behind_the_whole_ones() -> None:
    assert marks(contender(BEST, is_whole=False), contender(FAR)) == ["", "best"]


def test_where_no_norm_is_whole_the_highest_mean_is_best() -> None:
    column = [contender(BEST, is_whole=False), contender(FAR, is_whole=False), contender(CLOSE, is_whole=False)]
    assert marks(*column) == ["best", "", "tied"]


def test_one_seed_is_no_test() -> None:
    assert marks(contender((0.9,)), contender((0.5,)), contender((0.7,))) == ["highest", "untested", "untested"]


def test_one_norm_with_too_few_seeds_does_not_hinder_the_others() -> None:
    assert marks(contender(BEST), contender((0.5,)), contender(FAR)) == ["best", "untested", ""]


def test_seeds_not_in_common_are_no_test() -> None:
    assert marks(contender((0.9, 0.91)), contender((0.5, 0.51), first=2)) == ["highest", "untested"]


def test_a_rival_ahead_over_the_common_seeds_is_not_behind() -> None:
    rival = contender((0.99, 0.98, 0.97, 0.10, 0.10))
    assert marks(contender((0.90, 0.89, 0.88)), rival) == ["best", "tied"]


def test_no_accuracy_no_mark() -> None:
    assert marks(contender(()), contender((), is_whole=False)) == [None, None]
    assert marks(contender((), is_whole=False), contender(FAR)) == [None, "best"]
