"""In what two runs differ, value by value and epoch by epoch, and two stores that are merged. Pure and torch-free."""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from normzoo.experiment.results.records import EpochRecord, RunRecord
from normzoo.experiment.results.tabular import flat

_RESULT = 2
"""What is known of a run that has a result; ``_known`` says of the others."""


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


@dataclass(frozen=True)
class Conflict:
    """A run that was trained twice with different results."""

    key: str
    ours: RunRecord
    theirs: RunRecord


@dataclass(frozen=True)
class MergePlan:
    """What to do with runs of another store.

    Attributes:
        added: keys of the runs that only the other store holds.
        settled: keys of the runs of which the other store knows more: a result where ours failed or was interrupted,
            or a failure where ours was interrupted.
        there: how many runs need nothing done: ours is the same, or knows no less.
        conflicts: the runs with a result in both, but a different one.
    """

    added: tuple[str, ...]
    settled: tuple[str, ...]
    there: int
    conflicts: tuple[Conflict, ...]


def plan_merge(ours: Mapping[str, RunRecord], theirs: Mapping[str, RunRecord]) -> MergePlan:
    """Compare the runs of two stores, by their keys.

    A result is the status and the metrics of every epoch, to the last digit; times and machines do not count. Where
    neither store has a result, ours stays.
    """
    added: list[str] = []
    settled: list[str] = []
    conflicts: list[Conflict] = []
    for key, record in theirs.items():
        if key not in ours:
            added.append(key)
        elif _known(record) > _known(ours[key]):
            settled.append(key)
        elif _known(record) == _known(ours[key]) == _RESULT and not same_result(record, ours[key]):
            conflicts.append(Conflict(key, ours[key], record))
    there = len(theirs) - len(added) - len(settled) - len(conflicts)
    return MergePlan(tuple(added), tuple(settled), there, tuple(conflicts))


def _known(record: RunRecord) -> int:
    """Return how much is known of a run: nothing of an interrupted one, why it failed, or its result."""
    if record.status.has_result:
        return _RESULT
    return 1 if record.status.is_final else 0
