"""The memory of a run and of its data, as far as the system tells."""

import sys
from contextlib import suppress
from pathlib import Path

import torch

from normzoo.devices import free_on_device, peak_allocated, reset_peak_allocated
from normzoo.errors import error_text
from normzoo.experiment.config.execution import MAX_PER_GPU, Execution
from normzoo.experiment.planning.facts import Device
from normzoo.memory import free_bytes

RESIDENT_SHARE = 0.5
"""Of the free memory, what the tensors of the datasets of all workers may take; training needs the rest."""

_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def reset_peak_memory(device: str) -> None:
    """Start the peak again, where the system can (CUDA, XPU; Linux)."""
    if device != "cpu":
        reset_peak_allocated(device)
    else:
        with suppress(OSError):
            _CLEAR.write_text("5")  # "5" resets the peak resident set size (proc(5))


def peak_memory_bytes(device: str) -> int | None:
    """Return the peak since the reset: bytes allocated on the device, or resident ones of the whole process (CPU)."""
    if device != "cpu":
        return peak_allocated(device)
    if _STATUS.exists():
        for line in _STATUS.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    if sys.platform == "win32":
        return None
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def resident_limit(execution: Execution, device: Device) -> int:
    """Return how many bytes of a dataset a worker may keep as tensors: each worker keeps its own."""
    if execution.resident_memory != "auto":
        return execution.resident_memory
    workers = execution.jobs_for(device, sys.maxsize, per_gpu=MAX_PER_GPU)
    return int(RESIDENT_SHARE * _free_bytes(device) / workers)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out; on a CPU torch raises a plain RuntimeError for it."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or (
        isinstance(error, RuntimeError) and "can't allocate memory" in error_text(error)
    )


def _free_bytes(device: Device) -> int:
    """Return the bytes that are free on the host and on the device, through which and to which data goes."""
    on_host, on_device = free_bytes(), free_on_device(device)
    return on_host if on_device is None else min(on_host, on_device)
