"""Does what is said hold? Simulated comparisons of which the truth is known, through the tool's own findings."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from benchmarks.inference import (
    NULLS,
    PARTIAL,
    Scenario,
    heteroscedastic,
    limit,
    power,
    power_of_holm,
    share_with_claims,
    share_with_false_claims,
    to_markdown,
)
from normzoo.outputs import marked
from normzoo.report.statistics import family
from normzoo.report.statistics.differences import half_width

COUNT = 20
"""Comparisons of each kind."""

REPORT = Path(__file__).parents[3] / "reports" / "inference.md"


@pytest.mark.slow
def test_where_no_norm_differs_one_comparison_in_twenty_claims_so_at_most() -> None:
    """Over all kinds of values together, and no kind is an exception.

    The record of the long simulation holds more than twenty times as many of each to the same.
    """
    shares = {name: share_with_claims(scenario, COUNT) for name, scenario in NULLS.items()}
    assert sum(shares.values()) / len(shares) <= limit(COUNT * len(NULLS)), shares
    assert max(shares.values()) <= limit(COUNT), shares


@pytest.mark.slow_but_one
@pytest.mark.parametrize("name", PARTIAL)
def test_what_does_not_differ_is_left_alone_where_something_else_does(name: str) -> None:
    assert share_with_false_claims(PARTIAL[name], COUNT) <= limit(COUNT)


@pytest.mark.slow
def test_the_simulation_can_tell_a_test_of_each_difference_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the largest of all statistics the share is far beyond the limit that the tests above hold."""
    monkeypatch.setattr(family, "largest_so_far", lambda statistics: statistics)
    assert share_with_claims(Scenario(), 10) > limit(10)


def test_fewer_than_six_seeds_claim_nothing() -> None:
    assert share_with_claims(Scenario(seeds=5, effects={"batch": -0.4}), 5) == 0.0


@pytest.mark.slow
def test_a_difference_is_found_as_often_as_with_holms_correction_and_with_fewer_seeds() -> None:
    behind = {"layer": -0.03}
    assert power(Scenario(seeds=8, effects=behind), "layer", 30) > 0.9
    assert power_of_holm(Scenario(seeds=8, effects=behind), "layer", 30) == 0.0, "24 times 2/256 is more than 5 %"
    noisy = Scenario(heteroscedastic, seeds=10, effects={"layer": -0.04})
    assert power(noisy, "layer", 30) > power_of_holm(noisy, "layer", 30) - 0.1


@pytest.mark.slow
def test_bounds_on_those_that_are_not_behind_hold_together() -> None:
    """Of a block: the true difference of each from the best is below its bound in 95 of 100, however it was picked."""
    scenario = Scenario(effects={"layer": -0.004, "group": -0.002, "none": -0.006}, sizes=(2,), templates=("cnn",))
    held = []
    for summary in scenario.summaries(100):
        (table,) = summary.tables
        best = next(row.norm for row in table.rows if row.cells[0].mark == "best")
        held.append(
            all(
                (scenario.effects.get(best, 0.0) - scenario.effects.get(row.norm, 0.0)) <= (bound or 0.0)
                for row in table.rows
                if (behind := row.cells[0].behind) and (bound := behind.upper_bound(20)) is not None
            )
        )
    assert sum(held) / len(held) >= 1 - limit(100)


def test_the_record_of_the_long_simulation_is_what_was_measured() -> None:
    """And every share in it is within what chance allows."""
    measured = json.loads(REPORT.with_suffix(".json").read_text(encoding="utf-8"))
    assert REPORT.read_bytes() == marked(to_markdown(measured), ".md")
    assert measured["comparisons"] >= 500
    assert set(measured["nulls"]) == set(NULLS)
    assert max(*measured["nulls"].values(), *measured["partial"].values()) <= measured["limit"]


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
