"""What is to be explained: a norm with its options, on an input of some shape."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import cast

from normzoo.errors import ComponentError
from normzoo.explain._pools import Pools, Sizes
from normzoo.registry import NORMS, Explanation, NormEntry, Option


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
