"""From a dataset's spec to its tensors: load, check, hold out, checksum, standardize."""

import hashlib
import math
from collections.abc import Iterable, Iterator
from inspect import Parameter, signature
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from normzoo.data._dataset import Array, Dataset, RawArrays, Split, channels_last
from normzoo.errors import ComponentError, DataError
from normzoo.registry import DATASETS
from normzoo.tasks import UNSCALED, Classification, Task

_BLOCK_VALUES = 1 << 22
"""Values that are looked at or widened to float64 at a time: 32 MiB."""


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


_MOST_CHANNELS = 16
_LAYOUT = "images are (N, H, W) or (N, H, W, C)"


def check_images(source: str, images: Array) -> None:
    """Refuse what cannot be images; ``source`` names the file and the array.

    Raises:
        DataError: an unsuitable type or shape, no samples, or values that float32 cannot hold as finite.
    """
    if images.dtype.kind not in "buif" or images.dtype.itemsize > 8:
        raise DataError(f"{source} has type {images.dtype}; images are integers or float16, float32 or float64")
    _check_layout(source, images)
    if images.dtype.kind == "f":
        _check_finite(source, images)


def check_same_shape(source: str, images: Array, reference: Array) -> None:
    """Refuse images of another shape than the training split's."""
    shape, expected = channels_last(images).shape[1:], channels_last(reference).shape[1:]
    if shape != expected:
        raise DataError(f"{source} has images of shape {shape} (H, W, C), but x_train's are {expected}; resize one")


def check_count(source: str, targets: Array, *, samples: int) -> None:
    """Refuse another number of targets than of images."""
    if targets.ndim == 0 or len(targets) != samples:
        held = f"{len(targets):,} targets" if targets.ndim else "a single value"
        raise DataError(f"{source} holds {held} for {samples:,} images; give every image one")


def _check_layout(source: str, images: Array) -> None:
    shape = images.shape
    if images.ndim not in (3, 4):
        raise DataError(f"{source} has shape {shape}; {_LAYOUT}, so reshape it")
    if 0 in shape:
        raise DataError(f"{source} is empty, with shape {shape}; it needs at least one sample of at least one value")
    if images.ndim == 3:
        return
    if shape[1] in (1, 3) and shape[3] > 4:
        raise DataError(
            f"{source} has shape {shape}, which looks like (N, C, H, W); {_LAYOUT}, so use numpy.moveaxis(x, 1, -1)"
        )
    if shape[3] > _MOST_CHANNELS:
        raise DataError(
            f"{source} has shape {shape}, that is {shape[3]} channels, and at most {_MOST_CHANNELS} are read; "
            f"{_LAYOUT}, so check the order of the axes"
        )


def _check_finite(source: str, images: Array) -> None:
    """Refuse NaN, infinities and values beyond float32, and say how many there are and where the first is."""
    count, first = 0, None
    step = max(1, _BLOCK_VALUES // math.prod(images.shape[1:]))
    for start in range(0, len(images), step):
        with np.errstate(over="ignore"):
            wrong = ~np.isfinite(images[start : start + step].astype(np.float32))
        count += int(wrong.sum())
        if first is None and wrong.any():
            sample, *position = (int(index) for index in np.argwhere(wrong)[0])
            first = (start + sample, *position)
    if first is not None:
        values = "1 value that is not" if count == 1 else f"{count:,} values that are not"
        raise DataError(
            f"{source} holds {values} finite in float32, the first ({images[first]}) at index {first}; "
            "remove those samples or replace the values"
        )


FRACTION = 0.1
_SEED = 0


def hold_out(strata: Array) -> tuple[Array, Array]:
    """Return the indices of the samples kept for training and of those held out, each ascending.

    A tenth of every stratum is held out, rounded, but at least one sample; a stratum of a single sample stays
    in training. Where every stratum has a single sample, one sample is held out all the same.
    The choice depends on the strata alone and is always the same.

    Args:
        strata: integers of shape (N,), with N at least 2: the classes, for instance.
    """
    # RandomState, unlike Generator, promises the same stream in every version of numpy.
    random = np.random.RandomState(_SEED)
    held = np.zeros(len(strata), dtype=bool)
    for stratum in np.unique(strata):
        members = np.flatnonzero(strata == stratum)
        count = max(1, round(FRACTION * len(members))) if len(members) > 1 else 0
        held[random.permutation(members)[:count]] = True
    if not held.any():
        held[random.randint(len(strata))] = True
    return np.flatnonzero(~held), np.flatnonzero(held)


def checksum(arrays: Iterable[Array]) -> str:
    """Return 16 hex digits of the SHA-256 over every array's type, shape and bytes, in order.

    Bytes are taken little-endian and in C order, so neither the machine nor the memory layout enters.

    >>> checksum([np.zeros(2)]) == checksum([np.zeros(4)[::2]])
    True
    >>> checksum([np.zeros(2)]) == checksum([np.zeros(1), np.zeros(1)])
    False
    """
    digest = hashlib.sha256()
    for array in arrays:
        portable = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
        digest.update(f"{portable.dtype.str}{portable.shape}".encode())
        digest.update(portable.data)
    return digest.hexdigest()[:16]


class ChannelStatistics(NamedTuple):
    """Mean and standard deviation per channel, each (C,), float64. A constant channel's deviation is 1."""

    mean: Array
    std: Array


def channel_statistics(images: Array) -> ChannelStatistics:
    """Measure images (N, H, W, C) over samples and positions, in float64 and in two passes.

    The second pass sums squared deviations from the first pass's mean; E[x^2] - E[x]^2 would cancel.
    """
    per_channel = images.size // images.shape[-1]
    total, squares = np.zeros(images.shape[-1]), np.zeros(images.shape[-1])
    low, high = np.full_like(total, np.inf), np.full_like(total, -np.inf)
    for _, block in _float64_blocks(images):
        total += block.sum(axis=(0, 2, 3))
        low, high = np.minimum(low, block.min(axis=(0, 2, 3))), np.maximum(high, block.max(axis=(0, 2, 3)))
    # A mean rounds, and would give a constant channel a tiny deviation to be divided by.
    mean = np.where(low == high, low, total / per_channel)
    for _, block in _float64_blocks(images):
        squares += np.square(block - mean[:, None, None]).sum(axis=(0, 2, 3))
    std = np.sqrt(squares / per_channel)
    return ChannelStatistics(mean, np.where(std > 0, std, 1.0))


def standardize(images: Array, statistics: ChannelStatistics) -> Tensor:
    """Return images (N, H, W, C) as float32 (N, C, H, W), less the mean and over the standard deviation."""
    samples, height, width, channels = images.shape
    standardized = np.empty((samples, channels, height, width), dtype=np.float32)
    for start, block in _float64_blocks(images):
        block -= statistics.mean[:, None, None]
        block /= statistics.std[:, None, None]
        standardized[start : start + len(block)] = block
    return torch.from_numpy(standardized)


def _float64_blocks(images: Array) -> Iterator[tuple[int, Array]]:
    """Yield images (N, H, W, C) as float64 copies (n, C, H, W) of bounded size, each with its start."""
    step = max(1, _BLOCK_VALUES // images[0].size)
    for start in range(0, len(images), step):
        yield start, np.moveaxis(images[start : start + step], -1, 1).astype(np.float64, order="C")
