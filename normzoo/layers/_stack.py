"""Norms of several networks as one: members are further channels, which are never pooled together."""

import copy
from collections.abc import Callable, Sequence

from torch import Tensor

from normzoo.layers._pooled import PooledNorm

StackTensors = Callable[[Sequence[Tensor]], Tensor]
"""Puts the tensors of all members together along a new first dimension."""


def stack_norms(norms: Sequence[PooledNorm], stack_tensors: StackTensors) -> PooledNorm:
    """Return one norm for inputs ``(N, M, C, *)`` of M members, each normalized as its own norm would.

    Args:
        norms: of one kind, with the same settings.
        stack_tensors: makes the parameters ``(M, *)`` and the running statistics ``(M, C)``. The number of batches
            seen is the same for all, and stays one number.
    """
    stacked = copy.deepcopy(norms[0])
    stacked.members = len(norms)
    for name in [name for name, _ in stacked.named_parameters()]:
        setattr(stacked, name, stack_tensors([norm.get_parameter(name) for norm in norms]))
    for name, buffer in list(stacked.named_buffers()):
        if buffer.ndim:
            setattr(stacked, name, stack_tensors([norm.get_buffer(name) for norm in norms]))
    return stacked
