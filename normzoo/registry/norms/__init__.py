"""The norms, one entry each, in a file for each family: formula, source, and what there is to say of it."""

from collections.abc import Mapping
from importlib import import_module
from math import prod
from typing import Final

from normzoo.registry._component import Registry, find
from normzoo.registry._explanation import CHANNELS, NormEntry
from normzoo.registry.norms import (
    activation,
    control,
    elementwise,
    mixtures,
    pools,
    processes,
    response,
    running,
    studies,
    uncentered,
    weights,
)

__all__ = ["ALL", "FAMILIES", "NORMS", "about_family", "named_together", "values_per_statistic"]

FAMILIES: Final[Mapping[str, Mapping[str, NormEntry]]] = {
    each.FAMILY: each.ENTRIES
    for each in (
        pools,
        mixtures,
        running,
        processes,
        uncentered,
        activation,
        response,
        elementwise,
        weights,
        studies,
        control,
    )
}
"""The norms by family and name."""

NORMS = Registry(
    "norm",
    {name: entry for family in FAMILIES.values() for name, entry in family.items()},
    given=("device", "dtype"),
    first=CHANNELS,
    own="pkg.module:MyNorm",
)
"""The norms by name."""

ALL: Final = "all"
"""Names all norms but those that stand apart; ``family:NAME`` names those of a family."""


def about_family(family: str) -> str:
    """Return what the norms of a family share, in a line: what its file begins with.

    >>> about_family("pools")
    'Norms that differ in their pool alone.'
    """
    return (import_module(f"{__name__}.{family}").__doc__ or "").partition("\n")[0]


def named_together(word: str) -> tuple[str, ...] | None:
    """Return the norms that a word stands for which names several; None where it names one.

    >>> named_together("family:control"), named_together("batch")
    (('none',), None)

    Raises:
        UnknownNameError: there is no such family.
    """
    kind, colon, family = (part.strip() for part in word.partition(":"))
    if word.strip() == ALL:
        return tuple(name for name, entry in NORMS.items() if not entry.apart)
    if kind == "family" and colon:
        return tuple(find("family of norms", FAMILIES, family))
    return None


def values_per_statistic(norm: str, *, samples: int, channels: int, positions: int = 1) -> int | None:
    """Return at how many values a norm takes each of its statistics in training.

    Of unequal blocks, it is that of the smallest. None where nothing is measured, as by the control, where there are
    several kinds of pools, and for norms that are not of the registry.

    >>> values_per_statistic("batch", samples=2, channels=32, positions=8 * 8)
    128
    >>> values_per_statistic("batch", samples=2, channels=64)
    2
    """
    spec = NORMS.parse(norm)
    if spec.is_own:
        return None
    entry = NORMS.entry(spec)
    about = entry.explanation
    pools = [about.pooling] if about.pooling else [*about.parts.values()]
    if len(pools) != 1:
        return None
    sizes = (samples, channels, positions)
    blocks = pools[0].blocks(sizes, {**about.options, **entry.options, **spec.options})
    return prod(max(1, size // count) for size, count in zip(sizes, blocks, strict=True))
