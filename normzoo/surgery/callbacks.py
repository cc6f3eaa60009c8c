"""Surgery while Lightning trains. Apart from the rest, which does not need Lightning."""

from collections.abc import Callable
from contextlib import ExitStack
from itertools import islice
from typing import Any

import torch
from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.trainer.states import TrainerFn

from normzoo.surgery._statistics import recalibrate, restoring_statistics


class Recalibration(Callback):
    """Recalibrates the norms of a model when training ends, by a pass over the training data (see ``recalibrate``).

    Frozen statistics (``freeze``) are replaced, too. Checkpoints hold the running averages of training; save one after
    ``fit`` to keep what is recalibrated.

    Args:
        batches: of how many batches of the training loader, on every rank; None: of all.
        before_validation: recalibrate for every validation, too, after which the running averages are put back. That
            begins a further pass over the training loader, which must be a single one, without persistent workers if
            validation comes within an epoch.
        forward: passes a batch through the module, ``forward(module, batch)``; without it, the module is called with
            the batch, or the first of its parts.
    """

    def __init__(
        self,
        batches: int | None = None,
        *,
        before_validation: bool = False,
        forward: Callable[[LightningModule, Any], object] | None = None,
    ) -> None:
        self._batches, self._before_validation, self._forward = batches, before_validation, forward
        self._restoring = ExitStack()

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Recalibrate for good."""
        self._recalibrate(trainer, pl_module)

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Recalibrate for a validation within training."""
        if self._before_validation and trainer.validating and trainer.state.fn == TrainerFn.FITTING:
            self._restoring.enter_context(restoring_statistics(pl_module))
            self._recalibrate(trainer, pl_module)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Put the running averages back; checkpoints are saved after this."""
        self._restoring.close()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:  # noqa: ARG002
        """Put the running averages back where a validation fails."""
        self._restoring.close()

    def _recalibrate(self, trainer: Trainer, module: LightningModule) -> None:
        loader: Any = trainer.train_dataloader
        forward = self._forward
        with torch.random.fork_rng(devices=[]):  # a pass over a loader draws random numbers, which training is to have
            batches = (trainer.strategy.batch_to_device(batch) for batch in islice(loader, self._batches))
            recalibrate(module, batches, forward=None if forward is None else lambda batch: forward(module, batch))
