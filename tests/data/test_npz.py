"""The user's own file: what is read of it, and which files are refused in which words."""

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
        ((6, 5, 16), (16, 6, 5)),
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
    assert npz_refusal(tmp_path) == f"no such file; check the path '{tmp_path}'"


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
    assert npz_refusal(path).endswith("the file is damaged, write it anew")


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
        f"{name} holds Python objects; give all its images one shape and write it as one array of numbers"
    )
