"""In what two runs differ: value by value, and epoch by epoch. Pure and torch-free."""

import itertools
from collections.abc import Mapping
from typing import Any, NamedTuple

from normzoo.experiment.results.records import EpochRecord, RunRecord
from normzoo.experiment.results.tabular import flat


class Difference(NamedTuple):
    """A value that is not the same in both; None where one has none."""

    name: str
    a: Any
    b: Any


class Apart(NamedTuple):
    """The first epoch after which two runs are not the same, and in what."""

    epoch: int
    differences: list[Difference]


def differences(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[Difference]:
    """Return what is not the same, in the order of ``a``, then of ``b``; NaN is the same as NaN.

    >>> differences({"seed": 0, "lr": 0.1}, {"seed": 1, "lr": 0.1})
    [Difference(name='seed', a=0, b=1)]
    """
    pairs = [Difference(name, a.get(name), b.get(name)) for name in dict.fromkeys((*a, *b))]
    return [pair for pair in pairs if not _same(pair.a, pair.b)]


def first_apart(a: RunRecord, b: RunRecord) -> Apart | None:
    """Return where the metrics of two runs part, to the last digit; None where they are the same to the end.

    A run that has fewer epochs than the other parts from it after its last.
    """
    for epoch, (one, other) in enumerate(itertools.zip_longest(a.epochs, b.epochs), start=1):
        found = differences(_metrics(one), _metrics(other))
        if found:
            return Apart(epoch, found)
    return None


def same_result(a: RunRecord, b: RunRecord) -> bool:
    """Whether two records agree in their status and in the metrics of every epoch; times and machines do not count."""
    return a.status == b.status and first_apart(a, b) is None


def _metrics(epoch: EpochRecord | None) -> dict[str, Any]:
    return {} if epoch is None else {**flat(epoch.model_dump(exclude={"epoch", "seconds"}))}


def _same(a: Any, b: Any) -> bool:
    return bool(a == b or (a != a and b != b))  # NaN is what does not equal itself
