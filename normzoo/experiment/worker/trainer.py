"""The Trainer that does nothing but train and validate, on any kind of device, and what its epochs come to.

Runs in a worker, and imports torch.
"""

import logging
import math
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.accelerators import Accelerator
from lightning.pytorch.plugins.precision import MixedPrecision
from lightning.pytorch.strategies import SingleDeviceStrategy
from torch import Tensor

from normzoo.data import BlocksOfSteps
from normzoo.devices import device_index, synchronize
from normzoo.experiment.config.spec import RunSpec
from normzoo.experiment.planning.facts import Device
from normzoo.experiment.results.records import EpochRecord
from normzoo.experiment.worker.evaluation import Evaluations
from normzoo.templates import MemberModule

_OF_LIGHTNING = {"cpu": "cpu", "cuda": "gpu"}
"""Kinds of devices by Lightning's names; of others it knows MPS, and nothing of XPU."""

OnEpoch = Callable[[RunSpec, EpochRecord], None]


def light_trainer(spec: RunSpec, device: Device, callback: Callback) -> Trainer:
    """Make a Trainer that does nothing but train and validate."""
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    return Trainer(
        **_placed(spec, device),
        max_epochs=spec.epochs,
        callbacks=[callback],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
    )


def _placed(spec: RunSpec, device: Device) -> dict[str, Any]:
    """Return the arguments that say where and in which precision to train."""
    if device in _OF_LIGHTNING:
        devices: int | list[int] = [device_index(device)] if device == "cuda" else 1
        return {"accelerator": _OF_LIGHTNING[device], "devices": devices, "precision": spec.precision}
    where = torch.device(device, device_index(device))
    strategy = SingleDeviceStrategy(where, accelerator=_OneDevice())
    if spec.precision == "bf16-mixed":  # of other devices than its own Lightning would ask for CUDA's
        return {"strategy": strategy, "plugins": MixedPrecision("bf16-mixed", device)}
    return {"strategy": strategy, "precision": spec.precision}


class _OneDevice(Accelerator):
    """The device that a strategy holds, of whatever kind; the worker has chosen it, so nothing is left to do."""

    def setup_device(self, device: torch.device) -> None:
        """Leave it as it is."""

    def teardown(self) -> None:
        """Leave it as it is."""

    @staticmethod
    def parse_devices(devices: Any) -> Any:
        """Return them as they are."""
        return devices

    @staticmethod
    def get_parallel_devices(devices: Any) -> list[torch.device]:  # noqa: ARG004
        """Return none: there is the strategy's alone."""
        return []

    @staticmethod
    def auto_device_count() -> int:
        """Return 1."""
        return 1

    @staticmethod
    def is_available() -> bool:
        """Return True: whether it is there was asked before."""
        return True

    @staticmethod
    def name() -> str:
        """Return its name."""
        return "one_device"


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
