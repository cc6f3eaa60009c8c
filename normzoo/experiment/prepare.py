"""What only torch and the data can answer before anything is planned. Runs in a worker."""

import hashlib
import inspect
from pathlib import Path

import torch

from normzoo.data import Dataset, load_dataset
from normzoo.errors import ConfigError, DeviceError, NormError
from normzoo.experiment.execution import Execution
from normzoo.experiment.plan import DatasetFacts, expand
from normzoo.experiment.prepared import Device, Prepared
from normzoo.experiment.spec import MatrixSpec
from normzoo.experiment.train import build_network, worker_environment
from normzoo.registry import is_import_path, load, parse_spec


def prepare(matrix: MatrixSpec, execution: Execution) -> tuple[Prepared, Dataset]:
    """Load the data, and make sure that every network of the matrix can be built.

    Raises:
        UsageError: the device, the data, a batch size or a norm cannot be had as asked for.
    """
    device = resolve_device(execution.device)
    dataset = load_dataset(matrix.dataset, root=execution.data_root, download=execution.download)
    facts = DatasetFacts(
        name=dataset.name,
        checksum=dataset.checksum,
        shape=dataset.shape,
        classes=dataset.classes,
        train=len(dataset.train.labels),
        validation=len(dataset.validation.labels),
        test=len(dataset.test.labels),
    )
    if matrix.batch_sizes[-1] > facts.train:
        raise ConfigError(
            f"batch_sizes: {matrix.batch_sizes[-1]} is larger than the training set of '{facts.name}' "
            f"({facts.train} samples); use at most {facts.train}"
        )
    sources = {norm: norm_source(norm) for norm in matrix.norms}
    _build_each_network(matrix, facts, sources, dataset)
    return Prepared(facts, sources, device, worker_environment(device), torch.cuda.device_count()), dataset


def resolve_device(wanted: str) -> Device:
    """Return ``cuda`` if it is asked for or there, else ``cpu``.

    Raises:
        DeviceError: cuda is asked for and not there.
    """
    available = torch.cuda.is_available()
    if wanted == "cuda" and not available:
        raise DeviceError("device: cuda was asked for, and torch finds no CUDA device; use --device cpu or auto")
    return "cuda" if available and wanted != "cpu" else "cpu"


def norm_source(norm: str) -> str | None:
    """Return the checksum of the file that a user's own norm is written in; None for normzoo's norms.

    It is part of a run's key, so that a changed norm is trained again.
    """
    spec = parse_spec(norm)
    if not is_import_path(spec):
        return None
    try:
        path = inspect.getsourcefile(load(spec.target))  # type: ignore[arg-type]  # anything else raises TypeError
    except TypeError:
        path = None
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()[:16] if path else None


def _build_each_network(
    matrix: MatrixSpec, facts: DatasetFacts, sources: dict[str, str | None], dataset: Dataset
) -> None:
    for run in expand(matrix.model_copy(update={"seeds": 1}), facts, sources):
        if run.batch_size == matrix.batch_sizes[0]:
            try:
                build_network(run, dataset)
            except NormError as error:
                raise NormError(f"norms: in the {run.template}, {error}") from error
            except Exception as error:
                reason = str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"
                raise ConfigError(f"the {run.template} with norm '{run.norm}' cannot be built: {reason}") from error
