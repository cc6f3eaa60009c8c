"""The parent: hands out groups to workers, and is the only writer of the store. Torch-free."""

import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol

from normzoo.errors import NormzooError, UsageError
from normzoo.experiment.config import Configuration
from normzoo.experiment.environment import available_cpus
from normzoo.experiment.interrupts import interrupts_deferred
from normzoo.experiment.messages import (
    Checked,
    EpochDone,
    GroupDone,
    Message,
    Prepare,
    Refused,
    RunDone,
    Started,
    Train,
    WorkerDied,
)
from normzoo.experiment.plan import Group
from normzoo.experiment.pool import Worker, WorkerPool
from normzoo.experiment.prepared import Prepared
from normzoo.experiment.records import EpochRecord, RunRecord, Status
from normzoo.experiment.spec import RunSpec
from normzoo.experiment.store import Store


class Listener(Protocol):
    """Hears what happens while a matrix is trained."""

    def started(self, spec: RunSpec) -> None:
        """Hear that a run begins."""

    def epoch(self, spec: RunSpec, epoch: EpochRecord) -> None:
        """Hear that an epoch is over."""

    def finished(self, record: RunRecord) -> None:
        """Hear that a run is over and its record is in the store."""


def prepare_matrix(configuration: Configuration, pool: WorkerPool) -> Prepared:
    """Have a worker check the matrix against data, device and norms.

    Raises:
        UsageError: it cannot be carried out as asked for.
        NormzooError: the worker died over it.
    """
    worker = pool.start()
    worker.send(Prepare(configuration.matrix, configuration.execution))
    message = worker.hear()
    match message:
        case Checked(prepared):
            return prepared
        case Refused(reason):
            raise UsageError(reason)
        case WorkerDied(reason):
            raise NormzooError(f"preparing the matrix failed: {reason}")
        case _:
            raise NormzooError(f"preparing the matrix failed: the worker said {type(message).__name__}")


@dataclass
class _Job:
    """What one worker has in hand."""

    waiting: deque[RunSpec]
    current: RunSpec | None = None
    started: float = 0.0
    started_at: str = ""
    epochs: list[EpochRecord] = field(default_factory=list)


@dataclass
class MatrixRunner:
    """Hands out groups of runs to workers, and keeps every record as it comes in.

    A worker that dies or exceeds the time limit loses the run it was at; the rest of its group goes on in a new one.
    """

    configuration: Configuration
    prepared: Prepared
    pool: WorkerPool
    store: Store
    listener: Listener
    _queue: deque[tuple[RunSpec, ...]] = field(default_factory=deque, init=False)
    _jobs: dict[Worker, _Job] = field(default_factory=dict, init=False)
    _size: int = field(default=1, init=False)

    def run(self, groups: Sequence[Group]) -> None:
        """Train the groups.

        Raises:
            KeyboardInterrupt: passed on, once what was finished is kept and what was not is recorded as interrupted.
        """
        self._queue = deque(group.runs for group in groups)
        self._size = self.configuration.execution.jobs_for(self.prepared.device, len(groups))
        try:
            while self._queue or self._jobs:
                self._hand_out()
                for worker in self.pool.wait(self._patience()):
                    with interrupts_deferred():
                        self._answer(worker, worker.hear())
                self._end_overdue()
        except KeyboardInterrupt:
            self._interrupt()
            raise

    def _hand_out(self) -> None:
        idle = [worker for worker in self.pool.workers if worker not in self._jobs]
        while self._queue and len(self._jobs) < self._size:
            worker = idle.pop() if idle else self.pool.start()
            runs = self._queue.popleft()
            self._jobs[worker] = _Job(deque(runs))
            dataset, execution = self.configuration.matrix.dataset, self.configuration.execution
            worker.send(Train(runs, dataset, execution, self.prepared.device, self._threads))

    def _answer(self, worker: Worker, message: Message) -> None:
        job = self._jobs.get(worker)
        match message:
            case Started(spec) if job:
                job.current, job.epochs = spec, []
                job.started, job.started_at = time.monotonic(), datetime.now(UTC).isoformat(timespec="seconds")
                job.waiting.remove(spec)
                self.listener.started(spec)
            case EpochDone(spec, epoch) if job:
                job.epochs.append(epoch)
                self.listener.epoch(spec, epoch)
            case RunDone(record) if job:
                job.current = None
                self._keep(record)
            case GroupDone():
                del self._jobs[worker]
            case WorkerDied(reason):
                self._lose(worker, "failed", reason)

    @property
    def _threads(self) -> int:
        """How many threads each worker gets."""
        return max(1, available_cpus() // self._size)

    def _keep(self, record: RunRecord) -> None:
        self.store.add(record)
        self.listener.finished(record)

    def _lose(self, worker: Worker, status: Status, reason: str) -> None:
        """Record the run that a worker was at, and queue the rest of its group again."""
        job = self._jobs.pop(worker, None)
        self.pool.end(worker)
        if job is None:
            return
        if job.current is None and job.waiting:
            job.current = job.waiting.popleft()  # it died before it began: blame the next, or it would die for ever
        if job.current is not None:
            self._keep(self._lost_record(job, job.current, status, reason))
        if job.waiting:
            self._queue.appendleft(tuple(job.waiting))

    def _lost_record(self, job: _Job, spec: RunSpec, status: Status, reason: str) -> RunRecord:
        return RunRecord(
            spec=spec,
            status=status,
            error=reason,
            epochs=tuple(job.epochs),
            started_at=job.started_at or datetime.now(UTC).isoformat(timespec="seconds"),
            seconds=time.monotonic() - job.started if job.started else 0.0,
            environment={**self.prepared.environment, "threads": self._threads},
        )

    def _patience(self) -> float | None:
        """Return the seconds until the next run exceeds the time limit."""
        if self.configuration.execution.timeout is None:
            return None
        started = [job.started for job in self._jobs.values() if job.current]
        return max(0.0, min(started) + self.configuration.execution.timeout - time.monotonic()) if started else None

    def _end_overdue(self) -> None:
        limit = self.configuration.execution.timeout
        if limit is None:
            return
        for worker, job in list(self._jobs.items()):
            if job.current and time.monotonic() - job.started > limit and not worker.has_message():
                self._lose(worker, "timeout", f"the run took longer than {limit:g} s")

    def _interrupt(self) -> None:
        """Hear what was already said, end the workers, and record what they were at."""
        for worker in list(self._jobs):
            while worker in self._jobs and worker.has_message():
                self._answer(worker, worker.hear())
        self._queue.clear()
        for worker, job in list(self._jobs.items()):
            if job.current is not None:
                job.waiting.clear()
                self._lose(worker, "interrupted", "interrupted by the user")
