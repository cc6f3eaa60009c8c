"""The parent: hands out groups to workers, and is the only writer of the store. Torch-free."""

import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol

from normzoo.experiment.config import Configuration
from normzoo.experiment.interrupts import interrupts_deferred
from normzoo.experiment.messages import EpochDone, GroupDone, Message, RunDone, Started, Train, WorkerDied
from normzoo.experiment.plan import Group
from normzoo.experiment.pool import Worker, WorkerPool
from normzoo.experiment.prepared import Prepared
from normzoo.experiment.records import EpochRecord, RunRecord, Status
from normzoo.experiment.sharing import threads_for
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


@dataclass
class _Flight:
    """A run that a worker is at."""

    spec: RunSpec
    started: float = field(default_factory=time.monotonic)
    started_at: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    epochs: list[EpochRecord] = field(default_factory=list)


@dataclass
class _Job:
    """What one worker has in hand: runs that wait, and those in flight: one, or all of a stack (``together``)."""

    group: Group
    gpu: int
    waiting: deque[RunSpec]
    flights: dict[str, _Flight] = field(default_factory=dict)
    contended: bool = False
    together: int = 1

    @property
    def begun(self) -> float:
        """When the runs in flight were started, by the clock of ``time.monotonic``."""
        return min(flight.started for flight in self.flights.values())


@dataclass
class MatrixRunner:
    """Hands out groups of runs to workers, and keeps every record as it comes in.

    A worker that dies loses the run it was at, and the rest of its group goes on in a new one; of a stack, each run is
    tried once more by itself. What exceeds the time limit is lost.
    """

    configuration: Configuration
    prepared: Prepared
    pool: WorkerPool
    store: Store
    listener: Listener
    _queue: deque[Group] = field(default_factory=deque, init=False)
    _jobs: dict[Worker, _Job] = field(default_factory=dict, init=False)
    _size: int = field(default=1, init=False)

    def run(self, groups: Sequence[Group], jobs: int) -> None:
        """Train the groups, so many at a time.

        Raises:
            KeyboardInterrupt: passed on, once what was finished is kept and what was not is recorded as interrupted.
        """
        self._queue = deque(groups)
        self._size = jobs
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
            worker = idle.pop(0) if idle else self.pool.start()
            group = self._queue.popleft()
            job = self._jobs[worker] = _Job(group, self._free_gpu(), deque(group.runs))
            dataset, execution = self.configuration.matrix.dataset, self.configuration.execution
            device = self.prepared.device
            worker.send(Train(group.runs, group.how, dataset, execution, device, self._threads, job.gpu))
        if len(self._jobs) > 1:
            for job in self._jobs.values():
                job.contended = True

    def _free_gpu(self) -> int:
        """Return the GPU with the fewest jobs."""
        busy = [job.gpu for job in self._jobs.values()]
        return min(range(max(1, self.prepared.gpus)), key=busy.count)

    def _answer(self, worker: Worker, message: Message) -> None:
        job = self._jobs.get(worker)
        match message:
            case Started(spec) if job:
                if spec.key in job.flights:  # what failed is tried anew: the others wait again
                    job.waiting.extendleft(flight.spec for flight in list(job.flights.values())[::-1])
                    job.flights.clear()
                if spec in job.waiting:
                    job.waiting.remove(spec)
                job.flights[spec.key] = _Flight(spec)
                job.together = len(job.flights)
                self.listener.started(spec)
            case EpochDone(spec, epoch) if job:
                job.flights[spec.key].epochs.append(epoch)
                self.listener.epoch(spec, epoch)
            case RunDone(record) if job:
                del job.flights[record.spec.key]
                self._keep(record, job)
            case GroupDone():
                del self._jobs[worker]
            case WorkerDied(reason):
                self._lose(worker, "failed", reason)

    @property
    def _threads(self) -> int:
        """How many threads each worker gets."""
        return threads_for(self._size)

    def _keep(self, record: RunRecord, job: _Job) -> None:
        alone = None
        if job.group.seconds_per_step is not None and not record.compiled:
            steps = job.group.steps / record.spec.epochs
            alone = job.group.seconds_per_step * steps / len(job.group.runs)
        record = record.model_copy(update={"contended": job.contended, "epoch_seconds_alone": alone})
        self.store.add(record)
        self.listener.finished(record)

    def _lose(self, worker: Worker, status: Status, reason: str) -> None:
        """Record what a worker was at, or queue it again where only one of its runs can be to blame."""
        job = self._jobs.pop(worker, None)
        self.pool.end(worker)
        if job is None:
            return
        if not job.flights and job.waiting:
            # It died before it began: blame the next, or it would die for ever.
            spec = job.waiting.popleft()
            job.flights[spec.key] = _Flight(spec)
        if len(job.flights) > 1 and status == "failed":
            suspects = [flight.spec for flight in job.flights.values()]
            self._queue.extendleft(job.group.part((spec,)) for spec in suspects[::-1])
        else:
            for flight in job.flights.values():
                self._keep(self._lost_record(job, flight, status, reason), job)
        if job.waiting:
            self._queue.appendleft(job.group.part(tuple(job.waiting)))

    def _lost_record(self, job: _Job, flight: _Flight, status: Status, reason: str) -> RunRecord:
        return RunRecord(
            spec=flight.spec,
            status=status,
            error=reason,
            epochs=tuple(flight.epochs),
            started_at=flight.started_at,
            seconds=(time.monotonic() - flight.started) / len(job.flights),
            engine=job.group.how.engine,
            members=len(job.flights),
            environment={**self.prepared.environment, "threads": self._threads},
        )

    def _limit(self, job: _Job) -> float:
        """Return the seconds that the runs in flight may take together."""
        return (self.configuration.execution.timeout or 0.0) * job.together

    def _patience(self) -> float | None:
        """Return the seconds until the next run exceeds the time limit."""
        if self.configuration.execution.timeout is None:
            return None
        ends = [job.begun + self._limit(job) for job in self._jobs.values() if job.flights]
        return max(0.0, min(ends) - time.monotonic()) if ends else None

    def _end_overdue(self) -> None:
        limit = self.configuration.execution.timeout
        if limit is None:
            return
        for worker, job in list(self._jobs.items()):
            if job.flights and time.monotonic() - job.begun > self._limit(job) and not worker.has_message():
                runs = "the run" if len(job.flights) == 1 else f"each of {len(job.flights)} stacked runs"
                self._lose(worker, "timeout", f"{runs} took longer than {limit:g} s")

    def _interrupt(self) -> None:
        """Hear what was already said, end the workers, and record what they were at."""
        for worker in list(self._jobs):
            while worker in self._jobs and worker.has_message():
                self._answer(worker, worker.hear())
        self._queue.clear()
        for worker, job in list(self._jobs.items()):
            if job.flights:
                job.waiting.clear()
                self._lose(worker, "interrupted", "interrupted by the user")
