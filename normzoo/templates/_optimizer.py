"""One optimizer for the members of a stack, each with its own learning rate and its own gradient norm."""

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Literal

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

OptimizerName = Literal["sgd", "adam", "rmsprop"]
MOMENTUM = 0.9
"""Of sgd."""


class MemberOptimizer:
    """torch's own optimizer, one for each learning rate, over the slices of the parameters that it is for.

    The optimizers are elementwise, so a member is updated as it would be alone. They are made when they are first
    asked for, or at the first step: until then the parameters may be moved, to a device or another type.

    Args:
        parameters: ``(M, *)`` each; of any shape where there is one member and ``stacked`` is False.
        name: ``sgd`` (momentum 0.9), ``adam`` or ``rmsprop``, with torch's defaults otherwise.
        lrs: the learning rate of each member; equal ones follow each other.
        clip_norm: scale a member's gradient so that its norm over all its parameters is at most this.
        stacked: whether the parameters have a dimension of members.
        recorded: whether steps will be recorded on a GPU; then they are counted there, too.
    """

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        name: OptimizerName,
        lrs: Sequence[float],
        *,
        clip_norm: float | None = None,
        stacked: bool = True,
        recorded: bool = False,
    ) -> None:
        self._parameters = [parameter for parameter in parameters if parameter.requires_grad]
        self._name, self._lrs, self._clip_norm, self._stacked = name, list(lrs), clip_norm, stacked
        self._recorded = recorded
        self._optimizers: list[Optimizer] = []
        self._slices: list[tuple[slice, list[nn.Parameter]]] = []

    @property
    def optimizers(self) -> list[Optimizer]:
        """One for each learning rate."""
        if not self._optimizers:
            self._make()
        return self._optimizers

    def _make(self) -> None:
        """Make the optimizers: over the parameters themselves if there is one learning rate, else over slices."""
        self._optimizers, self._slices, first = [], [], 0
        for lr, members in groupby(self._lrs):
            part = slice(first, first := first + len(list(members)))
            is_all = part == slice(0, len(self._lrs))
            own = self._parameters if is_all else [nn.Parameter(each.detach()[part]) for each in self._parameters]
            self._slices.append((part, own))
            self._optimizers.append(_optimizer(self._name, own, lr, recorded=self._recorded))

    def step(self, loss: Tensor) -> None:
        """Update every member by the gradient of the sum of all members' losses, to which each adds its own alone."""
        for parameter in self._parameters:
            parameter.grad = None
        loss.backward()  # type: ignore[no-untyped-call]
        if self._clip_norm is not None:
            self._clip(self._clip_norm)
        for optimizer, (part, own) in zip(self.optimizers, self._slices, strict=True):
            if own is not self._parameters:
                for mine, whole in zip(own, self._parameters, strict=True):
                    mine.grad = None if whole.grad is None else whole.grad[part]
            optimizer.step()

    def _clip(self, limit: float) -> None:
        """Do for each member as ``torch.nn.utils.clip_grad_norm_`` does for one network."""
        if not self._stacked:
            nn.utils.clip_grad_norm_(self._parameters, limit)
            return
        grads = [parameter.grad for parameter in self._parameters if parameter.grad is not None]
        norms = torch.stack([torch.linalg.vector_norm(grad.reshape(len(grad), -1), dim=1) for grad in grads])
        factors = (limit / (torch.linalg.vector_norm(norms, dim=0) + 1e-6)).clamp(max=1)
        for grad in grads:
            grad.mul_(factors.reshape(-1, *(1 for _ in grad.shape[1:])))

    def keep(self, members: Sequence[int]) -> None:
        """Go on with these members alone, whose parameters are those left; momenta go with them."""
        before = list(zip(self._optimizers, self._slices, strict=True))
        self._lrs = [self._lrs[member] for member in members]
        if not before:
            return
        self._make()
        wanted = [
            [member - part.start for member in members if part.start <= member < part.stop] for _, (part, _) in before
        ]
        survivors = [(*each, index) for each, index in zip(before, wanted, strict=True) if index]
        for optimizer, (_, own), (old, (_, old_own), index) in zip(
            self._optimizers, self._slices, survivors, strict=True
        ):
            for mine, theirs in zip(own, old_own, strict=True):
                optimizer.state[mine] = {
                    name: value[index] if isinstance(value, Tensor) and value.ndim else value
                    for name, value in old.state[theirs].items()
                }


def _optimizer(name: OptimizerName, parameters: list[nn.Parameter], lr: float, *, recorded: bool) -> Optimizer:
    # One kernel for all parameters, where torch has one.
    capturable = recorded and any(parameter.is_cuda for parameter in parameters)
    match name:
        case "sgd":
            sgd = torch.optim.SGD(parameters, lr=lr, momentum=MOMENTUM, fused=True)
            for parameter in parameters:  # torch's kernel fails if some have had a gradient before and others have not
                sgd.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)
            return sgd
        case "adam":
            return torch.optim.Adam(parameters, lr=lr, fused=True, capturable=capturable)
        case "rmsprop":
            return torch.optim.RMSprop(parameters, lr=lr, capturable=capturable)
