"""Where a run took place: versions, device, processor, threads and commit."""

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import normzoo
from normzoo.experiment.config.spec import PROTOCOL

_PACKAGES = ("torch", "torchvision", "lightning", "torchmetrics", "numpy", "scikit-learn")


def describe_environment(*, with_commit: bool = True) -> dict[str, Any]:
    """Return versions, machine and, unless git need not be asked, commit as plain JSON values; torch-free."""
    return {
        "normzoo": normzoo.__version__,
        "protocol": PROTOCOL,
        "commit": _commit() if with_commit else None,
        "python": platform.python_version(),
        **{package: package_version(package) for package in _PACKAGES},
        "system": f"{platform.system()} {platform.machine()}",
        "cpu": _cpu_name(),
        "cpu_count": available_cpus(),
    }


def available_cpus() -> int:
    """Return how many processors this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on every system
        return os.cpu_count() or 1


def package_version(package: str) -> str | None:
    """Return which version of a package is installed; None where none is."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or "unknown"


def _commit() -> str | None:
    """Return the commit of the checkout that normzoo runs from, with ``-dirty`` if it was changed; None elsewhere."""
    root = Path(normzoo.__file__).parents[1]
    if not (root / ".git").exists():
        return None
    try:
        described = subprocess.run(  # fixed arguments
            ["git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"],  # noqa: S607
            cwd=root,
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return described.stdout.strip() or None
