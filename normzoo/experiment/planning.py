"""From a configuration and what is stored to the plan: what to train, on which engine, and for how long. Torch-free."""

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

from normzoo.experiment.asking import calibrate_groups, prepare_matrix
from normzoo.experiment.choosing import choose, to_be_timed, unstackable
from normzoo.experiment.config import Configuration
from normzoo.experiment.engines import Timing, Timings, TrainingEngine, column_key, engines_of_columns
from normzoo.experiment.plan import Group, balance, expand, plan, settle
from normzoo.experiment.pool import WorkerPool, machine_has_gpus
from normzoo.experiment.prepared import Prepared
from normzoo.experiment.sharing import jobs_for, threads_for
from normzoo.experiment.spec import RunSpec


@dataclass(frozen=True)
class Stored:
    """What a store holds of earlier comparisons.

    Attributes:
        done: keys of the runs that are not to be trained again.
        engines: by key, the engine of the runs that have a result.
        timings: how long steps took.
        lost: by key, the engine of the runs that failed; on another one they are tried again.
    """

    done: Container[str]
    engines: Mapping[str, str]
    timings: Timings
    lost: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Plan:
    """What is to be done.

    Attributes:
        prepared: what a worker found out.
        runs: all of the matrix, in the order of the tables.
        groups: what is left to train, the longest first.
        other_engine: how many runs have a result from another engine than their column's, and are trained again.
        jobs: how many workers.
        new_timings: what was timed for this plan.
    """

    prepared: Prepared
    runs: list[RunSpec]
    groups: list[Group]
    other_engine: int
    jobs: int
    new_timings: list[Timing]

    @property
    def unstacked(self) -> list[str]:
        """Why some groups cannot be trained side by side, each reason once; what fails anyway is not among them."""
        broken = {timing.key for timing in self.new_timings if timing.engine == "loop" and timing.reason}
        reasons = [
            timing.reason
            for timing in self.new_timings
            if timing.engine == "stacked" and timing.reason and timing.key not in broken
        ]
        return list(dict.fromkeys(reasons))

    @property
    def seconds(self) -> float:
        """How long the training is expected to take, all workers at work."""
        seconds = [group.seconds for group in self.groups]
        return max(sum(seconds) / self.jobs, max(seconds, default=0.0))


def make_plan(
    configuration: Configuration,
    stored: Stored,
    pool: WorkerPool,
    *,
    more_workers: int = 0,
    with_estimate: bool = False,
) -> Plan:
    """Check the matrix, choose the engines, and time what has never been timed and is needed.

    Needed is a time where it chooses the engine; where several workers disturb one another, so that no other time is
    to be had; and with ``with_estimate``.

    Raises:
        UsageError: the matrix cannot be carried out as asked for.
        NormzooError: the worker died over it.
    """
    execution = configuration.execution
    prepared = prepare_matrix(configuration, pool, more=more_workers)
    runs = expand(configuration.matrix, prepared.dataset, prepared.norm_sources)
    engines = engines_of_columns(runs, stored.engines, execution.engine)
    is_free = execution.engine == "auto"
    timings = dict(stored.timings)
    while True:
        other = _of_another_engine(runs, engines, stored)
        left = [run for run in runs if run.key in other or run.key not in stored.done]
        groups = plan(left, set(), prepared.dataset.train)
        jobs = jobs_for(configuration, prepared, groups)
        environment = {**prepared.environment, "threads": threads_for(jobs)}
        # A stack that was not asked for is timed in any case: beside stored norms a new one may not be one.
        settled: tuple[TrainingEngine, ...] = ("loop",) if is_free else ("loop", "stacked")
        needs_all = jobs > 1 or with_estimate
        wanted = to_be_timed(groups, engines, timings, environment, settled=() if needs_all else settled)
        timings |= _timed(wanted, configuration, prepared, pool, jobs)
        if is_free:
            wanted = unstackable(groups, timings, environment)
            timings |= _timed(wanted, configuration, prepared, pool, jobs)
            chosen = choose(groups, engines, timings, environment)
        else:
            chosen = cast("dict[str, TrainingEngine]", engines)
        if chosen == engines:  # otherwise there may be more to train, and other things to time
            break
        engines = {**chosen}
    settled_groups = settle(groups, chosen, timings, environment, execution.compile)
    return Plan(
        prepared=prepared,
        runs=runs,
        groups=balance(settled_groups, jobs),
        other_engine=len(other),
        jobs=jobs,
        new_timings=[timing for key, timing in timings.items() if key not in stored.timings],
    )


def _timed(
    wanted: Sequence[tuple[Group, TrainingEngine]],
    configuration: Configuration,
    prepared: Prepared,
    pool: WorkerPool,
    jobs: int,
) -> dict[tuple[str, TrainingEngine], Timing]:
    """Have groups timed, each on the engine beside it, and return the timings by key and engine."""
    found = calibrate_groups(wanted, configuration, prepared, pool, threads_for(jobs))
    return {(timing.key, timing.engine): timing for timing in found}


def _of_another_engine(
    runs: Iterable[RunSpec], engines: Mapping[str, TrainingEngine | None], stored: Stored
) -> set[str]:
    """Return the keys of the runs that have a result from, or failed on, another engine than their column's."""
    found = {**stored.lost, **stored.engines}
    return {run.key for run in runs if run.key in found and engines[column_key(run)] not in (None, found[run.key])}


def early_workers(configuration: Configuration) -> int:
    """Return how many workers beyond the first will be needed, as far as can be told before torch is loaded."""
    if machine_has_gpus() and configuration.execution.device != "cpu":
        return 0
    matrix = configuration.matrix
    groups = len(matrix.norms) * len(matrix.templates) * len(matrix.batch_sizes)
    return configuration.execution.jobs_for("cpu", groups) - 1
