"""Batch normalization, whose pools are those of ``OverSamples``.

    y = weight * (x - mean) / sqrt(var + eps) + bias

Ioffe & Szegedy (2015), "Batch Normalization: Accelerating Deep Network Training by Reducing Internal Covariate
Shift". In evaluation the running mean and variance stand for the batch's.
"""

from typing import ClassVar

import torch
from torch import Tensor, nn

from normzoo.layers._kernels.spec import Running
from normzoo.layers._kernels.torch_internals import TorchBatchNorm
from normzoo.layers._policies import SmallBatch
from normzoo.layers._pooled import OverSamples
from normzoo.layers._torch_tools import let_quantization_fuse
from normzoo.layers._tracked import TrackedNorm


class BatchNorm(TrackedNorm, TorchBatchNorm):
    """Batch normalization of inputs ``(N, C)`` or ``(N, C, *)``, whatever their rank.

    Inside a recurrence ``weight`` should start at 0.1, so that tanh does not saturate, and gates have a bias already
    (Cooijmans et al. 2016).

    >>> y = BatchNorm(3)(torch.randn(8, 3, 5, 5))
    >>> y.mean((0, 2, 3)).abs().max().item() < 1e-6
    True
    """

    pool = OverSamples()
    way_to_more_values = "use a larger batch or more positions"
    recurrent_gain = 0.1
    recurrent_bias = False

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        *,
        bias: bool = True,
        channel_dim: int = 1,
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
            channel_dim=channel_dim,
            zero_centered=zero_centered,
            unbiased=unbiased,
            unbiased_running=unbiased_running,
            small_batch=small_batch,
            min_values=min_values,
            skip_nonfinite=skip_nonfinite,
        )

    def _for_small_batch(
        self, x: Tensor, mask: Tensor | None, grid: int, axes: tuple[int, ...]
    ) -> tuple[Running | None, Running | None, tuple[int, ...]]:
        """Return the running statistics, or have each sample normalized by its own; nothing is to be remembered."""
        if self.small_batch == "running" and self.running_mean is not None:
            given = Running(self.running_mean, self.running_var)
            return given, given, axes
        if self.small_batch == "instance" and not self._has_too_few_values(x, mask, 1, grid, None, (), 2):
            return None, None, ()
        return super()._for_small_batch(x, mask, grid, axes)

    def _eps(self, x: Tensor) -> float:  # noqa: ARG002
        """Return ``eps``; refuse what torch.nn refuses: zero in training, below zero always."""
        eps = float(self.eps)
        if eps <= 0.0 and (eps < 0.0 or self._given_statistics() is None):
            rule = "must not be negative" if eps < 0.0 else "must be positive where a batch's own variance is used"
            raise self._error(f"eps {rule}", f"got eps={eps}", "use for example eps=1e-5")
        return eps


class BatchNorm1d(BatchNorm, nn.BatchNorm1d):
    """Batch normalization of inputs ``(N, C)`` or ``(N, C, L)``; drop-in for ``torch.nn.BatchNorm1d``."""

    ranks: ClassVar[tuple[int, ...] | None] = (2, 3)


class BatchNorm2d(BatchNorm, nn.BatchNorm2d):
    """Batch normalization of inputs ``(N, C, H, W)``; drop-in for ``torch.nn.BatchNorm2d``."""

    ranks: ClassVar[tuple[int, ...] | None] = (4,)


class BatchNorm3d(BatchNorm, nn.BatchNorm3d):
    """Batch normalization of inputs ``(N, C, D, H, W)``; drop-in for ``torch.nn.BatchNorm3d``."""

    ranks: ClassVar[tuple[int, ...] | None] = (5,)


let_quantization_fuse((BatchNorm1d, BatchNorm2d, BatchNorm3d))
