"""The rules for a user's arrays: each broken once, and the words in which it is refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from .fakes import npz_arrays, npz_refusal, write_npz

X = npz_arrays()["x_train"]
Y = npz_arrays()["y_train"]
LAYOUT = "images are (N, H, W) or (N, H, W, C)"
TYPES = "images are integers or float16, float32 or float64"
GAPS = "labels are 0 to K-1 without gaps, so renumber them with numpy.unique(y, return_inverse=True)"
REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"x_train": X.astype(str)}, f"x_train has type <U3; {TYPES}"),
    ({"x_test": X.astype(complex)}, f"x_test has type complex128; {TYPES}"),
    ({"x_train": X.reshape(40, 30)}, f"x_train has shape (40, 30); {LAYOUT}, so reshape it"),
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
        {"x_train": np.zeros((40, 5, 6, 17))},
        "x_train has shape (40, 5, 6, 17), that is 17 channels, and at most 16 are read; "
        f"{LAYOUT}, so check the order of the axes",
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
        {"y_train": np.arange(40) + 10**12},
        "y_train holds the labels 1000000000000, 1000000000001, 1000000000002, 1000000000003, 1000000000004, ... "
        f"(40 in all); {GAPS}",
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
    monkeypatch.setattr("normzoo.data._images._BLOCK_VALUES", 70)
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
