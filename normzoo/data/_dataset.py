"""What a dataset is: the arrays that a loader hands over, and three splits of tensors, all on one device."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from normzoo.tasks import UNSCALED, Scale

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


@dataclass(frozen=True, eq=False)
class Split:
    """Inputs ``(N, C, H, W)``, float32, and their targets as the task has them: for classes ``(N,)``, int64."""

    inputs: Tensor
    targets: Tensor

    def __len__(self) -> int:
        return len(self.targets)

    def to(self, device: torch.device | str) -> "Split":
        """Return the split on ``device``."""
        return Split(self.inputs.to(device), self.targets.to(device))


@dataclass(frozen=True, eq=False)
class Dataset:
    """Three splits, standardized by the training split's mean and standard deviation per channel.

    Attributes:
        name: the spec it was asked for by, such as ``digits`` or ``npz:my.npz``.
        train: what a network is trained on.
        validation: held out from training, to choose by.
        test: the test set.
        outputs: how many numbers a network is to put out for a sample: the classes, for instance.
        scale: how the targets were standardized.
        checksum: of the arrays before standardization and of their split; 16 hex digits, the same on every device.
    """

    name: str
    train: Split
    validation: Split
    test: Split
    outputs: int
    checksum: str
    scale: Scale = UNSCALED

    @property
    def shape(self) -> tuple[int, int, int]:
        """One input's shape, (C, H, W)."""
        channels, height, width = self.train.inputs.shape[1:]
        return channels, height, width

    def to(self, device: torch.device | str) -> "Dataset":
        """Return the dataset with all its splits on ``device``."""
        return replace(
            self, train=self.train.to(device), validation=self.validation.to(device), test=self.test.to(device)
        )
