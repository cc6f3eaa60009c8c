"""What ``normzoo doctor`` checks: what was found in, what is right or wrong of it out. Torch-free."""

import shlex
import subprocess
import sys
import tempfile
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from normzoo.errors import StoreError, UnknownNameError, counted
from normzoo.experiment.executor.local import CACHE_VARIABLE
from normzoo.experiment.results.store import Store
from normzoo.registry.backends import VARIABLE, checked_backend
from normzoo.registry.datasets import at_home

PACKAGES = {
    "torch": "torch",
    "torchvision": "torchvision",
    "lightning": "lightning",
    "torchmetrics": "torchmetrics",
    "numpy": "numpy",
    "scikit-learn": "sklearn",
}
"""The packages that have a line of their own, and by what name each is imported."""


_MNIST = [f"{split}-{kind}-ubyte" for split in ("train", "t10k") for kind in ("images-idx3", "labels-idx1")]
_BATCHES = [*(f"data_batch_{number}" for number in range(1, 6)), "test_batch", "batches.meta"]
DOWNLOADED = {
    "mnist": ([f"MNIST/raw/{name}" for name in _MNIST], [f"MNIST/raw/{name}.gz" for name in _MNIST]),
    "fashion-mnist": (
        [f"FashionMNIST/raw/{name}" for name in _MNIST],
        [f"FashionMNIST/raw/{name}.gz" for name in _MNIST],
    ),
    "cifar10": ([f"cifar-10-batches-py/{name}" for name in _BATCHES], ["cifar-10-python.tar.gz"]),
    "cifar100": ([f"cifar-100-python/{name}" for name in ("train", "test", "meta")], ["cifar-100-python.tar.gz"]),
}
"""The datasets that torchvision downloads, and their files: unpacked, or as they are fetched."""


@dataclass(frozen=True)
class Check:
    """Something that was looked at.

    Attributes:
        name: what was looked at.
        found: what there is.
        problem: what is wrong with it; empty where nothing is.
        way_out: what to do then.
    """

    name: str
    found: str
    problem: str = ""
    way_out: str = ""


def check_normzoo(version: str, commit: str | None, requirements: Sequence[str] | None) -> Check:
    """Check that the package is installed, with a list of what it needs (``requirements``)."""
    found = version + (f", commit {commit}" if commit else "")
    if requirements is not None:
        return Check("normzoo", found)
    problem = "normzoo is not installed, so that nobody knows which versions of its packages it takes"
    return Check(
        "normzoo", f"{found}, not installed", problem, "run `pip install normzoo`, or `pip install -e .` in a checkout"
    )


def check_python(version: str, bounds: str) -> Check:
    """Check Python's version against ``Requires-Python``; without bounds anything will do."""
    if SpecifierSet(bounds).contains(version.rstrip("+"), prereleases=True):  # 3.14.0+ is one built from its sources
        return Check("python", _with_bounds(version, bounds))
    return Check(
        "python",
        _with_bounds(version, bounds),
        f"Python {version} is outside {bounds}",
        f"make the environment with a Python {bounds}",
    )


def check_packages(
    requirements: Sequence[str], versions: Mapping[str, str], failures: Mapping[str, str]
) -> list[Check]:
    """Check every required package: that it is there, within its bounds, and imports.

    Args:
        requirements: as the installed metadata state them; those of extras do not count.
        versions: of the installed packages, by the names in the requirements.
        failures: what those packages raise that do not import, by the name that they are imported by.
    """
    needed = [each for each in map(Requirement, requirements) if each.marker is None or each.marker.evaluate()]
    checks = {
        each.name: check_package(each, versions.get(each.name), failures.get(PACKAGES.get(each.name, each.name), ""))
        for each in needed
    }
    shown = [checks[name] for name in PACKAGES if name in checks]
    others = [check for name, check in checks.items() if name not in PACKAGES]
    wrong = [check for check in others if check.problem]
    within = len(others) - len(wrong)
    return [*shown, *wrong, *([Check("others", f"{counted(within, 'package')} within bounds")] if within else [])]


def check_package(requirement: Requirement, version: str | None, failure: str = "") -> Check:
    """Check a package that is required; ``failure`` is what it raises when it is imported."""
    name, bounds = requirement.name, _in_order(requirement.specifier)
    install = f"run `pip install '{name}{bounds}'`"
    if version is None:
        return Check(name, f"not installed, needed is {bounds or 'any'}", f"{name} is not installed", install)
    found = _with_bounds(version, bounds)
    if not requirement.specifier.contains(version, prereleases=True):
        return Check(name, found, f"{name} {version} is outside {bounds}", install)
    if failure:
        way_out = f"run `pip install --force-reinstall '{name}{bounds}'`, together with what it is built on"
        return Check(name, f"{version}, does not import", f"{name} {version} does not import ({failure})", way_out)
    return Check(name, found)


def check_cpu(name: str, cores: int, memory: int | None) -> Check:
    """Say what processor there is; memory in bytes."""
    amount = "" if memory is None else f", {memory / 2**30:.1f} GiB of memory"
    return Check("cpu", f"{name}, {counted(cores, 'core')}{amount}")


def check_gpus(devices: Sequence[str] | None, *, machine_has_some: bool) -> Check:
    """Check that torch sees a GPU where there is one; None: torch could not be asked."""
    if devices is None:
        return Check("gpus", "unknown, as torch does not import")
    if machine_has_some and not devices:
        return Check(
            "gpus",
            "some, but none that torch sees",
            "the machine has a GPU, and torch does not see it",
            "install a torch that is built for CUDA (AMD: ROCm, Intel: XPU), and a driver that is as new as it needs",
        )
    names = [name if count == 1 else f"{count} x {name}" for name, count in Counter(devices).items()]
    return Check("gpus", ", ".join(names) or "none")


def check_compiler(command: str, include: Path, system: str = sys.platform) -> Check:
    """Check that the C++ compiler runs, and finds Python's headers, with which compiled norms are built.

    Args:
        command: what torch runs: ``CXX``, or the compiler that is usual on the system.
        include: the folder of ``Python.h``.
        system: as in ``sys.platform``. Windows' compiler is asked for its version alone.
    """
    name = "C++ compiler"
    try:
        words = shlex.split(command, posix=system != "win32")
    except ValueError:  # a quotation without its end
        words = [command]
    asked = [*words, "/?"] if system == "win32" else [*words, "--version"]
    code, version = _run(asked)
    if code:
        return Check(
            name,
            f"none ('{command}' {version})",
            f"there is no C++ compiler ('{command}' {version}): --compile and the compiled backend are off, everything "
            "else works",
            "install g++ or clang++, or name yours in CXX",
        )
    if system != "win32":
        code, _ = _run([*words, "-x", "c++", "-fsyntax-only", f"-I{include}", "-"], "#include <Python.h>\n")
    if code:
        return Check(
            name,
            f"{command}, without Python.h",
            f"'{command}' does not find Python.h in '{include}': --compile and the compiled backend are off, "
            "everything else works",
            "install Python's headers (python3-dev or python3-devel)",
        )
    return Check(name, version or command)


def _run(command: Sequence[str], text: str = "") -> tuple[int, str]:
    """Return the exit code of a command, and the first line that it says; or, in words, how it failed."""
    try:
        done = subprocess.run(  # noqa: S603  # the user's own compiler
            command, input=text, capture_output=True, text=True, errors="replace", timeout=60, check=False
        )
    except FileNotFoundError:
        return 1, "is not found"
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        return 1, f"does not run: {error}"
    if done.returncode:
        return done.returncode, f"ends with exit code {done.returncode}"
    return 0, next(iter(done.stdout.splitlines()), "").strip()


def check_backend(value: str | None) -> Check:
    """Check what ``NORMZOO_BACKEND`` is set to."""
    if not value:
        return Check("backend", f"the default, as {VARIABLE} is not set")
    try:
        return Check("backend", f"{checked_backend(value)}, by {VARIABLE}")
    except UnknownNameError as error:
        return Check(
            "backend", f"{VARIABLE}={value}", f"{VARIABLE}: {error}", f"unset {VARIABLE}, or set it to one of these"
        )


def check_cache(folder: Path) -> Check:
    """Check that the folder in which compiled code is kept can be written, or made."""
    obstacle = obstacle_to_writing(folder)
    if not obstacle:
        return Check("compile cache", str(folder))
    return Check(
        "compile cache",
        f"{folder}, not writable",
        f"the compile cache '{folder}' cannot be written ({obstacle})",
        f"set {CACHE_VARIABLE} to a folder that can",
    )


def check_store(path: Path) -> Check:
    """Check that the store can be read, or made where there is none yet."""
    try:
        if _is_there(path):
            return _read_store(path)
        folder = path.absolute().parent
        obstacle = obstacle_to_writing(folder) if folder.exists() else "there is no such folder"
    except StoreError as error:
        return Check("store", f"{path}: cannot be read", str(error), "name another with --store, or move this one away")
    except (OSError, ValueError) as error:  # ValueError: a name that no file can have
        why = getattr(error, "strerror", error)
        return Check("store", f"{path}: cannot be read", f"store: '{path}': {why}", "name another with --store")
    if not obstacle:
        return Check("store", f"{path}: none yet")
    return Check(
        "store",
        f"{path}: none yet, and none can be made",
        f"store: '{path}' cannot be made in '{folder}' ({obstacle})",
        "name one in a folder that can be written with --store",
    )


def _read_store(path: Path) -> Check:
    """Read all rows of a store, and the file through."""
    with Store(path, writable=False) as store:
        found = f"{path}: {_content(store)}"
        deque(store.each_record(list(store.statuses())), maxlen=0)
        store.timings()
        problems = [*store.damage(), *(f"{what}: {why}" for what, why in store.passed_over.items())]
    if not problems:
        return Check("store", found)
    return Check(
        "store",
        found,
        f"store: '{path}' does not read as a whole: {'; '.join(problems)}",
        "what does not read is passed over; `normzoo compare --rerun all` trains such runs of it again",
    )


def _is_there(path: Path) -> bool:
    """Whether there is such a file; raises what keeps one from knowing."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def _content(store: Store) -> str:
    statuses, comparisons = Counter(store.statuses().values()), len(store.comparisons())
    by_status = ", ".join(f"{count:,} {status}" for status, count in statuses.most_common())
    runs = counted(statuses.total(), "run") + (f" ({by_status})" if by_status else "")
    return f"{runs}, {counted(comparisons, 'comparison')}"


def check_datasets(root: Path) -> Check:
    """Check which of the downloaded datasets are there, by the names of their files, and that none is in parts."""
    folder = at_home(root)
    try:
        if _is_there(folder):
            next(folder.iterdir(), None)  # a folder that may not be read would pass for an empty one
        files = {
            name: [[(folder / file).is_file() for file in form] for form in forms] for name, forms in DOWNLOADED.items()
        }
    except (OSError, ValueError) as error:  # ValueError: a name that no file can have
        problem = f"the folder of the datasets, '{root}', cannot be read ({getattr(error, 'strerror', error)})"
        return Check("datasets", f"in {root}: cannot be read", problem, "name another with --data-root")
    there = [name for name, forms in files.items() if any(map(all, forms))]
    parts = [name for name, forms in files.items() if name not in there and any(map(any, forms))]
    found = f"in {root}: {', '.join(there) or 'none yet'}"
    if not parts:
        return Check("datasets", found)
    names = ", ".join(parts)
    return Check(
        "datasets",
        f"{found}; in parts: {names}",
        f"of {names} some files are missing in '{root}'",
        "run "
        + "; ".join(
            f"`normzoo compare --dataset {name} --download --data-root {shlex.quote(str(root))}`" for name in parts
        ),
    )


def obstacle_to_writing(folder: Path) -> str:
    """Return why nothing can be written in a folder, or it cannot be made; nothing where it can. Leaves no trace."""
    try:
        nearest = next(each for each in (folder.absolute(), *folder.absolute().parents) if each.exists())
        with tempfile.TemporaryFile(dir=nearest):
            return ""
    except OSError as error:
        return error.strerror or str(error)


def _with_bounds(version: str, bounds: str) -> str:
    return f"{version} ({bounds})" if bounds else version


def _in_order(bounds: SpecifierSet) -> str:
    """Return bounds with the lower one first.

    >>> _in_order(SpecifierSet("<2.15,>=2.9"))
    '>=2.9,<2.15'
    """
    return ",".join(sorted(map(str, bounds), key=lambda each: (each.startswith("<"), each)))
