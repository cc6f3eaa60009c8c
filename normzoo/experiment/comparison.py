"""A comparison, from its configuration to the records of its runs. Torch-free.

What counts as done, what is trained again and how results are kept is said here, for the command and for scripts alike.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Literal

from normzoo.experiment.config.resolve import Configuration
from normzoo.experiment.config.spec import MatrixSpec
from normzoo.experiment.executor.local import machine_has_gpus
from normzoo.experiment.executor.protocol import Executor
from normzoo.experiment.plan import Plan, Progress, Stored, finished_plan, make_plan
from normzoo.experiment.planning.kept import keep, look_around, recall
from normzoo.experiment.results.records import Status
from normzoo.experiment.results.store import Store
from normzoo.experiment.runner import Listener, Runner

Rerun = Literal["failed", "all"]
Display = Callable[[Plan], AbstractContextManager[Listener]]
"""Makes what shows the training of a plan."""
Preparing = Callable[[], AbstractContextManager[Progress | None]]
"""Makes what shows that something is being prepared, and is told how much of the data has been read."""


@dataclass(frozen=True)
class Outcome:
    """What became of a comparison.

    Attributes:
        matrix: of its runs.
        keys: of its runs, in the order of the tables.
        is_interrupted: it was ended before all was trained.
        tried_again: of each run that was, by its key, what killed its worker.
    """

    matrix: MatrixSpec
    keys: tuple[str, ...]
    is_interrupted: bool
    tried_again: Mapping[str, str] = field(default_factory=dict)


def carry_out(
    configuration: Configuration,
    store: Store,
    executor: Executor,
    display: Display,
    *,
    command: str,
    rerun: Rerun | None = None,
    recalls: bool = False,
    preparing: Preparing = nullcontext,
) -> Outcome:
    """Train what the store does not hold yet, and keep every record as it comes in.

    Args:
        configuration: what is asked for.
        store: where results are kept.
        executor: where it is trained.
        display: shows it.
        command: what asked for it, for the store.
        rerun: what is trained again: what failed, or all.
        recalls: see ``plan_comparison``.
        preparing: shows that a worker prepares the matrix.

    Raises:
        UsageError: the matrix cannot be carried out as asked for.
    """
    plan = plan_comparison(configuration, store, executor, rerun=rerun, recalls=recalls, preparing=preparing)
    for timing in plan.new_timings:
        if timing.seconds_per_step is not None:  # what kept it from being timed may be gone next time
            store.add_timing(timing)
    configuration = replace(configuration, matrix=plan.matrix)
    keys = tuple(run.key for run in plan.runs)
    store.add_comparison(command, configuration, keys)
    if not plan.groups:
        return Outcome(plan.matrix, keys, is_interrupted=False)
    tried_again: Mapping[str, str] = {}
    is_interrupted = False
    try:
        with display(plan) as listener:
            runner = Runner(configuration, plan.prepared, executor, store, listener, replaces=rerun == "all")
            tried_again = runner.tried_again
            runner.run(plan.groups, plan.slots)
    except KeyboardInterrupt:
        is_interrupted = True
    return Outcome(plan.matrix, keys, is_interrupted, tried_again)


def plan_comparison(
    configuration: Configuration,
    store: Store | None,
    executor: Executor,
    *,
    rerun: Rerun | None = None,
    recalls: bool = False,
    with_estimate: bool = False,
    preparing: Preparing = nullcontext,
) -> Plan:
    """Return what is to be done; the executor is not asked where all that was asked for is known to be stored.

    Args:
        configuration: what is asked for.
        store: what is there; None where there is none yet. What was found out is kept in it, if it is writable.
        executor: where it is trained.
        rerun: what is trained again. It also has everything prepared again.
        recalls: what was found out may be kept and recalled: the executor has new processes of this machine, which
            find the files, packages and devices that this one finds.
        with_estimate: time what is to be trained.
        preparing: shows that a worker prepares the matrix.

    Raises:
        UsageError: the matrix cannot be carried out as asked for.
    """
    known = Stored(set(), {}) if store is None else stored(store, rerun)
    surroundings = look_around(configuration.matrix, configuration.execution) if recalls and store else None
    if store and surroundings and not rerun:
        kept = store.preparation(surroundings.request)
        prepared = recall(kept, surroundings) if kept else None
        finished = finished_plan(configuration, known, executor, prepared) if prepared else None
        if finished:
            return finished
    with preparing() as progress:
        plan = make_plan(configuration, known, executor, with_estimate=with_estimate, progress=progress)
    kept = keep(plan.prepared, surroundings) if surroundings else None
    if store and store.is_writable and kept:
        store.keep_preparation(kept)
    return plan


def stored(store: Store, rerun: Rerun | None = None) -> Stored:
    """Return what a store holds that need not be trained or timed again."""
    return Stored(done_keys(store.statuses(), rerun), store.timings())


def done_keys(statuses: Mapping[str, str], rerun: Rerun | None) -> set[str]:
    """Return the keys of the runs that are not to be trained (again).

    Interrupted runs never count as done. A diverged run does, also for ``failed``: divergence is a result.
    """
    if rerun == "all":
        return set()
    known = {key: Status(status) for key, status in statuses.items()}
    return {key for key, status in known.items() if (status.has_result if rerun == "failed" else status.is_final)}


def early_workers(configuration: Configuration) -> int:
    """Return how many workers beyond the first will be needed, as far as can be told before torch is loaded."""
    device = configuration.execution.device
    if device != "cpu" and (device != "auto" or machine_has_gpus()):
        return 0
    matrix = configuration.matrix
    groups = len(matrix.norms) * len(matrix.templates) * len(matrix.batch_sizes) * matrix.folds
    return configuration.execution.jobs_for("cpu", groups) - 1
