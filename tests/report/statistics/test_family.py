"""The joint sign-flip test, against all flips one by one, against scipy, and by hand."""

import math
from itertools import product

import numpy as np
import pytest
from scipy import stats

from normzoo.report.statistics.family import (
    MAX_EXACT,
    MIN_SEEDS,
    RANDOM_FLIPS,
    Array,
    Family,
    assess,
    common_spread,
    joint_sign_flips,
    moderated,
    sign_flips,
)


def drawn(seeds: int, columns: int, *, missing: float = 0.0) -> Array:
    generator = np.random.default_rng()
    values = generator.normal(0.3, 1.0, (seeds, columns)) * generator.uniform(0.2, 5, columns)
    values[generator.random(values.shape) < missing] = np.nan
    return values


def one_by_one(differences: Array) -> list[float]:
    """Return the adjusted p values by their definition: for every flip, the largest over those not yet rejected."""
    counts = np.sum(~np.isnan(differences), axis=0).astype(float)
    values = np.nan_to_num(differences)
    squares = (values**2).sum(0) / counts
    scale = np.sqrt(counts * moderated(squares, counts, common_spread(squares, counts)))
    flips = [np.array(signs) for signs in product([1.0, -1.0], repeat=len(values))]
    statistics = [np.round(np.abs(signs @ values) / scale, 9) for signs in flips]
    observed = np.round(np.abs(values.sum(0)) / scale, 9)
    p_values, before = [0.0] * len(observed), 0.0
    rest = sorted(range(len(observed)), key=lambda column: -observed[column])
    while rest:
        share = float(np.mean([max(each[rest]) >= observed[rest[0]] for each in statistics]))
        before = max(before, share)
        p_values[rest.pop(0)] = before
    return p_values


@pytest.mark.parametrize("missing", [0.0, 0.2])
@pytest.mark.parametrize(("seeds", "columns"), [(6, 1), (7, 4), (8, 9)])
def test_p_values_are_those_of_the_definition(seeds: int, columns: int, missing: float) -> None:
    differences = drawn(seeds, columns, missing=missing)
    differences[0] = np.abs(np.nan_to_num(differences[0])) + 0.1  # no column is empty
    found, family = joint_sign_flips(differences)
    assert found == pytest.approx(one_by_one(differences))
    assert (family.size, family.seeds) == (columns, seeds)


def test_a_single_difference_is_tested_as_scipy_does() -> None:
    values = drawn(8, 1)
    expected = stats.permutation_test((values[:, 0],), np.mean, permutation_type="samples", n_resamples=2**8)
    assert joint_sign_flips(values)[0] == [pytest.approx(expected.pvalue)]


def test_the_largest_is_tested_by_all_flips() -> None:
    values = drawn(7, 2)  # so few that nothing is moderated
    scale = np.sqrt((values**2).sum(0))

    signs = np.array(list(product([1.0, -1.0], repeat=7)))
    largest = np.round(np.abs(signs @ values / scale).max(1), 9)
    assert min(joint_sign_flips(values)[0]) == pytest.approx(np.mean(largest >= largest[0]))


def test_worked_by_hand() -> None:
    # Of 8 ways to set the signs of 1, 2 and 4 only two reach 7 in size; of -1, 2 and 4 four reach 5: 7, 5, -5, -7.
    assert joint_sign_flips(np.array([[0.01], [0.02], [0.04]]))[0] == [2 / 8]
    assert joint_sign_flips(np.array([[-0.01], [0.02], [0.04]]))[0] == [4 / 8]


@pytest.mark.parametrize("seeds", [*range(MIN_SEEDS, MAX_EXACT + 1), 14, 30])
def test_the_least_p_value_does_not_depend_on_how_many_differences_there_are(seeds: int) -> None:
    lead = 0.1 + 0.001 * np.arange(seeds)[:, None]
    for columns in (1, 50):
        differences = np.hstack([lead, 0.01 * drawn(seeds, columns)])
        p_values, family = joint_sign_flips(differences)
        assert p_values[0] == family.least_p_value
        assert family.least_p_value == (2.0 ** (1 - seeds) if seeds <= MAX_EXACT else 1 / (RANDOM_FLIPS + 1))


def test_flips_are_all_that_differ_each_once_with_none_first() -> None:
    for seeds in (2, 5, MAX_EXACT):
        signs = sign_flips(seeds)
        assert len(np.unique(signs, axis=0)) == len(signs) == 2 ** (seeds - 1)
        assert (signs[0] == 1).all()
        assert (signs[:, 0] == 1).all()


def test_random_flips_are_the_same_every_time_and_agree_with_all_of_them() -> None:
    assert sign_flips(20) is sign_flips(20)
    assert len(sign_flips(20)) == RANDOM_FLIPS + 1
    values = drawn(14, 6)
    signs = np.array(list(product([1.0, -1.0], repeat=14)))
    squares, counts = (values**2).mean(0), np.full(6, 14.0)
    scale = np.sqrt(counts * moderated(squares, counts, common_spread(squares, counts)))
    largest = (np.abs(signs @ values) / scale).max(1)
    expected = np.mean(largest >= (np.abs(values.sum(0)) / scale).max() - 1e-9)
    assert min(joint_sign_flips(values)[0]) == pytest.approx(expected, abs=4 * math.sqrt(0.25 / RANDOM_FLIPS))


def test_neither_order_nor_sign_nor_scale_changes_a_p_value() -> None:
    values = drawn(8, 12)
    expected = joint_sign_flips(values)[0]
    order = np.random.default_rng().permutation(12)
    assert joint_sign_flips(values[:, order])[0] == pytest.approx(expected[order])
    assert joint_sign_flips(values * np.where(np.arange(12) % 2, -1, 1))[0] == pytest.approx(expected)
    assert joint_sign_flips(1e-6 * values)[0] == pytest.approx(expected)


def test_a_difference_that_is_zero_in_every_run_has_p_1_and_changes_no_other() -> None:
    values = drawn(8, 5)
    with_zeros = np.hstack([values, np.zeros((8, 2))])
    found = joint_sign_flips(with_zeros)[0]
    assert found[:5] == pytest.approx(joint_sign_flips(values)[0])
    assert found[5:].tolist() == [1.0, 1.0]


def test_all_zero_and_constant_differences() -> None:
    assert joint_sign_flips(np.zeros((8, 3)))[0].tolist() == [1.0, 1.0, 1.0]
    assert joint_sign_flips(np.full((8, 4), 0.1))[0].tolist() == [2 / 256] * 4


def test_equal_sums_are_equal_whatever_their_order() -> None:
    """0.1 + 0.2 and 0.3 differ in their last bit; a p value must not."""
    assert joint_sign_flips(np.array([[0.1], [0.2], [-0.3], [0.1], [0.2], [-0.3]]))[0] == [1.0]


def test_spreads_that_are_alike_become_one_and_others_stay() -> None:
    """Smyth 2004: the more alike the logarithms of the mean squares, the more what is common counts."""
    generator = np.random.default_rng(1)
    alike = np.square(generator.standard_normal((8, 400))).mean(0)
    common, weight = common_spread(alike, np.full(400, 8.0))
    assert common == pytest.approx(1.0, rel=0.1)
    assert weight > 100
    apart = alike * np.exp(3 * generator.standard_normal(400))
    common, weight = common_spread(apart, np.full(400, 8.0))
    assert weight < 2
    assert common_spread(np.array([1.0, 2.0]), np.array([8.0, 8.0])) == (0.0, 0.0)


def test_the_family_keeps_the_largest_statistic_of_every_flip() -> None:
    values = drawn(9, 7)
    _, family = joint_sign_flips(values)
    squares, counts = (values**2).mean(0), np.full(7, 9.0)
    scale = np.sqrt(counts * moderated(squares, counts, family.prior))
    largest = (np.abs(sign_flips(9) @ values) / scale).max(1)
    assert family.maxima == pytest.approx(largest, rel=1e-6)
    shifted = values.copy()
    shifted[:, 2] += 50 * np.abs(values).max()
    p_values, family = joint_sign_flips(shifted)
    is_other = p_values > 0.05
    assert not is_other[2]
    scale = np.sqrt(counts * moderated((shifted**2).mean(0), counts, family.prior))
    others = (np.abs(sign_flips(9) @ shifted) / scale)[:, is_other].max(1)
    assert family.maxima == pytest.approx(others, rel=1e-6), "of those that are not significant"


def sample(value: float, seeds: int) -> dict[int, float]:
    return {seed: value + 0.001 * seed for seed in range(seeds)}


def test_what_has_too_few_pairs_is_measured_and_no_part_of_the_family() -> None:
    found, family = assess(
        {"many": sample(0.1, 8), "few": sample(0.1, 5), "none": {}, "skipped": sample(0.1, 8)}, skip={"skipped"}
    )
    assert list(found) == ["many", "few", "skipped"]
    assert [each.p_value for each in found.values()] == [2 / 256, None, None]
    assert (family.size, family.seeds, family.is_tested) == (1, 8, True)


def test_without_enough_seeds_nothing_is_tested() -> None:
    found, family = assess({"one": sample(0.1, 5), "two": sample(0.1, 3)})
    assert [each.p_value for each in found.values()] == [None, None]
    assert (family.size, family.seeds, family.is_tested) == (2, 5, False)
    assert assess({}) == ({}, Family())


def test_samples_over_different_seeds_are_flipped_by_seed() -> None:
    """What is twice another in every seed has its p value, though a third lacks other seeds than they."""
    one = {seed: value for seed, value in enumerate(drawn(9, 1)[:, 0]) if seed != 3}
    two = {seed: 2 * value for seed, value in one.items()}
    late = {seed + 1: value for seed, value in sample(0.1, 8).items()}
    found, family = assess({"one": one, "two": two, "late": late})
    assert found["one"].p_value == found["two"].p_value
    assert (family.size, family.seeds) == (3, 9)
