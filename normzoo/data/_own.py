"""What a user's own code hands over as a dataset, as ``RawArrays``: arrays, or torch Datasets, whose items are read."""

import traceback
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from torch import Tensor, bfloat16
from torch.utils.data import DataLoader, IterableDataset

from normzoo.data._dataset import DIMENSIONS, SHAPES, Array, RawArrays, SampleKind, kind_of_arrays
from normzoo.data._mapped import room_for
from normzoo.data.npz import NOTES, REQUIRED, wanted
from normzoo.errors import DataError, error_line, nearest
from normzoo.libraries import is_of_library

_SPLITS = ("train", "val", "test")
_SAID = ("kind", "vocabulary")
"""What a mapping may say beside its arrays or Datasets."""

_FORMS = (
    "a dataset is (x_train, y_train, x_test, y_test), a mapping of these names, RawArrays, or torch Datasets: "
    "(train, test), (train, val, test), or a mapping of these names"
)
_READ_TWICE = 8
"""Items that are read again, to see whether they are random."""

_LOADER = "is a DataLoader; batches are made by normzoo, so give what it loads: loader.dataset"

_FAILURES = (TypeError, ValueError, RuntimeError)
"""What making an array of something raises."""


def raw_arrays(source: str, given: Any) -> RawArrays:
    """Return a dataset as arrays; ``source`` is what messages call it.

    Arrays and tensors are channels last, as ``RawArrays`` says. Items of Datasets are pairs of an input and a target,
    as torch's networks take them: channels first, ``(C, H, W)``, ``(C, D, H, W)`` or ``(C, T)``, images also ``(H, W)``
    or of PIL, and vectors ``(F,)``. Where ``(C, T)`` differ in T they are sequences of different lengths.

    Args:
        source: what it is.
        given: RawArrays; ``(x_train, y_train, x_test, y_test)``, or a mapping of these and the other names of
            RawArrays; or map-style Datasets, ``(train, test)``, ``(train, val, test)`` or a mapping of these names.
            A mapping may also say ``kind`` and ``vocabulary``.

    Raises:
        DataError: it is something else, or an item cannot be read; the message says which.
    """
    if isinstance(given, Mapping):
        raw = _of_mapping(source, given)
    elif (
        isinstance(given, tuple | list)
        and len(given) == 2
        and all(isinstance(each, np.ndarray | Tensor) for each in given)
    ):
        raise DataError(
            f"{source}: two arrays leave no test set; to take folds of them, give a mapping of x_train and y_train to "
            f"them; {_FORMS}"
        )
    elif isinstance(given, tuple | list) and len(given) in (2, 3):
        if any(hasattr(each, "to_csv") for each in given):
            raise DataError(f"{source}: these are tables; write them with their to_csv, and give csv:PATH:test=PATH")
        names = _SPLITS if len(given) == len(_SPLITS) else ("train", "test")
        raw = _of_datasets(source, dict(zip(names, given, strict=True)), None)
    elif isinstance(given, tuple | list) and len(given) == len(REQUIRED):
        raw = RawArrays(**dict(zip(REQUIRED, given, strict=True)))
    elif isinstance(given, RawArrays):
        raw = given
    else:
        if hasattr(given, "to_csv"):
            raise DataError(f"{source}: it is a table; write it with its to_csv, and give csv:PATH")
        if isinstance(given, DataLoader):
            raise DataError(f"{source}: it {_LOADER}")
        one = f"a {_type(given)}"
        if _is_dataset(given):
            one = "one Dataset, which leaves no test set; to take folds of it, give a mapping of train to it"
        raise DataError(f"{source}: it is {'nothing' if given is None else one}; {_FORMS}")
    return _with_arrays(source, raw)


def named_arrays(source: str, given: Any) -> dict[str, Any]:
    """Return a dataset as the arrays of an ``.npz`` file by name, and its ``kind`` where it does not follow from them.

    Raises:
        DataError: see ``raw_arrays``; and of a table whose features are still to be made, which no such file holds.
    """
    raw = raw_arrays(source, given)
    if raw.encoder is not None:
        raise DataError(f"{source}: a table with what makes its features cannot be written down; give a function of it")
    arrays = {name: value for name, value in vars(raw).items() if isinstance(value, np.ndarray)}
    further = {"vocabulary": raw.vocabulary, NOTES: raw.notes or None}
    arrays |= {name: np.asarray(value) for name, value in further.items() if value is not None}
    follows = raw.kind in (None, kind_of_arrays(replace(raw, kind=None)))
    return arrays if follows else {**arrays, "kind": raw.kind}


def _of_mapping(source: str, given: Mapping[str, Any]) -> RawArrays:
    said = {name: given[name] for name in _SAID if name in given}
    if not set(_SPLITS) & set(given):
        return RawArrays(**{name: given[name] for name in wanted(source, list(given))}, **said)
    for name in given:
        if name not in (*_SPLITS, *_SAID):
            near = nearest(name, _SPLITS) or "; it holds train, test and perhaps val"
            raise DataError(f"{source}: a mapping of Datasets has no '{name}'{near}")
    if "train" not in given:
        raise DataError(f"{source}: there is no Dataset train; it holds {', '.join(given)}")
    raw = _of_datasets(source, {split: given[split] for split in _SPLITS if split in given}, said.get("kind"))
    return replace(raw, **said)


def _with_arrays(source: str, raw: RawArrays) -> RawArrays:
    """Make arrays of all that are to be arrays."""
    _check_fields(source, raw)
    _check_columns(source, raw)
    arrays: dict[str, Any] = {}
    for name in [each.name for each in fields(raw)]:
        if name.startswith(("x_", "y_", "lengths_")) and (value := getattr(raw, name)) is not None:
            _refuse_odd(f"{source}: {name}", value)
            try:
                arrays[name] = _array(value)
            except _FAILURES as error:
                raise DataError(
                    f"{source}: {name} is no array ({error_line(error)}); give all samples one shape, and sequences of "
                    "different lengths padded, with their lengths"
                ) from error
    return replace(raw, **arrays)


def _check_columns(source: str, raw: RawArrays) -> None:
    """Refuse frames whose columns are others than those of training, or in another order: arrays have no names."""
    names = {
        name: list(getattr(x, "columns", ()))
        for name in ("x_train", "x_val", "x_test")
        if (x := getattr(raw, name)) is not None
    }
    first = names.pop("x_train")
    for name, each in names.items():
        if first and each and each != first:
            what = "its columns in another order" if set(each) == set(first) else "other columns"
            raise DataError(f"{source}: {name} has {what} than x_train; give {name}[list(x_train.columns)]")


def _check_fields(source: str, raw: RawArrays) -> None:
    """Refuse what lacks something, and kinds that there are not."""
    if raw.kind is not None and raw.kind not in DIMENSIONS:
        raise DataError(
            f"{source}: there is no kind '{raw.kind}'{nearest(str(raw.kind), SHAPES)} (known: {', '.join(SHAPES)})"
        )
    if raw.vocabulary is not None and not isinstance(raw.vocabulary, int | np.integer):
        raise DataError(f"{source}: vocabulary is how many different tokens there are, not a {_type(raw.vocabulary)}")
    given = [split for split in _SPLITS[1:] if any(getattr(raw, f"{axis}_{split}") is not None for axis in "xy")]
    splits = ["train", *given]
    for name in (f"{axis}_{split}" for split in splits for axis in "xy"):
        if getattr(raw, name) is None:
            raise DataError(f"{source}: there is no {name}; inputs and targets of a split belong together")
    lengths = {split: getattr(raw, f"lengths_{split}") for split in splits}
    if all(each is None for each in lengths.values()):
        return
    if raw.kind not in (None, "sequences"):
        raise DataError(f"{source}: lengths are those of sequences, and its samples are {raw.kind}; leave them out")
    for split, each in lengths.items():
        if each is None:
            raise DataError(f"{source}: there is no lengths_{split}; give every split the lengths of its sequences")


def _array(value: Any) -> Array:
    """Return what a tensor, an array, a list or a number holds."""
    if isinstance(value, Tensor):
        return (value.float() if value.dtype == bfloat16 else value).numpy(force=True)
    return np.asarray(value)


def _refuse_odd(where: str, value: Any) -> None:
    """Refuse an array of which some values are said not to count, since they would count, and a sparse one."""
    if type(value).__module__.startswith("scipy.sparse"):
        raise DataError(f"{where} is a sparse {_type(value)}; give its toarray()")
    if isinstance(value, np.ma.MaskedArray) and np.ma.is_masked(value):
        raise DataError(
            f"{where} has masked values, which would count; put others in their place, as its filled() does"
        )


class _Items(NamedTuple):
    """The items of a Dataset in their order.

    Attributes:
        inputs: channels first, ``(N, *)`` where all are of one shape; else sequences ``(C, T)``, one by one.
        targets: ``(N, *)``.
    """

    inputs: Array | list[Array]
    targets: Array


def _of_datasets(source: str, datasets: Mapping[str, Any], kind: SampleKind | None) -> RawArrays:
    """Read every item of every Dataset."""
    items = {split: _read(source, split, dataset, kind) for split, dataset in datasets.items()}
    arrays: dict[str, Any] = {f"y_{split}": each.targets for split, each in items.items()}
    first = items["train"].inputs[0]
    for split, each in items.items():
        _check_shape(f"{source}: item 0 of {split}", each.inputs[0], "item 0 of train", first, kind)
    shapes = {each.inputs[0].shape for each in items.values()}
    if len(shapes) > 1 or any(isinstance(each.inputs, list) for each in items.values()):
        steps = max(sequence.shape[1] for each in items.values() for sequence in each.inputs)
        for split, each in items.items():
            arrays[f"x_{split}"] = np.zeros((len(each.inputs), steps, len(first)), first.dtype)
            arrays[f"lengths_{split}"] = np.array([sequence.shape[1] for sequence in each.inputs])
            for row, sequence in zip(arrays[f"x_{split}"], each.inputs, strict=True):
                row[: sequence.shape[1]] = sequence.T
    else:
        for split, each in items.items():
            arrays[f"x_{split}"] = _channels_last(np.asarray(each.inputs), kind)
    return RawArrays(**arrays)


def _channels_last(inputs: Array, kind: SampleKind | None) -> Array:
    """Return inputs ``(N, C, *)`` as ``RawArrays`` has them; those without channels, ``(H, W)``, stay so."""
    if inputs.ndim == 1:
        return inputs[:, np.newaxis]
    has_channels = inputs.ndim > 3 or (inputs.ndim == 3 and kind == "sequences")
    return np.moveaxis(inputs, 1, -1) if has_channels else inputs


def _is_dataset(dataset: Any) -> bool:
    """Whether it has items by their indices, as a list has."""
    is_array = isinstance(dataset, np.ndarray | Tensor | str | bytes | tuple)
    return not is_array and hasattr(dataset, "__getitem__") and not isinstance(dataset, Mapping)


def _read(source: str, split: str, dataset: Any, kind: SampleKind | None) -> _Items:
    """Read every item once, in order, and the first ones again."""
    count = _count(f"{source}: {split}", dataset)
    targets: list[Array] = []
    inputs: list[Array] = []
    for index in range(count):
        where = f"{source}: item {index} of {split}"
        value, target = _item(where, dataset, index)
        if index == 0:
            # Each input becomes a part of this; where they differ, what is not written to takes no memory.
            together, first = room_for((count, *value.shape), value.dtype), value
        if index < _READ_TWICE:
            _check_same(where, (value, target), _item(where, dataset, index))
        _check_shape(where, value, "item 0", first, kind)
        if value.dtype != first.dtype:
            raise DataError(f"{where} is of type {value.dtype}, item 0 of {first.dtype}; give all inputs one type")
        if value.shape == first.shape:
            together[index] = value
            value = together[index]
        inputs.append(value)
        targets.append(target)
    is_ragged = any(each.shape != first.shape for each in inputs)
    return _Items(inputs if is_ragged else together, _stacked(f"{source}: {split}", targets))


def _count(where: str, dataset: Any) -> int:
    """Return how many items a Dataset has, or refuse what is none."""
    if isinstance(dataset, DataLoader):
        raise DataError(f"{where} {_LOADER}")
    if not _is_dataset(dataset):
        raise DataError(f"{where} is a {_type(dataset)}, no Dataset; {_FORMS}")
    try:
        count = len(dataset)
    except (TypeError, NotImplementedError, AttributeError):
        count = None
    if count is None or isinstance(dataset, IterableDataset):
        raise DataError(f"{where} has no items by their indices, but is iterated over; give list(dataset) instead")
    if count == 0:
        raise DataError(f"{where} is empty; it needs at least one item")
    return count


def _item(where: str, dataset: Any, index: int) -> tuple[Array, Array]:
    """Return an input, channels first, and a target."""
    try:
        item = dataset[index]
    except Exception as error:
        raise DataError(f"{where} fails: {error_line(error)}{_place(error)}") from error
    if not isinstance(item, tuple | list) or len(item) != 2:
        made = f"{len(item)} parts" if isinstance(item, tuple | list) else f"a {_type(item)}"
        raise DataError(f"{where} is {made}; items are pairs (input, target), so give a Dataset that returns these")
    return _input(where, item[0]), _target(where, item[1])


def _input(where: str, given: Any) -> Array:
    from PIL.Image import Image

    if isinstance(given, Image):
        pixels = np.asarray(given.convert({"P": "RGB", "1": "L"}.get(given.mode, given.mode)))
        return np.moveaxis(pixels, -1, 0) if pixels.ndim == 3 else pixels[np.newaxis]
    if isinstance(given, int | float):
        return np.array(float(given))
    _refuse_odd(f"{where}: its input", given)
    value = None if isinstance(given, tuple | Mapping | str) else _array_or_none(given)
    if value is None:
        made = _type(given)
        raise DataError(f"{where} has a {made} for its input; inputs are tensors, arrays, numbers or images of PIL")
    if value.ndim == 3 and value.shape[2] in (1, 3) and value.shape[0] > 4:
        raise DataError(
            f"{where} has an input of shape {value.shape}, which looks like (H, W, C); items are (C, H, W), as "
            "torchvision's ToTensor makes them"
        )
    return value


def _target(where: str, given: Any) -> Array:
    value = None if given is None or isinstance(given, Mapping) else _array_or_none(given)
    if value is None:
        made = "no target" if given is None else f"a {_type(given)} for its target"
        raise DataError(f"{where} has {made}; targets are numbers, texts, or arrays of one shape")
    return value


def _array_or_none(given: Any) -> Array | None:
    """Return what an array can be made of that holds no Python objects."""
    try:
        value = _array(given)
    except _FAILURES:
        return None
    return None if value.dtype.kind == "O" else value


def _check_same(where: str, once: Sequence[Array], again: Sequence[Array]) -> None:
    """Refuse an item that is another one when it is read again."""
    for before, after in zip(once, again, strict=True):
        if before.shape != after.shape or before.tobytes() != after.tobytes():
            raise DataError(
                f"{where} is another one when it is read again; random changes of training images belong to --augment, "
                "so give a Dataset without them"
            )


def _check_shape(where: str, value: Array, other: str, first: Array, kind: SampleKind | None) -> None:
    """Refuse an input of another shape, unless they are sequences, of different lengths."""
    are_sequences = value.ndim == first.ndim == 2 and len(value) == len(first) and kind in (None, "sequences")
    if value.shape != first.shape and not are_sequences:
        way_out = "sequences are (C, T), and may differ in T" if first.ndim < 3 else "bring all to one shape"
        raise DataError(f"{where} has an input of shape {value.shape}, {other} of {first.shape}; {way_out}")


def _stacked(where: str, targets: Sequence[Array]) -> Array:
    """Return targets as one array."""
    first = targets[0]
    for index, target in enumerate(targets):
        if target.shape != first.shape:
            raise DataError(
                f"{where}: item {index} has a target of shape {target.shape}, item 0 of {first.shape}; give all one"
            )
        if (target.dtype.kind in "US") != (first.dtype.kind in "US"):
            kinds = ("text", "numbers") if target.dtype.kind in "US" else ("numbers", "text")
            raise DataError(
                f"{where}: item {index} has {kinds[0]} for its target, item 0 {kinds[1]}; give all one type"
            )
    return np.stack(targets)


def _place(error: BaseException) -> str:
    """Return where an item failed: the innermost line that is not an installed library's, if there is one."""
    frames = traceback.extract_tb(error.__traceback__)[1:]
    own = [frame for frame in frames if not is_of_library(Path(frame.filename))]
    return "".join(f" ({frame.filename}:{frame.lineno})" for frame in (own or frames)[-1:])


def _type(value: object) -> str:
    return type(value).__name__
