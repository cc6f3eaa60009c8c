"""Which norm of a block is best, which do not differ from it, and how norms stand seed by seed."""

from itertools import combinations

import numpy as np
import pytest
from scipy import stats

from normzoo.report import VsReference, summarize
from normzoo.report.statistics.differences import PairedDifference, paired
from normzoo.report.statistics.family import assess
from normzoo.report.statistics.standings import (
    DIVERGED,
    Contender,
    Mark,
    Verdict,
    collapse_scale,
    collapsed,
    judge,
    mean_ranks,
    seed_correlation,
    wins,
)

from ..synthetic import Outcome, column

BEST = (0.95, 0.96, 0.94, 0.95, 0.96, 0.97, 0.95, 0.96)
CLOSE = (0.95, 0.95, 0.95, 0.94, 0.97, 0.96, 0.94, 0.96)
FAR = (0.80, 0.82, 0.79, 0.81, 0.80, 0.79, 0.81, 0.80)


def contender(values: tuple[float, ...], *, is_whole: bool = True, first: int = 0) -> Contender:
    return Contender(dict(enumerate(values, first)), is_whole)


def verdicts(*block: Contender) -> list[Verdict]:
    """Judge a block, all pairs of which are tested as one family."""
    pairs = {
        (left, right): paired(block[left].scores, block[right].scores)
        for left, right in combinations(range(len(block)), 2)
    }
    whole = {pair for pair in pairs if all(block[index].is_whole for index in pair)}
    found, _ = assess(pairs, skip=pairs.keys() - whole)

    def difference(left: int, right: int) -> PairedDifference | None:
        if (left, right) in found:
            return found[left, right]
        return found[right, left].reversed() if (right, left) in found else None

    return judge(block, difference)


def marks(*block: Contender) -> list[Mark | None]:
    return [verdict.mark for verdict in verdicts(*block)]


def test_best_tied_and_behind() -> None:
    assert marks(contender(FAR), contender(BEST), contender(CLOSE)) == ["", "best", "tied"]


def test_the_differences_are_those_of_the_best_minus_the_other() -> None:
    far, best = verdicts(contender(FAR), contender(BEST))
    assert best.behind is None
    assert far.behind is not None
    assert far.behind.mean == pytest.approx(0.1525)
    assert far.behind.p_value == 2 / 256


def test_equal_norms_are_best_and_tied() -> None:
    assert marks(contender(BEST), contender(BEST)) == ["best", "tied"]


@pytest.mark.parametrize(("seeds", "expected"), [(5, ["leading", "untested"]), (6, ["best", ""])])
def test_a_constant_lead_counts_from_six_seeds_on(seeds: int, expected: list[str]) -> None:
    lead = tuple(0.2 + 0.1 * seed for seed in range(seeds))
    assert marks(contender(lead), contender(tuple(value - 0.1 for value in lead))) == expected


def test_a_norm_with_a_lost_run_ranks_behind_the_whole_ones() -> None:
    assert marks(contender(BEST, is_whole=False), contender(FAR)) == ["", "best"]


def test_a_norm_with_a_lost_run_makes_no_test_of_too_few_seeds() -> None:
    few = [contender(values[:3]) for values in (BEST, FAR)]
    assert marks(contender(CLOSE[:2], is_whole=False), *few) == ["", "leading", "untested"]


def test_where_no_norm_is_whole_nothing_is_tested() -> None:
    """What survived is no fair picture of any of them."""
    assert marks(contender(BEST, is_whole=False), contender(FAR, is_whole=False), contender(())) == [
        "leading",
        "untested",
        None,
    ]


def test_a_norm_by_itself_is_not_marked() -> None:
    assert marks(contender(BEST)) == ["leading"]


def test_one_seed_is_no_test() -> None:
    assert marks(contender((0.9,)), contender((0.5,)), contender((0.7,))) == ["leading", "untested", "untested"]


def test_one_norm_with_too_few_seeds_does_not_hinder_the_others() -> None:
    assert marks(contender(BEST), contender((0.5,)), contender(FAR)) == ["best", "untested", ""]


def test_seeds_not_in_common_are_no_test() -> None:
    assert marks(contender(BEST), contender(FAR, first=8)) == ["leading", "untested"]


def test_a_rival_ahead_over_the_common_seeds_is_not_behind() -> None:
    """Nor is the other the best, though its mean is higher: over fewer seeds."""
    rival = contender((*(0.99 - 0.001 * seed for seed in range(6)), 0.10, 0.10))
    assert marks(contender(tuple(0.90 - 0.002 * seed for seed in range(6))), rival) == ["", "best"]


def test_a_norm_of_which_a_run_is_missing_may_be_the_best() -> None:
    assert marks(contender(tuple(0.99 - 0.001 * seed for seed in range(7))), contender(FAR)) == ["best", ""]


def test_a_norm_with_few_seeds_does_not_silence_the_others() -> None:
    assert marks(contender((0.99,)), contender(BEST), contender(FAR)) == ["untested", "best", ""]


def test_no_accuracy_no_mark() -> None:
    assert marks(contender(()), contender((), is_whole=False)) == [None, None]


def test_a_norm_that_alone_has_results_is_best_of_nothing() -> None:
    assert marks(contender((), is_whole=False), contender(FAR)) == [None, "leading"]


def versus(norms: dict[str, tuple[Outcome, ...]], norm: str) -> VsReference:
    matrix, records = column(norms)
    found = next(row.cells[0].vs_reference for row in summarize(matrix, records).tables[0].rows if row.norm == norm)
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


SPREAD = (0.95, 0.96, 0.94, 0.955, 0.945, 0.96, 0.95, 0.94)


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        (SPREAD, 0),
        ((*SPREAD[:7], 0.10), 1),
        ((*SPREAD[:6], 0.10, 0.20), 2),
        ((*SPREAD[:7], 0.85), 0),  # far, but not so far
        ((0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8), 0),  # all over the place
        ((*SPREAD[:7], 1.90), 0),  # far above is no collapse
        ((0.9, 0.1), 0),
        ((1.0,) * 7 + (0.1,), 1),
    ],
)
def test_seeds_that_collapse_are_far_below_the_median_and_pull_the_mean_from_all_others(
    scores: tuple[float, ...], expected: int
) -> None:
    assert collapsed(scores, collapse_scale([SPREAD, SPREAD, scores])) == expected


def test_the_scale_of_a_collapse_is_that_of_a_norm_in_the_middle() -> None:
    assert collapse_scale([(0.1, 0.2, 0.3), (0.5, 0.5, 0.5), (0.1, 0.5, 0.9)]) == pytest.approx(0.1)
    assert collapse_scale([(), ()]) == 0.0
