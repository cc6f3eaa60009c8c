"""The command that trains a stored run again. Pure and torch-free."""

import shlex
from typing import Any

from pydantic import ValidationError

from normzoo.experiment.config.resolve import SEEDS, reproducing_command
from normzoo.experiment.config.spec import MatrixSpec, RunSpec
from normzoo.experiment.planning.facts import DatasetFacts, NetworkFacts
from normzoo.experiment.planning.groups import expand
from normzoo.experiment.results.records import RunRecord

_FRESH_STORE = "again.sqlite"


def command_for(key: str, record: RunRecord, dataset: str) -> str | None:
    """Return a command that trains the run in a store of its own, in the same way, or None where none trains it.

    It trains the run alone; of folds, a seed for each, as many as there must be, from that of the run on.

    Args:
        key: of the run in its store: another than its specification has now, where it was trained by another
            procedure than this normzoo's.
        record: the run.
        dataset: as ``compare`` names it; of the user's own data with its path.
    """
    spec = record.spec
    if spec.seed + spec.folds > SEEDS:
        return None
    try:
        matrix = _matrix(spec, dataset)
    except ValidationError:
        return None
    facts = DatasetFacts(dataset, spec.dataset_checksum, shape=(1, 1, 1), outputs=1, train=1, validation=1, test=1)
    named = {**spec.model_dump(), "augment": ",".join(spec.augment)}
    sources = {kind: {named[kind]: checksum} for kind, checksum in spec.sources.items()}
    networks = {(spec.template, spec.norm): NetworkFacts(keeps_statistics=bool(spec.further_eval_stats))}
    if key not in {run.key for run in expand(matrix, facts, sources=sources, networks=networks)}:
        return None
    device = str(record.environment.get("device", "")).partition(":")[0]
    where = f" --device {device}" if device in ("cpu", "cuda", "mps", "xpu") else ""
    return f"{reproducing_command(matrix)}{where} --store {_FRESH_STORE}"


def harmless(command: str) -> str:
    """Return a stored command so that a shell which it is copied to runs that one command: each word is quoted.

    >>> harmless("normzoo compare; touch PWNED"), harmless("normzoo compare --norms batch,none")
    ("normzoo 'compare;' touch PWNED", 'normzoo compare --norms batch,none')
    """
    try:
        return shlex.join(shlex.split(command))
    except ValueError:  # a quotation that does not end
        return shlex.quote(command)


def _matrix(spec: RunSpec, dataset: str) -> MatrixSpec:
    """Return the smallest matrix that has the run in it, by the default learning rates where they give its own."""
    settings: dict[str, Any] = {
        "templates": (spec.template,),
        "norms": (spec.norm,),
        "dataset": dataset,
        "task": spec.task,
        "strategy": spec.strategy,
        "compile": "always" if spec.compile else "never",
        "batch_sizes": (spec.batch_size,),
        "first_seed": spec.seed,
        "seeds": spec.folds,
        "folds": spec.folds,
        "epochs": spec.epochs,
        "optimizer": spec.optimizer,
        "schedule": spec.schedule,
        "weight_decay": spec.weight_decay,
        "weight_decay_on": spec.weight_decay_on,
        "clip_norm": spec.clip_norm,
        "precision": spec.precision,
        "augment": spec.augment,
        "eval_stats": ("running", *spec.further_eval_stats),
    }
    matrix = MatrixSpec(**settings)
    if matrix.lr_at(spec.batch_size) == spec.lr:
        return matrix
    return MatrixSpec(**settings, lr=spec.lr, lr_reference=spec.batch_size)
