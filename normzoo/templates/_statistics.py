"""By which statistics the norms of a network normalize once it is trained: the running ones, others, or a batch's own.

Wu & Johnson (2021), "Rethinking 'Batch' in BatchNorm": what batch norm loses may be the doing of training, or of the
running averages that it is evaluated by. All of this is for networks and stacks alike, and for every norm that derives
from the base of torch.nn's batch and instance norm and tracks statistics.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor, nn

from normzoo.layers._kernels.torch_internals import TorchTrackedNorm
from normzoo.templates._stack import Mapped


class _Tracked(NamedTuple):
    """A norm that keeps running statistics.

    Attributes:
        norm: what normalizes; of a mapped module, its part.
        holder: the module in whose buffers the statistics are: the norm itself, or what maps it.
        prefix: of their names there.
    """

    norm: nn.Module
    holder: nn.Module
    prefix: str


def keeps_statistics(network: nn.Module) -> bool:
    """Whether some norm of a network normalizes by running statistics when it is evaluated.

    >>> keeps_statistics(nn.BatchNorm1d(3)), keeps_statistics(nn.LayerNorm(3))
    (True, False)
    """
    return bool(_tracked(network))


def _tracked(network: nn.Module) -> list[_Tracked]:
    found = []
    for module in network.modules():
        if isinstance(module, Mapped):
            parts = module.skeleton.named_modules()
            found += [_Tracked(part, module, f"{name}/".lstrip("/").replace(".", "/")) for name, part in parts]
        else:
            found.append(_Tracked(module, module, ""))
    return [each for each in found if _is_tracking(each.norm)]


def _is_tracking(module: nn.Module) -> bool:
    return isinstance(module, TorchTrackedNorm) and module.track_running_stats and module.running_mean is not None


def _modules(network: nn.Module) -> Iterator[nn.Module]:
    """Yield every module of a network, and those that it maps."""
    for module in network.modules():
        yield module
        if isinstance(module, Mapped):
            yield from module.skeleton.modules()


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Evaluate a network within, without gradients; then put back its buffers, in place, and what is in training."""
    modes = [(module, module.training) for module in _modules(network)]
    buffers = [
        (module, name, buffer, buffer.clone())
        for module in network.modules()
        for name, buffer in module._buffers.items()
        if buffer is not None
    ]
    try:
        network.eval()
        for module in network.modules():
            if isinstance(module, Mapped):
                module.skeleton.eval()
        with torch.no_grad():
            yield
    finally:
        for module, name, buffer, value in buffers:
            module._buffers[name] = buffer  # what maps a norm may have put another in its place
            buffer.copy_(value)
        for module, is_training in modes:
            module.training = is_training


@contextmanager
def by_batch(network: nn.Module, weight: Callable[[int], float] = lambda _: 0.0) -> Iterator[None]:
    """Within ``evaluating``: have the norms that keep statistics normalize each batch by its own.

    Args:
        network: the network.
        weight: of a norm's call, counted from 1, in the running statistics: by default they stay as they are.
    """
    tracked = _tracked(network)
    momenta = [each.norm.momentum for each in tracked]
    calls: Counter[nn.Module] = Counter()

    def weigh(norm: nn.Module, _: object) -> None:
        calls[norm] += 1
        norm.momentum = weight(calls[norm])  # type: ignore[assignment]

    hooks = [each.norm.register_forward_pre_hook(weigh) for each in tracked]
    try:
        _set_training(tracked, True)
        yield
    finally:
        _set_training(tracked, False)
        for each, hook, momentum in zip(tracked, hooks, momenta, strict=True):
            hook.remove()
            each.norm.momentum = momentum


def _set_training(tracked: Iterable[_Tracked], is_training: bool) -> None:
    for norm, holder, prefix in tracked:
        norm.training = is_training
        if not prefix:
            holder.training = is_training  # which what maps a norm gives to it


def recalibrate(network: nn.Module, batches: Iterable[Tensor]) -> None:
    """Within ``evaluating``: make the running statistics plain averages of those of some batches, each counting alike.

    That is what ``torch.optim.swa_utils.update_bn`` does, here also to instance norms.
    """
    for _, holder, prefix in _tracked(network):
        holder._buffers[f"{prefix}running_mean"].zero_()  # type: ignore[union-attr]
        holder._buffers[f"{prefix}running_var"].fill_(1)  # type: ignore[union-attr]
    with by_batch(network, lambda call: 1 / call):
        for inputs in batches:
            network(inputs)
