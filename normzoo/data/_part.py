"""A part of a dataset before it is standardized: samples as they were read, block by block as float64."""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import numpy as np

from normzoo.data._mapped import MappedFile
from normzoo.tasks import Array

BLOCK_VALUES = 1 << 18
"""Values that are looked at or widened to float64 at a time: 2 MiB, so that loading takes little beside its result."""


class Part(NamedTuple):
    """Samples as they were read.

    Attributes:
        values: ``(N, *, C)``, channels last.
        lengths: of sequences, how many steps of each count, ``(N,)``; None where all do.
        indices: which samples of ``values`` are meant, in this order; None for all.
        files: that values are mapped from, which are looked at before each block, and at the end.
    """

    values: Array
    lengths: Array | None = None
    indices: Array | None = None
    files: tuple[MappedFile, ...] = ()

    def __len__(self) -> int:
        return len(self.values) if self.indices is None else len(self.indices)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the samples, ``(N, *, C)``."""
        return (len(self), *self.values.shape[1:])

    def take(self, indices: Array) -> "Part":
        """Return some of the samples, by their indices among those that are meant; each may come several times."""
        chosen = indices if self.indices is None else self.indices[indices]
        return Part(self.values, self.lengths, chosen, self.files)

    def raw_blocks(self) -> Iterator[tuple[int, Array]]:
        """Yield the samples as they are in blocks of bounded size, each with its start; padding is zero."""
        step = max(1, BLOCK_VALUES // max(1, self.values[0].size))
        for start in range(0, len(self), step):
            self._check_files()  # what is mapped from a file that was cut short cannot be read, nor can that be caught
            chosen = slice(start, start + step) if self.indices is None else self.indices[start : start + step]
            block = self.values[chosen]
            if self.lengths is not None:
                block = np.where(_counts(block, self.lengths[chosen]), block, np.zeros((), block.dtype))
            yield start, block
        self._check_files()

    def _check_files(self) -> None:
        for file in self.files:
            file.check()

    def blocks(self) -> Iterator[tuple[int, Array]]:
        """Yield float64 copies ``(n, C, *)`` of bounded size, each with its start; padding is NaN."""
        for start, block in self.raw_blocks():
            wide = np.moveaxis(block, -1, 1).astype(np.float64, order="C")
            lengths = self._lengths_from(start, len(block))
            if lengths is not None:
                wide[~np.moveaxis(_counts(block, lengths), -1, 1).repeat(block.shape[-1], 1)] = np.nan
            yield start, wide

    def _lengths_from(self, start: int, count: int) -> Array | None:
        if self.lengths is None:
            return None
        chosen = slice(start, start + count) if self.indices is None else self.indices[start : start + count]
        return self.lengths[chosen]

    def all_lengths(self) -> Array | None:
        """Return the lengths of the samples that are meant, ``(N,)``."""
        return self._lengths_from(0, len(self))


def _counts(block: Array, lengths: Array) -> Array:
    """Return whether a step of sequences ``(n, T, C)`` counts, ``(n, T, 1)``."""
    counted: Array = (np.arange(block.shape[1]) < lengths[:, np.newaxis])[..., np.newaxis]
    return counted


def ignore(number: int, start: int, block: Array) -> None:
    """See a block, and do nothing."""


def checksum(arrays: Iterable[Array | Part], see: Callable[[int, int, Array], None] = ignore) -> str:
    """Return 16 hex digits of the SHA-256 over every array's type, shape and bytes, in order.

    Bytes are taken little-endian and in C order, so neither the machine nor the memory layout enters; nor does what is
    beyond the ends of sequences.

    Args:
        arrays: what it is of.
        see: is shown every block as it is read: the number of its array, its start, and itself.

    >>> checksum([np.zeros(2)]) == checksum([np.zeros(4)[::2]])
    True
    >>> checksum([np.zeros(2)]) == checksum([np.zeros(1), np.zeros(1)])
    False
    """
    digest = hashlib.sha256()
    for number, array in enumerate(arrays):
        part = array if isinstance(array, Part) else Part(array)
        portable = part.values.dtype.newbyteorder("<")
        digest.update(f"{portable.str}{part.shape}".encode())
        for start, block in part.raw_blocks() if len(part) else ():
            digest.update(np.ascontiguousarray(block, dtype=portable).data)
            see(number, start, block)
    return digest.hexdigest()[:16]


class ChannelStatistics(NamedTuple):
    """Mean and standard deviation per channel, each (C,), float64. A constant channel's deviation is 1.

    Attributes:
        mean: of each channel.
        std: of each channel.
        is_constant: which have the same value everywhere.
    """

    mean: Array
    std: Array
    is_constant: Array


def channel_statistics(part: Part) -> ChannelStatistics:
    """Measure samples over samples and positions, in float64 and in two passes; padding does not count.

    The second pass sums squared deviations from the first pass's mean; E[x^2] - E[x]^2 would cancel.
    """
    channels = part.values.shape[-1]
    axes = (0, *range(2, part.values.ndim))
    shape = (-1, *(1 for _ in axes[1:]))
    lengths = part.all_lengths()
    per_channel = part.values[0].size // channels * len(part) if lengths is None else int(lengths.sum())
    total, squares = np.zeros(channels), np.zeros(channels)
    low, high = np.full_like(total, np.inf), np.full_like(total, -np.inf)
    sum_, min_, max_ = (np.sum, np.min, np.max) if lengths is None else (np.nansum, np.nanmin, np.nanmax)
    for _, block in part.blocks():
        total += sum_(block, axis=axes)
        low, high = np.minimum(low, min_(block, axis=axes)), np.maximum(high, max_(block, axis=axes))
    # A mean rounds, and would give a constant channel a tiny deviation to be divided by.
    mean = np.where(low == high, low, total / per_channel)
    for _, block in part.blocks():
        squares += sum_(np.square(block - mean.reshape(shape)), axis=axes)
    std = np.sqrt(squares / per_channel)
    is_constant = (low == high) | (std == 0)  # also where float64 has no square of the deviations
    return ChannelStatistics(mean, np.where(std > 0, std, 1.0), is_constant)


def fill(out: Array, part: Part, statistics: ChannelStatistics | None) -> None:
    """Write samples as a network takes them: ``(N, C, *)``, less the mean and over the standard deviation.

    That is computed in float64, block by block, and does not depend on how samples are cut into parts. Padding is NaN.
    Without statistics, samples are tokens ``(N, T)`` and stay what they are.
    """
    if statistics is None:
        for start, block in part.raw_blocks():
            out[start : start + len(block)] = block
        return
    mean, std = (each.reshape(-1, *(1 for _ in part.shape[2:])) for each in (statistics.mean, statistics.std))
    for start, block in part.blocks():
        block -= mean
        block /= std
        out[start : start + len(block)] = block
