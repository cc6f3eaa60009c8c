"""What a number of seeds can show, against simulated comparisons."""

import math

import numpy as np
import pytest

from normzoo.report.statistics.differences import deviation
from normzoo.report.statistics.family import Family, joint_sign_flips
from normzoo.report.statistics.power import MAX_SEEDS, detectable, power_hint, seeds_for


def noise(seeds: int, columns: int = 20) -> Family:
    values = np.random.default_rng(3).normal(0, 0.01, (seeds, columns))
    return joint_sign_flips(values)[1]


@pytest.mark.slow_but_one
@pytest.mark.parametrize(("seeds", "columns"), [(8, 20), (6, 3), (6, 10), (7, 3), (8, 3), (10, 10), (12, 20), (20, 20)])
def test_the_detectable_difference_is_found_four_times_in_five(seeds: int, columns: int) -> None:
    """By many families, each with a difference of its own: a single family may be a lucky one."""
    generator, found, families, of_each = np.random.default_rng(5), 0, 20, 10
    for _ in range(families):
        least = detectable(0.01, seeds, joint_sign_flips(generator.normal(0, 0.01, (seeds, columns)))[1])
        assert least is not None
        for _ in range(of_each):
            values = generator.normal(0, 0.01, (seeds, columns))
            values[:, 0] += least
            found += joint_sign_flips(values)[0][0] <= 0.05
    count = families * of_each
    assert found / count == pytest.approx(0.8, abs=3 * math.sqrt(0.16 / count) + 0.02)


def test_a_sample_may_have_more_pairs_than_all_that_is_tested() -> None:
    """As where a norm lost a run at a batch size, and the others were interrupted: as many count as were tested."""
    family = noise(7)
    assert detectable(0.01, 9, family) == detectable(0.01, 7, family)


@pytest.mark.slow
def test_what_is_detectable_among_differences_that_are_there() -> None:
    """Those that are significant stand in no other's way, as the test is step-down."""
    generator, found, families, of_each = np.random.default_rng(6), 0, 20, 10
    shifts = 0.1 * (np.arange(20) < 10)
    for _ in range(families):
        least = detectable(0.01, 8, joint_sign_flips(generator.normal(shifts, 0.01, (8, 20)))[1])
        assert least is not None
        for _ in range(of_each):
            values = generator.normal(shifts, 0.01, (8, 20))
            values[:, -1] += least
            found += joint_sign_flips(values)[0][-1] <= 0.05
    count = families * of_each
    assert found / count == pytest.approx(0.8, abs=3 * math.sqrt(0.16 / count) + 0.02)


def test_more_seeds_detect_less() -> None:
    found = [detectable(0.01, seeds, noise(seeds)) for seeds in (6, 8, 12, 20)]
    assert None not in found
    assert sorted(map(float, filter(None, found)), reverse=True) == found


def test_nothing_is_detectable_without_a_test() -> None:
    assert detectable(0.01, 8, Family(20, 5)) is None
    assert detectable(0.01, 5, noise(8)) is None


def test_so_many_seeds_as_are_said_to_be_needed_do_find_the_difference() -> None:
    """Eight seeds find another one; what is extrapolated from that is no less than what is needed."""
    found = detectable(0.01, 8, noise(8))
    assert found is not None
    for target in (found / 1.3, found / 2):
        count = seeds_for(target, found, 8)
        assert count is not None
        assert count > 8
        least = detectable(0.01, count, noise(count))
        assert least is not None
        assert least <= 1.05 * target


def test_what_is_detectable_needs_no_more_seeds() -> None:
    assert seeds_for(0.02, found=0.01, pairs=8) is None
    assert seeds_for(0.01, found=0.01, pairs=8) is None
    assert seeds_for(0.001, found=0.9, pairs=8) == MAX_SEEDS


def test_the_hint_is_of_the_median_spread_and_of_norms_that_have_one() -> None:
    family = noise(8)
    spreads = (0.005, 0.01, 0.02)
    samples = [[spread * sign for sign in (1, -1) * 4] for spread in spreads] + [[0.1], [0.1] * 8]
    hint = power_hint(2, samples, family, 0.01)
    assert hint is not None
    assert hint.detectable == detectable(deviation(samples[1]), 8, family)
    assert (hint.batch_size, hint.target) == (2, 0.01)
    assert power_hint(2, [[0.1], [0.2, 0.2]], family, 0.01) is None
    assert power_hint(2, samples, Family(size=4), 0.01) is None
