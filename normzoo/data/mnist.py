"""MNIST and Fashion-MNIST: 60,000 + 10,000 grey images 28x28 each, in 10 classes; through torchvision."""

from pathlib import Path

from normzoo.data._arrays import RawArrays
from normzoo.data._torchvision import Archive, load_torchvision, torchvision_class


def load_mnist(*, root: Path | None, download: bool, argument: str) -> RawArrays:
    """Return the handwritten digits. Source: LeCun, Bottou, Bengio & Haffner 1998.

    Raises:
        DataError: see :func:`normzoo.data._torchvision.load_torchvision`.
    """
    del argument
    return _load("mnist", "MNIST", root=root, download=download)


def load_fashion_mnist(*, root: Path | None, download: bool, argument: str) -> RawArrays:
    """Return the pieces of clothing. Source: Xiao, Rasul & Vollgraf 2017.

    Raises:
        DataError: see :func:`normzoo.data._torchvision.load_torchvision`.
    """
    del argument
    return _load("fashion-mnist", "FashionMNIST", root=root, download=download)


def _load(name: str, class_name: str, *, root: Path | None, download: bool) -> RawArrays:
    dataset_class = torchvision_class(name, class_name)
    archives = [Archive(f"{class_name}/raw/{file}", md5) for file, md5 in dataset_class.resources]
    return load_torchvision(name, dataset_class, archives, root=root, download=download)
