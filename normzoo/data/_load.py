"""From a dataset's spec to its tensors: load, check, hold out, checksum, standardize."""

from collections.abc import Mapping, Sequence
from inspect import Parameter, signature
from math import prod
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from normzoo.data._checks import (
    check_count,
    check_finite,
    check_inputs,
    check_lengths,
    check_same_shape,
    check_tokens,
)
from normzoo.data._dataset import (
    Array,
    Dataset,
    Encoder,
    Progress,
    RawArrays,
    SampleKind,
    Split,
    channels_last,
    kind_of_arrays,
    tell_nobody,
)
from normzoo.data._duplicates import SampleHashes, duplicates_note, repeated_note
from normzoo.data._mapped import MappedFile, mapped
from normzoo.data._own import raw_arrays
from normzoo.data._part import Part, channel_statistics, checksum
from normzoo.data._splitting import fold_of, hold_out, hold_out_notes
from normzoo.data._stored import StoredInputs
from normzoo.errors import ComponentError, DataError, error_line
from normzoo.memory import require_memory
from normzoo.registry import DATASETS
from normzoo.tasks import UNSCALED, Classification, Targets, Task

_SPLITS = ("train", "val", "test")
_NAMES_SHOWN = 5
_SAMPLES_AT_ONCE, _WIDE = 4, 8
"""Samples that a network is tried on, and bytes of each of their values."""


def load_dataset(
    spec: str,
    *,
    task: Task | None = None,
    root: Path | None = None,
    download: bool = False,
    folds: int = 1,
    fold: int = 0,
    resident_bytes: int | None = None,
    progress: Progress = tell_nobody,
) -> Dataset:
    """Load a dataset by name, or the user's own from a file, a folder or a function, onto the CPU.

    A dataset without a validation split of its own has a tenth of its training samples held out, stratum by
    stratum of the task and always the same ones. Every split is then standardized per channel by the statistics of the
    remaining training samples.

    With ``folds`` its own split does not count: each sample is in the test set of one fold, and a tenth of the others
    is held out for validation.

    Args:
        spec: a name in ``normzoo.registry.DATASETS``, with its path where it is of a file, or a function of your own
            that returns arrays or torch Datasets, ``my_package.my_module:load``.
        task: what is to be learned, which checks the targets; classification by default.
        root: the folder torchvision's datasets are in, ``data`` by default; the others do not read it.
        download: fetch a torchvision dataset that is not there yet.
        folds: into how many parts the samples of all splits together are cut, of which one is the test set; 1: they
            are split as they were.
        fold: which part that is, from 0.
        resident_bytes: how many bytes all inputs may have as tensors; those of larger datasets stay as they were
            stored, and are made when they are read, with the same values. None: any number.
        progress: is told how far it is, where loading may take long: how much of how much.

    >>> digits = load_dataset("digits")
    >>> digits.shape, digits.outputs, len(digits.train), len(digits.validation), len(digits.test)
    ((1, 8, 8), 10, 1078, 359, 360)

    Raises:
        UnknownNameError: no dataset of that name.
        ComponentError: the spec does not read, or your own function fails.
        DataError: the dataset is missing or invalid, or there is no such fold.
    """
    if folds < 1 or not 0 <= fold < folds:
        raise DataError(f"fold must be 0 to folds - 1, and folds at least 1, got fold={fold} and folds={folds}")
    canonical, parsed = DATASETS.canonical(spec), DATASETS.parse(spec)
    source = f"{parsed.target} '{parsed.argument}'" if parsed.argument else spec
    task = Classification() if task is None else task
    raw = _read(canonical, task=task, root=root, download=download, progress=progress)
    if raw.x_test is None and folds == 1:
        raise DataError(f"{source}: it has no test set; add x_test and y_test, or cut it by --folds, which needs none")
    if raw.encoder is None:
        _check(source, raw, kind_of_arrays(raw))
        raw = raw.cut_to_longest()
    return _build(spec, source, raw, task, resident_bytes, folds, fold)


def _read(spec: str, *, task: Task, root: Path | None, download: bool, progress: Progress) -> RawArrays:
    """Call what loads a dataset, with what it takes of what a loader may want to know."""
    target, options = DATASETS.load(spec)
    parsed = DATASETS.parse(spec)
    offered = {
        "root": root,
        "download": download,
        "argument": parsed.argument,
        "task": task,
        "progress": progress,
    }
    try:
        parameters = signature(target).parameters
        takes_any = any(parameter.kind is Parameter.VAR_KEYWORD for parameter in parameters.values())
        given = {name: value for name, value in offered.items() if takes_any or name in parameters}
        raw = target(**given, **options)
    except DataError:
        raise
    except Exception as error:
        if not parsed.is_own:
            if isinstance(error, OSError):  # a name that no file has, a disk that fails
                raise DataError(f"{spec}: cannot be read: {error.strerror or error}") from error
            raise
        raise ComponentError(f"dataset '{spec}' cannot be loaded: {error_line(error)}") from error
    return raw_arrays(spec, raw)


def _check(source: str, raw: RawArrays, kind: SampleKind) -> None:
    """Refuse what cannot be samples of a kind, or not as many targets; what targets may be is the task's to say."""
    for split in _SPLITS:
        values, targets, lengths = (getattr(raw, f"{name}_{split}") for name in ("x", "y", "lengths"))
        if values is None or targets is None:
            continue
        name = f"{source}: x_{split}"
        check_inputs(name, values, kind)
        require_memory(
            _SAMPLES_AT_ONCE * _WIDE * prod(values.shape[1:]),
            f"{name}: samples of shape {values.shape[1:]}, of which {_SAMPLES_AT_ONCE} are tried at once,",
            "give smaller ones",
        )
        if lengths is not None:
            check_lengths(f"{source}: lengths_{split}", lengths, values)
        if kind == "tokens":
            check_tokens(name, values, raw.vocabulary)
        check_finite(name, Part(values, lengths, files=raw.files))
        check_count(f"{source}: y_{split}", targets, samples=len(values), kind=kind)
        check_same_shape(name, values, raw.x_train, kind)


def _build(
    name: str, source: str, raw: RawArrays, task: Task, resident_bytes: int | None, folds: int = 1, fold: int = 0
) -> Dataset:
    """Hold out, checksum and standardize what a loader returned; ``source`` is what messages call it."""
    kind, inputs, given = kind_of_arrays(raw), {}, {}
    for split in _SPLITS:
        values, targets = getattr(raw, f"x_{split}"), getattr(raw, f"y_{split}")
        if values is not None and targets is not None:
            inputs[split], given[split] = (values, getattr(raw, f"lengths_{split}")), targets
    indices: dict[str, Array] = {}
    notes, fold_sizes, content = raw.notes, tuple[int, ...](), list[Array | Part]()
    if folds > 1:
        inputs, given, all_targets, indices, fold_sizes, found, content = fold_of(
            source, task, inputs, given, kind, folds, fold
        )
        notes += found
    elif "val" not in given:
        if len(raw.y_train) < 2:
            raise DataError(f"{source}: x_train holds one sample; at least 2 are needed, as a part is held out")
        task.prepare(source, given)  # what is wrong is said of the arrays as they were given
        strata = task.strata(raw.y_train)
        if isinstance(task, Classification) and len(np.unique(strata)) == len(strata):
            raise DataError(
                f"{source}: a single sample of each class is there to train on, and a part is held out for validation; "
                "give more of each, or a validation set"
            )
        kept, held = hold_out(strata)
        notes += hold_out_notes(strata, held)
        indices = {"train": kept, "val": held}
        inputs["val"] = inputs["train"]
        given |= {"train": raw.y_train[kept], "val": raw.y_train[held]}
    targets_ = task.prepare(source, given)
    parts, names, of_features = _parts(inputs, indices, kind, raw.files), tuple[str, ...](), tuple[str, ...]()
    if raw.encoder is not None:
        parts, of_features = _encoded(source, raw.encoder, parts)
        names = raw.encoder.names
        content += [raw.encoder.content] if content else []
    splits, constant = _splits(parts, targets_, kind, resident_bytes)
    if constant.all() and len(constant):
        raise DataError(f"{source}: x_train holds the same in every sample, so there is nothing to learn by")
    learned = targets_.by_split if targets_.scale == UNSCALED else {each: _numbers(given[each]) for each in _SPLITS}
    lengths = [parts[each].all_lengths() for each in _SPLITS]
    is_ragged = any(each is not None and bool((each < parts["train"].shape[1]).any()) for each in lengths)
    ragged = int(lengths[0].max()) if is_ragged and lengths[0] is not None else 0
    hashed: list[Array | Part] = [array for each in _SPLITS for array in (parts[each], learned[each])]
    hashed += [each for each in lengths if each is not None]
    if kind == "tokens" and raw.vocabulary != targets_.outputs:  # so that the arrays do not say it
        hashed.append(np.array([raw.vocabulary]))
    hashed = content or hashed
    of_samples = SampleHashes(hashed)
    total = checksum(hashed, of_samples.add)
    if folds > 1:
        duplicates = repeated_note(of_samples.of_parts[0], all_targets)
    else:
        train, val, test = zip(of_samples.of_parts, (targets_.by_split[each] for each in _SPLITS), strict=True)
        duplicates = duplicates_note([train, val] if indices else [train], test)
    return Dataset(
        name,
        train=splits[0],
        validation=splits[1],
        test=splits[2],
        outputs=targets_.outputs,
        checksum=total,
        scale=targets_.scale,
        kind=kind,
        vocabulary=raw.vocabulary if kind == "tokens" else None,
        ragged=ragged,
        notes=(
            *notes,
            *(targets_.notes if folds == 1 else ()),  # else those of all folds are among the others
            *of_features,
            *_layout_note(raw, kind),
            *(["numbers of positions and values are told for the longest sequences"] if is_ragged else []),
            *_constant_note(constant, kind, names),
            *duplicates,
        ),
        fold_sizes=fold_sizes,
    )


def _parts(
    inputs: Mapping[str, tuple[Array, Array | None]],
    indices: Mapping[str, Array],
    kind: SampleKind,
    files: tuple[MappedFile, ...],
) -> dict[str, Part]:
    """Return the samples of each split."""
    return {
        split: Part(channels_last(values, kind), lengths, indices.get(split), files)
        for split, (values, lengths) in inputs.items()
    }


def _encoded(source: str, encoder: Encoder, parts: Mapping[str, Part]) -> tuple[dict[str, Part], tuple[str, ...]]:
    """Return the features of each split, made by what is fitted to the training rows alone, and notes."""
    encoder.fit(parts["train"])
    encoded = {
        split: Part(mapped(source, (encoder(block) for _, block in part.raw_blocks()))) for split, part in parts.items()
    }
    return encoded, encoder.notes(parts)


def _splits(
    parts: Mapping[str, Part], targets: Targets, kind: SampleKind, resident_bytes: int | None
) -> tuple[list[Split], Array]:
    """Return the splits in their order, and which channels are constant in training."""
    statistics = None if kind == "tokens" else channel_statistics(parts["train"])
    stored = [StoredInputs(parts[split], statistics) for split in _SPLITS]
    inputs: Sequence[StoredInputs | Tensor] = stored
    needed = sum(each.shape.numel() * each.dtype.itemsize for each in stored)
    if resident_bytes is None or needed <= resident_bytes:
        inputs = [each.resident() for each in stored]
    learned = [torch.from_numpy(targets.by_split[split]) for split in _SPLITS]
    constant = np.zeros(0, dtype=bool) if statistics is None else statistics.is_constant
    return [Split(*each) for each in zip(inputs, learned, strict=True)], constant


def _constant_note(is_constant: Array, kind: SampleKind, names: Sequence[str]) -> tuple[str, ...]:
    count, of, what = int(is_constant.sum()), len(is_constant), "features" if kind == "vectors" else "channels"
    if not count:
        return ()
    listed = [f"'{name}'" for name, constant in zip(names, is_constant, strict=True) if constant] if names else []
    shown = ", ".join([*listed[:_NAMES_SHOWN], *(["..."] if len(listed) > _NAMES_SHOWN else [])])
    return (
        f"{count} of {of} {what} {'is' if count == 1 else 'are'} constant in training{f': {shown}' if shown else ''}",
    )


def _layout_note(raw: RawArrays, kind: SampleKind) -> tuple[str, ...]:
    """Say how samples were read that may have been meant otherwise, as their channels may stand first."""
    shape = np.shape(raw.x_train)
    if kind == "sequences" and len(shape) == 3 and shape[1] < shape[2]:
        return (
            f"x_train has shape {shape}, read as sequences (N, T, C) of {shape[2]} channels; if channels stand first, "
            "use numpy.moveaxis(x, 1, -1)",
        )
    if kind != "images" or len(shape) != 4 or shape[1] == shape[2] or shape[2] != shape[3]:
        return ()
    return (
        f"x_train has shape {shape}, read as images {shape[1]}x{shape[2]} of {shape[3]} channels; if channels stand "
        "first, use numpy.moveaxis(x, 1, -1)",
    )


def _numbers(targets: Array) -> Array:
    """Return targets as they were before they were standardized, whose last digits depend on the machine."""
    return targets.reshape(len(targets), -1).astype(np.float64)
