"""The user's own arrays: what is read, and what is refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from normzoo.data import load_dataset

from .fakes import npz_arrays, npz_refusal, write_npz


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int16", "uint16", "int64", "float16", "float32", "float64", ">f4"])
def test_images_of_any_integer_or_float_type_are_read(dtype: str, tmp_path: Path) -> None:
    arrays = {name: array.astype(dtype) for name, array in npz_arrays().items() if name.startswith("x")}
    assert load_dataset(f"npz:{write_npz(tmp_path, **arrays)}").shape == (1, 6, 5)


@pytest.mark.parametrize(
    ("shape", "read"),
    [
        ((6, 5), (1, 6, 5)),
        ((6, 5, 1), (1, 6, 5)),
        ((6, 5, 3), (3, 6, 5)),
        ((6, 5, 200), (200, 6, 5)),
        ((3, 5, 3), (3, 3, 5)),
    ],
)
def test_images_with_or_without_a_last_axis_of_channels_are_read(
    shape: tuple[int, ...], read: tuple[int, int, int], tmp_path: Path
) -> None:
    assert load_dataset(f"npz:{write_npz(tmp_path, **npz_arrays(shape=shape))}").shape == read


@pytest.mark.parametrize("dtype", ["uint8", "int32", "uint64", ">i4"])
def test_labels_of_any_integer_type_and_of_shape_n_1_are_read(dtype: str, tmp_path: Path) -> None:
    labels = npz_arrays()["y_test"].astype(dtype)[:, None]
    assert load_dataset(f"npz:{write_npz(tmp_path, y_test=labels)}").test.targets.tolist() == labels[:, 0].tolist()


def test_a_compressed_file_and_arrays_beside_the_four_are_fine(tmp_path: Path) -> None:
    objects = np.array([{}], dtype=object)
    everything: dict[str, Any] = {**npz_arrays(), "notes": objects}
    np.savez_compressed(tmp_path / "mine.npz", **everything)
    assert len(load_dataset(f"npz:{tmp_path / 'mine.npz'}").test) == 10


def test_a_validation_split_of_the_users_own_is_used_as_it_is(tmp_path: Path) -> None:
    arrays = npz_arrays()
    path = write_npz(tmp_path, x_val=arrays["x_test"][:6], y_val=arrays["y_test"][:6])
    dataset = load_dataset(f"npz:{path}")
    assert (len(dataset.train), len(dataset.validation)) == (40, 6)
    assert dataset.validation.targets.tolist() == arrays["y_test"][:6].tolist()


def test_a_path_is_read_from_the_current_folder_and_from_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_npz(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert load_dataset("npz:mine.npz").checksum == load_dataset("npz:~/mine.npz").checksum


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "none.npz"
    assert npz_refusal(path) == f"no such file; check the path '{path}'"
    assert npz_refusal(tmp_path) == f"it is a folder; for a folder of pictures write folder:{tmp_path}"


@pytest.mark.parametrize("content", [b"", b"x_train,y_train\n", b"\x80\x04]."], ids=["empty", "text", "pickle"])
def test_a_file_that_is_no_npz_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "mine.npz"
    path.write_bytes(content)
    assert npz_refusal(path) == "not an .npz file; write one with numpy.savez('mine.npz', x_train=..., ...)"


def test_a_single_array_is_no_npz(tmp_path: Path) -> None:
    np.save(tmp_path / "mine.npy", npz_arrays()["x_train"])
    assert npz_refusal(tmp_path / "mine.npy").startswith("not an .npz file")


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    path = write_npz(tmp_path)
    content = bytearray(path.read_bytes())
    content[500] ^= 0xFF
    path.write_bytes(content)
    assert npz_refusal(path).startswith("cannot be read (Bad CRC-32")
    assert npz_refusal(path).endswith("the file is damaged, write it again")


def test_missing_arrays_are_named_with_those_present_and_the_nearest(tmp_path: Path) -> None:
    arrays = npz_arrays()
    path = write_npz(tmp_path, x_test=None, y_test=None, X_test=arrays["x_test"], extra=arrays["y_test"])
    assert npz_refusal(path) == (
        "no array named x_test, y_test; it holds x_train, y_train, X_test, extra; rename 'X_test' to 'x_test'"
    )


def test_a_name_that_stands_for_the_other_array_is_not_suggested(tmp_path: Path) -> None:
    path = write_npz(tmp_path, y_test=None, X_test=npz_arrays()["x_test"])
    assert npz_refusal(path).endswith("; write x_train, y_train, x_test, y_test")


def test_arrays_without_names_are_answered_with_the_names(tmp_path: Path) -> None:
    np.savez(tmp_path / "mine.npz", np.zeros(3))
    assert npz_refusal(tmp_path / "mine.npz") == (
        "no array named x_train, y_train, x_test, y_test; it holds arr_0; write x_train, y_train, x_test, y_test"
    )


def test_half_a_validation_split_is_refused(tmp_path: Path) -> None:
    path = write_npz(tmp_path, x_val=npz_arrays()["x_test"])
    assert npz_refusal(path).startswith("no array named y_val; it holds x_train, y_train, x_test, y_test, x_val")


@pytest.mark.parametrize("name", ["x_train", "y_test"])
def test_python_objects_are_refused_unread(name: str, tmp_path: Path) -> None:
    path = write_npz(tmp_path, **{name: np.array([[1], [1, 2]], dtype=object)})
    assert npz_refusal(path) == (
        f"{name} holds Python objects; give all its samples one shape, sequences of different lengths padded and with "
        "their lengths beside them, and write it as one array of numbers"
    )


X = npz_arrays()["x_train"]
Y = npz_arrays()["y_train"]
LAYOUT = "images are (N, H, W) or (N, H, W, C)"
TYPES = "images are integers or float16, float32 or float64"
GAPS = "labels are 0 to K-1 without gaps, so renumber them with numpy.unique(y, return_inverse=True)"
REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"x_train": X.astype(str)}, f"x_train has type <U3; {TYPES}"),
    ({"x_test": X.astype(complex)}, f"x_test has type complex128; {TYPES}"),
    ({"x_train": X.reshape(40, 30)}, "x_test has shape (10, 6, 5); vectors are (N, F), so reshape it"),
    ({"x_train": np.array(3)}, f"x_train has shape (); {LAYOUT}, so reshape it"),
    (
        {"x_train": X[:0]},
        "x_train is empty, with shape (0, 6, 5); it needs at least one sample of at least one value",
    ),
    (
        {"x_test": X[:10, :0]},
        "x_test is empty, with shape (10, 0, 5); it needs at least one sample of at least one value",
    ),
    (
        {"x_train": np.zeros((40, 3, 32, 32))},
        f"x_train has shape (40, 3, 32, 32), which looks like (N, C, H, W); {LAYOUT}, so use numpy.moveaxis(x, 1, -1)",
    ),
    (
        {"x_train": np.zeros((40, 1, 8, 8))},
        f"x_train has shape (40, 1, 8, 8), which looks like (N, C, H, W); {LAYOUT}, so use numpy.moveaxis(x, 1, -1)",
    ),
    (
        {"x_test": X[:10, :, :4]},
        "x_test has images of shape (6, 4, 1) (H, W, C), but x_train's are (6, 5, 1); resize one",
    ),
    (
        {"x_val": np.zeros((10, 6, 5, 3)), "y_val": Y[:10]},
        "x_val has images of shape (6, 5, 3) (H, W, C), but x_train's are (6, 5, 1); resize one",
    ),
    ({"y_train": Y[:39]}, "y_train holds 39 targets for 40 images; give every image one"),
    ({"y_test": Y}, "y_test holds 40 targets for 10 images; give every image one"),
    (
        {"y_train": np.eye(3, dtype=int)[Y]},
        "y_train has shape (40, 3); labels are (N,) or (N, 1), so turn one-hot rows into integers with "
        "y.argmax(axis=1), or use --task regression for several numbers",
    ),
    ({"y_test": np.array(3)}, "y_test holds a single value for 10 images; give every image one"),
    ({"y_test": np.zeros((10, 0), int)}, "y_test has shape (10, 0); labels are (N,) or (N, 1), so reshape it"),
    ({"y_train": Y.reshape(40, 1, 1)}, "y_train has shape (40, 1, 1); labels are (N,) or (N, 1), so reshape it"),
    (
        {"y_train": Y.astype(float)},
        "y_train has type float64; for numbers to be predicted use --task regression, for classes y.astype('int64')",
    ),
    ({"y_test": Y[:10] > 0}, "y_test has type bool; labels are integers, so use y.astype('int64')"),
    ({"y_train": Y + 1}, f"y_train holds the labels 1, 2, 3; {GAPS}"),
    ({"y_train": Y - 1}, f"y_train holds the labels -1, 0, 1; {GAPS}"),
    ({"y_train": Y * 2}, f"y_train holds the labels 0, 2, 4; {GAPS}"),
    (
        {"y_train": np.arange(40) // 4 + 10**12},
        "y_train holds the labels 1000000000000, 1000000000001, 1000000000002, 1000000000003, 1000000000004, ... "
        f"(10 in all); {GAPS}",
    ),
    ({"y_train": Y * 0}, "y_train holds the one class 0; at least 2 classes are needed to classify"),
    (
        {"y_test": np.array([0, 1, 2, 3, 7, 7, -1, 0, 0, 0])},
        "y_test holds the labels -1, 3, 7, but y_train's are 0 to 2; remove those samples, or add their classes to "
        "the training split",
    ),
    (
        {"x_val": X[:10], "y_val": Y[:10] + 1},
        "y_val holds the label 3, but y_train's are 0 to 2; remove those samples, or add their classes to the training "
        "split",
    ),
]


@pytest.mark.parametrize(("replaced", "message"), REFUSED)
def test_arrays_that_break_a_rule_are_refused(replaced: dict[str, Any], message: str, tmp_path: Path) -> None:
    assert npz_refusal(write_npz(tmp_path, **replaced)) == message


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e300])
@pytest.mark.parametrize("name", ["x_train", "x_test"])
def test_values_that_are_not_finite_are_counted_and_the_first_is_located(
    name: str, value: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("normzoo.data._part.BLOCK_VALUES", 70)
    images = npz_arrays()[name].astype(np.float64)
    images[5, 1, 2] = images[5, 1, 3] = images[9, 0, 0] = value
    assert npz_refusal(write_npz(tmp_path, **{name: images})) == (
        f"{name} holds 3 values that are not finite in float32, the first ({value}) at index (5, 1, 2); "
        "remove those samples or replace the values"
    )


def test_one_value_that_is_not_finite_is_said_in_the_singular(tmp_path: Path) -> None:
    images = npz_arrays()["x_train"].astype(np.float16)
    images[0, 0, 0] = np.nan
    assert npz_refusal(write_npz(tmp_path, x_train=images)).startswith("x_train holds 1 value that is not finite")


@pytest.mark.parametrize("folds", [1, 3])
@pytest.mark.parametrize("lengths", [(2, 4, 3), (4, 4, 4)], ids=["different lengths", "one length"])
def test_how_far_an_array_reaches_beyond_its_longest_sequence_makes_no_difference(
    lengths: tuple[int, ...], folds: int, tmp_path: Path
) -> None:
    arrays: dict[str, Any] = {}
    for split, count in (("train", 30), ("test", 12)):
        arrays[f"x_{split}"] = np.random.default_rng(count).normal(size=(count, 4, 2))
        arrays[f"y_{split}"] = np.arange(count) % 2
        arrays[f"lengths_{split}"] = np.resize(lengths, count)
    np.savez(tmp_path / "exact.npz", **arrays)
    wider: dict[str, Any] = {
        name: np.pad(each, [(0, 0), (0, 3), (0, 0)], constant_values=7.0) if each.ndim == 3 else each
        for name, each in arrays.items()
    }
    np.savez(tmp_path / "wider.npz", **wider)
    datasets = [load_dataset(f"npz:{tmp_path / name}.npz", folds=folds) for name in ("exact", "wider")]
    exact, padded = datasets
    assert exact.shape == padded.shape == (2, 4)
    assert exact.ragged == padded.ragged == (4 if len(set(lengths)) > 1 else 0)
    assert exact.checksum == padded.checksum
    for mine, other in zip((exact.train, exact.test), (padded.train, padded.test), strict=True):
        assert np.array_equal(mine.inputs.numpy(), other.inputs.numpy(), equal_nan=True)


def test_a_single_sample_of_each_class_is_refused(tmp_path: Path) -> None:
    """As what is held out would be of a class that is not trained on; no fault of the labels."""
    x, y = np.random.default_rng(0).normal(size=(3, 6, 5)), np.arange(3)
    message = npz_refusal(write_npz(tmp_path, x_train=x, y_train=y, x_test=x, y_test=y))
    assert (
        "a single sample of each class is there to train on, and a part is held out for validation; give more"
        in message
    )
