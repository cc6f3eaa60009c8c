"""What an executor is asked to do, and what it tells of it. Torch-free, and pickled where a worker is a process."""

from dataclasses import dataclass

from normzoo.experiment.config.execution import Execution
from normzoo.experiment.config.spec import MatrixSpec, RunSpec
from normzoo.experiment.planning.facts import Device, Prepared, Timing
from normzoo.experiment.results.records import EpochRecord, RunRecord

PREPARING_SECONDS = 600.0
"""How long each step of a preparation may take, unless a run may take longer. Loading the data is a step, and so is
trying a network."""

TIMING_SECONDS = 60.0
"""How long a worker may take to time one group, and a fresh one to load torch."""


@dataclass(frozen=True)
class Prepare:
    """Check the matrix against the data, the device and the components.

    Attributes:
        matrix: what is asked for.
        execution: where data is, for instance.
        seconds: how long each step may take.
    """

    matrix: MatrixSpec
    execution: Execution
    seconds: float = PREPARING_SECONDS


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
        seconds: how long it may take to load the data.
    """

    dataset: str
    task: str
    execution: Execution
    device: Device
    threads: int
    index: int = 0
    seconds: float = PREPARING_SECONDS


@dataclass(frozen=True, kw_only=True)
class Train(OnDevice):
    """Train these runs of one fold, which differ only in their seed and learning rate."""

    runs: tuple[RunSpec, ...]


@dataclass(frozen=True, kw_only=True)
class TimeSteps(OnDevice):
    """Time a few steps of each of these groups of runs, with the key of its timing."""

    groups: tuple[tuple[tuple[RunSpec, ...], str], ...]


@dataclass(frozen=True)
class Trying:
    """A step begins in which code of others may be called.

    Attributes:
        what: in words, such as ``trying norm 'batch' in the cnn``.
        seconds: how long it may take until something else is told; None: any time.
    """

    what: str
    seconds: float | None


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


LAST_WORDS = "The last that it wrote:"
"""How the last words of what died are introduced."""

TOO_LONG = "it took longer than it may"
"""How the reason of a death begins that a limit of time was, followed by where it was."""


@dataclass(frozen=True)
class WorkerDied:
    """What carried out a task is gone, and the task with it: the last that is heard of it.

    Attributes:
        reason: in one line.
        last_words: the end of what it wrote, as it is shown; empty where it wrote nothing.
        killed_by: what killed it, such as ``signal 9``; None where it ended by itself.
    """

    reason: str
    last_words: str = ""
    killed_by: str | None = None


Task = Prepare | TimeSteps | Train
Message = Trying | Loading | Checked | Rejected | Timed | Started | EpochDone | RunDone | TaskDone | WorkerDied
