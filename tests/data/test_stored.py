"""Are inputs that do not fit as tensors the same numbers, however they are read, and does nothing stay behind?"""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from normzoo.data import Augmentations, Batches, BlocksOfSteps, Dataset, OrderedBatches, Split, load_dataset
from normzoo.data._part import Part
from normzoo.data._stored import AHEAD, StoredInputs
from normzoo.errors import DataError

from .fakes import npz_arrays, write_npz

RANDOM = np.random.default_rng(0)
LABELS = {"y_train": np.arange(40) % 3, "y_test": np.arange(10) % 3}


def normal(*shape: int, dtype: str = "float64") -> dict[str, Any]:
    """Inputs of a shape, whose channels have other means and deviations."""
    values = RANDOM.standard_normal((50, *shape)) * np.linspace(0.1, 90, shape[-1]) + 7
    return {"x_train": values[:40].astype(dtype), "x_test": values[40:].astype(dtype), **LABELS}


KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "bytes": ("", {**npz_arrays(shape=(6, 5, 3)), **LABELS}),
    "doubles": ("", normal(6, 5, 3)),
    "halves": ("", normal(6, 5, 3, dtype="float16")),
    "without channels": ("", npz_arrays()),
    "vectors": ("", normal(7)),
    "volumes": ("", normal(4, 3, 5, 2)),
    "sequences": (":kind=sequences", normal(9, 3)),
    "ragged": ("", {**normal(9, 3), "lengths_train": np.arange(40) % 9 + 1, "lengths_test": np.arange(10) % 9 + 1}),
    "own validation": ("", {**normal(6, 5, 3), "x_val": normal(6, 5, 3)["x_test"], "y_val": LABELS["y_test"]}),
}
Both = tuple[Dataset, Dataset]


QUICK = ("bytes", "ragged")


@pytest.fixture(
    params=[pytest.param(kind, marks=() if kind in QUICK else pytest.mark.slow) for kind in (*KINDS, "tokens")]
)
def both(request: pytest.FixtureRequest, tmp_path: Path) -> Both:
    """A dataset of each kind, resident and stored."""
    if request.param == "tokens":
        (tmp_path / "text.txt").write_text("what is trained on is read as it is trained on. " * 40)
        from normzoo.tasks import NextToken

        spec, task = f"text:{tmp_path / 'text.txt'}:length=8", NextToken()
        return load_dataset(spec, task=task), load_dataset(spec, task=task, resident_bytes=0)
    options, arrays = KINDS[request.param]
    spec = f"npz:{write_npz(tmp_path, **arrays)}{options}"
    return load_dataset(spec), load_dataset(spec, resident_bytes=0)


def equal(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors agree to the last bit, in type, shape and where they are NaN."""
    return one.dtype == other.dtype and one.shape == other.shape and one.numpy().tobytes() == other.numpy().tobytes()


def splits(both: Both) -> Iterator[tuple[Split, Split]]:
    resident, stored = both
    return ((getattr(resident, name), getattr(stored, name)) for name in ("train", "validation", "test"))


def test_a_stored_dataset_says_of_itself_what_a_resident_one_does(both: Both) -> None:
    resident, stored = both
    assert not resident.is_stored
    assert stored.is_stored
    assert (stored.shape, stored.description, stored.checksum) == (
        resident.shape,
        resident.description,
        resident.checksum,
    )
    for one, other in splits(both):
        assert isinstance(other.samples, StoredInputs)
        assert (other.samples.shape, other.samples.dtype) == (one.inputs.shape, one.inputs.dtype)
        assert len(other.samples) == len(one.inputs)


@pytest.mark.slow_but_one
@pytest.mark.parametrize("index", [slice(3), slice(1, 3), slice(None), slice(2, 99)], ids=str)
def test_a_slice_of_the_samples_is_that_of_the_tensor(both: Both, index: slice) -> None:
    for one, other in splits(both):
        assert equal(one.inputs[index], other.samples[index])


@pytest.mark.parametrize("shape", [(2,), (3, 2, 4), (0,)], ids=str)
def test_samples_by_indices_of_any_shape_are_those_of_the_tensor(both: Both, shape: tuple[int, ...]) -> None:
    """In any order, some of them several times."""
    for one, other in splits(both):
        indices = torch.randint(len(one), shape, generator=torch.Generator().manual_seed(0))
        assert equal(one.inputs[indices], other.samples[indices])


READERS: dict[str, Callable[[Split], Any]] = {
    "batches": lambda split: Batches(split, 4, seed=3),
    "blocks": lambda split: BlocksOfSteps(split, 4, seeds=(0, 1)),
    "ordered": lambda split: OrderedBatches(split, 3),
}


@pytest.mark.slow_but_one
@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("block_bytes", [1, 2**21], ids=["a step a block", "all in a block"])
def test_epochs_are_read_alike(both: Both, reader: str, block_bytes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two of them, in the same order and the same parts."""
    monkeypatch.setattr("normzoo.data.batches.BLOCK_BYTES", block_bytes)
    one, other = (READERS[reader](dataset.train) for dataset in both)
    for _ in range(2):
        for (inputs, targets), (read, of_read) in zip(one, other, strict=True):
            assert equal(inputs, read)
            assert equal(targets, of_read)


def test_augmentation_changes_stored_images_alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("normzoo.data.batches.BLOCK_BYTES", 1)
    path = f"npz:{write_npz(tmp_path)}"
    epochs = [
        list(BlocksOfSteps(dataset.train, 4, seeds=(0, 1), augmentations=Augmentations(["flip", "crop:2", "cutout:3"])))
        for dataset in (load_dataset(path), load_dataset(path, resident_bytes=0))
    ]
    assert len(epochs[0]) > 1
    for (inputs, _), (read, _) in zip(*epochs, strict=True):
        assert equal(inputs, read)


@pytest.mark.parametrize(("spare", "is_stored"), [(0, False), (-1, True)])
def test_a_dataset_is_resident_if_it_fits_to_the_byte(spare: int, is_stored: bool, tmp_path: Path) -> None:
    size = 4 * 50 * 6 * 5
    assert load_dataset(f"npz:{write_npz(tmp_path)}", resident_bytes=size + spare).is_stored == is_stored


def test_the_inputs_of_a_stored_split_are_not_taken_for_a_tensor(tmp_path: Path) -> None:
    stored = load_dataset(f"npz:{write_npz(tmp_path)}", resident_bytes=0)
    with pytest.raises(
        TypeError, match=r"the samples stay as they were stored, and are not one tensor; use Split.read"
    ):
        _ = stored.train.inputs


def test_stored_samples_are_read_where_their_targets_are(tmp_path: Path) -> None:
    moved = load_dataset(f"npz:{write_npz(tmp_path)}", resident_bytes=0).to("meta")
    inputs, targets = next(moved.train.read([slice(3)], torch.arange(9)))
    assert inputs.device.type == targets.device.type == "meta"
    assert inputs.shape == (3, 1, 6, 5)


def threads() -> list[str]:
    return [each.name for each in threading.enumerate() if each.name.startswith("normzoo-inputs")]


class Counted(StoredInputs):
    """Counts the parts that were prepared, and fails at one of them."""

    def __init__(self, fails_at: int = -1) -> None:
        super().__init__(Part(np.zeros((40, 2, 2, 1))), None)
        self.prepared, self._fails_at = 0, fails_at

    def _filled(self, tensor: Tensor, chosen: Any) -> Tensor:  # noqa: ARG002
        if self.prepared == self._fails_at:
            raise DataError("gone")
        self.prepared += 1
        return tensor


PARTS = [slice(start, start + 2) for start in range(0, 40, 2)]


def test_parts_are_prepared_ahead_but_not_all_of_them() -> None:
    inputs = Counted()
    parts = inputs.ahead(PARTS)
    assert inputs.prepared == 0
    for taken in (1, 2, 3):
        next(parts)
        assert taken <= inputs.prepared <= taken + AHEAD
    assert len(threads()) == 1
    assert len(list(parts)) == len(PARTS) - 3
    assert inputs.prepared == len(PARTS)
    assert threads() == []


def test_what_goes_wrong_in_the_thread_is_raised_where_its_part_would_come() -> None:
    parts = Counted(fails_at=3).ahead(PARTS)
    for _ in range(3):
        next(parts)
    with pytest.raises(DataError, match="gone"):
        next(parts)
    assert threads() == []


@pytest.mark.parametrize("kind", [KeyboardInterrupt, RuntimeError])
def test_no_thread_stays_behind_what_ends_the_reading(kind: type[BaseException]) -> None:
    """An error of whoever reads, or Ctrl-C, likewise an epoch that is not read to its end."""
    split = Split(Counted(), torch.arange(40))

    def reads() -> None:
        for _ in BlocksOfSteps(split, 2, seeds=(0,)):
            assert len(threads()) == 1
            raise kind

    with pytest.raises(kind):
        reads()
    assert threads() == []
    next(iter(OrderedBatches(split, 2)))
    assert threads() == []


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_stored_samples_are_the_same_on_the_gpu(both: Both) -> None:
    """They are made in pinned memory, which is used again for later parts, and copied while the host goes on."""
    on_gpu = both[1].to("cuda")
    for one, other in splits((both[0], on_gpu)):
        order = torch.randperm(len(one), generator=torch.Generator().manual_seed(0)).repeat(50)
        cuts = [slice(start, start + 2) for start in range(0, len(order), 2)]
        read = [inputs for inputs, _ in other.read(cuts, order)]
        assert all(each.is_cuda for each in read)
        assert equal(one.inputs[order], torch.cat(read).cpu())


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_samples_are_prepared_while_a_step_is_recorded(tmp_path: Path) -> None:
    """The thread must not be at the device, or the recording fails."""
    stored = load_dataset(f"npz:{write_npz(tmp_path)}", resident_bytes=0).to("cuda")
    parts = stored.train.read([slice(start, start + 2) for start in range(0, 36, 2)])
    inputs, _ = next(parts)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        doubled = inputs * 2
    graph.replay()
    assert torch.equal(doubled, inputs * 2)
    assert len(list(parts)) == 17
