"""What becomes of the runs of one store in another. Pure and torch-free."""

from collections.abc import Mapping
from dataclasses import dataclass

from normzoo.experiment.results.difference import same_result
from normzoo.experiment.results.records import RunRecord


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


_RESULT = 2


def _known(record: RunRecord) -> int:
    """Return how much is known of a run: nothing of an interrupted one, why it failed, or its result."""
    if record.status.has_result:
        return _RESULT
    return 1 if record.status.is_final else 0
