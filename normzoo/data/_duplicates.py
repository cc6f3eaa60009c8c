"""Test samples that are in the training set, too: what a network can know by heart says little of others."""

from collections import defaultdict
from collections.abc import Sequence
from hashlib import blake2b
from typing import Any

import numpy as np

from normzoo.data._dataset import Array
from normzoo.data._part import Part


def duplicates_note(train: Sequence[tuple[Part, Array]], test: tuple[Part, Array]) -> tuple[str, ...]:
    """Say how many test samples have exactly the values of a training sample, and of how many none has their target.

    Values are compared, whatever their types; of sequences those that count.

    Args:
        train: parts of the training set with their targets.
        test: the test set with its targets.

    Returns:
        One line, or none where there are no such samples.
    """
    samples, targets = test
    dtype = np.result_type(*(part.values.dtype for part, _ in train), samples.values.dtype)
    tested = _hashes(samples, dtype)
    learned = [(_hashes(part, dtype), known) for part, known in train]
    known = np.concatenate([hashes for hashes, _ in learned])
    known.sort()
    again = np.flatnonzero(known[np.searchsorted(known, tested).clip(max=len(known) - 1)] == tested)
    if not len(again):
        return ()
    known_targets: dict[int, set[bytes]] = defaultdict(set)
    for hashes, theirs in learned:
        for index in np.flatnonzero(np.isin(hashes, tested[again])):
            known_targets[hashes[index]].add(theirs[index].tobytes())
    others = sum(targets[index].tobytes() not in known_targets[tested[index]] for index in again)
    is_one, target = len(again) == 1, "label" if targets.ndim == 1 and targets.dtype.kind == "i" else "target"
    where = "with another" if is_one else f"{others:,} of them with another"
    return (
        f"{len(again):,} of {len(samples):,} test samples {'is' if is_one else 'are'} also in the training set"
        + (f" ({where} {target})" if others else ""),
    )


def _hashes(part: Part, dtype: np.dtype[Any]) -> Array:
    """Return 64 bits for the values of each sample, ``(N,)``."""
    hashes, lengths = np.empty(len(part), np.uint64), part.all_lengths()
    for start, block in part.raw_blocks():
        rows = np.ascontiguousarray(block.astype(dtype, copy=False)) + np.zeros((), dtype)  # makes 0 of -0
        for index, row in enumerate(rows, start):
            salt = b"" if lengths is None else int(lengths[index]).to_bytes(8, "little")
            hashes[index] = int.from_bytes(blake2b(row.data, digest_size=8, salt=salt).digest(), "little")
    return hashes
