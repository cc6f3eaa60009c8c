"""Sequences in the text format of the UCR and UEA archives of time series: ``ts:NAME_TRAIN.ts``.

A header of lines ``@name value`` ends with ``@data``; then each line is a case: its channels, divided by colons, each a
list of numbers, and its label last. Lines that begin with ``#`` are comments. Source: Bagnall et al. (2018), "The UEA
multivariate time series classification archive".
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from normzoo.data._dataset import Array, RawArrays
from normzoo.errors import DataError

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
    train_path = Path(argument).expanduser()
    if test is None and not train_path.name.endswith(_TRAIN):
        raise DataError(f"{source}: its name does not end in {_TRAIN}, so say which file the test set is: test=PATH")
    test_path = Path(test).expanduser() if test else train_path.with_name(train_path.name.removesuffix(_TRAIN) + _TEST)
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
        raise DataError(f"{source}: no such file; check the path '{path.absolute()}'")
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{source}: {path.name} cannot be read ({error})") from error
    start = next((index for index, line in enumerate(lines) if line.strip().lower() == "@data"), None)
    if start is None:
        raise DataError(f"{source}: {path.name} has no line @data, so it is not in the .ts format")
    header = dict(_header(line) for line in lines[:start] if line.startswith("@"))
    if header.get("@timestamps", "false").lower() == "true":
        raise DataError(f"{source}: {path.name} has time stamps, which are not read; write the values alone")
    if header.get("@targetlabel", "false").lower() == "true":
        is_number = True
    else:
        is_number = False
        if header.get("@classlabel", "").split()[:1] in ([], ["false"]):
            raise DataError(f"{source}: {path.name} has no labels (@classLabel); there is nothing to learn")
    cases, labels = [], []
    for number, line in enumerate(lines[start + 1 :], start + 2):
        if line.strip() and not line.startswith("#"):
            *channels, label = line.strip().split(":")
            cases.append(_case(f"{source}: {path.name}, line {number}", channels))
            labels.append(label.strip())
    if not cases:
        raise DataError(f"{source}: {path.name} holds no cases after @data")
    return _padded(f"{source}: {path.name}", cases, _labels(f"{source}: {path.name}", labels, is_number=is_number))


def _header(line: str) -> tuple[str, str]:
    name, _, value = line.partition(" ")
    return name.lower(), value.strip()


def _case(where: str, channels: list[str]) -> Array:
    """Read a case ``(T, C)``."""
    if not channels:
        raise DataError(f"{where}: expected channels and a label, divided by colons")
    try:
        values = [np.array(channel.split(","), dtype=np.float64) for channel in channels]
    except ValueError as error:
        missing = any("?" in channel for channel in channels)
        raise DataError(
            f"{where}: {'a value is missing (?)' if missing else error}; fill it in or leave the case out"
        ) from error
    lengths = {len(each) for each in values}
    if len(lengths) > 1:
        raise DataError(f"{where}: its channels are of different lengths, {', '.join(map(str, sorted(lengths)))}")
    return np.stack(values, -1)


def _labels(where: str, labels: list[str], *, is_number: bool) -> Array:
    if not is_number:
        return np.array(labels)
    try:
        return np.array(labels, dtype=np.float64)
    except ValueError as error:
        raise DataError(f"{where}: {error}; @targetLabel says that targets are numbers") from error


def _padded(where: str, cases: list[Array], labels: Array) -> _Cases:
    channels = {each.shape[1] for each in cases}
    if len(channels) > 1:
        raise DataError(f"{where}: cases have different numbers of channels, {', '.join(map(str, sorted(channels)))}")
    lengths = np.array([len(each) for each in cases])
    values = np.zeros((len(cases), lengths.max(), channels.pop()))
    for index, each in enumerate(cases):
        values[index, : len(each)] = each
    return _Cases(values, lengths, labels)
