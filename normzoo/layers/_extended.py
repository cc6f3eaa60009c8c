"""Extended batch normalization: a channel's mean, and one variance for all channels.

    y = weight * (x - mean) / sqrt(var + eps) + bias

with ``mean`` over the samples and positions of a channel, and ``var`` the mean of the squared deviations from these, of
all channels together.

Luo, Zhan, Wang & Gao (2020), "Extended Batch Normalization".
"""

import torch
from torch import Tensor

from normzoo.layers._formula import TrackedFormulaNorm
from normzoo.layers._policies import SmallBatch


class ExtendedBatchNorm(TrackedFormulaNorm):
    """Extended batch normalization of inputs ``(N, C)`` or ``(N, C, *)``: the registry's ``extended``.

    In evaluation the running mean per channel and the mean of the running variances stand for the batch's; those keep
    each channel's own, as batch norm's do.

    >>> y = ExtendedBatchNorm(3)(torch.randn(8, 3, 5, 5))
    >>> abs(y.square().mean().item() - 1) < 1e-3
    True
    """

    way_to_more_values = "use a larger batch or more positions"

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
        unbiased_running: bool = True,
        small_batch: SmallBatch = "error",
        min_values: int = 2,
        skip_nonfinite: bool = False,
    ) -> None:
        super().__init__(
            num_features,
            eps=eps,
            momentum=momentum,
            affine=affine,
            track_running_stats=track_running_stats,
            bias=bias,
            device=device,
            dtype=dtype,
            channel_dim=channel_dim,
            zero_centered=zero_centered,
            unbiased_running=unbiased_running,
            small_batch=small_batch,
            min_values=min_values,
            skip_nonfinite=skip_nonfinite,
        )
        self.reset_parameters()

    def _compute(self, x: Tensor, mask: Tensor | None) -> Tensor:
        mean, var = self._of_batch(x, mask)
        shared = var.mean(1, keepdim=True)  # channels hold equally many values
        return self._scale_and_shift((x - mean) * torch.rsqrt(shared + self.eps))
