"""The memory of a run and of its data, as far as the system tells."""

import os
import sys
from contextlib import suppress
from pathlib import Path

import torch

from normzoo.errors import error_text
from normzoo.experiment.config.execution import MAX_PER_GPU, Execution
from normzoo.experiment.planning.facts import Device

RESIDENT_SHARE = 0.5
"""Of the free memory, what the tensors of the datasets of all workers may take; training needs the rest."""

_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
_MEMORY, _CGROUP = Path("/proc/meminfo"), Path("/sys/fs/cgroup")


def reset_peak_memory(device: str) -> None:
    """Start the peak again, where the system can (CUDA; Linux)."""
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    else:
        with suppress(OSError):
            _CLEAR.write_text("5")  # "5" resets the peak resident set size (proc(5))


def peak_memory_bytes(device: str) -> int | None:
    """Return the peak since the reset: allocated bytes (CUDA), or resident bytes of the whole process (CPU)."""
    if device == "cuda":
        return torch.cuda.max_memory_allocated()
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
    on_host = sys.maxsize
    limit, used = (_number(_CGROUP / name) for name in ("memory.max", "memory.current"))
    if limit is not None and used is not None:  # of a container, or a job of a cluster
        on_host = max(0, limit - used)
    if _MEMORY.exists():
        lines = (line.split() for line in _MEMORY.read_text().splitlines())
        free = next((int(words[1]) * 1024 for words in lines if words[0] == "MemAvailable:"), on_host)
        on_host = min(on_host, free)
    elif sys.platform == "darwin":  # where only the whole is told
        on_host = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return min(on_host, torch.cuda.mem_get_info()[0]) if device == "cuda" else on_host


def _number(path: Path) -> int | None:
    """Return the number in a file; None where there is no file, or no number but ``max``."""
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None
