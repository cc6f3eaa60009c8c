"""Batch-instance normalization: each channel between batch and instance norm.

    y = weight * (rho * (x - mean_b) / sqrt(var_b + eps) + (1 - rho) * (x - mean_i) / sqrt(var_i + eps)) + bias

with the mean and variance of a channel over the batch (b), and over one sample of it (i).

Nam & Kim (2018), "Batch-Instance Normalization for Adaptively Style-Invariant Neural Networks".
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import Function

from normzoo.layers._formula import TrackedFormulaNorm, per_channel, positions


class BatchInstanceNorm(TrackedFormulaNorm):
    """Batch-instance normalization of inputs ``(N, C, *)`` that have positions: the registry's ``batch-instance``.

    ``rho`` has a number per channel, within [0, 1], that starts at 1: batch norm. The paper clips it after each step.
    Here it is clipped where it is used, whatever the optimizer, and is given no gradient that leads further out.
    Departure from the paper: its learning rate is that of all, where theirs is larger.

    >>> norm, x = BatchInstanceNorm(3), torch.randn(8, 3, 5, 5)
    >>> bool(torch.allclose(norm(x), nn.BatchNorm2d(3)(x), atol=1e-5))
    True
    """

    needs_positions = True
    way_to_more_values = "use more positions"

    def __init__(
        self,
        num_features: int,
        rho: float = 1.0,
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
        self.start = float(rho)
        self.rho = nn.Parameter(torch.empty(num_features, device=device, dtype=dtype))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Set ``rho`` to its start, ``weight`` to one, ``bias`` to zero, and forget the running statistics."""
        nn.init.constant_(self.rho, self.start)
        super().reset_parameters()

    def _compute(self, x: Tensor, mask: Tensor | None) -> Tensor:
        _, instance_mean, instance_var = self._statistics(x, positions(x), mask)
        batch_mean, batch_var = self._of_batch(x, mask)
        rho: Tensor = per_channel(_Clipped.apply(self.rho), x)
        of_batch = (x - batch_mean) * torch.rsqrt(batch_var + self.eps)
        of_instance = (x - instance_mean) * torch.rsqrt(instance_var + self.eps)  # type: ignore[operator]  # there is one
        return self._scale_and_shift(rho * of_batch + (1 - rho) * of_instance)

    def extra_repr(self) -> str:
        """Return the arguments."""
        return f"{self.num_features}, rho={self.start}, {super().extra_repr().partition(', ')[2]}"


class _Clipped(Function):
    """A number clipped to [0, 1], whose gradient is its own, but for what would lead further out of there.

    The gradient of ``clamp`` is zero beyond the ends: a number that one step has brought there would stay for ever.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(rho: Tensor) -> Tensor:
        return rho.clamp(0, 1)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: Tensor) -> None:  # noqa: ARG004
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (rho,) = ctx.saved_tensors
        leads_out = ((rho <= 0) & (grad > 0)) | ((rho >= 1) & (grad < 0))
        return grad.masked_fill(leads_out, 0.0)
