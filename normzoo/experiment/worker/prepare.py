"""What only torch and the data can answer before anything is planned. Imports torch."""

import copy
from collections.abc import Sequence
from typing import Any

import torch
from pydantic import ByteSize
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode, flop_registry

from normzoo.data import Augmentations, Dataset, load_dataset
from normzoo.data._dataset import Progress, tell_nobody
from normzoo.devices import resolve_device
from normzoo.errors import ComponentError, ConfigError, UsageError, error_line, error_text
from normzoo.experiment.config.execution import Execution
from normzoo.experiment.config.spec import MatrixSpec, RunSpec
from normzoo.experiment.planning.facts import DatasetFacts, NetworkFacts, Networks, PlaceFacts, Prepared
from normzoo.experiment.planning.groups import expand
from normzoo.experiment.planning.kept import own_modules
from normzoo.experiment.worker.attempts import Attempt, failure, freely
from normzoo.experiment.worker.memory import resident_limit
from normzoo.experiment.worker.places import look_for_places
from normzoo.experiment.worker.train import build_network, worker_environment
from normzoo.layers import norm_factory
from normzoo.registry import AUGMENTATIONS, DATASETS, NORMS, OPTIMIZERS, SCHEDULES, TASKS, TEMPLATES, Registry
from normzoo.surgery import keeps_statistics
from normzoo.tasks import Task, make_task
from normzoo.templates import (
    MemberRandom,
    draw_from,
    is_elementwise,
    make_optimizer,
    make_schedule,
    member_losses,
    stack,
)

_SAMPLES = 4
"""That every network is tried on."""

_ROUNDING = 1e-2
"""How far outputs of a stack may be from those of its members, of the largest: what differs by more is not the same."""

_OTHER_KIND = " (where they are no images, say kind=sequences or kind=volumes behind the path)"

_LARGEST_BATCH = 256
"""That a network's training is tried on: what a larger batch does not fit, a part of it does not fit either."""


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
    with attempt("trying the augmentation"):
        try_augmentations(matrix.augment, dataset)
    smallest = matrix.model_copy(update={"seeds": 1, "batch_sizes": matrix.batch_sizes[:1]})
    networks: dict[tuple[str, str], NetworkFacts] = {}
    for run in expand(smallest, facts, device=device, sources=sources):
        with attempt(f"trying norm '{run.norm}' in the {run.template}"):
            networks[run.template, run.norm] = _tried(run, dataset, task, matrix)
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


def try_augmentations(specs: Sequence[str], dataset: Dataset) -> None:
    """Carry out each augmentation on what the ones before it make of a few images.

    Raises:
        UsageError: one does not fit these images, fails, or makes something else of them.
    """
    images = dataset.train.samples[:_SAMPLES][:, None].unsqueeze(0)
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


def _tried(run: RunSpec, dataset: Dataset, task: Task, matrix: MatrixSpec) -> NetworkFacts:
    """Try a network; of an optional norm, return why the template does not take it, and of others say how it is one."""
    try:
        return try_network(run, dataset, task)
    except UnfitNormError as error:
        if matrix.is_optional(run.norm):
            return NetworkFacts(refusal=error.reason)
        if run.norm == matrix.baseline or len(matrix.norms) == 1:
            raise
        way_out = f"to train the rest without it, --optional {run.norm}"
        raise UnfitNormError(f"{error}; {way_out}", error.reason) from error


def _refuse_empty_templates(matrix: MatrixSpec, networks: Networks) -> None:
    """Refuse a template that takes none of the norms: it may be its own fault."""
    for template in matrix.templates:
        refusals = {norm: networks[template, norm].refusal for norm in matrix.norms_in(template)}
        if all(refusals.values()):
            norm, reason = next(iter(refusals.items()))
            others = f" (and {len(refusals) - 1} more)" if len(refusals) > 1 else ""
            raise ConfigError(f"norms: the {template} takes none of these; of {norm}{others}: {reason}")


class UnfitNormError(ComponentError):
    """A network does not take a norm.

    Attributes:
        reason: why, without naming the two.
    """

    def __init__(self, message: str, reason: str) -> None:
        super().__init__(message)
        self.reason = reason

    def __reduce__(self) -> tuple[type[ComponentError], tuple[str]]:
        # Crosses from a worker to its parent as its message.
        return (ComponentError, (str(self),))


def try_network(run: RunSpec, dataset: Dataset, task: Task) -> NetworkFacts:
    """Build a network, take a step's gradient by itself and stacked, and return what was found out.

    Raises:
        ComponentError: it cannot be built, or fails at the run's batch size.
    """
    members = _build_members(run, dataset)
    inputs, targets = dataset.train.samples[:_SAMPLES], dataset.train.targets[:_SAMPLES]
    with torch.random.fork_rng(devices=[]):
        flops, products = _cost(run, members[0], inputs, dataset.outputs, per_step=task.per_step)
        places = _check_training(run, members[0], dataset, task)
        return NetworkFacts(
            flops=flops // len(inputs),
            unstackable=_why_unstackable(members, task, inputs, targets) or _why_apart(run, members[0]),
            places=places,
            keeps_statistics=keeps_statistics(members[0]),
            products=products,
            parameters=sum(each.numel() for each in members[0].parameters()),
        )


def _build_members(run: RunSpec, dataset: Dataset) -> list[nn.Module]:
    """Build the network of two seeds."""
    try:
        norm = norm_factory(run.norm)
        members = [build_network(run.model_copy(update={"seed": seed}), dataset, norm) for seed in (0, 1)]
    except ComponentError as error:
        reason = error_text(error)
        named = reason if run.norm in reason else f"norm '{run.norm}': {reason}"
        why = reason.replace(f"norm '{run.norm}'", "it").removeprefix("it: ")
        raise UnfitNormError(f"norms: in the {run.template}, {named}", why) from error
    except Exception as error:
        raise ConfigError(
            f"the {run.template} with norm '{run.norm}' cannot be built for {dataset.kind} of shape {dataset.shape}"
            f"{_OTHER_KIND if dataset.kind == 'images' and run.dataset.startswith('npz') else ''}: {failure(error)}"
        ) from error
    if {*map(id, members[0].parameters())} & {*map(id, members[1].parameters())}:
        raise ConfigError(
            f"the {run.template} with norm '{run.norm}' is the same network at every call; make a new one for each seed"
        )
    return members


class _Products(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts matrix products, convolutions and what else has its operations counted."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += func.overloadpacket in flop_registry
        return func(*args, **(kwargs or {}))


def _cost(run: RunSpec, network: nn.Module, inputs: torch.Tensor, outputs: int, *, per_step: bool) -> tuple[int, int]:
    """Return the operations and products of a forward pass, in evaluation, where every network takes any input."""
    network = copy.deepcopy(network).eval()
    with torch.no_grad():
        try:
            with _Products() as products, FlopCounterMode(display=False) as counter:
                y = network(inputs)
            _check_outputs(y, (len(inputs), *(inputs.shape[-1:] if per_step else ()), outputs))
            if bool(inputs.isnan().any()) and not bool(y.isfinite().all()):
                raise ConfigError("steps beyond the end of a sequence are NaN, and they reach its outputs; mask them")
            if per_step:
                _check_causal(network, inputs, y)
        except Exception as error:
            reason = f"fails on inputs of shape {tuple(inputs.shape)}: {failure(error)}"
            raise UnfitNormError(f"the {run.template} with norm '{run.norm}' {reason}", f"it {reason}") from error
    return int(counter.get_total_flops()), products.count


def _check_outputs(y: object, shape: tuple[int, ...]) -> None:
    """Refuse what is no output for each sample, or each of its steps."""
    got = f"shape {tuple(y.shape)}" if isinstance(y, torch.Tensor) else f"a {type(y).__name__}"
    if not isinstance(y, torch.Tensor) or y.shape != shape:
        raise ConfigError(f"its output must be of shape {shape}, got {got}")


def _check_causal(network: nn.Module, inputs: torch.Tensor, outputs: torch.Tensor) -> None:
    """Refuse a network whose outputs at a step change with a later one: it would be told what it is to predict."""
    last = inputs[..., -1] + 1
    others = inputs.clone()
    others[..., -1] = last if inputs.is_floating_point() else last % (int(inputs.max()) + 1)
    if not torch.allclose(network(others)[:, :-1], outputs[:, :-1], atol=_ROUNDING):
        raise ConfigError("its outputs at a step change with later steps, which it is to predict")


def _check_training(run: RunSpec, network: nn.Module, dataset: Dataset, task: Task) -> tuple[PlaceFacts, ...]:
    """Refuse what cannot be trained at a batch size, as a single value has no variance; return where norms stand."""
    inputs = dataset.train.samples[: min(run.batch_size, _LARGEST_BATCH)]
    few = dataset.train.samples[:_SAMPLES], dataset.train.targets[:_SAMPLES]
    network = copy.deepcopy(network).train()
    try:
        with torch.no_grad():
            places, outputs = look_for_places(network, inputs, run.norm)
        steps = inputs.shape[-1:] if task.per_step else ()
        _check_outputs(outputs, (len(inputs), *steps, dataset.outputs))
        task.training_losses(network(few[0]), few[1]).mean().backward()  # type: ignore[no-untyped-call]
    except Exception as error:
        reason = f"cannot be trained at batch size {run.batch_size}: {failure(error)}"
        message = f"batch_sizes: the {run.template} with norm '{run.norm}' {reason}"
        raise UnfitNormError(message, f"it {reason}") from error
    return places


def _why_unstackable(members: list[nn.Module], task: Task, inputs: torch.Tensor, targets: torch.Tensor) -> str:
    """Return why networks cannot be trained side by side; empty where they can."""
    before = torch.get_rng_state()
    try:
        network = stack(members)
        draw_from(network, MemberRandom(range(len(members))))
        everyones = (each.unsqueeze(1).expand(-1, len(members), *each.shape[1:]) for each in (inputs, targets))
        x, y = everyones
        if not _does_as_its_members(network, members, x):
            return "its outputs are others than those of its members alone, so it does not consist of parts"
        member_losses(task.training_losses, network(x), y).sum().backward()  # type: ignore[no-untyped-call]
    except Exception as error:
        text = error_line(error)
        return _SHARED_NUMBERS if "randomness error mode" in text else text
    if not torch.equal(before, torch.get_rng_state()):
        return _SHARED_NUMBERS
    return ""


_SHARED_NUMBERS = "it draws random numbers, and is not stacked part by part (consists_of_parts)"


def _does_as_its_members(network: nn.Module, members: list[nn.Module], x: torch.Tensor) -> bool:
    """Whether a stack puts out, in evaluation, what each of its members does, but for rounding."""
    with torch.no_grad():
        together = network.eval()(x)
        alone = torch.stack([member.eval()(x[:, index]) for index, member in enumerate(members)], 1)
    for each in (network, *members):
        each.train()
    scale = max(1.0, alone.abs().max().item())
    return bool(torch.allclose(together, alone, rtol=0, atol=_ROUNDING * scale, equal_nan=True))


def _why_apart(run: RunSpec, network: nn.Module) -> str:
    """Return why an optimizer of the user's own has to update each network by itself; empty where it need not.

    Raises:
        ComponentError: it fails even so.
    """
    if not OPTIMIZERS.parse(run.optimizer).is_own:
        return ""
    try:
        is_apart = not is_elementwise(run.optimizer, network, weight_decay=run.weight_decay)
    except Exception as error:
        raise ComponentError(
            f"optimizer '{run.optimizer}' fails on the parameters of the {run.template} with norm '{run.norm}': "
            f"{failure(error)}"
        ) from error
    return f"the optimizer {run.optimizer} does not update each number by itself" if is_apart else ""
