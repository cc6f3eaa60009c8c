"""MNIST, Fashion-MNIST and CIFAR through torchvision's own classes, on tiny files with checksums to match."""

import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from normzoo.data import load_dataset
from normzoo.data.torchvision import load_cifar10, load_cifar100, load_mnist
from normzoo.errors import DataError

from .fakes import cifar_rows, files_in, mnist_files, write_cifar, write_mnist

CLASSES = {"mnist": "MNIST", "fashion-mnist": "FashionMNIST", "cifar10": "CIFAR10", "cifar100": "CIFAR100"}


@pytest.mark.parametrize("packed", [False, True], ids=["unpacked", "packed"])
@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
def test_mnist_is_read_unpacked_or_packed_without_a_network(
    name: str, packed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_mnist(tmp_path, packed=packed, patch=monkeypatch, class_name=CLASSES[name])
    dataset = load_dataset(name, root=tmp_path)
    assert dataset.shape == (1, 28, 28)
    assert (len(dataset.train), len(dataset.validation), len(dataset.test)) == (27, 3, 12)
    assert dataset.test.targets.tolist() == [0, 1, 2] * 4


def test_mnist_hands_over_the_files_values(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_mnist(tmp_path, packed=True, patch=monkeypatch)
    raw = load_mnist(root=tmp_path, download=False, argument="")
    assert raw.x_train.dtype == np.uint8
    assert raw.x_train.tobytes() == mnist_files()["train-images-idx3-ubyte"][16:]
    assert raw.y_test is not None
    assert raw.y_test.tolist() == [0, 1, 2] * 4


def test_unpacking_leaves_the_unpacked_files_the_archives_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_mnist(tmp_path, packed=True, patch=monkeypatch)
    load_dataset("mnist", root=tmp_path)
    names = {f"MNIST/raw/{name}" for name in mnist_files()}
    assert files_in(tmp_path) == names | {f"{name}.gz" for name in names}
    assert [path.name for path in tmp_path.iterdir()] == ["MNIST"]


@pytest.mark.parametrize("size", [0, 10, 1000], ids=["empty", "cut in its header", "cut in its values"])
def test_an_unpacked_file_that_was_cut_short_is_unpacked_anew(
    size: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_mnist(tmp_path, packed=True, patch=monkeypatch)
    whole = load_dataset("mnist", root=tmp_path).checksum
    cut = tmp_path / "MNIST" / "raw" / "train-images-idx3-ubyte"
    cut.write_bytes(cut.read_bytes()[:size])
    assert load_dataset("mnist", root=tmp_path).checksum == whole


@pytest.mark.slow_but_one
@pytest.mark.parametrize(("name", "loader"), [("cifar10", load_cifar10), ("cifar100", load_cifar100)])
def test_cifar_is_unpacked_without_a_network_and_its_channels_stay_apart(
    name: str, loader: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_cifar(tmp_path, patch=monkeypatch, class_name=CLASSES[name])
    raw = loader(root=tmp_path, download=False, argument="")
    assert raw.x_train.shape == (20, 32, 32, 3)
    assert np.array_equal(raw.x_test[3, 0, 1], cifar_rows(8).reshape(8, 3, 32, 32)[3, :, 0, 1])
    dataset = load_dataset(name, root=tmp_path)
    assert dataset.shape == (3, 32, 32)
    assert dataset.outputs == 4
    assert dataset.test.targets.dtype == torch.int64


@pytest.mark.parametrize("name", CLASSES)
def test_a_missing_dataset_is_named_with_its_folder_and_the_two_ways_out(name: str, tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        load_dataset(name, root=tmp_path / "empty")
    assert re.fullmatch(
        f"{name}: not found complete in the folder '{re.escape(str(tmp_path))}.empty' "
        r"\(looked for '\S+\.gz'\); fetch it with --download, or name the folder it is in with --data-root",
        str(caught.value),
    )
    assert not (tmp_path / "empty").exists()


def test_the_folder_is_data_below_the_current_one_unless_said_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_mnist(tmp_path / "data", packed=True, patch=monkeypatch)
    monkeypatch.chdir(tmp_path)
    assert len(load_dataset("mnist").test) == 12


def test_a_folder_may_be_given_from_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_mnist(tmp_path / "mine", packed=True, patch=monkeypatch)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert len(load_dataset("mnist", root=Path("~/mine")).test) == 12


@pytest.mark.parametrize("damage", ["missing", "altered"])
def test_an_archive_that_is_missing_or_fails_its_checksum_is_not_unpacked(
    damage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_mnist(tmp_path, packed=True, patch=monkeypatch)
    archive = tmp_path / "MNIST" / "raw" / "t10k-labels-idx1-ubyte.gz"
    content = archive.read_bytes()
    archive.unlink()
    if damage == "altered":
        archive.write_bytes(content + b"x")
    before = files_in(tmp_path)
    with pytest.raises(DataError, match=r"^mnist: not found complete"):
        load_dataset("mnist", root=tmp_path)
    assert files_in(tmp_path) == before


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_mnist(tmp_path, packed=True, patch=monkeypatch)

    def refuse(*_: Any, **__: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.mkdtemp", refuse)
    with pytest.raises(DataError) as caught:
        load_dataset("mnist", root=tmp_path)
    assert str(caught.value) == (
        f"mnist: cannot write to the folder '{tmp_path}' (PermissionError: [Errno 13] Permission denied), where the "
        "dataset is to be unpacked; copy it to a folder that can be written and name that one with --data-root"
    )


def test_a_torchvision_that_does_not_import_is_said_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchvision.datasets", None)
    with pytest.raises(DataError) as caught:
        load_dataset("cifar10", root=tmp_path)
    message = str(caught.value)
    assert message.startswith("cifar10 needs torchvision, which does not import here (ModuleNotFoundError: ")
    assert message.endswith("); install the torchvision that matches your torch, or use digits or npz:PATH")
