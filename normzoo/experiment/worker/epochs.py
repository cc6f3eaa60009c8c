"""What a Trainer's epochs come to: records, and the end of runs that diverge. Runs in a worker, and imports torch."""

import math
import time
from collections.abc import Callable, Sequence

from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from normzoo.data import BlocksOfSteps
from normzoo.devices import synchronize
from normzoo.experiment.config.spec import RunSpec
from normzoo.experiment.results.records import EpochRecord
from normzoo.experiment.worker.evaluation import Evaluations
from normzoo.templates import MemberModule

OnEpoch = Callable[[RunSpec, EpochRecord], None]


class EpochRecorder(Callback):
    """Makes an EpochRecord of each run and epoch, and takes a run whose loss is not finite out of the stack.

    Attributes:
        epochs: by the key of the run.
        hits: by the key of the run, which test samples were right after its last epoch, on the device.
        eval_stats: by the key of the run, what ``at_end`` makes of it.
        batches: what is trained on.
        at_end: evaluates the members that are left after the last epoch, in another way.
    """

    def __init__(self, specs: Sequence[RunSpec], emit: OnEpoch) -> None:
        self.epochs: dict[str, list[EpochRecord]] = {spec.key: [] for spec in specs}
        self.hits: dict[str, Tensor] = {}
        self.eval_stats: dict[str, Evaluations] = {}
        self.batches: BlocksOfSteps | None = None
        self.at_end: Callable[[MemberModule], list[Evaluations]] | None = None
        self._alive, self._emit = list(specs), emit
        self._start = self._seconds = 0.0

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Start the clock."""
        self._start = time.perf_counter()

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Stop the clock, before anything is evaluated."""
        synchronize(pl_module.device.type)
        self._seconds = (time.perf_counter() - self._start) / len(self._alive)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Report the epoch of each run, and go on with those whose losses are finite."""
        assert isinstance(pl_module, MemberModule)  # noqa: S101
        records = [
            EpochRecord(
                epoch=trainer.current_epoch + 1,
                train_loss=train_loss,
                validation=validation,
                test=test,
                seconds=self._seconds,
            )
            for train_loss, validation, test in zip(pl_module.train_losses, *pl_module.evaluations, strict=True)
        ]
        for spec, record in zip(self._alive, records, strict=True):
            self.epochs[spec.key].append(record)
            self._emit(spec, record)
        if (hits := pl_module.hits[1]) is not None:
            self.hits.update({spec.key: hits[:, member] for member, spec in enumerate(self._alive)})
        finite = [index for index, record in enumerate(records) if is_finite(record)]
        trainer.should_stop = not finite
        if finite and len(finite) < len(records):
            self._alive = [self._alive[index] for index in finite]
            pl_module.keep(finite)
            if self.batches is not None:
                self.batches.keep(finite)
        if finite and self.at_end is not None and trainer.current_epoch + 1 == trainer.max_epochs:
            keys = [spec.key for spec in self._alive]
            self.eval_stats = dict(zip(keys, self.at_end(pl_module), strict=True))


def is_finite(epoch: EpochRecord) -> bool:
    """Whether the losses of an epoch are numbers that training can go on with."""
    return all(math.isfinite(loss) for loss in (epoch.train_loss, epoch.validation["loss"], epoch.test["loss"]))
