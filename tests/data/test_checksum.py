"""A checksum says what the arrays hold, and nothing about the machine or the memory."""

import numpy as np
import pytest

from normzoo.data._arrays import Array
from normzoo.data._checksum import checksum

BASE = np.arange(12, dtype=np.float32).reshape(3, 4)


@pytest.mark.parametrize(
    "same",
    [np.asfortranarray(BASE), BASE.astype(">f4"), np.repeat(BASE, 2, axis=0)[::2]],
    ids=["Fortran order", "big-endian", "strided"],
)
def test_memory_layout_and_byte_order_do_not_enter(same: Array) -> None:
    assert checksum([same]) == checksum([BASE])


@pytest.mark.parametrize(
    "other",
    [BASE + 1, BASE.reshape(4, 3), BASE.astype(np.float64), BASE.view(np.int32), BASE[::-1]],
    ids=["values", "shape", "width", "type", "order"],
)
def test_values_shape_type_and_order_enter(other: Array) -> None:
    assert checksum([other]) != checksum([BASE])


def test_moving_a_sample_from_one_split_to_the_next_changes_it() -> None:
    assert checksum([BASE[:1], BASE[1:]]) != checksum([BASE[:2], BASE[2:]])


def test_it_is_sixteen_hex_digits_of_a_fixed_value() -> None:
    """A change here changes the key of every stored run."""
    assert checksum([BASE]) == "87858b08ea9f5428"
