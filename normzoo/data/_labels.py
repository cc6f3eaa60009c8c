"""The rules for a user's labels: integers 0..K-1, every one of them seen in training."""

import numpy as np

from normzoo.data._arrays import Array
from normzoo.errors import DataError

_SHOWN = 5


def check_labels(source: str, labels: Array, *, samples: int) -> None:
    """Refuse what cannot be labels of ``samples`` images; ``source`` names the file and the array.

    Raises:
        DataError: an unsuitable shape or type, or another number of labels than of images.
    """
    if labels.ndim == 2 and labels.shape[1] > 1:
        raise DataError(
            f"{source} has shape {labels.shape}; labels are (N,) or (N, 1), so turn one-hot rows into integers with "
            "y.argmax(axis=1)"
        )
    if labels.ndim not in (1, 2) or labels.size != len(labels):
        raise DataError(f"{source} has shape {labels.shape}; labels are (N,) or (N, 1), so reshape it")
    if labels.dtype.kind not in "iu":
        raise DataError(f"{source} has type {labels.dtype}; labels are integers, so use y.astype('int64')")
    if len(labels) != samples:
        raise DataError(f"{source} holds {len(labels):,} labels for {samples:,} images; give every image one label")


def check_classes(source: str, labels: Array) -> None:
    """Refuse training labels that are not 0..K-1 without gaps, with K at least 2."""
    present = np.unique(labels)
    if not np.array_equal(present, np.arange(len(present))):
        raise DataError(
            f"{source} holds {_listed(present)}; labels are 0 to K-1 without gaps, so renumber them with "
            "numpy.unique(y, return_inverse=True)"
        )
    if len(present) < 2:
        raise DataError(f"{source} holds the one class 0; at least 2 classes are needed to classify")


def check_known(source: str, labels: Array, *, classes: int) -> None:
    """Refuse labels that the training split does not have."""
    unknown = np.unique(labels[(labels < 0) | (labels >= classes)])
    if len(unknown):
        raise DataError(
            f"{source} holds {_listed(unknown)}, but y_train's are 0 to {classes - 1}; "
            "remove those samples, or add their classes to the training split"
        )


def _listed(values: Array) -> str:
    """Write the first few labels.

    >>> _listed(np.arange(7))
    'the labels 0, 1, 2, 3, 4, ... (7 in all)'
    """
    shown = ", ".join(str(value) for value in values[:_SHOWN])
    rest = f", ... ({len(values):,} in all)" if len(values) > _SHOWN else ""
    return f"the label{'s' if len(values) > 1 else ''} {shown}{rest}"
