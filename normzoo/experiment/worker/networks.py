"""Tries every network with every norm once, before anything is trained. Imports torch."""

import copy
from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode, flop_registry

from normzoo.data import Dataset
from normzoo.errors import ComponentError, ConfigError, UsageError, error_line, error_text
from normzoo.experiment.config.spec import MatrixSpec, RunSpec
from normzoo.experiment.planning.facts import NetworkFacts, PlaceFacts
from normzoo.experiment.worker.attempts import failure
from normzoo.experiment.worker.places import look_for_places, modules_of_places
from normzoo.experiment.worker.train import MAPS_NO_DRAWS, build_network
from normzoo.layers import norm_factory
from normzoo.registry import NORMS, OPTIMIZERS, TEMPLATES
from normzoo.surgery import keeps_statistics
from normzoo.tasks import Task
from normzoo.templates import MemberRandom, draw_from, is_elementwise, member_losses, stack

SAMPLES = 4
"""That every network is tried on."""

_ROUNDING = 1e-2
"""How far outputs of a stack may be from those of its members, of the largest: what differs by more is not the same."""

_OTHER_KIND = " (where they are no images, say kind=sequences or kind=volumes behind the path)"

_LARGEST_BATCH = 256
"""That a network's training is tried on: what a larger batch does not fit, a part of it does not fit either."""


def try_norm(run: RunSpec, dataset: Dataset, task: Task, matrix: MatrixSpec) -> NetworkFacts:
    """Try a network; of an optional norm, return why the template does not take it, and of others say how it is one."""
    try:
        return try_network(run, dataset, task)
    except UnfitNormError as error:
        if reason := _fails_without(run, dataset, task):
            raise ConfigError(f"the {run.template} {reason}") from error
        if matrix.is_optional(run.norm):
            return NetworkFacts(refusal=error.reason)
        if run.norm == matrix.baseline or len(matrix.norms) == 1:
            raise
        way_out = f"to train the rest without it, --optional {run.norm}"
        raise UnfitNormError(f"{error}; {way_out}", error.reason) from error


def _fails_without(run: RunSpec, dataset: Dataset, task: Task) -> str:
    """Return why a network fails without any norm, too; empty where it does not."""
    try:
        try_network(run.model_copy(update={"norm": "none"}), dataset, task)
    except UnfitNormError as error:
        if isinstance(error.__cause__, ComponentError):  # it cannot be made with such a norm
            return ""
        takes_inputs = isinstance(error.__cause__, ConfigError)  # and its outputs alone are wrong
        return f"{error.reason.removeprefix('it ')}{'' if takes_inputs else _other_kind(run, dataset)}"
    except UsageError:
        return ""
    return ""


def _other_kind(run: RunSpec, dataset: Dataset) -> str:
    return _OTHER_KIND if dataset.kind == "images" and run.dataset.startswith("npz") else ""


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
    inputs, targets = dataset.train.samples[:SAMPLES], dataset.train.targets[:SAMPLES]
    with torch.random.fork_rng(devices=[]):
        flops, products = _cost(run, members[0], inputs, dataset.outputs, per_step=task.per_step)
        places = _check_training(run, members[0], dataset, task)
        if not places and TEMPLATES.parse(run.template).is_own and any(True for _ in modules_of_places(members[0])):
            raise ConfigError(f"the {run.template} makes norms, and its forward pass calls none of them; call them")
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
    is_own = TEMPLATES.parse(run.template).is_own or NORMS.parse(run.norm).is_own
    try:
        norm = norm_factory(run.norm)
        seeds = (0, 1, 0) if is_own else (0, 1)
        members = [build_network(run.model_copy(update={"seed": seed}), dataset, norm) for seed in seeds]
    except ComponentError as error:
        reason = error_text(error)
        named = reason if run.norm in reason else f"norm '{run.norm}': {reason}"
        why = reason.replace(f"norm '{run.norm}'", "it").removeprefix("it: ")
        raise UnfitNormError(f"norms: in the {run.template}, {named}", why) from error
    except Exception as error:
        by_norm = f" with norm '{run.norm}'" if _can_be_built_without(run, dataset) else ""
        raise ConfigError(
            f"the {run.template}{by_norm} cannot be built for {dataset.kind} of shape {dataset.shape}"
            f"{_other_kind(run, dataset)}: {failure(error)}"
        ) from error
    if {*map(id, members[0].parameters())} & {*map(id, members[1].parameters())}:
        raise ConfigError(
            f"the {run.template} with norm '{run.norm}' is the same network at every call; make a new one for each seed"
        )
    if is_own and not _starts_alike(members[0], members.pop()):
        raise ConfigError(
            f"the {run.template} with norm '{run.norm}' starts from other weights when it is made again with the same "
            "seed; draw them from torch's random numbers, so that seeds can be paired and runs repeated"
        )
    return members


def _can_be_built_without(run: RunSpec, dataset: Dataset) -> bool:
    try:
        build_network(run.model_copy(update={"norm": "none"}), dataset)
    except Exception:
        return False
    return True


def _starts_alike(network: nn.Module, other: nn.Module) -> bool:
    """Whether two networks have the same parameters, as those of one seed do."""
    mine, its = list(network.parameters()), list(other.parameters())
    return [each.shape for each in mine] == [each.shape for each in its] and all(
        bool(((one == another) | one.isnan()).all()) for one, another in zip(mine, its, strict=True)
    )


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
    few = dataset.train.samples[:SAMPLES], dataset.train.targets[:SAMPLES]
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
        return _SHARED_NUMBERS if MAPS_NO_DRAWS in text else text
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
