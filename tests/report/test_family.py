"""Families of tests: Holm's correction, and how many seeds a family needs."""

import pytest
from statsmodels.stats.multitest import multipletests

from normzoo.report._family import assess, holm, seeds_needed
from normzoo.report._statistics import p_values

CLEAR = [0.05, 0.06, 0.07, 0.05, 0.06, 0.07, 0.08, 0.05]
NOISE = [0.01, -0.01, 0.02, -0.02, 0.01, -0.02, 0.01, 0.02]


def test_holm_worked_by_hand() -> None:
    # Sorted 0.01, 0.02, 0.04, 0.30 times 4, 3, 2, 1, then never falling.
    assert holm([0.04, 0.01, 0.30, 0.02]) == pytest.approx([0.08, 0.04, 0.30, 0.06])


def test_holm_of_nothing_is_nothing() -> None:
    assert holm([]) == []


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
    assert [each.adjusted for each in found.values()] == pytest.approx(
        list(multipletests(unadjusted, method="holm")[1])
    )
    assert (family.size, family.pairs, family.needed, family.is_testable) == (3, 8, 7, True)
    assert [name for name, each in found.items() if each.is_told_from_zero] == ["clear"]


def test_below_the_seeds_it_needs_a_family_is_not_tested() -> None:
    found, family = assess(dict.fromkeys("ab", CLEAR[:6]))
    assert (family.needed, family.is_testable) == (7, False)
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
    assert (found, family.size, family.is_testable) == ({}, 0, False)
