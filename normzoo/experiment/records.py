"""What a run leaves behind. Torch-free."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from normzoo.experiment.spec import RunSpec

Status = Literal["ok", "diverged", "failed", "out-of-memory", "timeout", "interrupted"]


class EpochRecord(BaseModel):
    """The metrics after one epoch (counted from 1).

    Losses are mean cross-entropies in nats, accuracies are fractions in 0..1, ``seconds`` is the training time of the
    epoch, without evaluation; of a stack, the run's share. The training loss is the mean over the epoch's steps, as
    the weights change; validation and test are evaluated after the epoch.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")

    epoch: int
    train_loss: float
    val_loss: float
    val_accuracy: float
    test_loss: float
    test_accuracy: float
    seconds: float


class RunRecord(BaseModel):
    """The outcome of one run, whatever it was.

    Attributes:
        status: ``ok``, or why there is no trustworthy result.
        error: one line; None when ok.
        seconds: wall time of the run, evaluation included; of a stack, the run's share.
        samples_per_second: training samples per second of training time; None when no epoch was finished.
        peak_memory_bytes: the worker process's peak resident memory during the run (CPU), or the run's peak
            allocated memory (CUDA); None where it cannot be read.
        engine: ``loop`` or ``stacked``.
        members: how many runs were trained at once, this one among them.
        compiled: whether the training step was compiled.
        contended: other runs were trained on the machine at the same time, so that its times compare with nothing.
        epoch_seconds_alone: training seconds of an epoch, by a few steps that were timed while nothing else was
            trained; of a stack, the run's share. None where they were not.
        train_samples: how many samples were trained on; this and the other two are None in older records, and in
            those of runs whose worker was lost.
        validation_samples: how many the validation accuracy is over.
        test_samples: how many the test accuracy is over.
        notes: what a reader of the table should know, such as a place without a norm.
        environment: versions, device, CPU, threads and commit.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    spec: RunSpec
    status: Status
    error: str | None = None
    traceback: str | None = None
    epochs: tuple[EpochRecord, ...] = ()
    started_at: str
    seconds: float
    samples_per_second: float | None = None
    peak_memory_bytes: int | None = None
    engine: str = "loop"
    members: int = 1
    compiled: bool = False
    contended: bool = False
    epoch_seconds_alone: float | None = None
    train_samples: int | None = None
    validation_samples: int | None = None
    test_samples: int | None = None
    notes: tuple[str, ...] = ()
    environment: dict[str, Any] = {}

    @property
    def test_accuracy(self) -> float | None:
        """Test accuracy after the last epoch, in 0..1; None unless the run is ok."""
        return self.epochs[-1].test_accuracy if self.status == "ok" and self.epochs else None

    @property
    def trouble(self) -> str:
        """What went wrong, in one line; of a diverged run with its learning rate."""
        rate = f", learning rate {self.spec.lr:g}" if self.status == "diverged" else ""
        reason = (self.error or "").strip().partition("\n")[0]
        return f"{self.status}: {self.spec.label}{rate}" + (f": {reason}" if reason else "")
