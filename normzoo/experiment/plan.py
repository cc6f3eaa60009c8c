"""From the matrix a user asks for to the groups of runs that are still to be trained. Pure and torch-free."""

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from normzoo.experiment.spec import MatrixSpec, RunSpec
from normzoo.registry import TEMPLATES, canonical_norm


@dataclass(frozen=True)
class DatasetFacts:
    """What planning needs to know of a dataset: checksum, shape (C, H, W), classes, and the samples of each split."""

    name: str
    checksum: str
    shape: tuple[int, int, int]
    classes: int
    train: int
    validation: int
    test: int


@dataclass(frozen=True)
class Group:
    """Runs that differ only in their seed; a worker trains a group at a time.

    Attributes:
        steps: optimizer steps of each run.
    """

    runs: tuple[RunSpec, ...]
    steps: int


def expand(matrix: MatrixSpec, dataset: DatasetFacts, norm_sources: Mapping[str, str | None]) -> list[RunSpec]:
    """Return every run of the matrix, in the order of the tables.

    Args:
        matrix: what the user asks for.
        dataset: the dataset's facts; its checksum goes into every run.
        norm_sources: for each norm as written, the checksum of the user's own file, or None.
    """
    return [
        RunSpec(
            template=template,
            options=_template_options(matrix, template),
            norm=canonical_norm(norm),
            norm_source=norm_sources.get(norm),
            dataset=dataset.name.partition(":")[0],
            dataset_checksum=dataset.checksum,
            batch_size=batch_size,
            seed=seed,
            epochs=matrix.epochs,
            optimizer=matrix.optimizer,
            lr=matrix.lr_at(batch_size),
        )
        for template in matrix.templates
        for norm in matrix.norms
        for batch_size in matrix.batch_sizes
        for seed in range(matrix.seeds)
    ]


def _template_options(matrix: MatrixSpec, template: str) -> dict[str, Any]:
    """Return the settings that this template uses, and none that it ignores."""
    return matrix.model_dump(mode="json", include=set(TEMPLATES[template].options))


def plan(runs: Iterable[RunSpec], done: Container[str], train_samples: int) -> list[Group]:
    """Return the groups of runs whose keys are not done, those with the most steps first.

    The order only serves the load of the workers: no result depends on it.
    """
    groups: dict[str, list[RunSpec]] = {}
    for run in runs:
        if run.key not in done:
            groups.setdefault(run.group_key, []).append(run)
    planned = [Group(tuple(group), _steps(group[0], train_samples)) for group in groups.values()]
    return sorted(planned, key=lambda group: -group.steps * len(group.runs))


def _steps(run: RunSpec, train_samples: int) -> int:
    return run.epochs * (train_samples // run.batch_size)


def total_steps(groups: Sequence[Group]) -> int:
    """Return the optimizer steps of all runs of the groups."""
    return sum(group.steps * len(group.runs) for group in groups)
