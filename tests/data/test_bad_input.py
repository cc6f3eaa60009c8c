"""Bad data, whatever it comes from: does it end in one clear sentence or in a note, and does none of it run code?"""

import io
import os
import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torchvision

from normzoo.data import Dataset, load_dataset
from normzoo.data._duplicates import SampleHashes, duplicates_note
from normzoo.data._part import Part, checksum
from normzoo.errors import DataError
from normzoo.registry import DATASETS, load, spec_of
from normzoo.tasks import NextToken, Regression, Task

from .fakes import npz_arrays, npz_refusal, write_npz

RANDOM = np.random.default_rng(0)
SEQUENCES: dict[str, Any] = {
    "x_train": RANDOM.random((40, 5, 2)),
    "y_train": np.arange(40) % 2,
    "lengths_train": np.arange(40) % 5 + 1,
    "x_test": RANDOM.random((10, 5, 2)),
    "y_test": np.arange(10) % 2,
    "lengths_test": np.arange(10) % 5 + 1,
}
TOKENS: dict[str, Any] = {
    "x_train": np.arange(120).reshape(40, 3) % 5,
    "y_train": np.arange(1, 121).reshape(40, 3) % 5,
    "x_test": np.arange(200, 230).reshape(10, 3) % 5,
    "y_test": np.arange(201, 231).reshape(10, 3) % 5,
    "kind": "tokens",
    "vocabulary": 5,
}


def given(arrays: Mapping[str, Any], task: Task | None = None) -> Dataset:
    """Load arrays by the way of a function of one's own."""
    return load_dataset(spec_of(DATASETS, lambda: arrays), task=task)


def notes(arrays: Mapping[str, Any], task: Task | None = None) -> tuple[str, ...]:
    """Return what is noted of arrays, but for how many samples are held out."""
    return tuple(note for note in given(arrays, task).notes if "held out for validation" not in note)


def changed(values: Any, at: Any, to: float) -> Any:
    copy = np.array(values, dtype=float if isinstance(to, float) else None)
    copy[at] = to
    return copy


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no steps": (
        {**SEQUENCES, "x_train": np.zeros((40, 0, 2))},
        "x_train is empty, with shape (40, 0, 2); it needs at least one sample of at least one value",
    ),
    "no samples": (
        {**SEQUENCES, "x_test": np.zeros((0, 5, 2)), "y_test": [], "lengths_test": []},
        "x_test is empty, with shape (0, 5, 2); it needs at least one sample of at least one value",
    ),
    "a length of 0": (
        {**SEQUENCES, "lengths_train": changed(SEQUENCES["lengths_train"], 7, 0)},
        "lengths_train holds 0 at sample 7; lengths are 1 to 5, the steps that there are",
    ),
    "a length beyond the end": (
        {**SEQUENCES, "lengths_test": changed(SEQUENCES["lengths_test"], 3, 6)},
        "lengths_test holds 6 at sample 3; lengths are 1 to 5, the steps that there are",
    ),
    "lengths that are no integers": (
        {**SEQUENCES, "lengths_train": SEQUENCES["lengths_train"] / 1},
        "lengths_train has type float64; lengths are integers, so use .astype('int64')",
    ),
    "lengths of other sequences": (
        {**SEQUENCES, "lengths_train": SEQUENCES["lengths_test"]},
        "lengths_train has shape (10,); lengths are (40,), one for each sequence",
    ),
    "more targets than sequences": (
        {**SEQUENCES, "y_train": np.arange(41) % 2},
        "y_train holds 41 targets for 40 sequences; give every sequence one",
    ),
    "NaN within a sequence": (
        {**SEQUENCES, "x_train": changed(SEQUENCES["x_train"], (9, 4, 1), np.nan)},
        "x_train holds 1 value that is not finite in float32, the first (nan) at index (9, 4, 1); remove those samples "
        "or replace the values",
    ),
    "a token beyond the vocabulary": (
        {**TOKENS, "x_test": changed(TOKENS["x_test"], (2, 1), 5)},
        "x_test holds the token 5; with a vocabulary of 5 tokens are 0 to 4",
    ),
    "a negative token": (
        {**TOKENS, "x_train": changed(TOKENS["x_train"], (2, 1), -1)},
        "x_train holds the token -1; with a vocabulary of 5 tokens are 0 to 4",
    ),
    "a vocabulary of none": (
        {**TOKENS, "vocabulary": -3},
        "x_train holds tokens, and a vocabulary of -3; it is at least 1",
    ),
    "a target beyond those of training": (
        {**TOKENS, "y_test": changed(TOKENS["y_test"], (2, 1), 7)},
        "y_test holds the token 7, but y_train's are 0 to 4",
    ),
    "tokens that are no integers": (
        {**TOKENS, "x_train": TOKENS["x_train"] / 1},
        "x_train has type float64; tokens are integers",
    ),
    "no vocabulary": (
        {**TOKENS, "vocabulary": None},
        "x_train holds tokens, and of how many kinds is not said; say it by an array vocabulary beside it",
    ),
    "one value everywhere": (
        {**npz_arrays(), "x_train": np.full((40, 6, 5), 3)},
        "x_train holds the same in every sample, so there is nothing to learn by",
    ),
    "vectors as volumes": (
        {**npz_arrays(shape=(3,)), "kind": "volumes"},
        "x_train has shape (40, 3); volumes are (N, D, H, W) or (N, D, H, W, C), so reshape it",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_arrays_that_are_no_samples_are_refused(name: str) -> None:
    arrays, message = REFUSED[name]
    with pytest.raises(DataError) as refusal:
        given(arrays, NextToken() if arrays.get("kind") == "tokens" else None)
    assert str(refusal.value) == f"session:lambda: {message}"


def test_what_is_beyond_the_end_of_a_sequence_may_be_anything() -> None:
    dataset = given({**SEQUENCES, "x_train": changed(SEQUENCES["x_train"], (0, 4, 1), np.nan)})
    assert dataset.checksum == given(SEQUENCES).checksum


def test_sequences_of_a_single_step_are_sequences() -> None:
    arrays = {**SEQUENCES, "x_train": SEQUENCES["x_train"][:, :1], "x_test": SEQUENCES["x_test"][:, :1]}
    ones = {"lengths_train": np.ones(40, int), "lengths_test": np.ones(10, int)}
    assert given({**arrays, **ones}).shape == (2, 1)


X = np.stack([np.arange(40), np.zeros(40), np.arange(40) ** 2], -1)
NOTED: dict[str, tuple[dict[str, Any], str]] = {
    "a constant feature": (
        {"x_train": X, "y_train": np.arange(40) % 2, "x_test": X + 0.5, "y_test": np.arange(40) % 2},
        "1 of 3 features is constant in training",
    ),
    "constant channels": (
        {**npz_arrays(shape=(6, 5, 3)), "x_train": npz_arrays(shape=(6, 5, 3))["x_train"] * np.array([1, 0, 0])},
        "2 of 3 channels are constant in training",
    ),
    "channels that may stand first": (
        npz_arrays(shape=(5, 8, 8)),
        "x_train has shape (40, 5, 8, 8), read as images 5x8 of 8 channels; if channels stand first, use "
        "numpy.moveaxis(x, 1, -1)",
    ),
    "classes by text": (
        {**npz_arrays(), "y_train": ["cat", "dog"] * 20, "y_test": ["dog", "cat"] * 5},
        "classes by their labels: 0 = cat, 1 = dog",
    ),
    "few samples of a class": (
        {**npz_arrays(), "y_train": np.repeat([0, 1], [36, 4])},
        "1 of 2 classes has fewer than 10 training samples, class 1 the fewest, 3",
    ),
}


@pytest.mark.parametrize("name", NOTED)
def test_what_a_reader_should_know_is_noted(name: str) -> None:
    arrays, note = NOTED[name]
    if name == "few samples of a class":
        arrays = {**arrays, "y_test": arrays["y_test"] % 2}
    assert notes(arrays) == (note,)


def test_good_arrays_have_no_notes() -> None:
    assert notes(npz_arrays()) == notes(npz_arrays(shape=(8, 8, 5))) == ()
    assert load_dataset("digits").notes == ()


@pytest.mark.parametrize(
    ("labels", "note"),
    [
        ((0, 1, 2), "3 of 10 test samples are also in the training set"),
        ((0, 2, 0), "3 of 10 test samples are also in the training set (2 of them with another label)"),
    ],
)
def test_test_samples_of_the_training_set_are_counted(labels: tuple[int, ...], note: str) -> None:
    """Also those of the part of the training set that is held out."""
    arrays = npz_arrays()
    arrays["x_test"][:3] = arrays["x_train"][:3]
    arrays["y_test"][:3] = labels
    assert notes(arrays) == (note,)


def test_one_of_them_is_one_and_may_be_of_another_type() -> None:
    arrays = npz_arrays()
    x_test = arrays["x_test"].astype(np.float64)
    x_test[4] = arrays["x_train"][31]
    labels = changed(arrays["y_test"], 4, int(arrays["y_train"][31] + 1) % 3)
    noted = notes({**arrays, "x_test": x_test, "y_test": labels})
    assert noted == ("1 of 10 test samples is also in the training set (with another label)",)


def test_with_a_validation_split_of_ones_own_the_training_split_is_what_is_trained_on() -> None:
    arrays = npz_arrays()
    assert notes({**arrays, "x_val": arrays["x_test"], "y_val": arrays["y_test"]}) == ()


def test_numbers_are_targets_and_the_same_ones_are_no_others() -> None:
    x, y = RANDOM.random((40, 3)), RANDOM.random(40)
    arrays = {"x_train": x, "y_train": y, "x_test": x[:4], "y_test": np.append(y[:3], 9.0)}
    noted = notes(arrays, Regression())
    assert noted == ("4 of 4 test samples are also in the training set (1 of them with another target)",)


def test_sequences_are_the_same_up_to_their_ends_and_zeros_have_no_sign() -> None:
    train = np.array([[[0.0], [1.0], [7.0]], [[2.0], [3.0], [4.0]]])
    test = np.array([[[-0.0], [1.0], [0.0]], [[0.0], [1.0], [0.0]], [[2.0], [3.0], [4.0]]])
    y = np.zeros(3, dtype=np.int64)
    parts = [Part(train, np.array([2, 3])), Part(test, np.array([2, 3, 3]))]
    hashes = SampleHashes(parts)
    checksum(parts, hashes.add)
    of_train, of_test = hashes.of_parts
    found = duplicates_note([(of_train, y[:2])], (of_test, y))
    assert found == ("2 of 3 test samples are also in the training set",)


def npy(header: str, content: bytes) -> bytes:
    """Return an array as numpy writes it, with any header."""
    line = header.encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(line).to_bytes(2, "little") + line + content


@pytest.mark.parametrize(
    "shape",
    ["(41, 6, 5)", "(4000000, 6, 5)", f"({10**13},)", f"({10**25},)", "(-40, 6, 5)", "(2.5,)", "(True,)", "'many'"],
)
def test_a_file_that_lies_about_its_shape_is_refused(shape: str, tmp_path: Path) -> None:
    """Before memory is taken for it, as far as there is any."""
    path = write_npz(tmp_path, x_train=None)
    with zipfile.ZipFile(path, "a") as archive:
        header = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}}}"
        archive.writestr("x_train.npy", npy(header, bytes(1200)))
    message = npz_refusal(path)
    assert message.startswith("x_train cannot be read (")
    assert message.endswith("; write it again")


def test_a_file_whose_arrays_have_no_readable_names_is_refused(tmp_path: Path) -> None:
    path = write_npz(tmp_path)
    path.write_bytes(b"\x00" + path.read_bytes()[1:])
    assert npz_refusal(path).endswith("the file is damaged, write it again")


class Evil:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.folder),)


def payload(form: str, evil: Evil) -> bytes:
    file = io.BytesIO()
    match form:
        case "pickle":
            pickle.dump({"x_train": evil}, file)
        case "pickle in ASCII":
            pickle.dump({"x_train": evil}, file, protocol=0)
        case "npy":
            np.save(file, np.array([evil], dtype=object))
        case "npz":
            np.savez(file, **{name: np.array([evil], dtype=object) for name in npz_arrays()})  # type: ignore[arg-type]
        case "pt":
            torch.save({"x_train": evil}, file)
        case "old pt":
            torch.save((evil, evil), file, _use_new_zipfile_serialization=False)
    return file.getvalue()


FURTHER = {"npz": "", "text": "", "ts": ":test={file}", "folder": "", "csv": ":target=y", "parquet": ":target=y"}
"""What the spec of a reader of files ends with; a new one is to be listed, so that it is asked the question below."""


def plant(name: str, content: bytes, folder: Path) -> str:
    """Write content into every file that a dataset is read from, and return its spec."""
    entry = DATASETS[name]
    if entry.argument:
        file = folder / f"data.{name}"
        (folder / "a").mkdir()
        for path in (file, folder / "a" / "0.png"):
            path.write_bytes(content)
        return f"{name}:{folder if name == 'folder' else file}{FURTHER[name].format(file=file)}"
    below = [folder / each for each in entry.folders]
    if "mnist" in name:
        names = [f"raw/{part}-{kind}-ubyte" for part in ("train", "t10k") for kind in ("images-idx3", "labels-idx1")]
        names += [f"raw/{each.removeprefix('raw/')}.gz" for each in names]
        names += ["processed/training.pt", "processed/test.pt"]
    else:
        kind = torchvision.datasets.CIFAR10 if name == "cifar10" else torchvision.datasets.CIFAR100
        names = [each for each, _ in (*kind.train_list, *kind.test_list)] + [kind.meta["filename"]]
        (folder / kind.filename).write_bytes(content)
    for path in (root / each for root in below for each in names):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return name


@pytest.mark.parametrize("name", [name for name, entry in DATASETS.items() if entry.argument or entry.folders])
@pytest.mark.parametrize("form", ["pickle", "pickle in ASCII", "npy", "npz", "pt", "old pt"])
def test_no_data_file_runs_code(name: str, form: str, tmp_path: Path) -> None:
    """Whatever it is called: it is refused, and what it would do has not been done."""
    evil = Evil(tmp_path / "done")
    content = payload(form, evil)
    (tmp_path / "data").mkdir()
    spec = plant(name, content, tmp_path / "data")
    assert callable(load(DATASETS[name].target))
    with pytest.raises(DataError):
        load_dataset(spec, root=tmp_path / "data", task=NextToken() if name == "text" else None)
    assert not evil.folder.exists()


def test_what_would_run_code_would_have_done_so(tmp_path: Path) -> None:
    """The payload works where it is unpickled."""
    evil = Evil(tmp_path / "done")
    pickle.loads(payload("pickle", evil))  # noqa: S301
    assert evil.folder.exists()
