"""How much memory of the host is free, as far as the system tells, and what is refused as it needs more. Torch-free."""

import os
import sys
from pathlib import Path

from normzoo.errors import DataError

_MEMORY, _CGROUP, _SIZES = Path("/proc/meminfo"), Path("/sys/fs/cgroup"), Path("/proc/self/statm")


def free_bytes() -> int:
    """Return how many bytes this process can still have: of the machine, its container, and its own limit."""
    free = [sys.maxsize]
    limit, used = (_number(_CGROUP / name) for name in ("memory.max", "memory.current"))
    if limit is not None and used is not None:  # of a container, or a job of a cluster
        free.append(limit - used + _cached_bytes())
    if _MEMORY.exists():
        lines = (line.split() for line in _MEMORY.read_text().splitlines())
        free += [int(words[1]) * 1024 for words in lines if words[0] == "MemAvailable:"]
    elif sys.platform == "darwin":  # where only the whole is told
        free.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    if sys.platform != "win32" and _SIZES.exists():
        import resource

        most = resource.getrlimit(resource.RLIMIT_AS)[0]
        if most != resource.RLIM_INFINITY:
            free.append(most - int(_SIZES.read_text().split()[0]) * resource.getpagesize())
    return max(0, min(free))


def require_memory(needed: int, what: str, way_out: str) -> None:
    """Refuse what cannot be had, before any of it is allocated.

    Args:
        needed: bytes, as few as it may take.
        what: takes them, with the name of its file.
        way_out: what to do.

    Raises:
        DataError: less is free.
    """
    free = free_bytes()
    if needed > free:
        raise DataError(f"{what} takes {_written(needed)} of memory, and {_written(free)} are free; {way_out}")


def _cached_bytes() -> int:
    """Return the bytes of a container that hold files read before, and which the system gives away when asked."""
    try:
        lines = [line.split() for line in (_CGROUP / "memory.stat").read_text().splitlines()]
    except OSError:
        return 0
    return sum(int(words[1]) for words in lines if words[0] in ("active_file", "inactive_file"))


def _written(size: int) -> str:
    """Write a size in bytes.

    >>> _written(8 * 10**12), _written(1_500_000)
    ('8,000 GB', '0.0015 GB')
    """
    return f"{size / 1e9:,.2g} GB" if size < 10**9 else f"{size / 1e9:,.0f} GB"


def _number(path: Path) -> int | None:
    """Return the number in a file; None where there is no file, or no number but ``max``."""
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None
