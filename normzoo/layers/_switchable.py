"""Switchable normalization: mean and variance are mixtures of those of instance, layer and batch norm.

    y = weight * (x - mean) / sqrt(var + eps) + bias

    mean = sum of p_k * mean_k        var = sum of q_k * var_k        k: instance, layer, batch

with p and q the softmax of three learned numbers each.

Luo, Ren, Peng, Zhang & Li (2018), "Differentiable Learning-to-Normalize via Switchable Normalization".
"""

import torch
from torch import Tensor, nn

from normzoo.layers._formula import TrackedFormulaNorm
from normzoo.layers._kernels.moments import block_moments, pool_moments


class SwitchableNorm(TrackedFormulaNorm):
    """Switchable normalization of inputs ``(N, C, *)`` that have positions: the registry's ``switchable``.

    ``mean_weight`` and ``var_weight`` hold the three numbers of instance, layer and batch norm, in this order; all
    start at one, so that the three have equal shares. In evaluation running statistics stand for the batch's, by moving
    averages as batch norm's; the paper averages over batches after training, as ``surgery.recalibrate`` does.

    >>> norm = SwitchableNorm(3)
    >>> norm.mean_weight.softmax(0).tolist()
    [0.3333333432674408, 0.3333333432674408, 0.3333333432674408]
    """

    needs_positions = True
    way_to_more_values = "use more positions"

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
        zero_centered: bool = False,
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
            zero_centered=zero_centered,
        )
        self.mean_weight = nn.Parameter(torch.empty(3, device=device, dtype=dtype))
        self.var_weight = nn.Parameter(torch.empty(3, device=device, dtype=dtype))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Give the three norms equal shares, set ``weight`` to one, ``bias`` to zero, and forget the statistics."""
        nn.init.ones_(self.mean_weight)
        nn.init.ones_(self.var_weight)
        super().reset_parameters()

    def _compute(self, x: Tensor, mask: Tensor | None) -> Tensor:
        moments = block_moments(x, 2, mask)  # of which those of the others are put together
        self._refuse_few_values(moments.count, x.shape)
        instance, layer, batch = (pool_moments(moments, axes) for axes in ((), (1,), (0,)))
        batch_mean, batch_var = self._of_batch(x, mask, batch)
        p, q = (each.to(x.dtype).softmax(0) for each in (self.mean_weight, self.var_weight))
        mean = sum(share * each for share, each in zip(p, (instance.mean, layer.mean, batch_mean), strict=True))
        var = sum(share * each for share, each in zip(q, (instance.var, layer.var, batch_var), strict=True))
        return self._scale_and_shift((x - mean) * torch.rsqrt(var + self.eps))
