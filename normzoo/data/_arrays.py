"""What a loader hands over: a dataset as numpy arrays, before it is split and standardized."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False, kw_only=True)
class RawArrays:
    """A dataset as its loader found it.

    Images are numbers of any integer or float type, of shape (N, H, W) or (N, H, W, C); targets are of
    shape (N,) or (N, K), and it is the task's to check them. A dataset without a validation split of its own leaves
    ``x_val`` and ``y_val`` at None, and a part of its training samples is held out.
    """

    x_train: Array
    y_train: Array
    x_test: Array
    y_test: Array
    x_val: Array | None = None
    y_val: Array | None = None


def channels_last(images: Array) -> Array:
    """View images of shape (N, H, W) or (N, H, W, C) as (N, H, W, C)."""
    return images[..., np.newaxis] if images.ndim == 3 else images
