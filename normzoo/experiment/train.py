"""Training one group of runs: the only code that trains. Runs in a worker, and imports torch."""

import logging
import math
import os
import time
import traceback
import warnings
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import nn

from normzoo.data import Batches, Dataset, OrderedBatches
from normzoo.experiment.environment import describe_environment
from normzoo.experiment.memory import peak_memory_bytes, reset_peak_memory
from normzoo.experiment.prepared import Device
from normzoo.experiment.records import EpochRecord, RunRecord, Status
from normzoo.experiment.spec import RunSpec
from normzoo.layers import Engine, checked_engine, engine, norm_factory
from normzoo.registry import TEMPLATES, find, load
from normzoo.templates import Classifier

OnStart = Callable[[RunSpec], None]
OnEpoch = Callable[[RunSpec, EpochRecord], None]
OnRecord = Callable[[RunRecord], None]


def train_group(
    runs: Sequence[RunSpec],
    dataset: Dataset,
    device: Device,
    *,
    on_start: OnStart,
    on_epoch: OnEpoch,
    on_record: OnRecord,
) -> None:
    """Train runs that differ only in their seed, one after the other, and report each as it goes.

    Whatever goes wrong within a run becomes its record's status and error; the next run goes on.
    """
    for spec in runs:
        on_start(spec)
        on_record(train_run(spec, dataset, device, on_epoch))


def train_run(spec: RunSpec, dataset: Dataset, device: Device, on_epoch: OnEpoch) -> RunRecord:
    """Train one run and return its record, whatever the outcome."""
    started_at, start = datetime.now(UTC).isoformat(timespec="seconds"), time.perf_counter()
    epochs: list[EpochRecord] = []
    status: Status = "ok"
    notes: tuple[str, ...] = ()
    error = trace = None
    reset_peak_memory(device)

    def keep(epoch: EpochRecord) -> None:
        epochs.append(epoch)
        on_epoch(spec, epoch)

    try:
        network = build_network(spec, dataset)
        notes = tuple(getattr(network, "notes", ()))
        with engine(norm_engine()):
            _fit(spec, network, dataset, device, keep)
        if not _is_finite(epochs[-1]):
            status, error = "diverged", f"the loss is no longer finite in epoch {epochs[-1].epoch}"
    except Exception as caught:
        status = "out-of-memory" if _is_out_of_memory(caught) else "failed"
        error, trace = _one_line(caught), traceback.format_exc()
    training_seconds = sum(epoch.seconds for epoch in epochs)
    samples = len(epochs) * (len(dataset.train.labels) // spec.batch_size) * spec.batch_size
    return RunRecord(
        spec=spec,
        status=status,
        error=error,
        traceback=trace,
        epochs=tuple(epochs),
        started_at=started_at,
        seconds=time.perf_counter() - start,
        samples_per_second=samples / training_seconds if training_seconds else None,
        peak_memory_bytes=peak_memory_bytes(device),
        notes=notes,
        environment=worker_environment(device),
    )


def build_network(spec: RunSpec, dataset: Dataset) -> nn.Module:
    """Build the template of a run; the same seed gives shared parameters the same values under every norm."""
    template: Any = load(find("template", TEMPLATES, spec.template).target)
    torch.manual_seed(spec.seed)
    network: nn.Module = template(norm_factory(spec.norm), shape=dataset.shape, classes=dataset.classes, **spec.options)
    return network


def norm_engine() -> Engine:
    """Return the engine for norms: ``NORMZOO_ENGINE``, or eager, since ``auto`` changes over when the clock says so."""
    return checked_engine(os.environ.get("NORMZOO_ENGINE") or "eager")


def worker_environment(device: Device) -> dict[str, Any]:
    """Return the environment with what only torch knows."""
    name = torch.cuda.get_device_name() if device == "cuda" else "cpu"
    return {**describe_environment(), "device": name, "threads": torch.get_num_threads(), "norm_engine": norm_engine()}


def _fit(
    spec: RunSpec, network: nn.Module, dataset: Dataset, device: Device, emit: Callable[[EpochRecord], None]
) -> None:
    module = Classifier(network, classes=dataset.classes, optimizer=spec.optimizer, lr=spec.lr, splits=2)
    train = Batches(dataset.train, spec.batch_size, seed=spec.seed)
    evaluation = [OrderedBatches(dataset.validation), OrderedBatches(dataset.test)]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"lightning\..*")
        trainer = _light_trainer(spec.epochs, device, _Epochs(emit))
        trainer.fit(module, train_dataloaders=train, val_dataloaders=evaluation)


def _light_trainer(epochs: int, device: Device, callback: Callback) -> Trainer:
    """Make a Trainer that does nothing but train and validate."""
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    return Trainer(
        accelerator="gpu" if device == "cuda" else "cpu",
        devices=1,
        max_epochs=epochs,
        callbacks=[callback],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
    )


class _Epochs(Callback):
    """Makes an EpochRecord of each epoch, and ends the training once a loss is not finite."""

    def __init__(self, emit: Callable[[EpochRecord], None]) -> None:
        self._emit = emit
        self._start = self._seconds = 0.0

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        self._start = time.perf_counter()

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        if pl_module.device.type == "cuda":
            torch.cuda.synchronize()
        self._seconds = time.perf_counter() - self._start

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        assert isinstance(pl_module, Classifier)  # noqa: S101
        validation, test = pl_module.evaluations
        record = EpochRecord(
            epoch=trainer.current_epoch + 1,
            train_loss=pl_module.train_loss,
            val_loss=validation.loss,
            val_accuracy=validation.accuracy,
            test_loss=test.loss,
            test_accuracy=test.accuracy,
            seconds=self._seconds,
        )
        trainer.should_stop = not _is_finite(record)
        self._emit(record)


def _is_finite(epoch: EpochRecord) -> bool:
    return all(math.isfinite(loss) for loss in (epoch.train_loss, epoch.val_loss, epoch.test_loss))


def _is_out_of_memory(error: Exception) -> bool:
    """Whether memory ran out; on a CPU torch raises a plain RuntimeError for it."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or (
        isinstance(error, RuntimeError) and "can't allocate memory" in str(error)
    )


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
