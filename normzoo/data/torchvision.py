"""MNIST, Fashion-MNIST, CIFAR-10 and CIFAR-100, which torchvision downloads, verifies and reads."""

import importlib
import io
import shutil
import tempfile
import warnings
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from http.client import HTTPException
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, NamedTuple
from urllib.error import URLError

import numpy as np

from normzoo.data._dataset import Array, RawArrays
from normzoo.errors import DataError, error_line
from normzoo.registry.datasets import at_home


def load_mnist(*, root: Path | None, download: bool, argument: str) -> RawArrays:
    """Return the handwritten digits. Source: LeCun, Bottou, Bengio & Haffner 1998.

    Raises:
        DataError: see :func:`normzoo.data.torchvision.load_torchvision`.
    """
    del argument
    return _mnist("mnist", "MNIST", root=root, download=download)


def load_fashion_mnist(*, root: Path | None, download: bool, argument: str) -> RawArrays:
    """Return the pieces of clothing. Source: Xiao, Rasul & Vollgraf 2017.

    Raises:
        DataError: see :func:`normzoo.data.torchvision.load_torchvision`.
    """
    del argument
    return _mnist("fashion-mnist", "FashionMNIST", root=root, download=download)


def _mnist(name: str, class_name: str, *, root: Path | None, download: bool) -> RawArrays:
    dataset_class = torchvision_class(name, class_name)
    archives = [Archive(f"{class_name}/raw/{file}", md5) for file, md5 in dataset_class.resources]
    return load_torchvision(name, dataset_class, archives, root=root, download=download)


def load_cifar10(*, root: Path | None, download: bool, argument: str) -> RawArrays:
    """Return the photographs in 10 classes. Source: Krizhevsky 2009.

    Raises:
        DataError: see :func:`normzoo.data.torchvision.load_torchvision`.
    """
    del argument
    return _cifar("cifar10", "CIFAR10", root=root, download=download)


def load_cifar100(*, root: Path | None, download: bool, argument: str) -> RawArrays:
    """Return the photographs in 100 classes. Source: Krizhevsky 2009.

    Raises:
        DataError: see :func:`normzoo.data.torchvision.load_torchvision`.
    """
    del argument
    return _cifar("cifar100", "CIFAR100", root=root, download=download)


def _cifar(name: str, class_name: str, *, root: Path | None, download: bool) -> RawArrays:
    dataset_class = torchvision_class(name, class_name)
    archives = [Archive(dataset_class.filename, dataset_class.tgz_md5)]
    return load_torchvision(name, dataset_class, archives, root=root, download=download)


DEFAULT_ROOT = Path("data")

_UNREADABLE = (RuntimeError, ValueError, AssertionError, TypeError, OSError, UnpicklingError)
"""What torchvision's classes raise on files that are missing, cut short or damaged, or would run code if unpickled."""

_UNFETCHED = (RuntimeError, URLError, HTTPException, ConnectionError, TimeoutError, EOFError)
"""What they raise when a download fails or arrives damaged."""


class Archive(NamedTuple):
    """A file that torchvision downloads: its path below the root, and its MD5."""

    path: str
    md5: str


def torchvision_class(name: str, class_name: str) -> Any:
    """Import ``torchvision.datasets.<class_name>``.

    Raises:
        DataError: torchvision is missing, or was built for another torch and does not import.
    """
    try:
        return getattr(importlib.import_module("torchvision.datasets"), class_name)
    except (ImportError, RuntimeError, OSError) as error:
        raise DataError(
            f"{name} needs torchvision, which does not import here ({error_line(error)}); install the torchvision that "
            "matches your torch, or use digits or npz:PATH"
        ) from error


def load_torchvision(
    name: str, dataset_class: Any, archives: Sequence[Archive], *, root: Path | None, download: bool
) -> RawArrays:
    """Read a dataset from ``root`` (``data`` by default); unpack it first, or fetch it, where need be.

    Complete archives are unpacked without a network, whether or not ``download`` is asked for. Archives are
    verified by torchvision's own checksums.

    Raises:
        DataError: the dataset is not there and ``download`` is false, or the download failed, or the folder
            cannot be written.
    """
    folder = at_home(DEFAULT_ROOT if root is None else root)
    try:
        return _read(dataset_class, folder)
    except _UNREADABLE:
        pass
    intact = [archive for archive in archives if _is_intact(folder, archive)]
    if len(intact) < len(archives) and not download:
        raise DataError(
            f"{name}: not found complete in the folder '{folder}' (looked for '{folder / archives[0].path}'); fetch it "
            "with --download, or name the folder it is in with --data-root"
        )
    try:
        return _complete(dataset_class, folder, intact)
    except _UNFETCHED as error:
        raise DataError(f"{name}: the download to '{folder}' failed ({error_line(error)}); try again later") from error
    except OSError as error:
        raise DataError(
            f"{name}: cannot write to the folder '{folder}' ({error_line(error)}), where the dataset is to be "
            "unpacked; copy it to a folder that can be written and name that one with --data-root"
        ) from error


def _is_intact(folder: Path, archive: Archive) -> bool:
    from torchvision.datasets.utils import check_integrity

    return bool(check_integrity(folder / archive.path, archive.md5))


def _complete(dataset_class: Any, folder: Path, intact: Sequence[Archive]) -> RawArrays:
    """Verify, fetch and unpack in a folder of our own, then move every file into place.

    A process that is killed or another that reads at the same time so never leaves or meets half a file.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".normzoo-", dir=folder) as staging:
        for archive in intact:
            staged = Path(staging, archive.path)
            staged.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(folder / archive.path, staged)
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            arrays = _read(dataset_class, Path(staging), download=True)
        for file in filter(Path.is_file, sorted(Path(staging).rglob("*"))):
            target = folder / file.relative_to(staging)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(file, target)
    return arrays


def _read(dataset_class: Any, folder: Path, *, download: bool = False) -> RawArrays:
    with warnings.catch_warnings():
        # CIFAR's files were pickled by Python 2; numpy 2.4 warns of how they spell False.
        warnings.simplefilter("ignore")
        train = dataset_class(folder, train=True, download=download)
        test = dataset_class(folder, train=False, download=download)
    return RawArrays(
        x_train=_numpy(train.data),
        y_train=_numpy(train.targets),
        x_test=_numpy(test.data),
        y_test=_numpy(test.targets),
    )


def _numpy(values: Any) -> Array:
    """Return torchvision's tensor, array or list as an array."""
    return np.asarray(values)
