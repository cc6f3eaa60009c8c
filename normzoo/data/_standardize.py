"""Mean 0 and variance 1 per channel, by the training split's statistics."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from normzoo.data._arrays import Array

_BLOCK_VALUES = 1 << 22
"""Values that are widened to float64 at a time: 32 MiB."""


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
