"""Hands out groups of runs to an executor, and is the only writer of the store. Torch-free."""

import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol

from normzoo.errors import StoreError, UsageError
from normzoo.experiment.config.resolve import Configuration
from normzoo.experiment.config.spec import RunSpec
from normzoo.experiment.executor.protocol import Executor, Handle, Slots
from normzoo.experiment.planning.facts import NetworkFacts, Prepared
from normzoo.experiment.planning.groups import Group
from normzoo.experiment.results.records import EpochRecord, Place, RunRecord, Status
from normzoo.experiment.results.store import Store
from normzoo.experiment.worker.messages import (
    LAST_WORDS,
    PREPARING_SECONDS,
    EpochDone,
    Message,
    Rejected,
    RunDone,
    Started,
    TaskDone,
    Train,
    Trying,
    WorkerDied,
)
from normzoo.interrupts import interrupts_deferred

INTERRUPTED = "interrupted by the user"


class Listener(Protocol):
    """Is told what happens while a matrix is trained."""

    def started(self, spec: RunSpec) -> None:
        """Note that a run begins."""

    def epoch(self, spec: RunSpec, epoch: EpochRecord) -> None:
        """Note that an epoch is over."""

    def finished(self, record: RunRecord) -> None:
        """Note that a run is over and its record is in the store."""

    def tried_again(self, specs: Sequence[RunSpec], killed_by: str) -> None:
        """Note that runs wait once more, as their worker was killed."""


@dataclass
class _InFlight:
    """A run that a worker is at."""

    spec: RunSpec
    started: float = field(default_factory=time.monotonic)
    started_at: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    epochs: list[EpochRecord] = field(default_factory=list)


@dataclass
class _Job:
    """A task that is carried out: runs that wait, and those in flight: one, or all of a stack (``together``)."""

    group: Group
    waiting: deque[RunSpec]
    flights: dict[str, _InFlight] = field(default_factory=dict)
    contended: bool = False
    together: int = 1
    at: str = ""

    @property
    def begun(self) -> float:
        """When the runs in flight were started, by the clock of ``time.monotonic``."""
        return min(flight.started for flight in self.flights.values())


@dataclass
class Runner:
    """Hands out groups of runs, and keeps every record as it comes in.

    A worker that dies loses the run it was at, and the rest of its group goes on in another; of a stack, each run is
    tried once more by itself. Where the worker was killed, which need not be for what it was at, all that it was at is
    tried once more as it was, before that. What exceeds the time limit is lost.

    With ``replaces`` records take the place of results that are there; otherwise another command trained those
    meanwhile, and they stay.

    Attributes:
        tried_again: of each run that was, what killed its worker.
    """

    configuration: Configuration
    prepared: Prepared
    executor: Executor
    store: Store
    listener: Listener
    replaces: bool = False
    tried_again: dict[str, str] = field(default_factory=dict, init=False)
    _queue: deque[Group] = field(default_factory=deque, init=False)
    _jobs: dict[Handle, _Job] = field(default_factory=dict, init=False)
    _slots: Slots = field(default=Slots(1, 1), init=False)
    _unanswered: deque[tuple[Handle, Message]] = field(default_factory=deque, init=False)
    _refusal: str = field(default="", init=False)
    _is_ending: bool = field(default=False, init=False)

    def run(self, groups: Sequence[Group], slots: Slots) -> None:
        """Train the groups, so many at a time.

        Raises:
            KeyboardInterrupt: passed on, once what was finished is kept and what was not is recorded as interrupted.
            UsageError: a worker refuses its task, as the data is no longer what was planned with; likewise.
            StoreError: a record cannot be kept where it belongs; likewise, as far as the rest can be.
        """
        self._queue = deque(groups)
        self._slots = slots
        try:
            while self._queue or self._jobs:
                self._hand_out()
                self.executor.wait(self._next_deadline())
                with interrupts_deferred():
                    self._listen()
                    if self._refusal:
                        self._interrupt()
                        raise UsageError(self._refusal)
                self._end_overdue()
        except KeyboardInterrupt:
            with interrupts_deferred():  # pressing it twice loses nothing either
                self._interrupt()
            raise
        except StoreError:
            with interrupts_deferred(), suppress(StoreError):
                self._interrupt()
            raise

    def _hand_out(self) -> None:
        matrix, execution = self.configuration.matrix, self.configuration.execution
        while self._queue and len(self._jobs) < self._slots.count:
            group = self._queue.popleft()
            task = Train(
                runs=group.runs,
                dataset=matrix.dataset,
                task=matrix.task,
                execution=execution,
                device=self.prepared.device,
                threads=self._slots.threads,
                seconds=max(PREPARING_SECONDS, execution.timeout or 0.0),
            )
            self._jobs[self.executor.start(task)] = _Job(group, deque(group.runs))
        if len(self._jobs) > 1:
            for job in self._jobs.values():
                job.contended = True

    def _listen(self) -> None:
        """Answer what was told. It is told once, so that what an interrupt leaves unanswered is kept for later."""
        self._unanswered.extend(self.executor.events())
        while self._unanswered:
            self._answer(*self._unanswered.popleft())

    def _answer(self, handle: Handle, message: Message) -> None:
        job = self._jobs.get(handle)
        if job is None:
            return
        match message:
            case Started(spec):
                if spec.key in job.flights:  # what failed is tried again: the others wait once more
                    job.waiting.extendleft(flight.spec for flight in list(job.flights.values())[::-1])
                    job.flights.clear()
                if spec in job.waiting:
                    job.waiting.remove(spec)
                job.flights[spec.key] = _InFlight(spec)
                job.together, job.at = len(job.flights), ""
                self.listener.started(spec)
            case EpochDone(spec, epoch):
                job.flights[spec.key].epochs.append(epoch)
                self.listener.epoch(spec, epoch)
            case RunDone(record):
                del job.flights[record.spec.key]
                self._keep(record, job)
            case Rejected(reason):
                del self._jobs[handle]
                self._refusal = reason
            case TaskDone():
                del self._jobs[handle]
            case Trying(what):
                job.at = what
            case WorkerDied(reason, words, killed_by):
                over = f"{job.at}, " if job.at and not job.flights else ""
                if killed_by is None:
                    self._lose(handle, Status.FAILED, f"{over}{reason}", words)
                elif self._is_ending:
                    self._lose(handle, Status.INTERRUPTED, INTERRUPTED)
                elif not self._try_again(handle, killed_by):
                    self._lose(handle, Status.FAILED, f"{over}{reason}; an earlier try was killed, too", words)

    def _keep(self, record: RunRecord, job: _Job) -> None:
        alone = None
        if job.group.seconds_per_step is not None and not record.compiled:
            steps = job.group.steps / record.spec.epochs
            alone = job.group.seconds_per_step * steps / len(job.group.runs)
        spec = record.spec
        network = self.prepared.networks.get((spec.template, spec.norm), NetworkFacts())
        places = tuple(Place.at(spec.batch_size, facts) for facts in network.places)
        record = record.model_copy(update={"contended": job.contended, "epoch_seconds_alone": alone, "places": places})
        self.store.add(record, replaces=self.replaces)
        self.listener.finished(record)

    def _try_again(self, handle: Handle, killed_by: str) -> bool:
        """Queue once more all that a worker was at when it was killed; False if any of it was before."""
        job = self._jobs[handle]
        at_hand = [flight.spec for flight in job.flights.values()] or list(job.waiting)[:1]
        if any(spec.key in self.tried_again for spec in at_hand):
            return False
        del self._jobs[handle]
        self.tried_again.update({spec.key: killed_by for spec in at_hand})
        rest = (spec for spec in job.waiting if spec not in at_hand)
        if at_hand:
            self._queue.appendleft(job.group.part((*at_hand, *rest)))
            self.listener.tried_again(at_hand, killed_by)
        return True

    def _lose(self, handle: Handle, status: Status, reason: str, words: str = "") -> None:
        """Record what was in flight, or queue it again where only one of its runs can be to blame."""
        job = self._jobs.pop(handle)
        if not job.flights and job.waiting:
            # It died before it began: blame the next, or it would die for ever.
            spec = job.waiting.popleft()
            job.flights[spec.key] = _InFlight(spec)
        if len(job.flights) > 1 and status is Status.FAILED:
            suspects = [flight.spec for flight in job.flights.values()]
            self._queue.extendleft(job.group.part((spec,)) for spec in suspects[::-1])
        else:
            for flight in job.flights.values():
                self._keep(self._lost_record(job, flight, status, reason, words), job)
        if job.waiting:
            self._queue.appendleft(job.group.part(tuple(job.waiting)))

    def _lost_record(self, job: _Job, flight: _InFlight, status: Status, reason: str, words: str) -> RunRecord:
        return RunRecord(
            spec=flight.spec,
            status=status,
            error=reason,
            traceback=f"{LAST_WORDS}\n{words}" if words else None,
            epochs=tuple(flight.epochs),
            started_at=flight.started_at,
            seconds=(time.monotonic() - flight.started) / len(job.flights),
            members=len(job.flights),
            environment={**self.prepared.environment, "threads": self._slots.threads},
        )

    def _limit(self, job: _Job) -> float:
        """Return the seconds that the runs in flight may take together."""
        return (self.configuration.execution.timeout or 0.0) * job.together

    def _next_deadline(self) -> float | None:
        """Return the seconds until the next run exceeds the time limit."""
        if self.configuration.execution.timeout is None:
            return None
        ends = [job.begun + self._limit(job) for job in self._jobs.values() if job.flights]
        return max(0.0, min(ends) - time.monotonic()) if ends else None

    def _end_overdue(self) -> None:
        limit = self.configuration.execution.timeout
        if limit is None:
            return
        for handle, job in list(self._jobs.items()):
            if job.flights and time.monotonic() - job.begun > self._limit(job):
                runs = "the run" if len(job.flights) == 1 else f"each of {len(job.flights)} stacked runs"
                self.executor.cancel(handle)
                self._lose(handle, Status.TIMEOUT, f"{runs} took longer than {limit:g} s")

    def _interrupt(self) -> None:
        """Listen to what was already said, end what is carried out, and record what it was at."""
        self._is_ending = True
        self._listen()
        self._queue.clear()
        for handle, job in list(self._jobs.items()):
            self.executor.cancel(handle)
            if job.flights:
                job.waiting.clear()
                self._lose(handle, Status.INTERRUPTED, INTERRUPTED)
