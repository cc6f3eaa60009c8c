"""One optimizer for the members of a stack, each with its own learning rate and its own gradient norm."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from normzoo.templates._recipe import make_optimizer


class _Part(NamedTuple):
    """Members of one learning rate that follow each other: their parameters, and what updates them."""

    members: slice
    lr: float
    parameters: list[nn.Parameter]
    optimizer: Optimizer


class MemberOptimizer:
    """torch's own optimizer, one for each learning rate, over the slices of the parameters that it is for.

    The optimizers are elementwise, so a member is updated as it would be alone; ``is_elementwise`` finds out whether
    that holds for one of the user's own. They are made when they are first asked for, or at the first step: until then
    the parameters may be moved, to a device or another type.

    Args:
        parameters: ``(M, *)`` each; of any shape where there is one member and ``stacked`` is False.
        name: the optimizer's spec.
        lrs: the learning rate of each member; equal ones follow each other.
        weight_decay: as the optimizer understands it.
        without_decay: those of the parameters that it leaves alone.
        clip_norm: scale a member's gradient so that its norm over all its parameters is at most this.
        stacked: whether the parameters have a dimension of members.
        recorded: whether steps will be recorded on a GPU; then they are counted there, too, and rates that change are
            read there.
    """

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        name: str,
        lrs: Sequence[float],
        *,
        weight_decay: float = 0.0,
        without_decay: Collection[nn.Parameter] = (),
        clip_norm: float | None = None,
        stacked: bool = True,
        recorded: bool = False,
    ) -> None:
        self._parameters = [parameter for parameter in parameters if parameter.requires_grad]
        exempt = set(map(id, without_decay))
        self._is_exempt = [id(parameter) in exempt for parameter in self._parameters]
        self._name, self._lrs, self._weight_decay = name, list(lrs), weight_decay
        self._clip_norm, self._stacked, self._recorded = clip_norm, stacked, recorded
        self._parts: list[_Part] = []

    @property
    def optimizers(self) -> list[Optimizer]:
        """One for each learning rate."""
        return [part.optimizer for part in self._made()]

    def _made(self) -> list[_Part]:
        if not self._parts:
            self._parts = [_Part(members, lr, own, self._make(lr, own)) for members, lr, own in self._slices()]
        return self._parts

    def _slices(self) -> Iterator[tuple[slice, float, list[nn.Parameter]]]:
        """Yield the members of each learning rate with their parameters: those themselves where all have the same."""
        first = 0
        for lr, members in groupby(self._lrs):
            part = slice(first, first := first + len(list(members)))
            is_all = part == slice(0, len(self._lrs))
            own = self._parameters if is_all else [nn.Parameter(each.detach()[part]) for each in self._parameters]
            yield part, lr, own

    def _make(self, lr: float, own: list[nn.Parameter]) -> Optimizer:
        return make_optimizer(
            self._name,
            own,
            lr,
            weight_decay=self._weight_decay,
            without_decay=[each for each, is_exempt in zip(own, self._is_exempt, strict=True) if is_exempt],
            capturable=self._recorded and any(each.is_cuda for each in own),
        )

    def scale_rates(self, factor: float) -> None:
        """Multiply every member's own learning rate by a factor, from the next step on.

        Where steps are recorded, rates are tensors that are filled in place, so that what is replayed reads them.
        """
        for part in self._made():
            rate = part.lr * factor
            for group in part.optimizer.param_groups:
                if isinstance(group["lr"], Tensor):
                    group["lr"].fill_(rate)
                else:
                    group["lr"] = torch.tensor(rate, device=part.parameters[0].device) if self._recorded else rate

    def step(self, loss: Tensor) -> None:
        """Update every member by the gradient of the sum of all members' losses, to which each adds its own alone."""
        for parameter in self._parameters:
            parameter.grad = None
        loss.backward()  # type: ignore[no-untyped-call]
        if self._clip_norm is not None:
            self._clip(self._clip_norm)
        for part in self._made():
            if part.parameters is not self._parameters:
                for mine, whole in zip(part.parameters, self._parameters, strict=True):
                    mine.grad = None if whole.grad is None else whole.grad[part.members]
            part.optimizer.step()

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
        """Go on with these members alone, whose parameters are those left; momenta go with them.

        Raises:
            ValueError: the members are not in order, each once.
        """
        if list(members) != sorted(set(members)):
            raise ValueError(f"MemberOptimizer: members must be in order, each once, got {list(members)}; sort them")
        self._lrs = [self._lrs[member] for member in members]
        wanted = [
            (part, [member - part.members.start for member in members if member in _range(part.members)])
            for part in self._parts
        ]
        survivors = [(part, index) for part, index in wanted if index]
        self._parts = []
        # Without parts, nothing was made yet, and slices are left for then.
        for (part, index), (slice_, lr, own) in zip(survivors, self._slices() if survivors else (), strict=True):
            _go_on(part, own, index)
            self._parts.append(_Part(slice_, lr, own, part.optimizer))


def _range(members: slice) -> range:
    return range(members.start, members.stop)


def _go_on(part: _Part, parameters: Sequence[nn.Parameter], index: Sequence[int]) -> None:
    """Let an optimizer go on with other parameters: of its members, those that the index says."""
    optimizer, count = part.optimizer, len(_range(part.members))
    new = {id(old): mine for old, mine in zip(part.parameters, parameters, strict=True)}
    for group in optimizer.param_groups:
        group["params"] = [new[id(old)] for old in group["params"]]
    for old, mine in zip(part.parameters, parameters, strict=True):
        if old in optimizer.state:
            optimizer.state[mine] = {
                name: value[list(index)] if _is_of_members(value, count, mine) else value
                for name, value in optimizer.state.pop(old).items()
            }


def _is_of_members(value: object, count: int, parameter: Tensor) -> bool:
    return isinstance(value, Tensor) and value.shape == (count, *parameter.shape[1:]) and value.ndim > 0


TRIED_STEPS = 3
"""Of an optimizer of the user's own."""


def is_elementwise(name: str, network: nn.Module, *, weight_decay: float = 0.0) -> bool:
    """Whether an optimizer updates two members of a stack as each alone, tried on parameters of a network's shapes.

    Lion is; what looks at a whole parameter, such as LAMB, Muon or Shampoo, is not.

    Raises:
        Exception: whatever it raises over the parameters of one network.
    """
    start = [each.detach().double() for each in network.parameters() if each.requires_grad]
    spread = (1.0, 10.0)  # of the members, so that a norm over both would show
    steps = [[[factor * torch.randn_like(each) for each in start] for factor in spread] for _ in range(TRIED_STEPS)]

    def trained(parameters: list[nn.Parameter], gradients: Sequence[Sequence[Tensor]], members: int) -> list[Tensor]:
        optimizer = MemberOptimizer(parameters, name, [0.01] * members, weight_decay=weight_decay, stacked=members > 1)
        for gradient in gradients:
            terms = [(mine * wanted).sum() for mine, wanted in zip(parameters, gradient, strict=True)]
            optimizer.step(torch.stack(terms).sum())
        return [each.detach() for each in parameters]

    alone = [
        trained([nn.Parameter(each.clone()) for each in start], [step[member] for step in steps], 1)
        for member in range(len(spread))
    ]
    pairs = [[torch.stack(both) for both in zip(*step, strict=True)] for step in steps]
    try:
        together = trained([nn.Parameter(torch.stack([each] * len(spread))) for each in start], pairs, len(spread))
    except Exception:
        return False
    expected = [torch.stack(both) for both in zip(*alone, strict=True)]
    return all(torch.allclose(mine, wanted, rtol=1e-6) for mine, wanted in zip(together, expected, strict=True))
