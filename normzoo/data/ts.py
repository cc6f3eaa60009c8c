"""Sequences in the text format of the UCR and UEA archives of time series: ``ts:NAME_TRAIN.ts``.

A header of lines ``@name value`` ends with ``@data``; then each line is a case: its channels, divided by colons, each a
list of numbers, and its label last. Lines that begin with ``#`` are comments. Source: Bagnall et al. (2018), "The UEA
multivariate time series classification archive".
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from normzoo.data._dataset import Array, RawArrays
from normzoo.errors import DataError, counted
from normzoo.memory import require_memory
from normzoo.registry.datasets import at_home, not_there

_SHOWN, _LONGEST = 10, 40
"""Values that a message lists, and characters of a text that it shows."""

_TRAIN, _TEST = "_TRAIN.ts", "_TEST.ts"


class _Cases(NamedTuple):
    """What a file holds: sequences ``(N, T, C)``, padded with zeros, their lengths and their labels."""

    values: Array
    lengths: Array
    labels: Array


def load(*, argument: str, test: str | None = None) -> RawArrays:
    """Read the training cases of a file, and the test cases of another.

    Args:
        argument: the path of the training cases, such as ``JapaneseVowels_TRAIN.ts``.
        test: the path of the test cases; by default that with ``_TEST.ts`` in place of ``_TRAIN.ts``.

    Raises:
        DataError: a file is missing, or a line of it cannot be read; the message says which.
    """
    source = f"ts '{argument}'"
    train_path = at_home(argument)
    if not train_path.is_file():
        raise not_there(source, "ts", train_path)
    if test is None and not train_path.name.endswith(_TRAIN):
        raise DataError(f"{source}: its name does not end in {_TRAIN}, so say which file the test set is: test=PATH")
    test_path = at_home(test) if test else train_path.with_name(train_path.name.removesuffix(_TRAIN) + _TEST)
    train, tested = _read(source, train_path), _read(source, test_path)
    if train.values.shape[2] != tested.values.shape[2]:
        raise DataError(
            f"{source}: {train_path.name} has {train.values.shape[2]} channels, {test_path.name} "
            f"{tested.values.shape[2]}"
        )
    steps = max(train.values.shape[1], tested.values.shape[1])
    x_train, x_test = (
        np.pad(each.values, ((0, 0), (0, steps - each.values.shape[1]), (0, 0))) for each in (train, tested)
    )
    return RawArrays(
        x_train=x_train,
        y_train=train.labels,
        lengths_train=train.lengths,
        x_test=x_test,
        y_test=tested.labels,
        lengths_test=tested.lengths,
        kind="sequences",
    )


def _read(source: str, path: Path) -> _Cases:
    if not path.is_file():
        raise not_there(source, "ts", path)
    where = f"{source}: {path.name}"
    try:
        require_memory(2 * path.stat().st_size, where, "give fewer cases")
        lines = [line.strip() for line in path.read_text(encoding="utf-8-sig").split("\n")]
    except UnicodeDecodeError as error:
        raise DataError(f"{where} is no text in UTF-8 (byte {error.start:,}); write it as such") from error
    except OSError as error:
        raise DataError(f"{where} cannot be read ({error.strerror})") from error
    start = next((index for index, line in enumerate(lines) if line.lower() == "@data"), None)
    if start is None:
        raise DataError(f"{where} has no line @data, so it is not in the .ts format")
    header = _header(where, lines[:start])
    values: list[Array] = []
    labels: list[str | float] = []
    for number, line in enumerate(lines[start + 1 :], start + 2):
        if line and not line.startswith("#"):
            *channels, label = line.split(":")
            values.append(_case(f"{where}, line {number}", channels))
            labels.append(_label(f"{where}, line {number}", label.strip(), header))
    if not values:
        raise DataError(f"{where} holds no cases after @data")
    _check_header(where, header, values)
    return _padded(values, np.array(labels))


def _header(where: str, lines: Iterable[str]) -> Mapping[str, list[str]]:
    """Return what the header says, by names in lower case without their ``@``; refuse what is not read."""
    words = [line[1:].split() for line in lines if line.startswith("@")]
    header = {name.lower(): values for name, *values in filter(None, words)}
    if _says(header, "timestamps"):
        raise DataError(f"{where} has time stamps, which are not read; write the values alone")
    if not _says(header, "classlabel") and not _says(header, "targetlabel"):
        raise DataError(f"{where} has no labels (@classLabel true); there is nothing to learn")
    return header


def _says(header: Mapping[str, list[str]], name: str) -> bool:
    """Whether a line of the header says ``true``."""
    return [value.lower() for value in header.get(name, [])[:1]] == ["true"]


def _case(where: str, channels: Sequence[str]) -> Array:
    """Read a case ``(T, C)``."""
    if not channels:
        raise DataError(f"{where}: expected channels and a label, divided by colons")
    for number, channel in enumerate(channels, 1):
        if not channel.strip():
            raise DataError(f"{where}: channel {number} has no values; leave the case out")
    try:
        values = [np.array([float(value) for value in channel.split(",")]) for channel in channels]
    except ValueError as error:
        missing = any("?" in channel for channel in channels)
        raise DataError(
            f"{where}: {'a value is missing (?)' if missing else error}; fill it in or leave the case out"
        ) from error
    lengths = {len(each) for each in values}
    if len(lengths) > 1:
        raise DataError(f"{where}: its channels are of different lengths, {_listed(sorted(lengths))}; correct the case")
    return np.stack(values, -1)


def _label(where: str, label: str, header: Mapping[str, list[str]]) -> str | float:
    """Return a label; a number where the header says that targets are numbers."""
    if not label:
        raise DataError(f"{where}: there is no label after the last colon")
    if not _says(header, "classlabel"):
        try:
            return float(label)
        except ValueError as error:
            raise DataError(f"{where}: '{label}' is no number, and @targetLabel says that targets are") from error
    known = header["classlabel"][1:]
    if known and not set(label.split()) <= set(known):  # they are divided by blanks, which labels may have, too
        some = label if len(label) <= _LONGEST else f"{label[:_LONGEST]}..."
        raise DataError(f"{where}: the label '{some}' is none of those of @classLabel, {_listed(known)}")
    return label


def _check_header(where: str, header: Mapping[str, list[str]], values: Sequence[Array]) -> None:
    """Refuse cases of several numbers of channels, and others than the header says: a part of them may be lost."""
    channels, lengths = {each.shape[1] for each in values}, {len(each) for each in values}
    if len(channels) > 1:
        raise DataError(
            f"{where}: cases have different numbers of channels, {_listed(sorted(channels))}; correct the file"
        )
    said = ["1"] if _says(header, "univariate") else header.get("dimensions", header.get("dimension", []))[:1]
    if said and said != [str(max(channels))]:
        raise DataError(
            f"{where}: its cases have {counted(max(channels), 'channel')}, and its header says {said[0]}; "
            "correct the file"
        )
    if _says(header, "equallength") and len(lengths) > 1:
        raise DataError(
            f"{where}: its cases have {min(lengths)} to {max(lengths)} steps, and its header says that all have as "
            "many (@equalLength); correct the file"
        )


def _listed(values: Iterable[object]) -> str:
    """Write the first few of some values."""
    texts = [str(each) for each in values]
    return ", ".join(texts[:_SHOWN]) + (", ..." if len(texts) > _SHOWN else "")


def _padded(cases: Sequence[Array], labels: Array) -> _Cases:
    lengths = np.array([len(each) for each in cases])
    values = np.zeros((len(cases), lengths.max(), cases[0].shape[1]))
    for index, each in enumerate(cases):
        values[index, : len(each)] = each
    return _Cases(values, lengths, labels)
