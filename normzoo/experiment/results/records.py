"""What a run leaves behind. Torch-free."""

import base64
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from normzoo.experiment.config.spec import RunSpec
from normzoo.experiment.planning.facts import PlaceFacts
from normzoo.metric import ACCURACY, CROSS_ENTROPY, Metric, is_comparable
from normzoo.registry import InputKind

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


class Status(StrEnum):
    """How a run ended."""

    OK = "ok"
    DIVERGED = "diverged"
    FAILED = "failed"
    OUT_OF_MEMORY = "out-of-memory"
    TIMEOUT = "timeout"
    INTERRUPTED = "interrupted"

    @property
    def has_result(self) -> bool:
        """Whether the run was trained to its end, which may be that its loss, or its metric, was no longer finite."""
        return self in (Status.OK, Status.DIVERGED)

    @property
    def is_lost(self) -> bool:
        """Whether something went wrong, so that the run may be tried again."""
        return self in (Status.FAILED, Status.OUT_OF_MEMORY, Status.TIMEOUT)

    @property
    def is_final(self) -> bool:
        """Whether the run is not trained again unless that is asked for."""
        return self is not Status.INTERRUPTED


_MAX_AMOUNT = 10**18
"""What no amount in a record exceeds."""


class EpochRecord(BaseModel):
    """The metrics after one epoch (counted from 1).

    ``validation`` and ``test`` hold the mean ``loss`` and the task's metrics by name, evaluated after the epoch. The
    training loss is the mean over the epoch's steps, as the weights change. ``seconds`` is the training time of the
    epoch, without evaluation; of a stack, the run's share.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")

    epoch: int = Field(ge=0, le=_MAX_AMOUNT)
    train_loss: float
    validation: dict[str, float]
    test: dict[str, float]
    seconds: float = Field(ge=0, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _of_an_older_normzoo(cls, values: Any) -> Any:
        """Read what was written when there was one task."""
        if isinstance(values, dict) and "val_loss" in values:
            values = dict(values)
            for split, name in (("val", "validation"), ("test", "test")):
                values[name] = {each: values.pop(f"{split}_{each}") for each in ("loss", "accuracy")}
        return values


class Place(BaseModel):
    """A place of the network where its norm stands, or none.

    Attributes:
        where: in the template's words, or the name of the module.
        kind: of what is there.
        channels: how many.
        positions: of each channel: H * W of maps, the length of sequences, 1 of vectors.
        has_norm: False where none stands, or the control.
        pooled: at how many values each mean and variance is taken in training, at the run's batch size; None where
            nothing is pooled, or that is not known.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    where: str
    kind: InputKind
    channels: int
    positions: int
    has_norm: bool
    pooled: int | None

    @classmethod
    def at(cls, batch_size: int, facts: PlaceFacts) -> Self:
        """Return a place that was found, as it is at a batch size."""
        return cls(
            where=facts.where,
            kind=facts.kind,
            channels=facts.channels,
            positions=facts.positions,
            has_norm=facts.has_norm,
            pooled=facts.pooled(batch_size),
        )

    def __str__(self) -> str:
        """Write the place in a line, without what is not known.

        >>> str(Place(where="on the cell", kind="vectors", channels=64, positions=1, has_norm=True, pooled=2))
        'on the cell: vectors, channels 64, values per statistic 2'
        """
        parts = [f"{self.where}: {self.kind}", f"channels {self.channels}"]
        parts += [f"positions {self.positions}"] if self.kind != "vectors" else []
        if not self.has_norm:
            parts.append("no norm")
        elif self.pooled is not None:
            parts.append(f"values per statistic {self.pooled}")
        return ", ".join(parts)


class RunRecord(BaseModel):
    """The outcome of one run, whatever it was.

    Attributes:
        status: ``ok``, or why there is no trustworthy result.
        error: one line; None when ok.
        traceback: of what was raised; where the worker died, the last that it wrote.
        seconds: wall time of the run, evaluation included; of a stack, the run's share.
        samples_per_second: training samples per second of training time; None when no epoch was finished.
        peak_memory_bytes: the worker process's peak resident memory during the run (CPU), or the run's peak
            allocated memory (CUDA, XPU); None where it cannot be read.
        metrics: what the run was judged by; the first decides.
        loss: what it was trained by.
        members: how many runs were trained at once, this one among them.
        compiled: whether the training step was compiled in the end.
        contended: other runs were trained on the machine at the same time, so that its times compare with nothing.
        epoch_seconds_alone: training seconds of an epoch, by a few steps that were timed while nothing else was
            trained; of a stack, the run's share. None where they were not.
        train_samples: how many samples were trained on; this and the other two are None in older records, and in
            those of runs whose worker was lost.
        validation_samples: how many the validation metrics are over.
        test_samples: how many the test metrics are over.
        constant_value: the deciding metric on the test set of the constant outputs that serve the training set best,
            such as always the most frequent class; None in older records, and where the task has no such outputs.
        test_hits: which test samples were right after the last epoch, packed (``pack_hits``); ``hits`` has them. None
            unless the run is ok and the deciding metric is a share of samples, and in older records.
        eval_stats: ``loss`` and the task's metrics on the test set after the last epoch, by the statistics that norms
            with running ones normalized by instead: ``recalibrated`` or ``batch``, where that was asked for.
        data: what samples are and how they were standardized, and what a reader should know of them; empty in older
            records.
        notes: what a reader of the table should know, such as a place without a norm.
        places: where the norm stands in the network; empty in older records, and where it is not known.
        environment: versions, device, CPU, threads and commit.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")

    spec: RunSpec
    status: Status
    error: str | None = None
    traceback: str | None = None
    epochs: tuple[EpochRecord, ...] = ()
    started_at: str
    seconds: float = Field(ge=0, allow_inf_nan=False)
    samples_per_second: float | None = None
    peak_memory_bytes: int | None = Field(None, ge=0, le=_MAX_AMOUNT)
    metrics: tuple[Metric, ...] = (ACCURACY,)
    loss: Metric = CROSS_ENTROPY
    members: int = Field(1, ge=0, le=_MAX_AMOUNT)
    compiled: bool = False
    contended: bool = False
    epoch_seconds_alone: float | None = Field(None, ge=0, allow_inf_nan=False)
    train_samples: int | None = Field(None, ge=0, le=_MAX_AMOUNT)
    validation_samples: int | None = Field(None, ge=0, le=_MAX_AMOUNT)
    test_samples: int | None = Field(None, ge=0, le=_MAX_AMOUNT)
    constant_value: float | None = None
    test_hits: str | None = None
    eval_stats: dict[str, dict[str, float]] = {}
    data: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    places: tuple[Place, ...] = ()
    environment: dict[str, Any] = {}

    @model_validator(mode="before")
    @classmethod
    def _of_an_older_normzoo(cls, values: Any) -> Any:
        """Read what was written when the strategy was no part of what a run is."""
        if isinstance(values, dict) and "engine" in values and isinstance(values.get("spec"), Mapping):
            values = dict(values)
            strategy = {"loop": "sequential"}.get(values.pop("engine"), "stacked")
            compiled = values.get("compiled", False)
            values["spec"] = {**values["spec"], "strategy": strategy, "compile": compiled}
        return values

    @property
    def metric(self) -> Metric:
        """What decides."""
        return self.metrics[0]

    @property
    def test_value(self) -> float | None:
        """The deciding metric on the test set after the last epoch; None unless the run is ok."""
        return self.epochs[-1].test[self.metric.name] if self.status is Status.OK and self.epochs else None

    @property
    def hits(self) -> "npt.NDArray[np.bool_] | None":
        """For each test sample, in their order, whether it was right after the last epoch; None where not known."""
        if self.test_hits is None:
            return None
        import numpy as np

        packed = np.frombuffer(base64.b64decode(self.test_hits), np.uint8)
        return np.unpackbits(packed, count=self.test_samples).astype(np.bool_)

    @property
    def flaw(self) -> str:
        """What no run can have left behind like that; nothing where all is well. For records from elsewhere."""
        if not self.metrics:
            return "it is judged by no metric"
        if any(not metric.is_sound for metric in (*self.metrics, self.loss)):
            return "its metric has no scale or digits to write it with"
        names = {"loss", *(metric.name for metric in self.metrics)}
        if any(not names <= split.keys() for epoch in self.epochs for split in (epoch.validation, epoch.test)):
            return f"an epoch lacks one of {', '.join(sorted(names))}"
        if self.status is Status.OK and not self.epochs:
            return "it is ok without an epoch"
        if not self._began_reads:
            return "it does not say when it began"
        for epoch in self.epochs[-1:] if self.status is Status.OK else ():
            for value in (epoch.test[self.metric.name], epoch.validation[self.metric.name]):
                if not (is_comparable(value) and self.metric.is_possible(value)):
                    return f"it is ok with a {self.metric.name} of {value:g}"
        return "" if self.test_hits is None or self._hits_read else "its test hits do not read"

    @property
    def _began_reads(self) -> bool:
        try:
            return datetime.fromisoformat(self.started_at).tzinfo is not None
        except ValueError:
            return False

    @property
    def _hits_read(self) -> bool:
        try:
            return 8 * len(base64.b64decode(self.test_hits or "", validate=True)) >= (self.test_samples or 0)
        except ValueError:
            return False

    @property
    def failure_message(self) -> str:
        """What went wrong, in one line; of a diverged run with its learning rate."""
        rate = f", learning rate {self.spec.lr:g}" if self.status is Status.DIVERGED else ""
        reason = (self.error or "").strip().partition("\n")[0]
        return f"{self.status}: {self.spec.label}{rate}" + (f": {reason}" if reason else "")


def pack_hits(hits: "npt.ArrayLike") -> str:
    """Return bools as text, eight in a byte: a bit for each sample, in base64.

    >>> pack_hits([True, False, True])
    'oA=='
    """
    import numpy as np

    return base64.b64encode(np.packbits(np.asarray(hits, dtype=np.bool_)).tobytes()).decode()
