"""The norms, one entry each, in a file for each family: formula, source, and what there is to say of it."""

from collections.abc import Mapping
from math import prod
from typing import Final

from normzoo.registry._component import Registry
from normzoo.registry.norms import control, elementwise, mixtures, pools, uncentered
from normzoo.registry.norms._entry import CHANNELS, NormEntry

__all__ = ["FAMILIES", "NORMS", "values_per_statistic"]

FAMILIES: Final[Mapping[str, Mapping[str, NormEntry]]] = {
    each.FAMILY: each.ENTRIES for each in (pools, mixtures, uncentered, elementwise, control)
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


def values_per_statistic(norm: str, *, samples: int, channels: int, positions: int = 1) -> int | None:
    """Return at how many values a norm takes each of its statistics in training.

    None where nothing is measured, as by the control, and for norms that are not of the registry.

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
    if about.pooling is None:
        return None
    sizes = (samples, channels, positions)
    return prod(sizes) // prod(about.pooling.blocks(sizes, {**about.options, **entry.options, **spec.options}))
