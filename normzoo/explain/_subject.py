"""What is to be explained: a norm with its options on an input; its pools, and what is said of it."""

import string
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Final, NamedTuple

from normzoo.errors import ComponentError
from normzoo.registry import NORMS, Explanation, HeldTensor, Line, NormEntry, Option

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
    if pools.blocks and entry.explanation.centered and prod(pools.extent) == 1:
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
    found = about.pooling.blocks(sizes, options)
    for dimension, share, size, blocks in zip(DIMENSIONS, about.pooling.shares, sizes, found, strict=True):
        if size % blocks:
            nearest = min(
                (each for each in range(1, min(size, 2 * blocks) + 1) if size % each == 0),
                key=lambda each: abs(each - blocks),
            )
            raise ComponentError(
                f"norm '{text}': {share} must divide {dimension}, got {dimension}={size}, {share}={blocks}; use "
                f"{share}={nearest} or {(size // blocks + 1) * blocks} {dimension}"
            )
    return found


class Section(NamedTuple):
    """Sentences under a heading."""

    heading: str
    lines: tuple[str, ...]


def sections(subject: Subject) -> list[Section]:
    """Return all that is said of a norm on an input."""
    about = subject.about
    learned = [each for each in held(subject) if each.learned]
    state = [each for each in held(subject) if not each.learned]
    return [
        Section("pools", (pools_in_numbers(subject), *_likenesses(subject))),
        Section("formula", (formula(subject),)),
        Section("where", (about.statistics, *_settings(subject))),
        Section("parameters", tuple(_describe(subject, each) for each in learned) or ("None.",)),
        Section("state", tuple(_describe(subject, each) for each in state) or ("None: nothing is remembered.",)),
        Section("training", _applying(subject, about.training)),
        Section("inference", _applying(subject, about.inference)),
        Section("cost", _applying(subject, about.cost)),
        Section("fits", about.fits),
        Section("fits less", about.misfits),
        Section("mask", (_mask(subject),)),
        Section("paper", _paper(subject)),
    ]


def formula(subject: Subject) -> str:
    """Return the formula, with weight and bias where the layer has them."""
    learned = {each.name for each in held(subject)}
    factor, summand = "w * " if "weight" in learned else "", " + b" if "bias" in learned else ""
    return f"y = {factor}{subject.about.normalized}{summand}"


def pooled_over(subject: Subject) -> str:
    """Say over what the norm pools."""
    return f"{'pools over ' if subject.about.pooling else ''}{subject.entry.summary}"


def pools_in_numbers(subject: Subject) -> str:
    """Say how many pools there are, and of how many values."""
    pools = subject.pools
    if pools.blocks is None:
        return "There are no pools, and no letters."
    names = _dimension_names(subject)
    kinds = [
        _count(count, name)
        for count, name, share in zip(pools.blocks, names, _shares(subject), strict=True)
        if share != "all"
    ]
    held_by_one = [_count(extent, name) for extent, name in zip(pools.extent, DIMENSIONS, strict=True) if extent > 1]
    apart = f", one for each of {' x '.join(kinds)}" if kinds else ""
    inside = f" ({' x '.join(held_by_one)})" if len(held_by_one) > 1 else ""
    values = _count(prod(pools.extent), "values") + " each" * (pools.count > 1)
    return f"{_count(pools.count, 'pools')} of {values}{inside}{apart}."


def held(subject: Subject) -> list[HeldTensor]:
    """Return the parameters and buffers that the layer has under these options."""
    return [each for each in subject.about.tensors if each.holds(subject.options)]


def tensor_shape(subject: Subject, tensor: HeldTensor) -> tuple[int, ...]:
    """Return the shape of a parameter or buffer."""
    return (subject.shape[1],) if tensor.per_channel else ()


def _shares(subject: Subject) -> tuple[str, str, str]:
    pooling = subject.about.pooling
    return pooling.shares if pooling else ("each", "each", "each")


def _dimension_names(subject: Subject) -> list[str]:
    """Return what the blocks along each dimension are called: by the option that divides it, where one does."""
    return [
        name if share in ("each", "all") else share for name, share in zip(DIMENSIONS, _shares(subject), strict=True)
    ]


def _count(number: int, name: str) -> str:
    """Write a number of things.

    >>> _count(1, "samples"), _count(4, "samples")
    ('1 sample', '4 samples')
    """
    return f"{number} {name.removesuffix('s') if number == 1 else name}"


def _likenesses(subject: Subject) -> list[str]:
    """Say which norms pool the same values here, and how to see a difference."""
    same = same_pools(subject)
    lines = [f"On this shape {' and '.join(same)} pool{'s' * (len(same) == 1)} the same values."] if same else []
    if subject.pools.blocks is None:
        return lines
    for share, name, blocks, size in zip(
        _shares(subject), DIMENSIONS, subject.pools.blocks, subject.pools.sizes, strict=True
    ):
        if share in subject.options and blocks == size > 1:
            together = next(each for each in range(2, size + 1) if size % each == 0)
            fewer = f"{share}={size // together} would put {together} together"
            lines.append(f"{share}={blocks} leaves each of {size} {name} for itself; {fewer}.")
    return lines


def _settings(subject: Subject) -> list[str]:
    tensors = {name for each in subject.about.tensors for name in (*each.needs, *each.unless)}
    shown = [
        f"{name}={_plain(value)}"
        for name, value in subject.options.items()
        if name not in tensors and name != "momentum"
    ]
    return [f"Settings: {', '.join(shown)}."] if shown else []


def _plain(value: object) -> str:
    return "none" if value is None else str(value)


def _describe(subject: Subject, tensor: HeldTensor) -> str:
    shape = tensor_shape(subject, tensor)
    return f"{tensor.name} ({', '.join(map(str, shape))}{',' * (len(shape) == 1)}): {tensor.does}"


def _applying(subject: Subject, lines: Iterable[Line]) -> tuple[str, ...]:
    numbers = {
        **{name: _plain(value) for name, value in subject.options.items()},
        "pools": subject.pools.count,
        "samples": subject.pools.sizes[0],
        "channels": subject.pools.sizes[1],
        "positions": subject.pools.sizes[2],
    }
    return tuple(line.text.format(**numbers) for line in lines if line.holds(subject.options))


def _mask(subject: Subject) -> str:
    shape = (subject.shape[0], *subject.shape[2:])
    written = f"({', '.join(map(str, shape))}{',' * (len(shape) == 1)})"
    if subject.pools.blocks is None:
        return "forward(x, mask) takes one and ignores it."
    return (
        f"forward(x, mask) takes one of shape {written}, True where a position counts: what does not count enters no "
        "statistic and comes out as 0."
    )


def _paper(subject: Subject) -> tuple[str, ...]:
    paper, remark = subject.about.paper, subject.about.remark
    said = f'{paper.authors} ({paper.year}), "{paper.title}", arXiv:{paper.arxiv}' if paper else "None: the control."
    return (said, remark) if remark else (said,)
