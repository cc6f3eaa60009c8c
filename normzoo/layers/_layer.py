"""Layer normalization: one mean and variance per row, over the trailing dimensions.

    y = weight * (x - mean) / sqrt(var + eps) + bias

Ba, Kiros & Hinton (2016), "Layer Normalization".
"""

from collections.abc import Sequence

import torch
from torch import Size, nn

from normzoo.layers._rows import RowNorm


class LayerNorm(RowNorm, nn.LayerNorm):
    """Layer normalization of inputs ``(*, *normalized_shape)``; drop-in for ``torch.nn.LayerNorm``.

    ``weight`` and ``bias`` have the shape ``normalized_shape``. For convolutional maps ``(N, C, H, W)`` with a factor
    per channel, as the literature compares it, use ``make_norm("layer", C)``.

    Departure from torch.nn: one value per statistic (``normalized_shape`` of one value) is an error in training,
    where torch.nn returns ``bias``.

    >>> y = LayerNorm(6)(torch.randn(4, 5, 6))
    >>> y.mean(-1).abs().max().item() < 1e-6
    True
    """

    def __init__(
        self,
        normalized_shape: int | Sequence[int] | Size,
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(
            normalized_shape,
            eps=eps,
            weight=elementwise_affine,
            bias=elementwise_affine and bias,
            device=device,
            dtype=dtype,
        )
        self.elementwise_affine = elementwise_affine

    def extra_repr(self) -> str:
        """Return the arguments, as torch.nn prints them."""
        return (
            f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}, "
            f"bias={self.bias is not None}"
        )
