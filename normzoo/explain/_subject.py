"""What is to be explained: a norm with its options, on an input of some shape; which values of it share a statistic."""

import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Final, cast

from normzoo.errors import ComponentError
from normzoo.registry import NORMS, Explanation, NormEntry, Option

ALPHABET: Final = string.ascii_uppercase + string.ascii_lowercase
NO_POOL: Final = "."
"""Stands for a value that shares nothing, since nothing is normalized."""

_STEPS: Final = (3, 1, 5)
"""By how much the colour changes from a pool to the next along each dimension: prime to the number of colours."""

Sizes = tuple[int, int, int]
"""Of samples, channels and positions."""


@dataclass(frozen=True)
class Pools:
    """The pools of an input: it is cut into equal blocks along every dimension, and each block is one.

    Attributes:
        sizes: how many samples, channels and positions the input has.
        blocks: into how many blocks each of these is cut; None: there are no pools.
    """

    sizes: Sizes
    blocks: Sizes | None

    @property
    def count(self) -> int:
        """How many pools there are."""
        return prod(self.blocks) if self.blocks else 0

    @property
    def extent(self) -> Sizes:
        """How many samples, channels and positions one pool holds."""
        samples, channels, positions = (
            size // blocks for size, blocks in zip(self.sizes, self.blocks or self.sizes, strict=True)
        )
        return samples, channels, positions

    def number(self, sample: int, channel: int, position: int) -> int | None:
        """Return the number of the pool that holds a value; None: there are no pools."""
        if self.blocks is None:
            return None
        number = 0
        for block, blocks in zip(self._block(sample, channel, position), self.blocks, strict=True):
            number = number * blocks + block
        return number

    def label(self, sample: int, channel: int, position: int) -> str:
        """Return the letters of the pool that holds a value."""
        number = self.number(sample, channel, position)
        return NO_POOL if number is None else letters(number)

    def color(self, sample: int, channel: int, position: int, *, colors: int) -> int | None:
        """Return which of some colours a pool has: one for all its values, and another than any neighbour's."""
        if self.blocks is None:
            return None
        block = self._block(sample, channel, position)
        return sum(index * step for index, step in zip(block, _STEPS, strict=True)) % colors

    def _block(self, *indices: int) -> tuple[int, ...]:
        return tuple(index // extent for index, extent in zip(indices, self.extent, strict=True))


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


@dataclass(frozen=True)
class Subject:
    """A norm on an input.

    Attributes:
        spec: the norm, written as briefly as possible.
        entry: what the registry says of it.
        options: all options of the layer.
        shape: of the input, ``(N, C, *)``.
        pools: which values of it share a statistic.
    """

    spec: str
    entry: NormEntry
    options: Mapping[str, Option]
    shape: tuple[int, ...]
    pools: Pools

    @property
    def about(self) -> Explanation:
        """What there is to say of the norm."""
        return self.entry.explanation

    @property
    def title(self) -> str:
        """The norm and the shape, in a few words."""
        return f"{self.spec} on shape ({', '.join(map(str, self.shape))})"


def subject(text: str, shape: Sequence[int]) -> Subject:
    """Read what is to be explained.

    Args:
        text: a registered norm with options, ``group:groups=4``.
        shape: of the input: samples, channels, and sizes of the positions, if it has any.

    Raises:
        UnknownNameError: no norm of that name.
        ComponentError: the norm is not in the registry, does not take these options, or does not go with the shape.

    >>> subject("group:groups=4", (4, 8, 2, 2)).pools.count
    16
    """
    spec = NORMS.parse(text)
    if spec.is_own:
        raise ComponentError(
            f"norm '{text}': only norms of the registry can be explained ({', '.join(NORMS)}), since what there is to "
            f"say stands there; `normzoo compare --norms batch,{text}` compares your own"
        )
    entry = NORMS.entry(spec)
    options = {**entry.explanation.options, **entry.options}
    for name, value in spec.options.items():
        _check_option(text, name, value, options)
    options |= spec.options
    sizes = (shape[0], shape[1], prod(shape[2:]))
    pools = Pools(sizes, _blocks(text, entry.explanation, options, sizes))
    if entry.explanation.centered and prod(pools.extent) == 1:
        raise ComponentError(
            f"norm '{text}': a mean and variance need more than one value, got one value for each from shape "
            f"({', '.join(map(str, shape))}); use more samples, more positions (4,8,2,2) or fewer groups"
        )
    return Subject(NORMS.canonical(text), entry, options, tuple(shape), pools)


def same_pools(subject: Subject) -> list[str]:
    """Return the other norms that, as the registry has them, pool the same values in the same way."""
    if subject.pools.blocks is None:
        return []
    same = []
    for name, entry in NORMS.items():
        about = entry.explanation
        if entry is subject.entry or about.pooling is None or about.centered != subject.about.centered:
            continue
        try:
            blocks = _blocks(name, about, {**about.options, **entry.options}, subject.pools.sizes)
        except ComponentError:  # its groups do not divide these channels
            continue
        if blocks == subject.pools.blocks:
            same.append(name)
    return same


def _check_option(text: str, name: str, value: Option, known: Mapping[str, Option]) -> None:
    """Refuse an option that the layer does not take, or a value of the wrong kind."""
    if name not in known:
        takes = f"it takes: {', '.join(known)}" if known else "it takes no options"
        raise ComponentError(f"norm '{text}': it has no option '{name}' ({takes})")
    default = known[name]
    if isinstance(default, bool):
        kind, fits = "true or false", value in (True, False)
    elif isinstance(default, int):
        kind, fits = "a whole number of at least 1", isinstance(value, int) and value >= 1
    else:
        is_number = isinstance(value, int | float) or (value is None and name == "momentum")
        kind, fits = "a number", is_number and not isinstance(value, bool)
    if not fits or (isinstance(value, bool) and not isinstance(default, bool)):
        raise ComponentError(f"norm '{text}': {name} must be {kind}, got '{value}'; use for example {name}={default}")


def _blocks(text: str, about: Explanation, options: Mapping[str, Option], sizes: Sizes) -> Sizes | None:
    """Return into how many blocks samples, channels and positions are cut; None: there are no pools."""
    if about.pooling is None:
        return None
    shares = (about.pooling.samples, about.pooling.channels, about.pooling.positions)
    names = ("samples", "channels", "positions")
    samples, channels, positions = (
        _blocks_along(text, name, share, options, size) for name, share, size in zip(names, shares, sizes, strict=True)
    )
    return samples, channels, positions


def _blocks_along(text: str, dimension: str, share: str, options: Mapping[str, Option], size: int) -> int:
    if share in ("each", "all"):
        return size if share == "each" else 1
    blocks = cast("int", options[share])  # a whole number: it has been checked
    if size % blocks:
        nearest = min(
            (each for each in range(1, min(size, 2 * blocks) + 1) if size % each == 0),
            key=lambda each: abs(each - blocks),
        )
        raise ComponentError(
            f"norm '{text}': {share} must divide {dimension}, got {dimension}={size}, {share}={blocks}; use "
            f"{share}={nearest} or {(size // blocks + 1) * blocks} {dimension}"
        )
    return blocks
