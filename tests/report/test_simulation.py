"""Does the method keep its word?

Thousands of simulated matrices in which no norm differs from another, and intervals of which the truth is known.
"""

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from scipy import stats

from normzoo.experiment.spec import MatrixSpec
from normzoo.report._comparisons import compare_norms
from normzoo.report._marks import Contender, judge
from normzoo.report._places import Place
from normzoo.report._statistics import LEVEL, half_width

MATRICES = 2000
TEST_SAMPLES = 360
SIZES = (2, 8)

Draw = Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]
"""Accuracies of an A/A matrix: batch sizes by norms by seeds, without any effect of the norm."""


def luck_of_the_seed(generator: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Draw runs that share much of a seed's luck under every norm, as pairing wants it."""
    return 0.9 + generator.normal(0, 0.03, (shape[0], 1, shape[2])) + generator.normal(0, 0.01, shape)


def near_the_top(generator: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Draw accuracies of which many are exactly 100 % and the rest trail off: ties and skewness."""
    return 1.002 - generator.exponential(0.004, shape)


def rare_collapse(generator: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Draw runs of which one in ten collapses."""
    return np.where(generator.random(shape) < 0.1, 0.2, 0.9) + generator.normal(0, 0.01, shape)


@dataclass(frozen=True)
class Scenario:
    draw: Draw
    seeds: int
    norms: str = "batch,layer,none"

    @property
    def matrix(self) -> MatrixSpec:
        return MatrixSpec(norms=self.norms, templates="cnn", batch_sizes=SIZES, seeds=self.seeds)


SCENARIOS = {
    "exact, correlated seeds": Scenario(luck_of_the_seed, 8),
    "exact, more norms": Scenario(luck_of_the_seed, 8, "batch,layer,group,none"),
    "exact, ties near 100 %": Scenario(near_the_top, 8),
    "exact, rare collapse": Scenario(rare_collapse, 8),
    "t, correlated seeds": Scenario(luck_of_the_seed, 15),
    "t, ties near 100 %": Scenario(near_the_top, 15),
}


def significant(scenario: Scenario, matrices: int, *, lift: float = 0.0) -> Counter[str]:
    """Count the matrices with any significant difference, by family; ``lift`` is added to the last norm."""
    matrix, generator = scenario.matrix, np.random.default_rng(20)
    counts: Counter[str] = Counter()
    for _ in range(matrices):
        drawn = scenario.draw(generator, (len(SIZES), len(matrix.norms), scenario.seeds))
        drawn[:, -1] += lift
        reached = np.round(np.clip(drawn, 0, 1) * TEST_SAMPLES) / TEST_SAMPLES
        accuracies = {
            Place("cnn", norm, size): dict(enumerate(reached[row, column].tolist()))
            for row, size in enumerate(SIZES)
            for column, norm in enumerate(matrix.norms)
        }
        compared = compare_norms(matrix, accuracies)
        assert compared.versus_family.is_testable
        assert compared.contrast_family.is_testable
        counts["versus"] += any(each.is_told_from_zero for each in compared.versus.values())
        counts["contrasts"] += any(each.is_told_from_zero for each in compared.contrasts.values())
        contenders = [Contender(accuracies[Place("cnn", norm, SIZES[0])], is_whole=True) for norm in matrix.norms]
        counts["marks"] += any(verdict.mark == "" for verdict in judge(contenders))
    return counts


@pytest.mark.parametrize("name", SCENARIOS)
def test_where_no_norm_differs_at_most_one_matrix_in_twenty_claims_so(name: str) -> None:
    """Within the simulation's own error: four standard errors of a share of 5 %."""
    counts = significant(SCENARIOS[name], MATRICES)
    limit = LEVEL + 4 * math.sqrt(LEVEL * (1 - LEVEL) / MATRICES)
    shares = {family: counts[family] / MATRICES for family in ("versus", "contrasts", "marks")}
    assert all(share <= limit for share in shares.values()), shares


def test_the_simulation_can_tell_a_family_that_is_not_adjusted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without Holm's correction the share is beyond the limit that the test above holds."""
    monkeypatch.setattr("normzoo.report._family.holm", list)
    counts = significant(SCENARIOS["exact, more norms"], 500)
    assert counts["versus"] / 500 > 0.1
    assert counts["marks"] / 500 > 0.1


def test_where_a_norm_differs_it_is_found() -> None:
    """A lift of three points, where pairing leaves a standard deviation of 1.4."""
    counts = significant(SCENARIOS["exact, correlated seeds"], 100, lift=-0.03)
    assert counts["versus"] > 90
    assert counts["marks"] > 90
    assert counts["contrasts"] < 15


@pytest.mark.parametrize("seeds", [3, 5, 10, 30])
def test_intervals_of_normal_values_cover_their_mean_in_95_of_100(seeds: int) -> None:
    """Within four standard errors, and as scipy's interval does value by value."""
    draws = np.random.default_rng(seeds).normal(0.9, 0.02, (8000, seeds))
    halves = np.array([half_width(row) for row in draws.tolist()])
    covered = np.mean(np.abs(draws.mean(axis=1) - 0.9) <= halves)
    assert covered == pytest.approx(0.95, abs=4 * math.sqrt(0.95 * 0.05 / 8000))
    low, high = stats.t.interval(0.95, seeds - 1, draws[0].mean(), stats.sem(draws[0]))
    assert halves[0] == pytest.approx((high - low) / 2)


def test_intervals_of_differences_of_counted_accuracies_cover_95_of_100() -> None:
    """Differences of two accuracies over 360 samples, as they are in the tables."""
    generator = np.random.default_rng(4)
    luck = generator.normal(0.93, 0.01, (8000, 10))
    left, right = (generator.binomial(TEST_SAMPLES, np.clip(luck, 0, 1)) / TEST_SAMPLES for _ in range(2))
    differences = left - right
    halves = np.array([half_width(row) for row in differences.tolist()])
    covered = np.mean(np.abs(differences.mean(axis=1)) <= halves)
    assert covered == pytest.approx(0.95, abs=4 * math.sqrt(0.95 * 0.05 / 8000))
