"""The pools of an input: which of its values share a statistic, and by which letters they are shown."""

import string
from dataclasses import dataclass
from math import prod
from typing import Final

DIMENSIONS: Final = ("samples", "channels", "positions")
ALPHABET: Final = string.ascii_uppercase + string.ascii_lowercase
NO_POOL: Final = "."
"""Stands for a value that shares nothing, since nothing is normalized."""

_STEPS: Final = (3, 1, 5)
"""By how much the colour changes from a pool to the next along each dimension: prime to the number of colours."""

Sizes = tuple[int, int, int]
"""Of samples, channels and positions."""


@dataclass(frozen=True)
class Pools:
    """The pools of an input: it is cut into blocks along every dimension, and each block is one.

    Where blocks cannot be equal, the first ones hold one index more than the others.

    Attributes:
        sizes: how many samples, channels and positions the input has.
        blocks: into how many blocks each of these is cut; None: there are no pools, or no such ones.
        numbers: of pools that are no equal blocks, the number of that of each value, in the order of the input; None
            for a value that is in none.
    """

    sizes: Sizes
    blocks: Sizes | None
    numbers: tuple[int | None, ...] = ()

    @property
    def count(self) -> int:
        """How many pools there are."""
        return prod(self.blocks) if self.blocks else len({*self.numbers} - {None})

    @property
    def extent(self) -> Sizes:
        """How many samples, channels and positions one pool holds; where they differ, the smallest."""
        samples, channels, positions = (
            size // blocks for size, blocks in zip(self.sizes, self.blocks or self.sizes, strict=True)
        )
        return samples, channels, positions

    def number(self, sample: int, channel: int, position: int) -> int | None:
        """Return the number of the pool that holds a value; None: there is none."""
        if self.blocks is None:
            _, channels, positions = self.sizes
            return self.numbers[(sample * channels + channel) * positions + position] if self.numbers else None
        number = 0
        for block, blocks in zip(self._block(sample, channel, position), self.blocks, strict=True):
            number = number * blocks + block
        return number

    @property
    def longest_label(self) -> int:
        """How many letters the label of a pool has at most."""
        return len(letters(max(self.count - 1, 0)))

    def label(self, sample: int, channel: int, position: int) -> str:
        """Return the letters of the pool that holds a value."""
        number = self.number(sample, channel, position)
        return NO_POOL if number is None else letters(number)

    def color(self, sample: int, channel: int, position: int, *, colors: int) -> int | None:
        """Return which of some colours a pool has: one for all its values, and of blocks another than a neighbour's."""
        if self.blocks is None:
            number = self.number(sample, channel, position)
            return None if number is None else number % colors
        block = self._block(sample, channel, position)
        return sum(index * step for index, step in zip(block, _STEPS, strict=True)) % colors

    def _block(self, *indices: int) -> tuple[int, ...]:
        return tuple(map(_block_of, indices, self.sizes, self.blocks or self.sizes))


def _block_of(index: int, size: int, blocks: int) -> int:
    """Return the block of an index, where the first ``size % blocks`` blocks hold one more than the others.

    >>> [_block_of(index, 5, 2) for index in range(5)]
    [0, 0, 0, 1, 1]
    """
    least, larger = divmod(size, blocks)
    in_larger = larger * (least + 1)
    return index // (least + 1) if index < in_larger else larger + (index - in_larger) // least


def letters(number: int) -> str:
    """Return the letters of a pool: A to Z, a to z, then two of them, three, and so on.

    >>> [letters(number) for number in (0, 25, 26, 51, 52, 53, 52 + 52 * 52)]
    ['A', 'Z', 'a', 'z', 'AA', 'AB', 'AAA']
    """
    written = ""
    number += 1
    while number:
        number, letter = divmod(number - 1, len(ALPHABET))
        written = ALPHABET[letter] + written
    return written
