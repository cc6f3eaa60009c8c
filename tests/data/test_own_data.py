"""A user's own objects as a dataset: are arrays and torch Datasets read as they are meant, and is the rest refused?"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.sparse import csr_array
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset, random_split
from torchvision.datasets import FakeData
from torchvision.transforms import RandomVerticalFlip, ToTensor

from normzoo.data import RawArrays, load_dataset
from normzoo.data._own import named_arrays, raw_arrays
from normzoo.data.table import TableEncoder
from normzoo.errors import DataError

from .fakes import npz_arrays

ARRAYS: dict[str, Any] = {**npz_arrays()}
IN_ORDER = tuple(ARRAYS.values())
TENSORS = FakeData(12, (3, 8, 6), 4, ToTensor())


class Items(Dataset[Any]):
    """What a function makes of the indices of some items."""

    def __init__(self, make: Callable[[int], Any], count: int = 6) -> None:
        self.make, self.count = make, count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Any:
        return self.make(index)


class Stream(IterableDataset[Any]):
    def __iter__(self) -> Iterator[Any]:
        yield from [(torch.zeros(2), 0)]


def of_inputs(make: Callable[[int], Any], count: int = 6) -> Items:
    return Items(lambda index: (make(index), index % 2), count)


def read(given: Any) -> RawArrays:
    return raw_arrays("mine", given)


@pytest.mark.parametrize(
    "given",
    [
        ARRAYS,
        IN_ORDER,
        list(IN_ORDER),
        RawArrays(**ARRAYS),
        {name: torch.from_numpy(array) for name, array in ARRAYS.items()},
        {name: array.tolist() for name, array in ARRAYS.items()},
        {**ARRAYS, "kind": "images", "something": "else"},
    ],
    ids=["mapping", "tuple", "list", "RawArrays", "tensors", "lists", "with a kind"],
)
def test_arrays_are_taken_in_every_form(given: Any) -> None:
    raw = read(given)
    assert all(np.array_equal(getattr(raw, name), array) for name, array in ARRAYS.items())


def test_tensors_may_be_of_a_graph_and_of_bfloat16() -> None:
    x = torch.ones(4, 3, dtype=torch.bfloat16, requires_grad=True)
    raw = read((x, [0, 1, 0, 1], x.detach(), [0, 1, 0, 1]))
    assert np.array_equal(raw.x_train, np.ones((4, 3)))


INPUTS: dict[str, tuple[Any, tuple[int, ...], str]] = {
    "tensors (C, H, W)": (TENSORS, (8, 6, 3), "float32"),
    "colour images of PIL": (FakeData(12, (3, 8, 6), 4), (8, 6, 3), "uint8"),
    "grey images of PIL": (of_inputs(lambda index: Image.new("L", (6, 8), index)), (8, 6, 1), "uint8"),
    "images of PIL with a palette": (of_inputs(lambda index: Image.new("P", (6, 8), index)), (8, 6, 3), "uint8"),
    "black and white images of PIL": (of_inputs(lambda index: Image.new("1", (6, 8), index % 2)), (8, 6, 1), "uint8"),
    "tensors (H, W)": (of_inputs(lambda index: torch.full((8, 6), index)), (8, 6), "int64"),
    "five channels": (TensorDataset(torch.rand(6, 5, 8, 6), torch.arange(6)), (8, 6, 5), "float32"),
    "volumes": (TensorDataset(torch.rand(6, 2, 4, 8, 6), torch.arange(6)), (4, 8, 6, 2), "float32"),
    "arrays (F,)": (of_inputs(lambda index: np.full(7, index, np.int16)), (7,), "int16"),
    "numbers": (of_inputs(lambda index: index if index % 2 else index / 2), (1,), "float64"),
    "a list of pairs": ([(np.zeros(3), 0), (np.ones(3), 1)], (3,), "float64"),
    "a subset": (random_split(TENSORS, [4, 8])[0], (8, 6, 3), "float32"),
}


@pytest.mark.slow_but_one
@pytest.mark.parametrize("name", INPUTS)
def test_items_of_datasets_become_arrays_with_channels_last(name: str) -> None:
    dataset, shape, dtype = INPUTS[name]
    raw = read((dataset, dataset))
    assert raw.x_train.shape[1:] == raw.x_test.shape[1:] == shape
    assert raw.x_train.dtype == dtype
    assert (raw.kind, raw.lengths_train) == (None, None)


def test_items_keep_their_order_and_values() -> None:
    raw = read({"test": TENSORS, "train": TENSORS, "val": random_split(TENSORS, [5, 7])[0]})
    images, labels = zip(*(TENSORS[index] for index in range(len(TENSORS))), strict=True)
    assert np.array_equal(np.moveaxis(raw.x_train, -1, 1), torch.stack(images))
    assert raw.y_train.tolist() == [int(label) for label in labels]
    assert raw.y_val is not None
    assert len(raw.y_val) == 5


def test_three_datasets_are_training_validation_and_test() -> None:
    train, validation, test = (of_inputs(lambda _: np.zeros(2), count) for count in (5, 4, 3))
    raw = read((train, validation, test))
    assert [len(each) for each in (raw.x_train, raw.x_val, raw.x_test)] == [5, 4, 3]


def test_an_item_is_read_once_but_for_the_first_ones() -> None:
    asked: list[int] = []

    def make(index: int) -> tuple[Tensor, int]:
        asked.append(index)
        return torch.zeros(2), 0

    read((Items(make, 20), of_inputs(lambda _: torch.zeros(2))))
    assert sorted(set(asked)) == list(range(20))
    assert len(asked) == 28


@pytest.mark.parametrize("lengths", [(3, 7, 2), (7, 7, 7)], ids=["in a split", "between splits"])
def test_tensors_of_one_height_and_different_widths_are_sequences(lengths: tuple[int, ...]) -> None:
    sequences = [torch.rand(2, steps) for steps in lengths]
    raw = read(([(each, 0) for each in sequences], [(torch.rand(2, 4), 1)]))
    assert raw.x_train.shape == (3, 7, 2)
    assert raw.x_test.shape == (1, 7, 2)
    assert raw.lengths_train is not None
    assert raw.lengths_train.tolist() == list(lengths)
    for row, sequence in zip(raw.x_train, sequences, strict=True):
        assert np.array_equal(row[: sequence.shape[1]], sequence.T)


def test_sequences_of_one_length_are_said_to_be_some() -> None:
    dataset = [(torch.rand(2, 5), index % 2) for index in range(4)]
    assert read({"train": dataset, "test": dataset, "kind": "sequences"}).x_train.shape == (4, 5, 2)
    assert read((dataset, dataset)).x_train.shape == (4, 2, 5)


def test_tokens_come_with_their_vocabulary() -> None:
    dataset = [(torch.arange(4), torch.arange(1, 5)) for _ in range(3)]
    raw = read({"train": dataset, "test": dataset, "kind": "tokens", "vocabulary": 6})
    assert (raw.kind, raw.vocabulary, raw.y_train.shape) == ("tokens", 6, (3, 4))


@pytest.mark.parametrize(
    ("make", "dtype", "shape"),
    [
        (lambda index: "ab"[index % 2] * (index + 1), "<U6", (6,)),
        (lambda index: torch.tensor(index), "int64", (6,)),
        (lambda index: [index, index / 2], "float64", (6, 2)),
        (lambda index: np.float32(index), "float32", (6,)),
    ],
    ids=["texts", "tensors", "lists", "numbers"],
)
def test_targets_are_texts_numbers_or_several(make: Callable[[int], Any], dtype: str, shape: tuple[int, ...]) -> None:
    dataset = Items(lambda index: (np.zeros(2), make(index)))
    targets = read((dataset, dataset)).y_train
    assert (targets.dtype.str[1:], targets.shape) == (np.dtype(dtype).str[1:], shape)


FORMS = (
    "a dataset is (x_train, y_train, x_test, y_test), a mapping of these names, RawArrays, or torch Datasets: "
    "(train, test), (train, val, test), or a mapping of these names"
)
MASKED = "has masked values, which would count; put others in their place, as its filled() does"
PAIRS = "items are pairs (input, target), so give a Dataset that returns these"
GOOD = of_inputs(lambda _: np.zeros(2))
WRONG: dict[str, tuple[Any, str]] = {
    "nothing": (None, f"it is nothing; {FORMS}"),
    "an array": (np.zeros(3), f"it is a ndarray; {FORMS}"),
    "a generator": ((each for each in "abc"), f"it is a generator; {FORMS}"),
    "one Dataset": (
        TENSORS,
        f"it is one Dataset, which leaves no test set; to take folds of it, give a mapping of train to it; {FORMS}",
    ),
    "one DataLoader": (
        DataLoader(TENSORS),
        "it is a DataLoader; batches are made by normzoo, so give what it loads: loader.dataset",
    ),
    "pairs of arrays": ((IN_ORDER[:2], IN_ORDER[2:]), f"train is a tuple, no Dataset; {FORMS}"),
    "two arrays": (
        IN_ORDER[:2],
        f"two arrays leave no test set; to take folds of them, give a mapping of x_train and y_train to them; {FORMS}",
    ),
    "a misspelt array": (
        {"X_train": 1, "y_train": 1, "x_test": 1, "y_test": 1},
        "no array named x_train; it holds X_train, y_train, x_test, y_test; rename 'X_train' to 'x_train'",
    ),
    "a misspelt split": ({"train": GOOD, "tset": GOOD}, "a mapping of Datasets has no 'tset'; did you mean 'test'?"),
    "no training set": ({"val": GOOD, "test": GOOD}, "there is no Dataset train; it holds val, test"),
    "a misspelt kind": (
        {**ARRAYS, "kind": "sequence"},
        "there is no kind 'sequence'; did you mean 'sequences'? (known: vectors, sequences, images, volumes, tokens)",
    ),
    "a vocabulary of words": (
        {**ARRAYS, "vocabulary": ["a"]},
        "vocabulary is how many different tokens there are, not a list",
    ),
    "no targets": (
        RawArrays(**{**ARRAYS, "y_test": None}),
        "there is no y_test; inputs and targets of a split belong together",
    ),
    "half a validation split": (
        RawArrays(**ARRAYS, x_val=ARRAYS["x_test"]),
        "there is no y_val; inputs and targets of a split belong together",
    ),
    "half the lengths": (
        RawArrays(**ARRAYS, lengths_test=np.ones(10)),
        "there is no lengths_train; give every split the lengths of its sequences",
    ),
    "lengths of images": (
        RawArrays(**ARRAYS, kind="images", lengths_train=np.ones(40), lengths_test=np.ones(10)),
        "lengths are those of sequences, and its samples are images; leave them out",
    ),
    "masked values": ({**ARRAYS, "x_train": np.ma.masked_less(ARRAYS["x_train"], 9)}, f"x_train {MASKED}"),
    "a masked item": (
        (of_inputs(lambda _: np.ma.masked_less([0.0, 1.0], 1)), GOOD),
        f"item 0 of train: its input {MASKED}",
    ),
    "a sparse matrix": (
        {**ARRAYS, "x_train": csr_array(np.eye(40))},
        "x_train is a sparse csr_array; give its toarray()",
    ),
    "a DataLoader": (
        (DataLoader(TENSORS), TENSORS),
        "train is a DataLoader; batches are made by normzoo, so give what it loads: loader.dataset",
    ),
    "an iterable": (
        (Stream(), TENSORS),
        "train has no items by their indices, but is iterated over; give list(dataset) instead",
    ),
    "no items": ((GOOD, []), "test is empty; it needs at least one item"),
    "items as mappings": ((Items(lambda _: {"x": 0}), GOOD), f"item 0 of train is a dict; {PAIRS}"),
    "items of three": ((GOOD, Items(lambda _: (0, 1, 2))), f"item 0 of test is 3 parts; {PAIRS}"),
    "items without targets": ((Items(lambda _: np.zeros(2)), GOOD), f"item 0 of train is a ndarray; {PAIRS}"),
    "an input that is text": (
        (of_inputs(lambda _: "cat"), GOOD),
        "item 0 of train has a str for its input; inputs are tensors, arrays, numbers or images of PIL",
    ),
    "a target that is missing": (
        (Items(lambda index: (np.zeros(2), None if index == 3 else 1)), GOOD),
        "item 3 of train has no target; targets are numbers, texts, or arrays of one shape",
    ),
    "a target of boxes": (
        (Items(lambda _: (np.zeros(2), {"boxes": 1})), GOOD),
        "item 0 of train has a dict for its target; targets are numbers, texts, or arrays of one shape",
    ),
    "targets of two types": (
        (Items(lambda index: (np.zeros(2), index if index else "a")), GOOD),
        "train: item 1 has numbers for its target, item 0 text; give all one type",
    ),
    "targets of two shapes": (
        (Items(lambda index: (np.zeros(2), [0] * (index + 1))), GOOD),
        "train: item 1 has a target of shape (2,), item 0 of (1,); give all one",
    ),
    "images of two sizes": (
        (of_inputs(lambda index: torch.zeros(3, 8, 8 + index // 4)), TENSORS),
        "item 4 of train has an input of shape (3, 8, 9), item 0 of (3, 8, 8); bring all to one shape",
    ),
    "images in grey and colour": (
        (of_inputs(lambda index: Image.new("RGB" if index else "L", (6, 8))), TENSORS),
        "item 1 of train has an input of shape (3, 8, 6), item 0 of (1, 8, 6); bring all to one shape",
    ),
    "a test set of another size": (
        (TENSORS, of_inputs(lambda _: torch.zeros(3, 8, 8))),
        "item 0 of test has an input of shape (3, 8, 8), item 0 of train of (3, 8, 6); bring all to one shape",
    ),
    "vectors of two lengths": (
        (of_inputs(lambda index: torch.zeros(index + 1)), GOOD),
        "item 1 of train has an input of shape (2,), item 0 of (1,); sequences are (C, T), and may differ in T",
    ),
    "inputs of two types": (
        (of_inputs(lambda index: np.zeros(2, "uint8" if index else "float32")), GOOD),
        "item 1 of train is of type uint8, item 0 of float32; give all inputs one type",
    ),
    "channels last": (
        (of_inputs(lambda _: np.zeros((32, 32, 3))), GOOD),
        "item 0 of train has an input of shape (32, 32, 3), which looks like (H, W, C); items are (C, H, W), as "
        "torchvision's ToTensor makes them",
    ),
    "ragged lists": (
        ([[1, 2], [1]], [0, 1], [[1, 2]], [0]),
        "give all samples one shape, and sequences of different lengths padded, with their lengths",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_no_dataset_is_refused_in_one_sentence(name: str) -> None:
    given, message = WRONG[name]
    with pytest.raises(DataError) as refusal:
        read(given)
    said = str(refusal.value)
    assert said.startswith("mine: ")
    assert said.endswith(message)
    assert "\n" not in said


def test_an_item_that_fails_is_named_with_its_error_and_its_line() -> None:
    def make(index: int) -> Any:
        if index == 4:
            raise KeyError("label")
        return torch.zeros(2), 0

    with pytest.raises(DataError) as refusal:
        read((Items(make), GOOD))
    line = make.__code__.co_firstlineno + 2
    assert str(refusal.value) == f"mine: item 4 of train fails: KeyError: 'label' ({__file__}:{line})"


def test_a_dataset_with_random_transforms_is_refused() -> None:
    """Of eight images that are flipped or not, all alike twice: one chance in 256, and the seed says no."""
    torch.manual_seed(0)
    flipped = FakeData(12, (3, 8, 6), 4, lambda image: RandomVerticalFlip()(ToTensor()(image)))
    with pytest.raises(DataError, match="is another one when it is read again; random changes of training images"):
        read((flipped, TENSORS))


MODULE = """
import torch
from normzoo.data import RawArrays

def pairs(count: int = 30):
    return [(torch.full((3, 4, 5), float(index)), index % 2) for index in range(count)]

def datasets(count: int = 30):
    return pairs(count), pairs(6)

def mapping():
    x = torch.arange(120.0).reshape(30, 4)
    return {"x_train": x, "y_train": ["cat", "dog"] * 15, "x_test": x[:4] + 0.5, "y_test": ["dog", "cat"] * 2}

def several():
    yield 1
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    name = f"own_objects_{tmp_path.name}"
    (tmp_path / f"{name}.py").write_text(MODULE, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    return name


@pytest.mark.parametrize(
    ("function", "shape", "train"),
    [("datasets", (3, 4, 5), 26), ("datasets:count=20", (3, 4, 5), 18), ("mapping", (4,), 26)],
)
def test_a_function_returns_them_by_an_import_path(function: str, shape: tuple[int, ...], train: int, own: str) -> None:
    dataset = load_dataset(f"{own}:{function}")
    assert (dataset.shape, dataset.outputs, len(dataset.train)) == (shape, 2, train)


@pytest.mark.parametrize(("function", "kind"), [("several", "a generator"), ("pairs", "one Dataset, which leaves no")])
def test_a_function_that_returns_no_dataset_is_named(function: str, kind: str, own: str) -> None:
    with pytest.raises(DataError, match=f"^{own}:{function}: it is {kind}"):
        load_dataset(f"{own}:{function}")


@pytest.mark.parametrize("kind", ["sequences", "tokens", "images"])
def test_what_is_written_to_a_file_is_read_as_it_was(kind: str, tmp_path: Path) -> None:
    """With lengths, vocabulary and notes; the kind is in the spec where it does not follow from the arrays."""
    raw = {
        "images": RawArrays(**ARRAYS, notes=("painted by hand",)),
        "tokens": read({**{name: [[0, 1, 2], [1, 1, 0]] for name in ARRAYS}, "kind": "tokens", "vocabulary": 5}),
        "sequences": read(
            ([(torch.rand(2, 3 + index), index % 2) for index in range(4)], [(torch.rand(2, 2), 0)] * 2),
        ),
    }[kind]
    arrays = named_arrays("mine", raw)
    assert arrays.pop("kind", None) == ("tokens" if kind == "tokens" else None)
    np.savez(tmp_path / "mine.npz", **arrays)
    from normzoo.data.npz import load

    written = load(
        root=None, download=False, argument=str(tmp_path / "mine.npz"), kind="tokens" if kind == "tokens" else None
    )
    for name, value in vars(raw).items():
        same = getattr(written, name)
        if name == "files":
            continue  # which are those of what is read
        assert np.array_equal(same, value) if isinstance(value, np.ndarray) else same == value, name


def test_a_table_whose_features_are_still_to_be_made_is_not_written() -> None:
    raw = RawArrays(**ARRAYS, encoder=TableEncoder({"age": None}, fills_in=False))
    with pytest.raises(DataError, match=r"^mine: a table with what makes its features cannot be written down"):
        named_arrays("mine", raw)
