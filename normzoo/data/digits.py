"""Scikit-learn's handwritten digits: 1,797 images 8x8, in 10 classes; no network needed."""

from pathlib import Path

import numpy as np

from normzoo.data._dataset import RawArrays

_SEED = 0
_HELD_OUT = 0.4
_TEST_OF_HELD_OUT = 0.5


def load(*, root: Path | None, download: bool, argument: str) -> RawArrays:
    """Return the digits, split 60/20/20 by class and always alike, as uint8 from 0 to 16.

    ``root``, ``download`` and ``argument`` are ignored: the data comes with scikit-learn.
    Source: Alpaydin & Kaynak 1998 (UCI), the test set of the optical recognition of handwritten digits.
    """
    del root, download, argument
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    digits = load_digits()
    images, labels = digits.images.astype(np.uint8), digits.target
    x_train, x_held, y_train, y_held = train_test_split(
        images, labels, test_size=_HELD_OUT, stratify=labels, random_state=_SEED
    )
    x_val, x_test, y_val, y_test = train_test_split(
        x_held, y_held, test_size=_TEST_OF_HELD_OUT, stratify=y_held, random_state=_SEED
    )
    return RawArrays(x_train=x_train, y_train=y_train, x_val=x_val, y_val=y_val, x_test=x_test, y_test=y_test)
