"""From a configuration and what is stored to what is to be trained; asks an executor what it must know. Torch-free."""

import time
from collections import deque
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass

from normzoo.errors import NormzooError, UsageError
from normzoo.experiment.config.resolve import Configuration
from normzoo.experiment.config.spec import LeftOut, MatrixSpec, RunSpec, check_target
from normzoo.experiment.executor.protocol import Executor, Slots
from normzoo.experiment.planning.facts import Prepared, Timing, Timings, timing_key
from normzoo.experiment.planning.groups import Group, balance, expand, group, with_timings
from normzoo.experiment.worker.messages import (
    LAST_WORDS,
    PREPARING_SECONDS,
    TIMING_SECONDS,
    TOO_LONG,
    Checked,
    Loading,
    Message,
    Prepare,
    Rejected,
    TaskDone,
    Timed,
    TimeSteps,
    Trying,
    WorkerDied,
)

Progress = Callable[[int, int], None]
"""Is told how much of something is done, and of how much in all."""

_GRACE = 10.0
"""Seconds that an executor has to end what takes too long, as then it may say where that was."""


@dataclass(frozen=True)
class Stored:
    """What a store holds of earlier comparisons.

    Attributes:
        done: keys of the runs that are not to be trained again.
        timings: how long steps took.
    """

    done: Container[str]
    timings: Timings


@dataclass(frozen=True)
class Plan:
    """What is to be done.

    Attributes:
        matrix: what was asked for, without the norms that are left out of some networks.
        prepared: what a worker found out.
        runs: all of the matrix, in the order of the tables.
        groups: what is left to train, the longest first.
        slots: how many groups are trained at once.
        new_timings: what was timed for this plan.
    """

    matrix: MatrixSpec
    prepared: Prepared
    runs: list[RunSpec]
    groups: list[Group]
    slots: Slots
    new_timings: list[Timing]

    @property
    def unstacked(self) -> list[str]:
        """Why some norms are not trained side by side, each reason once."""
        unstacked = {
            (run.template, run.norm) for each in self.groups for run in each.runs if run.strategy == "sequential"
        }
        norms: dict[tuple[str, str], list[str]] = {}
        for (template, norm), facts in self.prepared.networks.items():
            if facts.unstackable and (template, norm) in unstacked:
                norms.setdefault((template, facts.unstackable), []).append(norm)
        return sorted(f"{', '.join(each)} in the {template}: {reason}" for (template, reason), each in norms.items())

    @property
    def seconds(self) -> float:
        """How long the training is expected to take, all workers at work."""
        seconds = [each.seconds for each in self.groups]
        return max(sum(seconds) / self.slots.count, max(seconds, default=0.0))


def make_plan(
    configuration: Configuration,
    stored: Stored,
    executor: Executor,
    *,
    with_estimate: bool = False,
    progress: Progress | None = None,
) -> Plan:
    """Check the matrix, and time what has never been timed and is needed.

    Needed is a time where several workers disturb one another, so that no other is to be had; and with
    ``with_estimate``. ``progress`` is told how much of the data has been read, where that takes long.

    Raises:
        UsageError: the matrix cannot be carried out as asked for, or its data changed meanwhile.
        NormzooError: the worker died over it.
    """
    prepared = _prepare(configuration, executor, progress)
    matrix = _without_refused(configuration.matrix, prepared)
    runs = _runs(matrix, prepared)
    groups = group(runs, stored.done, prepared.dataset.train, prepared.networks, on_gpu=prepared.device != "cpu")
    slots = executor.slots(prepared, groups)
    environment = {**prepared.environment, "threads": slots.threads}
    found: list[Timing] = []
    if slots.count > 1 or with_estimate:
        missing = {timing_key(each.runs, environment): each for each in groups}
        wanted = [(each.runs, key) for key, each in missing.items() if key not in stored.timings]
        found = _time_steps(wanted, configuration, prepared, executor, slots.threads)
    timings = {**stored.timings, **{timing.key: timing for timing in found}}
    return Plan(
        matrix=matrix,
        prepared=prepared,
        runs=runs,
        groups=balance(with_timings(groups, timings, environment), slots.count),
        slots=slots,
        new_timings=found,
    )


def finished_plan(configuration: Configuration, stored: Stored, executor: Executor, prepared: Prepared) -> Plan | None:
    """Return the plan of a matrix with nothing left to train, by what was found out of it; None where there is some."""
    matrix = _without_refused(configuration.matrix, prepared)
    runs = _runs(matrix, prepared)
    if any(run.key not in stored.done for run in runs):
        return None
    return Plan(matrix, prepared, runs, groups=[], slots=executor.slots(prepared, []), new_timings=[])


def _without_refused(matrix: MatrixSpec, prepared: Prepared) -> MatrixSpec:
    """Return the matrix without what networks do not take and may do without."""
    refused = [
        LeftOut(norm=norm, template=template, reason=facts.refusal)
        for (template, norm), facts in prepared.networks.items()
        if facts.refusal
    ]
    return matrix.without(refused)


def _runs(matrix: MatrixSpec, prepared: Prepared) -> list[RunSpec]:
    check_target(matrix.target, prepared.metrics[0])
    return expand(
        matrix,
        prepared.dataset,
        device=prepared.device,
        sources=prepared.sources,
        networks=prepared.networks,
    )


def _prepare(configuration: Configuration, executor: Executor, progress: Progress | None) -> Prepared:
    """Have the matrix checked against data, device and components.

    Raises:
        UsageError: it cannot be carried out as asked for.
        NormzooError: the worker died over it, or took too long.
    """
    seconds = max(PREPARING_SECONDS, configuration.execution.timeout or 0.0)
    handle = executor.start(Prepare(configuration.matrix, configuration.execution, seconds))
    prepared: Prepared | None = None
    step, since = Trying("", seconds), time.monotonic()
    while True:
        for message in _next(executor, None if step.seconds is None else _left(since + step.seconds + _GRACE)):
            since = time.monotonic()
            match message:
                case Trying():
                    step = message
                case Loading(done, total) if progress is not None:
                    progress(done, total)
                case Checked(found):
                    prepared = found
                case Rejected(reason):
                    raise UsageError(reason)
                case WorkerDied():
                    raise _dead(message, step)
                case TaskDone() if prepared is not None:
                    return prepared
        if step.seconds is not None and not _left(since + step.seconds + _GRACE):
            executor.cancel(handle)
            raise _dead(WorkerDied(TOO_LONG), step)


def _dead(death: WorkerDied, step: Trying) -> NormzooError:
    """Return the error of a worker that died over a step of a preparation; its last words are a note."""
    limit = ""
    if death.reason.startswith(TOO_LONG) and step.seconds is not None:
        limit = f"; each step may take {step.seconds:g} s, and with a longer --timeout as long as that"
    at = f"{step.what}, " if step.what else ""
    error = NormzooError(f"preparing the matrix failed: {at}{death.reason}{limit}")
    if death.last_words:
        error.add_note(f"{LAST_WORDS}\n{death.last_words}")
    return error


def _left(end: float) -> float:
    """Return the seconds that are left until a time of ``time.monotonic``."""
    return max(0.0, end - time.monotonic())


def _next(executor: Executor, seconds: float | None) -> list[Message]:
    executor.wait(seconds)
    return [message for _, message in executor.events()]


def _time_steps(
    wanted: Sequence[tuple[tuple[RunSpec, ...], str]],
    configuration: Configuration,
    prepared: Prepared,
    executor: Executor,
    threads: int,
) -> list[Timing]:
    """Have a few steps of each group timed while nothing else is carried out.

    What a worker dies over, or says nothing of for too long, is left without a time, and another worker does the rest.
    """
    matrix, execution = configuration.matrix, configuration.execution
    waiting, timings = deque(wanted), list[Timing]()
    while waiting:
        task = TimeSteps(
            groups=tuple(waiting),
            task=matrix.task,
            dataset=matrix.dataset,
            execution=execution,
            device=prepared.device,
            threads=threads,
            seconds=max(PREPARING_SECONDS, execution.timeout or 0.0),
        )
        handle, problem, is_over, at = executor.start(task), "", False, ""
        deadline = time.monotonic() + TIMING_SECONDS
        while not is_over:
            for message in _next(executor, _left(deadline)):
                match message:
                    case Trying(what, seconds) if seconds is not None:
                        at, deadline = f"{what}, ", time.monotonic() + seconds + _GRACE
                    case Timed(timing):
                        timings.append(timing)
                        waiting.popleft()
                        deadline = time.monotonic() + TIMING_SECONDS
                    case Rejected(reason):
                        raise UsageError(reason)
                    case WorkerDied(reason):
                        problem, is_over = f"{at}{reason}", True
                    case TaskDone():
                        is_over = True
            if not is_over and time.monotonic() >= deadline:
                problem, is_over = f"a few steps took longer than {TIMING_SECONDS:g} s", True
                executor.cancel(handle)
        if problem and waiting:
            runs, key = waiting.popleft()
            timings.append(Timing(key=key, members=len(runs), seconds_per_step=None, reason=problem))
    return timings
