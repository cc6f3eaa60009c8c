"""The kinds of devices: which of them is there, and what each of torch's modules for them calls differently.

``cuda`` is also what torch calls AMD's GPUs (ROCm). What a kind lacks is left out: ``mps`` has one device, with no name
and no record of its memory.
"""

from contextlib import AbstractContextManager
from typing import Any

import torch

from normzoo.errors import DeviceError

_NAMES = {"cuda": "CUDA", "mps": "MPS", "xpu": "XPU"}

_WITH_FLOAT64 = ("cpu", "cuda", "meta")
"""MPS has no float64, and of XPU only some devices have it."""


def resolve_device(wanted: str) -> str:
    """Return the kind of device that is asked for; of ``auto`` ``cuda`` where it is there, else ``cpu``.

    Raises:
        DeviceError: it is not there.
    """
    found = torch.accelerator.current_accelerator(check_available=True)
    kind = "cpu" if found is None else found.type
    if wanted == "auto":
        return kind if kind == "cuda" else "cpu"
    if wanted not in ("cpu", kind):
        raise DeviceError(
            f"device: {wanted} was asked for, and torch finds no {_NAMES[wanted]} device; use --device cpu or auto"
        )
    return wanted


def device_name(kind: str) -> str:
    """Return the name of this process's device, after its kind where that is not CUDA; ``cpu`` of a processor."""
    if kind == "cuda":
        return torch.cuda.get_device_name()
    named = _function(kind, "get_device_name")
    return kind if named is None else f"{kind}: {named()}"


def choose_device(kind: str, index: int) -> None:
    """Have this process use one of the devices of a kind."""
    if (choose := _function(kind, "set_device")) is not None:
        choose(index)


def device_index(kind: str) -> int:
    """Return which of the devices of a kind this process uses."""
    current = _function(kind, "current_device")
    return 0 if current is None else int(current())


def synchronize(kind: str) -> None:
    """Wait until this process's device has done what it was given."""
    if kind != "cpu":
        torch.get_device_module(kind).synchronize()


def release_memory(kind: str) -> None:
    """Give memory back that torch keeps of a device for later, cuBLAS workspaces of streams no longer used included."""
    if kind == "cuda" and hasattr(torch._C, "_cuda_clearCublasWorkspaces"):
        torch._C._cuda_clearCublasWorkspaces()
    if (release := _function(kind, "empty_cache")) is not None:
        release()


def reset_peak_allocated(kind: str) -> None:
    """Start the most that was allocated on this process's device again, where torch counts it."""
    if (reset := _function(kind, "reset_peak_memory_stats")) is not None:
        reset()


def peak_allocated(kind: str) -> int | None:
    """Return the most bytes that were allocated on this process's device; None where torch does not count them."""
    peak = _function(kind, "max_memory_allocated")
    return None if peak is None else int(peak())


def free_on_device(kind: str) -> int | None:
    """Return the bytes that are free on this process's device; None where torch does not know."""
    free = _function(kind, "mem_get_info")
    return None if free is None else int(free()[0])


def same_random_numbers(kind: str, index: int | None = None) -> AbstractContextManager[None]:
    """Put the random numbers of the host and of a device, or of this process's, back at the end of the context."""
    if kind in ("cpu", "meta"):
        return torch.random.fork_rng(devices=[])
    return torch.random.fork_rng(devices=[device_index(kind) if index is None else index], device_type=kind)


def seed_device(kind: str, seed: int) -> None:
    """Seed the random numbers of this process's device; those of the host are left."""
    if kind not in ("cpu", "meta"):
        torch.get_device_module(kind).manual_seed(seed)


def with_float64(device: torch.device) -> torch.device:
    """Return the device itself where it surely computes in float64, else the host."""
    return device if device.type in _WITH_FLOAT64 else torch.device("cpu")


def _function(kind: str, name: str) -> Any:
    """Return a function of torch's module for a kind of device; None of a processor, and where there is none."""
    return None if kind == "cpu" else getattr(torch.get_device_module(kind), name, None)
