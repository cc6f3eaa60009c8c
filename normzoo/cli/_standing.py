"""What is known of a matrix while it is trained: what is in, what is in flight, what went wrong. Pure."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from normzoo.cli._account import Account, RunId, identify
from normzoo.experiment.config.spec import MatrixSpec, RunSpec
from normzoo.experiment.planning.groups import Group
from normzoo.experiment.results.records import EpochRecord, RunRecord
from normzoo.registry import NORMS

Place = tuple[str, str, int]
"""Template, canonical norm and batch size: a cell of the tables."""


@dataclass(slots=True)
class Cell:
    """What is in of a norm at a batch size.

    Attributes:
        ok: how many runs have a result.
        lost: how many diverged or failed.
        total: the sum of the ok runs' test accuracies.
    """

    ok: int = 0
    lost: int = 0
    total: float = 0.0

    @property
    def mean(self) -> float | None:
        """The mean test accuracy of the ok runs, in 0..1; None without any."""
        return self.total / self.ok if self.ok else None


@dataclass(slots=True)
class Flight:
    """A group's runs in flight, each with its latest epoch, or None before the first is over."""

    spec: RunSpec
    began: float = field(default_factory=lambda: time.monotonic())
    epochs: dict[RunId, EpochRecord | None] = field(default_factory=dict)

    @property
    def place(self) -> Place:
        """The cell that the runs belong to."""
        return _place(self.spec)

    @property
    def elapsed(self) -> float:
        """Seconds since the first of them began."""
        return time.monotonic() - self.began

    @property
    def known(self) -> list[EpochRecord]:
        """The latest epochs of those runs that have one."""
        return [epoch for epoch in self.epochs.values() if epoch is not None]


class Standing:
    """Counts what happens as it is told, each event in a time that does not depend on how many runs there are.

    Args:
        matrix: what was asked for.
        groups: what is to be trained.
        jobs: by how many workers.
        stored: records of the matrix from before; those of runs that are trained again do not count.

    Attributes:
        account: how far it is.
        planned: how many runs a cell has: one per seed and learning rate.
        cells: what is in, by place.
        flights: what is in flight, by the position of its group.
        lost: how many runs diverged or failed.
        troubles: what to tell of those that did so now, in one line each.
    """

    def __init__(
        self, matrix: MatrixSpec, groups: Sequence[Group], jobs: int, stored: Iterable[RunRecord] = ()
    ) -> None:
        self.matrix, self.account = matrix, Account(groups, jobs)
        self.planned = matrix.seeds * len(matrix.rates)
        self.norms = {norm: NORMS.canonical(norm) for norm in matrix.norms}
        self.cells = {
            (template, norm, size): Cell()
            for template in matrix.templates
            for norm in self.norms.values()
            for size in matrix.batch_sizes
        }
        self.flights: dict[int, Flight] = {}
        self.lost = 0
        self.troubles: list[str] = []
        for record in stored:
            if identify(record.spec) not in self.account.group_of:
                self._count(record)

    def started(self, spec: RunSpec) -> None:
        """Count a run as in flight; one that is in flight already is tried anew, and its group's others wait again."""
        self.account.begin(spec)
        run = identify(spec)
        number = self.account.group_of[run]
        flight = self.flights.get(number)
        if flight is None:
            flight = self.flights[number] = Flight(spec)
        if run in flight.epochs:
            flight.epochs.clear()
        flight.spec = spec
        flight.epochs[run] = None

    def epoch(self, spec: RunSpec, epoch: EpochRecord) -> None:
        """Count an epoch of a run in flight."""
        self.account.advance(spec)
        run = identify(spec)
        self.flights[self.account.group_of[run]].epochs[run] = epoch

    def finished(self, record: RunRecord) -> None:
        """Count a run as in, or as lost."""
        self.account.finish(record.spec)
        run = identify(record.spec)
        number = self.account.group_of[run]
        if number in self.flights:
            self.flights[number].epochs.pop(run, None)
            if not self.flights[number].epochs:
                del self.flights[number]
        self._count(record)
        if record.status not in ("ok", "interrupted"):
            self.troubles.append(record.trouble)

    def _count(self, record: RunRecord) -> None:
        cell = self.cells[_place(record.spec)]
        accuracy = record.test_value
        if accuracy is not None:
            cell.ok += 1
            cell.total += accuracy
        elif record.status != "interrupted":
            cell.lost += 1
            self.lost += 1


def _place(spec: RunSpec) -> Place:
    return spec.template, spec.norm, spec.batch_size
