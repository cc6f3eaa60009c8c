"""What only torch and the data can answer before anything is planned. Imports torch."""

from collections.abc import Sequence
from math import prod
from typing import Any

import torch
from pydantic import ByteSize
from torch import nn

from normzoo.data import Augmentations, Dataset, load_dataset
from normzoo.data._dataset import Progress, tell_nobody
from normzoo.devices import resolve_device
from normzoo.errors import ComponentError, ConfigError, UsageError
from normzoo.experiment.config.execution import Execution
from normzoo.experiment.config.spec import MatrixSpec
from normzoo.experiment.planning.facts import DatasetFacts, NetworkFacts, Networks, Prepared
from normzoo.experiment.planning.groups import expand
from normzoo.experiment.planning.kept import own_modules
from normzoo.experiment.worker.attempts import Attempt, failure, freely
from normzoo.experiment.worker.memory import resident_limit
from normzoo.experiment.worker.networks import SAMPLES, try_norm
from normzoo.experiment.worker.train import worker_environment
from normzoo.registry import AUGMENTATIONS, DATASETS, NORMS, OPTIMIZERS, SCHEDULES, TASKS, TEMPLATES, Registry
from normzoo.tasks import Task, make_task
from normzoo.templates import MemberMetrics, make_optimizer, make_schedule, member_losses

_TRIED_VALUES = 2**18
"""How many outputs a task is tried on, about."""


def prepare(
    matrix: MatrixSpec, execution: Execution, progress: Progress = tell_nobody, attempt: Attempt = freely
) -> tuple[Prepared, Dataset]:
    """Load the data, and try every network of the matrix once.

    Args:
        matrix: what is asked for.
        execution: where data is, and on which device.
        progress: is told how much of the data has been read.
        attempt: makes the context of each step.

    Raises:
        UsageError: the device, the data, a batch size or a component cannot be had as asked for.
    """
    device = resolve_device(execution.device)
    with attempt(f"making task '{matrix.task}'"):
        task = make_task(matrix.task)
    for template in matrix.templates:
        with attempt(f"importing template '{template}'"):  # so that a norm is not named for what is wrong with it
            TEMPLATES.load(template)
    _check_recipe(matrix, attempt)
    limit = resident_limit(execution, device)
    is_fetched = execution.download and not DATASETS.parse(matrix.dataset).is_own
    with attempt(f"loading dataset '{matrix.dataset}'", is_limited=not is_fetched):
        dataset = load_dataset(
            matrix.dataset,
            task=task,
            root=execution.data_root,
            download=execution.download,
            folds=matrix.folds,
            resident_bytes=limit,
            progress=progress,
        )
    facts = DatasetFacts(
        name=dataset.name,
        checksum=dataset.checksum,
        shape=dataset.shape,
        outputs=dataset.outputs,
        train=len(dataset.train),
        validation=len(dataset.validation),
        test=len(dataset.test),
        notes=(*dataset.notes, *_stored_note(dataset, limit)),
        description=dataset.description,
    )
    _check_batch_sizes(matrix, facts, dataset.fold_sizes)
    for batch_size in matrix.batch_sizes:
        with attempt(f"trying schedule '{matrix.schedule}'"):
            make_schedule(matrix.schedule, steps=matrix.epochs * (facts.train // batch_size))
    asked: tuple[tuple[Registry[Any], tuple[str, ...]], ...] = (
        (NORMS, matrix.norms),
        (TEMPLATES, matrix.templates),
        (TASKS, (matrix.task,)),
        (OPTIMIZERS, (matrix.optimizer,)),
        (SCHEDULES, (matrix.schedule,)),
        (AUGMENTATIONS, matrix.augment),
    )
    sources: dict[str, dict[str, str]] = {registry.kind: {} for registry, _ in asked}
    for registry, spec in ((registry, spec) for registry, specs in asked for spec in specs):
        with attempt(f"importing {registry.kind} '{spec}'"):
            if source := registry.source(spec):
                sources[registry.kind][spec] = source
    if own := sources.pop(AUGMENTATIONS.kind):
        sources["augment"] = {",".join(matrix.augment): ",".join(own.values())}
    if TASKS.parse(matrix.task).is_own:
        with attempt(f"trying task '{matrix.task}'"):
            try_task(matrix.task, task, dataset)
    with attempt("trying the augmentation"):
        try_augmentations(matrix.augment, dataset)
    smallest = matrix.model_copy(update={"seeds": 1, "batch_sizes": matrix.batch_sizes[:1]})
    networks: dict[tuple[str, str], NetworkFacts] = {}
    for run in expand(smallest, facts, device=device, sources=sources):
        with attempt(f"trying norm '{run.norm}' in the {run.template}"):
            networks[run.template, run.norm] = try_norm(run, dataset, task, matrix)
    _refuse_empty_templates(matrix, networks)
    for (template, norm), network in networks.items():
        if matrix.strategy == "stacked" and network.unstackable:
            raise ConfigError(
                f"strategy: {norm} in the {template} cannot be trained side by side ({network.unstackable}); use "
                "--strategy auto or sequential"
            )
    prepared = Prepared(
        dataset=facts,
        sources=sources,
        networks=networks,
        metrics=task.metrics,
        device=device,
        environment=worker_environment(device),
        accelerators=torch.accelerator.device_count(),
        modules=own_modules((registry, spec) for registry, specs in asked for spec in specs),
    )
    return prepared, dataset


def _stored_note(dataset: Dataset, limit: int) -> tuple[str, ...]:
    """Say that the samples of a dataset are too many for the memory that they may take."""
    if not dataset.is_stored:
        return ()
    return (
        f"as tensors it takes more than the {ByteSize(limit).human_readable(decimal=True)} that a worker keeps "
        "(--resident-memory), so it is read as it is trained on, with the same results",
    )


def _check_recipe(matrix: MatrixSpec, attempt: Attempt) -> None:
    """Refuse an optimizer that cannot be made as asked for, and a schedule that does not take its options."""
    parameters = [nn.Parameter(torch.zeros(2, 2))]
    with attempt(f"making optimizer '{matrix.optimizer}'"):
        make_optimizer(matrix.optimizer, parameters, matrix.rates[0], weight_decay=matrix.weight_decay)
    with attempt(f"importing schedule '{matrix.schedule}'"):
        SCHEDULES.load(matrix.schedule)


def _check_batch_sizes(matrix: MatrixSpec, facts: DatasetFacts, fold_sizes: Sequence[int]) -> None:
    largest, smallest = matrix.batch_sizes[-1], min(fold_sizes, default=facts.train)
    if fold_sizes and largest > smallest:
        raise ConfigError(
            f"batch_sizes: {largest} is larger than the training set of a fold of '{facts.name}' ({smallest} samples, "
            f"with --folds {matrix.folds}); use at most {smallest}"
        )
    if largest > facts.train:
        held = f"{facts.train} of {facts.train + facts.validation} samples, after {facts.validation} for validation"
        raise ConfigError(
            f"batch_sizes: {largest} is larger than the training set of '{facts.name}' ({held}); use at most "
            f"{facts.train}"
        )


def try_task(spec: str, task: Task, dataset: Dataset) -> None:
    """Work out losses and metrics of random outputs for test samples: as many as are soon done, from all over the set.

    Raises:
        ComponentError: either fails, or is not what it must be.
    """
    steps = dataset.test.targets.shape[1:] if task.per_step else ()
    most = max(SAMPLES, _TRIED_VALUES // max(1, prod((*steps, dataset.outputs))))
    samples = len(dataset.test)
    targets = dataset.test.targets[torch.linspace(0, samples - 1, min(samples, most), dtype=torch.float64).long()]
    outputs = torch.randn(len(targets), 1, *steps, dataset.outputs, generator=torch.Generator())
    try:
        member_losses(task.training_losses, outputs, targets.unsqueeze(1))
        metrics = MemberMetrics(task, 1, dataset.scale, outputs.device)
        metrics.update(outputs, targets)
        metrics.compute()
    except Exception as error:
        shapes = f"outputs of shape {(len(targets), *outputs.shape[2:])} and targets of shape {tuple(targets.shape)}"
        raise ComponentError(f"task '{spec}': given {shapes}, {failure(error)}") from error


def try_augmentations(specs: Sequence[str], dataset: Dataset) -> None:
    """Carry out each augmentation on what the ones before it make of a few images.

    Raises:
        UsageError: one does not fit these images, fails, or makes something else of them.
    """
    images = dataset.train.samples[:SAMPLES][:, None].unsqueeze(0)
    for spec in specs:
        if dataset.kind != "images" and not AUGMENTATIONS.parse(spec).is_own:
            raise ConfigError(f"augment: {spec} is for images, and '{dataset.name}' holds {dataset.kind}; leave it out")
        try:
            augmentations = Augmentations([spec])
            drawn = augmentations.draw(images.shape[1], torch.Generator())[None, :, None]
            images = augmentations(images, drawn, drawn)
        except UsageError:
            raise
        except Exception as error:
            raise ComponentError(
                f"augment: {spec} fails on images of shape {tuple(images.shape[3:])}: {failure(error)}"
            ) from error


def _refuse_empty_templates(matrix: MatrixSpec, networks: Networks) -> None:
    """Refuse a template that takes none of the norms: it may be its own fault."""
    for template in matrix.templates:
        refusals = {norm: networks[template, norm].refusal for norm in matrix.norms_in(template)}
        if all(refusals.values()):
            norm, reason = next(iter(refusals.items()))
            others = f" (and {len(refusals) - 1} more)" if len(refusals) > 1 else ""
            raise ConfigError(f"norms: the {template} takes none of these; of {norm}{others}: {reason}")
