"""The rules for images, and for how many targets there are of them."""

import math

import numpy as np

from normzoo.data._arrays import Array, channels_last
from normzoo.errors import DataError

_MOST_CHANNELS = 16
_BLOCK_VALUES = 1 << 22
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
