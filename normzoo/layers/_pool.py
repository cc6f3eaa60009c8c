"""A pool: which cells of the samples-by-channels grid share one mean and one variance.

It is all in which the classic norms differ.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Protocol

from torch import Tensor


class Pool(Protocol):
    """Which cells of a grid ``(N, *split(C))`` are put together: those along some of its dimensions.

    Attributes:
        axes: the dimensions of the grid over which is pooled.
    """

    @property
    def axes(self) -> tuple[int, ...]:
        """The dimensions of the grid over which is pooled."""

    def split(self, channels: int) -> tuple[int, ...]:
        """Return the dimensions in which the channels are laid out; their product is ``channels``."""


def average(t: Tensor, axes: tuple[int, ...]) -> Tensor:
    """Average a grid ``(N, *split, ...)`` over each pool; the result broadcasts to the grid."""
    return t.mean(axes, keepdim=True) if axes else t


def cells_per_pool(grid: Sequence[int], axes: Sequence[int]) -> int:
    """Return how many cells of a grid of that shape one pool holds."""
    cells = 1
    for axis in axes:
        cells *= grid[axis]
    return cells


def product(sizes: Sequence[int]) -> int:
    """Return the product of some sizes, which may be symbols; ``Size.numel`` and ``math.prod`` do not take those."""
    total = 1
    for size in sizes:
        total *= size
    return total


@dataclass(frozen=True)
class OverNothing:
    """Every sample and channel for itself: instance norm."""

    axes: ClassVar[tuple[int, ...]] = ()

    def split(self, channels: int) -> tuple[int, ...]:
        """Return ``(C,)``."""
        return (channels,)


@dataclass(frozen=True)
class OverSamples:
    """All samples, for each channel: batch norm."""

    axes: ClassVar[tuple[int, ...]] = (0,)

    def split(self, channels: int) -> tuple[int, ...]:
        """Return ``(C,)``."""
        return (channels,)


@dataclass(frozen=True)
class OverChannels:
    """All channels, for each sample: layer norm."""

    axes: ClassVar[tuple[int, ...]] = (1,)

    def split(self, channels: int) -> tuple[int, ...]:
        """Return ``(C,)``."""
        return (channels,)


@dataclass(frozen=True)
class WithinGroups:
    """The channels of a group of neighbours, for each sample: group norm. ``groups`` must divide C."""

    groups: int
    axes: ClassVar[tuple[int, ...]] = (2,)

    def split(self, channels: int) -> tuple[int, ...]:
        """Return ``(groups, C / groups)``."""
        return (self.groups, channels // self.groups)


@dataclass(frozen=True)
class OfEachMember:
    """The same pool for each of several networks side by side: none of its pools holds cells of two of them."""

    pool: Pool
    members: int
    axes: tuple[int, ...] = field(init=False)

    def __post_init__(self) -> None:
        # Those of the pool; the channels' dimensions come after that of the members.
        object.__setattr__(self, "axes", tuple(axis + 1 if axis > 0 else axis for axis in self.pool.axes))

    def split(self, channels: int) -> tuple[int, ...]:
        """Return ``(members, *pool.split(C))``, of the C channels that one member has."""
        return (self.members, *self.pool.split(channels))
