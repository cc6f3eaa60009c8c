"""Synchronized batch normalization: batch normalization by the statistics of all processes of a group.

    y = weight * (x - mean) / sqrt(var + eps) + bias

with ``mean`` and ``var`` over the samples of all processes. Counts and sums are added up first, then the squares of the
deviations from the mean of all, so that nothing is lost where processes hold unequally many samples, or none. The
gradient adds up over the processes likewise.
"""

from typing import Any

import torch
from torch import Tensor, distributed
from torch.autograd import Function

from normzoo.layers._batch import BatchNorm
from normzoo.layers._formula import counted
from normzoo.layers._kernels.moments import Statistics, at_least_one, masked
from normzoo.layers._kernels.reference import update_running
from normzoo.layers._kernels.spec import laid_out, widened
from normzoo.layers._kernels.torch_internals import is_recomputation


class SyncBatchNorm(BatchNorm):
    """Batch normalization over all processes, of inputs ``(N, C)`` or ``(N, C, *)``: the registry's ``sync``.

    It has the arguments and the state of ``torch.nn.SyncBatchNorm``, which takes GPUs alone; this one also runs on
    processors (gloo), and is no instance of that class, which DistributedDataParallel refuses there. In training all
    processes must call it equally often, also those without samples, and go backward if one does; running statistics
    are the same on all. Gradients are those of the sum of all processes' losses. Without a process group, in one of a
    single process, and in evaluation it is batch norm. A single value in all processes together is not refused: its
    output is ``bias``, and running statistics stay as they are.

    >>> norm = SyncBatchNorm(3)
    >>> norm(torch.randn(8, 3, 5, 5)).mean((0, 2, 3)).abs().max().item() < 1e-6
    True
    """

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        process_group: Any = None,  # torch.distributed.ProcessGroup, which not every torch has
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        *,
        bias: bool = True,
        zero_centered: bool = False,
    ) -> None:
        super().__init__(
            num_features,
            eps,
            momentum,
            affine,
            track_running_stats,
            device,
            dtype,
            bias=bias,
            zero_centered=zero_centered,
        )
        self.process_group = process_group

    def forward(self, input: Tensor, mask: Tensor | None = None) -> Tensor:  # noqa: A002  # torch.nn's name
        """Normalize."""
        if not isinstance(input, Tensor) or input.is_nested or not self._is_synchronized():
            return super().forward(input, mask)
        self._check_input(input)
        channels = 2 if self.members is None else 3
        self._check_shape((*input.shape[:1], *input.shape[channels - 1 :]))
        x = laid_out(input)
        wide = widened(x)
        if mask is not None:
            mask = self._mask_of_blocks(mask, x, 1, channels)
            wide = masked(wide, mask)
        statistics, deviations = self._of_all_processes(wide, mask, channels)
        running = self._memory()
        if running is not None and not is_recomputation():
            with torch.no_grad():  # what is saved for a gradient must be the same when it is recomputed
                update_running((0,), running, statistics)
        y = deviations * torch.rsqrt(statistics.var + self._eps(x))
        for operate, parameter in ((torch.mul, self._gain()), (torch.add, self.bias)):
            if parameter is not None:
                y = operate(y, parameter.to(y.dtype).reshape(statistics.var.shape))
        return (y if mask is None else masked(y, mask)).to(x.dtype)

    def _is_synchronized(self) -> bool:
        return (
            self.training
            and distributed.is_available()
            and distributed.is_initialized()
            and distributed.get_world_size(self.process_group) > 1
        )

    def _of_all_processes(self, x: Tensor, mask: Tensor | None, channels: int) -> tuple[Statistics, Tensor]:
        """Return the statistics of all processes, ``(1, C, *)``, and how far their own values are from the mean."""
        dims = (0, *range(channels, x.ndim))
        sums = x.sum(dims, keepdim=True)
        count = counted(x, dims, mask)
        counts = count if isinstance(count, Tensor) else sums.new_full(sums.shape, count)
        counts, sums = self._added_up(torch.cat([counts, sums])).chunk(2)
        mean = sums / at_least_one(counts)
        deviations = x - mean if mask is None else masked(x - mean, mask)
        squares = self._added_up(deviations.square().sum(dims, keepdim=True))
        return Statistics(counts, mean, squares / at_least_one(counts)), deviations

    def _added_up(self, values: Tensor) -> Tensor:
        total: Tensor = _Total.apply(values, self.process_group)
        return total


class _Total(Function):
    """Adds a tensor up over the processes of a group; its gradient is added up likewise.

    ``torch.distributed.nn.functional.all_reduce`` does the same, and is deprecated.
    """

    @staticmethod
    def forward(context: Any, values: Tensor, group: Any) -> Tensor:
        """Return the sum over all processes."""
        context.group = group
        total = values.clone(memory_format=torch.contiguous_format)
        distributed.all_reduce(total, group=group)
        return total

    @staticmethod
    def backward(context: Any, grad: Tensor) -> tuple[Tensor, None]:
        """Return the sum of the gradients over all processes."""
        return _Total.apply(grad, context.group), None
