"""Intervals over seeds and test samples: their components, their coverage, and what is left with many seeds."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from normzoo.report.statistics.differences import half_width, two_way


def drawn(
    generator: np.random.Generator, seeds: int, samples: int, spreads: tuple[float, float, float]
) -> NDArray[np.float64]:
    of_seed, of_sample, rest = spreads
    return np.asarray(
        of_seed * generator.standard_normal((seeds, 1))
        + of_sample * generator.standard_normal((1, samples))
        + rest * generator.standard_normal((seeds, samples))
    )


@pytest.mark.slow_but_one
@pytest.mark.parametrize("spreads", [(1.0, 1.0, 1.0), (0.05, 1.0, 1.0), (1.0, 0.0, 3.0), (0.1, 3.0, 0.5)])
def test_it_covers_the_mean_over_other_seeds_and_samples(spreads: tuple[float, float, float]) -> None:
    generator, covered, count = np.random.default_rng(7), 0, 1000
    for _ in range(count):
        values = drawn(generator, 8, 60, spreads)
        found = two_way(values)
        assert found is not None
        covered += abs(values.mean()) <= found.half_width
    assert covered / count >= 0.95 - 4 * math.sqrt(0.95 * 0.05 / count)
    assert covered / count <= 0.99


def test_an_interval_over_seeds_alone_does_not() -> None:
    """Where samples differ more than seeds, which is why there is the other."""
    generator = np.random.default_rng(7)
    draws = [drawn(generator, 8, 60, (0.05, 1.0, 1.0)) for _ in range(300)]
    halves = [half_width(values.mean(axis=1).tolist()) or 0.0 for values in draws]
    assert np.mean([abs(values.mean()) <= half for values, half in zip(draws, halves, strict=True)]) < 0.8


def test_the_limit_is_what_many_seeds_come_down_to() -> None:
    generator = np.random.default_rng(3)
    values = drawn(generator, 400, 100, (1.0, 1.0, 1.0))
    few, many = two_way(values[:10]), two_way(values)
    assert few is not None
    assert many is not None
    assert few.half_width > many.half_width > many.limit
    assert many.limit == pytest.approx(1.96 / math.sqrt(100), rel=0.25)
    assert few.limit == pytest.approx(many.limit, rel=0.3)


def test_without_any_variation_between_samples_it_is_that_over_seeds() -> None:
    values = np.repeat(np.random.default_rng(1).standard_normal((8, 1)), 50, axis=1)
    found = two_way(values)
    assert found is not None
    assert found.half_width == pytest.approx(half_width(values[:, 0].tolist()))
    assert found.limit == 0.0


@pytest.mark.parametrize("shape", [(1, 9), (9, 1)])
def test_one_seed_or_sample_says_nothing(shape: tuple[int, int]) -> None:
    assert two_way(np.ones(shape)) is None


def test_equal_values_are_certain() -> None:
    found = two_way(np.zeros((3, 4)))
    assert found is not None
    assert (found.half_width, found.limit) == (0.0, 0.0)
