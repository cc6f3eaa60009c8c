"""What holds for every dataset, whatever file it comes from."""

from pathlib import Path

import numpy as np
import pytest
import torch

from normzoo.data import Dataset, load_dataset
from normzoo.errors import ComponentError, UnknownNameError

from .fakes import npz_arrays, write_npz


def load_npz(folder: Path, **replaced: object) -> Dataset:
    return load_dataset(f"npz:{write_npz(folder, **replaced)}")


def test_the_tensors_have_the_promised_types_and_shapes(tmp_path: Path) -> None:
    dataset = load_npz(tmp_path)
    assert (len(dataset.train), len(dataset.validation), len(dataset.test)) == (37, 3, 10)
    for split in (dataset.train, dataset.validation, dataset.test):
        assert split.inputs.shape == (len(split), 1, 6, 5)
        assert split.inputs.dtype == torch.float32
        assert split.inputs.is_contiguous()
        assert split.targets.shape == (len(split),)
        assert split.targets.dtype == torch.int64
    assert dataset.shape == (1, 6, 5)
    assert dataset.outputs == 3
    assert dataset.name == f"npz:{tmp_path / 'mine.npz'}"


def test_only_the_training_split_that_remains_is_standardized_to_mean_0_and_variance_1(tmp_path: Path) -> None:
    arrays = npz_arrays(shape=(6, 5, 3))
    arrays["x_test"] = arrays["x_test"] // 4
    dataset = load_npz(tmp_path, **arrays)
    train = dataset.train.inputs.double()
    torch.testing.assert_close(train.mean((0, 2, 3)), torch.zeros(3).double(), atol=1e-6, rtol=0)
    torch.testing.assert_close(train.var((0, 2, 3), correction=0), torch.ones(3).double(), atol=1e-5, rtol=0)
    assert (dataset.test.inputs.mean((0, 2, 3)) < -1).all()


@pytest.mark.parametrize("split", ["validation", "test"])
def test_the_other_splits_do_not_enter_the_statistics(split: str, tmp_path: Path) -> None:
    validation = {"x_val": npz_arrays()["x_test"], "y_val": npz_arrays()["y_test"]}
    name = "x_val" if split == "validation" else "x_test"
    before = load_npz(tmp_path, **validation)
    after = load_npz(tmp_path, **{**validation, name: np.zeros((10, 6, 5), dtype=np.uint8)})
    assert torch.equal(before.train.inputs, after.train.inputs)
    assert not torch.equal(getattr(before, split).inputs, getattr(after, split).inputs)


def test_the_splits_hold_every_sample_once(tmp_path: Path) -> None:
    marked = np.arange(40, dtype=np.float32)[:, None, None] * np.ones((6, 5), dtype=np.float32)
    dataset = load_npz(tmp_path, x_train=marked, x_test=marked[:10])
    values = torch.cat([dataset.train.inputs, dataset.validation.inputs])[:, 0, 0, 0]
    assert len(torch.unique(values)) == 40
    reference = dataset.test.inputs[:, 0, 0, 0]
    torch.testing.assert_close(values.sort().values[:10], reference)


def test_images_and_labels_stay_together(tmp_path: Path) -> None:
    labels = np.random.default_rng(3).permutation(np.arange(40) % 3)
    images = np.broadcast_to(labels[:, None, None], (40, 6, 5)).astype(np.uint8)
    dataset = load_npz(tmp_path, x_train=images, y_train=labels)
    for split in (dataset.train, dataset.validation):
        levels = [torch.unique(split.inputs[split.targets == label]).tolist() for label in range(3)]
        assert [len(level) for level in levels] == [1, 1, 1]
        assert levels[0] < levels[1] < levels[2]


def test_the_same_file_gives_the_same_dataset_and_checksum(tmp_path: Path) -> None:
    first, second = load_npz(tmp_path), load_npz(tmp_path)
    assert first.checksum == second.checksum
    assert torch.equal(first.train.inputs, second.train.inputs)
    assert torch.equal(first.validation.targets, second.validation.targets)


@pytest.mark.parametrize("name", ["x_train", "y_train", "x_test", "y_test"])
def test_one_changed_value_changes_the_checksum(name: str, tmp_path: Path) -> None:
    changed = npz_arrays()[name]
    changed.flat[0] = 2
    assert load_npz(tmp_path, **{name: changed}).checksum != load_npz(tmp_path).checksum


def test_labels_type_and_a_channel_axis_of_one_do_not_enter_the_checksum(tmp_path: Path) -> None:
    arrays = npz_arrays()
    spelled = {
        "x_train": arrays["x_train"][..., None],
        "y_train": arrays["y_train"][:, None].astype(np.uint8),
    }
    assert load_npz(tmp_path, **spelled).checksum == load_npz(tmp_path).checksum


def test_moving_moves_every_tensor_and_keeps_the_rest(tmp_path: Path) -> None:
    dataset = load_npz(tmp_path)
    moved = dataset.to("meta")
    for split in (moved.train, moved.validation, moved.test):
        assert split.inputs.device.type == split.targets.device.type == "meta"
    assert (moved.name, moved.outputs, moved.checksum) == (dataset.name, dataset.outputs, dataset.checksum)
    assert dataset.train.inputs.device.type == "cpu"


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_moving_to_the_gpu_keeps_the_values(tmp_path: Path) -> None:
    dataset = load_npz(tmp_path)
    assert torch.equal(dataset.to("cuda").test.inputs.cpu(), dataset.test.inputs)


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="unknown dataset 'digit'; did you mean 'digits'"):
        load_dataset("digit")


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("npz", "dataset 'npz': expected npz:PATH"),
        ("npz:", "dataset 'npz:': expected npz:PATH"),
        ("digits:8", "dataset 'digits:8': expected options of the form key=value, got '8'"),
    ],
)
def test_what_follows_the_colon_is_for_npz_alone(spec: str, message: str) -> None:
    with pytest.raises(ComponentError) as caught:
        load_dataset(spec)
    assert str(caught.value) == message
