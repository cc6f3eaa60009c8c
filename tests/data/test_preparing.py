"""How arrays are prepared: their checksum, the validation split held out of them, the statistics per channel."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from normzoo.data import _part, load_dataset
from normzoo.data._dataset import Array
from normzoo.data._own import raw_arrays
from normzoo.data._part import Part, channel_statistics, checksum
from normzoo.data._splitting import hold_out
from normzoo.data._stored import StoredInputs
from normzoo.data.npz import wanted
from normzoo.errors import DataError

from .fakes import write_npz

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


@pytest.fixture(params=[1, 1000, 1 << 22], ids=["one sample a block", "ragged blocks", "one block"])
def block_values(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(_part, "BLOCK_VALUES", request.param)
    return int(request.param)


@pytest.mark.usefixtures("block_values")
@pytest.mark.parametrize("dtype", ["uint8", "int64", "float16", "float32", "float64", ">f4"])
def test_mean_and_deviation_are_numpys_however_the_samples_are_cut_into_blocks(dtype: str) -> None:
    images = np.random.default_rng(0).integers(0, 200, (37, 7, 5, 3)).astype(dtype)
    mean, std, _ = channel_statistics(Part(images))
    np.testing.assert_allclose(mean, images.astype(np.float64).mean((0, 1, 2)), rtol=1e-12)
    np.testing.assert_allclose(std, images.astype(np.float64).std((0, 1, 2)), rtol=1e-12)


@pytest.mark.usefixtures("block_values")
def test_standardizing_subtracts_and_divides_per_channel() -> None:
    images = np.random.default_rng(0).random((37, 7, 5, 3))
    statistics = channel_statistics(Part(images))
    expected = np.moveaxis((images - statistics.mean) / statistics.std, -1, 1)
    standardized = StoredInputs(Part(images), statistics).resident()
    assert standardized.dtype == torch.float32
    np.testing.assert_allclose(standardized.numpy(), expected, rtol=1e-5, atol=1e-6)


def test_a_small_deviation_on_a_large_mean_does_not_cancel() -> None:
    images = 1e8 + np.random.default_rng(0).standard_normal((500, 4, 4, 1))
    assert channel_statistics(Part(images)).std == pytest.approx(images.std(), rel=1e-6)


def constant_channel(value: float) -> Array:
    images = np.random.default_rng(0).random((30, 7, 5, 2))
    images[..., 1] = value
    return images


@pytest.mark.usefixtures("block_values")
@pytest.mark.parametrize("value", [0.0, 0.1, -1e30])
def test_a_constant_channel_becomes_exactly_zero_and_leaves_the_others_alone(value: float) -> None:
    images = constant_channel(value)
    standardized = StoredInputs(Part(images), channel_statistics(Part(images))).resident()
    assert (standardized[:, 1] == 0).all()
    assert standardized[:, 0].std(correction=0) == pytest.approx(1)


def test_a_channel_constant_in_training_alone_is_only_centred_elsewhere() -> None:
    statistics = channel_statistics(Part(constant_channel(5.0)))
    assert (StoredInputs(Part(np.full((1, 7, 5, 2), 7.0)), statistics)[:][0, 1] == 2).all()


@pytest.mark.parametrize(("dtype", "times"), [("float32", (5, 3)), ("uint8", (4, 2))])
def test_samples_are_read_few_times(
    dtype: str, times: tuple[int, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether floats are finite; mean, and deviation, of training; checksum and duplicates; tensors."""
    found = Counter[float]()
    read = Part.raw_blocks

    def counted(part: Part) -> Iterator[tuple[int, Array]]:
        for start, block in read(part):
            found.update(block[:, 0, 0].ravel().tolist() if block.ndim > 1 else [])  # targets have one dimension
            yield start, block

    monkeypatch.setattr(Part, "raw_blocks", counted)
    train, test = (np.arange(*each)[:, None, None] * np.ones((6, 5)) for each in ((0, 40), (40, 50)))
    arrays = {"x_train": train.astype(dtype), "y_train": np.arange(40) % 2, "x_test": test.astype(dtype)}
    dataset = load_dataset(f"npz:{write_npz(tmp_path, **arrays, y_test=np.arange(10) % 2)}")
    of_training, others = times
    assert Counter(found.values()) == {of_training: len(dataset.train), others: 50 - len(dataset.train)}


FRAME = pd.DataFrame(np.random.default_rng(0).standard_normal((30, 3)), columns=["u", "v", "w"])


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (["w", "v", "u"], "x_test has its columns in another order than x_train; give x_test[list(x_train.columns)]"),
        (["u", "v", "x"], "x_test has other columns than x_train; give x_test[list(x_train.columns)]"),
    ],
)
def test_frames_must_have_the_columns_of_training(columns: list[str], message: str) -> None:
    """An array of them would mix them up without a word."""
    test = FRAME[:10].set_axis(columns, axis=1)
    y = np.arange(30) % 3
    given = {"x_train": FRAME, "y_train": y, "x_test": test, "y_test": y[:10]}
    with pytest.raises(DataError) as caught:
        raw_arrays("here", given)
    assert str(caught.value) == f"here: {message}"
    assert raw_arrays("here", {**given, "x_test": FRAME[:10]}).x_test.shape == (10, 3)
    with pytest.raises(DataError, match="these are tables; write them with their to_csv"):
        raw_arrays("here", (FRAME, test))


@pytest.mark.parametrize("name", ["x_valid", "x_vall", "X_val", "x_validation"])
def test_an_array_that_would_not_be_read_is_named(name: str) -> None:
    """A validation set of another name would be left out, and a part of training held out instead."""
    arrays = {"x_train": 1, "y_train": 1, name: 1, "y_val": 1, "x_test": 1, "y_test": 1}
    del arrays["y_val"]
    with pytest.raises(DataError, match=f"would not be read; rename '{name}' to 'x_val', or leave it out"):
        wanted("here", list(arrays))
    assert wanted("here", ["x_train", "y_train", "x_test", "y_test", "names", "extra"])
