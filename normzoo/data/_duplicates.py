"""Samples that are there more than once: what a network can know by heart says little of others."""

from collections import defaultdict
from collections.abc import Sequence
from hashlib import blake2b

import numpy as np

from normzoo.data._dataset import Array
from normzoo.data._part import Part


class SampleHashes:
    """64 bits for the values of each sample of some parts, made as their blocks are read.

    Values are compared, whatever their types; of sequences those that count.

    Args:
        arrays: of which those that are parts hold the samples.
    """

    def __init__(self, arrays: Sequence[Array | Part]) -> None:
        self._parts = {number: part for number, part in enumerate(arrays) if isinstance(part, Part)}
        self._dtype = np.result_type(*(part.values.dtype for part in self._parts.values()))
        self._lengths = {number: part.all_lengths() for number, part in self._parts.items()}
        self._hashes = {number: np.empty(len(part), np.uint64) for number, part in self._parts.items()}

    @property
    def of_parts(self) -> list[Array]:
        """Of each part ``(N,)``."""
        return list(self._hashes.values())

    def add(self, number: int, start: int, block: Array) -> None:
        """Take in a block of an array, by the array's number, from a start on."""
        if number not in self._parts:
            return
        rows = np.ascontiguousarray(block.astype(self._dtype, copy=False)) + np.zeros((), self._dtype)  # makes 0 of -0
        lengths, hashes = self._lengths[number], self._hashes[number]
        for index, row in enumerate(rows, start):
            salt = b"" if lengths is None else int(lengths[index]).to_bytes(8, "little")
            hashes[index] = int.from_bytes(blake2b(row.data, digest_size=8, salt=salt).digest(), "little")


def duplicates_note(train: Sequence[tuple[Array, Array]], test: tuple[Array, Array]) -> tuple[str, ...]:
    """Say how many test samples have exactly the values of a training sample, and of how many none has their target.

    Args:
        train: hashes of parts of the training set with their targets.
        test: those of the test set with its targets.

    Returns:
        One line, or none where there are no such samples.
    """
    tested, targets = test
    known = np.concatenate([hashes for hashes, _ in train])
    known.sort()
    again = np.flatnonzero(known[np.searchsorted(known, tested).clip(max=len(known) - 1)] == tested)
    if not len(again):
        return ()
    known_targets: dict[int, set[bytes]] = defaultdict(set)
    for hashes, theirs in train:
        for index in np.flatnonzero(np.isin(hashes, tested[again])):
            known_targets[hashes[index]].add(theirs[index].tobytes())
    others = sum(targets[index].tobytes() not in known_targets[tested[index]] for index in again)
    is_one = len(again) == 1
    where = "with another" if is_one else f"{others:,} of them with another"
    return (
        f"{len(again):,} of {len(tested):,} test samples {'is' if is_one else 'are'} also in the training set"
        + (f" ({where} {_target(targets)})" if others else ""),
    )


def repeated_note(hashes: Array, targets: Array) -> tuple[str, ...]:
    """Say how many of all samples have the values of another, and how many of them that of one with another target.

    Args:
        hashes: of the samples of all folds, which take turns as the test set.
        targets: theirs.

    Returns:
        One line, or none where there are no such samples.
    """
    _, groups, counts = np.unique(hashes, return_inverse=True, return_counts=True)
    again = np.flatnonzero(counts[groups] > 1)
    if not len(again):
        return ()
    known_targets: dict[int, set[bytes]] = defaultdict(set)
    for index in again:
        known_targets[groups[index]].add(targets[index].tobytes())
    others = sum(len(known_targets[groups[index]]) > 1 for index in again)
    return (
        f"{len(again):,} of {len(hashes):,} samples occur more than once"
        + (f" ({others:,} of them with another {_target(targets)})" if others else "")
        + ", and may be in training where their like is tested",
    )


def _target(targets: Array) -> str:
    return "label" if targets.ndim == 1 and targets.dtype.kind in "iuU" else "target"
