"""From a dataset's spec to its tensors: load, hold out, checksum, standardize."""

from pathlib import Path
from typing import Protocol, cast

import torch

from normzoo.data._arrays import RawArrays, channels_last
from normzoo.data._checksum import checksum
from normzoo.data._dataset import Dataset, Split
from normzoo.data._holdout import hold_out
from normzoo.data._standardize import channel_statistics, standardize
from normzoo.registry import DATASETS
from normzoo.tasks import Classification, Task


class Loader(Protocol):
    """What a registry entry's ``target`` names. ``argument`` is what follows the colon in ``npz:PATH``."""

    def __call__(self, *, root: Path | None, download: bool, argument: str) -> RawArrays:
        """Return the dataset's arrays, or raise a ``DataError``."""
        ...


def load_dataset(spec: str, *, task: Task | None = None, root: Path | None = None, download: bool = False) -> Dataset:
    """Load a dataset by name, or the user's own arrays with ``npz:PATH``, onto the CPU.

    A dataset without a validation split of its own has a tenth of its training samples held out, stratum by
    stratum of the task and always the same ones. Every split is then standardized per channel by the statistics of the
    remaining training samples.

    Args:
        spec: a name in ``normzoo.registry.DATASETS``, or ``npz:PATH``.
        task: what is to be learned, which checks the targets; classification by default.
        root: the folder torchvision's datasets are in, ``data`` by default; digits and npz do not read it.
        download: fetch a torchvision dataset that is not there yet.

    >>> digits = load_dataset("digits")
    >>> digits.shape, digits.outputs, len(digits.train), len(digits.validation), len(digits.test)
    ((1, 8, 8), 10, 1078, 359, 360)

    Raises:
        UnknownNameError: no dataset of that name.
        DataError: the dataset is missing or invalid.
    """
    target, options = DATASETS.load(DATASETS.canonical(spec))
    argument = DATASETS.parse(spec).argument
    loader = cast("Loader", target)
    raw = loader(root=root, download=download, argument=argument, **options)
    return _build(spec, raw, Classification() if task is None else task)


def _build(name: str, raw: RawArrays, task: Task) -> Dataset:
    """Hold out, checksum and standardize what a loader returned."""
    images = {"train": channels_last(raw.x_train), "test": channels_last(raw.x_test)}
    given = {"train": raw.y_train, "test": raw.y_test}
    if raw.x_val is not None and raw.y_val is not None:
        images["val"], given["val"] = channels_last(raw.x_val), raw.y_val
    else:
        kept, held = hold_out(task.strata(raw.y_train))
        x, y = images["train"], raw.y_train
        images |= {"train": x[kept], "val": x[held]}
        given |= {"train": y[kept], "val": y[held]}
    targets = task.prepare(name, given)
    order = ("train", "val", "test")
    statistics = channel_statistics(images["train"])
    train, validation, test = (
        Split(standardize(images[split], statistics), torch.from_numpy(targets.by_split[split])) for split in order
    )
    digest = checksum(array for split in order for array in (images[split], targets.by_split[split]))
    return Dataset(name, train, validation, test, targets.outputs, digest, targets.scale)
