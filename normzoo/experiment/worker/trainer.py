"""The Trainer that does nothing but train and validate, on any kind of device. Runs in a worker, and imports torch."""

import logging
from typing import Any

import torch
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.accelerators import Accelerator
from lightning.pytorch.plugins.precision import MixedPrecision
from lightning.pytorch.strategies import SingleDeviceStrategy

from normzoo.devices import device_index
from normzoo.experiment.config.spec import RunSpec
from normzoo.experiment.planning.facts import Device

_OF_LIGHTNING = {"cpu": "cpu", "cuda": "gpu"}
"""Kinds of devices by Lightning's names; of others it knows MPS, and nothing of XPU."""


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
