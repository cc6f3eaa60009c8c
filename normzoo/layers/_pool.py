"""A pool: which cells of the samples-by-channels grid share one mean and one variance.

A pool is an averaging operator on grids. It is all in which the classic norms differ.
"""

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor


class Pool(Protocol):
    """An averaging operator on the grid of samples and channels; hashable, and equal to its like.

    Within a grid the C channels are laid out as ``split(C)``, so that what is averaged is a dimension of its own.
    """

    def split(self, channels: int) -> tuple[int, ...]:
        """Return the dimensions in which the channels are laid out; their product is ``channels``."""
        ...

    def average(self, t: Tensor) -> Tensor:
        """Average a grid ``(N, *split, ...)`` over each pool; the result broadcasts to the grid."""
        ...

    def cells(self, samples: int, channels: int) -> int:
        """Return how many cells one pool holds in a grid of that size."""
        ...


@dataclass(frozen=True)
class OverNothing:
    """Every sample and channel for itself: instance norm."""

    def split(self, channels: int) -> tuple[int, ...]:
        """Return ``(C,)``."""
        return (channels,)

    def average(self, t: Tensor) -> Tensor:
        """Return ``(N, C, ...)`` as it is."""
        return t

    def cells(self, samples: int, channels: int) -> int:  # noqa: ARG002
        """Return 1."""
        return 1


@dataclass(frozen=True)
class OverSamples:
    """All samples, for each channel: batch norm."""

    def split(self, channels: int) -> tuple[int, ...]:
        """Return ``(C,)``."""
        return (channels,)

    def average(self, t: Tensor) -> Tensor:
        """Return ``(1, C, ...)``."""
        return t.mean(0, keepdim=True)

    def cells(self, samples: int, channels: int) -> int:  # noqa: ARG002
        """Return N."""
        return samples


@dataclass(frozen=True)
class OverChannels:
    """All channels, for each sample: layer norm."""

    def split(self, channels: int) -> tuple[int, ...]:
        """Return ``(C,)``."""
        return (channels,)

    def average(self, t: Tensor) -> Tensor:
        """Return ``(N, 1, ...)``."""
        return t.mean(1, keepdim=True)

    def cells(self, samples: int, channels: int) -> int:  # noqa: ARG002
        """Return C."""
        return channels


@dataclass(frozen=True)
class WithinGroups:
    """The channels of a group of neighbours, for each sample: group norm. ``groups`` must divide C."""

    groups: int

    def split(self, channels: int) -> tuple[int, ...]:
        """Return ``(groups, C / groups)``."""
        return (self.groups, channels // self.groups)

    def average(self, t: Tensor) -> Tensor:
        """Return ``(N, groups, 1, ...)``."""
        return t.mean(2, keepdim=True)

    def cells(self, samples: int, channels: int) -> int:  # noqa: ARG002
        """Return C / groups."""
        return channels // self.groups
