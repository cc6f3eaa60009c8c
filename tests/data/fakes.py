"""Small made-up datasets, as arrays and as the files that torchvision's classes read."""

import gzip
import hashlib
import io
import pickle
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torchvision

from normzoo.data import load_dataset
from normzoo.data._dataset import Array
from normzoo.data.torchvision import Archive
from normzoo.errors import DataError


def npz_arrays(*, shape: tuple[int, ...] = (6, 5), classes: int = 3) -> dict[str, Array]:
    """Forty training and ten test images of one shape, uint8, with every class among them."""
    random = np.random.default_rng(0)
    return {
        "x_train": random.integers(0, 256, (40, *shape), dtype=np.uint8),
        "y_train": np.arange(40) % classes,
        "x_test": random.integers(0, 256, (10, *shape), dtype=np.uint8),
        "y_test": np.arange(10) % classes,
    }


def write_npz(folder: Path, **replaced: Any) -> Path:
    """Write ``npz_arrays()`` with some arrays replaced, or left out where the replacement is None."""
    arrays = {name: array for name, array in {**npz_arrays(), **replaced}.items() if array is not None}
    np.savez(folder / "mine.npz", **arrays)
    return folder / "mine.npz"


def npz_refusal(path: Path) -> str:
    """Load, expect a refusal, and return its message without the path, which it must begin with."""
    with pytest.raises(DataError) as caught:
        load_dataset(f"npz:{path}")
    prefix = f"npz '{path}': "
    message = str(caught.value)
    assert message.startswith(prefix)
    assert "\n" not in message
    return message.removeprefix(prefix)


def idx_bytes(array: Array) -> bytes:
    """Encode uint8 values as an IDX file: two zero bytes, type 8, the rank, big-endian sizes, the values."""
    return bytes([0, 0, 8, array.ndim]) + np.array(array.shape, dtype=">u4").tobytes() + array.tobytes()


def mnist_files() -> dict[str, bytes]:
    """The four unpacked files of a tiny MNIST: 30 and 12 images 28x28, 3 classes."""
    random = np.random.default_rng(1)
    files = {}
    for split, samples in (("train", 30), ("t10k", 12)):
        images = random.integers(0, 256, (samples, 28, 28), dtype=np.uint8)
        files[f"{split}-images-idx3-ubyte"] = idx_bytes(images)
        files[f"{split}-labels-idx1-ubyte"] = idx_bytes((np.arange(samples) % 3).astype(np.uint8))
    return files


def write_mnist(root: Path, *, packed: bool, patch: pytest.MonkeyPatch, class_name: str = "MNIST") -> list[Archive]:
    """Write a tiny MNIST below ``root``, as ``.gz`` or unpacked, and have torchvision's class expect its checksums."""
    raw = root / class_name / "raw"
    raw.mkdir(parents=True)
    archives = []
    for name, content in mnist_files().items():
        archive = gzip.compress(content, mtime=0)
        (raw / (f"{name}.gz" if packed else name)).write_bytes(archive if packed else content)
        archives.append(Archive(f"{name}.gz", md5(archive)))
    patch.setattr(getattr(torchvision.datasets, class_name), "resources", archives)
    return archives


def write_cifar(root: Path, *, patch: pytest.MonkeyPatch, class_name: str = "CIFAR10") -> Path:
    """Write a tiny CIFAR's ``.tar.gz`` into ``root``, and have torchvision's class expect its checksums."""
    dataset_class = getattr(torchvision.datasets, class_name)
    labels = "labels" if class_name == "CIFAR10" else "fine_labels"
    files = {
        "train": python_2_pickle({"data": cifar_rows(20), labels: [index % 4 for index in range(20)]}),
        "test": python_2_pickle({"data": cifar_rows(8), labels: [index % 4 for index in range(8)]}),
        "meta": pickle.dumps({dataset_class.meta["key"]: ["a", "b", "c", "d"]}),
    }
    archive = root / "tiny.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(f"{dataset_class.base_folder}/{name}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    patch.setattr(dataset_class, "filename", archive.name)
    patch.setattr(dataset_class, "tgz_md5", md5(archive.read_bytes()))
    patch.setattr(dataset_class, "train_list", [["train", md5(files["train"])]])
    patch.setattr(dataset_class, "test_list", [["test", md5(files["test"])]])
    patch.setattr(dataset_class, "meta", {**dataset_class.meta, "filename": "meta", "md5": md5(files["meta"])})
    return archive


def python_2_pickle(value: object) -> bytes:
    """Pickle much as CIFAR's authors did: numpy's old module name, and 0 for False, of which numpy 2.4 warns."""
    return pickle.dumps(value, protocol=0).replace(b"numpy._core", b"numpy.core").replace(b"\nI00\n", b"\nI0\n")


def cifar_rows(samples: int) -> Array:
    """Images as CIFAR stores them, 1024 red, 1024 green and 1024 blue values a row; here about 10, 20 and 30."""
    noise = np.random.default_rng(samples).integers(0, 5, (samples, 3, 1024))
    rows: Array = (noise + np.array([10, 20, 30])[:, None]).astype(np.uint8).reshape(samples, 3072)
    return rows


def md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def files_in(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
