"""The validation split that is held out of the training samples."""

import numpy as np
import pytest

from normzoo.data._holdout import hold_out

LABELS = {
    "balanced": np.arange(1000) % 10,
    "unequal": np.repeat([0, 1, 2], [700, 250, 50]),
    "small": np.arange(40) % 10,
    "two of each": np.arange(20) % 10,
    "a rare class": np.repeat([0, 1], [100, 2]),
    "a class of one": np.repeat([0, 1], [100, 1]),
    "two samples": np.array([0, 1]),
}


@pytest.mark.parametrize("name", LABELS)
def test_every_sample_is_either_kept_or_held_out_and_neither_side_is_empty(name: str) -> None:
    kept, held = hold_out(LABELS[name])
    assert sorted([*kept, *held]) == list(range(len(LABELS[name])))
    assert len(kept) > 0
    assert len(held) > 0


@pytest.mark.parametrize(("name", "counts"), [("balanced", [10] * 10), ("unequal", [70, 25, 5])])
def test_a_tenth_of_every_class_is_held_out(name: str, counts: list[int]) -> None:
    _, held = hold_out(LABELS[name])
    assert np.bincount(LABELS[name][held]).tolist() == counts


@pytest.mark.parametrize("name", ["small", "two of each", "a rare class"])
def test_every_class_that_has_two_samples_is_on_both_sides(name: str) -> None:
    labels = LABELS[name]
    kept, held = hold_out(labels)
    assert set(labels[kept]) == set(labels[held]) == set(labels)


def test_a_class_of_a_single_sample_stays_in_training() -> None:
    kept, held = hold_out(LABELS["a class of one"])
    assert LABELS["a class of one"][kept].sum() == 1
    assert len(held) == 10


def test_where_every_class_has_a_single_sample_one_is_held_out() -> None:
    kept, held = hold_out(np.arange(5))
    assert (len(kept), len(held)) == (4, 1)


def test_the_choice_is_the_same_every_time_and_ignores_the_global_random_state() -> None:
    np.random.seed(1)
    first = hold_out(LABELS["balanced"])[1]
    np.random.seed(2)
    assert np.array_equal(hold_out(LABELS["balanced"])[1], first)


def test_the_choice_is_drawn_and_is_not_the_first_of_each_class() -> None:
    assert not np.array_equal(hold_out(LABELS["balanced"])[1], np.arange(100))
