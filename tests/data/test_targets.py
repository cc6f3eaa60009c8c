"""Do targets come from a file to tensors as the task has them, and do loaders of one's own?"""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from normzoo.data import Dataset, load_dataset
from normzoo.errors import ComponentError, DataError
from normzoo.tasks import Classification, Regression

from .fakes import npz_arrays, write_npz

RANDOM = np.random.default_rng(5)
Y_TRAIN, Y_TEST = (100 + 7 * RANDOM.standard_normal((samples, 2)) for samples in (40, 10))


def regression(folder: Path, **replaced: Any) -> Dataset:
    path = write_npz(folder, **{"y_train": Y_TRAIN, "y_test": Y_TEST, **replaced})
    return load_dataset(f"npz:{path}", task=Regression())


@pytest.mark.parametrize("width", [None, 1, 2])
def test_numbers_of_a_file_become_standardized_tensors(width: int | None, tmp_path: Path) -> None:
    """float32 of shape (N, K), also where the file has (N,), with what it takes to read them in their units."""
    columns = slice(None) if width else 0
    y_train, y_test = (array[:, columns] if not width else array[:, :width] for array in (Y_TRAIN, Y_TEST))
    dataset = regression(tmp_path, y_train=y_train, y_test=y_test)
    assert dataset.outputs == (width or 1)
    for split in (dataset.train, dataset.validation, dataset.test):
        assert split.targets.shape == (len(split), width or 1)
        assert split.targets.dtype == torch.float32
    back = dataset.test.targets.numpy() * dataset.scale.std + dataset.scale.mean
    np.testing.assert_allclose(back, y_test.reshape(10, -1), rtol=1e-6)


def test_the_part_that_is_held_out_has_no_strata_and_does_not_enter_the_scale(tmp_path: Path) -> None:
    """A tenth of all samples, whatever their numbers, and mean and deviation of the rest."""
    dataset = regression(tmp_path)
    assert (len(dataset.train), len(dataset.validation)) == (36, 4)
    np.testing.assert_allclose(dataset.train.targets.mean(0), 0, atol=1e-6)
    np.testing.assert_allclose(dataset.train.targets.std(0, correction=0), 1, rtol=1e-6)
    held = dataset.validation.targets.numpy() * dataset.scale.std + dataset.scale.mean
    rows = {tuple(row) for row in np.round(held, 3).tolist()}
    kept = np.array([row for row in Y_TRAIN if tuple(np.round(row, 3).tolist()) not in rows])
    assert len(kept) == 36
    np.testing.assert_allclose(dataset.scale.mean, kept.mean(0), rtol=1e-12)
    np.testing.assert_allclose(dataset.scale.std, kept.std(0), rtol=1e-12)


def test_the_same_samples_are_held_out_whatever_the_numbers(tmp_path: Path) -> None:
    before, after = regression(tmp_path), regression(tmp_path, y_train=Y_TRAIN[::-1] * 3)
    assert torch.equal(before.validation.inputs, after.validation.inputs)


def test_the_checksum_of_a_regression_is_stable_and_sees_every_value(tmp_path: Path) -> None:
    """It is pinned, as a change changes the key of every stored run."""
    expected = regression(tmp_path).checksum
    assert regression(tmp_path).checksum == expected
    for name, values in (("y_train", Y_TRAIN), ("y_test", Y_TEST)):
        changed = values.copy()
        changed[3, 1] += 1
        assert regression(tmp_path, **{name: changed}).checksum != expected
    exact = np.arange(40.0).reshape(40, 1), np.arange(10.0).reshape(10, 1)
    own = {"x_val": npz_arrays()["x_test"], "y_val": exact[1]}
    assert regression(tmp_path, y_train=exact[0], y_test=exact[1], **own).checksum == "53e6d8df13273521"


def test_a_task_is_no_part_of_how_classes_are_read(tmp_path: Path) -> None:
    """Classification is what is done without a task."""
    path = f"npz:{write_npz(tmp_path)}"
    by_default, told = load_dataset(path), load_dataset(path, task=Classification())
    assert by_default.checksum == told.checksum
    assert torch.equal(by_default.train.targets, told.train.targets)
    assert load_dataset(path, task=Regression()).outputs == 1


def test_a_validation_split_of_ones_own_is_prepared_by_the_training_split(tmp_path: Path) -> None:
    dataset = regression(tmp_path, x_val=npz_arrays()["x_test"], y_val=Y_TEST + 50)
    assert (len(dataset.train), len(dataset.validation)) == (40, 10)
    np.testing.assert_allclose(dataset.scale.mean, Y_TRAIN.mean(0), rtol=1e-12)
    assert (dataset.validation.targets > dataset.test.targets).all()


def test_the_digits_can_be_learned_as_numbers() -> None:
    """A dataset is no task; its images are the same."""
    numbers, classes = load_dataset("digits", task=Regression()), load_dataset("digits")
    assert numbers.outputs == 1
    assert torch.equal(numbers.train.inputs, classes.train.inputs)
    assert numbers.checksum != classes.checksum


@pytest.mark.parametrize(
    ("replaced", "message"),
    [
        ({"y_train": Y_TRAIN[:39]}, "y_train holds 39 targets for 40 images; give every image one"),
        ({"y_train": np.full((40, 2), 0.3)}, "y_train is constant; there is nothing to learn"),
        (
            {"x_train": npz_arrays()["x_train"][:9], "y_train": Y_TRAIN[:9]},
            "y_val holds one sample; R2 needs at least two, so give more, or an x_val and y_val",
        ),
        (
            {"x_train": npz_arrays()["x_train"][:1], "y_train": Y_TRAIN[:1]},
            "x_train holds one sample; at least 2 are needed, as a part is held out",
        ),
        ({"y_test": Y_TEST[:, :1]}, "y_test has 1 number per sample, but y_train has 2"),
        ({"y_test": np.full((10, 2), "1.5")}, "y_test has type <U3; targets of a regression are numbers"),
    ],
)
def test_numbers_that_break_a_rule_are_refused(replaced: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError) as refusal:
        regression(tmp_path, **replaced)
    assert str(refusal.value) == f"npz '{tmp_path / 'mine.npz'}': {message}"


@pytest.mark.parametrize("name", ["lr=0.1.npz", "a b.npz", "run:lr=0.1.npz", "lr=0.1,seed=2.npz"])
def test_a_file_of_any_name_is_read(name: str, tmp_path: Path) -> None:
    dataset = load_dataset(f"npz:{write_npz(tmp_path).rename(tmp_path / name)}")
    assert dataset.name == f"npz:{tmp_path / name}"
    assert dataset.outputs == 3


MODULE = """
import numpy as np
import torch
from normzoo.data import RawArrays

def arrays(size=4, samples=20):
    random = np.random.default_rng(0)
    x, y = random.random((samples, size, size)), np.arange(samples) % 2
    return {"x_train": x, "y_train": y, "x_test": x[:4], "y_test": y[:4]}

def plain(size: int = 4):
    return RawArrays(**arrays(size))

def told(*, root, download, argument):
    assert (root, download, argument) == (None, True, "")
    return RawArrays(**arrays())

def anything(**given):
    assert set(given) == {"root", "download", "argument", "task", "progress"}
    return RawArrays(**arrays())

def tensors():
    return RawArrays(**{name: torch.from_numpy(array) for name, array in arrays().items()})

def channels_first():
    wrong = {name: array[:, None] if name[0] == "x" else array for name, array in arrays(8).items()}
    return RawArrays(**wrong)

def few():
    return RawArrays(**{**arrays(), "y_train": [0, 1]})

def fails():
    raise KeyError("images")
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    name = f"own_data_{tmp_path.name}"
    (tmp_path / f"{name}.py").write_text(MODULE, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    return name


@pytest.mark.parametrize(
    ("spec", "shape"),
    [("plain", 4), ("plain:size=6", 6), ("told", 4), ("anything", 4), ("tensors", 4)],
)
def test_a_function_of_ones_own_is_a_dataset(spec: str, shape: int, own: str) -> None:
    """It takes what it wants of what a loader may want to know, and may return tensors."""
    dataset = load_dataset(f"{own}:{spec}", download=True)
    assert (dataset.shape, dataset.outputs, dataset.name) == ((1, shape, shape), 2, f"{own}:{spec}")
    assert dataset.train.inputs.dtype == torch.float32


@pytest.mark.parametrize(
    ("spec", "error", "message"),
    [
        ("channels_first", DataError, "OWN:channels_first: x_train has shape (20, 1, 8, 8), which looks like (N, C, H"),
        ("few", DataError, "OWN:few: y_train holds 2 targets for 20 images; give every image one"),
        ("fails", ComponentError, "dataset 'OWN:fails' cannot be loaded: KeyError: 'images'"),
        ("plain:sise=3", ComponentError, "it has no option 'sise'; did you mean 'size'?"),
        ("plain:size=big", ComponentError, "dataset 'OWN:plain:size=big': size must be a whole number, got 'big'"),
    ],
)
def test_what_a_function_of_ones_own_does_wrong_is_said(
    spec: str, error: type[Exception], message: str, own: str
) -> None:
    with pytest.raises(error) as refusal:
        load_dataset(f"{own}:{spec}")
    assert message.replace("OWN", own) in str(refusal.value)
