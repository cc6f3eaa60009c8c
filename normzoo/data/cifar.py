"""CIFAR-10 and CIFAR-100: 50,000 + 10,000 colour photographs 32x32 each; through torchvision."""

from pathlib import Path

from normzoo.data._arrays import RawArrays
from normzoo.data._torchvision import Archive, load_torchvision, torchvision_class


def load_cifar10(*, root: Path | None, download: bool, argument: str) -> RawArrays:
    """Return the photographs in 10 classes. Source: Krizhevsky 2009.

    Raises:
        DataError: see :func:`normzoo.data._torchvision.load_torchvision`.
    """
    del argument
    return _load("cifar10", "CIFAR10", root=root, download=download)


def load_cifar100(*, root: Path | None, download: bool, argument: str) -> RawArrays:
    """Return the photographs in 100 classes. Source: Krizhevsky 2009.

    Raises:
        DataError: see :func:`normzoo.data._torchvision.load_torchvision`.
    """
    del argument
    return _load("cifar100", "CIFAR100", root=root, download=download)


def _load(name: str, class_name: str, *, root: Path | None, download: bool) -> RawArrays:
    dataset_class = torchvision_class(name, class_name)
    archives = [Archive(dataset_class.filename, dataset_class.tgz_md5)]
    return load_torchvision(name, dataset_class, archives, root=root, download=download)
