"""The effect of the batch size: a slope per norm and seed, and how the slopes of two norms differ."""

from collections.abc import Mapping, Sequence

import numpy as np


def slopes(batch_sizes: Sequence[int], values: Sequence[Mapping[int, float]]) -> dict[int, float]:
    """Return by seed the least-squares slope of a value against the base-2 logarithm of the batch size.

    It is the change with each doubling of the batch size. Only seeds that have a value at every batch size count.

    Args:
        batch_sizes: ascending.
        values: for each batch size, by seed.

    >>> slopes((2, 8, 32), [{0: 0.5, 1: 0.5}, {0: 0.75}, {0: 0.75, 1: 0.5}])
    {0: 0.0625}
    """
    seeds = sorted(set.intersection(*(set(by_seed) for by_seed in values)))
    if len(batch_sizes) < 2 or not seeds:
        return {}
    places = np.log2(np.array(batch_sizes, dtype=float))
    centered = places - places.mean()
    reached = np.array([[by_seed[seed] for seed in seeds] for by_seed in values])
    found = centered @ reached / (centered @ centered)
    return dict(zip(seeds, map(float, found), strict=True))
