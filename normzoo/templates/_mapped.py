"""Any module of several networks as one, mapped over them, and taken apart again for tools that look into it."""

import copy
import itertools
from collections.abc import Sequence
from typing import Self, cast

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from normzoo.layers._pooled import StackTensors


class Mapped(nn.Module):
    """Any module, mapped over the members by ``torch.func.vmap``.

    It must compute nothing that depends on a value outside of tensors, and draw no random numbers.

    Args:
        members: alike in anything but their tensors.
        tensors: stacks those of all members.
    """

    def __init__(self, members: Sequence[nn.Module], tensors: StackTensors) -> None:
        super().__init__()
        self._skeleton = (members[0],)  # in a tuple, so that its parameters are not this module's
        for name, _ in members[0].named_parameters():
            stacked = tensors([member.get_parameter(name) for member in members])
            self.register_parameter(name.replace(".", "/"), cast("nn.Parameter", stacked))
        saved = members[0].state_dict()
        for name, _ in members[0].named_buffers():
            buffer = tensors([member.get_buffer(name) for member in members])
            self.register_buffer(name.replace(".", "/"), buffer, persistent=name in saved)

    @property
    def skeleton(self) -> nn.Module:
        """The module that is mapped; its tensors are those of no member."""
        return self._skeleton[0]

    def train(self, mode: bool = True) -> Self:
        """Set the mode, also of what is mapped, which may do something then."""
        self.skeleton.train(mode)
        return super().train(mode)

    def forward(self, *inputs: Tensor) -> Tensor:
        """Map ``(N, M, *)`` to ``(N, M, *)``; a mask may come with it, likewise."""
        skeleton = self.skeleton
        if skeleton.training != self.training:
            skeleton.train(self.training)

        def one(
            parameters: dict[str, Tensor], buffers: dict[str, Tensor], inputs: tuple[Tensor, ...]
        ) -> tuple[Tensor, dict[str, Tensor]]:
            tensors = {**parameters, **buffers}
            y = functional_call(skeleton, tensors, inputs)
            return y, {name: tensors[name] for name in buffers}  # of those that the module re-assigns, the new ones

        parameters, buffers = (
            {name.replace("/", "."): value for name, value in tensors.items() if value is not None}
            for tensors in (self._parameters, self._buffers)
        )
        y, updated = vmap(one, (0, 0, 1), (1, 0))(parameters, buffers, inputs)
        for name, value in updated.items():
            self._buffers[name.replace(".", "/")] = value
        return y


class OneByOne(nn.Module):
    """What ``Mapped`` does, by a module for each member, whose tensors are views of those in the stack."""

    def __init__(self, mapped: Mapped) -> None:
        super().__init__()
        members = len(next(itertools.chain(mapped.parameters(), mapped.buffers())))
        self.members = nn.ModuleList(_member(mapped, index) for index in range(members))

    @property
    def skeleton(self) -> nn.Module:
        """A module of the kind of each."""
        return self.members[0]

    def forward(self, *inputs: Tensor) -> Tensor:
        """Map ``(N, M, *)`` to ``(N, M, *)``; a mask may come with it, likewise."""
        alone = ([each[:, index] for each in inputs] for index in range(len(self.members)))
        return torch.stack([member(*each) for member, each in zip(self.members, alone, strict=True)], 1)


def _member(mapped: Mapped, index: int) -> nn.Module:
    """Return a copy of what is mapped, with the tensors of a member."""
    skeleton = mapped.skeleton
    of_member: dict[int, Tensor] = {}
    for name, tensor in [*skeleton.named_parameters(), *skeleton.named_buffers()]:
        own = getattr(mapped, name.replace(".", "/")).detach()[index]
        is_parameter = isinstance(tensor, nn.Parameter)
        of_member[id(tensor)] = nn.Parameter(own, requires_grad=False) if is_parameter else own
    member = copy.deepcopy(skeleton, of_member)  # which are taken for copies that have been made
    return member.train(mapped.training)


def unmapped(network: nn.Module) -> nn.Module:
    """Return a network in which what is mapped over members is one module for each, to be looked into by tools.

    It shares all tensors with the network, and every module that holds nothing mapped. Parametrizations stay mapped.

    >>> from normzoo.templates import stack
    >>> members = [nn.BatchNorm1d(3), nn.BatchNorm1d(3)]
    >>> [type(module).__name__ for module in unmapped(stack(members)).modules()]
    ['OneByOne', 'ModuleList', 'BatchNorm1d', 'BatchNorm1d']
    """
    if type(network) is Mapped:
        has_tensors = bool([*network.parameters(), *network.buffers()])
        return OneByOne(network) if has_tensors else network  # without a tensor, members do not differ
    if not any(type(module) is Mapped for module in network.modules()):
        return network
    shell = copy.copy(network)
    shell._modules = {name: part if part is None else unmapped(part) for name, part in network._modules.items()}
    return shell
