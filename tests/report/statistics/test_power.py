"""What a number of seeds can show, against simulated comparisons."""

import math

import numpy as np
import pytest

from normzoo.report.statistics.family import Family, joint_sign_flips
from normzoo.report.statistics.power import MAX_SEEDS, detectable, power_hint, seeds_for


def noise(seeds: int, columns: int = 20) -> Family:
    values = np.random.default_rng(3).normal(0, 0.01, (seeds, columns))
    return joint_sign_flips(values)[1]


@pytest.mark.parametrize("seeds", [8, 12, 20])
def test_the_detectable_difference_is_found_four_times_in_five(seeds: int) -> None:
    least = detectable(0.01, seeds, noise(seeds))
    assert least is not None
    generator, found, count = np.random.default_rng(5), 0, 200
    for _ in range(count):
        values = generator.normal(0, 0.01, (seeds, 20))
        values[:, 0] += least
        found += joint_sign_flips(values)[0][0] <= 0.05
    assert found / count == pytest.approx(0.8, abs=4 * math.sqrt(0.16 / count) + 0.04)


def test_more_seeds_detect_less() -> None:
    found = [detectable(0.01, seeds, noise(seeds)) for seeds in (6, 8, 12, 20)]
    assert None not in found
    assert sorted(map(float, filter(None, found)), reverse=True) == found


def test_nothing_is_detectable_without_a_test() -> None:
    assert detectable(0.01, 8, Family(20, 5)) is None
    assert detectable(0.01, 5, noise(8)) is None


def test_the_seeds_for_a_difference_are_rounded_up_to_two_digits() -> None:
    family = Family(size=80)
    # z of 1 - 0.05 / 160 is 3.4205, of 0.8 it is 0.8416: (4.2621 / effect)^2.
    assert [seeds_for(effect, family) for effect in (2.0, 1.0, 0.5, 0.25)] == [6, 19, 73, 300]
    assert seeds_for(0.01, family) == MAX_SEEDS


def test_the_hint_is_of_the_median_spread_and_of_norms_that_have_one() -> None:
    samples = [[0.0, 0.02], [0.0, 0.04], [0.0, 0.06], [0.1], [0.1, 0.1]]
    hint = power_hint(8, samples, Family(size=4), 0.01)
    assert hint is not None
    assert hint.spread == pytest.approx(0.04 / math.sqrt(2))
    assert (hint.batch_size, hint.pairs, hint.detectable, hint.target) == (8, 2, None, 0.01)
    assert power_hint(8, [[0.1], [0.2, 0.2]], Family(size=4), 0.01) is None
