"""Which samples are held out, to choose by or as a test set, and what there is to say of how many they are."""

import numpy as np

from normzoo.data._dataset import Array

FRACTION = 0.1
CLOSE = 0.01
"""How far from a tenth of all samples a hold-out may be with nothing said of it, as its strata are rounded."""
_SEED = 0


def hold_out(strata: Array, fraction: float = FRACTION) -> tuple[Array, Array]:
    """Return the indices of the samples kept for training and of those held out, each ascending.

    A tenth of every stratum (or another fraction) is held out, rounded, but at least one sample; a stratum of a single
    sample stays in training. Where every stratum has a single sample, one sample is held out all the same.
    The choice depends on the strata alone and is always the same.

    Args:
        strata: of shape (N,), with N at least 2: the classes, for instance.
        fraction: which is held out.
    """
    # RandomState, unlike Generator, promises the same stream in every version of numpy.
    random = np.random.RandomState(_SEED)
    held = np.zeros(len(strata), dtype=bool)
    for stratum in np.unique(strata):
        members = np.flatnonzero(strata == stratum)
        count = max(1, round(fraction * len(members))) if len(members) > 1 else 0
        held[random.permutation(members)[:count]] = True
    if not held.any():
        held[random.randint(len(strata))] = True
    return np.flatnonzero(~held), np.flatnonzero(held)


def hold_out_notes(strata: Array, held: Array) -> tuple[str, ...]:
    """Say how many samples are held out, where that is not about a tenth: where strata are small, for one.

    >>> hold_out_notes(np.repeat(np.arange(5), 4), np.arange(5))
    ('5 of 20 training samples are held out for validation: one of each class at least',)
    """
    if abs(len(held) / len(strata) - FRACTION) <= CLOSE:
        return ()
    sizes = np.unique(strata, return_counts=True)[1]
    is_least = len(sizes) > 1 and any(size > 1 and not round(FRACTION * size) for size in sizes)
    why = ": one of each class at least" if is_least else ""
    are = "is" if len(held) == 1 else "are"
    return (f"{len(held):,} of {len(strata):,} training samples {are} held out for validation{why}",)
