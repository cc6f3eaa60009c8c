"""Ghost batch normalization: a batch in parts, each of which is normalized as a batch of its own.

    y = weight * (x - mean) / sqrt(var + eps) + bias

with ``mean`` and ``var`` those of a channel in one part of the batch.

Hoffer, Hubara & Soudry (2017), "Train longer, generalize better: closing the generalization gap in large batch
training of neural networks".
"""

from collections.abc import Iterable
from numbers import Integral
from typing import Any

import torch
from torch import Tensor

from normzoo.layers._batch import BatchNorm
from normzoo.layers._kernels.spec import Running
from normzoo.layers._policies import SmallBatch


class GhostBatchNorm(BatchNorm):
    """Ghost batch normalization of inputs ``(N, C)`` or ``(N, C, *)``: the registry's ``ghost``.

    A batch is split into as few parts of at most ``size`` samples as there can be, whose sizes differ by one at most;
    with ``size`` of at least N it is batch norm. Each part moves the running statistics in turn, as a batch would, and
    ``num_batches_tracked`` counts parts. In evaluation the running statistics stand for those of all parts. Where one
    part is too small, ``small_batch`` is of the whole batch; ``skip_nonfinite`` is of each part.

    >>> y = GhostBatchNorm(3, size=4)(torch.randn(8, 3, 5, 5))
    >>> y[:4].mean((0, 2, 3)).abs().max().item() < 1e-6
    True

    Raises:
        ValueError: ``size`` is no whole number of at least 1.
    """

    way_to_more_values = "use a larger batch or size, or more positions"

    size: int

    def __init__(
        self,
        num_features: int,
        size: int = 8,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        *,
        bias: bool = True,
        zero_centered: bool = False,
        unbiased: bool = False,
        unbiased_running: bool = True,
        small_batch: SmallBatch = "error",
        min_values: int = 2,
        skip_nonfinite: bool = False,
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
            unbiased=unbiased,
            unbiased_running=unbiased_running,
            small_batch=small_batch,
            min_values=min_values,
            skip_nonfinite=skip_nonfinite,
        )
        if not isinstance(size, Integral) or size < 1:
            raise ValueError(
                self._message("size must be a whole number of at least 1", f"got size={size!r}", "use for example 8")
            )
        self.size = int(size)

    def _has_too_few_values(self, x: Tensor, mask: Tensor | None, *grid: Any) -> bool:
        has_too_few = super()._has_too_few_values
        return any(has_too_few(part, counted, *grid) for part, counted in self._parts(x, mask))

    def _carry_out(
        self,
        fields: tuple[Any, ...],
        x: Tensor,
        weight: Tensor | None,
        bias: Tensor | None,
        running: Running | None,
        mask: Tensor | None,
    ) -> Tensor:
        if fields[-1]:  # statistics are given
            return super()._carry_out(fields, x, weight, bias, running, mask)
        done = [
            super(GhostBatchNorm, self)._carry_out(fields, part, weight, bias, running, counted)
            for part, counted in self._parts(x, mask)
        ]
        return torch.cat(done) if len(done) > 1 else done[0]

    def _parts(self, x: Tensor, mask: Tensor | None) -> Iterable[tuple[Tensor, Tensor | None]]:
        """Return the parts of a batch, each with its part of the mask."""
        samples = int(x.shape[0])  # so that how many parts there are belongs to a graph
        parts = max(1, -(-samples // self.size))
        least, larger = samples // parts, samples % parts
        sizes = [least + (part < larger) for part in range(parts)]
        # Not by tensor_split, in whose gradient each part is as large as the batch.
        masks = [None] * parts if mask is None else torch.split(mask, sizes)
        return zip(torch.split(x, sizes), masks, strict=True)

    def extra_repr(self) -> str:
        """Return the arguments."""
        return f"{self.num_features}, size={self.size}, {super().extra_repr().partition(', ')[2]}"
