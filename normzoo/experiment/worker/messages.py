"""What an executor is asked to do, and what it tells of it. Torch-free, and pickled where a worker is a process."""

from dataclasses import dataclass

from normzoo.experiment.config.execution import Execution
from normzoo.experiment.config.spec import MatrixSpec, RunSpec
from normzoo.experiment.planning.facts import Device, Prepared
from normzoo.experiment.planning.timing import Timing
from normzoo.experiment.results.records import EpochRecord, RunRecord


@dataclass(frozen=True)
class Prepare:
    """Check the matrix against the data, the device and the components."""

    matrix: MatrixSpec
    execution: Execution


@dataclass(frozen=True, kw_only=True)
class OnDevice:
    """What is carried out on a device.

    Attributes:
        dataset: as it was asked for.
        task: what is learned.
        execution: where data is, for instance.
        device: the kind of device.
        threads: how many of torch's threads there are for it.
        index: which device of its kind; an executor sets it.
    """

    dataset: str
    task: str
    execution: Execution
    device: Device
    threads: int
    index: int = 0


@dataclass(frozen=True, kw_only=True)
class Train(OnDevice):
    """Train these runs of one fold, which differ only in their seed and learning rate."""

    runs: tuple[RunSpec, ...]


@dataclass(frozen=True, kw_only=True)
class TimeSteps(OnDevice):
    """Time a few steps of each of these groups of runs, with the key of its timing."""

    groups: tuple[tuple[tuple[RunSpec, ...], str], ...]


@dataclass(frozen=True)
class Loading:
    """So much of the data has been read, of so much."""

    done: int
    total: int


@dataclass(frozen=True)
class Checked:
    """The matrix can be carried out."""

    prepared: Prepared


@dataclass(frozen=True)
class Rejected:
    """The task cannot be carried out as asked for, nor can others of its comparison."""

    reason: str


@dataclass(frozen=True)
class Timed:
    """A group was timed."""

    timing: Timing


@dataclass(frozen=True)
class Started:
    """A run begins."""

    spec: RunSpec


@dataclass(frozen=True)
class EpochDone:
    """An epoch of a run is over."""

    spec: RunSpec
    epoch: EpochRecord


@dataclass(frozen=True)
class RunDone:
    """A run is over, one way or another."""

    record: RunRecord


@dataclass(frozen=True)
class TaskDone:
    """All of a task is done: the last that is heard of it."""


@dataclass(frozen=True)
class WorkerDied:
    """What carried out a task is gone, and the task with it: the last that is heard of it."""

    reason: str


Task = Prepare | TimeSteps | Train
Message = Loading | Checked | Rejected | Timed | Started | EpochDone | RunDone | TaskDone | WorkerDied
