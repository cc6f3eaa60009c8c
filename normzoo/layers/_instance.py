"""Instance normalization, whose pools are those of ``OverNothing``.

    y = weight * (x - mean) / sqrt(var + eps) + bias

Ulyanov, Vedaldi & Lempitsky (2016), "Instance Normalization: The Missing Ingredient for Fast Stylization".
"""

from typing import ClassVar

import torch
from torch import Tensor, nn

from normzoo.layers._kernels.spec import Running
from normzoo.layers._kernels.torch_internals import TorchInstanceNorm
from normzoo.layers._pooled import OverNothing
from normzoo.layers._tracked import TrackedNorm


class InstanceNorm(TrackedNorm, TorchInstanceNorm):
    """Instance normalization of inputs ``(N, C, *)`` with positions, whatever their rank.

    Departure from torch.nn: an input whose channels differ from ``num_features`` is refused also without
    ``affine``, where torch.nn warns.

    >>> y = InstanceNorm(3)(torch.randn(8, 3, 5, 5))
    >>> y.mean((2, 3)).abs().max().item() < 1e-6
    True
    """

    pool = OverNothing()
    needs_positions = True
    way_to_more_values = "use more positions"

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        *,
        bias: bool = True,
        channel_dim: int = 1,
        zero_centered: bool = False,
        unbiased: bool = False,
        unbiased_running: bool = True,
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
            skip_nonfinite=skip_nonfinite,
        )

    def _averaging(self) -> tuple[Tensor | None, float | None]:
        """Return ``momentum``; as in torch.nn, None means that nothing is remembered, and batches are not counted."""
        return None, self.momentum or 0.0

    def forward(self, input: Tensor, mask: Tensor | None = None) -> Tensor:  # noqa: A002  # torch.nn's name
        """Normalize; see an input without a batch dimension, where the class fixes the rank, as a batch of one."""
        ranks = self.ranks if self.channel_dim == 1 else None
        if ranks is not None and isinstance(input, Tensor) and input.ndim + 1 in ranks:
            self._check_channels(input.shape, input.shape[0])
            of_batch = mask.unsqueeze(0) if isinstance(mask, Tensor) else mask
            return super().forward(input.unsqueeze(0), of_batch).squeeze(0)
        return super().forward(input, mask)

    def _remembers(self) -> bool:
        """As in torch.nn, what is normalized by its own statistics is remembered, whatever has been set later."""
        return True

    def _given_statistics(self) -> Running | None:
        """As in torch.nn, ``track_running_stats`` set to False later sets aside what was remembered."""
        return super()._given_statistics() if self.track_running_stats else None


class InstanceNorm1d(InstanceNorm, nn.InstanceNorm1d):
    """Instance normalization of ``(N, C, L)`` or ``(C, L)``; drop-in for ``torch.nn.InstanceNorm1d``."""

    ranks: ClassVar[tuple[int, ...] | None] = (3,)


class InstanceNorm2d(InstanceNorm, nn.InstanceNorm2d):
    """Instance normalization of ``(N, C, H, W)`` or ``(C, H, W)``; drop-in for ``torch.nn.InstanceNorm2d``."""

    ranks: ClassVar[tuple[int, ...] | None] = (4,)


class InstanceNorm3d(InstanceNorm, nn.InstanceNorm3d):
    """Instance normalization of ``(N, C, D, H, W)`` or ``(C, D, H, W)``; drop-in for ``torch.nn.InstanceNorm3d``."""

    ranks: ClassVar[tuple[int, ...] | None] = (5,)
