"""What the parent asks a worker before anything is trained: can it be done, and how long does it take? Torch-free."""

from collections import deque
from collections.abc import Sequence

from normzoo.errors import NormzooError, UsageError
from normzoo.experiment.config import Configuration
from normzoo.experiment.engines import Timing, TrainingEngine, timing_key
from normzoo.experiment.messages import Calibrate, Checked, Prepare, Refused, Timed, WorkerDied
from normzoo.experiment.plan import Group
from normzoo.experiment.pool import Worker, WorkerPool
from normzoo.experiment.prepared import Prepared
from normzoo.experiment.spec import RunSpec

CALIBRATION_SECONDS = 60.0
"""How long a worker may take to time one group on one engine, and a fresh one to load torch besides."""


def prepare_matrix(configuration: Configuration, pool: WorkerPool, *, more: int = 0) -> Prepared:
    """Have a worker check the matrix against data, device and norms.

    Args:
        configuration: what to check.
        pool: where the worker is started; it stays there.
        more: how many further workers to start meanwhile, as they take seconds to be ready.

    Raises:
        UsageError: it cannot be carried out as asked for.
        NormzooError: the worker died over it.
    """
    worker = pool.start()
    worker.send(Prepare(configuration.matrix, configuration.execution))
    for _ in range(more):
        pool.start()
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


def calibrate_groups(
    wanted: Sequence[tuple[Group, TrainingEngine]],
    configuration: Configuration,
    prepared: Prepared,
    pool: WorkerPool,
    threads: int,
) -> list[Timing]:
    """Have a worker time a few steps of each group on the engine beside it, while the others are idle.

    What it dies over, or says nothing of for too long, is left without a time, and another worker does the rest.
    """
    environment = {**prepared.environment, "threads": threads}
    waiting = deque((group.runs, engine, timing_key(group.runs, environment)) for group, engine in wanted)
    dataset, execution = configuration.matrix.dataset, configuration.execution
    timings: list[Timing] = []
    known = min(execution.timeout or CALIBRATION_SECONDS, CALIBRATION_SECONDS)
    while waiting:
        limit, worker = (known, pool.workers[0]) if pool.workers else (CALIBRATION_SECONDS, pool.start())
        worker.send(Calibrate(tuple(waiting), dataset, execution, prepared.device, threads))
        problem = _hear_timings(worker, limit, waiting, timings)
        if problem is not None:
            pool.end(worker)
        if problem is not None and waiting:
            runs, engine, key = waiting.popleft()
            timings.append(Timing(key=key, engine=engine, members=len(runs), seconds_per_step=None, reason=problem))
    return timings


def _hear_timings(
    worker: Worker, limit: float, waiting: deque[tuple[tuple[RunSpec, ...], TrainingEngine, str]], timings: list[Timing]
) -> str | None:
    """Move what is timed from ``waiting`` to ``timings``; return why not all is, if so."""
    while worker.has_message(limit):
        match worker.hear():
            case Timed(timing):
                timings.append(timing)
                waiting.popleft()
            case WorkerDied(reason):
                return reason
            case _:
                return None
    return f"a few steps took longer than {limit:g} s"
