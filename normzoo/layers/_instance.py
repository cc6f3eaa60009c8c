"""Instance normalization: one mean and variance per sample and channel, over the positions.

    y = weight * (x - mean) / sqrt(var + eps) + bias

Ulyanov, Vedaldi & Lempitsky (2016), "Instance Normalization: The Missing Ingredient for Fast Stylization".
"""

from collections.abc import Sequence
from typing import ClassVar, final

import torch
from torch import Tensor

from normzoo.layers._normalize import Running
from normzoo.layers._pool import OverNothing, product
from normzoo.layers._tracked import TrackedNorm


class InstanceNorm(TrackedNorm):
    """Instance normalization of inputs ``(N, C, *)`` with positions, whatever their rank.

    Departure from torch.nn: an input whose channels differ from ``num_features`` is refused also without
    ``affine``, where torch.nn warns.

    >>> y = InstanceNorm(3)(torch.randn(8, 3, 5, 5))
    >>> y.mean((2, 3)).abs().max().item() < 1e-6
    True
    """

    pool = OverNothing()
    needs_positions = True

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
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias)

    def _averaging(self) -> tuple[Tensor | None, float | None]:
        """Return ``momentum``; as in torch.nn, None means that nothing is remembered, and batches are not counted."""
        return None, self.momentum or 0.0

    def _size(self, shape: Sequence[int]) -> tuple[int, int, int]:
        """See an input without a batch dimension, where the class fixes the rank, as a batch of one."""
        if self._lacks_batch(len(shape)):
            self._check_channels(shape, shape[0])
            return 1, shape[0], product(shape[1:])
        return super()._size(shape)

    def _mask_shape(self, x: Tensor) -> tuple[int, ...]:
        return tuple(x.shape[1:]) if self._lacks_batch(x.ndim) else super()._mask_shape(x)

    def _lacks_batch(self, rank: int) -> bool:
        return self.ranks is not None and rank + 1 in self.ranks

    def _known_statistics(self) -> Running | None:
        """As in torch.nn, ``track_running_stats`` set to False later sets aside what was remembered."""
        return super()._known_statistics() if self.track_running_stats else None


@final
class InstanceNorm1d(InstanceNorm):
    """Instance normalization of ``(N, C, L)`` or ``(C, L)``; drop-in for ``torch.nn.InstanceNorm1d``."""

    ranks: ClassVar[tuple[int, ...] | None] = (3,)


@final
class InstanceNorm2d(InstanceNorm):
    """Instance normalization of ``(N, C, H, W)`` or ``(C, H, W)``; drop-in for ``torch.nn.InstanceNorm2d``."""

    ranks: ClassVar[tuple[int, ...] | None] = (4,)


@final
class InstanceNorm3d(InstanceNorm):
    """Instance normalization of ``(N, C, D, H, W)`` or ``(C, D, H, W)``; drop-in for ``torch.nn.InstanceNorm3d``."""

    ranks: ClassVar[tuple[int, ...] | None] = (5,)
