"""From a dataset's spec to its tensors: load, hold out, checksum, standardize."""

from inspect import Parameter, signature
from pathlib import Path
from typing import Any

import numpy as np
import torch

from normzoo.data._arrays import Array, RawArrays, channels_last
from normzoo.data._checksum import checksum
from normzoo.data._dataset import Dataset, Split
from normzoo.data._holdout import hold_out
from normzoo.data._images import check_count, check_images, check_same_shape
from normzoo.data._standardize import channel_statistics, standardize
from normzoo.errors import ComponentError, DataError
from normzoo.registry import DATASETS
from normzoo.tasks import UNSCALED, Classification, Task


def load_dataset(spec: str, *, task: Task | None = None, root: Path | None = None, download: bool = False) -> Dataset:
    """Load a dataset by name, or the user's own arrays with ``npz:PATH``, onto the CPU.

    A dataset without a validation split of its own has a tenth of its training samples held out, stratum by
    stratum of the task and always the same ones. Every split is then standardized per channel by the statistics of the
    remaining training samples.

    Args:
        spec: a name in ``normzoo.registry.DATASETS``, ``npz:PATH``, or a function of your own that returns
            ``RawArrays``, ``my_package.my_module:load``.
        task: what is to be learned, which checks the targets; classification by default.
        root: the folder torchvision's datasets are in, ``data`` by default; digits and npz do not read it.
        download: fetch a torchvision dataset that is not there yet.

    >>> digits = load_dataset("digits")
    >>> digits.shape, digits.outputs, len(digits.train), len(digits.validation), len(digits.test)
    ((1, 8, 8), 10, 1078, 359, 360)

    Raises:
        UnknownNameError: no dataset of that name.
        ComponentError: the spec does not read, or your own function fails.
        DataError: the dataset is missing or invalid.
    """
    canonical = DATASETS.canonical(spec)
    source = f"npz '{DATASETS.parse(spec).argument}'" if canonical.startswith("npz:") else spec
    raw = _read(canonical, root=root, download=download)
    _check(source, raw)
    return _build(spec, source, raw, Classification() if task is None else task)


def _read(spec: str, *, root: Path | None, download: bool) -> RawArrays:
    """Call what loads a dataset, with what it takes of what a loader may want to know."""
    target, options = DATASETS.load(spec)
    parsed = DATASETS.parse(spec)
    offered = {"root": root, "download": download, "argument": parsed.argument}
    try:
        parameters = signature(target).parameters
        takes_any = any(parameter.kind is Parameter.VAR_KEYWORD for parameter in parameters.values())
        given = {name: value for name, value in offered.items() if takes_any or name in parameters}
        raw = target(**given, **options)
    except DataError:
        raise
    except Exception as error:
        if not parsed.is_own:
            raise
        raise ComponentError(f"dataset '{spec}' cannot be loaded: {type(error).__name__}: {error}") from error
    if not isinstance(raw, RawArrays):
        made = type(raw).__name__
        raise ComponentError(f"dataset '{spec}': it must return normzoo.data.RawArrays, it returned a {made}")
    as_arrays: dict[str, Any] = {name: None if each is None else np.asarray(each) for name, each in vars(raw).items()}
    return RawArrays(**as_arrays)


def _check(source: str, raw: RawArrays) -> None:
    """Refuse what cannot be images, or not as many targets; what targets may be is the task's to say."""
    for split in ("train", "test", "val"):
        images, targets = getattr(raw, f"x_{split}"), getattr(raw, f"y_{split}")
        if images is not None and targets is not None:
            check_images(f"{source}: x_{split}", images)
            check_count(f"{source}: y_{split}", targets, samples=len(images))
            check_same_shape(f"{source}: x_{split}", images, raw.x_train)


def _build(name: str, source: str, raw: RawArrays, task: Task) -> Dataset:
    """Hold out, checksum and standardize what a loader returned; ``source`` is what messages call it."""
    images = {"train": channels_last(raw.x_train), "test": channels_last(raw.x_test)}
    given = {"train": raw.y_train, "test": raw.y_test}
    if raw.x_val is not None and raw.y_val is not None:
        images["val"], given["val"] = channels_last(raw.x_val), raw.y_val
    else:
        if len(raw.x_train) < 2:
            raise DataError(f"{source}: x_train holds one sample; at least 2 are needed, as a part is held out")
        task.prepare(source, given)  # what is wrong is said of the arrays as they were given
        kept, held = hold_out(task.strata(raw.y_train))
        x, y = images["train"], raw.y_train
        images |= {"train": x[kept], "val": x[held]}
        given |= {"train": y[kept], "val": y[held]}
    targets = task.prepare(source, given)
    order = ("train", "val", "test")
    statistics = channel_statistics(images["train"])
    train, validation, test = (
        Split(standardize(images[split], statistics), torch.from_numpy(targets.by_split[split])) for split in order
    )
    learned = targets.by_split if targets.scale == UNSCALED else {split: _numbers(given[split]) for split in order}
    digest = checksum(array for split in order for array in (images[split], learned[split]))
    return Dataset(name, train, validation, test, targets.outputs, digest, targets.scale)


def _numbers(targets: Array) -> Array:
    """Return targets as they were before they were standardized, whose last digits depend on the machine."""
    return targets.reshape(len(targets), -1).astype(np.float64)
