"""Does the method keep its word?

Thousands of simulated matrices in which no norm differs from another, and intervals of which the truth is known.
"""

import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pytest
from scipy import stats

from normzoo.experiment.config.spec import MatrixSpec
from normzoo.report.analysis.comparisons import compare_norms
from normzoo.report.analysis.selection import CellKey
from normzoo.report.statistics.differences import LEVEL, half_width
from normzoo.report.statistics.family import Family
from normzoo.report.statistics.standings import Contender, judge

MATRICES = 1000
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
    missing: float = 0.0

    @property
    def matrix(self) -> MatrixSpec:
        return MatrixSpec(norms=self.norms, templates="cnn", batch_sizes=SIZES, seeds=self.seeds)

    def accuracies(self, generator: np.random.Generator, lift: float) -> dict[CellKey, dict[int, float]]:
        """Draw a matrix, counted in samples; ``lift`` is added to the last norm, and some runs are missing."""
        norms = self.matrix.norms
        shape = (len(SIZES), len(norms), self.seeds)
        drawn = self.draw(generator, shape)
        drawn[:, -1] += lift
        reached = np.round(np.clip(drawn, 0, 1) * TEST_SAMPLES) / TEST_SAMPLES
        present = generator.random(shape) >= self.missing
        return {
            CellKey("cnn", norm, size): {
                seed: float(value) for seed, value in enumerate(reached[row, column]) if present[row, column, seed]
            }
            for row, size in enumerate(SIZES)
            for column, norm in enumerate(norms)
        }


SCENARIOS = {
    "exact, correlated seeds": Scenario(luck_of_the_seed, 8),
    "exact, more norms": Scenario(luck_of_the_seed, 9, "batch,layer,group,none"),
    "exact, ties near 100 %": Scenario(near_the_top, 8),
    "exact, rare collapse": Scenario(rare_collapse, 8),
    "t, correlated seeds": Scenario(luck_of_the_seed, 15),
    "t, ties near 100 %": Scenario(near_the_top, 15),
    "t, unequal seeds": Scenario(luck_of_the_seed, 20, missing=0.1),
}


def significant(scenario: Scenario, matrices: int, *, lift: float = 0.0) -> Counter[str]:
    """Count the matrices with any significant difference, by family and over all families together."""
    matrix, generator = scenario.matrix, np.random.default_rng(20)
    counts: Counter[str] = Counter()
    for _ in range(matrices):
        accuracies = scenario.accuracies(generator, lift)
        compared = compare_norms(matrix, accuracies)
        assert compared.vs_baseline_family.is_tested
        assert compared.contrast_family.is_tested
        found = {
            "vs_baseline": any(each.is_significant for each in compared.vs_baseline.values()),
            "contrasts": any(each.is_significant for each in compared.contrasts.values()),
            "marks": any(is_anyone_behind(accuracies, matrix, size, compared.vs_baseline_family) for size in SIZES),
        }
        counts.update(name for name, is_found in found.items() if is_found)
        counts["any"] += any(found.values())
    return counts


def is_anyone_behind(
    accuracies: Mapping[CellKey, Mapping[int, float]], matrix: MatrixSpec, size: int, before: Family
) -> bool:
    contenders = [Contender(accuracies[CellKey("cnn", norm, size)], is_whole=True) for norm in matrix.norms]
    return any(verdict.mark == "" for verdict in judge(contenders, after=before))


@pytest.mark.slow
@pytest.mark.parametrize("name", SCENARIOS)
def test_where_no_norm_differs_at_most_one_matrix_in_twenty_claims_so(name: str) -> None:
    """Whatever the claim: over all families together, within two standard errors of the simulated share."""
    counts = significant(SCENARIOS[name], MATRICES)
    limit = LEVEL + 2 * math.sqrt(LEVEL * (1 - LEVEL) / MATRICES)
    assert counts["any"] / MATRICES <= limit, counts


@pytest.mark.slow
def test_the_simulation_can_tell_a_family_that_is_not_adjusted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without Holm's correction the share is beyond the limit that the test above holds."""
    monkeypatch.setattr("normzoo.report.statistics.family.holm", list)
    assert significant(SCENARIOS["exact, more norms"], 500)["any"] / 500 > 0.1


@pytest.mark.slow
def test_the_simulation_can_tell_families_that_do_not_wait_for_the_first() -> None:
    """Each held to 5 %, together they claim too much: what the order of the families is for."""
    scenario = SCENARIOS["t, correlated seeds"]
    generator, claims = np.random.default_rng(20), 0
    for _ in range(1000):
        accuracies = scenario.accuracies(generator, 0.0)
        compared = compare_norms(scenario.matrix, accuracies)
        open_gate = Family(1, scenario.seeds, least=0.0)
        claims += any(each.is_significant for each in compared.vs_baseline.values()) or any(
            is_anyone_behind(accuracies, scenario.matrix, size, open_gate) for size in SIZES
        )
    assert claims / 1000 > 0.07


def test_where_a_norm_differs_it_is_found() -> None:
    """A lift of three points, where pairing leaves a standard deviation of 1.4."""
    counts = significant(SCENARIOS["exact, correlated seeds"], 100, lift=-0.03)
    assert counts["vs_baseline"] > 90
    assert counts["marks"] > 90
    assert counts["contrasts"] < 15


@pytest.mark.slow_but_one
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
