"""The norms of one place of a recurrence: a module for each time step that has statistics of its own."""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, NamedTuple, Self

import torch
from torch import Tensor, nn

from normzoo.layers._base import Norm
from normzoo.layers._batch import BatchNorm, BatchNorm1d
from normzoo.layers._group import GroupNorm
from normzoo.layers._kernels.autograd import normalize
from normzoo.layers._kernels.spec import Running
from normzoo.layers._kernels.torch_internals import (
    TORCH_BATCH_INDEPENDENT,
    call_after_loading,
    has_hooks,
    is_recomputation,
    must_be_traceable,
)
from normzoo.layers._layer import ChannelLayerNorm, LayerNorm
from normzoo.layers._make import NormFactory, contains_activation, needs_positions, takes_mask
from normzoo.layers._none import NoNorm
from normzoo.layers._policies import DEFAULTS
from normzoo.layers._pooled import PooledNorm
from normzoo.layers._recurrent._step_pools import StepPool, update_running
from normzoo.layers._rms import RMSNorm, SampleRMSNorm

_POOLING_ALONE = (BatchNorm, BatchNorm1d, GroupNorm, LayerNorm, ChannelLayerNorm, RMSNorm, SampleRMSNorm)
"""Norms that do nothing to vectors but what ``StepPool`` says, as long as their options are torch.nn's."""


class StepNorms(nn.ModuleList):
    """Normalizes the vectors ``(N, C)`` of each time step; those of a stack are ``(N, members, C)``.

    A norm that keeps statistics (has buffers) keeps them for each of the first ``steps`` time steps, later ones share
    the last one's, and its parameters are the same for all steps. One that keeps none is a single module. A norm may
    say what its ``weight`` should start at here (``recurrent_gain``: 0.1 for batch norm).

    Under a mask, norms see at each step the samples that have not ended. Where that is a single one, a norm that pools
    samples has no variance, gives its bias, and leaves its running statistics as they are.

    Args:
        norm: makes a norm from its number of channels; what it draws does not move torch's random numbers.
        features: channels.
        steps: time steps with statistics of their own.
        bias: whether norms that need none in a sum with another bias (``recurrent_bias``) have one all the same.
    """

    consists_of_parts: ClassVar[bool] = True

    def __init__(self, norm: NormFactory, features: int, steps: int, *, bias: bool = True) -> None:
        super().__init__()
        self.features = features
        with torch.random.fork_rng(devices=[]):
            first = norm(features)
            layers = [first]
            if has_buffers(first):
                layers += [norm(features) for _ in range(steps - 1)]
        for part in (part for layer in layers for part in layer.modules()):
            if isinstance(part, Norm):
                part.tolerates_single_values = True
            if not (bias or getattr(part, "recurrent_bias", True)):
                part.register_parameter("bias", None)
        self.extend(layers)
        self._tie()
        call_after_loading(self, _tie_again)
        self._set_gain()

    def _tie(self) -> None:
        """Give all steps the parameters of the first."""
        first, *others = self
        parameters = list(first.named_parameters())
        for layer in others:
            if type(layer) is type(first):  # some may have been exchanged
                for name, parameter in parameters:
                    owner, _, leaf = name.rpartition(".")
                    setattr(layer.get_submodule(owner), leaf, parameter)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """Apply a function to all tensors, as for another device; steps that were given parameters each share them."""
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        self._tie()
        return self

    def _set_gain(self) -> None:
        for part in self[0].modules():
            gain = getattr(part, "recurrent_gain", 1.0)
            if isinstance(weight := getattr(part, "weight", None), nn.Parameter) and gain != 1.0:
                nn.init.constant_(weight, gain)

    def reset_parameters(self) -> None:
        """Have norms begin again, those that can."""
        for layer in self:
            reset = getattr(layer, "reset_parameters", None)
            if callable(reset):
                reset()
        self._set_gain()

    @property
    def is_batch_independent(self) -> bool:
        """Whether a sample's output depends on that sample alone, and is the same at every step."""
        return len(self) == 1 and _treats_samples_alone(self[0])

    def at(self, step: int, x: Tensor, counts: Tensor | None = None) -> Tensor:
        """Normalize what a step has, with the norm of that step; ``counts`` says which samples have not ended."""
        layer = self[min(step, len(self) - 1)]
        is_masked = counts is not None and not _treats_samples_alone(layer) and takes_mask(layer)
        y: Tensor = layer(x, counts) if is_masked else layer(x)
        return y

    def of_all_steps(self, x: Tensor, masks: Sequence[Tensor | None]) -> Tensor:
        """Normalize ``(T, N, *, C)``, each step as ``at`` does, at once where that is the same."""
        if self.is_batch_independent:  # then steps are as good as samples
            flat: Tensor = self[0](x.flatten(0, 1))
            return flat.reshape(x.shape)
        if x.numel() and not must_be_traceable() and not any(counts is not None for counts in masks):
            pool = self.pool(x)
            if pool is not None and pool.is_over_samples:
                return self._over_samples(x, pool)
        return torch.stack(
            [self.at(step, each, counts) for step, (each, counts) in enumerate(zip(x, masks, strict=True))]
        )

    def pool(self, driven: Tensor) -> StepPool | None:
        """Return how these norms pool the vectors of all steps, if they do nothing but that; None: call them.

        Args:
            driven: ``(T, N, *, C)``, of as many steps and samples.
        """
        norms = [layer for layer in self if type(layer) in _POOLING_ALONE and isinstance(layer, PooledNorm)]
        if len(norms) < len(self) or any(not _is_as_made(norm) for norm in norms):
            return None
        first, (steps, samples) = norms[0], driven.shape[:2]
        if any(_settings(norm) != _settings(first) for norm in norms[1:]):
            return None
        layers = [norms[min(step, len(norms) - 1)] for step in range(steps)]
        given = [layer._given_statistics() for layer in layers]
        memory = [layer._memory() for layer in layers]
        if not _are_remembered_once(memory, len(self)):
            return None
        is_over_samples = first.pool.axes == (0,)
        values = samples if is_over_samples else self.features // (first.pool.groups or 1)
        if given[0] is None and values == 1:
            return None  # which they refuse
        statistics = [
            torch.stack(each).unsqueeze(-2) for each in zip(*(each.given() for each in given if each), strict=True)
        ]
        return StepPool(
            is_over_samples,
            first.pool.groups,
            first.centered,
            first._eps(driven),
            (statistics[0], statistics[1]) if statistics else None,
            () if statistics or is_recomputation() else tuple(each for each in memory if each is not None),
        )

    def _over_samples(self, x: Tensor, pool: StepPool) -> Tensor:
        """Normalize the samples of each step, ``(T, N, *, C)``, as one norm of as many times the channels."""
        rows = x.movedim(0, -2)
        weight, bias = (
            None if each is None else each.unsqueeze(-2).expand(*each.shape[:-1], len(x), each.shape[-1])
            for each in _parameters(self[0])
        )
        running = None
        if pool.given is not None:
            mean, var = (each.squeeze(-2).movedim(0, -2) for each in pool.given)
            running = Running(mean, var)
        elif pool.memory:
            mean, var = (rows.new_zeros(rows.shape[1:], dtype=each.dtype) for each in pool.memory[0].given())
            running = Running(mean, var, None, 1.0)
        fields = (1, rows.ndim, rows.ndim, None, (0,), pool.eps, True, False, True, pool.given is not None)
        y = normalize(fields, rows, weight, bias, running, None, lambda *_: None)
        if pool.memory:
            update_running(pool.memory, mean.unbind(-2), var.unbind(-2))
        return y.movedim(-2, 0)


def why_not_in_steps(norm: nn.Module) -> str:
    """Return why a norm cannot normalize the vectors of a time step; empty if it can."""
    if contains_activation(norm):
        return "contains an activation, and there is one at every step already"
    if needs_positions(norm):
        return "needs positions, and a step has none"
    groups = getattr(norm, "num_groups", getattr(norm, "groups", 1))
    if isinstance(groups, int) and 1 < groups == getattr(norm, "num_channels", getattr(norm, "num_features", None)):
        return f"has one channel in each of its {groups} groups, and a step has no positions"
    return ""


def has_buffers(norm: nn.Module) -> bool:
    """Whether a norm has something to keep for each time step."""
    return next(norm.buffers(), None) is not None


def _is_as_made(norm: PooledNorm) -> bool:
    """Whether a call of a norm does what torch.nn's does: no hooks, no other forward pass, none of our options."""
    has_own_forward = "forward" in vars(norm)
    return not (has_own_forward or has_hooks(norm)) and all(
        getattr(norm, name) == default for name, default in DEFAULTS.items()
    )


def _settings(norm: PooledNorm) -> tuple[Any, ...]:
    """Return what of a step's norm may be set otherwise than that of others."""
    buffers = norm._buffers
    tracks = getattr(norm, "track_running_stats", None), buffers.get("running_mean") is None
    return norm.training, norm.eps, getattr(norm, "momentum", None), *tracks


def _tie_again(norms: StepNorms, incompatible: object) -> None:  # noqa: ARG001
    """Share parameters that were put in by ``load_state_dict(assign=True)``, which gives each step its own."""
    norms._tie()


def _treats_samples_alone(layer: nn.Module) -> bool:
    """Whether a norm declares that no sample depends on another, or is one of torch.nn's of which that is known."""
    return bool(getattr(layer, "is_batch_independent", isinstance(layer, TORCH_BATCH_INDEPENDENT)))


class Place(NamedTuple):
    """What normalizes at one place of a recurrence, where no module need be called for it.

    Attributes:
        pool: None: nothing is normalized.
        weight: ``(C,)``, or ``(members, 1, C)``.
        bias: ``(C,)``, or ``(members, C)``.
    """

    pool: StepPool | None
    weight: Tensor | None
    bias: Tensor | None


def place_of(norms: StepNorms | None, driven: Tensor, *, is_masked: bool) -> Place | None:
    """Return what norms do; None: they must be called. ``driven`` is as in ``StepNorms.pool``."""
    if norms is None or (type(norms[0]) is NoNorm and not has_hooks(norms[0])):
        return Place(None, None, None)
    pool = None if is_masked and not norms.is_batch_independent else norms.pool(driven)
    if pool is None:
        return None
    weight, bias = _parameters(norms[0])
    return Place(pool, for_samples(weight), bias)


def for_samples(parameter: Tensor | None) -> Tensor | None:
    """Return a parameter ``(C,)`` as it is, and one of members, ``(members, C)``, as ``(members, 1, C)``."""
    return parameter if parameter is None or parameter.ndim == 1 else parameter.unsqueeze(-2)


def _parameters(norm: nn.Module) -> tuple[Tensor | None, Tensor | None]:
    """Return the weight and the bias of a norm, which may have neither."""
    weight, bias = getattr(norm, "weight", None), getattr(norm, "bias", None)
    return weight, bias


def _are_remembered_once(memory: Sequence[Running | None], norms: int) -> bool:
    """Whether each step has running statistics of its own, or none has any, and all move by the same share."""
    first = memory[0] if memory else None
    return first is None or (len(memory) <= norms and isinstance(first.momentum, float))
