"""The validation split of a dataset that has none: a fixed tenth of its training samples."""

import numpy as np

from normzoo.data._arrays import Array

FRACTION = 0.1
_SEED = 0


def hold_out(labels: Array) -> tuple[Array, Array]:
    """Return the indices of the samples kept for training and of those held out, each ascending.

    A tenth of every class is held out, rounded, but at least one sample; a class of a single sample stays
    in training. Where every class has a single sample, one sample is held out all the same.
    The choice depends on the labels alone and is always the same.

    Args:
        labels: integers of shape (N,), with N at least 2.
    """
    # RandomState, unlike Generator, promises the same stream in every version of numpy.
    random = np.random.RandomState(_SEED)
    held = np.zeros(len(labels), dtype=bool)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        count = max(1, round(FRACTION * len(members))) if len(members) > 1 else 0
        held[random.permutation(members)[:count]] = True
    if not held.any():
        held[random.randint(len(labels))] = True
    return np.flatnonzero(~held), np.flatnonzero(held)
