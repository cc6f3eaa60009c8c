"""What parent and workers say to each other, pickled through a pipe. Torch-free."""

from dataclasses import dataclass

from normzoo.experiment.engines import How, Timing, TrainingEngine
from normzoo.experiment.execution import Execution
from normzoo.experiment.prepared import Device, Prepared
from normzoo.experiment.records import EpochRecord, RunRecord
from normzoo.experiment.spec import MatrixSpec, RunSpec


@dataclass(frozen=True)
class Prepare:
    """To a worker: check the matrix against the data, the device and the norms."""

    matrix: MatrixSpec
    execution: Execution


@dataclass(frozen=True)
class Train:
    """To a worker: train these runs on a dataset, with so many threads, and on a GPU of that number."""

    runs: tuple[RunSpec, ...]
    how: How
    dataset: str
    execution: Execution
    device: Device
    threads: int
    gpu: int = 0


@dataclass(frozen=True)
class Calibrate:
    """To a worker: time a few steps of each of these groups of runs, on the engine beside it."""

    groups: tuple[tuple[tuple[RunSpec, ...], TrainingEngine, str], ...]
    dataset: str
    execution: Execution
    device: Device
    threads: int


@dataclass(frozen=True)
class Timed:
    """From a worker: a group was timed on an engine."""

    timing: Timing


@dataclass(frozen=True)
class Checked:
    """From a worker: the matrix can be carried out."""

    prepared: Prepared


@dataclass(frozen=True)
class Refused:
    """From a worker: the matrix cannot be carried out as asked for."""

    reason: str


@dataclass(frozen=True)
class Started:
    """From a worker: a run begins."""

    spec: RunSpec


@dataclass(frozen=True)
class EpochDone:
    """From a worker: an epoch of a run is over."""

    spec: RunSpec
    epoch: EpochRecord


@dataclass(frozen=True)
class RunDone:
    """From a worker: a run is over, one way or another."""

    record: RunRecord


@dataclass(frozen=True)
class GroupDone:
    """From a worker: all runs of a task are over; it waits for the next."""


@dataclass(frozen=True)
class WorkerDied:
    """Of a worker, by its parent: the process is gone."""

    reason: str


Task = Prepare | Calibrate | Train
Message = Checked | Refused | Timed | Started | EpochDone | RunDone | GroupDone | WorkerDied
