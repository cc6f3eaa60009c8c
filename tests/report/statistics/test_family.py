"""Families of tests: Holm's correction, and how many seeds a family needs."""

import math

import numpy as np
import pytest

from normzoo.report.statistics.differences import p_values
from normzoo.report.statistics.family import Family, assess, holm, seeds_needed

CLEAR = [0.05, 0.06, 0.07, 0.05, 0.06, 0.07, 0.08, 0.05]
NOISE = [0.01, -0.01, 0.02, -0.02, 0.01, -0.02, 0.01, 0.02]


def test_holm_worked_by_hand() -> None:
    # Sorted 0.01, 0.02, 0.04, 0.30 times 4, 3, 2, 1, then never falling.
    assert holm([0.04, 0.01, 0.30, 0.02]) == pytest.approx([0.08, 0.04, 0.30, 0.06])


def test_holm_of_nothing_is_nothing() -> None:
    assert holm([]) == []


def by_definition(unadjusted: list[float]) -> list[float]:
    """Holm (1979): the greatest, over all p values up to this one, of each times how many are not below it."""
    return [
        min(1.0, max(each * sum(other >= each for other in unadjusted) for each in unadjusted if each <= p))
        for p in unadjusted
    ]


def rejected(unadjusted: list[float], alpha: float) -> set[int]:
    """Step down from the smallest p value; the first that is above its share of the level ends it."""
    found: set[int] = set()
    for place in sorted(range(len(unadjusted)), key=lambda place: unadjusted[place]):
        if unadjusted[place] > alpha / (len(unadjusted) - len(found)):
            break
        found.add(place)
    return found


def random_p_values(seed: int) -> list[float]:
    """Some families with ties, zeros and ones; most of them small, so that not all are adjusted to 1."""
    random = np.random.default_rng(seed)
    values: list[float] = (random.random(int(random.integers(1, 60))) ** random.integers(1, 9)).tolist()
    if seed % 2:
        values = [round(value, 2) for value in values] + [0.0, 1.0]
    return values


@pytest.mark.parametrize("seed", range(200))
def test_holm_is_what_its_definition_says(seed: int) -> None:
    # To the last bit: by the formula, and by what is rejected at a level that is no p value's own.
    unadjusted = random_p_values(seed)
    adjusted = holm(unadjusted)
    assert adjusted == by_definition(unadjusted)
    for alpha in (0.0123, 0.0497, 0.207):
        assert {place for place, p in enumerate(adjusted) if p <= alpha} == rejected(unadjusted, alpha)


def test_holm_counts_what_is_no_number_and_leaves_it_so() -> None:
    first, none, second = holm([0.01, math.nan, 0.02])
    assert (first, second) == (0.03, 0.04)
    assert math.isnan(none)


@pytest.mark.parametrize(
    ("size", "seeds"),
    [
        (0, 6),
        (1, 6),
        (2, 7),
        (3, 7),
        (4, 8),
        (6, 8),
        (7, 9),
        (12, 9),
        (24, 10),
        (25, 10),
        (26, 11),
        (102, 12),
        (103, 13),
    ],
)
def test_a_family_needs_so_many_seeds(size: int, seeds: int) -> None:
    # The least p value of n pairs is 2 / 2^n; times the size it must not exceed 0.05.
    assert seeds_needed(size) == seeds
    if size > 0 and seeds <= 12:
        assert size * 2 / 2**seeds <= 0.05 < size * 2 / 2 ** (seeds - 1) or seeds == 6


def test_a_family_is_adjusted_for_all_its_differences() -> None:
    samples = {"clear": CLEAR, "noise": NOISE, "half": [*CLEAR[:4], *NOISE[:4]]}
    found, family = assess(samples)
    unadjusted = p_values(list(samples.values()))
    assert [each.p_value for each in found.values()] == unadjusted
    assert [each.adjusted for each in found.values()] == by_definition(unadjusted)
    assert (family.size, family.pairs, family.needed) == (3, 8, 7)
    assert family.least == min(each.adjusted or 0.0 for each in found.values())
    assert [name for name, each in found.items() if each.is_significant] == ["clear"]


def test_below_the_seeds_it_needs_a_family_is_not_tested() -> None:
    found, family = assess(dict.fromkeys("ab", CLEAR[:6]))
    assert (family.needed, family.is_tested) == (7, False)
    assert {each.adjusted for each in found.values()} == {None}
    assert {round(each.mean, 4) for each in found.values()} == {0.06}


def test_a_single_difference_is_tested_with_six_seeds_and_not_with_five() -> None:
    assert assess({0: CLEAR[:6]})[0][0].adjusted == 2 / 64
    found, family = assess({0: CLEAR[:5]})
    assert (found[0].adjusted, family.needed) == (None, 6)


def test_a_difference_with_too_few_pairs_belongs_to_no_family() -> None:
    found, family = assess({"whole": CLEAR, "few": CLEAR[:5], "none": []})
    assert family.size == 1
    assert found["whole"].adjusted == 2 / 256
    assert found["few"].adjusted is None
    assert "none" not in found


def test_nothing_to_test_is_no_family() -> None:
    found, family = assess({0: [], 1: []})
    assert (found, family.size, family.is_tested) == ({}, 0, False)


def test_no_p_value_is_less_than_the_least_of_the_family_before() -> None:
    samples = {"clear": CLEAR, "noise": NOISE}
    alone = {name: each.adjusted for name, each in assess(samples)[0].items()}
    found, family = assess(samples, after=Family(1, 8, least=0.03))
    assert {name: each.adjusted for name, each in found.items()} == {"clear": 0.03, "noise": alone["noise"]}
    assert family.least == 0.03


def test_where_the_family_before_was_not_tested_nothing_is_and_its_seeds_are_needed_too() -> None:
    found, family = assess({0: CLEAR}, after=Family(24, 8))
    assert found[0].adjusted is None
    assert (family.needed, family.is_tested) == (10, False)


def test_what_is_to_be_skipped_is_measured_and_belongs_to_no_family() -> None:
    found, family = assess({"whole": CLEAR, "partial": CLEAR}, skip={"partial"})
    assert family.size == 1
    assert found["whole"].adjusted == 2 / 256
    assert (found["partial"].mean, found["partial"].adjusted) == (found["whole"].mean, None)
