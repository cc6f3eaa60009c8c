"""The state of a comparison while it is trained: what is finished, running or failed, and the time left. Torch-free."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from statistics import fmean

from normzoo.experiment.config.spec import MatrixSpec, RunSpec
from normzoo.experiment.planning.groups import Group
from normzoo.experiment.results.records import EpochRecord, RunRecord
from normzoo.metric import Metric

MIN_SHARE_FOR_PACE = 0.02
"""The share of the expected work after which the pace so far replaces the expected time."""

CellKey = tuple[str, str, int]
"""Template, canonical norm and batch size."""

RunId = tuple[str, str, int, float, int]
"""Template, norm, batch size, learning rate and seed: unique within a comparison, and cheaper than a hash."""


def duration(seconds: float) -> str:
    """Format seconds as minutes and seconds.

    >>> duration(7.4), duration(185)
    ('7 s', '3 min 05 s')
    """
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


def run_id(spec: RunSpec) -> RunId:
    """Return what identifies a run within its comparison."""
    return spec.template, spec.norm, spec.batch_size, spec.lr, spec.seed


@dataclass(slots=True)
class CellProgress:
    """The finished runs of a norm in a template at a batch size.

    Attributes:
        n_ok: runs with a result.
        n_failed: runs that failed or diverged.
        score_sum: the sum of the results.
    """

    n_ok: int = 0
    n_failed: int = 0
    score_sum: float = 0.0

    @property
    def mean(self) -> float | None:
        """The mean result, as it is recorded; None without any."""
        return self.score_sum / self.n_ok if self.n_ok else None


@dataclass(slots=True)
class GroupProgress:
    """The runs that one worker trains.

    Attributes:
        spec: the run that started last.
        n_left: runs that are not finished.
        scores: the results so far.
        running: the latest epoch of each run in training, None before its first is over.
        started_at: when the first of the running runs started, by ``time.monotonic``.
    """

    spec: RunSpec
    n_left: int
    scores: list[float] = field(default_factory=list)
    running: dict[RunId, EpochRecord | None] = field(default_factory=dict)
    started_at: float = 0.0

    @property
    def cell(self) -> CellKey:
        """The cell that the runs belong to."""
        return self.spec.template, self.spec.norm, self.spec.batch_size

    @property
    def cell_label(self) -> str:
        """The cell in words."""
        return self.spec.place

    @property
    def label(self) -> str:
        """The running runs in words: a single one with its seed, several by their number."""
        return self.spec.label if len(self.running) == 1 else f"{self.cell_label}, {len(self.running)} runs"

    @property
    def epochs(self) -> list[EpochRecord]:
        """The latest epochs of the running runs that have finished one."""
        return [epoch for epoch in self.running.values() if epoch is not None]

    @property
    def status(self) -> str:
        """The number of finished epochs, and the mean training loss."""
        epochs = self.epochs
        done = f"epoch {self.n_epochs_done}/{self.spec.epochs}"
        return f"{done} loss {fmean(epoch.train_loss for epoch in epochs):.2f}" if epochs else done

    @property
    def n_epochs_done(self) -> int:
        """The largest number of epochs that a running run has finished."""
        return max((epoch.epoch for epoch in self.epochs), default=0)


class EtaEstimator:
    """Estimates the time left: from the expected seconds of each run, then from the pace so far.

    Args:
        groups: what is to be trained.
        jobs: the number of workers.

    Attributes:
        total: expected seconds of all runs, summed over workers.
        done: expected seconds of what is done.
    """

    def __init__(self, groups: Sequence[Group], jobs: int) -> None:
        self._seconds = {run_id(run): group.seconds / len(group.runs) for group in groups for run in group.runs}
        self._done = dict.fromkeys(self._seconds, 0.0)
        self._jobs, self._start = jobs, time.monotonic()
        self.total, self.done = sum(self._seconds.values()), 0.0

    def update(self, run: RunId, share: float) -> None:
        """Set which share of a run is done, in 0..1."""
        done = share * self._seconds[run]
        self.done += done - self._done[run]
        self._done[run] = done

    @property
    def elapsed(self) -> float:
        """Seconds since the beginning."""
        return time.monotonic() - self._start

    @property
    def seconds_left(self) -> float:
        """Estimated seconds until all runs are finished."""
        share = min(1.0, self.done / self.total) if self.total else 1.0
        if share < MIN_SHARE_FOR_PACE:
            return max(0.0, self.total - self.done) / self._jobs
        return self.elapsed * (1 - share) / share


class ProgressState:
    """Counts the events of a comparison, each in constant time.

    Args:
        matrix: what was asked for.
        metric: what is shown for each cell, on the test set.
        groups: what is to be trained.
        jobs: the number of workers.
        stored: records of the matrix from earlier; those of runs that are trained again do not count.

    Attributes:
        eta: the time left.
        n_runs: the number of runs to train.
        n_finished: the number of them that are finished.
        n_planned: the number of runs of a cell: one per seed and learning rate.
        cells: the finished runs of each cell.
        failures: a message for each run that failed or diverged in this comparison, and for those tried again.
    """

    def __init__(
        self,
        matrix: MatrixSpec,
        metric: Metric,
        groups: Sequence[Group],
        jobs: int,
        stored: Iterable[RunRecord] = (),
    ) -> None:
        self.matrix, self.metric, self.eta = matrix, metric, EtaEstimator(groups, jobs)
        self.n_planned = matrix.seeds * len(matrix.rates)
        self.cells = {
            (template, norm, size): CellProgress()
            for template in matrix.templates
            for norm in matrix.norms_in(template)
            for size in matrix.batch_sizes
        }
        progress = [(GroupProgress(group.runs[0], len(group.runs)), group.runs) for group in groups]
        self._group_of = {run_id(run): group for group, runs in progress for run in runs}
        self._running: dict[int, GroupProgress] = {}
        self.n_runs, self.n_finished = len(self._group_of), 0
        self.failures: list[str] = []
        for record in stored:
            if run_id(record.spec) not in self._group_of:
                self._count(record)

    def started(self, spec: RunSpec) -> None:
        """Count a run as running; one that already is starts over, and the others of its group wait again."""
        run = run_id(spec)
        group = self._group_of[run]
        self.eta.update(run, 0.0)
        if run in group.running:
            group.running.clear()
        if id(group) not in self._running:
            self._running[id(group)] = group
            group.started_at = time.monotonic()
        group.spec = spec
        group.running[run] = None

    def epoch(self, spec: RunSpec, epoch: EpochRecord) -> None:
        """Count an epoch of a running run."""
        run = run_id(spec)
        self.eta.update(run, epoch.epoch / spec.epochs)
        self._group_of[run].running[run] = epoch

    def tried_again(self, specs: Sequence[RunSpec], killed_by: str) -> str:
        """Count runs of a group as waiting once more, and return the message."""
        group = self._group_of[run_id(specs[0])]
        for spec in specs:
            self.eta.update(run_id(spec), 0.0)
            group.running.pop(run_id(spec), None)
        if not group.running:
            self._running.pop(id(group), None)
        runs = specs[0].label if len(specs) == 1 else f"{specs[0].place}, {len(specs)} runs"
        whose = "its" if len(specs) == 1 else "their"
        self.failures.append(f"tried again: {runs}: {whose} worker was killed ({killed_by})")
        return self.failures[-1]

    def finished(self, record: RunRecord) -> GroupProgress:
        """Count a run as finished, however it ended, and return its group."""
        run = run_id(record.spec)
        group = self._group_of[run]
        self.eta.update(run, 1.0)
        self.n_finished += 1
        group.n_left -= 1
        group.running.pop(run, None)
        if not group.running:
            self._running.pop(id(group), None)
        result = self._count(record)
        if result is not None:
            group.scores.append(result)
        elif record.status.is_final:
            self.failures.append(record.failure_message)
        return group

    def _count(self, record: RunRecord) -> float | None:
        """Count a record in its cell, and return its result."""
        spec, result = record.spec, record.test_value
        cell = self.cells[spec.template, spec.norm, spec.batch_size]
        if result is not None:
            cell.n_ok += 1
            cell.score_sum += result
        elif record.status.is_final:
            cell.n_failed += 1
        return result

    @property
    def n_failed(self) -> int:
        """The number of runs that failed or diverged, also in earlier comparisons."""
        return sum(cell.n_failed for cell in self.cells.values())

    @property
    def running(self) -> list[GroupProgress]:
        """The groups in training, in the order in which they started."""
        return list(self._running.values())

    @property
    def running_scores(self) -> dict[CellKey, list[float]]:
        """For each cell in training, the latest scores of its running runs that have finished an epoch."""
        scores: dict[CellKey, list[float]] = {}
        for group in self._running.values():
            scores.setdefault(group.cell, []).extend(epoch.test[self.metric.name] for epoch in group.epochs)
        return scores

    @property
    def count(self) -> str:
        """The number of finished runs, and of all."""
        return f"{self.n_finished}/{self.n_runs}"

    @property
    def time_left(self) -> str:
        """The estimated time left, in words."""
        return f"about {duration(self.eta.seconds_left)} left"
