"""A pool: which blocks of the samples-by-channels grid share one mean and one variance.

A block is the values of one sample and channel; where each position has statistics of its own, one of these values. It
is all in which the classic norms differ; which of them pools what, the registry says in words, and a test holds the
layers to it.
"""

from dataclasses import dataclass, field
from typing import ClassVar, Protocol


class Pool(Protocol):
    """Which blocks of a grid ``(N, C)``, or ``(N, groups, C / groups)``, are pooled: those along some of its axes."""

    @property
    def axes(self) -> tuple[int, ...]:
        """The axes of the grid over which is pooled."""

    @property
    def groups(self) -> int | None:
        """Into how many groups the channels are split; None where they are one axis."""

    @property
    def at_each_position(self) -> bool:
        """Whether positions, too, are axes of the grid, which follow its channels, rather than pooled."""


@dataclass(frozen=True)
class OverNothing:
    """Every sample and channel for itself."""

    axes: ClassVar[tuple[int, ...]] = ()
    groups: ClassVar[int | None] = None
    at_each_position: ClassVar[bool] = False


@dataclass(frozen=True)
class OverSamples:
    """All samples, for each channel."""

    axes: ClassVar[tuple[int, ...]] = (0,)
    groups: ClassVar[int | None] = None
    at_each_position: ClassVar[bool] = False


@dataclass(frozen=True)
class OverChannels:
    """All channels, for each sample, or for each of its positions."""

    at_each_position: bool = False
    axes: ClassVar[tuple[int, ...]] = (1,)
    groups: ClassVar[int | None] = None


@dataclass(frozen=True)
class WithinGroups:
    """The channels of a group of neighbours, for each sample. ``groups`` must divide C."""

    groups: int
    axes: ClassVar[tuple[int, ...]] = (2,)
    at_each_position: ClassVar[bool] = False


@dataclass(frozen=True)
class OfEachMember:
    """The same pool for each of several networks side by side: none of its pools holds blocks of two of them.

    The grid is ``(N, members, C)``, or ``(N, members, groups, C / groups)``.
    """

    pool: Pool
    members: int
    axes: tuple[int, ...] = field(init=False)
    groups: int | None = field(init=False)
    at_each_position: bool = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "axes", tuple(axis + 1 if axis > 0 else axis for axis in self.pool.axes))
        object.__setattr__(self, "groups", self.pool.groups)
        object.__setattr__(self, "at_each_position", self.pool.at_each_position)
