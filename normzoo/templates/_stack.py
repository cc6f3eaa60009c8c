"""Several networks of one kind as one: members side by side in a dimension of their own, the second.

    stack(members)(x)[:, m] = members[m](x[:, m])        x of shape (N, M, *)

How a kind of module is stacked is one line of ``_RULES``: a convolution becomes one with groups, a dense layer a
batched product, a norm one whose pools never hold two members. A module that is said to consist of its parts
(``consists_of_parts``) is stacked part by part. Any other, such as a user's own, is mapped over the members by
``torch.func.vmap``.
"""

import copy
from collections.abc import Callable, Sequence
from itertools import chain
from math import prod
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import conv1d, conv2d, conv3d, pad
from torch.nn.utils.parametrize import is_parametrized, register_parametrization, type_before_parametrizations

from normzoo.layers import NoNorm
from normzoo.layers._pooled import PooledNorm, stack_norms
from normzoo.templates._mapped import Mapped
from normzoo.templates._random import DRAWS, StackedDraws


def stack(members: Sequence[nn.Module]) -> nn.Module:
    """Return one module for inputs and outputs ``(N, M, *)`` that does what each of the M members does.

    Parameters and buffers are copies, ``(M, *)``, under the names of a member's; what a member shares between
    its parts, the stack shares.

    Raises:
        ValueError: there are no members, or they are not of one kind.

    >>> members = [nn.Linear(3, 2), nn.Linear(3, 2)]
    >>> x = torch.randn(5, 2, 3)
    >>> bool(torch.allclose(stack(members)(x)[:, 1], members[1](x[:, 1]), atol=1e-6))
    True
    """
    if not members:
        raise ValueError("stack: needs at least one member, got none; pass a list of modules")
    _check_alike(members)
    return _stack(members, _Tensors())


class _Tensors:
    """Stacks tensors; the same tensors always give the same stack, so that shared parameters stay shared."""

    def __init__(self) -> None:
        self._stacks: dict[tuple[int, ...], tuple[Sequence[Tensor], Tensor]] = {}

    def __call__(self, tensors: Sequence[Tensor]) -> Tensor:
        key = tuple(map(id, tensors))
        if key not in self._stacks:
            stacked = torch.stack([tensor.detach() for tensor in tensors]).contiguous()  # of channels-last ones, too
            if isinstance(tensors[0], nn.Parameter):
                stacked = nn.Parameter(stacked, tensors[0].requires_grad)
            self._stacks[key] = (tensors, stacked)  # holds the tensors, whose addresses are the key
        return self._stacks[key][1]


Rule = Callable[[Sequence[Any], _Tensors], nn.Module]


def _stack(members: Sequence[nn.Module], tensors: _Tensors) -> nn.Module:
    first = members[0]
    if is_parametrized(first):
        return _parametrized(members, tensors)
    if isinstance(first, PooledNorm) and first.is_stackable:
        return stack_norms(cast("Sequence[PooledNorm]", members), tensors)
    if getattr(first, "consists_of_parts", False):
        return _by_parts(members, tensors)
    if getattr(first, "treats_channels_alone", False):
        return PerChannel(members, tensors)
    return _RULES.get(type(first), Mapped)(members, tensors)


def _check_alike(members: Sequence[nn.Module]) -> None:
    """Refuse members that differ in anything but the values of tensors, since only the first one's would count."""
    named = [dict(chain(each.named_modules(), each.named_parameters(), each.named_buffers())) for each in members]
    for name in dict.fromkeys(chain(*named)):
        parts: list[Any] = [each.get(name) for each in named]
        kinds = {type_before_parametrizations(part) for part in parts}
        if len(kinds) > 1:
            texts = ", ".join(sorted("none" if kind is type(None) else kind.__name__ for kind in kinds))
            place = f" as '{name}'" if name else ""
            raise ValueError(f"stack: members must be of one kind, got {texts}{place}; stack like with like")
        if isinstance(parts[0], nn.Module):
            _check_settings(parts)


def _check_settings(members: Sequence[nn.Module]) -> None:
    """Refuse modules that keep different things, apart from their tensors and parts."""
    apart = ("_parameters", "_buffers", "_modules", "training")
    kept = [{name: value for name, value in vars(member).items() if name not in apart} for member in members]
    for settings in kept[1:]:
        for name in {*settings, *kept[0]}:
            if not _equal(settings.get(name), kept[0].get(name)):
                raise ValueError(
                    f"stack: members must be alike but for parameters and buffers, got {type(members[0]).__name__}s "
                    f"that differ in '{name}'; register it as a buffer, or train them in the loop"
                )


def _equal(value: object, other: object) -> bool:
    if isinstance(value, Tensor) and isinstance(other, Tensor):
        return torch.equal(value, other)
    same = value == other
    return same if isinstance(same, bool) else bool(torch.as_tensor(same).all())  # an array's is one for each value


def _by_parts(members: Sequence[nn.Module], tensors: _Tensors) -> nn.Module:
    """Stack every part, and leave the forward pass as it is."""
    stacked = copy.copy(members[0])
    stacked._parameters, stacked._buffers, stacked._modules = {}, {}, {}
    for name, part in members[0]._modules.items():
        parts = [member._modules[name] for member in members]
        stacked._modules[name] = None if part is None else _stack(cast("list[nn.Module]", parts), tensors)
    _take_tensors(stacked, members, tensors)
    return stacked


def _take_tensors(stacked: nn.Module, members: Sequence[nn.Module], tensors: _Tensors) -> None:
    """Give a module the stacked parameters and buffers that the members have themselves, not in their parts."""
    for name, parameter in members[0]._parameters.items():
        own = [member._parameters[name] for member in members]
        stacked.register_parameter(name, None if parameter is None else _parameter(own, tensors))
    for name, buffer in members[0]._buffers.items():
        kept = cast("list[Tensor]", [member._buffers[name] for member in members])
        is_saved = name not in members[0]._non_persistent_buffers_set
        stacked.register_buffer(name, None if buffer is None else tensors(kept), persistent=is_saved)


def _parameter(members: Sequence[Tensor | None], tensors: _Tensors) -> nn.Parameter:
    return cast("nn.Parameter", tensors(cast("Sequence[Tensor]", members)))


def affine(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Return ``x W' + b``.

    For ``x`` ``(N, *, I)``, ``weight`` ``(O, I)`` and ``bias`` ``(O,)``; of members ``(N, M, *, I)``, ``(M, O, I)`` and
    ``(M, O)``.
    """
    if weight.ndim == 2:
        return nn.functional.linear(x, weight, bias)
    rows = x.transpose(0, 1)
    flat = rows if rows.ndim == 3 else rows.flatten(1, -2)
    y = torch.bmm(flat, weight.mT) if bias is None else torch.baddbmm(bias.unsqueeze(1), flat, weight.mT)
    return (y if rows.ndim == 3 else y.view(*rows.shape[:-1], y.shape[-1])).transpose(0, 1)


def _parametrized(members: Sequence[nn.Module], tensors: _Tensors) -> nn.Module:
    """Stack what is parametrized, such as a convolution with standardized weights: what it is without, then that.

    What has no such rule is mapped as a whole, and so is what is made of several tensors.
    """
    has_rule = _RULES.get(type_before_parametrizations(members[0])) in (StackedConv, StackedLinear)
    if not has_rule or not all(each.is_tensor for each in members[0].parametrizations.values()):  # type: ignore[operator]
        return Mapped(members, tensors)
    stacked = _stack([_without_parametrizations(member) for member in members], tensors)
    for name, parametrizations in members[0].parametrizations.items():  # type: ignore[operator, union-attr]
        for place in range(len(parametrizations)):
            of_members: list[Any] = [member.parametrizations[name][place] for member in members]  # type: ignore[index]
            register_parametrization(stacked, name, StackedParametrization(of_members, tensors), unsafe=True)
    return stacked


def _without_parametrizations(module: nn.Module) -> nn.Module:
    """Return a module of the class as it was, with the tensors of which the parametrized ones are made."""
    plain: nn.Module = nn.Module.__new__(type_before_parametrizations(module))
    plain.__dict__.update(vars(module))
    originals = {name: each.original for name, each in module.parametrizations.items()}  # type: ignore[operator, union-attr]
    plain._parameters = {**originals, **module._parameters}
    plain._modules = {name: part for name, part in module._modules.items() if name != "parametrizations"}
    return plain


class StackedParametrization(Mapped):
    """A parametrization of every member, mapped over tensors ``(M, *)``."""

    def forward(self, *inputs: Tensor) -> Tensor:
        """Map the tensors of all members."""
        return super().forward(*(each.transpose(0, 1) for each in inputs)).transpose(0, 1)


class StackedLinear(nn.Module):
    """``nn.Linear`` of every member."""

    weight: Tensor
    bias: Tensor | None

    def __init__(self, members: Sequence[nn.Linear], tensors: _Tensors) -> None:
        super().__init__()
        _take_tensors(self, members, tensors)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(N, M, *, I)`` to ``(N, M, *, O)``."""
        return affine(x, self.weight, self.bias)


_CONVOLUTIONS = (conv1d, conv2d, conv3d)
"""By the number of dimensions of their positions, less one."""

AnyConv = nn.Conv1d | nn.Conv2d | nn.Conv3d


class StackedConv(nn.Module):
    """A convolution of every member: one convolution, whose channels fall into groups.

    Of images, on a processor, a product with what each output sees: groups of one channel take several times as long.
    """

    weight: Tensor
    bias: Tensor | None

    def __init__(self, members: Sequence[AnyConv], tensors: _Tensors) -> None:
        super().__init__()
        _take_tensors(self, members, tensors)
        first = members[0]
        if first.padding_mode != "zeros":
            name = type(first).__name__
            raise ValueError(f"stack: {name} must pad with zeros, got padding_mode={first.padding_mode!r}; use 'zeros'")
        self.groups = first.groups
        self.geometry: dict[str, Any] = {"stride": first.stride, "padding": first.padding, "dilation": first.dilation}
        is_plain = first.groups == 1 and isinstance(first.padding, tuple)
        seen = first.in_channels * prod(first.kernel_size)  # by an output: no more values than there are outputs
        self.is_of_images = is_plain and first.in_channels <= 3 and seen <= first.out_channels

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(N, M, I, *)`` to ``(N, M, O, *)``."""
        weight = self.weight  # which a parametrization makes each time
        if self.is_of_images and x.device.type == "cpu" and not x.requires_grad:
            return self._by_product(x, weight)
        bias = None if self.bias is None else self.bias.flatten()
        groups = len(weight) * self.groups
        convolve = _CONVOLUTIONS[x.ndim - 4]
        y = convolve(x.flatten(1, 2), weight.flatten(0, 1), bias, groups=groups, **self.geometry)
        return y.view(len(y), *weight.shape[:2], *y.shape[2:])

    def _by_product(self, x: Tensor, weight: Tensor) -> Tensor:
        sizes = weight.shape[3:]
        x = pad(x, [each for padding in self.geometry["padding"][::-1] for each in (padding, padding)])
        for dim, (size, stride, dilation) in enumerate(
            zip(sizes, self.geometry["stride"], self.geometry["dilation"], strict=True), start=3
        ):
            x = x.unfold(dim, dilation * (size - 1) + 1, stride)[..., ::dilation]
        seen = x.permute(0, 1, 2, *range(3 + len(sizes), x.ndim), *range(3, 3 + len(sizes)))
        shape = (*x.shape[:2], len(weight[0]), *x.shape[3 : 3 + len(sizes)])

        def for_all(parameter: Tensor) -> Tensor:
            return parameter.expand(len(x), *parameter.shape).flatten(0, 1)

        patches, matrices = seen.flatten(2, 2 + len(sizes)).flatten(3).flatten(0, 1), for_all(weight.flatten(2))
        if self.bias is None:
            return torch.bmm(matrices, patches).view(shape)
        return torch.baddbmm(for_all(self.bias.unsqueeze(-1)), matrices, patches).view(shape)


class StackedEmbedding(nn.Module):
    """``nn.Embedding`` of every member."""

    weight: Tensor

    def __init__(self, members: Sequence[nn.Embedding], tensors: _Tensors) -> None:
        super().__init__()
        _take_tensors(self, members, tensors)
        plain = {"padding_idx": None, "max_norm": None, "scale_grad_by_freq": False, "sparse": False}
        for name, value in plain.items():
            if (given := getattr(members[0], name)) != value:
                raise ValueError(f"stack: Embedding must be plain, got {name}={given}; leave it out")

    def forward(self, tokens: Tensor) -> Tensor:
        """Map ``(N, M, *)`` to ``(N, M, *, E)``."""
        members = torch.arange(len(self.weight), device=tokens.device)
        return self.weight[members.reshape(-1, *(1 for _ in tokens.shape[2:])), tokens]


class PerChannel(nn.Module):
    """A module that treats all channels alike, such as pooling: members are further channels."""

    def __init__(self, members: Sequence[nn.Module], tensors: _Tensors) -> None:  # noqa: ARG002
        super().__init__()
        self.module = members[0]

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(N, M, C, *)`` to ``(N, M, C, *)``."""
        y: Tensor = self.module(x.flatten(1, 2))
        return y.view(*x.shape[:3], *y.shape[2:])


def _same(members: Sequence[nn.Module], tensors: _Tensors) -> nn.Module:  # noqa: ARG001
    return members[0]


def _flatten(members: Sequence[nn.Flatten], tensors: _Tensors) -> nn.Module:  # noqa: ARG001
    first, last = members[0].start_dim, members[0].end_dim
    return nn.Flatten(first + (first > 0), last + (last > 0))


_POOLINGS = (
    nn.AdaptiveAvgPool1d,
    nn.AdaptiveAvgPool2d,
    nn.AdaptiveAvgPool3d,
    nn.AdaptiveMaxPool1d,
    nn.AdaptiveMaxPool2d,
    nn.AdaptiveMaxPool3d,
    nn.AvgPool1d,
    nn.AvgPool2d,
    nn.AvgPool3d,
    nn.MaxPool1d,
    nn.MaxPool2d,
    nn.MaxPool3d,
)

OF_EACH_VALUE: tuple[type[nn.Module], ...] = (
    nn.ELU,
    nn.GELU,
    nn.Hardswish,
    nn.LeakyReLU,
    nn.Mish,
    nn.ReLU,
    nn.ReLU6,
    nn.Sigmoid,
    nn.SiLU,
    nn.Softplus,
    nn.Tanh,
)
"""Activations that are functions of one value, and have no tensors."""


_RULES: dict[type[nn.Module], Rule] = {
    **dict.fromkeys((nn.Conv1d, nn.Conv2d, nn.Conv3d), StackedConv),
    nn.Embedding: StackedEmbedding,
    nn.Linear: StackedLinear,
    nn.Flatten: _flatten,
    nn.Identity: _same,
    **dict.fromkeys(OF_EACH_VALUE, _same),
    NoNorm: _same,
    nn.Sequential: _by_parts,
    nn.ModuleList: _by_parts,
    **dict.fromkeys(_POOLINGS, PerChannel),
    **dict.fromkeys(DRAWS, StackedDraws),
}


def keep_members(stacked: nn.Module, members: Sequence[int]) -> None:
    """Take all but these members out of a stack, in place."""
    for tensor in {*stacked.parameters(), *stacked.buffers()}:
        if tensor.ndim:  # a norm's count of batches is one for all
            tensor.data = tensor.data[list(members)]
    for module in stacked.modules():
        if isinstance(module, PooledNorm) and module.members is not None:
            module.members = len(members)
    for random in {module.random for module in stacked.modules() if isinstance(module, StackedDraws)}:
        if random is not None:
            random.keep(members)
