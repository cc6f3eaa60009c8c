"""``normzoo doctor``: what normzoo runs on here, what is wrong with it, and what to do."""

import json
import os
import platform
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Sequence
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from cyclopts import Parameter
from packaging.requirements import Requirement

from normzoo.cli import EXIT_FAILED_RUNS, EXIT_OK, _checks, _probe
from normzoo.cli._checks import PACKAGES, Check
from normzoo.cli._console import plain_console
from normzoo.cli._tables import facts, plain_table
from normzoo.experiment.config.environment import describe_environment
from normzoo.experiment.executor.local import CACHE_VARIABLE, WORKER_ENVIRONMENT, machine_has_gpus
from normzoo.interrupts import signal_name
from normzoo.memory import total_bytes
from normzoo.registry.backends import VARIABLE

_SECONDS = 180
"""After which importing hangs."""
_HIDING = frozenset(
    (
        "CUDA_VISIBLE_DEVICES",
        "HIP_VISIBLE_DEVICES",
        "ROCR_VISIBLE_DEVICES",
        "ONEAPI_DEVICE_SELECTOR",
        "ZE_AFFINITY_MASK",
    )
)
"""Variables that say which GPUs torch is to see, and may say none."""


def doctor(
    *,
    store: Annotated[Path, Parameter(help="File in which results are kept.")] = Path("normzoo.sqlite"),
    data_root: Annotated[Path, Parameter(help="Folder of the downloaded datasets.")] = Path("data"),
    as_json: Annotated[bool, Parameter(name="--json", negative="", help="Print the same as JSON.")] = False,
) -> int:
    """Look at everything, and show it."""
    checks = examine(store, data_root)
    if as_json:
        sys.stdout.write(to_json(checks) + "\n")
    else:
        show(checks)
    return EXIT_FAILED_RUNS if any(check.problem for check in checks) else EXIT_OK


def examine(store: Path, data_root: Path) -> list[Check]:
    """Look at this environment and machine, and at the store and the data."""
    found = describe_environment()
    requirements, python_bounds = _metadata()
    probed = probe([PACKAGES[name] for name in sorted(PACKAGES, key=_of_torch)])
    cache = os.environ.get(CACHE_VARIABLE, WORKER_ENVIRONMENT[CACHE_VARIABLE])
    return [
        _checks.check_normzoo(found["normzoo"], found["commit"], requirements),
        _checks.check_python(found["python"], python_bounds),
        *_checks.check_packages(requirements or list(PACKAGES), _versions(requirements or PACKAGES), probed.failures),
        _checks.check_cpu(found["cpu"], found["cpu_count"], total_bytes()),
        _checks.check_gpus(
            probed.devices, machine_has_some=machine_has_gpus() and os.environ.keys().isdisjoint(_HIDING)
        ),
        _checks.check_compiler(_compiler(), Path(sysconfig.get_path("include"))),
        _checks.check_backend(os.environ.get(VARIABLE)),
        _checks.check_cache(Path(cache)),
        _checks.check_store(store),
        _checks.check_datasets(data_root),
    ]


class Probed(NamedTuple):
    """What a process found that imported the packages.

    Attributes:
        failures: what those raised that do not import, by module.
        devices: the names of the GPUs that torch sees; None where torch does not import.
    """

    failures: dict[str, str]
    devices: list[str] | None


def probe(modules: Sequence[str], seconds: float = _SECONDS) -> Probed:
    """Import modules in a process of its own, which may die of it."""
    command = [sys.executable, "-P", _probe.__file__, *modules]
    try:
        done = subprocess.run(  # noqa: S603  # our own file
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=seconds, check=False
        )
        said, end = done.stdout, _end(done.returncode)
    except subprocess.TimeoutExpired as error:
        said, end = error.stdout or b"", f"takes more than {seconds:.0f} s"
    answers = _answers(said.decode(errors="replace").splitlines())
    failures = {module: answer["error"] for module, answer in answers.items() if answer["error"]}
    unheard = [module for module in modules if module not in answers]
    if unheard and _probe.ESSENTIAL not in failures:
        failures[unheard[0]] = end
    return Probed(failures, answers.get(_probe.ESSENTIAL, {}).get("devices"))


def _answers(lines: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Return what the process said of each module, whatever the packages print between."""
    found = {}
    for line in lines:
        try:
            answer = json.loads(line)
        except ValueError:
            continue
        if isinstance(answer, dict) and {"module", "error"} <= answer.keys():
            found[answer["module"]] = answer
    return found


def _end(code: int) -> str:
    return f"Python is killed by {signal_name(-code)}" if code < 0 else f"Python ends with exit code {code}"


def to_json(checks: Sequence[Check]) -> str:
    """Return everything that ``show`` shows."""
    found = [
        {
            "name": check.name,
            "found": check.found,
            "problem": check.problem or None,
            "way_out": check.way_out or None,
        }
        for check in checks
    ]
    return json.dumps({"ok": not any(check.problem for check in checks), "checks": found}, indent=2)


def show(checks: Sequence[Check]) -> None:
    """Print a line for each, then what is wrong and what to do."""
    console = plain_console()
    rows = [("wrong" if check.problem else "ok", check.name, check.found) for check in checks]
    console.print(plain_table(("", "what", "found"), rows, fold=("found",)))
    wrong = [(f"{check.problem}.", f"{check.way_out}.") for check in checks if check.problem]
    console.print()
    if not wrong:
        console.print("Nothing is wrong.")
        return
    console.print(f"{len(wrong)} thing is wrong:" if len(wrong) == 1 else f"{len(wrong)} things are wrong:")
    console.print(facts(("-", f"{problem} {way_out[0].upper()}{way_out[1:]}") for problem, way_out in wrong))


def _metadata() -> tuple[list[str] | None, str]:
    """Return what the installed normzoo requires, of packages and of Python; None where it is not installed."""
    try:
        bounds = metadata.metadata("normzoo").json.get("requires_python", "")
        return metadata.requires("normzoo") or [], str(bounds)
    except metadata.PackageNotFoundError:
        return None, ""


def _versions(requirements: Iterable[str]) -> dict[str, str]:
    """Return the versions of those required packages that are installed."""
    found = {}
    for name in (Requirement(each).name for each in requirements):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _of_torch(package: str) -> bool:
    """Whether it is torch or built on it; those come last, as they cannot be asked where torch does not import."""
    return package not in ("numpy", "scikit-learn")


def _compiler() -> str:
    """Return what torch runs to compile C++."""
    usual = {"Darwin": "clang++", "Windows": "cl"}.get(platform.system(), "g++")
    return os.environ.get("CXX", usual)
