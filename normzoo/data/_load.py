"""From a dataset's spec to its tensors: load, hold out, checksum, standardize."""

from pathlib import Path
from typing import Protocol, cast

import torch

from normzoo.data._arrays import Array, RawArrays, channels_last, flat_labels
from normzoo.data._checksum import checksum
from normzoo.data._dataset import Dataset, Split
from normzoo.data._holdout import hold_out
from normzoo.data._standardize import channel_statistics, standardize
from normzoo.errors import DataError
from normzoo.registry import DATASETS, find, load

ArraySplit = tuple[Array, Array]


class Loader(Protocol):
    """What a registry entry's ``target`` names. ``argument`` is what follows the colon in ``npz:PATH``."""

    def __call__(self, *, root: Path | None, download: bool, argument: str) -> RawArrays:
        """Return the dataset's arrays, or raise a ``DataError``."""
        ...


def load_dataset(spec: str, *, root: Path | None = None, download: bool = False) -> Dataset:
    """Load a dataset by name, or the user's own arrays with ``npz:PATH``, onto the CPU.

    A dataset without a validation split of its own has a tenth of its training samples held out, class by
    class and always the same ones. Every split is then standardized per channel by the statistics of the
    remaining training samples.

    Args:
        spec: a name in ``normzoo.registry.DATASETS``, or ``npz:PATH``.
        root: the folder torchvision's datasets are in, ``data`` by default; digits and npz do not read it.
        download: fetch a torchvision dataset that is not there yet.

    >>> digits = load_dataset("digits")
    >>> digits.shape, digits.classes, len(digits.train), len(digits.validation), len(digits.test)
    ((1, 8, 8), 10, 1078, 359, 360)

    Raises:
        UnknownNameError: no dataset of that name.
        DataError: the dataset is missing or invalid.
    """
    name, _, argument = spec.partition(":")
    entry = find("dataset", DATASETS, name)
    if (name == "npz") != bool(argument):
        rule = "expected npz:PATH, such as npz:my_arrays.npz" if name == "npz" else f"{name} takes no argument"
        raise DataError(f"dataset '{spec}': {rule}")
    loader = cast("Loader", load(entry.target))
    return _build(spec, loader(root=root, download=download, argument=argument))


def _build(name: str, raw: RawArrays) -> Dataset:
    """Hold out, checksum and standardize what a loader returned."""
    splits = _three_splits(raw)
    statistics = channel_statistics(splits[0][0])
    train, validation, test = (
        Split(standardize(images, statistics), torch.from_numpy(labels)) for images, labels in splits
    )
    classes = int(raw.y_train.max()) + 1
    return Dataset(name, train, validation, test, classes, checksum(array for split in splits for array in split))


def _three_splits(raw: RawArrays) -> tuple[ArraySplit, ArraySplit, ArraySplit]:
    """Return train, validation and test, each as images (N, H, W, C) and int64 labels (N,)."""
    train = channels_last(raw.x_train), flat_labels(raw.y_train)
    test = channels_last(raw.x_test), flat_labels(raw.y_test)
    if raw.x_val is not None and raw.y_val is not None:
        return train, (channels_last(raw.x_val), flat_labels(raw.y_val)), test
    images, labels = train
    kept, held = hold_out(labels)
    return (images[kept], labels[kept]), (images[held], labels[held]), test
