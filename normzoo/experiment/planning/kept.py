"""What a worker found out, kept until something that it depends on changes. Torch-free.

A comparison whose runs are all stored is planned from it, without a worker. What is trained is always prepared again,
so that nothing that is kept decides what a run is.
"""

import hashlib
import importlib
import json
import os
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import BaseModel, ValidationError
from pydantic_core import PydanticSerializationError

import normzoo
from normzoo.experiment.config.environment import describe_environment
from normzoo.experiment.config.execution import Execution
from normzoo.experiment.config.spec import MatrixSpec
from normzoo.experiment.planning.facts import DatasetFacts, Device, NetworkFacts, Prepared
from normzoo.libraries import is_of_library
from normzoo.metric import Metric
from normzoo.registry import DATASETS, Registry
from normzoo.registry.datasets import at_home, circular_link, paths_of

OF_PLANNING_ALONE = frozenset({"seeds", "first_seed", "baseline", "target"})
"""Settings of the matrix that nothing is prepared by."""

VARIABLES = ("CUDA", "HIP", "NORMZOO", "NVIDIA", "ONEAPI", "PYTORCH", "ROCR", "TORCH", "ZE_")
"""How the names begin of those environment variables that torch and normzoo read."""

DEVICES = ("proc/driver/nvidia/gpus/*", "dev/nvidia[0-9]*", "dev/kfd", "dev/dxg", "dev/dri/renderD*")
"""Where Linux lists GPUs, below the root."""

_BEGAN = time.time_ns()
"""When this process did: what it has loaded is older."""

_ROOT = Path("/")
_OURS = Path(normzoo.__file__).parent

_Stamp = tuple[int, int, int]
"""A file's size, and when it was written and its entry changed, in ns. The last cannot be set by hand."""


@dataclass(frozen=True)
class Surroundings:
    """What a preparation starts from.

    Attributes:
        request: what is asked for, as a checksum.
        state: what there is, as a checksum: normzoo's files, versions, installed packages, devices and data.
        at: when it was looked at, in ns.
    """

    request: str
    state: str
    at: int

    def seal(self, text: str) -> str:
        """Return the checksum of what was found out here."""
        return _checksum([self.request, self.state, str(text)])


class Kept(NamedTuple):
    """What was found out as text, by what was asked for; the seal is also over all that it depends on."""

    request: str
    seal: str
    text: str


def look_around(matrix: MatrixSpec, execution: Execution) -> Surroundings | None:
    """Return what a preparation by a new worker of this machine would start from; None where that cannot be told.

    It cannot where a dataset of the user's own is loaded, as only its code knows what it reads; where data is missing;
    and where code has changed since this process began, which may have loaded it before.
    """
    data = _data_files(matrix.dataset, execution.data_root)
    if data is None:
        return None
    at = time.time_ns()
    code = _stamps([_OURS / "__init__.py", *_OURS.rglob("*.py"), *_packages()])
    files = _stamps(data)
    if any(stamp is None or stamp[2] >= _BEGAN for stamp in code.values()) or None in files.values():
        return None
    variables = {name: value for name, value in os.environ.items() if name.startswith(VARIABLES)}
    devices = sorted(str(device) for pattern in DEVICES for device in _ROOT.glob(pattern))
    return Surroundings(
        request=_checksum([matrix.model_dump(mode="json", exclude=set(OF_PLANNING_ALONE)), execution.device]),
        state=_checksum([describe_environment(with_commit=False), variables, devices, code, files]),
        at=at,
    )


class _Text(BaseModel):
    """The form in which it is kept; the environment is that of a run, and is told by who trains it."""

    dataset: DatasetFacts
    sources: dict[str, dict[str, str]]
    networks: list[tuple[str, str, NetworkFacts]]
    metrics: tuple[Metric, ...]
    device: Device
    accelerators: int
    modules: dict[str, tuple[str, _Stamp]]


def keep(prepared: Prepared, surroundings: Surroundings) -> Kept | None:
    """Return what is to be kept; None where a file of the user's own has changed in the meantime."""
    modules: dict[str, tuple[str, _Stamp]] = {}
    for name, file in prepared.modules.items():
        stamp = _stamp(file)
        if stamp is None or stamp[2] >= surroundings.at:
            return None
        modules[name] = file, stamp
    kept = _Text(
        dataset=prepared.dataset,
        sources={kind: dict(found) for kind, found in prepared.sources.items()},
        networks=[(*names, found) for names, found in prepared.networks.items()],
        metrics=prepared.metrics,
        device=prepared.device,
        accelerators=prepared.accelerators,
        modules=modules,
    )
    try:
        text = kept.model_dump_json()
    except PydanticSerializationError:  # a file's name that UTF-8 does not have
        return None
    return Kept(surroundings.request, surroundings.seal(text), text)


def recall(kept: Kept, surroundings: Surroundings) -> Prepared | None:
    """Return what a worker would find out, but for its environment; None where that may be something else by now."""
    if kept.seal != surroundings.seal(kept.text):
        return None
    try:
        found = _Text.model_validate_json(kept.text)
    except ValidationError:
        return None
    importlib.invalidate_caches()
    if any((_origin(name), _stamp(file)) != (file, stamp) for name, (file, stamp) in found.modules.items()):
        return None
    return Prepared(
        dataset=found.dataset,
        sources=found.sources,
        networks={(template, norm): network for template, norm, network in found.networks},
        metrics=found.metrics,
        device=found.device,
        environment={},
        accelerators=found.accelerators,
        modules={name: file for name, (file, _) in found.modules.items()},
    )


def own_modules(components: Iterable[tuple[Registry[Any], str]]) -> dict[str, str]:
    """Return the modules that the user's own components came with, by name, with their files.

    They are those that the components are named by and defined in, and all that this process has loaded besides
    normzoo and what is installed: what they import from files of the user's is among them.
    """
    own = [(registry, text) for registry, text in components if registry.parse(text).is_own]
    if not own:
        return {}
    named = {registry.parse(text).target.partition(":")[0] for registry, text in own}
    defining = {str(path) for path in (registry.source_file(text) for registry, text in own) if path}
    specs = [getattr(module, "__spec__", None) for module in list(sys.modules.values())]
    loaded = {spec.name: spec.origin for spec in specs if spec is not None and spec.has_location and spec.origin}
    found = {
        name: file
        for name, file in loaded.items()
        if name in named or file in defining or not is_of_library(Path(file))
    }
    return found | {file: file for file in defining - set(found.values())}  # no import leads there: never recalled


def _origin(name: str) -> str | None:
    """Return the file that a worker would import a module from, without importing it or the packages it is in."""
    parts = name.split(".")
    path: Sequence[str] | None = [*sys.path, str(Path.cwd())]
    origin = None
    for length in range(1, len(parts) + 1):
        full = ".".join(parts[:length])
        try:
            specs = (finder.find_spec(full, path) for finder in sys.meta_path)
            spec = next((spec for spec in specs if spec is not None), None)
        except Exception:  # a finder may look for the package among what is loaded
            return None
        if spec is None or path is None:
            return None
        origin, path = spec.origin, spec.submodule_search_locations
    return origin


def _data_files(dataset: str, root: Path) -> list[Path] | None:
    """Return what a dataset is read from; None where that is not known or not there."""
    spec = DATASETS.parse(dataset)
    if spec.is_own:
        return None
    entry = DATASETS.entry(spec)
    if entry.argument == "PATH":
        each_below = [_all_below(at_home(path)) for path in paths_of(spec)]
        return [path for below in each_below for path in below or ()] if all(each_below) else None
    found = [list((at_home(root) / folder).rglob("*")) for folder in entry.folders]
    return [path for each in found for path in each] if all(found) else None


def _all_below(folder: Path) -> list[Path] | None:
    """Return a file, or a folder and all below it, also by way of links; None where a link leads in a circle."""
    found = [folder]
    for inside, folders, files in os.walk(folder, followlinks=True):
        if circular_link(Path(inside), folders, folder):
            return None
        found += [Path(inside, name) for name in (*folders, *files)]
    return found


def _packages() -> Iterator[Path]:
    """Yield what says which packages are installed, and in which version."""
    for folder in dict.fromkeys(sys.path):
        with suppress(OSError), os.scandir(folder or ".") as entries:
            yield from (Path(entry.path) for entry in entries if entry.name.endswith((".dist-info", ".egg-info")))


def _stamps(paths: Iterable[Path]) -> Mapping[str, _Stamp | None]:
    return {str(path.absolute()): _stamp(path) for path in paths}


def _stamp(path: Path | str) -> _Stamp | None:
    """Return the stamp of a file; None where there is none."""
    try:
        found = Path(path).stat()
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _checksum(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
