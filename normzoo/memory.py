"""How much memory of the host is free, what is refused as it needs more, and how freed memory is kept. Torch-free."""

import os
import sys
from pathlib import Path

from normzoo.errors import DataError

ALLOCATOR = {"MALLOC_TRIM_THRESHOLD_": str(2**32), "MALLOC_MMAP_THRESHOLD_": str(2**25)}
"""Makes glibc keep freed memory. Otherwise each large tensor's pages are fetched from the system again; in a process
that trains, sometimes, by what lies at the end of the heap."""

_MEMORY, _SIZES = Path("/proc/meminfo"), Path("/proc/self/statm")
_CGROUPS, _OWN_CGROUP = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")


def free_bytes() -> int:
    """Return how many bytes this process can still have: of the machine, its container, and its own limit."""
    free = [sys.maxsize]
    for folder in _cgroups():
        limit, used = (_number(folder / name) for name in ("memory.max", "memory.current"))
        if limit is not None and used is not None:
            free.append(limit - used + _cached_bytes(folder))
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


def total_bytes() -> int | None:
    """Return how many bytes of memory this process may use in all, where the system says so."""
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None
    limits = (_number(folder / "memory.max") for folder in _cgroups())
    return min([total, *(limit for limit in limits if limit is not None)])


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


def _cgroups() -> list[Path]:
    """Return the folders of the control groups that limit this process, as of a container or a job of a cluster."""
    try:
        lines = _OWN_CGROUP.read_text().splitlines()
    except OSError:
        lines = []
    own = Path(next((line.removeprefix("0::/") for line in lines if line.startswith("0::/")), ""))
    return [_CGROUPS / each for each in (own, *own.parents)]


def _cached_bytes(folder: Path) -> int:
    """Return the bytes of a group that hold files read before, and which the system gives away when asked."""
    try:
        lines = [line.split() for line in (folder / "memory.stat").read_text().splitlines()]
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
