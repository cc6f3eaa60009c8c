"""Which training samples are held out, to choose by."""

import numpy as np

from normzoo.data._dataset import Array

FRACTION = 0.1
_SEED = 0


def hold_out(strata: Array) -> tuple[Array, Array]:
    """Return the indices of the samples kept for training and of those held out, each ascending.

    A tenth of every stratum is held out, rounded, but at least one sample; a stratum of a single sample stays
    in training. Where every stratum has a single sample, one sample is held out all the same.
    The choice depends on the strata alone and is always the same.

    Args:
        strata: integers of shape (N,), with N at least 2: the classes, for instance.
    """
    # RandomState, unlike Generator, promises the same stream in every version of numpy.
    random = np.random.RandomState(_SEED)
    held = np.zeros(len(strata), dtype=bool)
    for stratum in np.unique(strata):
        members = np.flatnonzero(strata == stratum)
        count = max(1, round(FRACTION * len(members))) if len(members) > 1 else 0
        held[random.permutation(members)[:count]] = True
    if not held.any():
        held[random.randint(len(strata))] = True
    return np.flatnonzero(~held), np.flatnonzero(held)
