"""How samples are split: some held out, to choose by or as a test set, or all cut into parts that take turns as it."""

import warnings
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from normzoo.data._dataset import Array, SampleKind, channels_last
from normzoo.data._mapped import room_for
from normzoo.data._part import Part
from normzoo.errors import DataError
from normzoo.tasks import Task

FRACTION = 0.1
CLOSE = 0.01
"""How far from a tenth of all samples a hold-out may be with nothing said of it, as its strata are rounded."""
_SEED = 0

Inputs = Mapping[str, tuple[Array, Array | None]]
"""Of each split, with the lengths of sequences."""


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
    counts = np.unique(strata, return_counts=True)[1]
    for members in np.split(np.argsort(strata, kind="stable"), np.cumsum(counts)[:-1]):
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


class Fold(NamedTuple):
    """One way to split a dataset.

    Attributes:
        inputs: of each split, those of all samples.
        targets: of each split, those of its own.
        all_targets: of all samples.
        indices: of each split, which samples it has, ascending.
        sizes: how many samples the training split of each fold has.
        notes: what a reader of the results should know, the same for every fold; also what the task says of targets.
        content: what the checksum of the dataset is of, the same for every fold.
    """

    inputs: dict[str, tuple[Array, Array | None]]
    targets: dict[str, Array]
    all_targets: Array
    indices: dict[str, Array]
    sizes: tuple[int, ...]
    notes: tuple[str, ...]
    content: list[Array | Part]


def fold_of(
    source: str, task: Task, inputs: Inputs, targets: Mapping[str, Array], kind: SampleKind, folds: int, fold: int
) -> Fold:
    """Pool the samples of all splits, cut them into folds, and return one, whose part of them is the test set.

    That is cross-validation; scikit-learn cuts.

    Args:
        source: what messages call the data.
        task: whose strata folds keep the shares of.
        inputs: by split, as they were given.
        targets: likewise.
        kind: of the samples.
        folds: how many, at least 2.
        fold: which, from 0.

    Raises:
        DataError: it is a text, or there are too few samples, or too few of a stratum.
    """
    if task.per_step:
        raise DataError(
            f"folds: the samples of {source} follow one another in one text, so that those of a fold would stand "
            "between those of training; leave --folds out, and the end of the text is the test set"
        )
    task.prepare(source, targets)  # what is wrong is said of the arrays as they were given
    all_inputs = _pooled(inputs, kind)
    shape = next(iter(targets.values())).shape[1:]
    all_targets = np.concatenate([each.reshape(len(each), *shape) for each in targets.values()])
    strata = task.strata(all_targets)
    cuts = _cut(source, strata, folds)
    said = [
        (
            *hold_out_notes(np.delete(strata, cut["test"]), cut["val"]),
            *task.prepare(source, {split: all_targets[indices] for split, indices in cut.items()}).notes,
        )
        for cut in cuts
    ]
    of_test = ", also those of the dataset's own test set," if "test" in targets else ""
    return Fold(
        inputs=dict.fromkeys(cuts[fold], all_inputs),
        targets={split: all_targets[indices] for split, indices in cuts[fold].items()},
        all_targets=all_targets,
        indices=cuts[fold],
        sizes=tuple(len(cut["train"]) for cut in cuts),
        notes=(
            f"all {len(all_targets):,} samples{of_test} are pooled and cut into {folds} folds",
            *_common(said),
        ),
        content=_content(all_inputs, all_targets, cuts),
    )


def _common(said: Sequence[Sequence[str]]) -> list[str]:
    """Return the notes of all folds; of those that differ, those of the first fold that has any.

    >>> _common([["a = 0"], ["a = 0", "6 are few"], ["a = 0", "7 are few"]])
    ['a = 0', 'in one of the folds, from which the others differ by little: 6 are few']
    """
    common = [note for note in said[0] if all(note in each for each in said)]
    others = [[note for note in each if note not in common] for each in said]
    differ = "in one of the folds, from which the others differ by little: "
    return common + [f"{differ}{note}" for note in next(filter(None, others), [])]


def _content(inputs: tuple[Array, Array | None], targets: Array, cuts: list[dict[str, Array]]) -> list[Array | Part]:
    """Return what is to be hashed of all samples and of how they are cut."""
    values, lengths = inputs
    if targets.dtype.kind not in "buif":
        targets = np.ascontiguousarray(targets.astype(str)).view(np.uint8)
    indices = [each for cut in cuts for each in cut.values()]
    return [Part(values, lengths), targets, *([] if lengths is None else [lengths]), *indices]


def _pooled(inputs: Inputs, kind: SampleKind) -> tuple[Array, Array | None]:
    """Return the inputs of all splits, one split after the other, with their lengths."""
    arrays, lengths = zip(*inputs.values(), strict=True)
    together = _joined([channels_last(each, kind) for each in arrays])
    return together, None if lengths[0] is None else np.concatenate(lengths)


def _joined(arrays: Sequence[Array]) -> Array:
    """Return arrays one after the other; large ones in a temporary file, as they may be of one themselves."""
    joined = room_for((sum(map(len, arrays)), *arrays[0].shape[1:]), np.result_type(*arrays))
    start = 0
    for part in map(Part, arrays):
        for at, block in part.raw_blocks():
            joined[start + at : start + at + len(block)] = block
        start += len(part)
    return joined


def _cut(source: str, strata: Array, folds: int) -> list[dict[str, Array]]:
    """Return for each fold the indices of the samples of its ``train``, ``val`` and ``test`` split.

    Each sample is in the test split of one fold, of which the sizes differ by one at most. Folds keep the shares of
    the strata, where there are several. Of the other samples some are held out for validation as ever. The choice
    depends on the strata alone and is always the same.
    """
    values, numbers, counts = np.unique(strata, return_inverse=True, return_counts=True)
    most = min(int(counts.max()), len(strata) - 2)  # or fewer than two samples would be left to train on and hold out
    if most < folds:
        of = " of its largest class" if len(values) > 1 else ""
        way_out = f"use at most {most}" if most > 1 else "gather more"
        raise DataError(f"folds: {source} has {counts.max()} samples{of}, too few for {folds} folds; {way_out}")
    if len(values) > 1 and counts.min() == 1:
        raise DataError(
            f"folds: {source} has a single sample of the class {values[counts.argmin()]}, of which none is in training "
            "where that one is in the test set; give each class at least 2, or remove it"
        )
    from sklearn.model_selection import KFold, StratifiedKFold  # which takes a while

    splitter = (StratifiedKFold if len(values) > 1 else KFold)(folds, shuffle=True, random_state=_SEED)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The least populated class")  # it is in fewer folds
        tests = [test for _, test in splitter.split(numbers, numbers)]
    cuts = []
    for test in tests:
        rest = np.delete(np.arange(len(strata)), test)
        kept, held = hold_out(strata[rest])
        cuts.append({"train": rest[kept], "val": rest[held], "test": test})
    return cuts
