"""From a configuration and what is stored to the plan: what to train, on which engine, and for how long. Torch-free."""

from collections.abc import Container
from dataclasses import dataclass

from normzoo.experiment.config import Configuration
from normzoo.experiment.engines import Timing, Timings, column_key, engines_of_columns
from normzoo.experiment.matrix import calibrate_groups, jobs_for, prepare_matrix, threads_for
from normzoo.experiment.plan import Group, expand, plan, settle, to_be_timed
from normzoo.experiment.pool import WorkerPool
from normzoo.experiment.prepared import Prepared
from normzoo.experiment.spec import RunSpec


@dataclass(frozen=True)
class Stored:
    """What a store holds of earlier comparisons.

    Attributes:
        done: keys of the runs that are not to be trained again.
        engines: by key, the engine of the runs that have a result.
        timings: how long steps took.
    """

    done: Container[str]
    engines: dict[str, str]
    timings: Timings


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
    other = {run.key for run in runs if stored.engines.get(run.key) not in (None, engines[column_key(run)])}
    left = [run for run in runs if run.key in other or run.key not in stored.done]
    groups = plan(left, set(), prepared.dataset.train)
    jobs = jobs_for(configuration, prepared, groups)
    environment = {**prepared.environment, "threads": threads_for(jobs)}
    only_to_choose = jobs == 1 and not with_estimate
    wanted = to_be_timed(groups, engines, stored.timings, environment, only_to_choose=only_to_choose)
    new = calibrate_groups(wanted, configuration, prepared, pool, threads_for(jobs))
    timings = {**stored.timings, **{(timing.key, timing.engine): timing for timing in new}}
    settled = settle(groups, engines, timings, environment, execution.compile)
    return Plan(prepared, runs, settled, len(other), jobs, new)


def early_workers(configuration: Configuration) -> int:
    """Return how many workers beyond the first will be needed for sure, as far as is known before torch is loaded."""
    matrix = configuration.matrix
    groups = len(matrix.norms) * len(matrix.templates) * len(matrix.batch_sizes)
    return configuration.execution.jobs_for("cpu", groups) - 1
